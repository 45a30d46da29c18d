"""What the tests with yoyo share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.postgres import Database
from support.runner import Runner
from support.yoyo import Yoyo, opened


@pytest.fixture
def abc_runner(database: Database, tmp_path: Path) -> Runner:
    """The migrations a, b and c, each of which makes the table of its name."""
    runner = Runner(database.conninfo, tmp_path)
    runner.tables("a", "b", "c")
    return runner


@pytest.fixture
def yoyo(database: Database, abc_runner: Runner) -> Iterator[Yoyo]:
    """yoyo on the same database and the same migrations."""
    with opened(database, abc_runner.directory) as yoyo:
        yield yoyo
