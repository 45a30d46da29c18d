"""Tell whether a pair that ran up, down and up again has left its database as one that only ran up would have.

Then the database is the ground for what comes next, and nobody has to copy it. The schema is compared by whoever tries
the pair; what is told here is the rest: the rows and values of what was there before, and what no schema shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from sqlmigrate import queries
from sqlmigrate.connection import Command, Purpose
from sqlmigrate.engine.wire.execute import Listener
from sqlmigrate.roundtrip.loss import read_holders
from sqlmigrate.schema.rows import as_array
from sqlmigrate.schema.units import CATALOG_BITS, catalog_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sqlmigrate.connection import Connection
    from sqlmigrate.engine.wire.pipeline import Step
    from sqlmigrate.events import Observer
    from sqlmigrate.migrations import ScriptRun
    from sqlmigrate.roundtrip.loss import Holder
    from sqlmigrate.schema.read import Snapshot

    Facts = Mapping[object, tuple[str, str]]

WRITTEN = Command(queries.load("roundtrip")["written"], purpose=Purpose.WRITTEN)
"""Stands at the end of a script whose writes are followed."""

_RELATIONS = 1259
"""The oid of pg_class, which is the same on every server."""


@dataclass(slots=True)
class Writes(Listener):
    """Hears also which tables and sequences a script has locked, and may have written; None where that is not known."""

    locked: frozenset[int] | None = None
    written: frozenset[int] = frozenset()

    def rows(self, step: Step) -> None:
        """Take the answer to `WRITTEN`."""
        if step.purpose is not Purpose.WRITTEN:
            Listener.rows(self, step)
        elif step.shown:
            self.locked, self.written = (_oids(value) for value in step.shown[0])


def _oids(array: str | None) -> frozenset[int]:
    return frozenset(map(int, filter(None, (array or "{}")[1:-1].split(","))))


class _UnknownError(Exception):
    """Something cannot be compared, so the database does not stay."""


@dataclass(slots=True)
class Watch:
    """Follows one pair on a database that may stay.

    `numbers` says that scripts ask for the numbers of columns, which a column that was dropped shifts, `settings` that
    they ask for settings, which a session of its own would not have had, `is_as_kept` that its schema is known before
    it is read. `holders` is what could hold data before.
    """

    numbers: bool
    settings: bool
    is_as_kept: bool = False
    holders: Mapping[str, Holder] = field(default_factory=dict)
    _writes: list[Writes] = field(default_factory=list)
    _base: Snapshot | None = None
    _once: tuple[Mapping[object, object], Facts] | None = None
    _first: Snapshot | None = None

    def listener(self, script_run: ScriptRun, observer: Observer) -> Writes:
        """Return who hears what the next script of the pair writes."""
        self._writes.append(Writes(script_run, observer))
        return self._writes[-1]

    def before(self, reader: Connection, base: Snapshot) -> None:
        """Look at the database before the pair."""
        self._base, self.holders = base, read_holders(reader)

    def once(self, reader: Connection, first: Snapshot) -> None:
        """Look at it when the pair has run up, as it should stay."""
        self._first, self._once = first, _tried(lambda: self._state(reader, first))

    def stays(self, reader: Connection, again: Snapshot) -> bool:
        """Tell whether it is the same now that the pair has run up again; its schema is known to be."""
        base, first = self._base, self._first
        if base is None or first is None or self._once is None or not _same_order(base, first, again):
            return False
        found = _tried(lambda: self._state(reader, again))
        if found is None or not _tried(lambda: self._all_known(reader, again)):
            return False
        rows, facts = self._once
        return found[0] == rows and self._same_beneath(facts, found[1])

    def _state(self, reader: Connection, now: Snapshot) -> tuple[Mapping[object, object], Facts]:
        locked = self._writes[0].locked if self._writes else None
        latest = self._writes[-1].locked if self._writes else None
        if locked is None or latest is None:
            raise _UnknownError
        new = self._new(now)
        staying, own = locked - new, latest & new
        return dict(self._stored(reader, staying, own)), dict(self._beneath(reader, now))

    def _new(self, now: Snapshot) -> set[int]:
        """Return the oids of tables and the like that were not there before."""
        before = self._base.stamps if self._base else {}
        return set(_relations(unit for unit in now.stamps if unit not in before))

    def _stored(
        self, reader: Connection, staying: frozenset[int], own: frozenset[int]
    ) -> Iterator[tuple[object, object]]:
        """Read the rows and values of what stays by its oid; of what the pair has made by its name, how many."""
        with reader.transaction():
            reader.execute("SET LOCAL row_security TO off")
            for oid, kind, *names, columns in _ask(reader, "stored", staying | own):
                if kind == "f":
                    raise _UnknownError
                found = _contents(reader, kind, names, columns)
                if oid in staying and self.numbers and kind != "S" and found[0]:
                    raise _UnknownError  # where rows lie is a number, too
                if oid in staying:
                    yield oid, (kind, *names, *found)
                else:
                    yield (kind, *names), found if self.settings or kind == "S" else found[0]

    def _beneath(self, reader: Connection, now: Snapshot) -> Iterator[tuple[object, tuple[str, str]]]:
        """Read what no schema shows of what is new or has changed."""
        before = self._base.stamps if self._base else {}
        units = _relations(unit for unit, stamp in now.stamps.items() if before.get(unit) != stamp)
        for oid, shown, numbers in _ask(reader, "beneath", units):
            unit = units[oid]
            yield unit if unit in before else _name(now, unit), (shown, numbers)

    def _all_known(self, reader: Connection, again: Snapshot) -> bool:
        """Tell whether all that the later scripts may have written was looked at before them, but for what is new."""
        first, *later = self._writes
        if first.locked is None or any(writes.locked is None for writes in later):
            return False
        other = frozenset().union(*(writes.written for writes in later)) - first.locked - self._new(again)
        return not _ask(reader, "stored", other)

    def _same_beneath(self, once: Facts, again: Facts) -> bool:
        if once.keys() != again.keys():
            return False
        for key, (shown, numbers) in again.items():
            if once[key][0] != shown:
                return False
            if once[key][1] != numbers and (self.numbers or numbers.endswith("true]")):
                return False
        return True


def _relations(units: Iterable[int]) -> dict[int, int]:
    """Return the units of tables and the like by their oids."""
    return {unit & ((1 << CATALOG_BITS) - 1): unit for unit in units if catalog_of(unit) == _RELATIONS}


def _tried(look: Callable[[], Any]) -> Any:
    """Return what is found; None where it cannot be read, so that nothing stays."""
    try:
        return look()
    except (_UnknownError, psycopg.Error) as error:
        if isinstance(error, psycopg.OperationalError):
            raise
        return None


def _same_order(base: Snapshot, first: Snapshot, again: Snapshot) -> bool:
    """Tell whether the same objects of before are still there, and the others were made in the same order.

    PostgreSQL goes through many things in the order of their oids. What the later scripts have changed, the first one
    must have changed too, since nobody has looked at the rest.
    """
    kept = [base.stamps.keys() & found.stamps.keys() for found in (first, again)]
    if kept[0] != kept[1]:
        return False
    if any(base.stamps[unit] == first.stamps[unit] != again.stamps[unit] for unit in kept[0]):
        return False
    one, other = ([_name(found, unit) for unit in sorted(found.stamps.keys() - kept[0])] for found in (first, again))
    return one == other


def _name(found: Snapshot, unit: int) -> object:
    """Return what a unit is called: its catalog, and the names of its objects."""
    return catalog_of(unit), next(iter(found.units.get(unit, {})), None)


def _contents(reader: Connection, kind: str, names: list[str], columns: list[str]) -> tuple[int, int]:
    name, asked = sql.Identifier(*names), queries.load("roundtrip")
    if kind == "S":
        query = sql.SQL(asked["position"]).format(sequence=name)
    else:
        values = sql.SQL(", ").join(map(sql.Identifier, columns))
        query = sql.SQL(asked["in_order"]).format(values=values, table=name)
    row: Any = reader.execute(query).fetchone()
    return row[0], int(row[1])


def _ask(reader: Connection, name: str, oids: Iterable[int]) -> list[Any]:
    wanted = list(oids)
    return reader.execute(queries.load("roundtrip")[name], {"oids": as_array(wanted)}).fetchall() if wanted else []
