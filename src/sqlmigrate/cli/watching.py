"""How far a migration is, in words: in place on a terminal, a line now and then in a log."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sqlmigrate.cli.foreign_text import printable

if TYPE_CHECKING:
    from sqlmigrate.cli.output import Output
    from sqlmigrate.events import AtWork, Backfilling, BatchesOfOthers, Harm, Progress, Throttled

_NUMBERS = re.compile(r"[\d.,]+")
_SAY_AGAIN = 30.0  # seconds
_WORTH_A_LINE = 1.0  # seconds that a statement has run before a log hears of it
_BAR = 20
_MINUTE, _HOUR = 60, 3600
_UNITS = ("bytes", "kB", "MB", "GB", "TB")
_STEP = 1024


@dataclass(slots=True)
class Watching:
    """Draws how far a migration is; nothing where nobody wants progress."""

    output: Output
    _told: tuple[object, ...] = ()
    _next: float = 0.0
    _lines: list[str] = field(default_factory=list)
    _batches: Backfilling | None = None
    _next_batches: float = 0.0
    _throttle: tuple[tuple[object, ...], float] = ((), 0.0)

    def draw(self, event: Progress) -> None:
        """Draw it in place, or say it in a line if something has changed, or nothing was said for half a minute."""
        if self.output.quiet:
            return
        if self.output.has_live_stderr():
            self._lines = in_place(event, dot())
            self._draw_lines(event.migration_id, event.statement)
            return
        work, now = event.work, time.monotonic()
        told = (event.migration_id, event.statement, work.command, work.phase, work.relation)
        is_new = told != self._told and (work.seconds is None or work.seconds >= _WORTH_A_LINE)
        if is_new or now >= self._next:
            self._told, self._next = told, now + _SAY_AGAIN
            self.output.progress(in_a_line(event, dot()))

    def draw_batches(self, event: Backfilling) -> None:
        """Draw below it how far a statement is that runs in batches, or say it in a line every half minute."""
        if self.output.quiet:
            return
        self._batches = event
        if self.output.has_live_stderr():
            self._draw_lines(event.migration_id, event.statement)
        elif (now := time.monotonic()) >= self._next_batches:
            self._next_batches = now + _SAY_AGAIN
            self.output.progress(f"  {printable(event.migration_id)} {dot()} {batches(event)}")

    def draw_throttle(self, event: Throttled) -> None:
        """Say why the next batch waits, and again only now and then."""
        now, kind = time.monotonic(), (event.migration_id, event.statement, _NUMBERS.sub("", event.reason))
        if kind == self._throttle[0] and now < self._throttle[1]:
            return
        self._throttle = kind, now + _SAY_AGAIN
        seconds = event.seconds_left or 0
        left = "" if seconds < 1 else f"; for {clock(seconds)} at most"
        self.output.progress(printable(f"  {event.migration_id}: the next batch waits: {event.reason}{left}"))

    def _draw_lines(self, migration_id: str, statement: int | None) -> None:
        now = self._batches
        same = now is not None and now.migration_id == migration_id and statement in {None, now.statement}
        self.output.live.draw([*self._lines, *([f"  {batches(now)}"] if now and same else [])])


class Batches(Protocol):
    """How far a statement is that runs in batches, as an event or the history tells it."""

    @property
    def rows(self) -> int:
        """The rows that had their batch."""

    @property
    def estimate(self) -> int | None:
        """About how many rows there are."""

    @property
    def seconds(self) -> float:
        """How long the batches took."""

    @property
    def seconds_left(self) -> float | None:
        """About how long the rest will take."""


def batches(now: Batches, between: str | None = None) -> str:
    """Say how far a statement is that runs in batches, with what stands between two parts: a dot if nothing else."""
    of = f" of about {now.estimate:,}" if now.estimate and now.estimate >= now.rows else ""
    share = f" ({now.rows * 100 // now.estimate}%)" if of and now.estimate else ""
    parts = [f"{now.rows:,}{of} rows{share}" if of else f"{now.rows:,} rows had their batch"]  # 80 columns hold it
    if now.rows and now.seconds:
        parts.append(f"{now.rows / now.seconds:,.0f} rows/s")
    if now.seconds_left is not None:
        parts.append(f"about {clock(now.seconds_left)} left")
    return (between or f" {dot()} ").join(parts)


def of_others(now: BatchesOfOthers) -> str:
    """Say how far the batches of another run are."""
    waits = f" {dot()} the next batch waits: {now.waits}" if now.waits else ""
    return f"it runs {now.migration_id}, statement {now.statement}: {batches(now)}{waits}"


def dot() -> str:
    """Return what stands between two parts, in whatever stderr can show."""
    return "·" if (getattr(sys.stderr, "encoding", None) or "").lower().startswith("utf") else "-"


def in_place(event: Progress, between: str = "·") -> list[str]:
    """Return the lines for a terminal: which migration, which statement, and how far that is."""
    lines = [_head(event, between)]
    if event.text:
        lines.append(f"  {_where(event)}{_text(event.text)}")
    return [*lines, f"  {_how_far(event, between, bar=True)}"]


def in_a_line(event: Progress, between: str = "·") -> str:
    """Return the same as one line of a log."""
    from sqlmigrate.sql.statement.command import command_of  # noqa: PLC0415  only where something takes long

    statement = f"{_where(event)}{command_of(event.text)}" if event.text else "between two statements"
    return f" {between} ".join([_head(event, between), statement, _how_far(event, between)])


def _head(event: Progress, between: str) -> str:
    parts = (f"{event.number} of {event.total}", printable(event.migration_id), clock(event.seconds))
    return f" {between} ".join(parts)


def _where(event: Progress) -> str:
    if event.statement is None:
        return ""
    of = f" of {event.statements}" if event.statements else ""
    line = f" (line {event.place.line})" if event.place and event.place.line else ""
    return f"statement {event.statement}{of}{line}: "


def _text(text: str) -> str:
    return printable(" ".join(text.split()))


def _how_far(event: Progress, between: str, *, bar: bool = False) -> str:
    work = event.work
    parts = []
    if work.phase:
        parts.append(phase(work, bar=bar))
    elif work.seconds is not None:
        parts.append(f"running for {clock(work.seconds)}")
    if event.seconds_left is not None:
        parts.append(f"{clock(event.seconds_left)} left")
    if work.wait and not work.phase:
        parts.append(f"waits for {work.wait}")
    if scale := _scale(work):
        parts.append(scale)
    return f" {between} ".join(parts) or "running"


def phase(work: AtWork, *, bar: bool = False) -> str:
    """Say in which phase a command is, and how much of that is done."""
    on = f" ({printable(work.relation)})" if work.relation and work.parts_total else ""
    if work.total and work.unit == "sessions":
        return f"{work.phase}: {work.done} of {work.total} sessions have ended"
    if work.fraction is not None:
        full = round(work.fraction * _BAR)
        drawn = f" [{'#' * full}{'-' * (_BAR - full)}]" if bar else ""
        parts = f", {work.parts_done} of {work.parts_total} partitions" if work.parts_total else ""
        return f"{work.phase}{drawn} {percent(work)}{parts}{on}"
    return f"{work.phase} {work.done:,} {work.unit}" if work.done else f"{work.phase}{on}"


def harm(event: Harm) -> str:
    """Say whom a script hurt."""
    sessions = "1 session" if event.sessions == 1 else f"{event.sessions:,} sessions"
    if not event.relation:
        return f"{sessions} waited for rows that it changed, longest {event.longest:.1f} s"
    lock = f"{event.mode} on {event.relation}"
    began = f"waited for {lock}" if event.held is None else f"held {lock} {event.held:.1f} s"
    return f"{began}; {sessions} waited, longest {event.longest:.1f} s"


def percent(work: AtWork) -> str:
    """Return the share of a phase that is done, rounded down: 100% is said at its end only."""
    return f"{int((work.fraction or 0.0) * 100)}%"


def _scale(work: AtWork) -> str:
    """Say how large a table was before, where its size is all that there is to tell how long a statement will take."""
    if work.phase or work.relation is None or work.size is None:
        return ""
    rows = f"about {work.rows:,} rows, " if work.rows else ""
    return f"{printable(work.relation)} had {rows}{size_of(work.size)}"


def size_of(size: float) -> str:
    """Return a size in bytes for people, as pg_size_pretty does."""
    at = 0
    while size >= _STEP * 10 and at < len(_UNITS) - 1:
        size, at = size / _STEP, at + 1
    return f"{size:,.0f} {_UNITS[at]}"


def clock(seconds: float) -> str:
    """Return a time as minutes and seconds, with hours where there are some."""
    whole = int(seconds)
    hours = f"{whole // _HOUR}:" if whole >= _HOUR else ""
    return f"{hours}{whole % _HOUR // _MINUTE:02d}:{whole % _MINUTE:02d}"
