"""What kind of error it was: the same on two targets has one fingerprint, whatever names and numbers are in it."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from sqlmigrate.errors import ExecutionError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlmigrate.errors import Error

_LENGTH = 12
_VARYING = re.compile(r"""\d+|"[^"]*"|'[^']*'|/\S+""")  # numbers, names in quotes, paths and sockets


def fingerprint(error: Error, names: Iterable[str] = ()) -> str:
    """Return 12 hexadecimal digits for the kind of an error; `names` are those by which its target is known.

    What PostgreSQL refused is known by its SQLSTATE and the statement; other errors by their words without what
    belongs to one target alone.
    """
    server = error.server if isinstance(error, ExecutionError) else None
    if isinstance(error, ExecutionError) and server is not None and server.sqlstate is not None:
        kind = [server.sqlstate, error.migration_id or "", str(error.statement or "")]
    else:
        kind = [_bare(error.message, names)]
    text = "\0".join((type(error).__name__, *kind))
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:_LENGTH]


def _bare(message: str, names: Iterable[str]) -> str:
    """Return the words of a message without the names of a target, the longest first."""
    for name in sorted(filter(None, names), key=len, reverse=True):
        message = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "*", message)
    return _VARYING.sub("*", message)
