"""What the tests of the Python API share: a small project, and seed data."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.project import Project
from support.seeds import SeedFiles

COLOURS = {"list": "colours", "table": "public.colours", "conflict": ["name"]}


@pytest.fixture
def shop(project: Project) -> Project:
    """Three migrations, each with its rollback."""
    project.tables(**{"1_a": "a", "2_b": "b", "3_c": "c"})
    return project


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """A folder of seed data for the table `colours`."""
    folder = tmp_path / "data"
    folder.mkdir()
    SeedFiles(folder).file("colours", COLOURS, "colours:\n  - name: red\n  - name: blue\n")
    return folder
