"""The functions of `sqlmigrate.api` about the history alone: no script runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlmigrate import connection, engine, errors, events
from sqlmigrate import history as recorded
from sqlmigrate.api.arguments import SCHEMA, Time, checked, conninfo, own_errors, read_files, run_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sqlmigrate.history import AttemptRow, LogRow
    from sqlmigrate.migrations import Migrations


@dataclass(frozen=True, slots=True)
class Log:
    """What the history tells: the `operations` that were carried out, and every attempt, both oldest first.

    An attempt whose `state` is not `done` did not succeed. All times are in UTC, without a time zone.
    """

    operations: tuple[LogRow, ...]
    attempts: tuple[AttemptRow, ...]


@checked
def mark(
    database: str,
    migrations: str | Path | Migrations,
    ids: Iterable[str] = (),
    *,
    through: str | None = None,
    everything: bool = False,
    role: str | None = None,
    wait_lock: Time = "5min",
    history_schema: str = SCHEMA,
    history_owners: Sequence[str] = (),
    observer: events.Observer = events.ignore,
) -> tuple[str, ...]:
    """Record migrations as applied without running them: the `ids`, all `through` one of them, or `everything`.

    Gives those that were not applied before. `rollback` stops at a marked one. Raises UsageError for an id that is not
    there, RunLockBusy, HistoryError and ConnectionFailed; nothing was recorded then.
    """
    found, wanted = read_files(migrations), tuple(ids)
    if bool(wanted) + (through is not None) + everything != 1:
        raise errors.UsageError("give one of ids, through and everything")
    if not wanted:
        names = tuple(migration.migration_id for migration in found.ordered)
        wanted = names[: names.index(found.named(through).migration_id) + 1] if through is not None else names
    options = run_options(role=role, wait_lock=wait_lock, history_schema=history_schema, history_owners=history_owners)
    with own_errors():
        return tuple(engine.mark(conninfo(database), found, wanted, options, observer=observer))


@checked
def accept(
    database: str,
    migrations: str | Path | Migrations,
    migration_id: str,
    reason: str,
    *,
    wait_lock: Time = "5min",
    history_schema: str = SCHEMA,
    history_owners: Sequence[str] = (),
    observer: events.Observer = events.ignore,
) -> bool:
    """Record the files of an applied migration as they are now, with the reason; nothing runs.

    Gives False where they are recorded so already. Raises UsageError for an id that is not there or not applied, or
    without a reason, RunLockBusy, HistoryError and ConnectionFailed.
    """
    if not reason.strip():
        raise errors.UsageError("reason: it is kept in the history, and cannot be empty")
    found = read_files(migrations)
    options = run_options(wait_lock=wait_lock, history_schema=history_schema, history_owners=history_owners)
    with own_errors():
        return engine.accept(conninfo(database), found, migration_id, reason, options, observer=observer)


@checked
def history(
    database: str,
    *,
    migration_id: str | None = None,
    operation: str | None = None,
    begin: datetime | None = None,
    end: datetime | None = None,
    last: int | None = None,
    attempts: bool = True,
    history_schema: str = SCHEMA,
    history_owners: Sequence[str] = (),
) -> Log:
    """Read who did what, when, from where and why: all of it, or what fits.

    `begin` is included and `end` is not; a time without a time zone is in UTC. `last` counts from the newest, of
    operations and of attempts. Without `attempts` none are read: a role that may read the history may not always read
    those. It takes no lock and writes nothing. Raises HistoryError where there is no history or it may not be read, and
    ConnectionFailed.
    """
    if last is not None and last < 1:
        raise errors.UsageError(f"last counts from 1, so it cannot be {last}")
    options = run_options(history_schema=history_schema, history_owners=history_owners)
    wanted = recorded.LogFilter(migration_id, operation, _in_utc(begin), _in_utc(end), last)
    with own_errors(), connection.session(conninfo(database)) as session:
        connection.probe(session)
        owners = options.history_owners
        operations = recorded.read_log(session, options.schema, wanted, owners=owners)
        tried = recorded.read_attempts(session, options.schema, wanted, owners=owners) if attempts else []
    return Log(tuple(operations), tuple(tried))


def _in_utc(time: datetime | None) -> str | None:
    if time is None:
        return None
    return (time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time).isoformat()
