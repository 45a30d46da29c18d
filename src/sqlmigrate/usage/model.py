"""What is known of the use of an object, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Use:
    """When an object was last used, and by what.

    - `object` names it, such as `column public.customers.fax`; `line` is that of the statement.
    - `how` is one of `drops`, `renames` and `moves`.
    - `used_by` says what uses it, those with the most calls first; `unknown` why it is not known whether it is used.
    - `notes` say what the evidence does not cover.
    - `statements` is how many statements were looked through, since `since`; None where none could be.
    """

    object: str
    how: str
    line: int
    used_by: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    statements: int | None = None
    since: datetime | None = None
    days: float | None = None

    @property
    def verdict(self) -> str:
        """One of `used`, `unknown` and `unused`."""
        return "used" if self.used_by else "unknown" if self.unknown else "unused"

    def __str__(self) -> str:
        """Say it in one sentence or two."""
        if self.used_by:
            more = len(self.used_by) - _SHOWN
            rest = f"; and {more:,} more" if more > 0 else ""
            return f"{self.object} is used: {'; '.join(self.used_by[:_SHOWN])}{rest}"
        if self.unknown:
            return f"whether {self.object} is used is not known: {'; '.join(self.unknown)}"
        counted = f" by any of {self.statements:,} statements" if self.statements is not None else ""
        since = f" in {self.days:.0f} days" if self.days and self.days >= 1 else ""
        return f"{self.object} was not used{counted}{since}"
