"""How many rows the next batch has: as many as take the time that is wanted."""

from __future__ import annotations

from dataclasses import dataclass

_FIRST = 1_000
_GROWTH = 1.2  # of GitLab's batched background migrations: at most so much a step


@dataclass(slots=True)
class Size:
    """The size of batches that should take `seconds`, between `least` and `most` rows."""

    seconds: float
    least: int
    most: int
    rows: int = _FIRST

    def __post_init__(self) -> None:
        """Keep within the bounds from the beginning."""
        self.rows = self._within(self.rows)

    def took(self, seconds: float, *, full: bool) -> None:
        """Take note of a batch: one that was too slow halves the next one, a full one may let it grow."""
        if seconds > self.seconds:
            self.halve()
        elif full:
            growth = min(_GROWTH, self.seconds / seconds) if seconds > 0 else _GROWTH
            self.rows = self._within(max(self.rows + 1, int(self.rows * growth)) if growth > 1 else self.rows)

    def halve(self) -> bool:
        """Make batches half as large; gives whether they could be."""
        before = self.rows
        self.rows = self._within(self.rows // 2)
        return self.rows < before

    def _within(self, rows: int) -> int:
        return min(max(rows, self.least), self.most)
