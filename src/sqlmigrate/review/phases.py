"""When a migration belongs: before a new version of the application is out, or after it, by what was found in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.sql.directives import PHASES

if TYPE_CHECKING:
    from sqlmigrate.migrations import Migration
    from sqlmigrate.review.model import Direction

BEFORE, AFTER = PHASES
_BREAKS_OLD_CODE = frozenset({"H21", "H23", "H50"})
_NEEDED = ("table ", "column ", "view ", "function ", "procedure ", "type ", "sequence ", "schema ")


def proposed(migration: Migration, forward: Direction) -> tuple[str | None, str | None]:
    """Return the phase that a migration belongs to where it is not the one that it has, and a note that says why.

    Where it both breaks old code and makes what new code needs, no phase is right: the note says to split it.
    """
    breaks = sorted(
        {hazard.code for part in forward.statements for hazard in part.hazards if _counts(hazard.code, hazard.severity)}
    )
    makes = any(made.startswith(_NEEDED) for part in forward.statements for made in part.made)
    if breaks and makes:
        note = (
            f"it breaks old code ({', '.join(breaks)}) and makes what new code may need: no order of deployment suits "
        )
        return None, f"{note}both, so split it into one migration before the deploy and one after it"
    if breaks and migration.phase == BEFORE:
        return AFTER, f"it breaks old code ({', '.join(breaks)}), so it belongs after the deploy: {_say(AFTER)}"
    if makes and not breaks and migration.phase == AFTER:
        return BEFORE, f"it makes what new code may need and breaks no old code, so it belongs before: {_say(BEFORE)}"
    return None, None


def _counts(code: str, severity: str) -> bool:
    return code in _BREAKS_OLD_CODE and severity != "note"


def _say(phase: str) -> str:
    return f"`-- sqlmigrate: phase={phase}`"
