"""Whether an ALTER COLUMN ... TYPE can lose a part of the values: it cuts, rounds, or makes them of something else.

Where PostgreSQL stops with an error instead (`smallint` of a large number), nothing is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlmigrate.sql.statement.parse import children

_NO_LIMIT = -1
_WHOLE = {"int2": 1, "int4": 2, "int8": 3}
_FLOATS = {"float4", "float8"}
_TEXTS = {"varchar", "bpchar"}
_BITS = {"bit", "varbit"}
_MOMENTS = {"timestamp", "timestamptz"}
_CLOCKS = {"time", "timetz"}
_NAMES = {"name", "char"}  # of 63 bytes, and of one
_HEADER = 4  # bytes that PostgreSQL counts along in the length of a text, and in the form of a numeric


@dataclass(frozen=True, slots=True)
class Retype:
    """The new type of a column, with its numbers in parentheses.

    `using` says what the new values are made of: "" (no USING), `cast` (of the column, to any type), `zone` (of the
    column, AT TIME ZONE), `other` (an expression with the column in it) or `nothing` (one without).
    """

    type: str
    limits: tuple[int, ...]
    using: str


def read_retype(column: str, definition: Any) -> Retype:
    """Read what ALTER COLUMN ... TYPE makes of a column, from its part of a parse tree."""
    name = definition.type_name
    limits = tuple(item.a_const.ival.ival for item in name.typmods)
    using = _using(definition.raw_default, column) if definition.HasField("raw_default") else ""
    return Retype(name.names[-1].string.sval, limits, using)


def _using(node: Any, column: str) -> str:
    kind = node.WhichOneof("node")
    if kind == "type_cast":
        return "cast" if _using(node.type_cast.arg, column) in ("", "cast") else "other"
    if kind == "column_ref":
        is_it = [field.string.sval for field in node.column_ref.fields][-1:] == [column]
        return "" if is_it else "nothing"
    if column not in _columns(node):
        return "nothing"
    is_zone = kind == "func_call" and node.func_call.funcname[-1].string.sval == "timezone"
    return "zone" if is_zone else "other"


def _columns(node: Any) -> set[str]:
    if node.DESCRIPTOR.name == "ColumnRef":
        return {field.string.sval for field in node.fields}
    return {name for _, items in children(node) for item in items for name in _columns(item)}


def narrows(old: str, modifier: int, new: Retype) -> str:
    """Say what becomes of the values of a column; "" where they are kept, or PostgreSQL stops with an error.

    `old` is the name of the type in pg_type, `modifier` is atttypmod.
    """
    if new.using == "nothing":
        return "are overwritten"
    if new.using == "other":
        return "are made anew by USING"
    if new.using == "zone":
        return ""
    old = old.removeprefix("_")
    if old in {*_WHOLE, *_FLOATS, "numeric", "money"} and _rounds(old, modifier, new):
        return "may be rounded"
    return "may be cut" if _cuts(old, modifier, new) else ""


def _rounds(old: str, modifier: int, new: Retype) -> bool:
    if new.type in _WHOLE:
        return old not in _WHOLE
    if new.type in _FLOATS:
        exact_in = {"float4": {"int2", "float4"}, "float8": {"int2", "int4", "float4", "float8"}}
        return old not in exact_in[new.type]
    if new.type != "numeric" or not new.limits:
        return False
    scale = new.limits[1] if len(new.limits) > 1 else 0
    if old in _WHOLE:
        return scale < 0
    return old != "numeric" or modifier == _NO_LIMIT or _scale(modifier) > scale


def _scale(modifier: int) -> int:
    """Return the digits behind the point, 11 bits with a sign (`numeric_typmod_scale` in numeric.c)."""
    return (((modifier - _HEADER) & 0x7FF) ^ 1024) - 1024


def _cuts(old: str, modifier: int, new: Retype) -> bool:
    limit = new.limits[0] if new.limits else 1 if new.type in {"bpchar", "bit"} else _NO_LIMIT
    if new.type in _NAMES:
        return old != new.type
    if new.type in _TEXTS | _BITS:
        # without an explicit cast, PostgreSQL refuses what does not fit
        had = modifier - _HEADER if old in _TEXTS and modifier != _NO_LIMIT else modifier
        return new.using == "cast" and limit != _NO_LIMIT and (had == _NO_LIMIT or had > limit)
    if new.type in {"date", *_CLOCKS} and old in _MOMENTS:
        return True
    if new.type == "time" and old == "timetz":
        return True
    if new.type in _MOMENTS | _CLOCKS and old in _MOMENTS | _CLOCKS:
        return limit != _NO_LIMIT and (modifier == _NO_LIMIT or modifier > limit)
    return False
