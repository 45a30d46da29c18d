"""What a statement does to the settings of its session."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.sql.gap import skip_gap
from sqlmigrate.sql.scan import leading_words
from sqlmigrate.sql.statement.parse import node_of

if TYPE_CHECKING:
    from sqlmigrate.sql.script import Statement

_SESSION_WORDS = frozenset({"set", "reset", "prepare", "deallocate", "load", "listen", "unlisten", "discard"})
_SHORT_LIVED = frozenset({"local", "transaction", "constraints"})
_SELECTS_SET_CONFIG = re.compile(r"select\s+(pg_catalog\s*\.\s*)?set_config\s*\(", re.IGNORECASE)
_CALLED = re.compile(r"([\w$\"]+)\s*\(")
_SETTERS = frozenset({"set_config", "current_setting"})
_SET_LOCAL = re.compile(r"set\s+local\s+([\w.]+)", re.IGNORECASE)
_SET_CONFIG = re.compile(r"set_config\s*\(\s*'([^']*)'\s*,\s*'([^']*)'", re.IGNORECASE)
_PATH_OF_BLOCK = re.compile(
    r"(?:[;']|\b(?:begin|then|loop|else))\s*set\s+(?:local\s+|session\s+)?search_path\b|set_config\s*\(\s*'search_path'",
    re.IGNORECASE,
)
_SETTING = re.compile(r"\b(?:set|reset)\b", re.IGNORECASE)


def sets_up_session(statement: Statement) -> bool:
    """Tell whether a statement only sets up the session, so that a new session needs it again."""
    words = leading_words(statement.text, 2)
    if set(words[:1]) & _SESSION_WORDS:
        return not set(words[1:]) & _SHORT_LIVED
    # what else such a SELECT calls may do more than set something, and must not do it twice
    return bool(_SELECTS_SET_CONFIG.match(statement.text)) and set(_CALLED.findall(statement.text.lower())) <= _SETTERS


def resets_session(statement: Statement) -> bool:
    """Tell whether a statement takes away what the run has set up too, such as its lock_timeout."""
    return leading_words(statement.text, 2) == ["discard", "all"]


def set_locally(statement: str) -> str | None:
    """Return the setting that a SET LOCAL sets, None where the statement is none."""
    local = _SET_LOCAL.match(statement, skip_gap(statement, 0))
    return local[1] if local else None


def value_set(statement: str, setting: str) -> str | None:
    """Return the value that SET or set_config() gives a setting, "DEFAULT" included; None where neither sets it."""
    if setting not in statement.lower():
        return None
    kind, node = node_of(statement)
    if kind == "variable_set_stmt" and node.name.lower() == setting:
        constant = node.args[0].a_const if node.args else None
        if constant is None:
            return "DEFAULT"
        return str(constant.sval.sval if constant.HasField("sval") else constant.ival.ival)
    return next((match[2] for match in _SET_CONFIG.finditer(statement) if match[1].lower() == setting), None)


def sets_path(statement: str) -> bool:
    """Tell whether a statement, or a DO block, gives its session another search_path, or the login's own again.

    A function that is made with a search_path of its own, and a role or database that gets one, change no session.
    """
    words = leading_words(statement, 3)
    match words:
        case ["reset" | "discard", "all", *_] | ["set", "schema", *_] | ["set", "local" | "session", "schema"]:
            return True
        case ["set" | "reset", *_]:
            return value_set(statement, "search_path") is not None
        case ["do" | "select" | "with" | "perform", *_]:
            return bool(_PATH_OF_BLOCK.search(statement))
    return False


def names_setting(statement: str) -> bool:
    """Tell a command that names a setting from those that name only roles, schemas or relations."""
    words = leading_words(statement, 2)
    match words:
        case ["set" | "reset", what]:
            return what not in {"role", "session", "constraints"}
        case ["select", _]:
            return "set_config" in statement.lower()
        case ["alter", "database" | "role" | "user" | "system" | "function"]:
            return bool(_SETTING.search(statement))
    return False
