"""Try one pair of scripts there and back."""

from __future__ import annotations

from fixtures.project import Project
from sqlmigrate import roundtrip, shadow
from sqlmigrate.engine import Options
from sqlmigrate.roundtrip import RoundTrip


def tried(project: Project, server: shadow.Shadow, *ids: str, options: Options | None = None) -> list[RoundTrip]:
    """Try these migrations of a project, or all, with their samples."""
    found = project.load()
    samples, astray = roundtrip.find_samples(found)
    assert astray == []
    wanted = [item.migration_id for item in roundtrip.chosen(found, ids)]
    return list(roundtrip.round_trips(found, wanted, server, options or Options(), samples=samples))


def one(project: Project, server: shadow.Shadow, script: str, rollback: str | None, *, ground: str = "") -> RoundTrip:
    """Try one pair behind what makes its ground."""
    if ground:
        project.migration("0", ground, rollback="SELECT 1;")
    project.migration("1", script, rollback=rollback)
    (found,) = tried(project, server, "1")
    return found
