"""Read one script file: its digests, its directives and its statements, held whole or streamed when it is large."""

from __future__ import annotations

import codecs
import hashlib
import os
from collections import deque
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, Problem, ScriptError
from sqlmigrate.files import open_file, read_bytes
from sqlmigrate.sql.batches import batch_problems
from sqlmigrate.sql.directives import Directives, read_directives
from sqlmigrate.sql.position import line_at, line_column, place_at
from sqlmigrate.sql.scan import Piece, split
from sqlmigrate.sql.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from sqlmigrate.sql.source import CopyData

HELD_MAX = 4 << 20
"""Bytes up to which a script's text is held in memory; a larger one is read anew whenever it is needed.

Then each part must be what it was when the script was first read through, before a character of it is used.
"""

_PIECES_KEPT_MAX = 1 << 16  # characters up to which a script is taken apart once, for the check and for the run
_BOM = codecs.BOM_UTF8
_CHUNK = 1 << 18
_UNDER_WAY = 4  # parts that wait for their digest: one would have the reader wait for the GIL's next turn
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

    `size` is in bytes. A large script is not read before its digests or its pieces are asked for: ScriptError is then
    raised where it is no text, as `read_script` does for others. Once it was read through, it is the same one in every
    reading: ScriptError is raised at the first part that is not. `refused` says why a script has no statements to run.
    """

    path: Path
    text: str | None = field(repr=False)
    size: int
    directives: Directives = field(default_factory=Directives)
    refused: Problem | None = None
    _digests: list[Digests] = field(default_factory=list, repr=False, compare=False)
    _head: tuple[bytes, ...] = field(default=(), repr=False, compare=False)
    _pieces: list[Piece] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def checksum(self) -> str:
        """SHA-256 of the text with LF line ends, in hexadecimal; it tells whether the script was edited."""
        return self._taken().checksum

    @property
    def sha256(self) -> str:
        """SHA-256 of the file's bytes, in hexadecimal; it tells whether this is what was reviewed."""
        return self._taken().sha256

    def _taken(self) -> Digests:
        if not self._digests:
            for _ in self.parts():
                pass
        return self._digests[0]

    def parts(self) -> Iterator[str]:
        """Yield the text in parts; those of a large script are read from its file, and its digests taken."""
        if self.text is not None:
            yield self.text
            return
        with self._reading() as read:
            while part := read():
                yield part

    @contextmanager
    def _reading(self) -> Iterator[Callable[[], str]]:
        """Yield a function that reads a large script's next part, "" at its end; the first time its digests are taken.

        Any other time, each part is compared before it is given.
        """
        if self._digests:
            with _opened(self.path) as file:
                same = _compared(self.path, file, self._digests[0].marks)
                yield _reader(self.path, self.size, same, lambda *_: None)
            return
        with _metered(self.path, self.size) as (read, digests):
            yield read
            if not read():  # else what follows was not read, so there are no digests
                found = digests()
                if found.marks[: len(self._head)] != self._head:  # whose directives count
                    raise _changed(self.path)
                self._digests[:] = [found]

    def require_unchanged(self) -> None:
        """Raise ScriptError where a large script is another one than when its digests were taken.

        That is found as it is read anyway, but where there is no transaction around it, statements have run by then.
        """
        for _ in self.parts():
            pass

    def pieces(self, *, placed: bool = True) -> Iterator[Piece]:
        """Yield the script's pieces as psql's rules and then libpg_query see them.

        A large script is read from its file, and its digests taken: raises ScriptError where they have changed. Where
        its pieces need not be `placed`, their lines and columns are wrong: to count lines takes as long as all else.
        Raises ScriptError where the script is refused.
        """
        if self.refused is not None:
            raise ScriptError(self.refused.message, place=self.refused.place, hint=self.refused.hint)
        if self.text is not None:
            yield from self._pieces or self._split(self.text)
            return
        with self._reading() as read:
            for piece in _refined(Source(read=read, placed=placed)):
                yield piece
                if piece.problem is not None:
                    return

    def _split(self, text: str) -> Iterator[Piece]:
        """Take the script apart, and keep the pieces of a small one; COPY data can be read only once."""
        found = []
        for piece in _refined(Source(text)):
            found.append(piece)
            yield piece
        if len(text) <= _PIECES_KEPT_MAX and all(piece.data is None for piece in found):
            self._pieces[:] = found

    def statements(self) -> Iterator[Statement]:
        """Yield the statements in order; raises ScriptError where the text cannot be split."""
        for number, piece in enumerate(self.pieces(), 1):
            if piece.problem is not None:
                raise ScriptError(piece.problem, place=self.place(piece, (piece.problem_offset or 0) - piece.offset))
            yield Statement(number, piece.text, piece.offset, line=piece.line, column=piece.column, data=piece.data)

    def readable_statements(self) -> Iterator[Statement]:
        """Yield the statements up to where the text cannot be read on; what comes behind it cannot run either."""
        with suppress(ScriptError):
            yield from self.statements()

    def place(self, part: Piece | Statement, offset: int = 0) -> Place:
        """Return the place of an offset in a part of this script; of a large script, as much of the line as is held."""
        offset = min(offset, len(part.text))
        inner = line_column(part.text, offset)
        shift = part.column - 1 if inner.line == 1 else 0
        if self.text is None:
            text = " " * shift + line_at(part.text, offset)
        else:
            text = line_at(self.text, part.offset + offset)
        return Place(self.path, part.line + inner.line - 1, inner.column + shift, text)

    def directive_place(self, key: str, word: str = "") -> Place:
        """Return the place of a directive's key, or of one id of its `depends`; of a large script, only the file."""
        offset = self.directives.offsets.get((key, word))
        return Place(self.path) if self.text is None or offset is None else place_at(self.path, self.text, offset)


