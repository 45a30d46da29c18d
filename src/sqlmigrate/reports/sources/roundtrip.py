"""Issues of round trips: each pair whose undo is not proven."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.reports.model import Issue, Issues, Severity, sealed
from sqlmigrate.schema.diff import as_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlmigrate.migrations import Migration
    from sqlmigrate.reports.model import Root
    from sqlmigrate.roundtrip import RoundTrip

_VERDICTS: dict[str, tuple[Severity, str]] = {
    "lossy": ("warning", "Nothing shows that data comes back after a rollback"),
    "not_restored": ("danger", "The rollback does not restore what was there"),
    "fails": ("danger", "A script of the pair fails"),
    "irreversible": ("danger", "There is no rollback script"),
    "not_tried": ("danger", "The round trip was not tried"),
}
_LINES = 6


def unproven(
    trips: Sequence[RoundTrip], migrations: Mapping[str, Migration], root: Root, folder: Path, version: str
) -> Issues:
    """Return one issue for each pair that is not proven; a lossy one is a warning."""
    found = sealed(
        _issue(trip, migrations[trip.migration_id], root) for trip in trips if trip.verdict.value in _VERDICTS
    )
    return Issues("roundtrip", version, root.path(folder), found, tuple(trip.migration_id for trip in trips))


def told(trip: RoundTrip) -> str:
    """Say in a line why a pair is not proven."""
    title = _VERDICTS[trip.verdict.value][1]
    lines = [line.strip() for line in _lines(trip)]
    more = f"; and {len(lines) - _LINES} more lines" if len(lines) > _LINES else ""
    said = "; ".join(lines[:_LINES]) + more
    return f"{title[0].lower()}{title[1:]}" + (f": {said}" if said else "")


def _issue(trip: RoundTrip, migration: Migration, root: Root) -> Issue:
    severity, title = _VERDICTS[trip.verdict.value]
    error = trip.failure.error if trip.failure else None
    place = error.place if error else None
    script = migration.rollback if migration.rollback and trip.verdict.value != "fails" else migration.script
    return Issue(
        rule=f"roundtrip/{trip.verdict.value.replace('_', '-')}",
        title=title,
        severity=severity,
        message=told(trip),
        about=trip.migration_id,
        path=root.path(place.path if place else script.path),
        line=place.line if place else None,
        column=place.column if place else None,
        suggestion=error.hint if error else None,
    )


def _lines(trip: RoundTrip) -> Iterator[str]:
    yield from as_text(trip.differences)
    if trip.failure is not None:  # applied again, it may stumble over what was left
        yield f"{trip.failure.step} failed: {trip.failure.error.message}"
    yield from as_text(trip.again)
    yield from map(str, (*trip.data, *trip.data_again))
    yield from trip.lost
    yield from (problem.message for problem in (*trip.expectations, *trip.not_tried))
