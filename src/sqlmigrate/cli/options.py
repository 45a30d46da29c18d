"""The options that every command takes, and what they lead to: settings, a target, a way to ask."""

from __future__ import annotations

import functools
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sqlmigrate.cli.foreign_text import one_line
from sqlmigrate.cli.output import Output, is_terminal
from sqlmigrate.cli.recording import RECORDING, Recorder, open_records
from sqlmigrate.errors import ConfirmationRequired, ConnectionFailed, Error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlmigrate.config import Config
    from sqlmigrate.connection import Gate, ServerInfo
    from sqlmigrate.connection.early import Early
    from sqlmigrate.engine import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.migrations import Migrations
    from sqlmigrate.plan import Plan
    from sqlmigrate.target import Target

F = TypeVar("F", bound="Callable[..., Any]")
T = TypeVar("T")

_COMMON = (
    click.option(
        "-d", "--database-url", metavar="URL", help="The database to work on: a URL or a libpq connection string."
    ),
    click.option("-m", "--migrations", type=click.Path(path_type=Path), help="The folder of the SQL files."),
    click.option("--env", metavar="NAME", help="Use the settings of [tool.sqlmigrate.env.NAME]."),
    click.option("--config", type=click.Path(path_type=Path), help="The configuration file."),
    click.option("--embedded", is_flag=True, default=None, help="Work on a private server of this project."),
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout."),
    click.option("-q", "--quiet", is_flag=True, help="Print no progress on stderr."),
    click.option("-v", "--verbose", is_flag=True, help="Print more details."),
    click.option("--no-color", is_flag=True, help="Print without colours (so does NO_COLOR)."),
)
_RUNNING = (
    click.option("--role", metavar="ROLE", help="Run the scripts as this role (SET ROLE)."),
    click.option(
        "--lock-timeout", metavar="TIME", help="How long a statement waits for a lock inside PostgreSQL [2s]."
    ),
    click.option("--statement-timeout", metavar="TIME", help="Cancel a statement that takes longer [0: no limit]."),
    click.option(
        "--lock-budget", metavar="TIME", help="How long a script is retried when it cannot get a lock [10min]."
    ),
    click.option("--wait-lock", metavar="TIME", help="How long to wait for another run of sqlmigrate [5min]."),
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
_SETTINGS = (
    "database_url", "migrations", "embedded", "role", "lock_timeout", "lock_budget", "statement_timeout", "wait_lock",
    "durable", "data", "allow_out_of_order", "shadow_url", "require_proof", "check_drift",
)  # fmt: skip


@dataclass(slots=True)
class App:
    """One call of a command: how it speaks, and its settings, read when they are first needed."""

    output: Output
    given: dict[str, Any] = field(default_factory=dict)
    env: str | None = None
    config_file: Path | None = None
    yes: bool = False
    yes_i_mean: str | None = None
    _config: Config | None = None
    _announced: bool = False

    @property
    def config(self) -> Config:
        """The settings of this call."""
        if self._config is None:
            from sqlmigrate.config import load  # noqa: PLC0415  --help needs no settings

            self._config = load(self.given, env=self.env, config_file=self.config_file)
            for note in self._config.passed_over:
                self.output.warning(note)
        return self._config

    @contextmanager
    def target(self) -> Iterator[Target]:
        """Yield the database that is meant, started where it is a private server."""
        from sqlmigrate.target import choose, opened  # noqa: PLC0415  not every command has a database

        choice = choose(self.config, interactive=is_terminal(sys.stderr))
        with opened(choice, self.config) as target:
            for note in target.notes:
                self.output.warning(note)
            with self._telling(target):
                yield target

    def connecting(self) -> Early | None:
        """Begin to connect to the named database, before files are read; what is wrong is told when it is used."""
        from sqlmigrate.connection.early import Early  # noqa: PLC0415  not every command has a database
        from sqlmigrate.target import named  # noqa: PLC0415  same

        try:
            choice = named(self.config)
        except Error:
            return None
        if choice is None or choice.conninfo is None:
            return None
        early = Early(choice.conninfo)
        click.get_current_context().call_on_close(early.leave)
        return early

    @contextmanager
    def named_target(self) -> Iterator[Target | None]:
        """Yield the database that somebody has named, for commands that can do without: a private one only if asked."""
        from sqlmigrate.target import named, opened  # noqa: PLC0415  not every command has a database

        if self.config.embedded and self.config.source("embedded").startswith("option"):
            with self.target() as target:
                yield target
        elif (choice := named(self.config)) is None:
            yield None
        else:
            with opened(choice, self.config) as target, self._telling(target):
                yield target

    @contextmanager
    def own_target(self) -> Iterator[Target | None]:
        """Yield the project's private server, if there is one already and no database is named; never in CI."""
        from sqlmigrate import server  # noqa: PLC0415  not every command has a database
        from sqlmigrate.target import Choice, named, opened, state_dir  # noqa: PLC0415  same

        if os.environ.get("CI") or named(self.config) is not None or not server.status(state_dir(self.config)):
            yield None
            return
        with opened(Choice(None, "the project's private server"), self.config) as target, self._telling(target):
            yield target

    @contextmanager
    def _telling(self, target: Target) -> Iterator[None]:
        """Name the target beside an error that comes before it was announced: it may be the wrong one."""
        try:
            yield
        except Error as error:
            if not self._announced:
                from sqlmigrate.connection.address import meant  # noqa: PLC0415  a target has loaded it already

                self._name(meant(target.conninfo), target)
                if isinstance(error, ConnectionFailed) and not error.hint and not target.private:
                    hint = f"check the server, and host, port, database, role and password, {target.description}"
                    raise error.replaced(hint=hint) from None
            raise

    def observer(self, draw: Observer, *, hooks: bool = False) -> Observer:
        """Return an observer that notes what happens where that was asked for, and draws it; it may run the hooks."""
        if hooks:
            self.output.recorder.take_hooks(self.config.hooks, self.output.progress, self.output.warning)
        return self.output.recorder.noting(draw)

    def options(self) -> Options:
        """Return the settings that scripts run under."""
        from sqlmigrate.engine import Options  # noqa: PLC0415  only commands that write need the engine

        config = self.config
        return Options(
            schema=config.history_schema,
            history_owners=config.history_owners,
            role=config.role,
            search_path=config.search_path,
            lock_timeout=config.lock_timeout,
            statement_timeout=config.statement_timeout,
            lock_budget=config.lock_budget,
            wait_lock=config.wait_lock,
            durable="each" if config.hooks.after_migration else config.durable,
            apart=config.hooks.between,
        )

    def announce(self, target: Target, info: ServerInfo) -> None:
        """Name the database on stderr, even when quiet: nobody shall write to one by surprise."""
        on = "" if target.private else f" on {info.host}"
        self._name(f"database {info.database}{on} as {info.role}, PostgreSQL {info.version}", target)

    def _name(self, what: str, target: Target) -> None:
        env = f", environment {self.config.env}" if self.config.env else ""
        above = f", configuration {self.config.file}" if self.config.found_above else ""
        self.output.always(f"{what} ({target.description}{env}{above})")
        self._announced = True

    def warn(self, info: ServerInfo) -> None:
        """Say what about this server and these settings makes running scripts harder."""
        timeout = self.config.lock_timeout
        if timeout <= info.deadlock_timeout:
            from sqlmigrate.sql.directives import format_duration  # noqa: PLC0415  loaded by the settings already

            self.output.warning(
                f"lock_timeout ({format_duration(timeout)}) is not above the server's deadlock_timeout "
                f"({format_duration(info.deadlock_timeout)}): "
                "autovacuum only gives way after that, so a table that it works on cannot be locked"
            )
        if info.pooled:
            self.output.warning(
                "there is a connection pooler in front of this database; its session mode works, other modes do not"
            )

    def require_proofs(
        self, found: Migrations, info: ServerInfo, planned: Plan, *, outcome: str = "nothing was run"
    ) -> None:
        """Refuse what has no proof where the settings require one; raises MigrationsError."""
        if self.config.require_proof:
            from sqlmigrate.roundtrip import proofs  # noqa: PLC0415  only where it is asked for

            for note in proofs.require(found, planned.steps, major=info.major, outcome=outcome):
                self.output.warning(note)

    def announcing(self, target: Target) -> Gate[object]:
        """Return a gate that names the database of a target and lets everything pass."""
        return lambda info, _: self.announce(target, info)

    def asking(self, target: Target, question: Callable[[ServerInfo, T], str | None]) -> Gate[T]:
        """Return a gate that names the database of a target and asks, in protected environments, before a write.

        The question is None where there is nothing to write.
        """

        def gate(info: ServerInfo, what: T, /) -> None:
            self.announce(target, info)
            if (asked := question(info, what)) is not None:
                self.confirm(asked, database=info.database, always=False)

        return gate

    def confirm(self, question: str, *, database: str, always: bool) -> None:
        """Ask before something is written; raises ConfirmationRequired where nobody said yes.

        A protected environment wants the database's name, typed or as --yes-i-mean; --yes is not enough there.
        A name that is given must be right everywhere.
        """
        if self.config.protected or self.yes_i_mean is not None:
            self._confirm_protected(question, database)
        elif always and not self.yes:
            if not is_terminal(sys.stdin):
                raise ConfirmationRequired(
                    f"there is no terminal to ask on: {question} Nothing was changed", hint="to go on, give --yes"
                )
            if not click.confirm(one_line(question, styled=False), err=True):
                raise ConfirmationRequired("not confirmed; nothing was changed")

    def _confirm_protected(self, question: str, database: str) -> None:
        where = f"environment {self.config.env}" if self.config.env else "this configuration"
        typed = self.yes_i_mean
        if typed is None:
            if not is_terminal(sys.stdin):
                raise ConfirmationRequired(
                    f"{where} is protected; nothing was changed",
                    hint=f"to go on, name the database: --yes-i-mean {database}",
                )
            ask = f"{question} {where} is protected: type the database's name"
            typed = click.prompt(one_line(ask, styled=False), err=True, default="", show_default=False)
        if typed != database:
            raise ConfirmationRequired(f"{typed!r} is not the name of this database, {database}; nothing was changed")


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
    return _with_app(command, (*_CONFIRMING, *_RUNNING, _DURABLE, *RECORDING, *_COMMON))


def writing(command: F) -> F:
    """Add to a command the options of those that write, and ask in protected environments only."""
    return _with_app(command, (_NAMING, *_RUNNING[-1:], *RECORDING, *_COMMON))


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
    )


def _require_utf8(values: dict[str, Any]) -> None:
    """Refuse texts that could be sent nowhere; paths may be any bytes."""
    from sqlmigrate.config import is_utf8  # noqa: PLC0415  --help needs no settings

    for name, value in values.items():
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and not is_utf8(text):
                raise click.UsageError(f"{name.replace('_', '-')}: {text!r} is not UTF-8")
