"""Which indexes a plan finds rows by: on a throwaway database costs say nothing, but the shape of a plan does.

With `enable_seqscan` off PostgreSQL takes an index wherever one can serve a condition or an order, however few rows
there are. So a condition that an index served before, and none serves now, has lost its index.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from sqlmigrate.sql.statement.names import Named


@dataclass(slots=True)
class Access:
    """How a plan reaches rows: what serves a condition, by table, the tables of all indexes, and how often it sorts."""

    served: dict[str, set[str]] = field(default_factory=dict)
    indexes: dict[str, str] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)
    sorts: int = 0


def access(plan: str) -> Access:
    """Read a plan as EXPLAIN (FORMAT JSON) prints it."""
    found = Access()
    for item in json.loads(plan):
        _walk(item["Plan"], found, None)
    return found


def lost(before: Access, after: Access) -> tuple[str, str] | None:
    """Say which index a statement has lost, and on which table; None where all is served as before."""
    for table, indexes in before.served.items():
        if table in after.tables and table not in after.served:
            return f"no index serves its condition on {table} any more: {', '.join(sorted(indexes))} did", table
    gone = {index: table for index, table in before.indexes.items() if index not in after.indexes}
    if after.sorts > before.sorts and gone:
        return f"it sorts what came in order from {', '.join(sorted(gone))}", next(iter(gone.values()))
    return None


def _walk(node: dict[str, Any], found: Access, table: str | None) -> None:
    if "Relation Name" in node:
        table = Named(node.get("Schema", ""), node["Relation Name"]).quoted
    if table:
        found.tables.add(table)
    if index := node.get("Index Name"):
        found.indexes[index] = table or ""
        if table and ("Index Cond" in node or "Order By" in node):
            found.served.setdefault(table, set()).add(index)
    found.sorts += node["Node Type"] in ("Sort", "Incremental Sort")
    for child in node.get("Plans", ()):
        _walk(child, found, table)
