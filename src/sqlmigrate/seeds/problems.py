"""Turn the problems that were found into one SeedError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.errors import SeedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlmigrate.errors import Problem


def refuse(problems: Sequence[Problem]) -> None:
    """Raise one error for all problems, if there are any."""
    if problems:
        raise refusal(*problems)


def refusal(*problems: Problem) -> SeedError:
    """Make one error of problems; a single one lends its message, hint and place."""
    if len(problems) == 1:
        [only] = problems
        return SeedError(only.message, problems, hint=only.hint, place=only.place)
    return SeedError(f"the seed data has {len(problems)} problems; nothing was written", problems)
