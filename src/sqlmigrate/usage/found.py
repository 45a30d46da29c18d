"""Objects that a script names, found in the catalogs of a database under the path of the script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.rows import dict_row

from sqlmigrate import queries
from sqlmigrate.sql.statement.names import Named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlmigrate.connection import Connection
    from sqlmigrate.sql.statement.removals import Removed

KINDS = {
    "r": "table", "p": "table", "f": "foreign table", "v": "view", "m": "materialized view", "i": "index",
    "I": "index", "S": "sequence", "c": "type", "t": "table",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Object:
    """An object of the database: `names` are its own and those of its partitions and children, `oids` theirs.

    `column` and `number` are of a column, "" and 0 else. `counters` are what was counted of the relation, by oid.
    """

    kind: str
    names: tuple[Named, ...]
    oids: tuple[int, ...]
    removed: Removed
    column: str = ""
    number: int = 0
    is_partition: bool = False
    counters: tuple[Mapping[str, Any], ...] = ()

    def __str__(self) -> str:
        column = f".{Named('', self.column).quoted}" if self.column else ""
        return f"{self.kind} {self.names[0].quoted}{column}"

    @property
    def word(self) -> str:
        """The name that a text must hold to be about it."""
        return self.column or self.names[0].name


class Catalog:
    """What asks the catalogs, in the open transaction; `path` are the schemas in which bare names are sought."""

    def __init__(self, connection: Connection, path: Sequence[str]) -> None:
        """Take a session under our own settings."""
        self.path = list(path)
        self._connection = connection
        self._asked = queries.load("usage")
        counters = self.rows("counters")
        self.counters = counters[0]

    def rows(self, block: str, /, **values: object) -> list[dict[str, Any]]:
        """Ask one of our queries."""
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(self._asked[block].encode(), values or None).fetchall()

    def find(self, item: Removed) -> Iterator[Object]:
        """Yield what is dropped or renamed, as it is in the database; nothing where it is not there."""
        if item.kind == "schema":
            for row in self.rows("in_schema", name=item.name.name):
                yield from self._one(row["kind"], Named(item.name.name, row["name"]), item)
        else:
            yield from self._one(item.kind, item.name, item)

    def _one(self, kind: str, name: Named, item: Removed) -> Iterator[Object]:
        path = [name.schema] if name.schema else self.path
        if kind == "routine":
            if found := self.rows("routines", name=name.name, path=path):
                names = tuple(dict.fromkeys(Named(row["schema"], name.name) for row in found))
                yield Object("function", names, tuple(row["oid"] for row in found), item)
            return
        found = self.rows("relation", name=name.name, path=path)
        if found and kind == "relation":
            yield self._relation(found[0]["oid"], item)
        elif found and kind == "column":
            if column := self.rows("column", oid=found[0]["oid"], name=item.part):
                yield self._relation(found[0]["oid"], item, column[0]["number"])
        elif found:
            for row in self.rows("constraint", oid=found[0]["oid"], name=item.part):
                yield self._relation(row["oid"], item)

    def _relation(self, oid: int, item: Removed, number: int = 0) -> Object:
        rows = self._tree(oid)
        return Object(
            kind="column" if number else KINDS.get(rows[0]["kind"], "relation"),
            names=tuple(Named(row["schema"], row["name"]) for row in rows),
            oids=tuple(row["oid"] for row in rows),
            removed=item,
            column=item.part if number else "",
            number=number,
            is_partition=rows[0]["is_partition"],
            counters=tuple(rows),
        )

    def _tree(self, oid: int) -> list[dict[str, Any]]:
        last = "pg_catalog.pg_stat_get_lastscan({})" if self.counters["knows_when"] else "NULL::pg_catalog.timestamptz"
        asked = sql.SQL(self._asked["tree"]).format(
            last_scan=sql.SQL(last.format("c.oid")), last_index_scan=sql.SQL(last.format("i.indexrelid"))
        )
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(asked, {"oid": oid}).fetchall()
