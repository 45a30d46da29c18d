"""What stands between statements: white space and comments."""

from __future__ import annotations

import re

SPACE = " \t\n\r\f\v"
"""PostgreSQL's white space: all other kinds are letters to it."""
_GAP = re.compile(rf"(?:[{SPACE}]++|--[^\n\r]*+)+")
_COMMENT_EDGE = re.compile(r"/\*|\*/")


def skip_gap(text: str, position: int) -> int:
    """Return the offset of the first character that is neither white space nor comment; an open comment is one."""
    while True:
        if gap := _GAP.match(text, position):
            position = gap.end()
        if not text.startswith("/*", position) or (end := comment_end(text, position)) is None:
            return position
        position = end


def comment_end(text: str, at: int) -> int | None:
    """Return the offset behind a block comment, in which others may stand; None where it is never closed."""
    depth, position = 0, at
    while edge := _COMMENT_EDGE.search(text, position):
        position = edge.end()
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return position
    return None
