"""Turn the problems that were found into one SeedError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, Problem, SeedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

SHOWN = 200
"""Problems of one kind in a file that are shown: to find the lines of very many takes longer than anybody reads."""


def shown(problems: Iterable[Problem], path: Path, *, warning: bool = False) -> Iterator[Problem]:
    """Yield the first problems; where there are more, say so."""
    for count, problem in enumerate(problems):
        if count == SHOWN:
            yield Problem("there are more problems than these", Place(path), "fix these first", warning=warning)
            return
        yield problem


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
