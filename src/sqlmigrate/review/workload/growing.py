"""Make an empty throwaway database look as large as the target to PostgreSQL's planner.

The planner asks the files how many pages a relation has, and the statistics for the rest. So the files of a copy that
nobody else uses grow sparsely, and the figures are written with functions of PostgreSQL 18:
https://www.postgresql.org/docs/18/functions-admin.html#FUNCTIONS-ADMIN-STATSMOD. No row is there, so no statement may
run in such a copy.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.rows import tuple_row

from sqlmigrate import queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlmigrate.connection import Connection
    from sqlmigrate.review.workload.sizes import Relation, Sizes, Spread

FIRST_WITH_IMPORT = 18
"""The first major version in which statistics can be written."""

_PAGE, _SEGMENT = 8_192, 1 << 30  # bytes, as PostgreSQL is built everywhere
_MOST_PAGES = 2**31 - 1  # what relpages holds
_FILE = re.compile(r"base/\d+/\d+")  # in another tablespace nothing grows
_TUPLE, _FILLED, _WIDTH = 16, 0.9, 8  # of an index whose size is not known: bytes beside the values, fill, bytes of one


@dataclass(frozen=True, slots=True)
class _Here:
    oid: int
    schema: str
    name: str
    file: str
    size: int
    table: int
    key: tuple[int, ...]
    columns: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Placed:
    """Figures of relations by their oids here, the columns by their numbers: whatever they are named later."""

    relations: Mapping[int, Relation]
    columns: Mapping[int, Mapping[int, Sequence[Spread]]]


@dataclass(frozen=True, slots=True)
class Grown:
    """A database as large as the target: oids of relations by schema and name, and of those with figures the bytes."""

    oids: Mapping[tuple[str, str], int]
    sizes: Mapping[int, int]


def place(connection: Connection, sizes: Sizes) -> Placed:
    """Find the relations of the target in a database that has its schema.

    A table of whose columns nothing may be read is not among them.
    """
    known = {(item.schema, item.name): item for item in sizes.relations}
    relations, columns = {}, {}
    for here in _here(connection):
        found = known.get((here.schema, here.name))
        if found and (here.table or found.columns or not found.rows):
            numbers = {name: number for number, name in here.columns.items()}
            spreads: dict[int, list[Spread]] = {}
            for spread in found.columns:
                if spread.name in numbers:
                    spreads.setdefault(numbers[spread.name], []).append(spread)
            relations[here.oid], columns[here.oid] = found, spreads
    return Placed(relations, columns)


def grow(connection: Connection, placed: Placed) -> Grown:
    """Give a database of our own, in which nothing else happens, the figures; the session is a superuser's.

    Raises psycopg's errors.
    """
    here = list(_here(connection))
    asked = queries.load("sized")
    found = {item.oid: figures for item in here if (figures := _figures(item, placed))}
    lines = [line for item in here if item.oid in found for line in _lines(item, found[item.oid].pages)]
    if lines:
        connection.execute(sql.SQL(asked["grow"]).format(lines=sql.Literal(lines)))
    rows = [
        (item.schema, item.name, min(figures.pages, _MOST_PAGES), figures.rows, min(figures.visible, figures.pages))
        for item in here
        if (figures := found.get(item.oid))
    ]
    spreads = [
        (item.schema, item.name, item.columns[number], spread.inherited, *_figures_of(spread))
        for item in here
        for number, several in placed.columns.get(item.oid, {}).items()
        for spread in several
        if number in item.columns
    ]
    for name, several in (("restore_relations", rows), ("restore_columns", spreads)):
        if several:
            connection.execute(asked[name], [list(values) for values in zip(*several, strict=True)])
    oids = {(item.schema, item.name): item.oid for item in here}
    return Grown(oids, {oid: figures.pages * _PAGE for oid, figures in found.items()})


def _here(connection: Connection) -> Iterator[_Here]:
    cursor = connection.cursor(row_factory=tuple_row)
    for oid, schema, name, file, size, table, key, *columns in cursor.execute(queries.load("sized")["here"]).fetchall():
        yield _Here(oid, schema, name, file, size, table, tuple(key), dict(zip(*columns, strict=True)))


def _figures(here: _Here, placed: Placed) -> Relation | None:
    """Return the figures of a relation; an index that is new, or was made anew, gets what one of its columns has."""
    if here.file and not _FILE.fullmatch(here.file):
        return None
    if here.oid in placed.relations:
        return placed.relations[here.oid]
    table = placed.relations.get(here.table)
    if table is None:
        return None
    spreads = placed.columns[here.table]
    width = sum(spreads[number][0].width if number in spreads else _WIDTH for number in here.key)
    pages = math.ceil(table.rows * (width + _TUPLE) / (_PAGE * _FILLED)) + 1
    return replace(table, pages=pages, visible=0)


def _figures_of(spread: Spread) -> tuple[float | None, ...]:
    return spread.nulls, spread.width, spread.distinct, spread.correlation


def _lines(here: _Here, pages: int) -> Iterable[str]:
    """Say which files get which size; none gets smaller."""
    size = min(pages, _MOST_PAGES) * _PAGE
    if not here.file or size <= here.size:
        return
    whole, rest = divmod(size, _SEGMENT)
    names = [here.file if number == 0 else f"{here.file}.{number}" for number in range(whole + 1)]
    if whole:
        yield f"{_SEGMENT} {' '.join(names[:whole])}"
    yield f"{rest} {names[whole]}"
