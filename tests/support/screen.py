"""What is to be seen on a terminal behind all that was written to it."""

from __future__ import annotations

import re

_PART = re.compile(r"\x1b\[(\d*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


def shown_on(written: str) -> str:
    """Give the lines of a screen: cursor up, carriage return, line feed and the erasure of what is below count."""
    lines, row, column = [""], 0, 0
    for number, command, move, text in _PART.findall(written):
        if command == "A":
            row = max(row - int(number or 1), 0)
        elif command == "J":
            lines[row:] = [lines[row][:column]]
        elif move == "\r":
            column = 0
        elif move == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif text:
            lines[row] = lines[row][:column].ljust(column) + text + lines[row][column + len(text) :]
            column += len(text)
    return "\n".join(lines)
