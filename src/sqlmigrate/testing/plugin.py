"""The plug-in for pytest, which loads it in every run: nothing but pytest is imported before a fixture runs."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.testing.project import Project
    from sqlmigrate.testing.template import Template

_PER = ("test", "worker")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, and their ini options for the project."""
    group = parser.getgroup("sqlmigrate", "databases with all migrations and the seed data")
    group.addoption(
        "--sqlmigrate-url",
        metavar="URL",
        help="make the databases on this server; its login needs CREATEDB [a private server of our own]",
    )
    group.addoption("--sqlmigrate-fresh", action="store_true", help="make the template anew, whatever was kept")
    parser.addini("sqlmigrate_url", "the server for the databases, as --sqlmigrate-url", default="")
    parser.addini(
        "sqlmigrate_process", "the name of a fixture of pytest-postgresql (a process, or noproc) to use", default=""
    )
    parser.addini(
        "sqlmigrate_database_per", "test: a database for each test; worker: one for each worker", default="test"
    )
    parser.addini("sqlmigrate_migrations", "the folder of the migrations [that of the configuration]", default="")
    parser.addini("sqlmigrate_data", "the folder of the seed data [that of the configuration]", default="")
    parser.addini("sqlmigrate_not_exact", "ids whose round trip need not be exact", type="args", default=[])


@contextmanager
def _explained() -> Iterator[None]:
    """Let an error of ours fail with its words, and without our trace."""
    from sqlmigrate.errors import Error  # noqa: PLC0415  see above

    try:
        yield
    except Error as error:
        pytest.fail(f"sqlmigrate: {error}" + (f"\n{error.hint}" if error.hint else ""), pytrace=False)


@pytest.fixture(scope="session")
def sqlmigrate_project(pytestconfig: pytest.Config) -> Project:
    """The project in pytest's root folder: its settings, and what the ini options say."""
    from sqlmigrate.testing.project import project_of  # noqa: PLC0415  see above

    with _explained():
        return project_of(
            pytestconfig.rootpath,
            migrations=pytestconfig.getini("sqlmigrate_migrations"),
            data=pytestconfig.getini("sqlmigrate_data"),
            not_exact=pytestconfig.getini("sqlmigrate_not_exact"),
        )


@pytest.fixture(scope="session")
def sqlmigrate_template(request: pytest.FixtureRequest, sqlmigrate_project: Project) -> Iterator[Template]:
    """The template, a database with all migrations and the seed data; `clone()` gives the URL of a copy for a block."""
    from sqlmigrate.testing.template import opened  # noqa: PLC0415  see above

    config = request.config
    url = config.getoption("--sqlmigrate-url") or config.getini("sqlmigrate_url") or None
    name = config.getini("sqlmigrate_process")
    process = _process(request, name) if name and url is None else None
    with ExitStack() as stack:
        with _explained():
            opening = opened(sqlmigrate_project, url, process, fresh=config.getoption("--sqlmigrate-fresh"))
            template = stack.enter_context(opening)
        yield template


def _process(request: pytest.FixtureRequest, name: str) -> Any:
    """Return a process of pytest-postgresql, or the server that a `noproc` fixture names."""
    try:
        return request.getfixturevalue(name)
    except Exception as error:
        if os.geteuid() == 0 and not isinstance(error, pytest.FixtureLookupError):
            pytest.fail(
                f"the fixture {name} (ini option sqlmigrate_process) has started no server: {error}\n"
                "PostgreSQL refuses to run as root, and pytest-postgresql does not change to another account. Run "
                "pytest as another user, name a `noproc` fixture or --sqlmigrate-url, or leave sqlmigrate_process out: "
                "the plug-in's own server runs under another account by itself",
                pytrace=False,
            )
        raise


@pytest.fixture(scope="session")
def _sqlmigrate_database_of_worker(sqlmigrate_template: Template) -> Iterator[str]:
    with _explained(), sqlmigrate_template.clone() as url:
        yield url


@pytest.fixture
def sqlmigrate_database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database with all migrations and the seed data, as libpq reads it.

    It is a copy for this test alone; or with `sqlmigrate_database_per = worker` one for all tests of a worker, in which
    what is committed stays.
    """
    per = request.config.getini("sqlmigrate_database_per")
    if per not in _PER:
        raise pytest.UsageError(f"sqlmigrate_database_per is test or worker, not {per!r}")
    if per == "worker":
        yield request.getfixturevalue("_sqlmigrate_database_of_worker")
        return
    template: Template = request.getfixturevalue("sqlmigrate_template")
    with _explained(), template.clone() as url:
        yield url


@pytest.fixture
def sqlmigrate_connection(sqlmigrate_database: str) -> Iterator[Any]:
    """A connection of psycopg to that database, in a transaction that is rolled back after the test."""
    import psycopg  # noqa: PLC0415  see above

    with psycopg.connect(sqlmigrate_database) as connection:
        try:
            yield connection
        finally:
            connection.rollback()
