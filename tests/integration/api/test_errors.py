"""How the functions of the Python API fail."""

from __future__ import annotations

import traceback

import psycopg
import pytest
from psycopg import sql

from sqlmigrate import api, runlock
from sqlmigrate.errors import (
    ConfigError,
    ConnectionFailed,
    Error,
    ExecutionError,
    HalfWayError,
    HistoryError,
    LockBudgetSpent,
    MigrationsError,
    RunLockBusy,
    SeedError,
    UsageError,
)
from sqlmigrate.events import Notice, RowsReturned, ScriptStarted
from support.api import ran, states
from support.sessions import is_there
from support.waiting import wait_until

SECRET = "hunter2secret"


def test_a_script_that_fails_leaves_what_ran_before_it(database, shop, conn):
    shop.migration("2_fails", "CREATE TABLE never ();\nSELECT nope;\n")

    with pytest.raises(ExecutionError) as caught:
        api.apply(database.url, shop.directory)

    error = caught.value
    assert (error.migration_id, error.done) == ("2_fails", ("1_a", "2_b"))
    assert (error.statement, error.server.sqlstate) == (2, "42703")
    assert (error.place.path.name, error.place.line, error.place.column) == ("2_fails.sql", 2, 8)
    assert not is_there(conn, "never")


def test_a_script_outside_a_transaction_goes_on_where_it_stopped(database, project, conn):
    conn.execute("CREATE TABLE gate (divisor integer); INSERT INTO gate VALUES (0)")
    script = "-- transactional: false\nCREATE TABLE one ();\nSELECT 1 / divisor FROM gate;\nCREATE TABLE two ();\n"
    project.migration("1_steps", script)

    with pytest.raises(HalfWayError):
        api.apply(database.url, project.directory)

    assert states(database.url, project) == [("1_steps", "half way")]
    with pytest.raises(HalfWayError):
        api.apply(database.url, project.directory)
    assert ran(api.apply(database.url, project.directory, resume_at=3)) == ["1_steps"]
    assert is_there(conn, "two")


@pytest.mark.parametrize("call", [api.apply, api.rollback])
def test_resuming_where_nothing_stopped_is_refused(database, shop, call):
    with pytest.raises(UsageError, match="none to resume"):
        call(database.url, shop.directory, resume_at=1)
    with pytest.raises(UsageError, match="resume_at counts from 1"):
        call(database.url, shop.directory, resume_at=0)


def test_a_lock_that_is_not_to_be_had_is_given_up_after_the_budget(database, project, conn):
    conn.execute("CREATE TABLE busy ()")
    project.migration("1_alter", "ALTER TABLE busy ADD COLUMN a integer;\n")

    with database.connect(autocommit=False) as other:
        other.execute("LOCK TABLE busy")
        with pytest.raises(LockBudgetSpent):
            api.apply(database.url, project.directory, lock_timeout=50, lock_budget="100ms")

    assert ran(api.apply(database.url, project.directory)) == ["1_alter"]


def test_another_run_is_not_waited_for_longer_than_asked(database, shop):
    with (
        runlock.held(database.conninfo, "sqlmigrate", wait=5),
        pytest.raises(RunLockBusy, match="another run holds the run lock"),
    ):
        api.apply(database.url, shop.directory, wait_lock=0)

    # the lock goes with its session, which takes a moment to end
    assert len(api.apply(database.url, shop.directory, wait_lock="1min").ran) == 3


def test_files_that_are_refused_are_all_named(shop, database):
    shop.file("5_d.py", "import os\n")
    shop.file("6_gone.rollback.sql", "SELECT 1;\n")

    for call in (lambda: api.read(shop.directory), lambda: api.apply(database.url, shop.directory)):
        with pytest.raises(MigrationsError) as caught:
            call()
        assert {problem.place.path.name for problem in caught.value.problems} == {"5_d.py", "6_gone.rollback.sql"}


