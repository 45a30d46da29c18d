"""PostgreSQL's own objects, and those of extensions: which of them have been changed, and how they are.

There are thousands, which nearly no script touches, so no snapshot holds them. A database and a copy of it have them
under the same oids: what a script has changed of them in the copy is read in both, and in neither where it is nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from psycopg.rows import tuple_row

from sqlmigrate import queries
from sqlmigrate.schema.blocks import block
from sqlmigrate.schema.rows import Reader
from sqlmigrate.schema.session import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    import psycopg

    from sqlmigrate.schema.rows import Units

    Others = tuple[int, int]
    """How many rows were not written, and the sum of their oids."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment in a database: the first transaction that was still to come, and the rows of then.

    `belonging` is how many objects belonged to extensions, and the sum of their oids.
    """

    since: str
    others: Others
    belonging: tuple[int, int]


def mark(connection: psycopg.Connection[Any]) -> Mark:
    """Note how PostgreSQL's own objects are now."""
    row = connection.cursor(row_factory=tuple_row).execute(queries.load("catalog/built_in")["since"]).fetchone()
    since = str(row[0]) if row else ""
    return Mark(since, _look(connection, since)[1], _belonging(connection))


def changed(
    connection: psycopg.Connection[Any],
    mark: Mark,
    origin: Callable[[], AbstractContextManager[psycopg.Connection[Any]]],
    *,
    members: bool = False,
) -> set[int]:
    """Return the units that were written or dropped since; `origin` opens the database that this one is a copy of.

    Of extensions, those that both databases have: what a new one or another version brings along is the extension's,
    what has come or gone in one that stays is not. With `members`, also what `has_own_members` asks for, whether it was
    written or not.
    """
    written, others = _look(connection, mark.since)
    found = _units(connection, "members", since=mark.since)
    moved = _belonging(connection) != mark.belonging
    if others == mark.others and not written | found and not moved and not members:
        return set()
    with origin() as there:
        known = _units(there, "are_members", units=list(found))
        if members:
            known |= _units(connection, "own_members") | _units(there, "own_members")
        here, before = (_whole(each, mark.since) for each in (connection, there))
        dropped = {unit for unit, rows in before.items() if here.get(unit) != rows}
        if moved:
            come, gone = _moved(_members_of(connection), _members_of(there))
            known, dropped = known | come, dropped | gone
        return _homes(connection, written | known) | _homes(there, dropped)


def has_own_members(connection: psycopg.Connection[Any]) -> bool:
    """Tell whether something that belongs to an extension is owned by no superuser, so that scripts can change it.

    One of them has added it, or the extension is one that needs no superuser.
    """
    return bool(_units(connection, "own_members"))


def read_units(connection: psycopg.Connection[Any], units: Iterable[int], unstamped: Iterable[str] = ()) -> Units:
    """Read these units, and files of queries that are asked for nothing in particular; a unit may be empty.

    What belongs to an extension says so: it may come into one, or go from it, and stay as it is.
    """
    wanted = set(units)
    if not wanted:
        return {}
    major = connection.info.server_version // 10000
    with reading(connection):
        rows = connection.cursor(row_factory=tuple_row).execute(block("stamps", "catalogs", major)).fetchall()
        reader = Reader(connection, major, {name: oid for name, oid, _ in rows})
        reader.read(wanted, unstamped)
        query = queries.load("catalog/built_in")["part_of"]
        parts = connection.cursor(row_factory=tuple_row).execute(query, {"units": list(wanted)}).fetchall()
    for unit, extension in parts:
        for found in islice(reader.units.get(unit, {}).values(), 1):
            found["part of extension"] = extension
    return {unit: reader.units.get(unit, {}) for unit in wanted}


def _belonging(connection: psycopg.Connection[Any]) -> tuple[int, int]:
    query = queries.load("catalog/built_in")["belonging"]
    row = connection.cursor(row_factory=tuple_row).execute(query).fetchone()
    return (row[0], row[1]) if row else (0, 0)


def _members_of(connection: psycopg.Connection[Any]) -> dict[tuple[int, str], set[int]]:
    """Return the units that belong to each extension, by its oid and version."""
    query, found = queries.load("catalog/built_in")["members_of"], dict[tuple[int, str], set[int]]()
    for oid, version, unit in connection.cursor(row_factory=tuple_row).execute(query):
        found.setdefault((oid, version), set()).add(unit)
    return found


def _moved(here: dict[tuple[int, str], set[int]], before: dict[tuple[int, str], set[int]]) -> tuple[set[int], set[int]]:
    """Return what has come into extensions that both have, and what has gone from them."""
    come, gone = set[int](), set[int]()
    for extension in here.keys() & before.keys():
        come |= here[extension] - before[extension]
        gone |= before[extension] - here[extension]
    return come, gone


def _look(connection: psycopg.Connection[Any], since: str) -> tuple[set[int], Others]:
    rows = _rows(connection, since, whole=False)
    others = next(((count, oids) for _, written, count, oids in rows if not written), (0, 0))
    return {unit for unit, written, _, _ in rows if written}, others


def _whole(connection: psycopg.Connection[Any], since: str) -> dict[int, int]:
    return {unit: count for unit, written, count, _ in _rows(connection, since, whole=True) if not written}


def _rows(connection: psycopg.Connection[Any], since: str, *, whole: bool) -> list[tuple[Any, ...]]:
    query = queries.load("catalog/built_in")["rows"]
    return connection.cursor(row_factory=tuple_row).execute(query, {"since": since, "whole": whole}).fetchall()


def _homes(connection: psycopg.Connection[Any], units: set[int]) -> set[int]:
    return _units(connection, "homes", units=list(units))


def _units(connection: psycopg.Connection[Any], name: str, **arguments: object) -> set[int]:
    query = queries.load("catalog/built_in")[name]
    return {unit for (unit,) in connection.cursor(row_factory=tuple_row).execute(query, arguments).fetchall()}
