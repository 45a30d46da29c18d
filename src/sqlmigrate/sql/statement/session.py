"""Tell by its words what a statement does to its session and to the transaction that it is in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.sql.scan import leading_words
from sqlmigrate.sql.statement.parse import Kind, classify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlmigrate.sql.script import Statement

WANTS_OUT = frozenset({"25001", "2D000"})
"""active_sql_transaction, invalid_transaction_termination: it wants to be outside a transaction after all."""
_SESSION_WORDS = frozenset({"set", "reset", "prepare", "deallocate", "load", "listen", "unlisten", "discard"})
_SHORT_LIVED = frozenset({"local", "transaction", "constraints"})
_SET_CONFIG = re.compile(r"select\s+(pg_catalog\s*\.\s*)?set_config\s*\(", re.IGNORECASE)
_CALLED = re.compile(r"([\w$\"]+)\s*\(")
_SETTERS = frozenset({"set_config", "current_setting"})
_COMMITS = re.compile(r"\b(commit|rollback)\b", re.IGNORECASE)


def begins(statement: Statement) -> bool:
    """Tell whether a statement begins a transaction."""
    return leading_words(statement.text, 1)[:1] in (["begin"], ["start"])


def open_block(statements: Sequence[Statement]) -> Statement | None:
    """Give the BEGIN of the transaction that is open behind these statements."""
    begin = None
    for statement in statements:
        if classify(statement.text) is Kind.TRANSACTION_CONTROL:
            begin = (begin or statement) if begins(statement) else None
    return begin


def is_rolled_back(block: Sequence[Statement]) -> bool:
    """Tell whether a block from BEGIN on ends without a COMMIT, so that nothing of it stays."""
    first = leading_words(block[-1].text, 1)
    return len(block) > 1 and first not in (["commit"], ["end"])


def sets_up_session(statement: Statement) -> bool:
    """Tell whether a statement only sets up the session, so that a new session needs it again."""
    words = leading_words(statement.text, 2)
    if set(words[:1]) & _SESSION_WORDS:
        return not set(words[1:]) & _SHORT_LIVED
    # what else such a SELECT calls may do more than set something, and must not do it twice
    return bool(_SET_CONFIG.match(statement.text)) and set(_CALLED.findall(statement.text.lower())) <= _SETTERS


def resets_session(statement: Statement) -> bool:
    """Tell whether a statement takes away what the run has set up too, such as its lock_timeout."""
    return leading_words(statement.text, 2) == ["discard", "all"]


def may_commit(statement: str) -> bool:
    """Tell whether a statement may end transactions itself: a procedure, or a DO block that says so."""
    words = leading_words(statement, 1)
    return words == ["call"] or (words == ["do"] and bool(_COMMITS.search(statement)))
