"""Write an UPDATE or DELETE so that it can run in batches: with bounds, and with a query that tells when it is done.

Whether a row is done is only said where the row itself tells: the new values are made of columns that stay as they are,
by PostgreSQL's own functions that give the same again. Else every row is changed once all the same, and no query tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlmigrate.sql.statement.bounds import wanted_bounds
from sqlmigrate.sql.statement.harmless import is_harmless
from sqlmigrate.sql.statement.names import Named
from sqlmigrate.sql.statement.parse import children, enum_name, node_of, parse_tree, tokens, written

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from sqlmigrate.sql.batches import Batched

_SOURCES = {"update_stmt": "from_clause", "delete_stmt": "using_clause"}
_MOVES = """
    random gen_random_uuid uuidv4 uuidv7 nextval currval clock_timestamp now statement_timestamp timeofday
    transaction_timestamp age current_setting
"""
_MOVING = frozenset(_MOVES.split())
"""Functions that do not give the same for the same arguments."""
_CONSTANTS = frozenset({"a_const"})


@dataclass(frozen=True, slots=True)
class InBatches:
    """A statement with the bounds of a batch, and a query that is true when no row is left; None where none tells."""

    text: str
    verify: str | None = None


def target_of(statement: str) -> Named | None:
    """Return the table of an UPDATE or DELETE that could be cut into batches as it stands; None of any other one.

    One that reads its own table beside would read in each batch what the batches before have left.
    """
    kind, node = node_of(statement)
    if kind not in _SOURCES or node.HasField("with_clause") or node.HasField("returning_clause"):
        return None
    if not node.relation.inh or node.where_clause.WhichOneof("node") == "current_of_expr":
        return None
    named = sum(name == node.relation.relname for name in _relations(node))
    if "param_ref" in set(_kinds_of(node)) or named > 1:
        return None
    return Named(node.relation.schemaname, node.relation.relname)


def assigned(statement: str) -> frozenset[str]:
    """Return the columns that an UPDATE sets; none of a DELETE."""
    kind, node = node_of(statement)
    return frozenset(item.res_target.name for item in node.target_list) if kind == "update_stmt" else frozenset()


def wanted_values(statement: str) -> dict[str, str]:
    """Return the values, in SQL, of columns that rows must have for an UPDATE or DELETE: by `=`, IN or IS NULL."""
    kind, node = node_of(statement)
    found: dict[str, str] = {}
    for term in _terms(node.where_clause) if kind in _SOURCES else ():
        if term.WhichOneof("node") == "null_test" and enum_name(term.null_test, "nulltesttype") == "IS_NULL":
            found |= dict.fromkeys(_columns(term), "NULL")
        elif term.WhichOneof("node") == "a_expr" and term.a_expr.lexpr.WhichOneof("node") == "column_ref":
            right, named = term.a_expr.rexpr, [item.string.sval for item in term.a_expr.name] == ["="]
            value = right.list.items[0] if right.WhichOneof("node") == "list" else right
            if named and value.WhichOneof("node") in _CONSTANTS and (text := _text_of(value)):
                found[term.a_expr.lexpr.column_ref.fields[-1].string.sval] = text
    return found


def in_batches(statement: str, batched: Batched, types: Mapping[str, str], *, telling: bool = True) -> InBatches | None:
    """Give a statement the bounds of its batches; None where it cannot have any.

    `types` are the types of the table's columns, as PostgreSQL writes them. With `telling` it leaves out the rows that
    are done already, where they can be told from the others.
    """
    kind, node = node_of(statement)
    cut = _cut(statement) if target_of(statement) else None
    if cut is None:
        return None
    head, condition = cut
    relation = node.relation
    called = Named("", relation.alias.aliasname if relation.HasField("alias") else relation.relname).quoted
    parts = [wanted_bounds(batched, called)]
    if condition:
        parts.append(f"({condition})" if _is_or(node.where_clause) else condition)
    other = _unfinished(kind, node, called, types) if telling else None
    if other and not _leaves_out_finished(node):
        parts.append(f"({other})" if " OR " in other else other)
    joined = "\n  AND ".join(parts)
    return InBatches(f"{head}\nWHERE {joined}", _verify(kind, node, other) if telling else None)


def _cut(statement: str) -> tuple[str, str] | None:
    """Cut a statement at its own WHERE; "" where it has none. Remarks behind its last word are left out."""
    found = [place for place in tokens(statement) if statement[slice(*place)] != ";"]
    if not found:
        return None
    depth, where = 0, None
    for start, end in found:
        word = statement[start:end]
        depth += (word in "([") - (word in ")]")
        if depth == 0 and word.lower() == "where":
            where = (start, end)
            break
    last = found[-1][1]
    if where is None:
        return statement[:last], ""
    return statement[: where[0]].rstrip(), statement[where[1] : last].strip()


def _unfinished(kind: str, node: Any, called: str, types: Mapping[str, str]) -> str | None:
    """Return the condition that holds for a row of an UPDATE before its change and not behind it; None of no use."""
    if kind != "update_stmt" or getattr(node, _SOURCES[kind]):
        return None
    own = {node.relation.relname, node.relation.alias.aliasname}  # the row as a whole
    changed = {item.res_target.name for item in node.target_list} | own
    terms = []
    for item in node.target_list:
        name, value = item.res_target.name, item.res_target.val
        if item.res_target.indirection or name not in types or not _is_steady(value, changed):
            return None
        text = _text_of(value)
        if text is None:
            return None
        plain = value.WhichOneof("node") in _CONSTANTS and "(" not in types[name]
        wanted = text if plain else f"CAST({text} AS {types[name]})"
        terms.append(f"{called}.{Named('', name).quoted} IS DISTINCT FROM {wanted}")
    return " OR ".join(terms)


def _leaves_out_finished(node: Any) -> bool:
    """Tell whether a WHERE wants a column to be NULL that the UPDATE fills: what has a value is left out already."""
    changed = {item.res_target.name for item in node.target_list}
    return any(
        enum_name(test, "nulltesttype") == "IS_NULL" and _columns(test.arg) & changed
        for test in (term.null_test for term in _terms(node.where_clause) if term.WhichOneof("node") == "null_test")
    )


def _verify(kind: str, node: Any, other: str | None) -> str | None:
    """Return a query that is true when no row is left to be changed, in one line."""
    has_where = node.HasField("where_clause")
    if getattr(node, _SOURCES[kind]) or (kind == "update_stmt" and other is None):
        return None
    if not has_where and kind == "delete_stmt":
        return None
    if has_where and not _is_steady(node.where_clause, frozenset()):
        return None
    condition = _text_of(node.where_clause) if has_where else None
    parts = [f"({text})" if " OR " in text else text for text in (condition, other) if text]
    alias = f" AS {Named('', node.relation.alias.aliasname).quoted}" if node.relation.HasField("alias") else ""
    table = Named(node.relation.schemaname, node.relation.relname).quoted
    query = " ".join(("SELECT NOT EXISTS (SELECT 1 FROM", table + alias, "WHERE", " AND ".join(parts) + ")"))
    return None if "\n" in query or parse_tree(query) is None else query


def _is_steady(value: Any, changed: Collection[str]) -> bool:
    """Tell whether an expression gives the same behind a change of these columns, whenever and by whom it is asked."""
    copy = type(value)()
    copy.CopyFrom(value)
    kinds = set(_kinds_of(copy))
    if kinds & {"sub_link", "sqlvalue_function", "a_star", "multi_assign_ref", "set_to_default"}:
        return False
    if not is_harmless(copy) or set(_functions(copy)) & _MOVING:
        return False
    return not (_columns(copy) & set(changed))


def _columns(node: Any) -> set[str]:
    """Return the last words of the column references in a tree; of `t` alone, which may be a whole row, `t`."""
    found = set()
    for field, items in children(node):
        for item in items:
            if field == "column_ref":
                found |= {part.string.sval for part in item.fields[-1:] if part.WhichOneof("node") == "string"}
            found |= _columns(item)
    return found


def _functions(node: Any) -> Iterator[str]:
    if node.DESCRIPTOR.name == "FuncCall":
        yield node.funcname[-1].string.sval
    for _, items in children(node):
        for item in items:
            yield from _functions(item)


def _relations(node: Any) -> Iterator[str]:
    if node.DESCRIPTOR.name == "RangeVar":
        yield node.relname
    for _, items in children(node):
        for item in items:
            yield from _relations(item)


def _kinds_of(node: Any) -> Iterator[str]:
    for field, items in children(node):
        for item in items:
            yield field
            yield from _kinds_of(item)


def _is_or(where: Any) -> bool:
    return where.WhichOneof("node") == "bool_expr" and enum_name(where.bool_expr, "boolop") == "OR_EXPR"


def _terms(where: Any) -> Iterator[Any]:
    if where.WhichOneof("node") == "bool_expr" and enum_name(where.bool_expr, "boolop") == "AND_EXPR":
        for item in where.bool_expr.args:
            yield from _terms(item)
    else:
        yield where


def _text_of(value: Any) -> str | None:
    """Write an expression as SQL again."""
    tree = parse_tree("SELECT 1")
    tree.stmts[0].stmt.select_stmt.target_list[0].res_target.val.CopyFrom(value)
    text = written(tree)
    return text.removeprefix("SELECT ") if text else None
