"""The SELECT that finds the rows which a statement would write or read, fit to be planned by who trusts nobody.

Planning calls functions: those that are IMMUTABLE or STABLE over constants, with the rights of whoever plans. So it
holds only what is `harmless`, and names only relations that the caller has looked at, in full.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlmigrate.sql.statement.harmless import is_harmless
from sqlmigrate.sql.statement.names import Named, name_of
from sqlmigrate.sql.statement.parse import children, enum_name, node_of, parse_tree, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_JOINED = {"update_stmt": "from_clause", "delete_stmt": "using_clause"}


@dataclass(frozen=True, slots=True)
class Choice:
    """How an UPDATE, DELETE or SELECT chooses rows of `table`.

    `pinned` are the columns that must have one of so many given values, for instance by `id IN (1, 2)`.
    """

    table: Named
    pinned: Mapping[str, int] = field(default_factory=dict)


def equivalent(statement: str, called: Callable[[Named], str | None]) -> str | None:
    """Return the SELECT whose rows are those that a statement works on; None where it cannot be made, or not trusted.

    `called` gives the qualified and quoted name of a relation, and None for one that must not be planned.
    """
    kind, _ = node_of(statement)
    make = _MADE.get(kind)
    if make is None:
        return None
    tree = parse_tree("SELECT 1")
    select = tree.stmts[0].stmt.select_stmt
    _, node = node_of(statement)
    if not make(node, select) or not is_harmless(select) or not _qualified(select, called, frozenset()):
        return None
    return written(tree)


def _changed(kind: str) -> Callable[[Any, Any], bool]:
    def make(node: Any, select: Any) -> bool:
        select.from_clause.add().range_var.CopyFrom(node.relation)
        for item in getattr(node, _JOINED[kind]):
            select.from_clause.add().CopyFrom(item)
        return _choose(node, select)

    return make


def _choose(node: Any, select: Any) -> bool:
    if node.HasField("where_clause"):
        select.where_clause.CopyFrom(node.where_clause)
    if node.HasField("with_clause"):
        select.with_clause.CopyFrom(node.with_clause)
    return True


def _inserted(node: Any, select: Any) -> bool:
    inner = node.select_stmt.select_stmt
    twice = node.HasField("with_clause") and inner.HasField("with_clause")
    if not node.HasField("select_stmt") or inner.values_lists or twice:
        return False
    select.CopyFrom(inner)
    if node.HasField("with_clause"):
        select.with_clause.CopyFrom(node.with_clause)
    return True


def _merged(node: Any, select: Any) -> bool:
    """Join as MERGE does: each row of the source, with those of the table that fit."""
    join = select.from_clause.add().join_expr
    join.jointype = join.DESCRIPTOR.fields_by_name["jointype"].enum_type.values_by_name["JOIN_LEFT"].number
    join.larg.CopyFrom(node.source_relation)
    join.rarg.range_var.CopyFrom(node.relation)
    join.quals.CopyFrom(node.join_condition)
    if node.HasField("with_clause"):
        select.with_clause.CopyFrom(node.with_clause)
    return True


def _selected(node: Any, select: Any) -> bool:
    select.CopyFrom(node)
    select.ClearField("into_clause")
    select.ClearField("locking_clause")
    return not node.values_lists


def _stored(node: Any, select: Any) -> bool:
    return node.query.WhichOneof("node") == "select_stmt" and _selected(node.query.select_stmt, select)


_MADE: dict[str, Callable[[Any, Any], bool]] = {
    "update_stmt": _changed("update_stmt"),
    "delete_stmt": _changed("delete_stmt"),
    "insert_stmt": _inserted,
    "merge_stmt": _merged,
    "select_stmt": _selected,
    "create_table_as_stmt": _stored,
}


def _qualified(node: Any, called: Callable[[Named], str | None], known: frozenset[str]) -> bool:
    """Write the names of relations in full; False where one must not be planned. `known` are those of WITH."""
    kind = node.DESCRIPTOR.name
    if kind == "RangeVar":
        return _qualify(node, called, known)
    if node.DESCRIPTOR.fields_by_name.get("with_clause") is not None and node.HasField("with_clause"):
        known |= {item.common_table_expr.ctename for item in node.with_clause.ctes}
    return all(_qualified(item, called, known) for _, items in children(node) for item in items)


def _qualify(node: Any, called: Callable[[Named], str | None], known: frozenset[str]) -> bool:
    if not node.schemaname and node.relname in known:
        return True
    named = name_of(node)
    full = called(named)
    if full is None:
        return False
    if not node.HasField("alias"):
        node.alias.aliasname = named.name
    target = parse_tree(f"TABLE {full}")
    if target is None:
        return False
    relation = target.stmts[0].stmt.select_stmt.from_clause[0].range_var
    node.catalogname, node.schemaname, node.relname = "", relation.schemaname, relation.relname
    return True


def choice(statement: str) -> Choice | None:
    """Return how an UPDATE or DELETE of one table chooses its rows; None of any other statement."""
    kind, node = node_of(statement)
    if kind not in _JOINED or getattr(node, _JOINED[kind]):
        return None
    pinned: dict[str, int] = {}
    for term in _terms(node.where_clause) if node.HasField("where_clause") else ():
        column, count = _pin(term)
        if column:
            pinned[column] = min(count, pinned.get(column, count))
    return Choice(name_of(node.relation), pinned)


def limited(statement: str) -> int | None:
    """Return the LIMIT of the SELECT whose rows an INSERT, CREATE TABLE AS or SELECT takes, where it is a number."""
    kind, node = node_of(statement)
    if kind == "insert_stmt":
        node = node.select_stmt.select_stmt
    elif kind == "create_table_as_stmt":
        node = node.query.select_stmt
    elif kind != "select_stmt":
        return None
    return _limit(node)


def _limit(select: Any) -> int | None:
    const = select.limit_count.a_const
    return const.ival.ival if const.WhichOneof("val") == "ival" else None


def _terms(where: Any) -> Iterator[Any]:
    """Yield what a condition puts together with AND."""
    if where.WhichOneof("node") == "bool_expr" and enum_name(where.bool_expr, "boolop") == "AND_EXPR":
        for item in where.bool_expr.args:
            yield from _terms(item)
    else:
        yield where


def _pin(term: Any) -> tuple[str, int]:
    """Return the column that a condition pins, and to how many values; "" where it pins none."""
    if term.WhichOneof("node") == "a_expr":
        expression = term.a_expr
        column = _column(expression.lexpr)
        if column and [item.string.sval for item in expression.name] == ["="]:
            right = expression.rexpr
            if right.WhichOneof("node") == "list":
                return (column, len(right.list.items)) if all(map(_is_const, right.list.items)) else ("", 0)
            return (column, 1) if _is_const(right) else ("", 0)
    if term.WhichOneof("node") == "sub_link" and not term.sub_link.oper_name:
        column, most = _column(term.sub_link.testexpr), _limit(term.sub_link.subselect.select_stmt)
        return (column, most) if column and most is not None else ("", 0)
    return "", 0


def _column(node: Any) -> str:
    fields = node.column_ref.fields
    return Named("", fields[-1].string.sval).quoted if fields else ""


def _is_const(node: Any) -> bool:
    kind = node.WhichOneof("node")
    return kind == "a_const" or (kind == "type_cast" and _is_const(node.type_cast.arg))


def reads_ends(statement: str) -> Iterable[tuple[Named, str]] | None:
    """Return the tables and columns of a SELECT that reads nothing but max() or min() of a column from each.

    None where it reads anything else. PostgreSQL takes them from the end of an index that begins with the column.
    """
    kind, node = node_of(statement)
    return _ends(node) if kind == "select_stmt" else None


def _ends(select: Any) -> list[tuple[Named, str]] | None:
    found: list[tuple[Named, str]] = []
    if select.from_clause:
        one = _end(select)
        return None if one is None else [one]
    for inner in _selects(select):
        part = _ends(inner)
        if part is None:
            return None
        found += part
    return found


def _end(select: Any) -> tuple[Named, str] | None:
    parts = select.from_clause
    plain = len(parts) == 1 and parts[0].WhichOneof("node") == "range_var" and len(select.target_list) == 1
    if not plain or select.group_clause or select.HasField("where_clause") or select.HasField("with_clause"):
        return None
    calls = [call for call in _calls(select.target_list[0]) if call.funcname[-1].string.sval in ("max", "min")]
    if len(calls) != 1 or len(calls[0].args) != 1:
        return None
    column = _column(calls[0].args[0])
    return (name_of(parts[0].range_var), column) if column else None


def _calls(node: Any) -> Iterator[Any]:
    if node.DESCRIPTOR.name == "FuncCall":
        yield node
    for _, items in children(node):
        for item in items:
            yield from _calls(item)


def _selects(node: Any) -> Iterator[Any]:
    """Yield the outermost SELECTs within a tree."""
    for _, items in children(node):
        for item in items:
            if item.DESCRIPTOR.name == "SelectStmt":
                yield item
            else:
                yield from _selects(item)
