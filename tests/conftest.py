"""What all tests share: markers, the PostgreSQL under test, and a clean environment."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from sqlmigrate.errors import ServerError
from sqlmigrate.server import Binaries, find_binaries
from support.examples import examples

# what others import comes first, for its asserts to be rewritten
FIXTURES = ("postgres", "catalog", "command", "hostile", "project", "review", "runs", "seeds", "shadow")
pytest_plugins = [f"fixtures.{name}" for name in FIXTURES]

MAJOR_VARIABLE = "SQLMIGRATE_TEST_MAJOR"
BINDIR_VARIABLE = "SQLMIGRATE_PG_BINDIR"
OURS = ("SQLMIGRATE_", "PG")
NAMES = ("DATABASE_URL", "CI", "NO_COLOR", "FORCE_COLOR")

UNHURRIED = {
    "engine.transaction.durable.AT_MOST_SECONDS": 600.0,  # which COMMIT waits for the disk
    "engine.losses.counting.COUNTING": 60.0,  # what is counted, and what is estimated, so that somebody must agree
    "review.asking._STATEMENT_TIMEOUT": 60_000,  # what the target's planner says, and what nobody knows
}
"""Limits of time beyond which less is done or said, so that no result of a test depends on how fast this machine is."""

binaries_key = pytest.StashKey[Binaries | ServerError]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-changes", action="store_true", help="write golden files anew; review them like code")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the PostgreSQL under test once; a major version that was asked for and is not there ends the session."""
    # where a container says so, each of the many programs that tests start would compile all of sqlmigrate anew
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a shell runs what it puts into the background so
        signal.signal(signal.SIGINT, signal.default_int_handler)
    settings.register_profile("ours", deadline=None, max_examples=examples(100))  # a busy machine is slow now and then
    settings.load_profile("ours")
    wanted = os.environ.get(MAJOR_VARIABLE)
    try:
        config.stash[binaries_key] = find_binaries(int(wanted) if wanted else None)
    except ServerError as error:
        if wanted:
            raise pytest.UsageError(f"{MAJOR_VARIABLE}={wanted}: {error}") from error
        config.stash[binaries_key] = error


def pytest_report_header(config: pytest.Config) -> str:
    found = config.stash[binaries_key]
    if isinstance(found, ServerError):
        return f"PostgreSQL: none ({found})"
    return f"PostgreSQL: {found.version} in {found.bindir} ({found.source})"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "pg_server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.pg)


@pytest.fixture
def golden(pytestconfig: pytest.Config) -> Callable[[str, str], str]:
    """What a text is expected to be: the content of `tests/data/NAME`, which --write-changes makes what it is now."""

    def expected(name: str, text: str) -> str:
        path = Path(__file__).parent / "data" / name
        if pytestconfig.getoption("--write-changes"):
            path.write_text(text, encoding="utf-8", newline="\n")
        return path.read_bytes().decode()

    return expected


@pytest.fixture(scope="session")
def binaries(pytestconfig: pytest.Config) -> Binaries:
    """The PostgreSQL under test."""
    found = pytestconfig.stash[binaries_key]
    if isinstance(found, ServerError):
        pytest.fail(f"{found}; {found.hint}", pytrace=False)
    return found


@pytest.fixture(scope="session", autouse=True)
def clean_environment(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the user's settings and databases from us; private servers run the PostgreSQL under test."""
    found = pytestconfig.stash[binaries_key]
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(OURS) or name in NAMES:
                patch.delenv(name)
        if isinstance(found, Binaries):
            patch.setenv(BINDIR_VARIABLE, str(found.bindir))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        for name, value in UNHURRIED.items():
            patch.setattr(f"sqlmigrate.{name}", value)
        yield
