"""Copies of a database that are made ahead: they are what a copy made now would be, and none is there for nothing."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from sqlmigrate import connection, shadow
from sqlmigrate.server import throwaway
from sqlmigrate.shadow import Shadow, Wanted

pytestmark = pytest.mark.pg


@pytest.fixture(scope="module")
def private(binaries):
    with shadow.opened(Wanted()) as found:
        assert found.major == binaries.major
        yield found


@pytest.fixture
def source(private: Shadow):
    with private.database() as database:
        run(database.conninfo, "CREATE TABLE public.first ()")
        yield database


def run(conninfo: str, statement: str) -> list[tuple[object, ...]]:
    with connection.session(conninfo) as session:
        cursor = session.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def tables(conninfo: str) -> set[object]:
    found = run(conninfo, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
    return {name for (name,) in found}


def databases(conninfo: str) -> set[object]:
    return {name for (name,) in run(conninfo, "SELECT datname FROM pg_database")}


def test_copies_that_were_made_ahead_are_given_first(private, source):
    run(source.admin_conninfo, f'ALTER DATABASE "{source.name}" SET work_mem TO 123')

    private.copy_ahead(source, 2)
    with ExitStack() as stack:
        copies = [stack.enter_context(private.clone(source)) for _ in range(3)]

        assert len({copy.name for copy in copies}) == 3
        for copy in copies:
            assert tables(copy.conninfo) == {"first"}
            assert run(copy.conninfo, "SHOW work_mem") == [("123kB",)]


def test_no_copy_is_of_before_a_change(private, source):
    private.copy_ahead(source, 2)
    private.changes(source)
    run(source.conninfo, "CREATE TABLE public.second ()")

    with private.clone(source) as copy:
        assert tables(copy.conninfo) == {"first", "second"}


def test_copies_that_nobody_takes_go_with_their_database(private, source):
    before = databases(source.admin_conninfo)
    with private.clone(source) as copy:
        private.copy_ahead(copy, 3)
        with private.clone(copy) as taken:
            assert tables(taken.conninfo) == {"first"}

    left = databases(source.admin_conninfo) - before
    assert left <= {copy.name, taken.name}  # which may stay to the end of the server


def test_a_database_in_which_roles_shall_be_free_has_no_copies(private, source):
    before = databases(source.admin_conninfo)
    private.copy_ahead(source, 2)

    with private.exclusive(source):
        assert databases(source.admin_conninfo) <= before


def test_where_the_session_that_makes_them_is_ended_they_are_made_when_they_are_needed(private, source):
    private.copy_ahead(source, 2)
    run(
        source.admin_conninfo,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'postgres'",
    )

    for _ in range(2):
        with private.clone(source) as copy:
            assert tables(copy.conninfo) == {"first"}


def test_where_there_is_little_room_none_is_made_ahead(private, source, monkeypatch):
    monkeypatch.setattr(throwaway, "MEMORY_MIN", 1 << 60)
    before = databases(source.admin_conninfo)

    private.copy_ahead(source, 2)

    assert databases(source.admin_conninfo) == before
    with private.clone(source) as copy:
        assert tables(copy.conninfo) == {"first"}


def test_where_there_is_room_for_one_only_the_others_are_made_when_they_are_needed(private, source, monkeypatch):
    asked: list[int] = []
    monkeypatch.setattr(private._databases, "_has_room", lambda more: asked.append(more) or not more)
    private.copy_ahead(source, 3)

    with private.clone(source) as first, private.clone(source) as second:
        assert tables(first.conninfo) == tables(second.conninfo) == {"first"}
    assert max(asked) > 10_000_000  # two more: an empty database has about 7 MB


def test_a_command_that_is_interrupted_meanwhile_ends_as_any_other():
    with pytest.raises(KeyboardInterrupt):
        _interrupted()


def _interrupted() -> None:
    with shadow.opened(Wanted()) as own, own.database() as database:
        own.copy_ahead(database, 3)
        raise KeyboardInterrupt
