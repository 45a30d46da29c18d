"""Find comments that look like directives and are not read as such, so that nobody relies on them in vain."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.errors import Problem
from sqlmigrate.sql.directives import DIRECTIVE, KEYS, PAIR, gaps, line_comments
from sqlmigrate.sql.gap import skip_gap
from sqlmigrate.sql.position import place_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_COMMENT = re.compile(r"--[ \t]*(.*?)[ \t]*")
_CANDIDATE = re.compile(r"--[ \t]*(?:depends|transactional)[ \t]*:")
_SETTINGS = re.compile(r"sqlmigrate(?:[ \t]+|[ \t]*=[ \t]*)(\S.*)|sqlmigrate[ \t]*:[ \t]*(\S.*)", re.IGNORECASE)
_TRANSACTIONAL = re.compile(r"transactional(?:[ \t]*[:=][ \t]*|[ \t]+)(true|false)", re.IGNORECASE)
# Prose begins with a word; ids mostly begin with a number. `-- Depends: users` is the header of many a file.
_IDS = r"(V?\d\S*(?:[ \t,]+V?\d\S*)*)"
_DEPENDS = (
    re.compile(rf"(?:depends?|depends[ _-]on|dependency|dependencies)[ \t]*[:=][ \t]*{_IDS}", re.IGNORECASE),
    re.compile(rf"depends?[ \t]+{_IDS}", re.IGNORECASE),
    re.compile(r"(?:depend[ \t]*[:=]|depends[ \t]*=)[ \t]*(\S+)"),
)
_VALUES = {
    "depends": re.compile(_IDS),
    "transactional": re.compile("true|false", re.IGNORECASE),
    "sqlmigrate": re.compile("(?!)"),  # an error already
}


def unread_directives(path: Path, text: str) -> list[Problem]:
    """Warn of near misses among the comments above the first statement, and of directives of yoyo's below it.

    Ours below it are errors already (`read_directives`). What stands in statements, data and block comments is none.
    """
    begin = skip_gap(text, 0)
    head = ((hit.start(), _near_miss(hit[0], hit[1])) for hit in line_comments(_COMMENT, text, 0, begin))
    found = [(offset, f"this is not read: write `-- {meant}`") for offset, meant in head if meant]
    message = "this looks like a directive but is not read: it comes after the first statement"
    found += [(offset, message) for offset in _behind(text, begin)]
    return [Problem(message, place_at(path, text, offset), warning=True) for offset, message in found]


def _near_miss(line: str, comment: str) -> str | None:
    """Return the directive that a comment was meant to be; None where it is one, or prose."""
    if DIRECTIVE.fullmatch(line):
        return None
    if hit := _TRANSACTIONAL.fullmatch(comment):
        return f"transactional: {hit[1].lower()}"
    if (hit := _SETTINGS.fullmatch(comment)) and _are_settings(hit[1] or hit[2]):
        return f"sqlmigrate: {hit[1] or hit[2]}"
    for pattern in _DEPENDS:
        if hit := pattern.fullmatch(comment):
            return f"depends: {' '.join(hit[1].replace(',', ' ').split())}"
    return None


def _are_settings(value: str) -> bool:
    return not PAIR.sub("", value).strip() and all(key in KEYS for key, _ in PAIR.findall(value))


def _behind(text: str, begin: int) -> Iterator[int]:
    """Yield where directives of yoyo's stand between statements; only for a candidate is a script taken apart."""
    if not _CANDIDATE.search(text, begin):
        return
    for start, end in gaps(text, begin):
        for hit in line_comments(DIRECTIVE, text, start, end):
            if _VALUES[hit[1]].fullmatch(hit[2]):
                yield hit.start()
