"""Check what the functions of `sqlmigrate.api.fleets` are given, and make of it what a fleet asks for."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmigrate import config, errors
from sqlmigrate.api.arguments import Time, conninfo, read_files, run_options
from sqlmigrate.sql.directives import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlmigrate import events
    from sqlmigrate.engine import Options
    from sqlmigrate.fleet.fleet import Fleet
    from sqlmigrate.fleet.model import Wave
    from sqlmigrate.fleet.project import Call
    from sqlmigrate.migrations import Migrations

Targets = str | Path | Iterable[Mapping[str, Any]]
"""A file that lists targets, or the targets: mappings with the keys that such a file has."""
STATE_DIR = ".sqlmigrate"
_OF_SCRIPTS = (
    "role", "search_path", "lock_timeout", "lock_budget", "statement_timeout", "wait_lock", "max_waiters", "max_block",
    "max_lag", "durable", "history_schema", "history_owners",
)  # fmt: skip


def settings(
    targets: Targets, *, state_dir: str | Path = STATE_DIR, control_database: str | None = None, **given: Any
) -> tuple[config.Config, Options]:
    """Return the settings of a call, and the options that scripts run under."""
    options = run_options(**given)
    listed = Path(targets) if isinstance(targets, (str, Path)) else None
    found = config.Config(
        targets=listed,
        state_dir=Path(state_dir),
        control_database_url=None if control_database is None else conninfo(control_database),
        history_schema=options.schema,
        history_owners=options.history_owners,
        sources={"targets": "an argument", "control_database_url": "an argument"},
    )
    return found, options


def settings_of_run(given: Mapping[str, Any]) -> tuple[config.Config, Options]:
    """Return the same for a function that runs scripts, from all of its arguments."""
    return settings(**{name: given[name] for name in ("targets", "state_dir", "control_database", *_OF_SCRIPTS)})


def listed(targets: Targets) -> Iterable[Mapping[str, Any]] | None:
    """Return the targets that are given as such; None for a file."""
    return None if isinstance(targets, (str, Path)) else targets


def read_targets(
    found: config.Config,
    options: Options,
    targets: Targets,
    migrations: str | Path | Migrations,
    to: str | None = None,
    part: tuple[int, int] | None = None,
) -> Fleet:
    """Read the targets, and the migrations unless they are read."""
    from sqlmigrate.fleet import project  # noqa: PLC0415  most programs have one database

    files = read_files(migrations)
    if to is not None:
        files.named(to)
    return project.read(found, options, part=part, files=files, targets=listed(targets))


def share(part: int | None, of: int | None) -> tuple[int, int] | None:
    """Return the share that is meant, if it is not all."""
    if part is None and of is None:
        return None
    if part is None or of is None or not 1 <= part <= of:
        raise errors.UsageError("give part and of together, with part from 1 to of")
    return part, of


def call(
    observer: events.Observer,
    targets: int,
    concurrency: int,
    per_cluster: int,
    max_failures: int | str | None,
    same_error: int,
    pause: Time,
    approve: Callable[[Wave], bool] | None,
    deadline: Time | None,
) -> Call:
    """Return how a run is to go."""
    from sqlmigrate.fleet.driving import Manner  # noqa: PLC0415  most programs have one database
    from sqlmigrate.fleet.model import Limits  # noqa: PLC0415  same
    from sqlmigrate.fleet.project import Call  # noqa: PLC0415  same
    from sqlmigrate.fleet.telling import Telling  # noqa: PLC0415  same
    from sqlmigrate.fleet.waves import read_most  # noqa: PLC0415  same

    for name, number, least in (
        ("concurrency", concurrency, 1), ("per_cluster", per_cluster, 0), ("same_error", same_error, 1),
    ):  # fmt: skip
        if number < least:
            raise errors.UsageError(f"{name} counts from {least}, so it cannot be {number}")
    try:
        most = None if max_failures is None else read_most(str(max_failures), targets)
    except ValueError as error:
        raise errors.UsageError(f"max_failures: {error}") from None
    end = None if deadline is None else time.monotonic() + _seconds("deadline", deadline)
    telling = Telling(observer)
    return Call(
        Limits(concurrency, per_cluster, most, same_error),
        Manner(_seconds("pause", pause), approve, end),
        telling,
        telling.listening,
    )


def _seconds(name: str, value: Time) -> float:
    try:
        return (value if isinstance(value, int) else parse_duration(value)) / 1000
    except ValueError as error:
        raise errors.UsageError(f"{name}: {error}") from None
