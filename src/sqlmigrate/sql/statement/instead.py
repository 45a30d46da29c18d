"""The same statement written otherwise, from its parse tree: CONCURRENTLY, with whole names, without an IF NOT EXISTS.

None is given for a statement that is not of the kind, or that libpg_query does not know.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlmigrate.sql.statement.names import Named, name_of
from sqlmigrate.sql.statement.parse import enum_name, parse_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Resolve = Callable[[Named], tuple[str, ...]]

_PART = re.compile(r'"((?:[^"]|"")+)"|([^."]+)')


def name_parts(name: str) -> tuple[str, ...]:
    """Take a name apart that the catalogs have quoted and qualified."""
    return tuple(match[1].replace('""', '"') if match[1] else match[2] for match in _PART.finditer(name))


def concurrently(statement: str, resolve: Resolve) -> str | None:
    """Write a REINDEX, a REFRESH or a DETACH PARTITION with CONCURRENTLY; `resolve` gives whole names, in parts."""
    tree, kind, node = _single(statement)
    if kind == "reindex_stmt":
        node.params.add().def_elem.defname = "concurrently"
    elif kind == "refresh_mat_view_stmt":
        node.concurrent = True
    elif kind == "alter_table_stmt" and (detached := _detached(node)) is not None:
        detached.concurrent = True
        _qualify(detached.name, resolve)
    else:
        return None
    if node.HasField("relation"):
        _qualify(node.relation, resolve)
    return _written(tree)


def built_anyway(statement: str, resolve: Resolve) -> tuple[str, str] | None:
    """Write CREATE INDEX without its IF NOT EXISTS; give the whole name of the index before it."""
    tree, kind, node = _single(statement)
    if kind != "index_stmt":
        return None
    node.if_not_exists = False
    _qualify(node.relation, resolve)
    written = _written(tree)
    return (Named(node.relation.schemaname, node.idxname).quoted, written) if written else None


def conversions(statement: str) -> dict[str, str | None]:
    """Return the columns whose type an ALTER TABLE changes, unquoted, with their expressions of USING, if any."""
    _, kind, node = _single(statement)
    return dict(_conversions(node)) if kind == "alter_table_stmt" else {}


def _conversions(node: Any) -> Iterator[tuple[str, str | None]]:
    for item in node.cmds:
        command = item.alter_table_cmd
        if enum_name(command, "subtype") == "AT_AlterColumnType":
            using = getattr(command, "def").column_def
            yield command.name, _expression(using.raw_default) if using.HasField("raw_default") else None


def grouped(query: str) -> list[str]:
    """Return the columns of a query's result by which it groups: no two rows of it have the same values there.

    Nothing where it does not group, or by something that is not in its result.
    """
    _, kind, node = _single(query)
    if kind != "select_stmt" or node.group_distinct or not node.group_clause:
        return []
    targets = [(_label(item.res_target), _expression(item.res_target.val)) for item in node.target_list]
    found = []
    for item in node.group_clause:
        text = _expression(item)
        if text.isdigit() and 0 < int(text) <= len(targets):
            label = targets[int(text) - 1][0]
        else:
            label = next((label for label, value in targets if text == value), "")
        if not label:
            return []
        found.append(label)
    return found


def _label(target: Any) -> str:
    """Return how a column of a result is called, as far as it is called by its text."""
    if target.name:
        return str(target.name)
    fields = target.val.column_ref.fields
    return str(fields[-1].string.sval) if fields else ""


def _single(statement: str) -> tuple[Any, str, Any]:
    tree = parse_tree(statement)
    if tree is None or len(tree.stmts) != 1 or not (kind := tree.stmts[0].stmt.WhichOneof("node")):
        return None, "", None
    return tree, kind, getattr(tree.stmts[0].stmt, kind)


def _detached(node: Any) -> Any:
    for item in node.cmds if len(node.cmds) == 1 else ():
        definition = getattr(item.alter_table_cmd, "def")
        is_detach = enum_name(item.alter_table_cmd, "subtype") == "AT_DetachPartition"
        return definition.partition_cmd if is_detach else None
    return None


def _qualify(relation: Any, resolve: Resolve) -> None:
    parts = resolve(name_of(relation))
    if len(parts) == 2:  # noqa: PLR2004  schema and name
        relation.schemaname, relation.relname = parts


def _expression(node: Any) -> str:
    tree = parse_tree("SELECT 1")
    tree.stmts[0].stmt.select_stmt.target_list[0].res_target.val.CopyFrom(node)
    return (_written(tree) or "").removeprefix("SELECT ")


def _written(tree: Any) -> str | None:
    from postgast import PgQueryError, deparse  # noqa: PLC0415  100 ms that most reviews never need

    try:
        return str(deparse(tree))
    except PgQueryError:
        return None
