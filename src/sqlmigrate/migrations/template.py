"""What `new` writes into the two files of a migration, and whether somebody has written anything since."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, Problem

if TYPE_CHECKING:
    from sqlmigrate.migrations.model import ScriptRun

SCRIPT = """\
-- {name}
--
-- This runs in one transaction, together with its history row.
-- Write the undo in {stem}.rollback.sql.

"""
ROLLBACK = """\
-- Undoes {stem}: afterwards the database is as it was before.

"""


def _pattern(template: str) -> re.Pattern[str]:
    """Match a template whatever its files are called by now."""
    return re.compile(re.sub(r"\\{\w+\\}", ".*", re.escape(template.strip())))


_UNTOUCHED = {"apply": _pattern(SCRIPT), "rollback": _pattern(ROLLBACK)}
_LONGEST = 2_000  # characters of a template with its names
_HINTS = {
    "apply": "write it, or delete both files of this migration",
    "rollback": "write the undo, or delete this file if there is none",
}


def untouched(run: ScriptRun) -> Problem | None:
    """Refuse a script that is still what `new` wrote: run, it would be recorded as done and could never be written."""
    text, pattern = run.script.text, _UNTOUCHED.get(run.operation)
    if text is None or pattern is None or len(text) > _LONGEST or not pattern.fullmatch(text.strip()):
        return None
    message = "is still the template of `sqlmigrate new`: nothing has been written into it"
    return Problem(message, Place(run.script.path), _HINTS[run.operation])