@dataclass(frozen=True, slots=True)
class Digests:
    """Both digests of a script; see `Script`. `marks` are the SHA-256 of its bytes up to the end of each part."""

    checksum: str
    sha256: str
    marks: tuple[bytes, ...] = ()


class _Meter:
    """Take both digests of a file while it is read; they are one until a byte order mark or a CR tells them apart."""

    def __init__(self) -> None:
        self._raw = hashlib.sha256()
        self._normal: hashlib._Hash | None = None
        self._held = b""
        self._marks: list[bytes] = []

    def update(self, raw: bytes, first: bool) -> None:  # noqa: FBT001  one call, in `_reader`
        """Take the next bytes into both digests."""
        body = raw.removeprefix(_BOM) if first else raw
        if self._normal is None and (b"\r" in raw or len(body) < len(raw)):
            self._normal = self._raw.copy()
        self._raw.update(raw)
        self._marks.append(self._raw.digest())
        if self._normal is not None:
            body = self._held + body
            self._held = b"\r" if body.endswith(b"\r") else b""  # its LF may come with the next bytes
            self._normal.update(body[: len(body) - len(self._held)].replace(b"\r\n", b"\n"))

    def digests(self) -> Digests:
        """Return the digests of all that was taken."""
        sha256 = self._raw.hexdigest()
        if self._normal is None:
            return Digests(sha256, sha256, tuple(self._marks))
        self._normal.update(self._held)
        self._held = b""
        return Digests(self._normal.hexdigest(), sha256, tuple(self._marks))


@contextmanager
def _opened(path: Path) -> Iterator[Callable[[int], bytes]]:
    """Yield a function that reads the next bytes of a file; it raises ScriptError where that cannot be done."""
    with ExitStack() as stack:
        with _read_errors(path):
            file = stack.enter_context(open_file(path))

        def read(size: int) -> bytes:
            with _read_errors(path):
                return file.read(size)

        yield read


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ScriptError(f"cannot be read: {error.strerror}", place=Place(path)) from None


def _changed(path: Path) -> ScriptError:
    return ScriptError("the file changed since it was checked; run the command again", place=Place(path))


def _compared(path: Path, read: Callable[[int], bytes], marks: Iterable[bytes]) -> Callable[[int], bytes]:
    """Read on only as long as a file is what it was when its marks were taken, in parts of the same size."""
    digest, left = hashlib.sha256(), iter(marks)

    def compared(size: int) -> bytes:
        raw = read(size)
        digest.update(raw)
        if next(left, None) != (digest.digest() if raw else None):
            raise _changed(path)
        return raw

    return compared


