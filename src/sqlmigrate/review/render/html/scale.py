"""Where statements stand in the picture of the locks: as wide as they take time on the target, else all alike."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from sqlmigrate.review.figures import in_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlmigrate.review.model import Direction

_TICKS = 12  # numbers of statements below the picture
_LEAST, _UNKNOWN = 0.015, 0.12  # shares of the width: of what takes a moment, of what nobody knows the time of
_NUMBERED, _APART = 0.03, 0.14  # shares: what is wide enough for its number, and how far apart times stand
_SHORT = 1.0  # seconds: a script that takes less is drawn by its statements


@dataclass(frozen=True, slots=True)
class Scale:
    """The left edges of statements 1 to n as shares of the width, and 1 behind them; `ticks` are those numbered.

    `times` are shares with what stands below them; without figures there are none. `unknown` are the statements whose
    time is not known.
    """

    edges: tuple[float, ...]
    ticks: tuple[int, ...]
    times: tuple[tuple[float, str], ...] = ()
    unknown: tuple[int, ...] = ()

    @property
    def timed(self) -> bool:
        """Whether time runs from left to right."""
        return bool(self.times)

    def start(self, number: int) -> float:
        """Return where a statement begins."""
        return self.edges[min(number, len(self.edges)) - 1]

    def end(self, number: int) -> float:
        """Return where a statement ends."""
        return self.edges[min(number, len(self.edges) - 1)]

    def middle(self, number: int) -> float:
        """Return the middle of a statement."""
        return (self.start(number) + self.end(number)) / 2


def scale(direction: Direction, last: int) -> Scale:
    """Choose the scale of a script with so many statements."""
    known = {one.number: one.takes for one in direction.statements if one.takes is not None}
    most = [known[number].most if number in known else 0.0 for number in range(1, last + 1)]
    if sum(most) < _SHORT:
        return Scale(tuple(at / last for at in range(last + 1)), tuple(_numbered(last)))
    unknown = {number for number in range(1, last + 1) if number not in known or known[number].unknown}
    widths = _widths(most, unknown)
    edges = (0.0, *accumulate(widths))
    whole = edges[-1]
    shares = tuple(edge / whole for edge in edges)
    wide = tuple(at + 1 for at, width in enumerate(widths) if width / whole >= _NUMBERED)
    return Scale(shares, wide, tuple(_times(shares, most)), tuple(sorted(unknown)))


def _widths(most: Sequence[float], unknown: set[int]) -> list[float]:
    """Give each statement its time, but a moment and what is not known a share that can be seen."""
    whole = sum(most)
    least = min(_LEAST, 0.5 / len(most)) * whole
    return [max(seconds, _UNKNOWN * whole if number in unknown else least) for number, seconds in enumerate(most, 1)]


def _times(edges: Sequence[float], most: Sequence[float]) -> list[tuple[float, str]]:
    """Say below the ends of the long statements how much time has passed at the most, with room between them."""
    passed = [0.0, *accumulate(most)]
    found = [(0.0, "0"), (1.0, f"≤ {in_time(passed[-1])}")]
    for at in sorted(range(1, len(edges) - 1), key=lambda at: -most[at - 1]):
        place = bisect_right(found, (edges[at], ""))
        if most[at - 1] >= _SHORT and all(abs(edges[at] - other) >= _APART for other, _ in found):
            found.insert(place, (edges[at], f"≤ {in_time(passed[at])}"))
    return found


def _numbered(last: int) -> list[int]:
    """Choose the statements to be numbered: all, or as many as can be read."""
    steps = (step * 10**power for power in range(9) for step in (1, 2, 5))
    step = next(step for step in steps if last / step <= _TICKS)
    return list(range(1, last + 1)) if step == 1 else list(range(step, last + 1, step))
