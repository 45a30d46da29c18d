"""What is known of the use of an object, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["used", "unused", "unknown"]
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Use:
    """When an object that a statement drops or renames was last used in the target, and by what; `said` in words.

    - `object` names it, such as `column public.customers.fax`; `line` is that of the statement.
    - `used_by` says what uses it, those with the most calls first; `unknown` why it is not known whether it is used.
    - `notes` say what the evidence does not cover.
    - `statements` is how many statements were looked through, `since` from when on (ISO 8601); None where none were.
    """

    object: str
    line: int
    verdict: Verdict
    said: str
    used_by: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    statements: int | None = None
    since: str | None = None


def said(name: str, used_by: tuple[str, ...], unknown: tuple[str, ...], statements: int | None, days: float) -> str:
    """Say it in one sentence; `days` is for how long it was counted."""
    if used_by:
        more = len(used_by) - _SHOWN
        rest = f"; and {more:,} more" if more > 0 else ""
        return f"{name} is used: {'; '.join(used_by[:_SHOWN])}{rest}"
    if unknown:
        return f"whether {name} is used is not known: {'; '.join(unknown)}"
    counted = f" by any of {statements:,} statements" if statements is not None else ""
    since = f" in {days:.0f} days" if days >= 1 else ""
    return f"{name} was not used{counted}{since}"
