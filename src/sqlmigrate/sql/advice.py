"""What to do about errors of PostgreSQL whose own words do not say it; told by SQLSTATE, in whichever language."""

from __future__ import annotations

from sqlmigrate.sql.scan import leading_words
from sqlmigrate.sql.statement.session import names_setting

_IN_TRANSACTION = (
    "it commits or rolls back by itself, which is not allowed in the transaction of a migration: write "
    "`-- transactional: false` in the first lines"
)
_IN_BLOCK = "a procedure or DO block may not commit between BEGIN and COMMIT, nor in a block with EXCEPTION: move it"
_PENDING = (
    "rows that were changed before it in this transaction wait for deferred constraints or triggers: write "
    "SET CONSTRAINTS ALL IMMEDIATE before it, or move it into a migration of its own"
)
_SETTING_UNKNOWN = "this version of PostgreSQL does not have the setting, which a newer pg_dump may write: remove it"
_NO_CHARACTER = (
    "the database's encoding does not have this character (SHOW server_encoding): write another one, or use a database "
    "with the encoding UTF8, which has all"
)
_NO_TEXT = "these bytes are not text in the database's encoding: remove them, or keep them in a column of type bytea"
_PLAIN = {"22P05": _NO_CHARACTER, "22021": _NO_TEXT}


def advice(sqlstate: str | None, statement: str, *, transactional: bool) -> str | None:
    """Return what to do about an error of a statement, None where nothing is known; see Appendix A of the manual."""
    words = leading_words(statement, 2)
    match sqlstate:
        case "2D000":
            return _IN_TRANSACTION if transactional else _IN_BLOCK
        case "55006" if words[1:] not in (["database"], ["subscription"]):
            return _PENDING
        case "42704" if names_setting(statement):
            return _SETTING_UNKNOWN
    return _PLAIN.get(sqlstate or "")
