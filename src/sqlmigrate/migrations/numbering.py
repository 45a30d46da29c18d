"""Warn where the order of the names is not that of their numbers: names are sorted as text, so 10 comes before 2.

A number begins the name, with or without Flyway's V: `0003_x`, `V2__x`, `1.10-x`. More than five digits are a date.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

_NUMBER = re.compile(
    r"(?:(?P<v>V)(?P<flyway>[0-9]+(?:[._][0-9]+)*)|(?P<plain>[0-9]+(?:\.[0-9]+)*))(?![0-9A-Za-z])(?P<rest>.*)"
)
_DIGITS = 5
_SAY = "write `-- depends:`, or rename them"
_WIDTH = 4  # digits that a number is told to have


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A script with the number that its name begins with: its parts as they are written, what parts them, the rest."""

    path: Path
    prefix: str
    parts: tuple[str, ...]
    marks: tuple[str, ...]
    rest: str

    @property
    def value(self) -> tuple[int, ...]:
        """The number to compare; to Flyway, too, 1.0 is 1."""
        numbers = [int(part) for part in self.parts]
        while len(numbers) > 1 and not numbers[-1]:
            numbers.pop()
        return tuple(numbers)

    def widened(self, other: _Numbered) -> str:
        """Write the name with a number as wide as the other's, so that text sorts as numbers do."""
        least = _WIDTH if len(self.parts) == len(other.parts) == 1 else 1
        widths = [max(least, len(part)) for part in other.parts]
        widths += [0] * (len(self.parts) - len(widths))
        wide = [part.zfill(width) for part, width in zip(self.parts, widths, strict=False)]
        return self.prefix + "".join(a + b for a, b in zip(wide, (*self.marks, ""), strict=True)) + self.rest


def misnumbered(paths: Sequence[Path], needed: Callable[[str], AbstractSet[str]]) -> list[Problem]:
    """Warn once of numbers that are sorted as text, and once of a number that is there twice.

    `paths` are the scripts in their order; `needed` gives the ids that must come before one: then it is meant.
    """
    numbered = list(filter(None, map(_numbered, paths)))
    return [*_out_of_order(numbered, needed), *_twice(numbered, needed)]


def _numbered(path: Path) -> _Numbered | None:
    if not (found := _NUMBER.match(path.stem)):
        return None
    text = found["flyway"] or found["plain"]
    parts = tuple(re.findall("[0-9]+", text))
    if any(len(part) > _DIGITS for part in parts):
        return None
    return _Numbered(path, found["v"] or "", parts, tuple(re.findall("[._]", text)), found["rest"])


def _out_of_order(numbered: Sequence[_Numbered], needed: Callable[[str], AbstractSet[str]]) -> Iterator[Problem]:
    for high, low in pairwise(numbered):
        in_vain = high.prefix == low.prefix and high.value > low.value and high.path.name < low.path.name
        if in_vain and high.path.stem not in needed(low.path.stem):
            message = f"runs before {low.path.stem}: the order is that of the names"
            names = [low.widened(high), high.widened(low)]
            hint = f"write {names[0]} and {names[1]}, or write `-- depends:`" if names == sorted(names) else _SAY
            yield Problem(message, Place(high.path), hint, warning=True)
            return


def _twice(numbered: Sequence[_Numbered], needed: Callable[[str], AbstractSet[str]]) -> Iterator[Problem]:
    seen: dict[tuple[str, tuple[int, ...]], _Numbered] = {}
    found: list[tuple[_Numbered, _Numbered]] = []
    for item in numbered:
        first = seen.setdefault((item.prefix, item.value), item)
        if first is not item and first.path.stem not in needed(item.path.stem):
            found.append((first, item))
    if found:
        first, item = found[0]
        more = f" (and {len(found) - 1} more such)" if len(found) > 1 else ""
        message = f"it has the same number as {first.path.stem}{more}: the order is that of the names"
        yield Problem(message, Place(item.path), "give each its own number, or write `-- depends:`", warning=True)
