"""A session that is lost in a script outside a transaction: what is told is what is true."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from sqlmigrate.errors import ExecutionError
from support.runner import ids
from support.sessions import is_there, wait_for_query, wait_for_row
from support.stepwise import OUTSIDE, half_way, indexes, journal, snapshot, while_it_runs


def killed(runner, conn, pattern, run=None):
    """Run scripts, and end their session while a statement like this runs; gives the error."""
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(run or runner.apply)
        conn.execute("SELECT pg_terminate_backend(%s)", [wait_for_query(conn, pattern)])
        return result.exception(60)


def test_a_first_statement_in_a_transaction_leaves_nothing(runner, conn):
    runner.write("a", f"{OUTSIDE}DO $$ BEGIN PERFORM pg_sleep(60); END $$;\nCREATE TABLE t ();\n")

    error = killed(runner, conn, "DO %")

    assert isinstance(error, ExecutionError)
    assert error.exit_status == 1
    assert "the connection was lost while the script ran" in error.message
    assert "nothing of the script is in the database" in error.hint
    assert journal(conn) == []


def test_a_later_statement_in_a_transaction_leaves_what_was_before_it(runner, conn):
    script = f"{OUTSIDE}CREATE TABLE t ();\nDO $$ BEGIN PERFORM pg_sleep({{}}); END $$;\nCREATE TABLE u ();\n"
    runner.write("a", script.format(60))

    error = killed(runner, conn, "DO %")

    assert error.exit_status == 6
    assert "statement 1 is the last one in the journal (done)" in error.hint
    assert "PostgreSQL has rolled" not in error.hint
    runner.write("a", script.format(0))
    assert ids(runner.apply()) == ["a"]
    assert is_there(conn, "u")


def test_a_block_that_is_lost_begins_again(runner, conn):
    script = f"{OUTSIDE}SELECT 1;\nBEGIN;\nCREATE TABLE t ();\nSELECT pg_sleep({{}});\nCOMMIT;\n"
    runner.write("a", script.format(60))

    error = killed(runner, conn, "SELECT pg_sleep%")

    assert error.exit_status == 6
    assert not is_there(conn, "t")
    runner.write("a", script.format(0))
    assert ids(runner.apply()) == ["a"]
    assert is_there(conn, "t")


@pytest.mark.parametrize("name", ["i", ""])
def test_an_index_that_was_under_way_is_built_by_the_next_run(runner, conn, database, name):
    conn.execute("CREATE TABLE t (n integer)")
    runner.write("a", f"{OUTSIDE}CREATE INDEX CONCURRENTLY {name} ON t (n);\nCREATE TABLE after ();\n")
    reader = database.connect()
    with snapshot(reader, "SELECT * FROM t"), ThreadPoolExecutor(1) as pool:
        run = pool.submit(runner.apply)
        pid = wait_for_query(conn, "CREATE INDEX CONCURRENTLY%")
        wait_for_row(conn, "SELECT 1 FROM pg_index WHERE indrelid = 't'::regclass")
        conn.execute("SELECT pg_terminate_backend(%s)", [pid])
        error = run.exception(60)

    assert error.exit_status == 6
    assert "statement 1 is the last one in the journal (running)" in error.hint
    assert list(indexes(conn).values()) == [False]
    assert ids(runner.apply()) == ["a"]
    assert list(indexes(conn).values()) == [True]
    assert is_there(conn, "after")


def test_a_procedure_that_was_under_way_is_asked_about(runner, conn):
    conn.execute("CREATE TABLE t (n integer)")
    body = "BEGIN INSERT INTO t VALUES (1); COMMIT; PERFORM pg_sleep(60); INSERT INTO t VALUES (2); END"
    conn.execute(f"CREATE PROCEDURE p() LANGUAGE plpgsql AS $${body}$$")
    runner.write("a", f"{OUTSIDE}CALL p();\n")
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(runner.apply)
        pid = wait_for_query(conn, "CALL p()%")
        wait_for_row(conn, "SELECT 1 FROM t")
        conn.execute("SELECT pg_terminate_backend(%s)", [pid])
        assert run.exception(60).exit_status == 6

    error = half_way(runner.apply)

    assert "cannot be known" in error.message
    assert conn.execute("SELECT n FROM t").fetchall() == [(1,)]


def test_a_session_lost_in_a_rollback_is_reported_and_goes_on(runner, conn):
    runner.write(
        "a",
        f"{OUTSIDE}CREATE TABLE t ();\n",
        "DROP TABLE t;\nSELECT pg_sleep(seconds) FROM pause;\n",
    )
    runner.apply()
    conn.execute("CREATE TABLE pause AS SELECT 60 AS seconds")

    error = killed(runner, conn, "SELECT pg_sleep%", runner.rollback)

    assert error.exit_status == 6
    assert "sqlmigrate rollback" in error.hint
    conn.execute("TRUNCATE pause")
    assert ids(runner.rollback()) == ["a"]
    assert runner.applied() == []


def test_a_session_lost_at_the_last_commit_is_reported_as_it_is(runner, conn, database):
    """The COMMIT of the history waits for a deferred trigger; while that is there, the history is not believed."""
    runner.write("0", "SELECT 1;")
    runner.apply()
    admin = database.connect_superuser()
    body = "BEGIN IF NEW.migration_id = 'a' THEN PERFORM pg_sleep(60); END IF; RETURN NULL; END"
    admin.execute(f"CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
    trigger = "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON sqlmigrate._yoyo_migration INITIALLY DEFERRED"
    runner.write("a", f"{OUTSIDE}CREATE TABLE t ();\n")

    def slowly() -> None:
        while_it_runs(runner, lambda: admin.execute(f"{trigger} FOR EACH ROW EXECUTE FUNCTION slow()"))

    error = killed(runner, conn, "COMMIT%", slowly)

    assert error.exit_status == 6
    assert "`sqlmigrate status` shows where it stopped" in error.hint
    admin.execute("DROP TRIGGER slow ON sqlmigrate._yoyo_migration")
    assert ids(runner.apply()) == ["a"]
    with pytest.raises(psycopg.errors.DuplicateTable):
        conn.execute("CREATE TABLE t ()")
