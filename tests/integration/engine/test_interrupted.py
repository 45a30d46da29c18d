"""Runs that are killed, stopped or cut off: nothing half done, nothing left locked, and the next run works."""

from __future__ import annotations

import signal
from collections.abc import Callable

import psycopg
import pytest

from fixtures.postgres import Database
from sqlmigrate.errors import ExecutionError
from support.command import started
from support.runner import Runner, ids
from support.sessions import beside, is_there, wait_for_blocked, wait_for_sleep
from support.waiting import LONG, wait_until

OURS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'sqlmigrate%'"
)
LOCKS = """
SELECT count(*) FROM pg_locks
WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
"""


@pytest.fixture
def two(runner, database) -> Runner:
    """Two migrations: the first is quick, the second sleeps after its change."""
    runner.write("a", "CREATE TABLE a ();", "DROP TABLE a;")
    runner.write("b", "CREATE TABLE b (); SELECT pg_sleep(20);", "DROP TABLE b; SELECT pg_sleep(20);")
    return runner


def arguments(command: str, runner: Runner, database) -> list[str]:
    return [command, "--database-url", database.url, "--migrations", str(runner.directory), "--lock-timeout", "1min"]


def test_kill_leaves_no_lock_no_history_row_and_no_change(two, database, conn):
    killed_in_its_sleep(two, database, conn)

    assert two.applied() == ["a"]
    assert [is_there(conn, name) for name in ("a", "b")] == [True, False]
    two.write("b", "CREATE TABLE b ();")
    with started(*arguments("apply", two, database)) as process:
        assert process.wait(LONG) == 0
    assert two.applied() == ["a", "b"]


def test_kill_of_a_rollback_leaves_the_migration_applied(two, database, conn):
    two.write("b", "CREATE TABLE b ();", "DROP TABLE b; SELECT pg_sleep(20) WHERE to_regclass('awake') IS NULL;")
    two.apply()
    with started(*arguments("rollback", two, database), "--yes") as process:
        wait_for_sleep(conn)
        process.send_signal(signal.SIGKILL)
        process.wait(LONG)
        is_gone(conn)

    assert two.applied() == ["a", "b"]
    assert is_there(conn, "b")
    conn.execute("CREATE TABLE awake ()")
    assert ids(two.rollback()) == ["b"]


def test_kill_while_a_lock_is_waited_for_takes_the_waiting_away(two, database, conn):
    blocker = database.holding("CREATE TABLE busy (n integer)")
    blocker.commit()
    blocker.execute("LOCK TABLE busy")
    two.write("b", "CREATE TABLE b (); LOCK TABLE busy;")
    with started(*arguments("apply", two, database)) as process:
        wait_for_blocked(conn)
        process.send_signal(signal.SIGKILL)
        process.wait(LONG)
        is_gone(conn, OURS)

    blocker.rollback()
    assert ids(two.apply()) == ["b"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_cancels_the_statement_on_the_server_and_rolls_back(two, database, conn, number, status):
    with started(*arguments("apply", two, database)) as process:
        wait_for_sleep(conn)
        process.send_signal(number)
        wait_until(lambda: process.poll() is not None, timeout=10)
        assert process.poll() == status
        assert "rolled back" in process.stderr.read()
        is_gone(conn, within=1.0)

    assert two.applied() == ["a"]
    assert not is_there(conn, "b")


def test_a_worker_that_is_cut_off_is_told_and_the_next_run_works(two, admin):
    with beside(two.apply) as [run]:
        pid = wait_for_sleep(admin)
        admin.execute("SELECT pg_terminate_backend(%s)", [pid])
        with pytest.raises(
            ExecutionError, match=r"the connection was lost while the script ran: .*terminating"
        ) as caught:
            run.result(LONG)

    assert caught.value.migration_id == "b"
    assert caught.value.done == ("a",)
    assert two.applied() == ["a"]
    assert not is_there(admin, "b")
    two.write("b", "CREATE TABLE b ();")
    assert ids(two.apply()) == ["b"]


def test_a_statement_that_is_cancelled_from_outside_is_an_ordinary_error(two, admin):
    with beside(two.apply) as [run]:
        pid = wait_for_sleep(admin)
        admin.execute("SELECT pg_cancel_backend(%s)", [pid])
        with pytest.raises(ExecutionError, match="canceling statement due to user request"):
            run.result(LONG)

    assert two.applied() == ["a"]


LATE = """
CREATE TABLE b (n integer);
CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(20); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON b DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();
INSERT INTO b VALUES (1);
"""


def test_a_connection_that_is_lost_under_a_deferred_trigger_is_reported(two, admin):
    two.write("b", LATE)
    with beside(two.apply) as [run]:
        pid = wait_for_sleep(admin)
        admin.execute("SELECT pg_terminate_backend(%s)", [pid])
        with pytest.raises(ExecutionError, match=r"lost while the script ran: .*terminating"):
            run.result(LONG)

    assert two.applied() == ["a"]
    assert not is_there(admin, "b")


def test_kill_under_a_deferred_trigger_leaves_nothing(two, database, conn):
    two.write("b", LATE)
    killed_in_its_sleep(two, database, conn)

    assert two.applied() == ["a"]
    assert not is_there(conn, "b")


def killed_in_its_sleep(runner: Runner, database: Database, session: psycopg.Connection) -> None:
    """Kill `apply` while a script of it sleeps; nothing of its sessions is left."""
    with started(*arguments("apply", runner, database)) as process:
        wait_for_sleep(session)
        process.send_signal(signal.SIGKILL)
        process.wait(LONG)
        is_gone(session)


def is_gone(session: psycopg.Connection, *queries: str, within: float = 2.0) -> None:
    """Wait until no session and no lock of a run is left, which must come soon."""

    def nothing_left(query: str) -> Callable[[], bool]:
        return lambda: session.execute(query).fetchone() == (0,)

    for query in queries or (OURS, LOCKS):
        wait_until(nothing_left(query), timeout=within)
