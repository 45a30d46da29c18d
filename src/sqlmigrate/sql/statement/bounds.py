"""Whether a statement that runs in batches keeps to the bounds of a batch: `key >= $1 AND key <= $2`, in its WHERE."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlmigrate.sql.statement.names import quote
from sqlmigrate.sql.statement.parse import children, enum_name, node_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.sql.batches import Batched

_CHANGING = frozenset({"update_stmt", "delete_stmt", "insert_stmt"})
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_FROM = {"update_stmt": "from_clause", "delete_stmt": "using_clause", "select_stmt": "from_clause"}


@dataclass(frozen=True, slots=True)
class _Scope:
    """One statement with a WHERE of its own, and the relations that it names: first the one that it changes, if any.

    `sets` are the columns that an UPDATE gives a value.
    """

    kind: str
    relations: list[Any]
    where: Any
    limited: bool = False
    sets: frozenset[str] = frozenset()


def bounds_missing(statement: str, batched: Batched) -> str | None:
    """Say why a statement cannot run in batches; None where it can."""
    kind, node = node_of(statement)
    if kind not in _CHANGING:
        return "only an UPDATE, a DELETE or an INSERT ... SELECT can run in batches"
    if node.HasField("returning_clause"):
        return "nobody would read what RETURNING gives of each batch; leave it out"
    scopes = list(_scopes(kind, node))
    if any(cte.common_table_expr.ctename == batched.table[-1] for cte in node.with_clause.ctes):
        return f"a WITH query has the name of the table, {batched.table[-1]}; give it another one"
    bounded = [scope for scope in scopes if _is_bounded(scope, batched)]
    loose = [scope for scope in scopes if _changes(scope, batched) and scope not in bounded]
    if not any(_is_of(relation, batched) for scope in scopes for relation in scope.relations):
        return f"it does not name the table of its batches, {'.'.join(batched.table)}"
    if not bounded or loose:
        return f"its WHERE must hold `{wanted_bounds(batched)}`, joined to all else by AND"
    if others := sorted(number for number in _parameters(node) if number > batched.parameters):
        return f"${others[0]} is none of the bounds, which are $1 to ${batched.parameters}"
    if any(scope.limited for scope in bounded):
        return "with LIMIT, rows of a batch would be left out; leave it out"
    return None


def repeats(statement: str, batched: Batched) -> str | None:
    """Say why a statement could change a row again that is in two batches; None where its WHERE leaves such rows out.

    Only a look at what it writes can tell: at a column that an UPDATE sets, or at another table than that of the rows.
    """
    kind, node = node_of(statement)
    conflicts = kind == "insert_stmt" and node.HasField("on_conflict_clause")
    for scope in _scopes(kind, node):
        if not _is_bounded(scope, batched):
            continue
        rest = [item for item in _conjuncts(scope.where) if not bounds_alone(item)]
        read = {name for item in rest for name in _columns_read(item)} - {*batched.key}
        if scope.kind == "update_stmt" and not read & scope.sets:
            return "its WHERE must also leave out the rows that are finished, by a column that it sets"
        if scope.kind == "delete_stmt" and not read:
            return "its WHERE must also say which rows are to go"
        if scope.kind == "select_stmt" and not conflicts and not (read and _looks_elsewhere(scope, rest)):
            return "its WHERE must also leave out the rows that are finished, such as by NOT EXISTS, or ON CONFLICT"
    return None


def _looks_elsewhere(scope: _Scope, conditions: list[Any]) -> bool:
    return len(scope.relations) > 1 or any(name == "sub_link" for item in conditions for name, _ in _nodes(item))


def _columns_read(node: Any) -> Iterator[str]:
    for name, item in _nodes(node):
        if name == "column_ref" and item.fields[-1].WhichOneof("node") == "string":
            yield item.fields[-1].string.sval


def _nodes(node: Any) -> Iterator[tuple[str, Any]]:
    for name, nodes in children(node):
        for item in nodes:
            yield name, item
            yield from _nodes(item)


def wanted_bounds(batched: Batched, relation: str = "") -> str:
    """Return the condition that the statement must hold, its columns named as those of a `relation` if one is given."""
    of = f"{relation}." if relation else ""
    names = [of + (name if _PLAIN.fullmatch(name) else quote(name)) for name in batched.key]
    count = len(batched.key)
    lower, upper = ([f"${start + at}" for at in range(1, count + 1)] for start in (0, count))
    if count == 1:
        return f"{names[0]} >= $1 AND {names[0]} <= $2"
    row = ", ".join(names)
    return f"({row}) >= ({', '.join(lower)}) AND ({row}) <= ({', '.join(upper)})"


def bounds_alone(where: Any) -> bool:
    """Tell whether a WHERE holds nothing but bounds of a batch: all batches together leave no row out then."""
    kind = where.WhichOneof("node")
    if kind == "bool_expr" and enum_name(where.bool_expr, "boolop") == "AND_EXPR":
        return all(map(bounds_alone, where.bool_expr.args))
    return kind == "a_expr" and all(_number(item) is not None for item in _items(where.a_expr.rexpr))


def _parameters(node: Any) -> Iterator[int]:
    return (item.number for name, item in _nodes(node) if name == "param_ref")


def _scopes(kind: str, node: Any) -> Iterator[_Scope]:
    """Yield a statement and those in its WITH, but none in a subquery: only there is a bound one of the statement."""
    for cte in node.with_clause.ctes:
        query = cte.common_table_expr.ctequery
        inner = query.WhichOneof("node")
        if inner == "select_stmt" or inner in _CHANGING:
            yield from _scopes(inner, getattr(query, inner))
    if kind == "insert_stmt":
        query = node.select_stmt
        if query.WhichOneof("node") == "select_stmt":
            yield from _scopes("select_stmt", query.select_stmt)
        return
    target = [node.relation] if kind != "select_stmt" else []
    named = [item for source in getattr(node, _FROM[kind]) for item in _named(source)]
    limited = kind == "select_stmt" and (node.HasField("limit_count") or node.HasField("limit_offset"))
    sets = frozenset(item.res_target.name for item in node.target_list) if kind == "update_stmt" else frozenset()
    yield _Scope(kind, target + named, node.where_clause, limited, sets)


def _named(source: Any) -> Iterator[Any]:
    kind = source.WhichOneof("node")
    if kind == "range_var":
        yield source.range_var
    elif kind == "join_expr":
        yield from _named(source.join_expr.larg)
        yield from _named(source.join_expr.rarg)
    else:
        yield None


def _is_of(relation: Any, batched: Batched) -> bool:
    if relation is None or relation.relname != batched.table[-1]:
        return False
    return not relation.schemaname or len(batched.table) == 1 or relation.schemaname == batched.table[0]


def _changes(scope: _Scope, batched: Batched) -> bool:
    return scope.kind != "select_stmt" and _is_of(scope.relations[0], batched)


def _is_bounded(scope: _Scope, batched: Batched) -> bool:
    """Tell whether a WHERE holds both bounds of the table's key, for a relation that is named but once."""
    own = [relation for relation in scope.relations if _is_of(relation, batched)]
    if not own:
        return False
    owner = scope.relations[0] if _changes(scope, batched) else own[0]
    alias = owner.alias.aliasname if owner.HasField("alias") else owner.relname
    prefixes = {alias} if len(scope.relations) > 1 else {alias, ""}
    count = len(batched.key)
    wanted = {(">=", 0), ("<=", count)}
    compared = [item.a_expr for item in _conjuncts(scope.where) if item.WhichOneof("node") == "a_expr"]
    found = {bound for item in compared if (bound := _bound(item, batched.key, prefixes))}
    return wanted <= found


