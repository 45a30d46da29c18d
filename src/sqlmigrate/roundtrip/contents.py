"""Compare the rows of tables before and after, by count and by a digest that takes no note of their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import sql

from sqlmigrate import queries

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from sqlmigrate.connection import Connection


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one table: how many, and a digest of their values by column name."""

    count: int
    digest: int


@dataclass(frozen=True, slots=True)
class Contents:
    """The rows of tables and the last values of sequences, by qualified names; `falling` sequences count down.

    A sequence that is at its start has none; of one that was set, and has given out nothing since, it is the value
    before the one that comes next. `objects` are digests of large objects, by their oids.
    """

    tables: Mapping[str, Rows]
    sequences: Mapping[str, int]
    falling: frozenset[str]
    objects: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DataChange:
    """A table whose rows are not the same any more, a large object with other bytes, or a sequence that has gone back.

    `before` and `after` count rows, None where there is no such table; of a sequence they are its last value, of a
    large object 1.
    """

    kind: str
    table: str
    before: int | None
    after: int | None

    def __str__(self) -> str:
        """Say it in one phrase."""
        if self.kind == "sequence":
            now = "its start" if self.after is None else self.after
            return f"sequence {self.table}: at {now}, was at {self.before}"
        if self.kind == "large object":
            became = "lost" if self.after is None else "new" if self.before is None else "other bytes than before"
            return f"large object {self.table}: {became}"
        if self.after is None:
            return f"table {self.table}: all {_rows(self.before)} lost with it"
        if self.before is None:
            return f"table {self.table}: {_rows(self.after)} in a table that did not exist before"
        if self.after < self.before:
            return f"table {self.table}: {self.before - self.after} of {_rows(self.before)} lost"
        if self.after > self.before:
            return f"table {self.table}: {_rows(self.after)}, but there were {self.before}"
        return f"table {self.table}: {_rows(self.after)} as before, but with other values"


def _rows(count: int | None) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def read_contents(connection: Connection, *, leave_out: Collection[str] = ()) -> Contents:
    """Count and digest the rows of every ordinary table; raises psycopg.Error where row security hides some.

    The digest is a sum of `hashtextextended` of whole rows, with the columns in the order of their names.
    """
    asked, without = queries.load("roundtrip"), {"leave_out": list(leave_out)}
    found = connection.execute(asked["tables"], without).fetchall()
    sequences = connection.execute(asked["sequences"], without).fetchall()
    with connection.transaction():
        connection.execute("SET LOCAL row_security TO off")
        tables = {shown: _digest(connection, *names) for shown, *names in found}
        objects: dict[str, str] = dict(connection.execute(asked["objects"]).fetchall())
    positions = {shown: _position(connection, *rest) for shown, *rest in sequences}
    falling = frozenset(shown for shown, *_, increment in sequences if increment < 0)
    return Contents(tables, {name: at for name, at in positions.items() if at is not None}, falling, objects)


def _position(
    connection: Connection, schema: str, name: str, last: int | None, start: int, increment: int
) -> int | None:
    if last is not None:
        return last
    query = sql.SQL(queries.load("roundtrip")["position"]).format(sequence=sql.Identifier(schema, name))
    row: Any = connection.execute(query).fetchone()
    return None if row[0] == start else row[0] - increment


def _digest(connection: Connection, schema: str, table: str, columns: list[str]) -> Rows:
    values = sql.SQL(", ").join(map(sql.Identifier, columns))
    query = sql.SQL(queries.load("roundtrip")["digest"])
    row: Any = connection.execute(query.format(values=values, table=sql.Identifier(schema, table))).fetchone()
    return Rows(row[0], int(row[1]))


def compare_contents(before: Contents, after: Contents, *, values: bool = True) -> Iterator[DataChange]:
    """Return the tables whose rows are not the same, and the sequences that went back.

    An empty table that came or went is no change. Without `values` only the numbers of rows are compared.
    """
    nothing = Rows(0, 0)
    for table in sorted(before.tables.keys() | after.tables.keys()):
        old, new = before.tables.get(table), after.tables.get(table)
        same = (old or nothing) == (new or nothing) if values else (old or nothing).count == (new or nothing).count
        if not same:
            yield DataChange("table", table, old.count if old else None, new.count if new else None)
    for number in sorted(before.objects.keys() | after.objects.keys()):
        then, now = before.objects.get(number), after.objects.get(number)
        if then is None or now is None or (values and then != now):
            yield DataChange("large object", number, None if then is None else 1, None if now is None else 1)
    for sequence, value in sorted(before.sequences.items()):
        last = after.sequences.get(sequence)
        if last is None or (last > value if sequence in before.falling else last < value):
            yield DataChange("sequence", sequence, value, last)
