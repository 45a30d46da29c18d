"""A few lines at the bottom of a terminal that are drawn again in their place."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.cli.foreign_text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

_WIDTH = 80


@dataclass(slots=True)
class Block:
    """The lines that stand there now; whoever prints anything else calls `erase` first."""

    _height: int = 0

    def draw(self, lines: Iterable[str]) -> None:
        """Draw lines on stderr in place of those that stand there, each cut to the width of the terminal."""
        width = terminal_width()
        shown = [cut(one_line(" ".join(line.splitlines()), styled=False), width - 1) for line in lines]
        sys.stderr.write(self._back() + "".join(f"{line}\n" for line in shown))
        sys.stderr.flush()
        self._height = len(shown)

    def erase(self) -> None:
        """Take the lines away."""
        if self._height:
            sys.stderr.write(self._back())
            sys.stderr.flush()
            self._height = 0

    def _back(self) -> str:
        return f"\x1b[{self._height}A\r\x1b[J" if self._height else ""


def terminal_width() -> int:
    """Return the columns of the terminal at stderr, 80 where it does not say."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or _WIDTH
    except (OSError, ValueError):
        return _WIDTH


def cut(line: str, width: int) -> str:
    """Cut a line to so many cells of a terminal; a wide character takes two."""
    if line.isascii() and len(line) <= width:
        return line
    from rich.cells import cell_len, set_cell_size  # noqa: PLC0415  only for long lines

    return line if cell_len(line) <= width else set_cell_size(line, width - 3).rstrip() + "..."
