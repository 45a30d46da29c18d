"""Hazards of tables whose changes are sent to others by logical replication."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.records import Context, Occurrence, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlmigrate.review.model import Severity
    from sqlmigrate.review.trace.follow import State
    from sqlmigrate.schema import Value

    Objects = Mapping[str, Mapping[str, Value]]


def _refused(context: Context) -> Iterator[Occurrence]:
    if not context.before.of("publication") and not context.after.of("publication"):
        return
    for one in context.statements:
        if one.step.before is one.step.after:
            continue
        before = _without_identity(one.step.before)
        for table, publication in _without_identity(one.step.after).items():
            if table not in before:
                relation = one.step.known.get(table)
                severity: Severity | None = None if relation else "warning"
                seen = f"{table} is in publication {publication}, but has no replica identity"
                rewrite = f"ALTER TABLE {table} REPLICA IDENTITY FULL;"
                names = (relation.name if relation else table,)
                yield Occurrence(
                    statement=one.statement.number,
                    seen=seen,
                    relations=names,
                    rewrite=rewrite,
                    severity=severity,
                    behind=True,
                )


def _without_identity(state: State) -> dict[str, str]:
    """Return the tables that UPDATE and DELETE are refused on, each with the publication that does it."""
    tables, indexes = state.of("table"), state.of("index")
    told_apart = {str(index["table"]) for index in indexes.values() if index.get("primary")}
    by_index = {str(index["table"]) for index in indexes.values() if index.get("replica identity")}
    found = {}
    for table, publication in _published(state, tables).items():
        identity = tables[table].get("replica identity")
        good = {"full": True, "nothing": False, "index": table in by_index}.get(str(identity), table in told_apart)
        if not good:
            found[table] = publication
    return found


def _published(state: State, tables: Objects) -> dict[str, str]:
    """Return the tables with rows whose changes a publication sends, with its name; a partition goes with its table."""
    sending = {
        name: properties
        for name, properties in state.of("publication").items()
        if {"update", "delete"} & set(str(properties.get("publish", "")).split(", "))
    }
    found: dict[str, str] = {}
    for name, properties in state.of("publication table").items():
        publication = name.rpartition(" in publication ")[2]
        if publication in sending:
            found[str(properties["table"])] = publication
    for name, properties in sending.items():
        schemas = properties.get("schemas") or ()
        for table, of_it in tables.items():
            inside = isinstance(schemas, tuple) and table.rpartition(".")[0] in schemas
            if (properties.get("all tables") or inside) and not of_it.get("unlogged"):
                found.setdefault(table, name)
    for table in _from_the_top(tables):
        whole = tables[table].get("partition of")
        if isinstance(whole, tuple) and whole[0] in found:
            found.setdefault(table, found[whole[0]])
    return {table: name for table, name in found.items() if table in tables and not tables[table].get("partition key")}


def _from_the_top(tables: Objects) -> list[str]:
    """Put partitions behind the tables that they are of."""

    def depth(table: str) -> int:
        whole = tables.get(table, {}).get("partition of")
        return 1 + depth(whole[0]) if isinstance(whole, tuple) else 0

    return sorted(tables, key=depth)


RULES = (
    Rule(
        "H28",
        "published-without-identity",
        "a published table without a replica identity",
        "danger",
        "A table in a publication that sends UPDATE or DELETE has no replica identity, or loses it: it has no "
        "primary key, or the index that served as its replica identity is dropped.",
        "the application: from COMMIT on PostgreSQL refuses every UPDATE and DELETE of the table",
        "give it a primary key first, or REPLICA IDENTITY FULL, which sends whole rows",
        _refused,
    ),
)
