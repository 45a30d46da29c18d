"""A run as issues, for the formats of other programs: a target is a thing checked, an error an issue of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.fleet.model import WELL
from sqlmigrate.fleet.report import sums
from sqlmigrate.reports.model import Issue, Issues, sealed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.fleet.ledger import Entry, RunRecord


def of_run(record: RunRecord, version: str) -> Issues:
    """Return an issue for each target that is not where it was to be brought."""
    entries = list(record.all_entries())
    found = sealed(issue for entry in entries for issue in _issue(entry))
    checked = tuple(entry.target for entry in entries)
    return Issues("fleet", version, "", found, checked, sums.headline(record))


def _issue(entry: Entry) -> Iterator[Issue]:
    if entry.state in WELL:
        return
    failed = entry.failure if entry.state.value == "failed" else None
    yield Issue(
        rule=f"fleet/{entry.state.value}",
        title=f"A target is {entry.state.value}" if failed is None else "A target failed",
        severity="danger" if failed else "warning",
        message=str(failed) if failed else f"it is {entry.state.value}",
        about=entry.target,
        suggestion=failed.hint if failed else None,
        same=(failed.fingerprint,) if failed else (),
    )
