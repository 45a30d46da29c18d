"""The key by which batches are cut: found in the catalogs, and asked for the bounds of the next batch."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.rows import dict_row

from sqlmigrate import queries
from sqlmigrate.connection import relations
from sqlmigrate.engine.backfill.aside import aside, ours
from sqlmigrate.errors import Error
from sqlmigrate.sql.batches import CTID
from sqlmigrate.sql.statement.names import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlmigrate.connection import Connection
    from sqlmigrate.sql.batches import Batched

Position = list[str]
"""A value for each column of a key, as PostgreSQL writes it under our own settings."""

_TABLES = frozenset({"r", "p"})


class NoKey(Error):
    """The table or its key is not what batches need."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the key; `types` are those that a parameter compared with it may have, by oid."""

    name: str
    type_name: sql.Composable
    types: frozenset[int]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The first and the last key of a batch, and how many rows it had when they were found.

    `full` is a batch that is as large as was asked for. `left` are about the rows behind it, where that is told.
    """

    first: Position
    last: Position
    rows: int
    full: bool = True
    left: int | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a table; `more` is the operator by which one row of it is greater than another.

    `estimate` is about how many rows the table has, None where nobody has counted them; `family` are the schemas
    and names of the table and of its partitions, `oids` theirs.
    """

    oid: int
    table: sql.Composable
    columns: tuple[Column, ...]
    more: sql.Composable
    estimate: int | None
    family: frozenset[tuple[str, str]] = frozenset()
    oids: tuple[int, ...] = ()

    def next_bounds(self, connection: Connection, after: Position | None, rows: int) -> Bounds | None:
        """Find the bounds of so many rows behind a position, None where there are none; raises psycopg's errors."""
        query = self.boundary(after, rows)
        with ours(connection):  # no parameters: a name may hold a %
            found = connection.execute(query).fetchall()
        if not found:
            return None
        ends = [list(row[1:]) for row in found]
        count = int(found[-1][0])
        return Bounds(ends[0], ends[-1], count, full=count >= rows)

    def boundary(self, after: Position | None, rows: int) -> sql.Composed:
        """Return the query that finds the bounds of so many rows behind a position; it runs under our own settings."""
        names = sql.SQL(", ").join(sql.Identifier(column.name) for column in self.columns)
        return sql.SQL(_BATCH).format(
            names=names, table=self.table, behind=self._behind(after), rows=sql.Literal(rows), written=self._written
        )

    def whole(self, connection: Connection) -> Bounds | None:
        """Find the first and the last key of all, None where the table is empty."""
        names = [sql.Identifier(column.name) for column in self.columns]
        ends = []
        with ours(connection):
            for word in (sql.SQL(""), sql.SQL(" DESC")):
                order = sql.SQL(", ").join(name + word for name in names)
                query = sql.SQL("SELECT {} FROM {} ORDER BY {} LIMIT 1").format(self._written, self.table, order)
                ends.append(connection.execute(query).fetchone())
        first, last = ends
        return Bounds(list(first), list(last), 0) if first and last else None

    @property
    def _written(self) -> sql.Composable:
        """The columns in the text form of their types; a cast to text might be somebody's function."""
        written = sql.SQL("pg_catalog.format('%s', {})")
        return sql.SQL(", ").join(written.format(sql.Identifier(column.name)) for column in self.columns)

    def _behind(self, after: Position | None) -> sql.Composable:
        if after is None:
            return sql.SQL("true")
        names = sql.SQL(", ").join(sql.Identifier(column.name) for column in self.columns)
        cast = sql.SQL("CAST({} AS {})")
        pairs = zip(after, self.columns, strict=True)
        values = sql.SQL(", ").join(cast.format(sql.Literal(value), column.type_name) for value, column in pairs)
        if len(self.columns) == 1:
            return sql.SQL("{} {} {}").format(names, self.more, values)
        return sql.SQL("ROW({}) {} ROW({})").format(names, self.more, values)


_PLACE = Column(CTID, sql.Identifier("pg_catalog", "tid"), frozenset({27}))
_MORE = sql.SQL("OPERATOR(pg_catalog.>)")
_LAST = 65_535  # no row of a page has a higher number
_ROWS_OF_A_PAGE = 50.0  # where nobody has counted them


