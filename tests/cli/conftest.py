"""A project to call commands in, and the calls themselves."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.postgres import Database
from sqlmigrate import server
from sqlmigrate.server import Binaries
from support.command import Call, Outcome, call


@dataclass(frozen=True)
class Project:
    """A folder with a `sql` folder in it; it is the working directory of the test."""

    folder: Path

    @property
    def migrations(self) -> Path:
        return self.folder / "sql"

    def migration(self, migration_id: str, script: str = "", rollback: str | None = None) -> Path:
        """Write a migration; without `rollback` it has no rollback script."""
        path = self.migrations / f"{migration_id}.sql"
        path.write_text(script, encoding="utf-8")
        if rollback is not None:
            path.with_suffix(".rollback.sql").write_text(rollback, encoding="utf-8")
        return path

    def tables(self, *names: str) -> None:
        """Write one migration for each name: it makes that table."""
        for name in names:
            self.migration(name, f'CREATE TABLE "{name}" ();\n', f'DROP TABLE "{name}";\n')

    def config(self, text: str, name: str = "sqlmigrate.toml") -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project; `.git` above it keeps the search for a configuration inside the test's folder."""
    (tmp_path / ".git").mkdir()
    found = Project(tmp_path / "project")
    found.migrations.mkdir(parents=True)
    monkeypatch.chdir(found.folder)
    return found


@pytest.fixture
def sqlmigrate(capfd: pytest.CaptureFixture[str]) -> Call:
    """Call the command line in this process: `sqlmigrate("apply", "--steps", "1")`."""

    def run(*arguments: str | Path) -> Outcome:
        return call(arguments, capfd.readouterr)

    return run


@pytest.fixture
def target(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The test's database, named by DATABASE_URL."""
    monkeypatch.setenv("DATABASE_URL", database.url)
    return database


@pytest.fixture(scope="session")
def private_state(binaries: Binaries, clean_environment: None) -> Iterator[Path]:
    """The state directory of a private server that runs for the whole session, where its account reaches it."""
    folder = Path(tempfile.mkdtemp(prefix="sqlmigrate cli "))
    folder.chmod(0o755)
    server.start(folder / "state")
    yield folder / "state"
    server.destroy(folder / "state")
    shutil.rmtree(folder)


@pytest.fixture
def private(private_state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let commands use the running private server, with no database on it yet."""
    monkeypatch.setenv("SQLMIGRATE_STATE_DIR", str(private_state))
    yield private_state
    for found in server.status(private_state):
        if found.server is not None:
            server.drop_database(found.server, "app")
