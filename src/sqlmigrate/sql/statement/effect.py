"""What a statement does to the transaction that it runs in: begins or ends it, or cannot run inside one.

First words decide wherever they can, so that a plain script needs no parser at all.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Any

from sqlmigrate.sql.scan import is_copy_from_stdin, leading_words
from sqlmigrate.sql.statement.parse import has_option, parse_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlmigrate.sql.scan import Piece
    from sqlmigrate.sql.script import Statement


class Kind(Enum):
    """What a statement means for the transaction that it runs in."""

    PLAIN = "plain"
    TRANSACTION_CONTROL = "transaction control"
    PREPARED_TRANSACTION = "PREPARE TRANSACTION"
    NOT_IN_TRANSACTION = "cannot run in a transaction"
    COPY_IN = "COPY FROM STDIN"
    COPY_OUT = "COPY TO STDOUT"


WANTS_OUT = frozenset({"25001", "2D000"})
"""active_sql_transaction, invalid_transaction_termination: the statement must run outside a transaction after all."""
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
_COMMITS = re.compile(r"\b(commit|rollback)\b", re.IGNORECASE)
_CALLS = re.compile(r"\bcall\b", re.IGNORECASE)
_READ_ONLY = re.compile(r"\bread\s+only\b", re.IGNORECASE)
_CONCURRENTLY = re.compile(r"\bconcurrently\b", re.IGNORECASE)
_CASCADE = re.compile(r"\bCASCADE\b", re.IGNORECASE)
_DROPS_WITH_CASCADE = re.compile(r"\bDROP\b.*\bCASCADE\b", re.IGNORECASE | re.DOTALL)
_CHAIN_WORDS = 5  # ROLLBACK TRANSACTION AND NO CHAIN
# of one relation: where it is partitioned, these cannot run in a transaction, which only the catalog knows
_OF_PARTITIONED = frozenset({"reindex", "cluster", "repack"})


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


def begins(statement: Statement | Piece) -> bool:
    """Tell whether a statement begins a transaction."""
    return leading_words(statement.text, 1)[:1] in (["begin"], ["start"])


def open_block(statements: Sequence[Statement]) -> Statement | None:
    """Return the BEGIN of the transaction that is open behind these statements."""
    begin = None
    for statement in statements:
        if classify(statement.text) is Kind.TRANSACTION_CONTROL:
            begin = (begin or statement) if begins(statement) else None
    return begin


def is_rolled_back(block: Sequence[Statement]) -> bool:
    """Tell whether a block from BEGIN on ends without a COMMIT, so that nothing of it stays."""
    first = leading_words(block[-1].text, 1)
    return len(block) > 1 and first not in (["commit"], ["end"])


def may_commit(statement: str) -> bool:
    """Tell whether a statement may end transactions itself: a procedure, or a DO block that says so."""
    words = leading_words(statement, 1)
    return words == ["call"] or (words == ["do"] and bool(_COMMITS.search(statement)))


def chains(statement: str) -> bool:
    """Tell whether a COMMIT or ROLLBACK begins the next transaction at once: AND CHAIN."""
    return "and chain" in " ".join(leading_words(statement, _CHAIN_WORDS))


def sets_transaction(statement: str) -> bool:
    """Tell whether a statement is SET TRANSACTION, which must come before any query of its transaction."""
    return leading_words(statement, 2) == ["set", "transaction"]


def reads_only(block: Iterable[Statement]) -> bool:
    """Tell whether a transaction of the script says that it is READ ONLY."""
    words = (item.text for item in block if leading_words(item.text, 1)[:1] in (["begin"], ["start"], ["set"]))
    return any(_READ_ONLY.search(text) for text in words)


def may_need_outside(statement: str) -> bool:
    """Tell whether a statement cannot run in a transaction, or may not be able to, as far as its text tells."""
    words = leading_words(statement, 2)
    is_do_with_call = words[:1] == ["do"] and bool(_CALLS.search(statement))
    depends_on_catalog = bool(_OF_PARTITIONED.intersection(words[:1])) or words[1:] == ["subscription"]
    is_outside = classify(statement) is Kind.NOT_IN_TRANSACTION
    return is_outside or may_commit(statement) or is_do_with_call or depends_on_catalog


def refused_as(statement: str, kind: Kind) -> str:
    """Name a statement by what its transaction refuses it for: CREATE INDEX without CONCURRENTLY could run in one."""
    if kind is Kind.COPY_OUT:
        return "COPY TO STDOUT"
    first, *rest = leading_words(statement, 2)
    if kind is Kind.NOT_IN_TRANSACTION and _CONCURRENTLY.search(statement):
        if first == "reindex":
            return "REINDEX CONCURRENTLY"
        if (first, *rest) == ("alter", "table"):
            return "ALTER TABLE ... DETACH PARTITION ... CONCURRENTLY"
        if first in {"create", "drop"} and rest[:1] in (["index"], ["unique"]):
            return f"{first.upper()} INDEX CONCURRENTLY"
    return " ".join(statement.split()[:2]).rstrip(";")


def says_cascade(statement: str) -> bool:
    """Tell whether a statement says CASCADE anywhere."""
    return bool(_CASCADE.search(statement))


def drops_with_cascade(statement: str) -> bool:
    """Tell whether a statement that drops something says CASCADE behind it."""
    return bool(_DROPS_WITH_CASCADE.search(statement))


def with_restrict(statement: str) -> str:
    """Write RESTRICT for CASCADE, so that PostgreSQL refuses where anything else would go."""
    return _CASCADE.sub("RESTRICT", statement)
