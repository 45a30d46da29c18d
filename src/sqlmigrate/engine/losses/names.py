"""Which table a name in a script stands for, as the database has it now: scripts rename, move and make tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row

from sqlmigrate import queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlmigrate.connection import Connection
    from sqlmigrate.sql.statement.names import Named
    from sqlmigrate.sql.statement.takings import Act

_TEMPORARY = "pg_temp"
_SYSTEM = "pg_"  # the schemas in which nobody makes anything


def ask(connection: Connection, block: str, **values: object) -> list[dict[str, Any]]:
    """Ask one of our queries."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(queries.load("losses")[block].encode(), values).fetchall()


@dataclass(slots=True)
class Names:
    """The names of a run that do not mean what they mean in the database now.

    `known` is what the database has now, by schema and name. `relations` has the oid, 0 for one that the run has made;
    `columns` the name now by oid and name,
    "" for one that the run has made; `schemas` the name now of those that were renamed.
    """

    connection: Connection
    known: dict[tuple[str, str], int] = field(default_factory=dict)
    relations: dict[tuple[str, str], int] = field(default_factory=dict)
    columns: dict[tuple[int, str], str] = field(default_factory=dict)
    schemas: dict[str, str] = field(default_factory=dict)

    def load(self, names: Iterable[str]) -> None:
        """Read once which relations have these names; others are not known."""
        found = ask(self.connection, "relations", names=sorted(set(names)))
        self.known |= {(row["schema"], row["name"]): int(row["oid"]) for row in found}

    def relation(self, name: Named, path: Sequence[str]) -> int:
        """Return the oid of a relation, 0 where the run has made it or there is none."""
        return self._found(name, path)[1]

    def _found(self, name: Named, path: Sequence[str]) -> tuple[str, int]:
        """Return the schema and the oid of a relation; "" where there is none of that name."""
        if (_TEMPORARY, name.name) in self.relations and name.schema in ("", _TEMPORARY):
            return _TEMPORARY, 0
        for schema in [name.schema] if name.schema else path:
            if (schema, name.name) in self.relations:
                return schema, self.relations[schema, name.name]
            if found := self.known.get((self.schemas.get(schema, schema), name.name)):
                return schema, found
        return "", 0

    def column(self, oid: int, name: str) -> str:
        """Return the name that a column has now, "" where the run has made it."""
        return self.columns.get((oid, name), name)

    def moved_into(self, schema: str) -> list[int]:
        """Return what the run has moved into a schema, or given another name there."""
        return [oid for (where, _), oid in self.relations.items() if where == schema and oid]

    def moved_out(self, schema: str) -> list[int]:
        """Return what the run has moved, and is not in this schema any more."""
        inside = set(self.moved_into(schema))
        return [oid for oid in self.relations.values() if oid and oid not in inside]

    def change(self, act: Act, path: Sequence[str]) -> None:
        """Take what an act does to names."""
        match act.how, act.kind:
            case "makes", "relation":
                self._make(act, path)
            case (("renames" | "moves"), "relation"):
                schema, oid = self._found(act.name, path)
                where = (act.new, act.name.name) if act.how == "moves" else (schema, act.new)
                self.relations[schema, act.name.name], self.relations[where] = 0, oid
            case "makes", "column":
                oid = self.relation(act.name, path)
                if not (act.unless_there and self._has(oid, act.part)):
                    self.columns[oid, act.part] = ""
            case "renames", "column":
                oid = self.relation(act.name, path)
                now = self.column(oid, act.part)
                self.columns[oid, act.part], self.columns[oid, act.new] = "", now
            case "renames", "schema":
                self.schemas[act.new] = self.schemas.get(act.name.name, act.name.name)

    def _make(self, act: Act, path: Sequence[str]) -> None:
        if act.temporary:
            self.relations[_TEMPORARY, act.name.name] = 0
            return
        schema = act.name.schema or next((name for name in path if not name.startswith(_SYSTEM)), "")
        if act.unless_there and self.relation(act.name, [schema]):
            return
        self.relations[schema, act.name.name] = 0

    def _has(self, oid: int, column: str) -> bool:
        now = self.column(oid, column)
        return bool(oid and ask(self.connection, "heirs", tags=[0], oids=[oid], names=[now], children=[False]))
