"""How a statement is asked, and what a database says to a whole workload."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlmigrate.review.workload.asking import Asked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlmigrate.review.workload.asking import Answer, Refusal
    from sqlmigrate.review.workload.forms import Form

_PARAMETERS = re.compile(r"\$(\d{1,5})(?!\d)")


@dataclass(frozen=True, slots=True)
class Way:
    """How a statement is asked: `role` is None for the owner of the database, `path` None for what the role finds."""

    role: str | None
    path: str | None
    form: Form

    def asked(self, types: Sequence[int] = ()) -> Asked:
        """Return what goes to the server; `types` are those of its parameters, where they are known already."""
        return Asked(self.form.text, tuple(types or self.form.types), _parameters(self.form.text))

    def again(self, refusal: Refusal | None) -> Way | None:
        """Return the same way with types for the parameters that a refusal is about."""
        form = self.form.again(refusal) if refusal else None
        return replace(self, form=form) if form else None


@dataclass(frozen=True, slots=True)
class Standing:
    """What a workload meets in one state of a database, by the number of the query in the workload.

    `ways` are those by which a statement was taken, `answers` what was said to it, also where nothing was taken;
    `types` are PostgreSQL's names of types by their OIDs, `roles` those of the workload that are there.
    """

    ways: Mapping[int, Way] = field(default_factory=dict)
    answers: Mapping[int, Answer] = field(default_factory=dict)
    types: Mapping[int, str] = field(default_factory=dict)
    roles: frozenset[str] = frozenset()

    def taken(self) -> list[int]:
        """Return the numbers of the queries that the database takes."""
        return [number for number in self.ways if self.answers[number].taken]


def _parameters(text: str) -> int:
    """Return how many parameters a statement has; one in a quote counts too, and does no harm."""
    return max((int(number) for number in _PARAMETERS.findall(text)), default=0)
