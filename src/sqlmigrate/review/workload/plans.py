"""Which indexes a plan finds rows by: on a throwaway database costs say nothing, but the shape of a plan does.

With `enable_seqscan` off PostgreSQL takes an index wherever one can serve a condition or an order, however few rows
there are. A statement has lost an index where one that served it is gone or invalid, and no other one takes its place;
where its types or collations have changed, only the conditions of one table tell: how tables are joined depends on
costs.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlmigrate.sql.statement.names import Named

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sqlmigrate.review.workload.facts import Facts, Index

_WORD = re.compile(r"\w+")
_READS_ALL = frozenset({"Sort", "Incremental Sort", "Aggregate", "Hash", "WindowAgg", "SetOp", "Materialize"})


@dataclass(slots=True)
class Access:
    """How a plan reaches rows: the indexes that serve conditions, and those that give a LIMIT its order, by table.

    Indexes are named by schema and name, tables as SQL writes them. `joined` are those that serve a condition with
    another table in it only, `sorts` counts how often it sorts.
    """

    joined: set[tuple[str, str]] = field(default_factory=set)
    served: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    ordered: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)
    sorts: int = 0


def access(plan: str, facts: Facts) -> Access:
    """Read a plan as EXPLAIN (VERBOSE, FORMAT JSON) prints it, in a database of these facts.

    A btree that is asked by another column than its first one is read from end to end, so it serves nothing.
    """
    found = Access()
    for item in json.loads(plan):
        if isinstance(item, dict) and "Plan" in item:  # a rule may make NOTIFY of a statement, which has none
            _walk(item["Plan"], found, facts)
    return found


def lost(before: tuple[Access, Facts], after: tuple[Access, Facts]) -> tuple[str, str] | None:
    """Say which index a statement has lost, and on which table; None where all is served as before."""
    (old, known), (new, now) = before, after
    for table, indexes in old.served.items():
        gone = _gone(indexes, known, now, old.joined)
        if gone and table in new.tables and table not in new.served:
            return f"no index serves its condition on {table} any more: {gone} did", table
    for table, indexes in old.ordered.items():
        gone = _gone(indexes, known, now)
        if gone and new.sorts > old.sorts:
            return f"it sorts what came in order from {gone}", table
    return None


def _gone(
    indexes: Iterable[tuple[str, str]], known: Facts, now: Facts, may_change: Collection[tuple[str, str]] = ()
) -> str:
    """Name the indexes that are not what they were, in one text; of some, only those that are not there any more."""
    valid = {name: index for name, index in now.indexes.items() if index.valid}
    same = {(index.oid, index.columns) for index in valid.values()}
    oids = {index.oid for index in valid.values()}

    def is_gone(name: tuple[str, str], index: Index) -> bool:
        if name in may_change:  # one that was made anew has its name, one that was renamed its oid
            return index.oid not in oids and name not in valid
        return (index.oid, index.columns) not in same

    old = {name: known.indexes[name] for name in indexes if name in known.indexes}
    return ", ".join(sorted(name[1] for name, index in old.items() if is_gone(name, index)))


def _walk(
    node: dict[str, Any],
    found: Access,
    facts: Facts,
    table: Named | None = None,
    *,
    limited: bool = False,
    inner: bool = False,
) -> None:
    kind = node["Node Type"]
    limited = kind == "Limit" or (limited and kind not in _READS_ALL)
    found.sorts += kind in ("Sort", "Incremental Sort")
    if "Relation Name" in node:
        table = Named(node.get("Schema", ""), node["Relation Name"])
        found.tables.add(table.quoted)
    if "Index Name" in node and table:
        index = table.schema, node["Index Name"]
        if limited:
            found.ordered.setdefault(table.quoted, set()).add(index)
        if _serves(node, index, facts):
            found.served.setdefault(table.quoted, set()).add(index)
            if inner:
                found.joined.add(index)
    for child in node.get("Plans", ()):
        below = inner or (kind == "Nested Loop" and child.get("Parent Relationship") == "Inner")
        _walk(child, found, facts, table, limited=limited, inner=below)


def _serves(node: Mapping[str, Any], name: tuple[str, str], facts: Facts) -> bool:
    condition = node.get("Index Cond") or node.get("Order By")
    if condition is None:
        return False
    index = facts.indexes.get(name)
    return index is None or set(_WORD.findall(index.first)) <= set(_WORD.findall(str(condition)))
