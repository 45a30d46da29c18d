"""Read what a pair leaves behind on a copy of a database, and compare it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlmigrate.connection import session
from sqlmigrate.schema import Schema, built_in
from sqlmigrate.schema.diff import compare
from sqlmigrate.schema.meaning import without_equal
from sqlmigrate.schema.read import read_schema
from sqlmigrate.schema.shared import Shared, read_shared

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
    """A schema, and those of PostgreSQL's own objects that are not as they were before, by their units.

    `shared` is what the server shares, where it is ours and the schema has not all of that anyway.
    """

    snapshot: Snapshot
    built_in: Mapping[int, Objects] = field(repr=False)
    shared: Shared | None = None


class Comparison:
    """Reads the states of one copy; `known` is the latest snapshot.

    `conninfo` is of the role that scripts run as in the copy, `origin` of one that reads in the database that it is a
    copy of. `privileged` says that a script may get at PostgreSQL's own objects; to look for that takes a while.
    `private` says that nobody else changes what the server shares, which `shared` was; with `cluster`, scripts say that
    they do.
    """

    def __init__(
        self,
        known: Snapshot | None,
        conninfo: str,
        origin: str,
        *,
        cluster: bool,
        privileged: bool,
        private: bool,
        shared: Shared | None = None,
    ) -> None:
        self.known = known
        self.shared = shared
        self._conninfo = conninfo
        self._origin = origin
        self._cluster = cluster
        self._privileged = privileged
        self._private = private
        self._members = False
        self._mark: built_in.Mark | None = None

    def look(self, reader: Connection, *, unchanged: bool = False) -> State:
        """Read how things are; what is read first is how they were before, which may be known to be `unchanged`."""
        shared = self._private and not self._cluster
        self.known = read_schema(reader, cluster=self._cluster, shared=shared, since=self.known, unchanged=unchanged)
        built_in = self._changed(reader) if self._privileged or self._members else {}
        if self.known.shared is not None:
            self.shared = read_shared(reader, self.known.shared, self.shared)
        return self.at(self.known, built_in)

    def also_members(self, reader: Connection) -> None:
        """Look at what belongs to extensions, too, where scripts can change that."""
        self._members = built_in.has_own_members(reader)

    def at(self, snapshot: Snapshot, built_in: Mapping[int, Objects]) -> State:
        """Return how things are, as they were read already."""
        return State(snapshot, built_in, None if self._cluster or not self._private else self.shared)

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
        units = built_in.changed(reader, self._mark, self._opened, members=self._members)
        return built_in.read_units(reader, units)

    def _schemas(self, before: State, after: State) -> tuple[Schema, Schema]:
        units = before.built_in.keys() | after.built_in.keys()
        is_shared = before.shared != after.shared
        if not units and not is_shared:
            return before.snapshot.schema, after.snapshot.schema
        as_before: Mapping[int, Objects] = {}
        if units:
            with self._opened() as origin:
                as_before = built_in.read_units(origin, units)
        one, other = (_with(state, as_before, shared=is_shared) for state in (before, after))
        return one, other

    def _opened(self) -> AbstractContextManager[Connection]:
        return session(self._origin, application_name="sqlmigrate: shadow")


def _with(state: State, as_before: Mapping[int, Objects], *, shared: bool) -> Schema:
    objects = dict(state.snapshot.schema.objects)
    if shared and state.shared:
        objects |= state.shared.objects
    for unit, found in as_before.items():
        objects.update(state.built_in.get(unit, found))
    return Schema(objects)
