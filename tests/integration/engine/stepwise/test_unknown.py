"""Where an outcome cannot be known, the run stops with 6 and asks; nothing is silently repeated."""

from __future__ import annotations

import pytest

from support.runner import ids, place
from support.stepwise import OUTSIDE, crashed, half_way, indexes, journal

COMMITS = """
CREATE TABLE t (n integer);
CREATE PROCEDURE p() LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO t VALUES (1);
    COMMIT;
    INSERT INTO t VALUES (2);
END $$;
"""
BLOCK = "DO $$ BEGIN INSERT INTO t VALUES (1); COMMIT; INSERT INTO t VALUES (2); END $$"
FAILS = "DO $$ BEGIN INSERT INTO t VALUES (1); COMMIT; PERFORM 1 / 0; END $$"
UNKNOWN = ["CALL p()", "VACUUM t", "VACUUM (FULL) t", BLOCK]


def numbers(conn):
    return [n for (n,) in conn.execute("SELECT n FROM t ORDER BY n")]


@pytest.fixture
def procedure(conn):
    conn.execute(COMMITS)


@pytest.mark.parametrize("statement", ["CALL p()", BLOCK])
def test_a_procedure_may_commit_inside(runner, conn, procedure, statement):
    runner.write("a", f"{OUTSIDE}{statement};\nINSERT INTO t VALUES (3);\n")

    runner.apply()

    assert numbers(conn) == [1, 2, 3]


def test_a_procedure_that_is_called_by_a_block_may_commit_too(runner, conn, procedure):
    """No word of the block says COMMIT: PostgreSQL does, and the block runs outside after all."""
    runner.write("a", f"{OUTSIDE}DO $$ BEGIN CALL p(); END $$;\n")

    runner.apply()

    assert numbers(conn) == [1, 2]


@pytest.mark.parametrize("statement", UNKNOWN)
def test_after_a_crash_it_asks_and_does_not_repeat(runner, conn, procedure, statement):
    runner.write("a", f"{OUTSIDE}SELECT 1;\n{statement};\nINSERT INTO t VALUES (3);\n")
    crashed(runner, conn, 2)

    for _ in range(2):
        error = half_way(runner.apply)
        assert "cannot be known" in error.message
        assert place(error) == "a.sql:3:1"
        assert "--resume-at 2 runs it again" in error.hint
        assert "--resume-at 3 goes on after it" in error.hint

    assert numbers(conn) == []
    assert journal(conn)[-1] == ("apply", 2, 2, "running")


def test_resume_at_it_runs_it_again(runner, conn, procedure):
    runner.write("a", f"{OUTSIDE}SELECT 1;\nCALL p();\nINSERT INTO t VALUES (3);\n")
    crashed(runner, conn, 2)

    assert ids(runner.apply(resume_at=2)) == ["a"]

    assert numbers(conn) == [1, 2, 3]


def test_resume_after_it_leaves_it_out(runner, conn, procedure):
    runner.write("a", f"{OUTSIDE}SELECT 1;\nCALL p();\nINSERT INTO t VALUES (3);\n")
    crashed(runner, conn, 2)

    assert ids(runner.apply(resume_at=3)) == ["a"]

    assert numbers(conn) == [3]


def test_resume_at_an_index_drops_what_was_left_of_it(runner, conn, procedure):
    runner.write("a", f"{OUTSIDE}SELECT 1;\nCREATE UNIQUE INDEX CONCURRENTLY i ON t (n);\n")
    conn.execute("INSERT INTO t VALUES (1), (1)")
    half_way(runner.apply)
    assert indexes(conn) == {"i": False}
    conn.execute("TRUNCATE t")

    runner.apply(resume_at=2)

    assert indexes(conn) == {"i": True}


@pytest.mark.parametrize("prefix", ["", "SELECT 1;\n"])
def test_a_procedure_that_fails_after_its_commit_is_not_repeated_unasked(runner, conn, procedure, prefix):
    runner.write("a", f"{OUTSIDE}{prefix}{FAILS};\n")
    number = 2 if prefix else 1

    error = half_way(runner.apply)

    assert error.server.sqlstate == "22012"
    assert "what it committed before the error stays" in error.hint
    assert f"--resume-at {number} runs it again" in error.hint
    assert numbers(conn) == [1]
    again = half_way(runner.apply)
    assert "it failed" in again.message
    assert numbers(conn) == [1]
    assert half_way(lambda: runner.apply(resume_at=number)).server.sqlstate == "22012"
    assert numbers(conn) == [1, 1]
    assert ids(runner.apply(resume_at=number + 1)) == ["a"]


def test_a_failed_vacuum_may_be_repeated(runner, conn):
    runner.write("a", f"{OUTSIDE}SELECT 1;\nVACUUM t;\n")
    half_way(runner.apply)
    conn.execute("CREATE TABLE t ()")

    assert ids(runner.apply()) == ["a"]


def test_a_vacuum_that_was_mended_into_another_statement_still_asks(runner, conn, procedure):
    runner.write("a", f"{OUTSIDE}CALL p();\n")
    crashed(runner, conn, 1)
    runner.write("a", f"{OUTSIDE}INSERT INTO t VALUES (7);\n")

    error = half_way(runner.apply)

    assert "cannot be known" in error.message
    assert numbers(conn) == []
    runner.apply(resume_at=1)
    assert numbers(conn) == [7]


LARGE = f"CREATE {{}}INDEX CONCURRENTLY i ON t (n) /* {'long ' * 5_000} */"


def test_what_the_parser_does_not_know_runs_outside_when_the_server_says_so(runner, conn, procedure):
    """This one is too long to be parsed; a statement of a newer PostgreSQL goes the same way."""
    runner.write("a", f"{OUTSIDE}{LARGE.format('')};\n")

    runner.apply()

    assert indexes(conn) == {"i": True}


def test_what_the_parser_does_not_know_is_cleared_up_too(runner, conn, procedure):
    conn.execute("INSERT INTO t VALUES (1), (1)")
    runner.write("a", f"{OUTSIDE}SELECT 1;\n{LARGE.format('UNIQUE ')};\n")

    error = half_way(runner.apply)

    assert 'DROP INDEX CONCURRENTLY "public"."i"' in error.hint
    conn.execute("TRUNCATE t")
    runner.apply()
    assert indexes(conn) == {"i": True}


def test_a_statement_that_is_not_sql_is_an_error_as_elsewhere(runner, conn):
    runner.write("a", f"{OUTSIDE}CREATE TABLE t ();\nFROBNICATE t;\n")

    error = half_way(runner.apply)

    assert (error.server.sqlstate, place(error)) == ("42601", "a.sql:3:1")


def test_an_error_that_only_looks_like_it_fails_outside_too(runner, conn, procedure):
    """VACUUM in a function fails in a transaction and outside: nothing is lost by the second attempt."""
    runner.write("a", f"{OUTSIDE}SELECT 1;\nDO $$ BEGIN INSERT INTO t VALUES (1); EXECUTE 'VACUUM t'; END $$;\n")

    error = half_way(runner.apply)

    assert error.server.sqlstate == "25001"
    assert numbers(conn) == []
