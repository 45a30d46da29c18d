"""Which tables and columns a statement writes, wherever in it: also in WITH, in ON CONFLICT and in MERGE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlmigrate.sql.statement.names import Named, name_of
from sqlmigrate.sql.statement.parse import children, node_of

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["INSERT", "UPDATE", "DELETE"]


@dataclass(frozen=True, slots=True)
class Write:
    """What is done to a table: `columns` get values.

    An INSERT without a list of columns has None, and `given` says to how many, from the first one on; None where that
    cannot be told.
    """

    kind: Kind
    table: Named
    columns: tuple[str, ...] | None = ()
    given: int | None = None


def writes(statement: str) -> Iterator[Write]:
    """Yield what a statement writes; nothing where libpg_query does not know it."""
    _, node = node_of(statement)
    if node is not None:
        yield from _writes(node)


def has_parameter_in_result(statement: str) -> bool:
    """Tell whether a result of the statement, or of a query in it, is made with a parameter; true where unknown."""
    kind, node = node_of(statement)
    return node is None or _made_with_parameter(node, is_result=kind == "call_stmt")


def _made_with_parameter(node: Any, *, is_result: bool) -> bool:
    name = node.DESCRIPTOR.name
    if name == "ParamRef":
        return is_result
    for field, items in children(node):
        inside = is_result or field in ("target_list", "values_lists", "returning_list", "ctequery")
        inside = inside and field not in ("where_clause", "quals", "having_clause", "limit_count", "limit_offset")
        if any(_made_with_parameter(item, is_result=inside and field != "ctequery") for item in items):
            return True
    return False


def _writes(node: Any) -> Iterator[Write]:
    name = node.DESCRIPTOR.name
    if name == "InsertStmt":
        yield from _inserted(node)
    elif name == "UpdateStmt":
        yield Write("UPDATE", name_of(node.relation), _targets(node.target_list))
    elif name == "DeleteStmt":
        yield Write("DELETE", name_of(node.relation))
    elif name == "MergeStmt":
        yield from _merged(node)
    for _, items in children(node):
        for item in items:
            yield from _writes(item)


def _inserted(node: Any) -> Iterator[Write]:
    table, columns = name_of(node.relation), _targets(node.cols)
    if node.cols or not node.HasField("select_stmt"):  # INSERT ... DEFAULT VALUES gives none
        yield Write("INSERT", table, columns)
    else:
        yield Write("INSERT", table, None, _given(node.select_stmt.select_stmt))
    if node.HasField("on_conflict_clause") and node.on_conflict_clause.target_list:
        yield Write("UPDATE", table, _targets(node.on_conflict_clause.target_list))


def _merged(node: Any) -> Iterator[Write]:
    table = name_of(node.relation)
    for item in node.merge_when_clauses:
        clause = item.merge_when_clause
        kind = clause.DESCRIPTOR.fields_by_name["command_type"].enum_type.values_by_number[clause.command_type].name
        if kind == "CMD_INSERT":
            columns = _targets(clause.target_list)
            yield Write("INSERT", table, columns or None, None if columns else len(clause.values))
        elif kind == "CMD_UPDATE":
            yield Write("UPDATE", table, _targets(clause.target_list))
        elif kind == "CMD_DELETE":
            yield Write("DELETE", table)


def _given(select: Any) -> int | None:
    """Return how many columns a query gives, as far as it can be told without the catalog."""
    if select.values_lists:
        return len(select.values_lists[0].list.items)
    targets = [item.res_target.val for item in select.target_list]
    if not targets or any(_is_star(item) for item in targets):
        return None
    return len(targets)


def _is_star(node: Any) -> bool:
    return node.WhichOneof("node") == "column_ref" and any(
        field.WhichOneof("node") == "a_star" for field in node.column_ref.fields
    )


def _targets(items: Any) -> tuple[str, ...]:
    return tuple(item.res_target.name for item in items)
