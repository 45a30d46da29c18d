"""What a statement made, changed and dropped, by name: less than a schema, and cheap enough to read each time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import tuple_row

from sqlmigrate import queries

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlmigrate.connection import Connection

    _Key = tuple[int, int, int]

RELATION = 1259
"""The oid of pg_class, in every version and database."""


@dataclass(frozen=True, slots=True)
class Thing:
    """An object with a digest of what it is; `part_of` is the oid of the relation that it belongs to, or 0."""

    kind: str
    name: str
    part_of: int
    digest: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


Objects = dict[tuple[int, int, int], Thing]
"""Things by their catalog, oid and column number."""


@dataclass(frozen=True, slots=True)
class ObjectChanges:
    """What came, went, or is another, in words; parts of what came or went are not named beside it.

    `lost` is what went and was there before the script began.
    """

    made: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def read_objects(connection: Connection, only: Collection[int] | None = None) -> Objects:
    """Read all things of the database that are not PostgreSQL's own, or those of these tables `only`, by oid."""
    found: Objects = {}
    remarks: list[tuple[_Key, str]] = []
    with connection.cursor(row_factory=tuple_row) as cursor:
        for row in cursor.execute(
            queries.load("review")["objects"], {"only": None if only is None else list(only)}
        ).fetchall():
            key = row[0], row[1], row[2]
            if row[3] is None:
                remarks.append((key, row[6] or ""))
            else:
                found[key] = Thing(row[3], row[4], row[5], row[6] or "")
    for key, text in remarks:
        if thing := found.get(key):
            found[key] = Thing(thing.kind, thing.name, thing.part_of, f"{thing.digest}\n{text}")
    return found


def changes_between(before: Objects, after: Objects, first: Collection[_Key]) -> ObjectChanges:
    """Compare two readings; `first` are the keys of what was there before the script began."""
    made = _tops({key: after[key] for key in after.keys() - before.keys()})
    dropped = _tops({key: before[key] for key in before.keys() - after.keys()})
    again = {str(thing): thing for thing in made.values()}
    changed = {str(old) for old in dropped.values() if (new := again.get(str(old))) and new.digest != old.digest}
    both = again.keys() & {str(thing) for thing in dropped.values()}
    renamed = {key[1] for key, old in before.items() if _is_renamed(key, old, after)}
    for key in before.keys() & after.keys():
        old, new = before[key], after[key]
        if old.digest != new.digest:
            changed.add(str(new) if old.name == new.name or old.part_of in renamed else f"{old} (now {new.name})")
        elif old.name != new.name and old.part_of not in renamed:
            changed.add(f"{old} (now {new.name})")
    return ObjectChanges(
        tuple(sorted({str(thing) for thing in made.values()} - both)),
        tuple(sorted(changed)),
        tuple(sorted({str(thing) for thing in dropped.values()} - both)),
        tuple(sorted({str(thing) for key, thing in dropped.items() if key in first} - both)),
    )


def _is_renamed(key: _Key, old: Thing, after: Mapping[_Key, Thing]) -> bool:
    return key[0] == RELATION and key[2] == 0 and key in after and after[key].name != old.name


def _tops(things: Objects) -> Objects:
    """Leave out the parts of a relation or an extension that is there too, and the index of a constraint."""
    if any(thing.kind == "extension" for thing in things.values()):
        return {key: thing for key, thing in things.items() if thing.kind in ("extension", "schema")}
    whole = {key[1] for key in things if key[0] == RELATION and key[2] == 0}
    constraints = {
        (thing.part_of, thing.name.partition(" on ")[0]) for thing in things.values() if thing.kind == "constraint"
    }
    return {
        key: thing
        for key, thing in things.items()
        if not (thing.part_of in whole and thing.part_of != key[1])
        and not (key[2] and key[1] in whole)
        and not (thing.kind == "index" and (thing.part_of, thing.name.rpartition(".")[2]) in constraints)
    }
