"""A ledger that was lost, made anew from the histories of the targets: each of their rows has the id of its run."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate import connection, history
from sqlmigrate.errors import Error
from sqlmigrate.events.record import utc
from sqlmigrate.fleet.ledger.model import Entry, Head, RunRecord
from sqlmigrate.fleet.model import State, Wanted, Wave
from sqlmigrate.fleet.tenants import options_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlmigrate.engine import Options
    from sqlmigrate.fleet.places import Place
    from sqlmigrate.history import LogRow
    from sqlmigrate.migrations import Migrations

_KINDS = ("apply", "rollback")
_WAVE = "all"


@dataclass(frozen=True, slots=True)
class Log:
    """What the history of a target says of all runs, oldest first; `unread` says why it does not."""

    target: str
    rows: tuple[LogRow, ...] = ()
    unread: str | None = field(default=None)


def read_log(place: Place, options: Options) -> Log:
    """Read the log of a target; no error of it is raised, and one without a history has no rows."""
    name, here = place.target.name, options_of(place.target.schema, options)
    try:
        with connection.session(place.conninfo) as session:
            if history.read(session, here.schema, owners=here.history_owners).version is None:
                return Log(name)
            rows = history.read_log(session, here.schema, history.LogFilter(), owners=here.history_owners)
    except (Error, psycopg.Error) as error:
        return Log(name, unread=connection.in_words(error).message)
    return Log(name, tuple(row for row in rows if row.run_id and row.migration_id and row.operation in _KINDS))


def rebuilt(logs: Iterable[Log], migrations: Migrations) -> list[RunRecord]:
    """Return the runs that the logs tell of, with all targets in one wave.

    What was wanted is taken to be what has been reached: for an apply, everything up to the last migration that it has
    applied anywhere. Of a rollback, nobody knows which run it took back, so it does nothing more when it is resumed.
    """
    found = list(logs)
    rows: defaultdict[str, dict[str, list[LogRow]]] = defaultdict(dict)
    for log in found:
        for row in log.rows:
            rows[str(row.run_id)].setdefault(log.target, []).append(row)
    names = tuple(log.target for log in found)
    return [_run(run_id, of_targets, names, migrations) for run_id, of_targets in rows.items()]


def _run(run_id: str, rows: dict[str, list[LogRow]], names: tuple[str, ...], migrations: Migrations) -> RunRecord:
    first = min((items[0] for items in rows.values()), key=lambda row: row.at)
    wanted = Wanted(operation=first.operation, to=_reached(rows, migrations) if first.operation == "apply" else None)
    began, by, host = _moment(first), first.username or "unknown", first.hostname or "unknown"
    head = Head(run_id, began, by, host, wanted, (Wave(_WAVE, names),))
    return RunRecord(head, {name: _entry(name, items) for name, items in rows.items()})


def _entry(name: str, rows: Sequence[LogRow]) -> Entry:
    seconds = sum(row.duration_ms or 0 for row in rows) / 1000
    done = tuple(row.migration_id for row in rows if row.migration_id)
    return Entry(name, State.DONE, _moment(rows[-1]), _WAVE, 1, seconds, done)


def _reached(rows: dict[str, list[LogRow]], migrations: Migrations) -> str | None:
    done = {row.migration_id for items in rows.values() for row in items}
    return next((item.migration_id for item in reversed(migrations.ordered) if item.migration_id in done), None)


def _moment(row: LogRow) -> str:
    return utc(row.at.replace(tzinfo=UTC))
