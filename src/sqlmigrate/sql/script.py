"""Read one script file: its digests, its directives and its statements, held whole or streamed when it is large."""

from __future__ import annotations

import codecs
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, Problem, ScriptError
from sqlmigrate.sql.directives import Directives, read_directives
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
_LINE_SHOWN = 1000  # bytes of a line that are shown behind a bad one
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
    """Take both digests of a file while it is read; they are one until a byte order mark or a CR tells them apart."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()
        self._normal: hashlib._Hash | None = None
        self._held = b""

    def update(self, raw: bytes, *, first: bool) -> None:
        """Take the next bytes into both digests."""
        body = raw.removeprefix(_BOM) if first else raw
        if self._normal is None and (b"\r" in raw or len(body) < len(raw)):
            self._normal = self.sha256.copy()
        self.sha256.update(raw)
        if self._normal is not None:
            body = self._held + body
            self._held = b"\r" if body.endswith(b"\r") else b""  # its LF may come with the next bytes
            self._normal.update(body[: len(body) - len(self._held)].replace(b"\r\n", b"\n"))

    def checksum(self) -> str:
        """Give the digest of the text with LF line ends."""
        if self._normal is None:
            return self.sha256.hexdigest()
        self._normal.update(self._held)
        return self._normal.hexdigest()


def _reader(path: Path, read: Callable[[int], bytes], digests: _Digests) -> Callable[[], str]:
    """Give a function that reads the next part of a file as text; it raises ScriptError where that is none."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0  # of the next byte in the file

    def part() -> str:
        nonlocal offset
        while raw := read(_CHUNK):
            first, begin = offset == 0, offset - len(decoder.getstate()[0])
            digests.update(raw, first=first)
            offset += len(raw)
            body = raw.removeprefix(_BOM) if first else raw
            text = _decode(path, decoder, body, begin + len(raw) - len(body))
            if text:
                return text
        _decode(path, decoder, b"", offset - len(decoder.getstate()[0]), final=True)
        return ""

    return part


def _decode(path: Path, decoder: codecs.IncrementalDecoder, raw: bytes, begin: int, *, final: bool = False) -> str:
    """Decode bytes of which the first, with what the decoder holds, is at `begin` of the file."""
    try:
        text = decoder.decode(raw, final)
    except UnicodeDecodeError as error:
        message = f"byte 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise ScriptError(message, place=_byte_place(path, begin + error.start, is_text=False)) from None
    if (nul := text.find("\0")) >= 0:
        place = _byte_place(path, begin + len(text[:nul].encode()), is_text=True)
        raise ScriptError("a NUL character would cut the script short; remove it", place=place)
    return text


def _byte_place(path: Path, offset: int, *, is_text: bool) -> Place:
    """Give the place of a byte of a file: everything before it is good UTF-8, and so is it where `is_text`."""
    line, tail = 1, b""
    with path.open("rb") as file:
        while offset > 0 and (raw := file.read(min(_CHUNK, offset))):
            offset -= len(raw)
            line += raw.count(b"\n")
            tail = (tail + raw).rpartition(b"\n")[2]
        rest = codecs.utf_8_decode(file.readline(_LINE_SHOWN).rstrip(b"\r\n"), "ignore")[0] if is_text else ""
    before = tail.removeprefix(_BOM if line == 1 else b"").decode()
    return Place(path, line, len(before) + 1, before + rest)


def _refined(source: Source) -> Iterator[Piece]:
    from sqlmigrate.sql.parse import refine  # noqa: PLC0415  a script that does not run is not taken apart

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


def script_from_text(path: Path, text: str) -> Script:
    """Make a script from its text, such as one that was recorded; `path` names it in errors."""
    directives, _ = read_directives(path, text)
    raw = text.encode()
    checksum = hashlib.sha256(text.replace("\r\n", "\n").encode()).hexdigest()
    return Script(path, text, checksum, hashlib.sha256(raw).hexdigest(), len(raw), directives)


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
