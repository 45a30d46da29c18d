"""What a check of a function's body is about, and what it found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Probe(NamedTuple):
    """A statement of a function that can be checked; `table` is the one whose trigger runs it.

    Of a `body` that was checked as a whole, known by its digest, there are the statements in which something was found,
    and one that is empty and stands for all the others.
    """

    function: str
    statement: str
    table: str | None = None
    body: str | None = None

    def passed(self, found: Mapping[Probe, str | None]) -> bool:
        """Whether a check of everything took this statement."""
        if self in found or self.body is None:
            return self in found and found[self] is None
        return self._replace(statement="") in found


@dataclass(frozen=True, slots=True)
class Broken:
    """A statement in a function that PostgreSQL takes before a script and refuses behind it, and what it says."""

    function: str
    statement: str
    error: str
    table: str | None = None