def _conjuncts(where: Any) -> Iterator[Any]:
    kind = where.WhichOneof("node")
    if kind == "bool_expr" and enum_name(where.bool_expr, "boolop") == "AND_EXPR":
        for item in where.bool_expr.args:
            yield from _conjuncts(item)
    elif kind:
        yield where


def _bound(expression: Any, key: tuple[str, ...], prefixes: set[str]) -> tuple[str, int] | None:
    """Return the operator of a bound, and the number before its first parameter; None where it is none."""
    if enum_name(expression, "kind") != "AEXPR_OP" or not expression.name:
        return None
    columns = [_column(item, prefixes) for item in _items(expression.lexpr)]
    numbers = [_number(item) for item in _items(expression.rexpr)]
    first = numbers[0] if numbers else None
    if columns != list(key) or first is None or numbers != list(range(first, first + len(key))):
        return None
    return expression.name[-1].string.sval, first - 1


def _items(side: Any) -> list[Any]:
    return list(side.row_expr.args) if side.WhichOneof("node") == "row_expr" else [side]


def _column(node: Any, prefixes: set[str]) -> str | None:
    if node.WhichOneof("node") != "column_ref":
        return None
    names = [field.string.sval for field in node.column_ref.fields]
    prefix, name = (names[-2] if len(names) > 1 else ""), names[-1]
    return name if prefix in prefixes else None


def _number(node: Any) -> int | None:
    kind = node.WhichOneof("node")
    if kind == "type_cast":
        return _number(node.type_cast.arg)
    return node.param_ref.number if kind == "param_ref" else None
