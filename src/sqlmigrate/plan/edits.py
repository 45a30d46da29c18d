"""Applied migrations whose files are gone or were edited."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, Problem
from sqlmigrate.plan.order import said_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlmigrate.history.model import History
    from sqlmigrate.migrations import Migration
    from sqlmigrate.plan.model import Status


def contradictions(
    states: Sequence[Status], history: History, *, exact: bool = False, developing: bool = False
) -> tuple[list[Problem], list[Problem]]:
    """Find applied migrations whose files are gone or edited: errors, and warnings for rollback scripts.

    An edit of comments and white space alone is a warning too, and so is what makes the history itself doubtful, and
    what a newer release has applied unless the files are to be `exact`. In a database for `developing`, `redo` is
    offered for the last one.
    """
    errors: list[Problem] = []
    warnings = history.standing.remarks()
    for item in states:
        if item.recorded is None or item.ahead:
            continue
        if item.missing:
            hint = f"restore the file, or forget the migration with `sqlmigrate unmark {quote(item.migration_id)}`"
            errors.append(Problem(f"{item.migration_id} is applied, but its script is missing", hint=hint))
        elif item.edited and item.migration is not None:
            recorded = history.text_of(item.migration_id).script
            redo = developing and _can_be_redone(item, history)
            problem = _edited(item.migration, recorded, comments_only=item.comments_only, redo=redo)
            (warnings if problem.warning else errors).append(problem)
        if item.migration is not None and item.rollback_edited:
            place = Place(item.migration.script.path.with_suffix(".rollback.sql"))
            warnings.append(Problem("is not the rollback script that was recorded at apply", place, warning=True))
    if newer := [item.migration_id for item in states if item.ahead]:
        (errors if exact else warnings).append(_ahead(newer, exact=exact))
    return errors, warnings


def _ahead(newer: Sequence[str], *, exact: bool) -> Problem:
    message = f"{said_of(newer)}; a newer release applied what has no file here"
    hint = "use the files of that release, or leave out --exact" if exact else None
    return Problem(message, hint=hint, warning=not exact)


def _can_be_redone(item: Status, history: History) -> bool:
    last = history.applied[-1]
    undone = last.rollback_checksum is not None or (item.migration is not None and item.migration.rollback is not None)
    return item.migration_id == last.migration_id and not last.marked and undone


def _edited(migration: Migration, recorded: str | None, *, comments_only: bool, redo: bool) -> Problem:
    """Report an applied script that was edited, with the difference to what was applied."""
    script, place = migration.script, Place(migration.script.path)
    accept = f"`sqlmigrate accept {quote(migration.migration_id)} --reason ...` records it as it is now"
    again = "if this database is only for development, `sqlmigrate redo` undoes it and applies it as it is now; else "
    hint = f"{again if redo else ''}restore the file as it was, and make the change in a new migration; {accept}"
    if recorded is None or script.text is None:
        unknown = ("(its text was not recorded, so no difference can be shown)",)
        return Problem("was edited after it was applied", place, hint, detail=unknown)
    from sqlmigrate.sql.difference import unified  # noqa: PLC0415  only where a file was edited

    detail = tuple(unified(recorded, script.text, script.path.name))
    if comments_only:
        message = "was edited after it was applied, in comments and white space only"
        return Problem(message, place, accept, warning=True, detail=detail)
    return Problem("was edited after it was applied", place, hint, detail=detail)
