"""Short forms of what the Python API gives."""

from __future__ import annotations

from fixtures.project import Project
from sqlmigrate import api
from sqlmigrate.engine import Result
from sqlmigrate.plan import Plan


def ran(result: Result) -> list[str]:
    return [item.migration_id for item in result.ran]


def steps(plan: Plan) -> list[str]:
    return [item.migration_id for item in plan.steps]


def states(url: str, project: Project, **options: str) -> list[tuple[str, str]]:
    return [(item.migration_id, item.state.value) for item in api.status(url, project.directory, **options)]
