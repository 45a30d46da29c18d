"""Classify statements; the only door to libpg_query.

First words decide wherever they can, so that a plain script needs no parser at all; libpg_query (through `postgast`,
PostgreSQL 18's grammar) is asked where they cannot. What it does not know is left to the server: our parser may be
older than the server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from sqlmigrate.sql.scan import hides_semicolon, is_copy_from_stdin, leading_words, skip_gap

if TYPE_CHECKING:
    from collections.abc import Iterator


PARSE_LIMIT = 200_000
"""Characters above which libpg_query is not asked at all."""

TREE_LIMIT = 20_000
"""Characters above which no parse tree is built: 40,000 terms in one expression crash us (libpg_query #366)."""


class Kind(Enum):
    """What a statement means for the transaction that it runs in."""

    PLAIN = "plain"
    TRANSACTION_CONTROL = "transaction control"
    PREPARED_TRANSACTION = "PREPARE TRANSACTION"
    NOT_IN_TRANSACTION = "cannot run in a transaction"
    COPY_IN = "COPY FROM STDIN"
    COPY_OUT = "COPY TO STDOUT"


@dataclass(frozen=True, slots=True)
class SyntaxComplaint:
    """What libpg_query says of a statement that it cannot parse; `offset` counts characters from 0."""

    message: str
    offset: int


_WORD_TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*\Z")
_OPENERS = frozenset({"begin", "start", "commit", "end", "abort"})
_NEVER_IN_TRANSACTION = frozenset(
    {
        ("vacuum",),
        ("alter", "system"),
        ("create", "database"),
        ("drop", "database"),
        ("create", "tablespace"),
        ("drop", "tablespace"),
        ("discard", "all"),
    }
)
_ASK_PARSER = frozenset({"reindex", "cluster", "copy", "alter", "create", "drop", "repack"})
_MAY_MATTER = _OPENERS | _ASK_PARSER | {known[0] for known in _NEVER_IN_TRANSACTION} | {"prepare", "rollback"}
_HINTS = re.compile(r"concurrently|subscription|tablespace|\breindex\b|\bcluster\b", re.IGNORECASE)


def classify(statement: str) -> Kind:
    """Tell what a statement means for its transaction, by PostgreSQL's `PreventInTransactionBlock` callers."""
    first = leading_words(statement, 1)
    if not first or first[0] not in _MAY_MATTER:
        return Kind.PLAIN
    words = tuple(leading_words(statement, 4))
    if words[:2] == ("prepare", "transaction"):
        return Kind.PREPARED_TRANSACTION
    if words[:2] in {("commit", "prepared"), ("rollback", "prepared")}:
        return Kind.NOT_IN_TRANSACTION
    if words[0] in _OPENERS:
        return Kind.TRANSACTION_CONTROL
    if words[0] == "rollback":
        rest = [word for word in words[1:] if word not in {"work", "transaction"}]
        return Kind.PLAIN if rest[:1] == ["to"] else Kind.TRANSACTION_CONTROL
    if words[:1] in _NEVER_IN_TRANSACTION or words[:2] in _NEVER_IN_TRANSACTION:
        return Kind.NOT_IN_TRANSACTION
    if words[0] == "copy":
        return _classify_copy(statement)
    if words[0] in _ASK_PARSER and _HINTS.search(statement):
        return _classify_tree(statement)
    return Kind.PLAIN


def _classify_copy(statement: str) -> Kind:
    if is_copy_from_stdin(statement):
        return Kind.COPY_IN
    if (tree := parse_tree(statement)) is None:
        return Kind.PLAIN
    node = tree.stmts[0].stmt.copy_stmt
    return Kind.PLAIN if node.is_from or node.filename else Kind.COPY_OUT


def _classify_tree(statement: str) -> Kind:
    tree = parse_tree(statement)
    if tree is None or not tree.stmts:
        return Kind.PLAIN
    node = tree.stmts[0].stmt
    name = node.WhichOneof("node")
    check = _TREE_CHECKS.get(name)
    return Kind.NOT_IN_TRANSACTION if check and check(getattr(node, name)) else Kind.PLAIN


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


def _reindex(node: Any) -> bool:
    many = node.kind not in {1, 2}  # REINDEX_OBJECT_INDEX, REINDEX_OBJECT_TABLE: one relation
    return many or has_option(node.params, "concurrently", default=False)


def _detaches_concurrently(node: Any) -> bool:
    for command in node.cmds:
        definition = getattr(command.alter_table_cmd, "def")
        if definition.WhichOneof("node") == "partition_cmd" and definition.partition_cmd.concurrent:
            return True
    return False


def _creates_slot(node: Any) -> bool:
    connects = has_option(node.options, "connect", default=True)
    return connects and has_option(node.options, "create_slot", default=True)


def _moves_database(node: Any) -> bool:
    return any(option.def_elem.defname == "tablespace" for option in node.options)


_TREE_CHECKS = {
    "index_stmt": lambda node: node.concurrent,
    "drop_stmt": lambda node: node.concurrent,
    "reindex_stmt": _reindex,
    "cluster_stmt": lambda node: not node.HasField("relation"),
    "alter_table_stmt": _detaches_concurrently,
    "alter_database_stmt": _moves_database,
    "create_subscription_stmt": _creates_slot,
}


def refine(statement: str) -> list[tuple[int, int]]:
    """Give where libpg_query sees each statement, as slices, where psql's rules see only one.

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


def normal_form(statement: str, *, fold: bool = True) -> tuple[str, ...] | None:
    """Give a statement's tokens by libpg_query, without comments and white space, names and keywords in lower case.

    Constants and quoted names stay as they are; without `fold`, so does everything else. None where libpg_query cannot
    tell.
    """
    from postgast import PgQueryError, pg_query_pb2, scan  # noqa: PLC0415  only where a file was edited

    if len(statement) > PARSE_LIMIT:
        return None
    comments = {pg_query_pb2.SQL_COMMENT, pg_query_pb2.C_COMMENT}
    raw = statement.encode()
    try:
        tokens = [token for token in scan(statement).tokens if token.token not in comments]
    except PgQueryError:
        return None
    words = (raw[token.start : token.end].decode() for token in tokens)
    return tuple(word.lower() if fold and _WORD_TOKEN.match(word) else word for word in words)
