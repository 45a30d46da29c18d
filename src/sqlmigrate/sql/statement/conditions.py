"""The simple conditions in a CHECK constraint as PostgreSQL prints it: a column beside constants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlmigrate.sql.statement.parse import enum_name, parse_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

_KINDS = {"AEXPR_OP", "AEXPR_OP_ANY"}


@dataclass(frozen=True, slots=True)
class Condition:
    """A column, or the result of a function of it alone, must be in such a relation to one of the constants.

    `casts` are the types, without their schemas, that the column is cast to on the way. Of the constants those that are
    printed in quotes are text, whatever their type, and the others the digits of a number.
    """

    column: str
    function: str
    casts: frozenset[str]
    operator: str
    constants: tuple[str, ...]


def is_one_expression(text: str) -> bool | None:
    """Tell whether a text is one expression, brackets around it or not; None where it cannot be parsed."""
    tree = parse_tree(f"SELECT (\n{text}\n)")
    if tree is None:
        return None
    if len(tree.stmts) != 1:
        return False
    query = tree.stmts[0].stmt.select_stmt
    fields = {field.name for field, _ in query.ListFields()} - {"limit_option", "op"}
    return fields == {"target_list"} and len(query.target_list) == 1


def conditions(definition: str) -> Iterator[Condition]:
    """Yield what `CHECK (...)` demands by such conditions joined with AND; what it demands otherwise is left out."""
    node = parse_tree(f"CREATE TABLE t (x integer, {definition.removesuffix(' NOT VALID')})")
    if node is None:
        return
    elements = node.stmts[0].stmt.create_stmt.table_elts
    if len(elements) == 2 and elements[1].WhichOneof("node") == "constraint":  # noqa: PLR2004  x, and the constraint
        yield from _of(elements[1].constraint.raw_expr)


def _of(node: Any) -> Iterator[Condition]:
    kind = node.WhichOneof("node")
    if kind == "bool_expr" and enum_name(node.bool_expr, "boolop") == "AND_EXPR":
        for part in node.bool_expr.args:
            yield from _of(part)
    elif kind == "a_expr" and enum_name(node.a_expr, "kind") in _KINDS:
        found = _comparison(node.a_expr)
        if found is not None:
            yield found


def _comparison(node: Any) -> Condition | None:
    left, casts = _uncast(node.lexpr)
    function = ""
    if left.WhichOneof("node") == "func_call" and len(left.func_call.args) == len(left.func_call.funcname) == 1:
        function = left.func_call.funcname[-1].string.sval
        left, inner = _uncast(left.func_call.args[0])
        casts |= inner
    constants = _constants(node)
    if left.WhichOneof("node") != "column_ref" or constants is None or len(left.column_ref.fields) > 1:
        return None
    if len(node.name) > 1:  # an operator with its schema is one that somebody has made
        return None
    name, column = node.name[-1].string.sval, left.column_ref.fields[0].string.sval
    return Condition(column, function, casts, name, constants)


def _constants(node: Any) -> tuple[str, ...] | None:
    right, _ = _uncast(node.rexpr)
    if enum_name(node, "kind") == "AEXPR_OP":
        only = _constant(right)
        return None if only is None else (only,)
    if right.WhichOneof("node") != "a_array_expr":
        return None
    found = [_constant(_uncast(element)[0]) for element in right.a_array_expr.elements]
    return None if None in found else tuple(text for text in found if text is not None)


def _constant(node: Any) -> str | None:
    if node.WhichOneof("node") != "a_const" or node.a_const.isnull:
        return None
    match node.a_const.WhichOneof("val"):
        case "sval":
            return str(node.a_const.sval.sval)
        case "ival":
            return str(node.a_const.ival.ival)
        case "fval":
            return str(node.a_const.fval.fval)
    return None


def _uncast(node: Any) -> tuple[Any, frozenset[str]]:
    """Return what stands below casts, and the types that they are to; one with a length is named with brackets."""
    casts = set()
    while node.WhichOneof("node") == "type_cast":
        type_ = node.type_cast.type_name
        casts.add(type_.names[-1].string.sval + ("()" if type_.typmods else ""))
        node = node.type_cast.arg
    return node, frozenset(casts)
