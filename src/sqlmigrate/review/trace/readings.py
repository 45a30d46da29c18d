"""Read what a statement did: from pg_locks, pg_class and the counters of its own transaction, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import tuple_row

from sqlmigrate import queries
from sqlmigrate.review.locks import LEVELS, MODES, make_lock

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sqlmigrate.connection import Connection
    from sqlmigrate.review.model import Lock, Source

    Locks = Mapping["Key", int]

KINDS = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
    "S": "sequence",
    "i": "index",
    "I": "index",
    "t": "TOAST table",
}
_NAMES = list(LEVELS)
_FEW = LEVELS["SHARE UPDATE EXCLUSIVE"]  # of types and schemas, weaker locks are everybody's


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation as pg_class has it; `table` is the oid of the table that an index or TOAST table belongs to."""

    oid: int
    kind: str
    name: str
    file: int
    table: int
    owner: str
    toast: bool

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


Relations = dict[int, Relation]


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What a lock is on: `catalog` is 0 for a relation, else the catalog of the object."""

    catalog: int
    oid: int


@dataclass(frozen=True, slots=True)
class TypeOrSchema:
    """A type or schema that was there before, with PostgreSQL's word for its kind."""

    kind: str
    name: str


def _rows(connection: Connection, name: str, arguments: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(queries.load("review")[name], arguments).fetchall()


def read_relations(connection: Connection, only: Collection[int] | None = None) -> Relations:
    """Read all relations that are not PostgreSQL's own, by their oids, or those of these tables `only`."""
    rows = _rows(connection, "relations", {"only": None if only is None else list(only)})
    return {row[0]: Relation(row[0], KINDS.get(row[1], "relation"), *row[2:]) for row in rows}


def read_named(connection: Connection) -> dict[Key, TypeOrSchema]:
    """Read the types and schemas that somebody could lock."""
    return {Key(catalog, oid): TypeOrSchema(kind, name) for catalog, oid, kind, name in _rows(connection, "named")}


def read_locks(connection: Connection, pid: int | None = None) -> dict[Key, int]:
    """Read the level of the strongest lock that a session holds or waits for on each thing; by default our own."""
    found: dict[Key, int] = {}
    for oid, catalog, mode, _ in _rows(connection, "locks", {"pid": pid}):
        if mode in MODES:
            key = Key(catalog, oid)
            found[key] = max(found.get(key, 0), LEVELS[MODES[mode]])
    return found


def read_scans(connection: Connection, only: Collection[int] | None = None) -> dict[int, int]:
    """Read how often each table, or `only` these, was read from end to end in the open transaction."""
    return dict(_rows(connection, "scans", {"only": None if only is None else list(only)}))


def folded(locks: Locks, relations: Relations, named: Mapping[Key, TypeOrSchema]) -> dict[Key, int]:
    """Leave out what was not there before, TOAST, weak locks on types and schemas, and indexes whose table counts more.

    An index that is locked more strongly than its table stays: whoever plans a query on the table waits for it.
    """
    found = {}
    for key, level in locks.items():
        if key.catalog:
            if key in named and level >= _FEW:
                found[key] = level
        elif (relation := relations.get(key.oid)) is not None and not relation.toast:
            table = locks.get(Key(0, relation.table), 0) if relation.kind == "index" else 0
            if table < level:
                found[key] = level
    return found


def as_locks(
    locks: Locks, relations: Relations, named: Mapping[Key, TypeOrSchema], *, source: Source = "seen"
) -> tuple[Lock, ...]:
    """Return folded locks in words, the strongest first."""
    made = []
    for key, level in locks.items():
        thing = named[key] if key.catalog else relations[key.oid]
        made.append(make_lock(thing.kind, thing.name, _NAMES[level - 1], source))
    return tuple(sorted(made, key=lambda lock: (-lock.level, lock.name)))


def rewritten(before: Relations, after: Relations) -> list[Relation]:
    """Return the relations that were there and have another file now, and indexes that were rebuilt under their name.

    Sequences are left out: RESTART gives them a new file.
    """
    indexes = {item.name: item for item in after.values() if item.kind == "index" and item.oid not in before}
    found = []
    for item in before.values():
        now = after.get(item.oid) or (indexes.get(item.name) if item.kind == "index" else None)
        if now is not None and now.file != item.file and item.kind != "sequence" and not item.toast:
            found.append(item)
    return sorted(found, key=lambda item: (item.kind == "index", item.name))


def scanned(before: Mapping[int, int], after: Mapping[int, int], relations: Relations) -> list[Relation]:
    """Return the relations that were there and were read from end to end between two readings."""
    oids = (oid for oid, count in after.items() if count > before.get(oid, 0) and oid in relations)
    return sorted((relations[oid] for oid in oids), key=lambda item: item.name)


def names(relations: Iterable[Relation]) -> tuple[str, ...]:
    """Return relations in words."""
    return tuple(map(str, relations))
