"""Follow the catalog of a session from statement to statement: what each found, what it left, and what is the same.

Things are told apart by oid, so a renamed table stays what it was, and a new one of its name is another.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from psycopg.pq import TransactionStatus

from sqlmigrate.review.trace.objects import RELATION, ObjectChanges, changes_between, read_objects
from sqlmigrate.review.trace.readings import read_relations, rewritten
from sqlmigrate.schema import Name, Schema, Value
from sqlmigrate.schema.layered import layered
from sqlmigrate.schema.read import read_changes, read_schema
from sqlmigrate.schema.recent import recent
from sqlmigrate.schema.units import CATALOG_BITS, catalog_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlmigrate.connection import Connection
    from sqlmigrate.review.trace.objects import Objects
    from sqlmigrate.review.trace.readings import Relation, Relations
    from sqlmigrate.schema.read import Snapshot

K = TypeVar("K")
V = TypeVar("V")

_WORDS_OF_A_KIND = 3
_ASIDE = "sqlmigrate_review"


class State(Mapping[str, Mapping[str, Value]]):
    """A schema, whose objects are found by kind and name in one text, as `ObjectChanges` names them."""

    def __init__(self, schema: Schema | None = None) -> None:
        self._objects = layered(schema.objects if schema else {})
        self._of: dict[str, Mapping[str, Mapping[str, Value]]] = {}

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

    @property
    def objects(self) -> Mapping[Name, Mapping[str, Value]]:
        """All of them, as a schema has them."""
        return self._objects

    def of(self, kind: str) -> Mapping[str, Mapping[str, Value]]:
        """Return the objects of a kind by their names, at the cost of what has changed since all were read."""
        if kind not in self._of:
            below = self._objects.below(_by_kind).get(kind, {})
            self._of[kind] = self._objects.part(below, lambda name: name.name if name.kind == kind else None)
        return self._of[kind]


def _by_kind(objects: Mapping[Name, Mapping[str, Value]]) -> dict[str, dict[str, Mapping[str, Value]]]:
    found: dict[str, dict[str, Mapping[str, Value]]] = {}
    for name, properties in objects.items():
        found.setdefault(name.kind, {})[name.name] = properties
    return found


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


@dataclass(frozen=True, slots=True)
class Catalog:
    """All that is followed of a database, as it was read at one time; relations are by oid."""

    snapshot: Snapshot = field(repr=False)
    relations: Relations = field(repr=False)
    things: Objects = field(repr=False)


def read_catalog(
    connection: Connection, *, since: Snapshot | None, unchanged: bool = False, leave_out: tuple[str, ...] = ()
) -> Catalog:
    """Read all of it; `since` is any earlier snapshot, and `unchanged` says that it still holds: see `read_schema`."""
    snapshot = read_schema(connection, since=since, unchanged=unchanged, leave_out=leave_out)
    return Catalog(snapshot, read_relations(connection), read_objects(connection))


class Follower:
    """The catalog as one session sees it, from what it is to begin with, the `relations` by oid among that."""

    def __init__(self, connection: Connection, begins: Catalog, leave_out: tuple[str, ...] = ()) -> None:
        self._leave_out = leave_out
        self._recent = recent(connection)
        self._recent.changed(connection, leave_out)
        self.snapshot, self.relations = begins.snapshot, begins.relations
        self._now = _OfTables(begins.relations, lambda oid, item: {oid, item.table})
        self._things = _OfTables(
            begins.things, lambda key, thing: {thing.part_of, *([key[1]] if key[0] == RELATION else [])}
        )
        self._keys = frozenset(begins.things)
        self._known = layered(self._by_name(self.relations))
        self._state = State(self.snapshot.schema)

    def standing(self) -> Step:
        """Return a step that changed nothing."""
        return Step(self._state, self._state, self._known)

    def begin(self, connection: Connection) -> None:
        """Follow a transaction that has just begun."""
        self._recent.begin(connection)

    def look(self, connection: Connection, *, taken_back: bool = False) -> Step:
        """Read what has changed since the last look, and nothing where nothing has; all where some is `taken_back`."""
        state, known = self._state, self._known
        if taken_back:
            self._recent.doubt()
        self.snapshot, changed = read_changes(connection, self._recent, self.snapshot, leave_out=self._leave_out)
        self._state = State(self.snapshot.schema)
        if not changed:
            return Step(state, self._state, known)
        only = _tables_alone(changed)
        was, now = self._relations(connection, only)
        old, new = self._objects(connection, only)
        self._known = known.changed([item.name for item in was.values()], self._by_name(now))
        return Step(
            before=state,
            after=self._state,
            known=known.changed((), self._by_name(now)),
            gone=frozenset(oid for oid in was if oid not in now and oid in self.relations),
            changes=changes_between(old, new, self._keys),
            rewrites=tuple(item for item in rewritten(was, now) if item.oid in self.relations),
        )

    def left(self, connection: Connection) -> Catalog:
        """Read what is there once the session has ended, in another one."""
        self.look(connection, taken_back=True)
        return Catalog(self.snapshot, self._now.known, self._things.known)

    def _relations(self, connection: Connection, only: frozenset[int] | None) -> tuple[Relations, Relations]:
        """Read the relations of these tables, or all; give what was known of them and what they are."""
        now = read_relations(connection, only)
        was = self._now.replaced(only, now)
        return was, now

    def _objects(self, connection: Connection, only: frozenset[int] | None) -> tuple[Objects, Objects]:
        now = read_objects(connection, only)
        return self._things.replaced(only, now), now

    def _by_name(self, now: Relations) -> dict[str, Relation]:
        return {item.name: self.relations[oid] for oid, item in now.items() if oid in self.relations}


def _tables_alone(changed: frozenset[int]) -> frozenset[int] | None:
    """Return the oids of the tables that have changed; None where anything else has."""
    if any(catalog_of(unit) != RELATION for unit in changed):
        return None
    return frozenset(unit & ((1 << CATALOG_BITS) - 1) for unit in changed)


class _OfTables(Generic[K, V]):
    """What was read last: what is `known`, by table; `homes` tells the tables that a value is, or is part of."""

    def __init__(self, known: dict[K, V], homes: Callable[[K, V], Iterable[int]]) -> None:
        self._homes = homes
        self.known: dict[K, V] = {}
        self._of: dict[int, set[K]] = {}
        self._add(known)

    def replaced(self, only: frozenset[int] | None, now: dict[K, V]) -> dict[K, V]:
        """Put what was read in the place of what is known of these tables, or of all; return that."""
        if only is None:
            was, self.known, self._of = self.known, {}, {}
        else:
            was = {key: self.known[key] for oid in only for key in self._of.get(oid, ())}
            for key in {*was, *(now.keys() & self.known.keys())}:
                self._forget(key)
        self._add(now)
        return was

    def _forget(self, key: K) -> None:
        for oid in self._homes(key, self.known.pop(key)):
            self._of[oid].discard(key)

    def _add(self, new: dict[K, V]) -> None:
        self.known.update(new)
        for key, value in new.items():
            for oid in self._homes(key, value):
                self._of.setdefault(oid, set()).add(key)


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
