"""A small project with tests of its own, which are run as a user runs them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.postgres import Database
from support.command import environment
from support.files import MigrationFiles
from support.suites import named_server, own_state

Run = Callable[..., subprocess.CompletedProcess[str]]
DATA = {
    "colours.yaml": "colours:\n  - name: red\n",
    "colours.schema.json": (
        '{"type": "object", "properties": {"colours": {"type": "array", "items": {"type": "object", '
        '"properties": {"name": {"type": "string"}}}}}, '
        '"x-sqlmigrate": {"list": "colours", "table": "public.colours", "conflict": ["name"]}}'
    ),
}


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a migration and seed data."""
    (tmp_path / "sql").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    files = MigrationFiles(tmp_path / "sql")
    files.migration("1_colours", "CREATE TABLE colours (name text PRIMARY KEY);\n", rollback="DROP TABLE colours;\n")
    for name, text in DATA.items():
        (tmp_path / "data" / name).write_text(text)
    with own_state() as state:
        monkeypatch.setenv("SQLMIGRATE_STATE_DIR", str(state))
        yield tmp_path


@pytest.fixture
def server_url(database: Database) -> Iterator[str]:
    """The server of the tests, as the one that a user names."""
    with named_server(database) as url:
        yield url


@pytest.fixture
def run(suite: Path) -> Run:
    """Run pytest in the folder, with nothing of ours but the plug-in."""

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:randomly",
            f"--config-file={suite}/pytest.ini",
            *arguments,
        ]
        return subprocess.run(command, cwd=suite, env=environment({}), capture_output=True, text=True, check=False)

    return call
