"""Read one script file: its digests, its directives and its statements, held whole or streamed when it is large."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, Problem, ScriptError
from sqlmigrate.files import read_bytes, read_whole
from sqlmigrate.sql.digests import BOM, Digests, changed, digests_of
from sqlmigrate.sql.directives import Directives, read_directives
from sqlmigrate.sql.position import line_at, line_column, place_at
from sqlmigrate.sql.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlmigrate.sql.scan import Piece
    from sqlmigrate.sql.source import CopyData

HELD_MAX = 4 << 20
"""Bytes up to which a script's text is held in memory; a larger one is read anew whenever it is needed.

Then each part must be what it was when the script was first read through, before a character of it is used.
"""

_PIECES_KEPT_MAX = 1 << 16  # characters up to which a script is taken apart once, for the check and for the run
_HEAD = 1 << 16  # of a large script, the directives stand in the first 64 kB
_PROBLEMS_MAX = 100  # of one script, errors and warnings each; the others are counted


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
        from sqlmigrate.sql.streamed import compared, metered, opened, reader  # noqa: PLC0415  few are large

        if self._digests:
            with opened(self.path) as file:
                same = compared(self.path, file, self._digests[0].marks)
                yield reader(self.path, self.size, same, lambda *_: None)
            return
        with metered(self.path, self.size) as (read, digests):
            yield read
            if not read():  # else what follows was not read, so there are no digests
                found = digests()
                if found.marks[: len(self._head)] != self._head:  # whose directives count
                    raise changed(self.path)
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


def _refined(source: Source) -> Iterator[Piece]:
    from sqlmigrate.sql.scan import Piece, split  # noqa: PLC0415  a script that does not run is not taken apart
    from sqlmigrate.sql.statement.parse import refine  # noqa: PLC0415  same

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
    try:
        raw, size = read_whole(path, HELD_MAX, folder=folder)
    except OSError as error:
        raise ScriptError(f"cannot be read: {error.strerror}", place=Place(path)) from None
    if raw is None:
        from sqlmigrate.sql.streamed import head  # noqa: PLC0415  few scripts are large

        text, size, marks = head(path, folder)
        directives, problems = read_directives(path, text[:_HEAD])
        return Script(path, None, size, directives, _head=marks), _first(path, problems)
    if len(raw) > size:
        raise changed(path)
    text = _text(path, raw)
    directives, problems = read_directives(path, text)
    if "sqlmigrate-" in text:
        from sqlmigrate.sql.batches import batch_problems  # noqa: PLC0415  few scripts run in batches

        problems += batch_problems(path, text)
    return Script(path, text, size, directives, _digests=[digests_of(raw)]), _first(path, problems)


def _first(path: Path, problems: list[Problem]) -> list[Problem]:
    """Leave out problems of a script that has more than anybody reads, and say how many."""
    if len(problems) <= _PROBLEMS_MAX:
        return problems
    kinds = [(kind, [item for item in problems if item.warning is kind]) for kind in (False, True)]
    kept = {id(item) for _, several in kinds for item in several[:_PROBLEMS_MAX]}
    more = [(kind, len(several) - _PROBLEMS_MAX) for kind, several in kinds if len(several) > _PROBLEMS_MAX]
    left = [Problem(f"and {number:,} more like these", Place(path), warning=kind) for kind, number in more]
    return [item for item in problems if id(item) in kept] + left


def _text(path: Path, raw: bytes) -> str:
    """Return the bytes of a whole file as text, without a byte order mark; raises ScriptError where they are none."""
    try:
        text = raw.removeprefix(BOM).decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        from sqlmigrate.sql.streamed import require_text  # noqa: PLC0415  only for a mistake

        require_text(path, raw)
    return text
