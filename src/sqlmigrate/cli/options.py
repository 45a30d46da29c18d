"""The options that every command takes, by the kinds of commands; each receives an `App`."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sqlmigrate.cli.call import App
from sqlmigrate.cli.output import Output
from sqlmigrate.cli.recording import RECORDING, Recorder, open_records

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlmigrate.seeds import SeedSet

F = TypeVar("F", bound="Callable[..., Any]")

_COMMON = (
    click.option(
        "-d", "--database-url", metavar="URL", help="The database to work on: a URL or a libpq connection string."
    ),
    click.option("-m", "--migrations", type=click.Path(path_type=Path), help="The folder of the SQL files."),
    click.option("--env", metavar="NAME", help="Use the settings of [tool.sqlmigrate.env.NAME]."),
    click.option("--config", type=click.Path(path_type=Path), help="The configuration file."),
    click.option("--embedded", is_flag=True, default=None, help="Work on a private server of this project."),
    click.option(
        "--wait-for-server", metavar="TIME", help="Wait until the database's server accepts connections [0: do not]."
    ),
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout."),
    click.option("-q", "--quiet", is_flag=True, help="Print no progress on stderr."),
    click.option("-v", "--verbose", is_flag=True, help="Print more details."),
    click.option("--no-color", is_flag=True, help="Print without colours (so does NO_COLOR)."),
)
_RUNNING = (
    click.option("--role", metavar="ROLE", help="Work as this role (SET ROLE)."),
    click.option(
        "--lock-timeout", metavar="TIME", help="How long a statement waits for a lock inside PostgreSQL [2s]."
    ),
    click.option("--statement-timeout", metavar="TIME", help="Cancel a statement that takes longer [0: no limit]."),
    click.option("--lock-budget", metavar="TIME", help="How long to try again when a lock is not granted [10min]."),
    click.option("--wait-lock", metavar="TIME", help="How long to wait for another run of sqlmigrate [5min]."),
)
_GUARDS = (
    click.option("--max-waiters", metavar="N", help="Cancel and retry if more sessions wait behind us [no limit]."),
    click.option("--max-block", metavar="TIME", help="Cancel and retry if one waits for longer [no limit]."),
    click.option("--max-lag", metavar="TIME", help="Wait between migrations while a standby lags by more [no limit]."),
)
_DURABLE = click.option(
    "--durable",
    type=click.Choice(["each", "end"]),
    help="Have each COMMIT wait for the disk and for standbys, or at the end one for all [end].",
)
_NAMING = click.option(
    "--yes-i-mean", metavar="DATABASE", help="Confirm a protected environment by its database's name."
)
_CONFIRMING = (click.option("-y", "--yes", is_flag=True, help="Do not ask."), _NAMING)
_ACCEPTING = click.option("--accept-loss", is_flag=True, help="Do not ask, even where data is lost.")
_NOT_SIDE_BY_SIDE = "--jobs is for throwaway servers of our own; with --shadow-url, migrations are tried one at a time"
_FRESH = click.option("--fresh", is_flag=True, help="Take nothing from the cache, and keep nothing there.")
_SHADOW = (
    click.option("--shadow-url", metavar="URL", help="Create the throwaway databases on this server."),
    click.option(
        "--shadow-superuser",
        is_flag=True,
        help="Run scripts and samples as superuser, if the throwaway server is our own.",
    ),
    click.option(
        "--base",
        type=click.Choice(["replay", "dump"]),
        default="replay",
        help="Start from the earlier migrations, or from a pg_dump of the database's schema [replay].",
    ),
    _FRESH,
)
_CONFIRMING_FLEET = (
    _CONFIRMING[0],
    click.option("--yes-i-mean", metavar="NAME", help="Confirm a protected environment by its name."),
)
_OF_FLEETS = (*_COMMON[1:4], *_COMMON[6:])  # a fleet names no database
_CONCURRENCY = click.option(
    "--concurrency",
    type=click.IntRange(1, 1000),
    default=16,
    metavar="N",
    help="Work on N targets at a time [16].",
)
_TARGETS = (
    click.option("--targets", type=click.Path(path_type=Path), metavar="FILE", help="The file that lists the targets."),
    _CONCURRENCY,
)
_PACE = (
    click.option(
        "--per-cluster",
        type=click.IntRange(min=0),
        default=4,
        metavar="N",
        help="Work on N targets of a cluster at a time; 0: any number [4].",
    ),
    click.option(
        "--max-failures", metavar="N|P%", help="Open no more targets once N of them, or P percent, have failed [none]."
    ),
    click.option(
        "--same-error",
        type=click.IntRange(min=1),
        default=3,
        metavar="N",
        help="Open no more targets once N have failed with the same error [3].",
    ),
    click.option("--pause", metavar="TIME", help="Wait so long between two waves."),
    click.option("--approve", is_flag=True, help="Ask before each wave but the first."),
    click.option(
        "--deadline", metavar="TIME", help="Open no more targets after this time of day, as 06:00, or so long from now."
    ),
)
scheduler = click.option(
    "--scheduler",
    metavar="URL",
    help="Have the workers of this scheduler do it: tls://HOST:PORT, or tcp://127.0.0.1:PORT.",
)
_SETTINGS = (
    "database_url", "wait_for_server", "migrations", "embedded", "role", "lock_timeout", "lock_budget",
    "statement_timeout", "wait_lock", "durable", "max_waiters", "max_block", "max_lag", "data", "allow_out_of_order",
    "shadow_url", "require_proof", "check_drift", "targets", "scheduler",
)  # fmt: skip


def common(command: F) -> F:
    """Add to a command the options that every command takes; it receives them as an `App`."""
    return _with_app(command, _COMMON)


def confirming(command: F) -> F:
    """Add to a command the options of those that ask, beside the common ones."""
    return _with_app(command, (*_CONFIRMING, *_COMMON))


def planning(command: F) -> F:
    """Add to a command the options that scripts run under in psql, which never tries again, beside the common ones."""
    late = click.option("--allow-out-of-order", is_flag=True, default=None, help="As `apply --allow-out-of-order`.")
    return _with_app(command, (late, *_RUNNING[:3], *_COMMON))


def running(command: F) -> F:
    """Add to a command the options of those that run scripts, beside the common ones."""
    return _with_app(command, (*_CONFIRMING, _ACCEPTING, *_RUNNING, *_GUARDS, _DURABLE, *RECORDING, *_COMMON))


def writing(command: F) -> F:
    """Add to a command the options of those that write, and ask in protected environments only."""
    return _with_app(command, (_NAMING, *_RUNNING[-1:], *RECORDING, *_COMMON))


def seeding(command: F) -> F:
    """Add to a command the options of those that write rows under the run lock, as a role."""
    return _with_app(command, (_NAMING, *_RUNNING, *RECORDING, *_COMMON))


def reading_as(command: F) -> F:
    """Add to a command the options of those that read rows as a role, beside the common ones."""
    return _with_app(command, (*_RUNNING[:3], *_COMMON))


def fleet_reading(command: F) -> F:
    """Add to a command the options of those that look at the targets of a fleet."""
    return _with_app(command, (*_TARGETS, *_OF_FLEETS))


def fleet_running(command: F) -> F:
    """Add to a command the options of those that run scripts in the targets of a fleet."""
    return _with_app(
        command,
        (
            *_TARGETS,
            scheduler,
            *_PACE,
            *_CONFIRMING_FLEET,
            _ACCEPTING,
            *_RUNNING,
            *_GUARDS,
            _DURABLE,
            *RECORDING,
            *_OF_FLEETS,
        ),
    )


def fleet_recalling(command: F) -> F:
    """Add to a command the options of those that read what was written down of a fleet's runs."""
    return _with_app(command, (_TARGETS[0], *_OF_FLEETS))


