"""Hold the characters of a script as far as they are needed, and the COPY data between its statements."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHUNK = 1 << 18


class Source:
    """The characters of a script, read piece by piece so that a large one is never held whole.

    `text` is what is held at the moment; it begins at `offset` of the script, which is at `line` and `column`.
    """

    def __init__(self, text: str = "", read: Callable[[], str] | None = None) -> None:
        self.text = text
        self.offset = 0
        self.line = 1
        self.column = 1
        self._read = read

    def more(self) -> bool:
        """Read at least as much again as is held, so that rescanning stays cheap; False at the end of the script."""
        if self._read is None:
            return False
        parts, wanted = [self.text], max(len(self.text), _CHUNK)
        while wanted > 0 and (part := self._read()):
            parts.append(part)
            wanted -= len(part)
        if len(parts) == 1:
            self._read = None
            return False
        self.text = "".join(parts)
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
        """Give the line and the column of an index in the held text."""
        lines = self.text.count("\n", 0, index)
        if not lines:
            return self.line, self.column + index
        return self.line + lines, index - self.text.rfind("\n", 0, index)


class CopyData:
    r"""The data between a COPY and its line `\.`; `line` is its first line in the script. It can be read once."""

    def __init__(self, source: Source, index: int) -> None:
        self._source = source
        self._index: int | None = index
        self.end = index
        self.line = source.position(index)[0]

    def chunks(self) -> Iterator[str]:
        r"""Yield the data, without the closing line, in parts that end with a line end."""
        final = False
        while self._index is not None:
            text, start = self._source.text, self._index
            if found := _data_end(text, start, final=final):
                stop, self.end = found
                self._index = None
            elif final:
                stop = self.end = len(text)
                self._index = None
            else:
                self._index = stop = text.rfind("\n", start) + 1 or start
            if stop > start:
                yield text[start:stop]
            if self._index is not None:
                self._index = self._source.forget(self._index)  # before more, which reads as much again as is held
                final = not self._source.more()

    def skip(self) -> int:
        """Pass over what has not been read; gives the index at which the script goes on."""
        for _ in self.chunks():
            pass
        return self.end


def _data_end(text: str, start: int, *, final: bool) -> tuple[int, int] | None:
    r"""Find the line `\.` from a line's start on: where it begins, and where the script goes on behind it."""
    if text.find("\\", start) < 0:  # ten times as fast as a search for more than one character
        return None
    at = start
    while True:
        if not text.startswith("\\.", at):
            at = text.find("\n\\.", at) + 1
            if at == 0:
                return None
        line_end = text.find("\n", at)
        if line_end < 0:
            return (at, len(text)) if final and text[at:] in {"\\.", "\\.\r"} else None
        if text[at:line_end] in {"\\.", "\\.\r"}:
            return at, line_end + 1
        at = line_end + 1
