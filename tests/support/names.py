"""Find the names in SQL that a search_path would have to look up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from postgast import parse

FILLED_IN = "some_name"
"""What stands for a name that the program fills in, with its schema."""


def looked_up(text: str) -> list[str]:
    """Give the relations, functions, types and collations that a statement names without a schema.

    The grammar itself puts `integer`, `extract()` and their like into pg_catalog. What WITH and FROM name is no object.
    """
    tree = parse(text)
    messages = list(_messages(tree))
    ctes = {message.ctename for kind, message in messages if kind == "CommonTableExpr"}
    return [found for kind, message in messages for found in _bare(kind, message, ctes)]


def _bare(kind: str, message: Any, ctes: set[str]) -> Iterator[str]:
    if kind == "RangeVar" and not message.schemaname and message.relname not in ctes | {FILLED_IN}:
        yield f"relation {message.relname}"
    for field, what in (("funcname", "function"), ("names", "type"), ("collname", "collation")):
        if (kind, field) in {("FuncCall", "funcname"), ("TypeName", "names"), ("CollateClause", "collname")}:
            parts = [part.string.sval for part in getattr(message, field)]
            if len(parts) == 1 and parts != [FILLED_IN]:
                yield f"{what} {parts[0]}"
    if kind == "TypeCast" and [part.string.sval for part in message.type_name.names][-1].startswith("reg"):
        named = message.arg.a_const.sval.sval
        if named and not named.startswith("pg_catalog") and named not in _BY_GRAMMAR:
            yield f"name {named}"


_BY_GRAMMAR = {"real", "bigint", "numeric", "double precision", "timestamp", "character varying"}


def _messages(message: Any) -> Iterator[tuple[str, Any]]:
    """Give a parse tree's nodes with their kinds."""
    yield message.DESCRIPTOR.name, message
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in value if _is_list(value) else [value]:
            yield from _messages(part)


def _is_list(value: Any) -> bool:
    return not hasattr(value, "DESCRIPTOR")
