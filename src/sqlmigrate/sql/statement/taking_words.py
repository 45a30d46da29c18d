"""The words without which no script takes anything away: most have none of them, and need not be taken apart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlmigrate.sql.script import Script

_GAP = r"(?:\s|/\*.{0,200}?\*/|--[^\n]{0,200}\n)+"  # bounded: else each ALTER of a large text is looked behind far
TAKES = re.compile(
    r"\b(?:DROP|TRUNCATE|DELETE)\b"
    rf"""|\b(?:ALTER|COLUMN){_GAP}(?:"(?:[^"]|""){{0,63}}"|[\w$]{{1,63}}){_GAP}(?:SET{_GAP}DATA{_GAP})?TYPE\b""",
    re.IGNORECASE | re.DOTALL,
)
_OVERLAP = 300  # characters: the words may lie between two parts of a large script


def may_take(script: Script) -> bool:
    """Tell whether one of these words stands in a script, be it in a comment."""
    end = ""
    for part in script.parts():
        if TAKES.search(end + part):
            return True
        end = part[-_OVERLAP:]
    return False
