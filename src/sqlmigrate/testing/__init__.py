"""Ready tests for a project: `from sqlmigrate.testing import *` in a file `test_migrations.py` is all that it takes.

Each is a test of pytest. They read the settings of the project, as the command does, and what the plug-in's ini options
say; the database that they need is a throwaway one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlmigrate.errors import Problem
    from sqlmigrate.testing.project import Project

__all__ = [
    "test_migrations_are_in_order",
    "test_migrations_are_valid",
    "test_round_trips_are_exact",
    "test_schema_file_is_current",
    "test_seeds_are_valid",
]


def test_migrations_are_valid(sqlmigrate_project: Project) -> None:
    """Every file is one that `sqlmigrate apply` takes: what `sqlmigrate validate` says."""
    from sqlmigrate.migrations.validate import validate  # noqa: PLC0415  pytest loads this module in every run

    report = validate(sqlmigrate_project.migrations, order=sqlmigrate_project.config.order)
    _refuse([problem for problem in report.problems if not problem.warning])


def test_migrations_are_in_order(sqlmigrate_project: Project) -> None:
    """The order in which the files are sorted is the one that their numbers mean."""
    from sqlmigrate.migrations import of_project  # noqa: PLC0415  as above

    _refuse(of_project(sqlmigrate_project.config, one_by_one=True).misnumbered)


def test_round_trips_are_exact(sqlmigrate_project: Project) -> None:
    """Every rollback restores what was there: what `sqlmigrate roundtrip --all` says.

    An id of the ini option `sqlmigrate_not_exact` may have any verdict.
    """
    from sqlmigrate.testing.trips import not_exact  # noqa: PLC0415  as above

    if found := not_exact(sqlmigrate_project):
        pytest.fail("\n".join(found), pytrace=False)


def test_seeds_are_valid(sqlmigrate_project: Project) -> None:
    """Every seed file fits its JSON Schema: what `sqlmigrate seed check` says."""
    if not sqlmigrate_project.has_seeds:
        pytest.skip(f"there is no seed data in {sqlmigrate_project.data}")
    from sqlmigrate import seeds  # noqa: PLC0415  as above
    from sqlmigrate.errors import SeedError  # noqa: PLC0415  same

    try:
        seeds.load(sqlmigrate_project.data)
    except SeedError as error:
        _refuse(error.problems)


def test_schema_file_is_current(sqlmigrate_project: Project) -> None:
    """The file of `sqlmigrate dump` is what the migrations make."""
    path = sqlmigrate_project.config.schema_file
    if not path.exists():
        pytest.skip(f"there is no {path}; `sqlmigrate dump` writes it")
    from sqlmigrate.testing.trips import dump_differs  # noqa: PLC0415  as above

    if found := dump_differs(sqlmigrate_project, path):
        pytest.fail("\n".join([*found, f"`sqlmigrate dump` writes {path} anew"]), pytrace=False)


def _refuse(problems: Iterable[Problem]) -> None:
    if lines := [f"{problem}{f' ({problem.hint})' if problem.hint else ''}" for problem in problems]:
        pytest.fail("\n".join(lines), pytrace=False)