@pytest.fixture
def talking(project):
    """Two migrations; the second says something in its last statement."""
    project.migration("1_a", "CREATE TABLE a ();\n")
    project.migration("2_says", "CREATE TABLE says ();\nDO $$ BEGIN RAISE NOTICE 'now'; END $$;\nSELECT 1;\n")
    return project


def raising(kind):
    """Give an observer that raises at an event of the second migration."""

    def observe(event):
        if isinstance(event, kind) and event.migration_id == "2_says":
            raise LookupError("enough")

    return observe


@pytest.mark.parametrize("kind", [ScriptStarted, Notice, RowsReturned])
@pytest.mark.parametrize("together", [False, True])
def test_an_observer_that_raises_stops_the_run_and_leaves_nothing_of_the_script(
    database, talking, conn, kind, together
):
    with pytest.raises(LookupError, match="enough"):
        api.apply(database.url, talking.directory, observer=raising(kind), single_transaction=together)

    wait_until(lambda: not is_there(conn, "says"))
    assert is_there(conn, "a") is not together
    assert ran(api.apply(database.url, talking.directory))[-1] == "2_says"


def whole_text(error):
    """Give everything that anybody could print of an exception."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}@127.0.0.1:1/shop",
        f"host=127.0.0.1 port=1 user=me password={SECRET}",
        f"postgresql://me:{SECRET}@with-an-at@127.0.0.1:1/shop",
        f"postgresql://me:{SECRET}@127.0.0.1:port/shop",
        f"host=127.0.0.1 password='{SECRET}",
        f"postgresql://127.0.0.1:1/shop?user=me&password={SECRET}",
    ],
)
@pytest.mark.parametrize("call", [api.status, api.plan, api.plan_rollback, api.apply, api.rollback, api.drift])
def test_no_error_holds_a_password(shop, call, url):
    with pytest.raises((ConnectionFailed, ConfigError)) as caught:
        call(url, shop.directory)

    assert SECRET not in whole_text(caught.value)


def test_no_error_of_seeding_holds_a_password(colours):
    with pytest.raises(ConnectionFailed) as caught:
        api.seed(f"postgresql://me:{SECRET}@127.0.0.1:1/shop", colours)

    assert SECRET not in whole_text(caught.value)


def test_a_query_of_our_own_that_postgresql_ends_is_an_error_of_ours(database, shop, admin):
    api.apply(database.url, shop.directory)
    admin.execute(sql.SQL("ALTER DATABASE {} SET lock_timeout = '100ms'").format(sql.Identifier(database.name)))

    with database.connect(autocommit=False) as other:
        other.execute("LOCK TABLE sqlmigrate._yoyo_migration")
        for call in (api.status, api.plan, api.apply, api.rollback):
            with pytest.raises(Error, match="canceling statement due to lock timeout") as caught:
                call(database.url, shop.directory)
            assert isinstance(caught.value.__cause__, psycopg.errors.LockNotAvailable)


def test_a_role_without_the_right_to_read_the_history_is_told_so(database, shop, admin, new_role):
    api.apply(database.url, shop.directory)
    role = new_role("LOGIN")

    with pytest.raises(HistoryError, match=f"role {role} may not read the history") as caught:
        api.status(database.server.conninfo(database.name, role), shop.directory)
    admin.execute(caught.value.hint)

    assert 'history_owners = ["migrator"]' in caught.value.hint
    found = api.status(database.server.conninfo(database.name, role), shop.directory, history_owners=["migrator"])
    assert len(found) == 3


def test_no_session_stays_open(database, shop, colours, admin):
    shop.migration("4_fails", "SELECT 1 / 0;\n")

    with pytest.raises(ExecutionError):
        api.apply(database.url, shop.directory)
    api.status(database.url, shop.directory)
    with pytest.raises(SeedError):
        api.seed(database.url, colours)

    others = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'sqlmigrate%'"
    wait_until(lambda: admin.execute(others).fetchone() is None)