@contextmanager
def _metered(path: Path, size: int) -> Iterator[tuple[Callable[[], str], Callable[[], Digests]]]:
    """Read a large file part by part; a thread digests each part (without the GIL) while it is worked on.

    The second function gives the digests of what was read.
    """
    from concurrent.futures import Future, ThreadPoolExecutor  # noqa: PLC0415  only for large scripts

    meter = _Meter()
    under_way: deque[Future[None]] = deque()

    def take(raw: bytes, first: bool) -> None:  # noqa: FBT001  as `_Meter.update`
        under_way.append(pool.submit(meter.update, raw, first))
        if len(under_way) > _UNDER_WAY:
            under_way.popleft().result()

    def digests() -> Digests:
        for part in under_way:
            part.result()
        return meter.digests()

    with _opened(path) as read, ThreadPoolExecutor(1) as pool:
        yield _reader(path, size, read, take), digests


def _reader(
    path: Path, size: int, read: Callable[[int], bytes], take: Callable[[bytes, bool], None]
) -> Callable[[], str]:
    """Return a function that reads the next part of a file as text; it raises ScriptError where that is none.

    `take` gets the bytes of each part, and whether it is the first. A file that turns out to have more than the `size`
    that it was said to have is refused: it might grow for ever.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0  # of the next byte in the file

    def part() -> str:
        nonlocal offset
        while raw := read(_CHUNK):
            first, begin = offset == 0, offset - len(decoder.getstate()[0])
            take(raw, first)
            offset += len(raw)
            if offset > size:
                raise _changed(path)
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
    """Return the place of a byte of a file: everything before it is good UTF-8, and so is it where `is_text`."""
    line, tail = 1, b""
    with _read_errors(path), open_file(path) as file:
        while offset > 0 and (raw := file.read(min(_CHUNK, offset))):
            offset -= len(raw)
            line += raw.count(b"\n")
            tail = (tail + raw).rpartition(b"\n")[2]
        rest = codecs.utf_8_decode(file.readline(_LINE_SHOWN).rstrip(b"\r\n"), "ignore")[0] if is_text else ""
    before = tail.removeprefix(_BOM if line == 1 else b"").decode(errors="replace")
    return Place(path, line, len(before) + 1, before + rest)


def _refined(source: Source) -> Iterator[Piece]:
    from sqlmigrate.sql.statement.parse import refine  # noqa: PLC0415  a script that does not run is not taken apart

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
    digests = Digests(checksum, hashlib.sha256(raw).hexdigest())
    return Script(path, text, len(raw), directives, _digests=[digests])


def refused_script(path: Path, problem: Problem) -> Script:
    """Make the script of a file that cannot be read as one; its digests are of its bytes, as far as there are any."""
    try:
        raw = read_bytes(path)
    except OSError:
        raw = b""
    digest = hashlib.sha256(raw).hexdigest()
    return Script(path, None, len(raw), refused=problem, _digests=[Digests(digest, digest)])


def read_script(path: Path, folder: int | None = None) -> tuple[Script, list[Problem]]:
    """Read a script and every problem in its directives; its folder may be open already (`folder_of_files`).

    Raises ScriptError where the file cannot be read as text at all: not UTF-8, or a NUL character, at which both
    libpg_query and the wire protocol would silently cut it short. Of a large one, only the first part is read here.
    """
    meter = _Meter()
    parts: list[str] = []
    try:
        with open_file(path, folder=folder) as file:
            size = os.fstat(file.fileno()).st_size
            part = _reader(path, size, file.read, meter.update)
            while (not parts or size <= HELD_MAX) and (text := part()):
                parts.append(text)
    except OSError as error:
        raise ScriptError(f"cannot be read: {error.strerror}", place=Place(path)) from None
    text = "".join(parts)
    if size > HELD_MAX:
        directives, problems = read_directives(path, text[:_HEAD])
        return Script(path, None, size, directives, _head=meter.digests().marks), problems
    directives, problems = read_directives(path, text)
    problems += batch_problems(path, text)
    return Script(path, text, size, directives, _digests=[meter.digests()]), problems
