"""Read one script file: its digests, its directives and its statements, held whole or streamed when it is large."""

from __future__ import annotations

import codecs
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, Problem, ScriptError
from sqlmigrate.sql.directives import Directives, read_directives
from sqlmigrate.sql.parse import refine
from sqlmigrate.sql.position import line_at, line_column, place_at
from sqlmigrate.sql.scan import Piece, split
from sqlmigrate.sql.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlmigrate.sql.source import CopyData

HELD_MAX = 4 << 20
"""Bytes up to which a script's text is held in memory; a larger one is read anew whenever it is needed."""

_BOM = codecs.BOM_UTF8
_CHUNK = 1 << 20
_HEAD = 1 << 16  # of a large script, the directives stand in the first 64 kB


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a script: `number` counts from 1; `text` begins at `offset`, on `line` and in `column`.

    `data` is the COPY data that follows it, to be read before the next statement.
    """

    number: int
    text: str
    offset: int
    line: int
    column: int
    data: CopyData | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """A script as it was read: `text` is exactly what runs, without a byte order mark; None where it is too large.

    `checksum` is SHA-256 of the text with LF line ends ("was it edited?"), `sha256` of the file's bytes ("is it what
    was reviewed?"), both in hexadecimal; `size` is in bytes.
    """

    path: Path
    text: str | None = field(repr=False)
    checksum: str
    sha256: str
    size: int
    directives: Directives = field(default_factory=Directives)

    def pieces(self) -> Iterator[Piece]:
        """Yield the script's pieces as psql's rules and then libpg_query see them.

        A large script is read from its file, and its digest taken again: raises ScriptError where it has changed.
        """
        if self.text is not None:
            yield from _refined(Source(self.text))
            return
        digests = _Digests()
        with self.path.open("rb") as file:
            yield from _refined(Source(read=_reader(self.path, file.read, digests)))
        if digests.sha256.hexdigest() != self.sha256:
            raise ScriptError("the file changed while it was read; run the command again", place=Place(self.path))

    def statements(self) -> Iterator[Statement]:
        """Yield the statements in order; raises ScriptError where the text cannot be split."""
        for number, piece in enumerate(self.pieces(), 1):
            if piece.problem is not None:
                raise ScriptError(piece.problem, place=self.place(piece, (piece.problem_offset or 0) - piece.offset))
            yield Statement(number, piece.text, piece.offset, piece.line, piece.column, piece.data)

    def place(self, part: Piece | Statement, offset: int = 0) -> Place:
        """Give the place of an offset in a part of this script; of a large script, the line is shown as far as held."""
        if self.text is not None:
            return place_at(self.path, self.text, part.offset + offset)
        inner = line_column(part.text, min(offset, len(part.text)))
        shift = part.column - 1 if inner.line == 1 else 0
        text = " " * shift + line_at(part.text, min(offset, len(part.text)))
        return Place(self.path, part.line + inner.line - 1, inner.column + shift, text)


class _Digests:
    """Take both digests of a file while it is read."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()
        self._normal = hashlib.sha256()
        self._held = b""
        self._begun = False

    def update(self, raw: bytes) -> None:
        """Take the next bytes into both digests."""
        self.sha256.update(raw)
        body = self._held + raw
        if not self._begun:
            body, self._begun = body.removeprefix(_BOM), True
        self._held = b"\r" if body.endswith(b"\r") else b""  # its LF may come with the next bytes
        body = body[: len(body) - len(self._held)]
        self._normal.update(body.replace(b"\r\n", b"\n") if b"\r" in body else body)

    def checksum(self) -> str:
        """Give the digest of the text with LF line ends."""
        self._normal.update(self._held)
        return self._normal.hexdigest()


def _reader(path: Path, read: Callable[[int], bytes], digests: _Digests) -> Callable[[], str]:
    """Give a function that reads the next part of a file as text; it raises ScriptError where that is none."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    first, line, tail = True, 1, ""  # the line that the next part begins in, and what of it was read

    def part() -> str:
        nonlocal first, line, tail
        while raw := read(_CHUNK):
            digests.update(raw)
            if first:
                raw, first = raw.removeprefix(_BOM), False
            text = _decode(path, decoder, raw, line, tail)
            line += text.count("\n")
            tail = (tail + text).rpartition("\n")[2][-_HEAD:]
            if text:
                return text
        _decode(path, decoder, b"", line, tail, final=True)
        return ""

    return part


def _decode(
    path: Path, decoder: codecs.IncrementalDecoder, raw: bytes, line: int, tail: str, *, final: bool = False
) -> str:
    try:
        text = decoder.decode(raw, final)
    except UnicodeDecodeError as error:
        good = tail + error.object[: error.start].decode()
        message = f"byte 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise ScriptError(message, place=_further(place_at(path, good, len(good)), line)) from None
    if (nul := text.find("\0")) >= 0:
        place = _further(place_at(path, tail + text, len(tail) + nul), line)
        raise ScriptError("a NUL character would cut the script short; remove it", place=place)
    return text


def _further(place: Place, line: int) -> Place:
    """Move a place by the lines that were read before."""
    return Place(place.path, (place.line or 1) + line - 1, place.column, place.text)


def _refined(source: Source) -> Iterator[Piece]:
    for piece in split(source):
        parts = refine(piece.text) if piece.problem is None else []
        if not parts:
            yield piece
        for start, end in parts:
            text = piece.text[start:end]
            at = start + len(text) - len(text.lstrip())
            inner = line_column(piece.text, at)
            column = inner.column + (piece.column - 1 if inner.line == 1 else 0)
            yield Piece(text.strip(), piece.offset + at, piece.line + inner.line - 1, column)


def read_script(path: Path) -> tuple[Script, list[Problem]]:
    """Read a script and every problem in its directives.

    Raises ScriptError where the file cannot be read as text at all: not UTF-8, or a NUL character, at which both
    libpg_query and the wire protocol would silently cut it short.
    """
    digests = _Digests()
    parts: list[str] = []
    size = held = 0
    try:
        with path.open("rb") as file:
            part = _reader(path, file.read, digests)
            while text := part():
                held += len(text)
                if held <= HELD_MAX or not parts:
                    parts.append(text)
            size = file.tell()
    except OSError as error:
        raise ScriptError(f"cannot be read: {error.strerror}", place=Place(path)) from None
    head = "".join(parts)
    whole = held <= HELD_MAX
    directives, problems = read_directives(path, head if whole else head[:_HEAD])
    script = Script(path, head if whole else None, digests.checksum(), digests.sha256.hexdigest(), size, directives)
    return script, problems
