"""What the ready tests find out on a throwaway server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate import migrations, roundtrip
from sqlmigrate.api import roundtrip as tried
from sqlmigrate.engine import Options
from sqlmigrate.files import read_bytes
from sqlmigrate.reports.sources.roundtrip import told
from sqlmigrate.roundtrip import Verdict
from sqlmigrate.sql.difference import cut_diff

if TYPE_CHECKING:
    from pathlib import Path

    from sqlmigrate.testing.project import Project

_EXACT = {Verdict.EXACT, Verdict.TEXT_ONLY, Verdict.ORDER_ONLY}


def not_exact(project: Project) -> list[str]:
    """Say of each migration whose rollback does not restore what was there what is wrong, in a line."""
    config = project.config
    found = migrations.of_project(config, one_by_one=True)
    trips = tried(found, shadow_url=config.shadow_url, role=config.role, search_path=config.search_path)
    return [
        f"{trip.migration_id}: {trip.verdict.value} ({told(trip)}); see `sqlmigrate roundtrip {trip.migration_id}`"
        for trip in trips
        if trip.verdict not in _EXACT and trip.migration_id not in project.not_exact
    ]


def dump_differs(project: Project, path: Path) -> list[str]:
    """Return how the schema file differs from what the migrations make."""
    config = project.config
    options = Options(schema=config.history_schema, role=config.role, search_path=config.search_path)
    made = roundtrip.dumped(config, migrations.of_project(config), options, lambda _: None)
    before = read_bytes(path).decode(errors="replace").replace("\r\n", "\n")
    return list(cut_diff(before, made.text, str(path), "the migrations make")) if before != made.text else []
