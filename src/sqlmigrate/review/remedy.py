"""What to do instead of a hazard's statement, as SQL: one part of a review's public model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RemedyStep:
    """One file of a remedy: the script of a migration, and the one that undoes it.

    `name` says in a word what it does, such as expand or backfill. `rollback` is None where what it does cannot be
    undone. `first` says what has to be done before it is applied, such as to deploy a version of the application.
    """

    name: str
    sql: str
    rollback: str | None
    transactional: bool = True
    first: str | None = None


@dataclass(frozen=True, slots=True)
class Remedy:
    """SQL for the very objects of a hazard, in one or several migrations, that was run on the shadow.

    It stands in the place of the statement, or `after` it. `same` says that it leaves the same schema as the statement
    does, which was compared. `becomes` says what the statement locks, rewrites and reads, and what this does instead;
    None where the statement does nothing of it, or where it was not tried.
    """

    steps: tuple[RemedyStep, ...]
    after: bool = False
    same: bool = False
    becomes: str | None = None
