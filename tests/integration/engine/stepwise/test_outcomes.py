"""What a crash leaves of a statement outside a transaction is looked up; where it cannot be known, we ask."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest

from sqlmigrate.errors import ExecutionError, HistoryError
from support.runner import ids, place
from support.sessions import is_there, wait_for_query, wait_for_row
from support.stepwise import OUTSIDE, crashed, half_way, indexes, invalid_index, journal, snapshot
from support.waiting import LONG


@pytest.fixture
def table(conn):
    conn.execute("CREATE TABLE t (a integer, b integer)")
    conn.execute("INSERT INTO t SELECT n, n % 10 FROM generate_series(1, 100) AS n")


@pytest.mark.parametrize("name", ["i", ""])
def test_an_index_that_was_built_is_not_built_again(runner, conn, table, name):
    runner.write("a", f"{OUTSIDE}CREATE INDEX CONCURRENTLY {name} ON t (a);\nCREATE TABLE after ();\n")
    crashed(runner, conn, 1)
    conn.execute(f"CREATE INDEX {name} ON t (a)")

    assert ids(runner.apply()) == ["a"]

    assert len(indexes(conn)) == 1
    assert is_there(conn, "after")
    assert journal(conn) == []


@pytest.mark.parametrize("name", ["i", ""])
def test_an_index_that_was_not_begun_is_built(runner, conn, table, name):
    runner.write("a", f"{OUTSIDE}CREATE INDEX CONCURRENTLY {name} ON t (a);\n")
    crashed(runner, conn, 1)

    runner.apply()

    assert list(indexes(conn).values()) == [True]


@pytest.mark.parametrize("name", ["i", ""])
def test_an_invalid_index_of_ours_is_dropped_and_built_again(runner, conn, table, name):
    statement = f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON t (b)"
    runner.write("a", f"{OUTSIDE}{statement};\n")
    crashed(runner, conn, 1)
    invalid_index(conn, statement)
    assert list(indexes(conn).values()) == [False]
    conn.execute("UPDATE t SET b = a")

    runner.apply()

    assert list(indexes(conn).values()) == [True]
    assert len(indexes(conn)) == 1


def test_an_invalid_index_after_if_not_exists_of_ours_is_built_again_too(runner, conn, table):
    statement = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (b)"
    runner.write("a", f"{OUTSIDE}{statement};\n")
    crashed(runner, conn, 1)
    invalid_index(conn, statement)
    conn.execute("UPDATE t SET b = a")

    runner.apply()

    assert indexes(conn) == {"i": True}


def test_indexes_of_others_stay(runner, conn, table):
    """Only what can be ours goes: another session may leave an INVALID index on the same table meanwhile."""
    runner.write("a", f"{OUTSIDE}CREATE INDEX CONCURRENTLY i ON t (a);\n")
    invalid_index(conn, "CREATE UNIQUE INDEX CONCURRENTLY before ON t (b)")
    crashed(runner, conn, 1)
    invalid_index(conn, "CREATE UNIQUE INDEX CONCURRENTLY meanwhile ON t (b)")

    runner.apply()

    assert indexes(conn) == {"before": False, "i": True, "meanwhile": False}


def test_a_unique_violation_names_the_invalid_index_and_the_rerun_mends_it(runner, conn, table):
    runner.write("a", f"{OUTSIDE}CREATE TABLE first ();\nCREATE UNIQUE INDEX CONCURRENTLY i ON t (b);\n")

    error = half_way(runner.apply)

    assert error.server.sqlstate == "23505"
    assert place(error) == "a.sql:3:1"
    assert 'DROP INDEX CONCURRENTLY "public"."i"' in error.hint
    assert indexes(conn) == {"i": False}
    assert journal(conn)[1] == ("apply", 2, 2, "failed")
    conn.execute("UPDATE t SET b = a")
    runner.apply()
    assert indexes(conn) == {"i": True}


def test_an_index_that_was_dropped_by_hand_after_a_failure_is_built(runner, conn, table):
    runner.write("a", f"{OUTSIDE}CREATE UNIQUE INDEX CONCURRENTLY i ON t (b);\n")
    half_way(runner.apply)
    conn.execute("DROP INDEX CONCURRENTLY i")
    conn.execute("UPDATE t SET b = a")

    runner.apply()

    assert indexes(conn) == {"i": True}


def test_resume_at_does_not_pass_over_an_invalid_index(runner, conn, table):
    runner.write("a", f"{OUTSIDE}CREATE UNIQUE INDEX CONCURRENTLY i ON t (b);\nCREATE TABLE after ();\n")
    half_way(runner.apply)

    with pytest.raises(ExecutionError, match=r"left behind the INVALID index public\.i") as caught:
        runner.apply(resume_at=2)

    assert 'DROP INDEX CONCURRENTLY "public"."i"' in caught.value.hint
    assert not is_there(conn, "after")
    conn.execute("DROP INDEX CONCURRENTLY i")
    assert ids(runner.apply(resume_at=2)) == ["a"]
    assert indexes(conn) == {}


def test_a_mended_statement_clears_up_after_the_one_that_was_begun(runner, conn, table):
    runner.write("a", f"{OUTSIDE}CREATE UNIQUE INDEX CONCURRENTLY i ON t (b);\n")
    half_way(runner.apply)
    runner.write("a", f"{OUTSIDE}CREATE INDEX CONCURRENTLY j ON t (b);\n")

    runner.apply()

    assert indexes(conn) == {"j": True}


def test_a_statement_that_was_done_and_then_edited_is_refused(runner, conn, table):
    runner.write("a", f"{OUTSIDE}CREATE INDEX CONCURRENTLY i ON t (a);\n")
    crashed(runner, conn, 1)
    conn.execute("CREATE INDEX i ON t (a)")
    runner.write("a", f"{OUTSIDE}CREATE INDEX CONCURRENTLY j ON t (a);\n")

    with pytest.raises(HistoryError, match="statement 1 was edited"):
        runner.apply()

    assert indexes(conn) == {"i": True}


def test_if_not_exists_over_an_invalid_index_is_an_error_that_names_it(runner, conn, table):
    """PostgreSQL itself only says that the index exists already, and goes on."""
    invalid_index(conn, "CREATE UNIQUE INDEX CONCURRENTLY i ON t (b)")
    runner.write("a", f"{OUTSIDE}CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (b);\nCREATE TABLE after ();\n")

    error = half_way(runner.apply)

    assert "INVALID index public.i" in error.message
    assert 'DROP INDEX CONCURRENTLY "public"."i"' in error.hint
    assert not is_there(conn, "after")
    half_way(runner.apply)
    conn.execute("DROP INDEX CONCURRENTLY i")
    runner.apply()
    assert indexes(conn) == {"i": True}


def test_if_not_exists_over_a_good_index_passes(runner, conn, table):
    conn.execute("CREATE INDEX i ON t (a)")
    runner.write("a", f"{OUTSIDE}CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a);\n")

    assert ids(runner.apply()) == ["a"]


@pytest.mark.parametrize("what", ["TABLE CONCURRENTLY t", "INDEX CONCURRENTLY i", "(CONCURRENTLY) TABLE public.t"])
def test_what_an_interrupted_reindex_leaves_is_dropped(runner, conn, table, what):
    """Its copy `i_ccnew` stays INVALID; the statement is done again."""
    conn.execute("CREATE INDEX i ON t (a)")
    runner.write("a", f"{OUTSIDE}REINDEX {what};\n")
    crashed(runner, conn, 1)
    with ExitStack() as stack:
        _interrupted(stack, conn, runner.conninfo, f"REINDEX {what}")
    assert indexes(conn) == {"i": True, "i_ccnew": False}

    runner.apply()

    assert indexes(conn) == {"i": True}


def test_what_a_reindex_of_partitions_leaves_is_dropped_too(runner, conn):
    conn.execute("CREATE TABLE t (a integer) PARTITION BY RANGE (a)")
    conn.execute("CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10)")
    conn.execute("CREATE INDEX ON t (a)")
    runner.write("a", f"{OUTSIDE}REINDEX TABLE CONCURRENTLY t;\n")
    crashed(runner, conn, 1)
    with ExitStack() as stack:
        _interrupted(stack, conn, runner.conninfo, "REINDEX TABLE CONCURRENTLY t", table="t1")
    assert indexes(conn, "t1") == {"t1_a_idx": True, "t1_a_idx_ccnew": False}

    runner.apply()

    assert indexes(conn, "t1") == {"t1_a_idx": True}


def test_a_reindex_that_fails_names_what_it_left(runner, conn, table, database):
    conn.execute("CREATE INDEX i ON t (a)")
    runner.write("a", f"{OUTSIDE}REINDEX TABLE CONCURRENTLY t;\n")
    reader = database.connect()
    with snapshot(reader, "SELECT * FROM t"), ThreadPoolExecutor(1) as pool:
        run = pool.submit(half_way, runner.apply)
        pid = wait_for_query(conn, "REINDEX%")
        wait_for_row(conn, "SELECT 1 FROM pg_class WHERE relname = 'i_ccnew'")
        conn.execute("SELECT pg_cancel_backend(%s)", [pid])
        error = run.result(LONG)

    assert "i_ccnew" in error.hint
    runner.apply()
    assert indexes(conn) == {"i": True}


def _interrupted(stack, conn, conninfo, statement, table="t"):
    """Run a CONCURRENTLY in another session, and cancel it while it waits for an old snapshot."""
    reader, worker = (stack.enter_context(psycopg.connect(conninfo, autocommit=True)) for _ in range(2))
    pool = stack.enter_context(ThreadPoolExecutor(1))
    with snapshot(reader, f"SELECT * FROM {table}"):
        run = pool.submit(worker.execute, statement)
        wait_for_row(conn, "SELECT 1 FROM pg_class WHERE relname LIKE %s", "%ccnew")
        worker.cancel_safe()
        assert isinstance(run.exception(30), psycopg.errors.QueryCanceled)


@pytest.mark.parametrize("statement", ["DROP INDEX CONCURRENTLY i", "DROP INDEX CONCURRENTLY public.i"])
def test_an_index_that_was_dropped_is_not_dropped_again(runner, conn, table, statement):
    conn.execute("CREATE INDEX i ON t (a)")
    runner.write("a", f"{OUTSIDE}{statement};\n")
    crashed(runner, conn, 1)
    conn.execute("DROP INDEX i")

    assert ids(runner.apply()) == ["a"]


def test_an_index_that_is_still_there_is_dropped(runner, conn, table):
    conn.execute("CREATE INDEX i ON t (a)")
    runner.write("a", f"{OUTSIDE}DROP INDEX CONCURRENTLY i;\n")
    crashed(runner, conn, 1)

    runner.apply()

    assert indexes(conn) == {}


def test_an_index_that_was_never_there_is_not_a_success(runner, conn, table):
    """Neither after a crash nor after a failure: only a change from before to after tells that it was done."""
    runner.write("a", f"{OUTSIDE}CREATE TABLE first ();\nDROP INDEX CONCURRENTLY mistyped;\n")
    for _ in range(2):
        error = half_way(runner.apply)
        assert error.server.sqlstate == "42704"


@pytest.fixture
def partitions(conn):
    conn.execute("CREATE TABLE p (a integer) PARTITION BY RANGE (a)")
    conn.execute("CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)")


DETACH = "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY"


def test_a_partition_that_was_detached_is_not_detached_again(runner, conn, partitions):
    runner.write("a", f"{OUTSIDE}{DETACH};\n")
    crashed(runner, conn, 1)
    conn.execute("ALTER TABLE p DETACH PARTITION p1")

    assert ids(runner.apply()) == ["a"]


def test_a_partition_that_is_still_there_is_detached(runner, conn, partitions):
    runner.write("a", f"{OUTSIDE}{DETACH};\n")
    crashed(runner, conn, 1)

    runner.apply()

    assert conn.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'p'::regclass").fetchone() == (0,)


def test_an_interrupted_detach_names_its_finalize_at_once_and_on_every_rerun(runner, conn, database, partitions):
    runner.write("a", f"{OUTSIDE}{DETACH};\nCREATE TABLE after ();\n")
    reader = database.connect()
    finalize = 'ALTER TABLE "p" DETACH PARTITION "p1" FINALIZE'
    with snapshot(reader, "SELECT * FROM p"), ThreadPoolExecutor(1) as pool:
        run = pool.submit(half_way, runner.apply)
        wait_for_row(conn, "SELECT 1 FROM pg_inherits WHERE inhdetachpending")
        conn.execute("SELECT pg_cancel_backend(%s)", [wait_for_query(conn, "ALTER TABLE p DETACH%")])
        error = run.result(LONG)
    assert finalize in error.hint

    for _ in range(2):
        again = half_way(runner.apply)
        assert "interrupted half way" in again.message
        assert finalize in again.hint
    conn.execute(finalize)
    assert ids(runner.apply()) == ["a"]
    assert is_there(conn, "after")


def test_a_database_is_looked_up(runner, conn, admin):
    admin.execute("ALTER ROLE migrator CREATEDB")
    try:
        runner.write("a", f"{OUTSIDE}CREATE DATABASE test_other;\n", f"{OUTSIDE}DROP DATABASE test_other;\n")
        crashed(runner, conn, 1)
        admin.execute("CREATE DATABASE test_other OWNER migrator")
        assert ids(runner.apply()) == ["a"]
        crashed(runner, conn, 1, operation="rollback")
        admin.execute("DROP DATABASE test_other")
        assert ids(runner.rollback()) == ["a"]
        runner.apply()
        assert ids(runner.rollback()) == ["a"]
    finally:
        admin.execute("DROP DATABASE IF EXISTS test_other")
        admin.execute("ALTER ROLE migrator NOCREATEDB")


def test_a_database_that_was_there_before_is_not_a_success(runner, conn, admin):
    admin.execute("ALTER ROLE migrator CREATEDB")
    try:
        runner.write("a", f"{OUTSIDE}CREATE DATABASE test_1;\n")
        for _ in range(2):
            assert half_way(runner.apply).server.sqlstate == "42P04"
    finally:
        admin.execute("ALTER ROLE migrator NOCREATEDB")
