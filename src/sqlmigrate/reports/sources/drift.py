"""Issues of a drift: each object that is not what the files make it. They are in no file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.reports.model import Issue, Issues, sealed
from sqlmigrate.schema.diff import as_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlmigrate.drift.model import Drift
    from sqlmigrate.reports.model import Root
    from sqlmigrate.schema.diff import Change

_KINDS = {
    "added": ("extra", "The database has something that no migration made"),
    "removed": ("missing", "The database lacks something that the migrations made"),
    "changed": ("different", "Something is not as the migrations made it"),
}
_ADVICE = "write a migration that makes it so, undo the change in the database, or set drift_ignore"


def drifted(drift: Drift, root: Root, folder: Path, version: str) -> Issues:
    """Return what differs; nothing is a test that passes."""
    return Issues("drift", version, root.path(folder), sealed(map(_issue, drift.changes)), _checked(drift))


def _checked(drift: Drift) -> tuple[str, ...]:
    return () if drift.changes else ("the database is what its migrations make of it",)


def _issue(change: Change) -> Issue:
    rule, title = _KINDS[change.kind]
    return Issue(
        rule=f"drift/{rule}",
        title=title,
        severity="danger",
        message=f"{rule}: {'; '.join(line.strip() for line in _lines(change))}",
        about=f"{change.object.kind} {change.object.name}",
        help="a migration that is tested against the files may fail in this database",
        suggestion=_ADVICE,
        same=(change.property or "",),
    )


def _lines(change: Change) -> Iterator[str]:
    yield from as_text((change,))
