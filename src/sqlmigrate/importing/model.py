"""What another tool's files say, as values: a migration of theirs, its two directions, and what is wrong with them."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, Problem
from sqlmigrate.sql.position import place_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Source:
    """A file of theirs as text, without a byte order mark; its line ends are as they are."""

    path: Path
    text: str = field(repr=False)
    mark: str = ""

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.path.name

    @property
    def whole(self) -> str:
        """The text with its byte order mark, if it has one: what most tools take a checksum of."""
        return self.mark + self.text

    def place(self, offset: int) -> Place:
        """Return the place of an offset."""
        return place_at(self.path, self.text, offset)

    def problem(
        self, message: str, offset: int | None = None, hint: str | None = None, *, warning: bool = False
    ) -> Problem:
        """Say what is wrong at an offset, or with the file; a warning is of what can be done without."""
        return Problem(message, Place(self.path) if offset is None else self.place(offset), hint, warning=warning)

    def part(self, start: int = 0, end: int | None = None, *, transactional: bool = True) -> Part:
        """Return a stretch of it as one direction of a migration."""
        span = Span(start, len(self.text) if end is None else end)
        return Part(self, (span,), transactional=transactional)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a file from `start` to before `end`; `closing` follows it where a statement needs its semicolon."""

    start: int
    end: int
    closing: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One direction of a migration: stretches of one file, so that no character of the SQL is another one.

    `isolation` is the level of a transaction that the script itself began.
    """

    source: Source
    spans: tuple[Span, ...]
    transactional: bool = field(default=True, kw_only=True)
    isolation: str | None = field(default=None, kw_only=True)

    @property
    def text(self) -> str:
        """The SQL."""
        return "".join(self.source.text[span.start : span.end] + span.closing for span in self.spans)

    def offset(self, offset: int) -> int:
        """Return where an offset of the SQL lies in the file."""
        starts, total = [], 0
        for span in self.spans:
            starts.append(total)
            total += span.end - span.start + len(span.closing)
        at = max(bisect_right(starts, offset) - 1, 0)
        span = self.spans[at] if self.spans else Span(0, 0)
        return min(span.start + offset - (starts[at] if starts else 0), span.end)

    def without(self, cuts: Sequence[tuple[int, int]]) -> Part:
        """Return it without some stretches of the file, which rise and do not overlap."""
        spans: list[Span] = []
        for span in self.spans:
            at = span.start
            for start, end in cuts:
                if at <= start and end <= span.end:
                    spans.append(Span(at, start))
                    at = end
            spans.append(replace(span, start=at))
        return replace(self, spans=tuple(spans))


@dataclass(frozen=True, slots=True)
class Theirs:
    """A migration as another tool has it.

    `version` is how its history names it, in one spelling of the many that a number has; `stem` is what its id here
    begins or ends with. A direction that cannot be converted is None, and `problems` say why. `depends` are versions.
    `checksums` are what the tool may have recorded of the file. `expect` are queries that are true after its undo.
    """

    version: str
    stem: str
    path: Path
    up: Part | None
    down: Part | None = None
    depends: tuple[str, ...] = ()
    checksums: tuple[str, ...] = ()
    expect: str | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """All that a tool's files say: migrations in the order in which it runs them, and what is wrong beside them.

    `numbered` says that the tool's names give no order, so that each id here begins with a number.
    """

    migrations: tuple[Theirs, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    numbered: bool = False
