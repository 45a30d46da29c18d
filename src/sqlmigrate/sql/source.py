"""Hold the characters of a script as far as they are needed, and the COPY data between its statements."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHUNK = 1 << 18
_CLOSING = frozenset({"\\.", "\\.\r"})
_MAY_CLOSE = _CLOSING | {"\\"}


class Source:
    """The characters of a script, read piece by piece so that a large one is never held whole.

    `text` is what is held at the moment; it begins at `offset` of the script, which is at `line` and `column`. Where it
    is not `placed`, lines are not counted, which takes as long as all else: places behind the first part are wrong.
    """

    def __init__(self, text: str = "", read: Callable[[], str] | None = None, *, placed: bool = True) -> None:
        self.text = text
        self.offset = 0
        self.line = 1
        self.column = 1
        self._read = read
        self._placed = placed

    def more(self) -> bool:
        """Read at least as much again as is held, so that rescanning stays cheap; False at the end of the script."""
        if self._read is None:
            return False
        parts: list[str] = []
        wanted = len(self.text)
        while (wanted > 0 or not parts) and (part := self._read()):
            parts.append(part)
            wanted -= len(part)
        if not parts:
            self._read = None
            return False
        self.text = "".join([self.text, *parts] if self.text else parts)  # one part alone is not copied
        return True

    def forget(self, index: int) -> int:
        """Let go of what lies before an index where that is worth it; gives the index as it is afterwards."""
        if self._read is None or index < _CHUNK // 2:
            return index
        self.line, self.column = self.position(index)
        self.offset += index
        self.text = self.text[index:]
        return 0

    def position(self, index: int) -> tuple[int, int]:
        """Return the line and the column of an index in the held text."""
        if not self._placed:
            return self.line, self.column
        lines = self.text.count("\n", 0, index)
        if not lines:
            return self.line, self.column + index
        return self.line + lines, index - self.text.rfind("\n", 0, index)


class CopyData:
    r"""The data between a COPY and its line `\.`; `line` is its first line in the script. It can be read once."""

    def __init__(self, source: Source, index: int) -> None:
        self._source = source
        self._index: int | None = index
        self._in_line = False
        self.end = index
        self.line = source.position(index)[0]

    def chunks(self) -> Iterator[str]:
        r"""Yield the data, without the closing line, in parts that may end within a line."""
        final = False
        while self._index is not None:
            text, start = self._source.text, self._index
            if found := _data_end(text, start, final=final, in_line=self._in_line):
                stop, self.end = found
                self._index = None
            elif final:
                stop = self.end = len(text)
                self._index = None
            else:
                self._index = stop = _surely_data(text, start, in_line=self._in_line)
            if stop > start:
                self._in_line = text[stop - 1] != "\n"
                yield text[start:stop]
            if self._index is not None:
                self._index = self._source.forget(self._index)  # before more, which reads as much again as is held
                final = not self._source.more()

    def skip(self) -> int:
        """Pass over what has not been read; gives the index at which the script goes on."""
        for _ in self.chunks():
            pass
        return self.end


def _surely_data(text: str, start: int, *, in_line: bool) -> int:
    r"""Return the end of what is data whatever follows: all of it, unless its end may become the line `\.`."""
    last = text.rfind("\n", start) + 1 or (len(text) if in_line else start)
    return last if text[last:] in _MAY_CLOSE else len(text)


def _data_end(text: str, start: int, *, final: bool, in_line: bool) -> tuple[int, int] | None:
    r"""Find the line `\.` where `start` is `in_line` or a line's start: where it begins, and what follows it."""
    if text.find("\\", start) < 0:  # ten times as fast as a search for more than one character
        return None
    at = start
    while True:
        if in_line or not text.startswith("\\.", at):
            in_line = False
            at = text.find("\n\\.", at) + 1
            if at == 0:
                return None
        line_end = text.find("\n", at)
        if line_end < 0:
            return (at, len(text)) if final and text[at:] in _CLOSING else None
        if text[at:line_end] in _CLOSING:
            return at, line_end + 1
        at = line_end + 1
