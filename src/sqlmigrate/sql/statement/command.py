"""Say what PostgreSQL calls a statement, and which of them say nothing about scans."""

from __future__ import annotations

from sqlmigrate.sql.scan import leading_words
from sqlmigrate.sql.statement.parse import node_of

_PASSED_OVER = frozenset(
    {"or", "replace", "unique", "temp", "temporary", "unlogged", "global", "local", "recursive", "constraint",
     "trusted", "procedural", "only"}
)  # fmt: skip
_WITH_OBJECT = frozenset({"create", "alter", "drop", "refresh", "import", "security", "reassign"})
_TWO_WORDS = frozenset(
    {"materialized", "foreign", "event", "text", "user", "default", "access", "large", "operator", "data"}
)
_TREES = {
    "select_stmt": "SELECT",
    "insert_stmt": "INSERT",
    "update_stmt": "UPDATE",
    "delete_stmt": "DELETE",
    "merge_stmt": "MERGE",
}
DATA = frozenset(
    {"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "VALUES", "TABLE", "TRUNCATE", "EXPLAIN", "DECLARE",
     "FETCH", "EXECUTE", "CREATE TABLE AS", "CREATE MATERIALIZED VIEW", "REFRESH MATERIALIZED VIEW"}
)  # fmt: skip
"""Commands that read as the planner likes on the rows that there are: an empty shadow tells nothing about it."""

HIDING = frozenset({"DO", "CALL", "SELECT", "EXECUTE"})
"""Commands that may run others inside."""

_CHANGES_NO_CATALOG = frozenset(
    {"INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "VALUES", "TABLE", "LOCK", "SET", "RESET", "SHOW", "SAVEPOINT",
     "RELEASE", "BEGIN", "COMMIT", "ROLLBACK", "START", "END", "ABORT"}
)  # fmt: skip


def command_of(text: str) -> str:
    """Return the command of a statement as PostgreSQL's documentation names it, such as ALTER TABLE."""
    words = leading_words(text, 8)
    if not words:
        return "SELECT" if text.lstrip().startswith("(") else ""
    if words[0] == "with":
        return _from_tree(text) or "WITH"
    if words[0] not in _WITH_OBJECT:
        return words[0].upper()
    rest = [word for word in words[1:] if word not in _PASSED_OVER]
    if words[1:2] == ["constraint"]:
        rest = ["trigger"]
    found = " ".join([words[0], *rest[: 2 if rest[:1] and rest[0] in _TWO_WORDS else 1]]).upper()
    if found == "CREATE TABLE" and _from_tree(text) == "CREATE TABLE AS":
        return "CREATE TABLE AS"
    return found


def _from_tree(text: str) -> str | None:
    kind, _ = node_of(text)
    return "CREATE TABLE AS" if kind == "create_table_as_stmt" else _TREES.get(kind)


def changes_catalog(name: str) -> bool:
    """Tell whether a command may make, change or drop objects, or give relations other files."""
    return name not in _CHANGES_NO_CATALOG
