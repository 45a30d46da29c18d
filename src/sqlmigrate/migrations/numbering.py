"""The numbers that names begin with: sort by them, and warn where the order of the names as text is not theirs.

A number begins the name, with or without Flyway's V: `0003_x`, `V2__x`, `1.10-x`. More than five digits are a date.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import Place, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from sqlmigrate.config import Order

_NUMBER = re.compile(
    r"(?:(?P<v>V)(?P<flyway>[0-9]+(?:[._][0-9]+)*)|(?P<plain>[0-9]+(?:\.[0-9]+)*))(?![0-9A-Za-z])(?P<rest>.*)"
)
_LEADING = re.compile(r"[Vv][0-9]+(?:[._][0-9]+(?![0-9A-Za-z]))*|[0-9]+(?:\.[0-9]+(?![0-9A-Za-z]))*")
_DIGITS = 5
_UNIQUE = 14  # digits of a time to the second, which is there once unless by mistake
_NATURAL = 'set order = "natural"'
_SAY = f"{_NATURAL}, write `-- depends:`, or rename them"
_WIDTH = 4  # digits that a number is told to have


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A script with the number that its name begins with: its parts as they are written, what parts them, the rest.

    `value` is the number to compare; to Flyway, too, 1.0 is 1.
    """

    path: Path
    prefix: str
    parts: tuple[str, ...]
    marks: tuple[str, ...]
    rest: str
    value: tuple[int, ...]

    @property
    def is_date(self) -> bool:
        """Whether it has too many digits for a number that somebody counts."""
        return any(len(part) > _DIGITS for part in self.parts)

    @property
    def is_unique(self) -> bool:
        """Whether no other one should have it: many may be of one day, but not of one second."""
        return not self.is_date or len(self.parts[0]) >= _UNIQUE

    def widened(self, other: _Numbered) -> str:
        """Write the name with a number as wide as the other's, so that text sorts as numbers do."""
        least = _WIDTH if len(self.parts) == len(other.parts) == 1 else 1
        widths = [max(least, len(part)) for part in other.parts]
        widths += [0] * (len(self.parts) - len(widths))
        wide = [part.zfill(width) for part, width in zip(self.parts, widths, strict=False)]
        return self.prefix + "".join(a + b for a, b in zip(wide, (*self.marks, ""), strict=True)) + self.rest


def natural(name: str) -> tuple[Any, ...]:
    """Return what names are sorted by in natural order: by the number that they begin with, and then by the rest.

    A V before the number does not count, `V1.10__x` is version 1.10 as to Flyway (and so is `V1_10__x`), 1.0 is 1, and
    numbers in the rest count as numbers, too. Names without a number come last.
    """
    found = _LEADING.match(name)
    if found is None:
        return 1, (), _chunks(name), name
    parts = re.findall("[0-9]+", found[0])
    return 0, _value(parts), _chunks(name[found.end() :]), name


def _value(parts: Sequence[str]) -> tuple[int, ...]:
    numbers = [int(part) for part in parts]
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _chunks(text: str) -> tuple[str | int, ...]:
    """Cut a text into what stands between its numbers and these, in turn."""
    return tuple(int(part) if at % 2 else part for at, part in enumerate(re.split("([0-9]+)", text)))


def misnumbered(paths: Sequence[Path], needed: Callable[[str], AbstractSet[str]], order: Order) -> list[Problem]:
    """Warn once of numbers that are sorted as text, and once of a number that is there twice.

    `paths` are the scripts in their order; `needed` gives the ids that must come before one: then it is meant.
    """
    numbered = list(filter(None, map(_numbered, paths)))
    found = [] if order == "natural" else [*_out_of_order([item for item in numbered if not item.is_date], needed)]
    twice = [*_alike(numbered, needed, order)]
    return [*found, *(_twice(*twice[0], more=len(twice) - 1) for _ in twice[:1])]


def doubled(
    paths: Sequence[Path], added: AbstractSet[Path], needed: Callable[[str], AbstractSet[str]], order: Order
) -> Iterator[Problem]:
    """Warn of each number that is there twice since one of the two scripts was `added`."""
    numbered = filter(None, map(_numbered, paths))
    return (_twice(*pair) for pair in _alike(numbered, needed, order) if not added.isdisjoint(pair))


def _alike(
    numbered: Iterable[_Numbered], needed: Callable[[str], AbstractSet[str]], order: Order
) -> Iterator[tuple[Path, Path]]:
    """Yield each script that has the number of an earlier one, after that; see `misnumbered`."""
    seen: dict[tuple[str, tuple[int, ...]], Path] = {}
    for item in numbered:
        if item.is_unique:
            first = seen.setdefault(("" if order == "natural" else item.prefix, item.value), item.path)
            if first is not item.path and first.stem not in needed(item.path.stem):
                yield first, item.path


def taken(paths: Sequence[Path], theirs: Iterable[Path], where: str) -> Iterator[Problem]:
    """Warn of each script whose number another branch, `where`, has given to a script of its own."""
    there = {item.value: item for item in filter(None, map(_numbered, theirs)) if item.is_unique}
    for item in filter(None, map(_numbered, paths)):
        if (other := there.get(item.value)) is not None:
            message = f"{where} has a migration of the same number, {other.path.stem}"
            yield Problem(
                message,
                Place(item.path),
                "give it the next number before the two meet",
                warning=True,
                rule="number-taken",
            )


def _numbered(path: Path) -> _Numbered | None:
    if not (found := _NUMBER.match(path.stem)):
        return None
    text = found["flyway"] or found["plain"]
    if text.isdecimal():
        return _Numbered(path, found["v"] or "", (text,), (), found["rest"], (int(text),))
    parts = tuple(re.findall("[0-9]+", text))
    return _Numbered(path, found["v"] or "", parts, tuple(re.findall("[._]", text)), found["rest"], _value(parts))


def _out_of_order(numbered: Sequence[_Numbered], needed: Callable[[str], AbstractSet[str]]) -> Iterator[Problem]:
    for high, low in pairwise(numbered):
        in_vain = high.prefix == low.prefix and high.value > low.value and high.path.name < low.path.name
        if in_vain and high.path.stem not in needed(low.path.stem):
            message = f"runs before {low.path.stem}: the order is that of the names"
            names = [low.widened(high), high.widened(low)]
            wider = f"{_NATURAL}, write {names[0]} and {names[1]}, or write `-- depends:`"
            hint = wider if names == sorted(names) else _SAY
            yield Problem(message, Place(high.path), hint, warning=True, rule="order-of-numbers")
            return


def _twice(first: Path, path: Path, more: int = 0) -> Problem:
    said = f" (and {more} more such)" if more else ""
    message = f"it has the same number as {first.stem}{said}: the order is that of the names"
    return Problem(
        message, Place(path), "give each its own number, or write `-- depends:`", warning=True, rule="number-twice"
    )
