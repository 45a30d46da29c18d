"""Follow the catalog of a session from statement to statement: what each found, what it left, and what is the same.

Things are told apart by oid, so a renamed table stays what it was, and a new one of its name is another.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psycopg.pq import TransactionStatus

from sqlmigrate.review.trace.objects import RELATION, ObjectChanges, changes_between, read_objects
from sqlmigrate.review.trace.readings import read_relations, rewritten
from sqlmigrate.schema import Name, Schema, Value
from sqlmigrate.schema.read import read_schema
from sqlmigrate.schema.units import CATALOG_BITS, catalog_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.connection import Connection
    from sqlmigrate.review.trace.objects import Objects
    from sqlmigrate.review.trace.readings import Relation, Relations
    from sqlmigrate.schema.read import Snapshot

_WORDS_OF_A_KIND = 3
_ASIDE = "sqlmigrate_review"


class State(Mapping[str, Mapping[str, Value]]):
    """A schema, whose objects are found by kind and name in one text, as `ObjectChanges` names them."""

    def __init__(self, schema: Schema | None = None) -> None:
        self._objects = schema.objects if schema else {}

    def __getitem__(self, text: str) -> Mapping[str, Value]:
        words = text.split(" ", _WORDS_OF_A_KIND)
        for count in range(1, len(words)):
            kind = " ".join(words[:count])
            if (found := self._objects.get(Name(kind, text[len(kind) + 1 :]))) is not None:
                return found
        raise KeyError(text)

    def __iter__(self) -> Iterator[str]:
        return map(str, self._objects)

    def __len__(self) -> int:
        return len(self._objects)

    def of(self, kind: str) -> dict[str, Mapping[str, Value]]:
        """Return the objects of a kind by their names."""
        return {name.name: properties for name, properties in self._objects.items() if name.kind == kind}


@dataclass(frozen=True, slots=True)
class Step:
    """What one statement found in the catalog, and what it left there.

    `known` are the relations that were there before the script, by the names that they had before or have behind this
    statement; `gone` are the oids of those that it dropped. `rewrites` have got another file.
    """

    before: State = field(default_factory=State, repr=False)
    after: State = field(default_factory=State, repr=False)
    known: Mapping[str, Relation] = field(default_factory=dict, repr=False)
    gone: frozenset[int] = frozenset()
    changes: ObjectChanges = field(default_factory=ObjectChanges)
    rewrites: tuple[Relation, ...] = ()

    def name_of(self, relation: Relation) -> str:
        """Return the name that a relation has where this statement runs; `relation` has the one before the script."""
        names = [name for name, found in self.known.items() if found.oid == relation.oid]
        return names[-1] if names else relation.name


class Follower:
    """The catalog as one session sees it; `relations`, by oid, and the snapshot `first` are those of the beginning."""

    def __init__(self, connection: Connection, *, since: Snapshot | None, leave_out: tuple[str, ...] = ()) -> None:
        self._leave_out = leave_out
        self.snapshot = self.first = read_schema(connection, since=since, leave_out=leave_out)
        self.relations: Relations = read_relations(connection)
        self._now = self.relations
        self._things = read_objects(connection)
        self._keys = frozenset(self._things)
        self._known = self._by_name()
        self._state = State(self.snapshot.schema)

    def standing(self) -> Step:
        """Return a step that changed nothing."""
        return Step(self._state, self._state, self._known)

    def look(self, connection: Connection) -> Step:
        """Read what has changed since the last look, and nothing where nothing has."""
        before, state, known = self.snapshot, self._state, self._known
        self.snapshot = read_schema(connection, since=before, leave_out=self._leave_out)
        self._state = State(self.snapshot.schema)
        if self.snapshot.stamps == before.stamps:
            return Step(state, self._state, known)
        only = _tables_alone(before, self.snapshot)
        was, now = self._relations(connection, only)
        old, new = self._objects(connection, only)
        self._known = self._by_name()
        return Step(
            before=state,
            after=self._state,
            known={**known, **self._known},
            gone=frozenset(was.keys() - now.keys()) & self.relations.keys(),
            changes=changes_between(old, new, self._keys),
            rewrites=tuple(item for item in rewritten(was, now) if item.oid in self.relations),
        )

    def _relations(self, connection: Connection, only: frozenset[int] | None) -> tuple[Relations, Relations]:
        """Read the relations of these tables, or all; give what was known of them and what they are."""
        now = read_relations(connection, only)
        if only is None:
            was, self._now = self._now, now
            return was, now
        was = {oid: item for oid, item in self._now.items() if oid in only or item.table in only}
        self._now = {oid: item for oid, item in self._now.items() if oid not in was} | now
        return was, now

    def _objects(self, connection: Connection, only: frozenset[int] | None) -> tuple[Objects, Objects]:
        now = read_objects(connection, only)
        if only is None:
            was, self._things = self._things, now
            return was, now
        was = {
            key: thing
            for key, thing in self._things.items()
            if (key[0] == RELATION and key[1] in only) or thing.part_of in only
        }
        self._things = {key: thing for key, thing in self._things.items() if key not in was} | now
        return was, now

    def _by_name(self) -> dict[str, Relation]:
        return {item.name: self.relations[oid] for oid, item in self._now.items() if oid in self.relations}


def _tables_alone(before: Snapshot, after: Snapshot) -> frozenset[int] | None:
    """Return the tables that two snapshots differ in; None where they differ in anything else."""
    old, new = before.stamps, after.stamps
    changed = {unit for unit, stamp in new.items() if old.get(unit) != stamp} | (old.keys() - new.keys())
    if any(catalog_of(unit) != RELATION for unit in changed):
        return None
    return frozenset(unit & ((1 << CATALOG_BITS) - 1) for unit in changed)


@contextmanager
def aside(connection: Connection) -> Iterator[None]:
    """Read in an open transaction without leaving anything in it: no lock, no setting, and no error.

    To print the definition of a view, for instance, PostgreSQL locks the tables below it.
    """
    if connection.info.transaction_status != TransactionStatus.INTRANS:
        yield
        return
    connection.execute(f"SAVEPOINT {_ASIDE}".encode())
    try:
        yield
    finally:
        connection.execute(f"ROLLBACK TO SAVEPOINT {_ASIDE}".encode())
        connection.execute(f"RELEASE SAVEPOINT {_ASIDE}".encode())
