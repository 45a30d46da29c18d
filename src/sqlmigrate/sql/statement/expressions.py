"""What a query or an expression that PostgreSQL has printed reads and calls, as its parse tree says."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlmigrate.sql.statement.names import name_of, quote
from sqlmigrate.sql.statement.parse import children, parse_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

_SELECT = "SELECT "
_READS_ROWS = frozenset({"ColumnRef", "SubLink", "FuncCall", "SQLValueFunction", "ParamRef"})


class Call(NamedTuple):
    """A call of a function without anything of the row: its name, and where it stands in the expression."""

    function: str
    start: int
    end: int


@lru_cache(maxsize=256)
def relations_read(query: str) -> frozenset[str]:
    """Return the relations that a query names, quoted as the catalogs do; none where it cannot be parsed."""
    tree = parse_tree(query)
    return frozenset(_relations(tree)) if tree else frozenset()


def _relations(node: Any) -> Iterator[str]:
    if node.DESCRIPTOR.name == "RangeVar":
        yield name_of(node).quoted
    for _, items in children(node):
        for item in items:
            yield from _relations(item)


def is_constant(expression: str) -> bool:
    """Whether an expression has one value for every row, whoever asks: it reads nothing and calls nothing."""
    tree = parse_tree(_SELECT + expression)
    return tree is not None and not any(node.DESCRIPTOR.name in _READS_ROWS for node in _nodes(tree))


def calls_of_every_row(expression: str) -> list[Call]:
    """Find the calls that a condition makes again for each row, though nothing of the row goes into them.

    In a subquery a call is made once for the statement.
    """
    tree = parse_tree(_SELECT + expression)
    return list(_calls(tree, expression)) if tree else []


def _calls(node: Any, expression: str) -> Iterator[Call]:
    kind = node.DESCRIPTOR.name
    if kind == "SubLink":
        return
    if kind == "FuncCall" and not any(inner.DESCRIPTOR.name in ("ColumnRef", "SubLink") for inner in _nodes(node)):
        start = _character(expression, node.location - len(_SELECT))
        if (end := _end(expression, start)) is not None:
            yield Call(".".join(_word(item.string.sval) for item in node.funcname), start, end)
        return
    for _, items in children(node):
        for item in items:
            yield from _calls(item, expression)


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for _, items in children(node):
        for item in items:
            yield from _nodes(item)


def _word(name: str) -> str:
    return name if name.isidentifier() and name == name.lower() else quote(name)


def _character(text: str, offset: int) -> int:
    """Turn an offset in bytes, as libpg_query counts, into one in characters."""
    return len(text.encode()[:offset].decode(errors="ignore"))


def _end(text: str, start: int) -> int | None:
    """Find the end of the call that begins here, behind its closing parenthesis."""
    depth, at = 0, start
    while at < len(text):
        character = text[at]
        if character in "'\"":
            at = text.find(character, at + 1)
            if at < 0:
                return None
        elif character in "()":
            depth += 1 if character == "(" else -1
            if depth == 0:
                return at + 1
        at += 1
    return None
