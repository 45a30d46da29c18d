"""Lock waits: never without limit, the whole transaction again where a lock was not granted, who blocks us told."""

from __future__ import annotations

import psycopg
import pytest

from sqlmigrate.errors import ExecutionError, LockBudgetSpent
from sqlmigrate.events import LockRetry, Notice
from sqlmigrate.migrations import migration_hash
from support.runner import ids, place
from support.sessions import AFTER_THE_OTHER, HELD_ALONE, beside, is_there, wait_for_row
from support.waiting import LONG, wait_until

pytestmark = pytest.mark.usefixtures("short_pauses")


@pytest.fixture
def blocker(database, conn) -> psycopg.Connection:
    """A session with an open transaction that holds a lock on the table `busy`."""
    conn.execute("CREATE TABLE busy (n integer)")
    session = database.connect(autocommit=False, application_name="the blocker")
    session.execute("LOCK TABLE busy IN ACCESS EXCLUSIVE MODE")
    return session


def test_a_lock_that_is_let_go_is_got_by_a_later_attempt(runner, conn, blocker):
    runner.write("a", "INSERT INTO busy VALUES (1);\nALTER TABLE busy ADD COLUMN m integer;")
    with beside(lambda: runner.apply(lock_timeout=100)) as [run]:
        wait_until(lambda: len(runner.told(LockRetry)) >= 2)
        assert not run.done()
        blocker.rollback()
        assert ids(run.result(LONG)) == ["a"]

    retries = runner.told(LockRetry)
    assert [retry.attempt for retry in retries] == list(range(1, len(retries) + 1))
    assert {retry.message.sqlstate for retry in retries} == {"55P03"}
    assert retries[0].seconds_left > retries[1].seconds_left
    assert retries[0].pause >= 0
    assert conn.execute("SELECT n, m FROM busy").fetchall() == [(1, None)]


@pytest.mark.usefixtures("watchful")
def test_a_retry_tells_where_in_the_script_it_was_and_who_was_in_the_way(runner, conn, blocker):
    runner.write("a", "SELECT 1;\n  LOCK TABLE busy;")
    with beside(lambda: runner.apply(lock_timeout=2_500)) as [run]:
        wait_until(lambda: runner.told(LockRetry))
        blocker.rollback()
        run.result(LONG)

    [first, *_] = runner.told(LockRetry)
    assert (first.place.line, first.place.column) == (2, 3)
    assert [other.pid for other in first.blockers] == [blocker.info.backend_pid]
    assert first.blockers[0].application == "the blocker"
    assert first.blockers[0].role == "migrator"


def test_the_whole_transaction_runs_again_not_only_its_statement(runner, conn, blocker):
    runner.write(
        "a", "CREATE TABLE a (n integer);\nDROP TABLE IF EXISTS gone;\nINSERT INTO a VALUES (1);\nLOCK TABLE busy;"
    )
    with beside(lambda: runner.apply(lock_timeout=50)) as [run]:
        wait_until(lambda: len(runner.told(LockRetry)) >= 3)
        assert not is_there(conn, "a")
        blocker.rollback()
        run.result(LONG)

    assert conn.execute("SELECT n FROM a").fetchall() == [(1,)]
    assert len(runner.told(Notice)) == len(runner.told(LockRetry)) + 1
    assert conn.execute("SELECT count(*) FROM sqlmigrate.log").fetchone() == (1,)


@pytest.mark.usefixtures("watchful")
def test_a_lock_that_is_never_let_go_ends_in_an_error_and_leaves_nothing(runner, conn, blocker):
    runner.write("0", "CREATE TABLE zero ();")
    runner.write("a", "CREATE TABLE a ();\nLOCK TABLE busy;")

    with pytest.raises(LockBudgetSpent, match="canceling statement due to lock timeout") as caught:
        runner.apply(lock_timeout=2_000, lock_budget=100)

    assert caught.value.exit_status == 5
    assert caught.value.server.sqlstate == "55P03"
    assert place(caught.value) == "a.sql:2:1"
    assert caught.value.done == ("0",)
    assert "the blocker" in str(caught.value)
    assert caught.value.hint.endswith(f"SELECT pg_terminate_backend({blocker.info.backend_pid})")
    assert not is_there(conn, "a")
    assert runner.applied() == ["0"]


