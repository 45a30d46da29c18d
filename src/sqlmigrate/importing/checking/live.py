"""Compare a live database with what its tool has recorded there: what the tool hid comes to light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate import drift, queries
from sqlmigrate.errors import ExecutionError, HistoryError, Problem
from sqlmigrate.history import foreign
from sqlmigrate.importing import tables
from sqlmigrate.importing.marking import adoption, known_of
from sqlmigrate.shadow.written import quoted

if TYPE_CHECKING:
    from sqlmigrate.config import Config
    from sqlmigrate.connection import Connection, Gate
    from sqlmigrate.drift import Drift, Live, Others
    from sqlmigrate.events import Observer
    from sqlmigrate.history import History
    from sqlmigrate.importing.convert import Conversion
    from sqlmigrate.importing.marking import Adoption
    from sqlmigrate.importing.tables import Place, Where
    from sqlmigrate.migrations import Migrations


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read of a database: its state, and what the tool's history says; None where its table is gone.

    `failed` are those that stopped half way, by the tool's own names.
    """

    live: Live
    adoption: Adoption | None
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compared:
    """What a tool's history says, and how the database differs from what it says is applied.

    `failure` is there instead of `drift` where a script that is applied fails on an empty database; both are None where
    the tool says of nothing but a migration that failed.
    """

    seen: Seen
    drift: Drift | None = None
    failure: Problem | None = None

    @property
    def holds(self) -> bool:
        """Whether the database is what its history and the files say."""
        said, made = self.seen.adoption, self.drift
        hidden = said is not None and (said.without_file or said.edited or said.skipped)
        return made is not None and not made.changes and not hidden and not self.seen.failed


def look(
    config: Config, conninfo: str, plan: Conversion, found: Migrations, where: Where, gate: Gate[Migrations]
) -> Seen:
    """Read a database and the tool's history in one transaction that writes nothing.

    Raises HistoryError where neither the tool nor we have a history there, or it is not to be trusted.
    """
    tool, seen = plan.tool, _Said()
    known = known_of(tool, found, plan.layout)

    def read(connection: Connection, ours: History) -> Others | None:
        place = tables.look_up(connection, tool, where)
        if place is None:
            if not ours.applied:
                place = tables.find(connection, tool, where)  # which says what to do
            seen.said, seen.failed = None, ()
            return None
        told = tool.history.told(tables.read(connection, tool, place, config.history_owners), known)
        said = adoption(tool, place, told, known, ours)
        seen.said, seen.failed = said, told.failed
        return drift.Others(tuple(item.forward() for item, _ in said.new), _owner(connection, place))

    live = drift.read_live(config, conninfo, found, gate, read)
    return Seen(live, seen.said, seen.failed)


@dataclass(slots=True)
class _Said:
    said: Adoption | None = None
    failed: tuple[str, ...] = ()


def _owner(connection: Connection, place: Place) -> str:
    """Return the role as which the tool works: what its scripts make belongs to that one, too."""
    row = connection.execute(queries.load("importing")["owner"], [place.schema, place.name]).fetchone()
    if row is None:
        raise HistoryError(f"{place} is gone")
    return str(row[0])


def _own_table(seen: Seen) -> tuple[str, ...]:
    """Return the patterns of a table of the tool's that `drift` would not know: one of another name."""
    place = seen.adoption.place if seen.adoption else None
    if place is None or foreign.by_columns(place.schema, place.name, place.columns):
        return ()
    schema = quoted(place.schema)
    return f"table {schema}.{quoted(place.name)}", *([f"schema {schema}"] if schema != foreign.PUBLIC else [])


def compare(config: Config, seen: Seen, observer: Observer) -> Compared:
    """Replay what is applied on a throwaway database, and say how the live one differs from it."""
    if seen.failed and not seen.live.steps:
        return Compared(seen)
    try:
        return Compared(seen, drift.between(config, seen.live, ignore=_own_table(seen), observer=observer))
    except ExecutionError as error:
        return Compared(seen, failure=Problem(error.message, error.place, error.hint))
