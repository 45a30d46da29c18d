"""What the tests with a real server share."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from fixtures.postgres import Database
from support.runner import Runner
from support.twins import Twins


@pytest.fixture
def runner(database, tmp_path: Path) -> Runner:
    """An empty folder of migrations for the database of this test, run as `migrator`."""
    directory = tmp_path / "sql"
    directory.mkdir()
    return Runner(database.conninfo, directory)


@pytest.fixture
def twins(database_factory: Callable[..., Database], tmp_path: Path) -> Twins:
    """A folder of migrations for two databases: `apply` runs them in one, psql runs the plan in the other."""
    return Twins(database_factory(), database_factory(), tmp_path)


@pytest.fixture
def conn(database) -> psycopg.Connection[Any]:
    """A session of the test itself, as `migrator`."""
    return database.connect()


@pytest.fixture
def admin(database) -> psycopg.Connection[Any]:
    """A session as superuser in the database of the test."""
    return database.connect_superuser()


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a script be tried again after hundredths of a second, and not after seconds, when it got no lock."""
    monkeypatch.setattr("sqlmigrate.engine.retry._FIRST", 0.02)


@pytest.fixture
def new_role(admin) -> Iterator[Callable[..., str]]:
    """Make roles: `new_role("LOGIN")`; they and what they own are gone after the test."""
    names: list[str] = []
    numbers = itertools.count(1)

    def make(options: str = "LOGIN", name: str | None = None) -> str:
        name = name or f"role_of_test_{next(numbers)}"
        admin.execute(sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(name), sql.SQL(options)))
        names.append(name)
        return name

    yield make
    for name in names:
        admin.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(name)))
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
