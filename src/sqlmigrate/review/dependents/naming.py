"""The words by which a function's text would name what a script changes."""

from __future__ import annotations

import re

_WORD = re.compile(r'"(?:[^"]|"")+"|[\w$]+')


def mentioned(text: str) -> set[str]:
    """Return the words by which a body would name an object: its last name; of what a table has, the table's too."""
    kind, _, name = text.partition(" ")
    own, _, table = name.partition("(")[0].partition(" on ")
    parts = [part.strip('"').lower() for part in _WORD.findall(own)]
    return {*parts[-2 if kind == "column" else -1 :], *[part.strip('"').lower() for part in _WORD.findall(table)[-1:]]}
