"""Try one pair of scripts there and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fixtures.project import Project
from sqlmigrate import roundtrip, shadow
from sqlmigrate.engine import Options
from sqlmigrate.roundtrip import RoundTrip

NOTHING = Path(__file__).parent / "nothing"
"""A folder of `bootstrap/` with nothing in it, so that nothing is made as superuser: then pairs are tried in place."""


def tried(project: Project, server: shadow.Shadow, *ids: str, options: Options | None = None) -> list[RoundTrip]:
    """Try these migrations of a project, or all, with their samples.

    They are tried on copies, and in place too where that is ever done: both must find the same.
    """
    found = project.load()
    samples, astray = roundtrip.find_samples(found)
    assert astray == []
    wanted = [item.migration_id for item in roundtrip.chosen(found, ids)]

    def ran(*, in_place: bool) -> list[RoundTrip]:
        return list(
            roundtrip.round_trips(found, wanted, server, options or Options(), samples=samples, in_place=in_place)
        )

    trips = ran(in_place=False)
    if not server.privileged:
        assert [compared(trip) for trip in ran(in_place=True)] == [compared(trip) for trip in trips]
    return trips


def compared(trip: RoundTrip) -> tuple[RoundTrip, list[str]]:
    """Give what must be the same however a pair was tried."""
    errors = [trip.failure.error if trip.failure else None, *(left.error for left in trip.left_out)]
    return replace(trip, failure=None, seconds=0), [str(error) for error in errors]


def one(project: Project, server: shadow.Shadow, script: str, rollback: str | None, *, ground: str = "") -> RoundTrip:
    """Try one pair behind what makes its ground."""
    if ground:
        project.migration("0", ground, rollback="SELECT 1;")
    project.migration("1", script, rollback=rollback)
    (found,) = tried(project, server, "1")
    return found