class Places(Key):
    """The places of rows instead of a key: batches of whole pages, in the order in which they lie in the file.

    A row that is written anew lies elsewhere afterwards, so it may be in two batches, or in none.
    """

    __slots__ = ()

    def next_bounds(self, connection: Connection, after: Position | None, rows: int) -> Bounds | None:
        """Find the next pages that have about so many rows, None at the end of the file as it is now."""
        first = _page(after) + 1 if after else 0
        with ours(connection):
            pages, counted = self._size(connection)
            density = counted or _ROWS_OF_A_PAGE
            last = min(first + max(round(rows / density), 1), pages) - 1
            if last < first:
                return None
            bounds = [f"({first},0)"], [f"({last},{_LAST})"]
            found = connection.execute(sql.SQL(_COUNT).format(self.table, *bounds[0], *bounds[1])).fetchone()
        left = None if counted is None else round((pages - 1 - last) * counted)
        return Bounds(*bounds, int(found[0]) if found else 0, full=last < pages - 1, left=left)

    def boundary(self, after: Position | None, rows: int) -> sql.Composed:
        """Return the query that counts the rows of about as many pages as have so many."""
        first = _page(after) + 1 if after else 0
        last = first + max(round(rows / _ROWS_OF_A_PAGE), 1) - 1
        return sql.SQL(_COUNT).format(self.table, f"({first},0)", f"({last},{_LAST})")

    def whole(self, connection: Connection) -> Bounds | None:
        """Find the first and the last place of all, None where the table has no page."""
        with ours(connection):
            pages, _ = self._size(connection)
        return Bounds(["(0,0)"], [f"({pages - 1},{_LAST})"], 0) if pages else None

    def _size(self, connection: Connection) -> tuple[int, float | None]:
        """Give how many pages the table has now, and about how many rows each has; None where nobody has counted."""
        row = connection.execute(queries.load("backfill")["pages"], {"table": self.oid}).fetchone()
        pages, counted = row or (0, None)
        return int(pages), float(counted) if counted else None


_COUNT = """
SELECT pg_catalog.count(*)
FROM {}
WHERE ctid OPERATOR(pg_catalog.>=) CAST({} AS pg_catalog.tid)
  AND ctid OPERATOR(pg_catalog.<=) CAST({} AS pg_catalog.tid)
"""


def _page(place: Position) -> int:
    return int(place[0].strip("(").partition(",")[0])


_BATCH = """
WITH batch AS MATERIALIZED (
    SELECT {names}, pg_catalog.row_number() OVER (ORDER BY {names}) AS "sqlmigrate number"
    FROM {table}
    WHERE {behind}
    ORDER BY {names}
    LIMIT {rows}
)
SELECT "sqlmigrate number", {written}
FROM batch
WHERE "sqlmigrate number" = 1::pg_catalog.int8
   OR "sqlmigrate number" = (SELECT pg_catalog.max("sqlmigrate number") FROM batch)
ORDER BY "sqlmigrate number"
"""


def find_key(connection: Connection, batched: Batched) -> Key:
    """Look the key of a batched statement up, its table as the script finds it; raises NoKey where it cannot be used.

    Raises psycopg's errors too.
    """
    with aside(connection):
        (oid,) = relations(connection, quote(*batched.table))
    shown = ".".join(batched.table)
    if oid is None:
        raise NoKey(f"there is no table {shown}, or the role of the script may not use its schema")
    with ours(connection):
        rows = {name: _ask(connection, name, oid, batched) for name in ("table", "columns", "indexes", "family")}
    (table,) = rows["table"]
    if table["kind"] not in _TABLES:
        raise NoKey(f"{shown} is no table")
    if table["inherited"]:
        raise NoKey(f"{shown} has tables that inherit from it, so that no key of it is unique")
    family = frozenset((row["schema"], row["name"]) for row in rows["family"])
    oids = tuple(row["oid"] for row in rows["family"])
    named = sql.Identifier(table["schema"], table["name"])
    if batched.by_place:
        if table["kind"] == "p":
            hint = "name one partition as the table, or use the primary key"
            raise NoKey(f"{shown} is partitioned, and ctid tells where a row lies within one partition", hint=hint)
        return Places(oid, named, (_PLACE,), _MORE, table["estimate"], family, oids)
    columns = {row["name"]: row for row in rows["columns"]}
    for name in batched.key:
        if name not in columns:
            raise NoKey(f"{shown} has no column {name}")
        if not columns[name]["not_null"]:
            raise NoKey(f"column {name} of {shown} may be NULL, and such rows would never be in a batch")
    index = _index(rows["indexes"], batched, shown)
    (schema,) = {row["operator_schema"] for row in index}
    return Key(
        oid,
        named,
        tuple(_column(columns[row["name"]], row["type"]) for row in index),
        sql.SQL("OPERATOR({}.{})").format(sql.Identifier(schema), sql.SQL(index[0]["operator"])),
        table["estimate"],
        family,
        oids,
    )


def _ask(connection: Connection, query: str, oid: int, batched: Batched) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        values = {"table": oid, "names": list(batched.key)}
        return cursor.execute(queries.load("backfill")[query], values).fetchall()


def _column(column: dict[str, Any], compared: int) -> Column:
    name = sql.Identifier(column["type_schema"], column["type_name"])
    return Column(column["name"], name, frozenset({column["type"], compared}))


def _index(rows: Sequence[dict[str, Any]], batched: Batched, shown: str) -> list[dict[str, Any]]:
    """Choose the columns of a unique index that is just the key; raises NoKey where there is none."""
    found = defaultdict(list)
    for row in rows:
        found[row["index"]].append(row)
    for index in found.values():
        fits = [row["name"] for row in index] == list(batched.key) and index[0]["width"] == len(index)
        one_way = len({row["descending"] for row in index}) == 1
        alike = len({(row["operator_schema"], row["operator"]) for row in index}) == 1
        if fits and one_way and alike:
            return index
    names = ", ".join(batched.key)
    raise NoKey(
        f"{shown} has no unique index on just ({names})",
        hint="best is the primary key; a unique index must be valid, whole, and on the columns in this order; "
        "without any, key=ctid runs batches of whole pages, where each row is changed at least once",
    )
