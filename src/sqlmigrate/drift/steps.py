"""Which scripts made the live database: the applied migrations in the order of their application."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from sqlmigrate.errors import HistoryError
from sqlmigrate.migrations import Migration
from sqlmigrate.sql.script import script_from_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlmigrate.history import Applied, History
    from sqlmigrate.migrations import Migrations, ScriptRun

_NAMED = 5


def texts_needed(found: Migrations, history: History) -> list[str]:
    """Name the applied migrations whose file is not the script that ran, or is gone."""
    return [row.migration_id for row in history.applied if _as_it_ran(found, row) is None]


def _as_it_ran(found: Migrations, row: Applied) -> Migration | None:
    """Return a migration whose file is the one that was recorded, or of which no text was."""
    migration = found.get(row.migration_id)
    if migration is not None and (row.marked or row.checksum in {None, migration.script.checksum}):
        return migration
    return None


def applied_runs(found: Migrations, history: History) -> tuple[list[ScriptRun], list[str]]:
    """Return how each applied migration ran, and what has to be said about it.

    Its script is the file where that is the one that was recorded, else the recorded text. What yoyo applied, what was
    marked and what was too large to be recorded has no such text: the file stands for it. Raises HistoryError where
    there is neither. A migration whose script stopped half way, on whichever way, is left out. The history holds the
    recorded texts that `texts_needed` names.
    """
    runs: list[ScriptRun] = []
    edited: list[str] = []
    gone: list[str] = []
    guessed: list[str] = []
    for row in history.applied:
        if history.half_way_of(row.migration_id):
            continue
        migration = found.get(row.migration_id)
        if (same := _as_it_ran(found, row)) is not None:
            runs.append(same.forward())
        elif (text := history.text_of(row.migration_id).script) is not None:
            path = found.directory / f"{row.migration_id}.sql"
            runs.append(Migration(row.migration_id, script_from_text(path, text)).forward())
            (edited if migration else gone).append(row.migration_id)
        elif migration is not None:
            runs.append(migration.forward())
            guessed.append(row.migration_id)
        else:
            raise _lost(row)
    half_way = dict.fromkeys(item.migration_id for item in history.half_way)
    return runs, [
        *_note(half_way, "stopped half way, and count as not applied"),
        *_note(edited, "were edited after they were applied, so the recorded text was used"),
        *_note(gone, "no longer have a file, so the recorded text was used"),
        *_note(guessed, "were edited after they were applied, and no text was recorded, so the file was used"),
    ]


def _lost(row: Applied) -> HistoryError:
    return HistoryError(
        f"{row.migration_id} is applied, but its script is missing and its text was not recorded",
        hint=f"restore the file, or forget the migration with `sqlmigrate unmark {quote(row.migration_id)}`",
    )


def _note(ids: Iterable[str], words: str) -> list[str]:
    names = list(ids)
    if not names:
        return []
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return [f"these migrations {words}: {', '.join(names[:_NAMED])}{more}"]
