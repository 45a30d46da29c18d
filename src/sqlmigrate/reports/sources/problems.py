"""Issues of what is wrong with files: what `validate` finds, and what a plan says of edited ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.migrations.model import ROLLBACK
from sqlmigrate.reports.model import Issue, Issues, sealed, squeezed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from sqlmigrate.errors import Problem
    from sqlmigrate.migrations.validate import Report
    from sqlmigrate.reports.model import Root

TITLES = {
    "edited-applied": "A migration that the base branch has is edited",
    "renamed-applied": "A migration that the base branch has has another name",
    "gone-applied": "A migration that the base branch has is no longer there",
    "number-taken": "The base branch has a migration of the same number",
    "number-twice": "Two migrations have the same number",
    "order-of-numbers": "Names are sorted as text, not by their numbers",
    "no-rollback": "There is no rollback script",
    "file-refused": "apply refuses this file",
    "file-doubtful": "This file may not do what is meant",
}
_NUMBER = re.compile(r"\d+")


def found_in_files(report: Report, root: Root, folder: Path, version: str) -> Issues:
    """Return what `validate` found."""
    checked = tuple(migration.migration_id for migration in report.ordered)
    issues = sealed(issues_of(report.problems, root))
    headline = "" if report.contents_checked else "the contents are checked once the errors are fixed"
    return Issues("validate", version, root.path(folder), issues, checked, headline)


def issues_of(problems: Iterable[Problem], root: Root) -> Iterator[Issue]:
    """Yield an issue for each problem."""
    for problem in problems:
        place = problem.place
        rule = problem.rule or ("file-doubtful" if problem.warning else "file-refused")
        # without a rule of its own, only the words tell one kind from another; figures in them may change
        kind = "" if problem.rule else _NUMBER.sub("#", problem.message)
        yield Issue(
            rule=f"files/{rule}",
            title=TITLES[rule],
            severity="warning" if problem.warning else "danger",
            message=problem.message,
            about=_id_of(place.path) if place else "migrations",
            path=root.path(place.path) if place else None,
            line=place.line if place else None,
            column=place.column if place else None,
            suggestion=problem.hint,
            same=(kind, squeezed(place.text or "") if place else ""),
        )


def _id_of(path: Path) -> str:
    return path.name.removesuffix(ROLLBACK) if path.name.endswith(ROLLBACK) else path.stem
