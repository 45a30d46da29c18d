"""What the tests of the Python API share: a small project, seed data, and short forms of results."""

from __future__ import annotations

from pathlib import Path

from fixtures.project import Project
from sqlmigrate import api
from sqlmigrate.engine import Result
from sqlmigrate.plan import Plan


def shop_in(project: Project) -> Project:
    """Write three migrations, each with its rollback."""
    for number, name in enumerate(("a", "b", "c"), 1):
        project.migration(f"{number}_{name}", f"CREATE TABLE {name} ();\n", rollback=f"DROP TABLE {name};\n")
    return project


def colours_in(root: Path) -> Path:
    """Write a folder of seed data for the table `colours`."""
    folder = root / "data"
    folder.mkdir()
    (folder / "colours.yaml").write_text("colours:\n  - name: red\n  - name: blue\n")
    (folder / "colours.schema.json").write_text(
        '{"x-sqlmigrate": {"list": "colours", "table": "public.colours", "conflict": ["name"]}}'
    )
    return folder


def ran(result: Result) -> list[str]:
    return [item.migration_id for item in result.ran]


def steps(plan: Plan) -> list[str]:
    return [item.migration_id for item in plan.steps]


def states(url: str, project: Project, **options: str) -> list[tuple[str, str]]:
    return [(item.migration_id, item.state.value) for item in api.status(url, project.directory, **options)]
