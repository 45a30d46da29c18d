"""Caches of the tests' own, and a history that is worth keeping."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fixtures.project import Project
from sqlmigrate import shadow
from support.kept import HISTORY, NEXT, SIZE


@pytest.fixture(scope="session")
def only_initdb(clean_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which there is nothing but what initdb makes."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("cache of initdb")
        patch.setenv("XDG_CACHE_HOME", str(home))
        with shadow.opened(shadow.Wanted(cache=SIZE)):
            return home / "sqlmigrate"


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the cache of this test is; in it, everything is worth keeping."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sqlmigrate.shadow.server._SCRIPTS_WORTH", 0)
    return tmp_path / "cache" / "sqlmigrate"


@pytest.fixture
def cache(no_cache: Path, only_initdb: Path) -> Path:
    """A cache of its own for each test, with what initdb makes."""
    shutil.copytree(only_initdb, no_cache)
    return no_cache


@pytest.fixture
def files(project: Project) -> Project:
    """A short history, and a migration behind it."""
    for name, text in HISTORY.items():
        project.migration(name, text)
    project.migration("7", NEXT, rollback="DROP TABLE c;")
    return project


@pytest.fixture
def history(files: Project, cache: Path) -> Project:
    """The same, where the cache is ready."""
    return files
