"""Locks and old snapshots outside a transaction: CONCURRENTLY waits, everything else is tried again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from sqlmigrate.errors import LockBudgetSpent
from sqlmigrate.events import Blocked, LockRetry
from support.runner import ids, place
from support.sessions import beside, is_there, wait_for_query, wait_for_row
from support.stepwise import OUTSIDE, half_way, indexes, journal, snapshot
from support.waiting import LONG, wait_until

SHORT = {"lock_timeout": 100, "lock_budget": 20_000}


@pytest.fixture
def table(conn):
    conn.execute("CREATE TABLE t (n integer)")


STATEMENTS = {
    "CREATE INDEX CONCURRENTLY j ON t (n)": {"i": True, "j": True},
    "DROP INDEX CONCURRENTLY i": {},
    "REINDEX INDEX CONCURRENTLY i": {"i": True},
    "REINDEX (CONCURRENTLY, VERBOSE) TABLE t": {"i": True},
}


@pytest.mark.parametrize("statement", STATEMENTS)
def test_concurrently_waits_longer_than_lock_timeout_for_an_old_snapshot(runner, conn, database, table, statement):
    conn.execute("CREATE INDEX i ON t (n)")
    runner.write(
        "a", f"{OUTSIDE}{statement};\nCREATE TABLE after AS SELECT current_setting('lock_timeout') AS value;\n"
    )
    reader = database.connect()
    with ThreadPoolExecutor(1) as pool:
        with snapshot(reader, "SELECT * FROM t"):
            run = pool.submit(runner.apply, lock_timeout=100, lock_budget=0)
            wait_for_query(conn, f"{statement[:10]}%")
            blocked = wait_until(lambda: runner.told(Blocked))
            wait_for_row(
                conn,
                "SELECT 1 FROM pg_stat_activity WHERE query LIKE %s AND clock_timestamp() - query_start > '500ms'",
                f"{statement[:10]}%",
            )
            assert not run.done()
        assert ids(run.result(LONG)) == ["a"]

    assert blocked[0].blockers[0].pid == reader.info.backend_pid
    assert indexes(conn) == STATEMENTS[statement]
    assert conn.execute("SELECT value FROM after").fetchall() == [("100ms",)]


def test_a_detach_waits_too(runner, conn, database):
    conn.execute("CREATE TABLE p (a integer) PARTITION BY RANGE (a)")
    conn.execute("CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)")
    runner.write("a", f"{OUTSIDE}ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;\nCREATE TABLE after ();\n")
    with ThreadPoolExecutor(1) as pool:
        with snapshot(database.connect(), "SELECT * FROM p"):
            run = pool.submit(runner.apply, lock_timeout=100, lock_budget=0)
            wait_for_row(conn, "SELECT 1 FROM pg_inherits WHERE inhdetachpending")
            wait_until(lambda: runner.told(Blocked))
        assert ids(run.result(LONG)) == ["a"]
    assert is_there(conn, "after")


def test_a_lock_timeout_that_the_script_sets_is_given_back(runner, conn, table):
    script = "SET lock_timeout TO '7s';\nCREATE INDEX CONCURRENTLY i ON t (n);\n"
    runner.write("a", f"{OUTSIDE}{script}CREATE TABLE after AS SELECT current_setting('lock_timeout') AS value;\n")

    runner.apply()

    assert conn.execute("SELECT value FROM after").fetchall() == [("7s",)]


LOCKED = {
    "a plain statement": "ALTER TABLE t ADD COLUMN m integer;\n",
    "COPY data": "COPY t FROM stdin;\n1\n2\n\\.\n",
    "a statement outside": "VACUUM FULL t;\n",
    "a block": "BEGIN;\nCREATE TABLE u ();\nALTER TABLE t ADD COLUMN m integer;\nSELECT 1;\nCOMMIT;\n",
    "a block with data": "BEGIN;\nCREATE TABLE u ();\nCOPY t FROM stdin;\n1\n2\n\\.\nCOMMIT;\n",
    "data before the lock": (
        "CREATE TABLE u (n integer);\nBEGIN;\nCOPY u FROM stdin;\n1\n2\n\\.\nALTER TABLE t ADD m integer;\nCOMMIT;\n"
    ),
}


@pytest.mark.parametrize("kind", LOCKED)
def test_what_does_not_get_its_lock_is_tried_again(runner, conn, database, table, kind):
    runner.write("a", f"{OUTSIDE}CREATE TABLE before ();\n{LOCKED[kind]}CREATE TABLE after ();\n")
    holder = database.holding("LOCK TABLE t")
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(runner.apply, **SHORT)
        retries = wait_until(lambda: runner.told(LockRetry))
        holder.rollback()
        assert ids(run.result(LONG)) == ["a"]

    assert retries[0].message.sqlstate == "55P03"
    assert is_there(conn, "after")
    if "COPY t" in LOCKED[kind]:
        assert conn.execute("SELECT n FROM t").fetchall() == [(1,), (2,)]
    if "COPY u" in LOCKED[kind]:
        assert conn.execute("SELECT n FROM u").fetchall() == [(1,), (2,)]


@pytest.mark.parametrize("kind", LOCKED)
def test_when_the_budget_is_spent_what_is_done_stays_and_the_rerun_goes_on(runner, conn, database, table, kind):
    runner.write("a", f"{OUTSIDE}CREATE TABLE before ();\n{LOCKED[kind]}CREATE TABLE after ();\n")
    holder = database.holding("LOCK TABLE t")

    error = half_way(lambda: runner.apply(lock_timeout=50, lock_budget=0))

    assert error.server.sqlstate == "55P03"
    assert "the lock budget is used up" in error.message
    assert [is_there(conn, name) for name in ("before", "after")] == [True, False]
    assert journal(conn)[-1][-1] == "failed"
    holder.rollback()
    assert ids(runner.apply()) == ["a"]
    assert is_there(conn, "after")


def test_a_first_statement_without_its_lock_leaves_nothing(runner, conn, database, table):
    runner.write("a", f"{OUTSIDE}ALTER TABLE t ADD COLUMN m integer;\n")
    database.holding("LOCK TABLE t")

    with pytest.raises(LockBudgetSpent) as caught:
        runner.apply(lock_timeout=50, lock_budget=0)

    assert caught.value.exit_status == 5
    assert place(caught.value) == "a.sql:2:1"
    assert journal(conn) == []


def test_a_procedure_without_its_lock_is_not_repeated_unasked(runner, conn, database, table):
    """It may have committed something before it came to the lock."""
    conn.execute("CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN CREATE TABLE part (); COMMIT; LOCK TABLE t; END'")
    runner.write("a", f"{OUTSIDE}CALL p();\n")
    database.holding("LOCK TABLE t")

    error = half_way(lambda: runner.apply(**SHORT))

    assert error.server.sqlstate == "55P03"
    assert runner.told(LockRetry) == []
    assert "--resume-at 2 goes on after it" in error.hint


def test_an_index_that_is_dropped_on_resume_waits_for_old_snapshots_too(runner, conn, database, table):
    conn.execute("INSERT INTO t VALUES (1), (1)")
    runner.write("a", f"{OUTSIDE}CREATE UNIQUE INDEX CONCURRENTLY i ON t (n);\n")
    half_way(runner.apply)
    conn.execute("TRUNCATE t")
    with ThreadPoolExecutor(1) as pool:
        with snapshot(database.connect(), "SELECT * FROM t"):
            run = pool.submit(runner.apply, lock_timeout=50, lock_budget=0)
            wait_for_query(conn, "DROP INDEX CONCURRENTLY%")
            wait_until(lambda: runner.told(Blocked))
        assert ids(run.result(LONG)) == ["a"]

    assert indexes(conn) == {"i": True}


def test_what_a_block_defers_to_its_end_waits_for_its_lock_as_all_else_does(runner, conn, database, short_pauses):
    conn.execute("CREATE TABLE p (id integer PRIMARY KEY); INSERT INTO p VALUES (1)")
    conn.execute("CREATE TABLE c (id integer REFERENCES p DEFERRABLE INITIALLY DEFERRED)")
    runner.write("a", "-- transactional: false\nBEGIN;\nINSERT INTO c VALUES (1);\nCOMMIT;")
    holder = database.holding("UPDATE p SET id = 2")
    with beside(lambda: runner.apply(lock_timeout=100, lock_budget=60_000)) as [run]:
        wait_until(lambda: runner.told(LockRetry))
        holder.rollback()
        assert ids(run.result(LONG)) == ["a"]

    assert conn.execute("TABLE c").fetchall() == [(1,)]


def test_a_history_that_somebody_locks_at_the_end_of_a_script_is_waited_for(runner, conn, database, short_pauses):
    runner.write("a", "SELECT 1;")
    runner.apply()
    runner.write("b", f"{OUTSIDE}CREATE TABLE b ();\n")
    holder = database.holding("LOCK TABLE sqlmigrate._yoyo_migration IN SHARE ROW EXCLUSIVE MODE")
    error = half_way(lambda: runner.apply(lock_timeout=100, lock_budget=0))
    assert "leaves them out" not in error.hint
    with beside(lambda: runner.apply(lock_timeout=100, lock_budget=60_000)) as [run]:
        wait_until(lambda: runner.told(LockRetry))
        holder.rollback()
        assert ids(run.result(LONG)) == ["b"]

    assert is_there(conn, "b")
    assert journal(conn) == []