def fleet_working(command: F) -> F:
    """Add to a command the options of those that work for the coordinator of a fleet."""
    return _with_app(command, (_TARGETS[0], *_OF_FLEETS))


def forgetting(command: F) -> F:
    """Add to a command the options of those that write, and ask everywhere."""
    return _with_app(command, (*_CONFIRMING, *_RUNNING[-1:], *_COMMON))


def comparing(command: F) -> F:
    """Add to a command the options of those that compare the target with a throwaway database."""
    return _with_app(command, (*_SHADOW[:1], _FRESH, *_COMMON))


def shadowing(command: F) -> F:
    """Add to a command the options of those that try scripts in throwaway databases, beside those of any other kind.

    It stands above `@common` or its like, and the command receives `base` and `shadow_superuser`.
    """
    decorated: Any = command
    for option in reversed((*_SHADOW, *RECORDING)):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


def making(command: F) -> F:
    """Add to a command the options of those that make throwaway databases of the files alone.

    It receives `shadow_superuser`.
    """
    return _with_app(command, (*_SHADOW[:2], _FRESH, *RECORDING, *_COMMON))


def baselining(command: F) -> F:
    """Add to a command the options of those that write files and the history, and make throwaway databases."""
    return _with_app(command, (*_SHADOW[:1], _FRESH, _NAMING, *_RUNNING[:1], *_RUNNING[-1:], *RECORDING, *_COMMON))


jobs = click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Use N throwaway servers in parallel [one for each 20 migrations, at most 4].",
)


seeds = click.option("--seeds", is_flag=True, help="Load what fits of the seed data as sample rows, too.")


def sample_seeds(app: App) -> SeedSet:
    """Read the seed files for sample rows."""
    from sqlmigrate.seeds import load  # noqa: PLC0415  only where they are asked for

    return load(app.config.data, app.config.env)


def require_own_servers(app: App, jobs: int | None) -> None:
    """Refuse --jobs where the server for throwaway databases is not ours."""
    if jobs is not None and app.config.shadow_url is not None:
        raise click.UsageError(_NOT_SIDE_BY_SIDE)


def _with_app(command: F, options: Sequence[Callable[[Any], Any]]) -> F:
    @functools.wraps(command)
    @click.pass_context
    def wrapper(context: click.Context, /, **values: Any) -> Any:
        return command(_app(context, values), **values)

    decorated: Any = wrapper
    for option in reversed(options):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


def _app(context: click.Context, values: dict[str, Any]) -> App:
    """Take the common options out of a command's values."""
    _require_utf8(values)
    path = context.command_path.split()[1:]
    name = " ".join(path)
    output = Output(
        name,
        as_json=values.pop("as_json"),
        quiet=values.pop("quiet"),
        verbose=values.pop("verbose"),
        color=False if values.pop("no_color") else None,
        recorder=Recorder(name),
    )
    open_records(output.recorder, output.warning, values)
    context.find_root().obj = output
    given = {name: values.pop(name, None) for name in _SETTINGS}
    if values.pop("fresh", False):
        given["cache_size"] = 0
    return App(
        output,
        given,
        env=values.pop("env"),
        config_file=values.pop("config"),
        yes=values.pop("yes", False),
        yes_i_mean=values.pop("yes_i_mean", None),
        accept_loss=values.pop("accept_loss", False),
    )


def _require_utf8(values: dict[str, Any]) -> None:
    """Refuse texts that could be sent nowhere; paths may be any bytes."""
    from sqlmigrate.config import is_utf8  # noqa: PLC0415  --help needs no settings

    for name, value in values.items():
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and not is_utf8(text):
                raise click.UsageError(f"{name.replace('_', '-')}: {text!r} is not UTF-8")