def test_without_a_budget_there_is_one_attempt(runner, blocker):
    runner.write("a", "LOCK TABLE busy;")

    with pytest.raises(LockBudgetSpent, match=r"\(1 attempt;"):
        runner.apply(lock_timeout=50, lock_budget=0)

    assert runner.told(LockRetry) == []


def test_a_lock_on_a_row_counts_as_one_on_a_table_does(runner, conn, database):
    conn.execute("CREATE TABLE t (n integer); INSERT INTO t VALUES (1)")
    other = database.holding("UPDATE t SET n = 2")
    runner.write("a", "UPDATE t SET n = n + 10;")
    with beside(lambda: runner.apply(lock_timeout=50)) as [run]:
        wait_until(lambda: runner.told(LockRetry))
        other.commit()
        run.result(LONG)

    assert conn.execute("SELECT n FROM t").fetchone() == (12,)


def test_a_deadlock_is_retried(runner, conn, database):
    conn.execute("CREATE TABLE one (); CREATE TABLE two ()")
    other = database.connect_superuser(autocommit=False)
    other.execute("SET deadlock_timeout TO '1min'")  # so that the other side is the one that PostgreSQL cancels
    other.execute("LOCK TABLE two")
    wait = AFTER_THE_OTHER.format(first="one", second="two")
    runner.write("a", f"LOCK TABLE one;{wait}LOCK TABLE two; CREATE TABLE a ();")
    with beside(lambda: runner.apply(lock_timeout=30_000)) as [run]:
        wait_for_row(conn, HELD_ALONE, "one")
        other.execute("LOCK TABLE one")
        wait_until(lambda: runner.told(LockRetry))
        other.commit()
        run.result(LONG)

    assert runner.told(LockRetry)[0].message.sqlstate == "40P01"
    assert runner.told(LockRetry)[0].message.detail
    assert runner.applied() == ["a"]


def test_a_rollback_is_retried_as_well(runner, blocker, conn):
    runner.write("a", "CREATE TABLE a ();", "DROP TABLE a; LOCK TABLE busy;")
    runner.apply()
    with beside(lambda: runner.rollback(lock_timeout=50)) as [run]:
        wait_until(lambda: runner.told(LockRetry))
        blocker.rollback()
        run.result(LONG)

    assert runner.applied() == []
    assert not is_there(conn, "a")


def test_another_error_is_not_retried(runner, blocker):
    runner.write("a", "SET LOCAL statement_timeout TO 100; LOCK TABLE busy;")

    with pytest.raises(ExecutionError, match="statement timeout"):
        runner.apply(lock_timeout=0)

    assert runner.told(LockRetry) == []


def test_a_claim_of_somebody_else_is_waited_for_like_any_lock(runner, conn, database):
    runner.write("0", "SELECT 1;")
    runner.apply()
    runner.write("a", "CREATE TABLE a ();")
    other = database.connect(autocommit=False)
    other.execute("INSERT INTO sqlmigrate._yoyo_migration VALUES (%s, 'a', now())", [migration_hash("a")])
    with beside(lambda: runner.apply(lock_timeout=50)) as [run]:
        wait_until(lambda: runner.told(LockRetry))
        other.rollback()
        assert ids(run.result(LONG)) == ["a"]


def test_a_script_may_set_a_lock_timeout_of_its_own(runner, blocker):
    runner.write("a", "SET LOCAL lock_timeout TO '50ms'; LOCK TABLE busy;")

    with pytest.raises(LockBudgetSpent):
        runner.apply(lock_timeout=30_000, lock_budget=100)


def test_the_pause_between_attempts_may_be_longer_than_the_login_may_be_idle(runner, admin, conn, blocker):
    admin.execute("ALTER ROLE migrator IN DATABASE test_1 SET idle_session_timeout TO '1s'")
    runner.write("a", "LOCK TABLE busy;")
    with beside(lambda: runner.apply(lock_timeout=50)) as [run]:
        wait_until(lambda: any(retry.pause > 1.2 for retry in runner.told(LockRetry)), timeout=30)
        blocker.rollback()
        assert ids(run.result(LONG)) == ["a"]
