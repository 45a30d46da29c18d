"""What publications send of which table, and whether they let UPDATE and DELETE pass, in one state of the schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.sql.statement.names import index_columns
from sqlmigrate.sql.statement.rows import columns_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlmigrate.review.trace.follow import State
    from sqlmigrate.schema import Value

    Objects = Mapping[str, Mapping[str, Value]]
    Sending = dict[tuple[str, str], "Sent"]
    """What is sent, by table and publication; partitioned tables stand there with their partitions."""

_CHANGES = frozenset({"update", "delete"})


@dataclass(frozen=True, slots=True)
class Sent:
    """What a publication sends of a table: which actions, which columns (None: all), and of which rows (None: all)."""

    actions: frozenset[str]
    columns: frozenset[str] | None = None
    where: str | None = None

    def has(self, column: str) -> bool:
        """Whether a column is sent."""
        return self.columns is None or column in self.columns


def sending(state: State) -> Sending:
    """Return what every publication sends of which tables."""
    publications = state.of("publication")
    if not publications:
        return {}
    tables = state.of("table")
    found = {(table, name): sent for table, name, sent in _named(state, publications) if table in tables}
    for name, properties in publications.items():
        for table in _of_all(properties, tables):
            found.setdefault((table, name), Sent(_actions(properties)))
    _pass_down(found, tables)
    return found


def _named(state: State, publications: Objects) -> Iterator[tuple[str, str, Sent]]:
    """Yield the tables that publications name."""
    for key, properties in state.of("publication table").items():
        name = key.rpartition(" in publication ")[2]
        columns, where = properties.get("columns"), properties.get("where")
        yield (
            str(properties["table"]),
            name,
            Sent(
                actions=_actions(publications.get(name, {})),
                columns=frozenset(map(str, columns)) if isinstance(columns, tuple) and columns else None,
                where=str(where) if where else None,
            ),
        )


def _actions(publication: Mapping[str, Value]) -> frozenset[str]:
    return frozenset(filter(None, str(publication.get("publish", "")).split(", ")))


def _of_all(publication: Mapping[str, Value], tables: Objects) -> Iterator[str]:
    """Yield the tables of a publication FOR ALL TABLES or for whole schemas."""
    schemas = publication.get("schemas") or ()
    for table, properties in tables.items():
        inside = isinstance(schemas, tuple) and table.rpartition(".")[0] in schemas
        if (publication.get("all tables") or inside) and not properties.get("unlogged"):
            yield table


def _pass_down(found: Sending, tables: Objects) -> None:
    """Give each partition what is sent of the table that it is a partition of."""
    for table in _from_the_top(tables) if found else ():
        whole = tables[table].get("partition of")
        above = whole[0] if isinstance(whole, tuple) else None
        for (parent, name), sent in list(found.items()):
            if parent == above:
                found.setdefault((table, name), sent)


def _from_the_top(tables: Objects) -> list[str]:
    """Put partitions behind the tables that they are of."""

    def depth(table: str) -> int:
        whole = tables.get(table, {}).get("partition of")
        return 1 + depth(whole[0]) if isinstance(whole, tuple) else 0

    return sorted(tables, key=depth)


def refused(state: State) -> dict[str, tuple[str, str]]:
    """Return the tables on which UPDATE and DELETE are refused, each with the publication and why it does it."""
    sent, tables = sending(state), state.of("table")
    indexes = list(state.of("index").values()) if sent else []
    found: dict[str, tuple[str, str]] = {}
    for (table, publication), what in sent.items():
        if tables[table].get("partition key") or not what.actions & _CHANGES:
            continue
        if why := _objection(what, tables[table], [one for one in indexes if one.get("table") == table]):
            found.setdefault(table, (publication, why))
    return found


def _objection(sent: Sent, table: Mapping[str, Value], indexes: list[Mapping[str, Value]]) -> str | None:
    """Say why PostgreSQL refuses changes of rows (CheckCmdReplicaIdentity); None where it does not."""
    identity = table.get("replica identity")
    if identity == "full":
        return "sends only some columns, but its replica identity is the whole row" if sent.columns else None
    wanted = "replica identity" if identity == "index" else "primary"
    index = next(
        (one for one in indexes if one.get(wanted) and not one.get("deferrable") and not one.get("invalid")), None
    )
    if identity == "nothing" or index is None:
        return "has no replica identity"
    key = set(index_columns(str(index.get("definition", ""))))
    if sent.columns is not None and key - sent.columns:
        return "sends not all columns of its replica identity"
    if sent.where and (others := columns_named(sent.where) - key):
        return f"chooses rows by {', '.join(sorted(others))}, which its replica identity does not hold"
    return None
