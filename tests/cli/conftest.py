"""A project to call commands in, and the calls themselves."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.postgres import MEMORY, Database
from fixtures.project import Project as OurProject
from sqlmigrate import server
from sqlmigrate.server import Binaries


class Project(OurProject):
    """A project that is the working directory of the test."""

    def config(self, text: str, name: str = "sqlmigrate.toml") -> Path:
        path = self.root / name
        path.write_text(text, encoding="utf-8")
        return path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project; `.git` above it keeps the search for a configuration inside the test's folder."""
    (tmp_path / ".git").mkdir()
    found = Project(tmp_path / "project")
    monkeypatch.chdir(found.root)
    return found


@pytest.fixture
def pairs(project: Project) -> Callable[..., None]:
    """Write pairs by their ids; None stands for no rollback script."""

    def write(**scripts: tuple[str, str | None]) -> None:
        for migration_id, (script, rollback) in scripts.items():
            project.migration(migration_id, script, rollback=rollback)

    return write


@pytest.fixture
def target(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The test's database, named by DATABASE_URL."""
    monkeypatch.setenv("DATABASE_URL", database.url)
    return database


@pytest.fixture
def shadow_on_tests_server(pg_server: server.PrivateServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server under test as the shadow: no other one has to be started."""
    monkeypatch.setenv("SQLMIGRATE_SHADOW_URL", pg_server.url())


@pytest.fixture
def shadow_on_other_server(shadow_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server for throwaway databases as the shadow, which is none of the target's."""
    monkeypatch.setenv("SQLMIGRATE_SHADOW_URL", shadow_url)


@pytest.fixture(scope="session")
def private_state(binaries: Binaries, clean_environment: None) -> Iterator[Path]:
    """The state directory of a private server that runs for the whole session, where its account reaches it."""
    folder = Path(tempfile.mkdtemp(prefix="sqlmigrate cli ", dir=MEMORY))
    folder.chmod(0o755)
    with server.shared(folder / "state"):  # also stopped where this session is killed
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
