"""Hold the yoyo command, which sorts names as text, to a project's natural order."""

from __future__ import annotations

from itertools import groupby, zip_longest
from typing import TYPE_CHECKING

from sqlmigrate.errors import UsageError
from sqlmigrate.migrations import in_order, load

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlmigrate.history import History
    from sqlmigrate.migrations import Migration


def require_natural(operation: str, steps: Sequence[Migration], found: History) -> None:
    """Refuse to run what does not come next in natural order; raises UsageError before anything runs.

    What is rolled back is what was applied last. Of several folders each has its own order, as in yoyo.
    """
    if operation == "rollback":
        applied = [row.migration_id for row in reversed(found.applied)]
        asked = [step.migration_id for step in steps if step.migration_id in applied]
        _require_same(asked, applied, "was applied later")
        return
    for folder, own in groupby(sorted(steps, key=_folder), key=_folder):
        done = {row.migration_id for row in found.applied}
        files = load(folder, order="natural")
        pending = in_order((item for item in files.ordered if item.migration_id not in done), "natural")
        due = [item.migration_id for item in pending]
        _require_same([step.migration_id for step in own], due, "comes first in the natural order")


def _folder(step: Migration) -> Path:
    return step.script.path.parent


def _require_same(asked: Sequence[str], due: Sequence[str], why: str) -> None:
    """Refuse the first id that is not the one that is due."""
    for name, first in zip_longest(asked, due[: len(asked)]):
        if name != first:
            message = f"{name} cannot run now: {first} {why}" if first else f"{name} cannot run now"
            raise UsageError(
                f'{message}; this project says order = "natural", and yoyo sorts names as text; nothing was run',
                hint="use `sqlmigrate apply` and `sqlmigrate rollback`",
            )
