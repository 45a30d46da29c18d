"""Read what a pair leaves behind on a copy of a database, and compare it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlmigrate.connection import session
from sqlmigrate.schema import Schema, built_in
from sqlmigrate.schema.diff import compare
from sqlmigrate.schema.meaning import without_equal
from sqlmigrate.schema.read import read_schema

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from sqlmigrate.connection import Connection
    from sqlmigrate.schema import Name, Value
    from sqlmigrate.schema.diff import Change
    from sqlmigrate.schema.read import Snapshot

    Objects = Mapping[Name, Mapping[str, Value]]


@dataclass(frozen=True, slots=True)
class State:
    """A schema, and those of PostgreSQL's own objects that are not as they were before, by their units."""

    snapshot: Snapshot
    built_in: Mapping[int, Objects] = field(repr=False)


class Comparison:
    """Reads the states of one copy; `known` is the latest snapshot.

    `conninfo` is of the role that scripts run as in the copy, `origin` of one that reads in the database that it is a
    copy of. `privileged` says that a script may get at PostgreSQL's own objects; to look for that takes a while.
    """

    def __init__(self, known: Snapshot | None, conninfo: str, origin: str, *, cluster: bool, privileged: bool) -> None:
        self.known = known
        self._conninfo = conninfo
        self._origin = origin
        self._cluster = cluster
        self._privileged = privileged
        self._mark: built_in.Mark | None = None

    def look(self, reader: Connection, *, unchanged: bool = False) -> State:
        """Read how things are; what is read first is how they were before, which may be known to be `unchanged`."""
        self.known = read_schema(reader, cluster=self._cluster, since=self.known, unchanged=unchanged)
        return State(self.known, self._changed(reader) if self._privileged else {})

    def made(self, before: State, after: State) -> tuple[Change, ...]:
        """Compare what a script has changed, to the letter."""
        return compare(*self._schemas(before, after))

    def differences(self, before: State, after: State) -> tuple[Change, ...]:
        """Compare by what definitions mean: an undo may write them differently."""
        one, other = self._schemas(before, after)
        return without_equal(self._conninfo, one, other, compare(one, other))

    def _changed(self, reader: Connection) -> Mapping[int, Objects]:
        if self._mark is None:
            self._mark = built_in.mark(reader)
            return {}
        units = built_in.changed(reader, self._mark, self._opened)
        return built_in.read_units(reader, units)

    def _schemas(self, before: State, after: State) -> tuple[Schema, Schema]:
        units = before.built_in.keys() | after.built_in.keys()
        if not units:
            return before.snapshot.schema, after.snapshot.schema
        with self._opened() as origin:
            as_before = built_in.read_units(origin, units)
        one, other = (_with(state, as_before) for state in (before, after))
        return one, other

    def _opened(self) -> AbstractContextManager[Connection]:
        return session(self._origin, application_name="sqlmigrate: shadow")


def _with(state: State, as_before: Mapping[int, Objects]) -> Schema:
    objects = dict(state.snapshot.schema.objects)
    for unit, found in as_before.items():
        objects.update(state.built_in.get(unit, found))
    return Schema(objects)
