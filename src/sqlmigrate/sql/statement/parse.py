"""The parse tree and the tokens of a statement; the only door to libpg_query.

libpg_query (through `postgast`, PostgreSQL 18's grammar) is asked where words cannot decide. What it does not know is
left to the server: our parser may be older than the server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlmigrate.sql.gap import skip_gap
from sqlmigrate.sql.scan import hides_semicolon

if TYPE_CHECKING:
    from collections.abc import Iterator


PARSE_LIMIT = 200_000
"""Characters above which libpg_query is not asked at all."""

TREE_LIMIT = 20_000
"""Characters above which no parse tree is built: 40,000 terms in one expression crash us (libpg_query #366)."""

_WORD_TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*\Z")


@dataclass(frozen=True, slots=True)
class SyntaxComplaint:
    """What libpg_query says of a statement that it cannot parse; `offset` counts characters from 0."""

    message: str
    offset: int


def parse_tree(statement: str) -> Any:
    """Parse one statement; None where libpg_query does not know it, or where it is too large to ask."""
    from google.protobuf.message import DecodeError  # noqa: PLC0415  comes with postgast
    from postgast import PgQueryError, parse  # noqa: PLC0415  100 ms that most scripts never need

    if len(statement) > TREE_LIMIT:
        return None
    try:
        return parse(statement)
    except (PgQueryError, DecodeError):  # protobuf gives up at about 50 terms in one expression
        return None


def node_of(statement: str) -> tuple[str, Any]:
    """Return a statement's kind in its parse tree, such as `alter_table_stmt`, and its node; "" where there is none."""
    tree = parse_tree(statement)
    if tree is None or not tree.stmts or not (kind := tree.stmts[0].stmt.WhichOneof("node")):
        return "", None
    return kind, getattr(tree.stmts[0].stmt, kind)


def written(tree: Any) -> str | None:
    """Write a parse tree as SQL again; None where libpg_query cannot."""
    from postgast import PgQueryError, deparse  # noqa: PLC0415  100 ms that most scripts never need

    try:
        return str(deparse(tree))
    except PgQueryError:
        return None


def enum_name(node: Any, field: str) -> str:
    """Return the name of an enumeration's value: the numbers differ between versions of the grammar."""
    numbers = node.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    return str(numbers[getattr(node, field)].name)


def children(node: Any) -> Iterator[tuple[str, list[Any]]]:
    """Yield the nodes in a node, by the name of the field that they stand in."""
    for field, value in node.ListFields():
        if field.message_type is not None:
            yield field.name, [value] if hasattr(value, "DESCRIPTOR") else list(value)


def has_option(options: Any, name: str, *, default: bool) -> bool:
    """Read a boolean option of a parse tree as PostgreSQL's `defGetBoolean` does: present without value means true."""
    for option in options:
        element = option.def_elem
        if element.defname != name:
            continue
        if not element.HasField("arg"):
            return True
        return _value(element.arg) not in {"false", "off", "0", "no", "none"}
    return default


def _value(argument: Any) -> str:
    kind = argument.WhichOneof("node")
    if kind == "type_name":  # an unquoted word, such as off
        return ".".join(name.string.sval for name in argument.type_name.names).lower()
    field = {"string": "sval", "integer": "ival", "boolean": "boolval"}.get(kind)
    return str(getattr(getattr(argument, kind), field)).lower() if field else "true"


def refine(statement: str) -> list[tuple[int, int]]:
    """Return where libpg_query sees each statement, as slices, where psql's rules see only one.

    psql counts BEGIN and END by the word, so a column named `begin` in a BEGIN ATOMIC body, or a function of that
    name, makes it swallow what follows. An empty list means that there is nothing to refine.
    """
    if not hides_semicolon(statement) or len(statement) > PARSE_LIMIT:
        return []
    from postgast import PgQueryError, split  # noqa: PLC0415  100 ms that most scripts never need

    try:
        parts = split(statement)
    except PgQueryError:
        return []
    slices, position = [], 0
    for part in parts if len(parts) > 1 else []:
        while statement[(position := skip_gap(statement, position))] == ";":
            position += 1
        slices.append((position, position := position + len(part)))
    return slices


def complaints(statement: str) -> Iterator[SyntaxComplaint]:
    """Yield what libpg_query finds wrong with a statement's syntax; nothing where it is too large to ask."""
    from postgast import PgQueryError, split  # noqa: PLC0415  100 ms that only `validate` pays

    if len(statement) > PARSE_LIMIT:
        return
    try:
        split(statement)  # parses too, but builds no tree for us: that fails on long expressions
    except PgQueryError as error:
        yield SyntaxComplaint(error.message, max(error.cursorpos - 1, 0))


def tokens(statement: str) -> list[tuple[int, int]]:
    """Return where the tokens of a statement begin and end, in characters, without its comments; none if not known."""
    from postgast import PgQueryError, pg_query_pb2, scan  # noqa: PLC0415  100 ms that most scripts never need

    comments = {pg_query_pb2.SQL_COMMENT, pg_query_pb2.C_COMMENT}
    if len(statement) > TREE_LIMIT:
        return []
    try:
        found = [token for token in scan(statement).tokens if token.token not in comments]
    except PgQueryError:
        return []
    raw = statement.encode()
    return [(len(raw[: token.start].decode()), len(raw[: token.end].decode())) for token in found]


def normal_form(statement: str, *, fold: bool = True) -> tuple[str, ...] | None:
    """Return a statement's tokens by libpg_query, without comments and white space, names and keywords in lower case.

    Constants and quoted names stay as they are; without `fold`, so does everything else. An empty word stands where two
    tokens mean something else with a space in between: `N'a'` is a constant, `N 'a'` one of a type `n`. None where
    libpg_query cannot tell.
    """
    from postgast import PgQueryError, pg_query_pb2, scan  # noqa: PLC0415  only where a file was edited

    if len(statement) > PARSE_LIMIT:
        return None
    comments = {pg_query_pb2.SQL_COMMENT, pg_query_pb2.C_COMMENT}
    strings = {pg_query_pb2.SCONST, pg_query_pb2.USCONST, pg_query_pb2.BCONST, pg_query_pb2.XCONST}
    tight = {pg_query_pb2.NCHAR, pg_query_pb2.PARAM}
    raw = statement.encode()
    try:
        tokens = [token for token in scan(statement).tokens if token.token not in comments]
    except PgQueryError:
        return None
    words = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        if before and before.token in strings and token.token in strings:
            return None  # PostgreSQL joins strings over a line comment, by the rules of the first; libpg_query does not
        if before and before.token in tight and before.end == token.start:
            words.append("")
        word = raw[token.start : token.end].decode()
        words.append(word.lower() if fold and _WORD_TOKEN.match(word) else word)
    return tuple(words)
