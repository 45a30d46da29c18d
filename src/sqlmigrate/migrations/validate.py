"""Check a directory of migrations offline: everything that `apply` and `rollback` would refuse, and some more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.errors import MigrationsError, Place, Problem
from sqlmigrate.files.changed import since
from sqlmigrate.migrations import branch
from sqlmigrate.migrations.files import load
from sqlmigrate.migrations.preflight import preflight
from sqlmigrate.migrations.template import untouched
from sqlmigrate.sql.statement.parse import complaints
from sqlmigrate.sql.unread import unread_directives

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlmigrate.config import Order
    from sqlmigrate.migrations.model import Migration, ScriptRun
    from sqlmigrate.sql.script import Script


@dataclass(frozen=True, slots=True)
class Report:
    """The migrations in order, where the files allow one, and all problems, errors first.

    `contents_checked` is False where the files allow no order: what stands in them is then not judged yet.
    """

    ordered: tuple[Migration, ...]
    problems: tuple[Problem, ...]
    contents_checked: bool = True


def validate(directory: Path, *, order: Order = "name", revision: str | None = None) -> Report:
    """Check every file of a migrations directory; raises nothing for what is wrong in them.

    With a `revision` of git, so is what this work does to the migrations that the revision has (`branch`). Raises
    UsageError and GitError where git does not know it.
    """
    try:
        found = load(directory, order=order)
    except MigrationsError as error:
        if not error.problems:
            raise
        return Report((), error.problems, contents_checked=False)
    problems = list(found.warnings)
    for migration in found.ordered:
        for run in migration.runs():
            problems += _script_problems(run)
        problems += _empty(migration)
    problems += branch.problems(found, since(found.directory, revision)) if revision is not None else []
    return Report(found.ordered, tuple(sorted(problems, key=lambda problem: problem.warning)))


def _script_problems(run: ScriptRun) -> list[Problem]:
    script, refused = run.script, preflight(run)
    unread = unread_directives(script.path, script.text) if script.text is not None else []
    return (refused or list(_syntax(script))) + unread


def _syntax(script: Script) -> Iterator[Problem]:
    hint = "PostgreSQL itself decides: our parser may be older than your server"
    for piece in script.pieces():
        for complaint in complaints(piece.text):
            place = script.place(piece, complaint.offset)
            yield Problem(complaint.message, place, hint, warning=True)


def _empty(migration: Migration) -> list[Problem]:
    """Warn of a script that does nothing, and of a rollback that undoes nothing of a script."""
    script, rollback = migration.script, migration.rollback
    if any(untouched(run) for run in migration.runs()):
        return []
    if not any(script.pieces()):
        return [Problem("this script has no statement, so it changes nothing", Place(script.path), warning=True)]
    if rollback is None or any(rollback.pieces()):
        return []
    return [Problem("this rollback script has no statement, so it undoes nothing", Place(rollback.path), warning=True)]
