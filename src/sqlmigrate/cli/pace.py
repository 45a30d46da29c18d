"""How far long work is, and how long it may still take: in place on a terminal, now and then elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sqlmigrate.cli.foreign_text import one_line
from sqlmigrate.cli.output import is_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from rich.progress import Progress

    from sqlmigrate.cli.output import Output

_TOLD_AGAIN = 30.0
"""Seconds between two lines of a log."""
_KNOWN_AFTER = 3.0
"""Seconds after which the pace says something."""
_MINUTE, _HOUR, _MINUTES_SHOWN = 60, 3600, 90


@dataclass(slots=True)
class Pace:
    """How fast work goes on; `clock` counts seconds."""

    clock: Callable[[], float] = time.monotonic
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin now."""
        self._started = self.clock()

    def words(self, done: int, total: int, *, before: int = 0, after: int = 0) -> str:
        """Say how much is done, and how long the rest takes if it goes on like this.

        So many were done `before` in another way, and so many are to be done `after` it.
        """
        known = f"{done} of {total}"
        seconds = self.clock() - self._started
        behind, ahead = before + done, total - done + after
        if not behind or not ahead or seconds < _KNOWN_AFTER:
            return known
        return f"{known} · {time_left(seconds / behind * ahead)}"


def time_left(seconds: float) -> str:
    """Say about how long it takes: to five seconds under a minute, to a minute under an hour and a half."""
    if seconds < _MINUTE - 2:
        return f"about {max(5, round(seconds / 5) * 5)} s left"
    if seconds < _MINUTES_SHOWN * _MINUTE:
        return f"about {max(1, round(seconds / _MINUTE))} min left"
    return f"about {seconds / _HOUR:.1f} h left"


class Follower(Protocol):
    """Shows how far work is."""

    def tell(self, what: str, done: int, total: int, *, before: int = 0, after: int = 0) -> None:
        """Show what is under way, and how much of all is done: see `Pace.words`."""

    def giving_way(self) -> AbstractContextManager[object]:
        """Let lines be printed in a block."""


@dataclass(slots=True)
class Log:
    """Says it in a line of its own, the first one after half a minute, and no more often than that."""

    output: Output
    clock: Callable[[], float] = time.monotonic
    _pace: Pace = field(init=False)
    _told: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin now."""
        self._pace, self._told = Pace(self.clock), self.clock()

    def tell(self, what: str, done: int, total: int, *, before: int = 0, after: int = 0) -> None:
        """Say it, if it is time to."""
        if done < total and self.clock() - self._told >= _TOLD_AGAIN:
            self._told = self.clock()
            self.output.progress(f"{what}: {self._pace.words(done, total, before=before, after=after)}")

    def giving_way(self) -> AbstractContextManager[object]:
        """Do nothing: lines stand one below the other."""
        return nullcontext()


class Bar:
    """Shows it in place, on a terminal."""

    def __init__(self, bar: Progress, after: float = 0.0) -> None:
        self._bar, self._pace, self._is_shown = bar, Pace(), False
        self._starts = time.monotonic() + after
        self._task = bar.add_task("", total=None)

    def tell(self, what: str, done: int, total: int, *, before: int = 0, after: int = 0) -> None:
        """Show it."""
        from rich.markup import escape  # noqa: PLC0415  only on a terminal

        if not self._is_shown:
            if time.monotonic() < self._starts:
                return
            self._bar.start()
            self._is_shown = True
        words = escape(one_line(f"{what}: {self._pace.words(done, total, before=before, after=after)}", styled=False))
        self._bar.update(self._task, description=words, total=total, completed=done)

    @contextmanager
    def giving_way(self) -> Iterator[None]:
        """Take the bar away for a block."""
        self.end()
        yield
        if self._is_shown:
            self._bar.start()

    def end(self) -> None:
        """Take the bar away."""
        if self._is_shown:
            self._bar.stop()


@contextmanager
def following(output: Output, *, after: float = 0.0) -> Iterator[Follower]:
    """Show how far work is in a block: with a bar where somebody sits at a terminal, else in a line now and then.

    The bar is there once work has gone on for so many seconds.
    """
    if output.quiet or output.as_json or not is_terminal(sys.stderr):
        yield Log(output)
        return
    from rich.console import Console  # noqa: PLC0415  only on a terminal
    from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415  same

    columns = (TextColumn("[progress.description]{task.description}"), BarColumn())
    bar = Bar(Progress(*columns, console=Console(stderr=True), transient=True), after)
    try:
        yield bar
    finally:
        bar.end()
