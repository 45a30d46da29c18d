"""Turn offsets in a text into lines, columns and places.

Words: an *offset* counts characters from 0 as Python does, a *position* counts characters from 1 as PostgreSQL does
(`PG_DIAG_STATEMENT_POSITION`), `line` and `column` count from 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class LineColumn:
    """A line and a column, both counted from 1, the column in characters."""

    line: int
    column: int


def line_column(text: str, offset: int) -> LineColumn:
    """Return the line and column of an offset; lines end with LF, so CRLF files count alike."""
    start = text.rfind("\n", 0, offset) + 1
    return LineColumn(text.count("\n", 0, start) + 1, offset - start + 1)


def line_at(text: str, offset: int) -> str:
    """Return the whole line that an offset lies in, without its line end."""
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    return text[start : end if end >= 0 else len(text)].rstrip("\r")


def place_at(path: Path, text: str, offset: int) -> Place:
    """Return the place of an offset in the text of a file."""
    offset = min(offset, len(text))
    where = line_column(text, offset)
    return Place(path, where.line, where.column, line_at(text, offset))
