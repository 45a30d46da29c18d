"""Read one script file: its text, its two digests, its directives and its statements."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlmigrate.errors import MigrationsError, Place, Problem, ScriptError
from sqlmigrate.sql.directives import Directives, read_directives
from sqlmigrate.sql.parse import Kind, classify, refine
from sqlmigrate.sql.position import place_at
from sqlmigrate.sql.scan import Piece, split

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a script: `number` counts from 1, `offset` is where `text` begins in the script's text."""

    number: int
    text: str
    offset: int
    data: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """A script as it was read: `text` is exactly what runs, without a byte order mark.

    `checksum` is SHA-256 of the text with LF line ends ("was it edited?"), `sha256` of the file's bytes ("is it what
    was reviewed?"), both in hexadecimal; `size` is in bytes.
    """

    path: Path
    text: str = field(repr=False)
    checksum: str
    sha256: str
    size: int
    directives: Directives = field(default_factory=Directives)

    def place(self, offset: int) -> Place:
        """Give the place of an offset in this script."""
        return place_at(self.path, self.text, offset)

    def pieces(self) -> Iterator[Piece]:
        """Yield the script's pieces as psql's rules and then libpg_query see them."""
        for piece in split(self.text):
            parts = refine(piece.text) if piece.problem is None else []
            if not parts:
                yield piece
            for start, end in parts:
                text = piece.text[start:end]
                yield Piece(text.strip(), piece.offset + start + len(text) - len(text.lstrip()))

    def statements(self) -> Iterator[Statement]:
        """Yield the statements in order; raises ScriptError where the text cannot be split."""
        for number, piece in enumerate(self.pieces(), 1):
            if piece.problem is not None:
                raise ScriptError(piece.problem, place=self.place(piece.problem_offset or piece.offset))
            yield Statement(number, piece.text, piece.offset, piece.data)


def read_script(path: Path) -> tuple[Script, list[Problem]]:
    """Read a script and every problem in its encoding and directives.

    Raises ScriptError where the file cannot be read as text at all: not UTF-8, or a NUL character, at which both
    libpg_query and the wire protocol would silently cut it short.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ScriptError(f"cannot be read: {error.strerror}", place=Place(path)) from None
    body = raw.removeprefix(_BOM)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        good = body[: error.start].decode()
        message = f"byte 0x{body[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise ScriptError(message, place=place_at(path, good, len(good))) from None
    if (nul := text.find("\0")) >= 0:
        raise ScriptError("a NUL character would cut the script short; remove it", place=place_at(path, text, nul))
    directives, problems = read_directives(path, text)
    normal = body if b"\r" not in body else text.replace("\r\n", "\n").encode()
    checksum, sha256 = hashlib.sha256(normal).hexdigest(), hashlib.sha256(raw).hexdigest()
    return Script(path, text, checksum, sha256, len(raw), directives), problems


def preflight(script: Script) -> list[Problem]:
    """Find every statement that must not run in a managed transaction, before anything runs."""
    problems = []
    for piece in script.pieces():
        if piece.problem is not None:
            at = piece.problem_offset if piece.problem_offset is not None else piece.offset
            problems.append(Problem(piece.problem, script.place(at), hint=_psql_hint(piece.problem)))
            continue
        if advice := _REFUSED.get(kind := classify(piece.text)):
            message, hint = advice
            name = " ".join(piece.text.split()[:2]) if kind is not Kind.COPY_IN else "COPY FROM STDIN"
            problems.append(Problem(f"{name.rstrip(';')}: {message}", script.place(piece.offset), hint=hint))
    return problems


def require_runnable(scripts: list[Script]) -> None:
    """Raise MigrationsError with every problem of every script, so that nothing runs while one of them is refused."""
    problems = [problem for script in scripts for problem in _not_yet(script) + preflight(script)]
    if problems:
        raise MigrationsError("nothing was run, since these scripts cannot run safely", problems)


def _not_yet(script: Script) -> list[Problem]:
    if script.directives.transactional is not False:
        return []
    message = "`-- transactional: false` scripts cannot be run by this version"
    return [
        Problem(message, Place(script.path), hint="run it by hand with psql, then record it with `sqlmigrate mark`")
    ]


def _psql_hint(problem: str) -> str | None:
    if "psql command" not in problem:
        return None
    return "scripts are plain SQL; only pg_dump's \\restrict lines are passed over"


_NON_TRANSACTIONAL = "put it alone into a script of its own, run that by hand and record it with `sqlmigrate mark`"
_REFUSED = {
    Kind.TRANSACTION_CONTROL: (
        "a script must not end or begin the transaction that protects it",
        "remove it: every script runs in one transaction, together with its history row",
    ),
    Kind.NOT_IN_TRANSACTION: ("cannot run inside a transaction", _NON_TRANSACTIONAL),
    Kind.COPY_IN: ("COPY data inside a script cannot be run by this version", "use INSERT, or load it with psql"),
    Kind.COPY_OUT: ("a migration has nowhere to send the rows", "remove it, or write to a server file"),
}
