"""A script outside a transaction goes on exactly where it stopped."""

from __future__ import annotations

import pytest

from sqlmigrate import plan
from sqlmigrate.errors import ExecutionError, HistoryError, MigrationsError, UsageError
from sqlmigrate.events import Resumed, ScriptStarted
from support.runner import ids, place
from support.sessions import is_there
from support.stepwise import OUTSIDE, crashed, half_way, journal, while_it_runs

SCRIPT = f"""\
{OUTSIDE}CREATE TABLE t (n integer);
INSERT INTO t VALUES (1);
INSERT INTO t
VALUES (2), (nonsense);
INSERT INTO t VALUES (3);
"""


def numbers(conn):
    return [n for (n,) in conn.execute("SELECT n FROM t ORDER BY n")]


def test_it_runs_statement_by_statement_and_leaves_no_journal(runner, conn):
    runner.write("a", SCRIPT.replace("nonsense", "20"))

    assert ids(runner.apply()) == ["a"]

    assert numbers(conn) == [1, 2, 3, 20]
    assert journal(conn) == []
    assert runner.history().half_way == ()
    assert conn.execute("SELECT operation FROM sqlmigrate.log").fetchall() == [("apply",)]


def test_what_is_done_before_a_failing_statement_stays(runner, conn):
    runner.write("a", SCRIPT, "DROP TABLE t;")

    error = half_way(runner.apply)

    assert place(error) == "a.sql:5:14"
    assert (error.statement, error.done_statements, error.kept) == (3, 2, True)
    assert "sqlmigrate apply" in error.hint
    assert "sqlmigrate rollback" in error.hint
    assert numbers(conn) == [1]
    assert runner.applied() == []


def test_the_journal_names_the_failing_statement_and_why(runner, conn):
    runner.write("a", SCRIPT)
    half_way(runner.apply)

    assert journal(conn) == [("apply", 1, 1, "done"), ("apply", 2, 2, "done"), ("apply", 3, 3, "failed")]
    stopped = runner.history().half_way_of("a").stopped_at
    assert (stopped.number, stopped.line) == (3, 4)
    assert stopped.statement == "INSERT INTO t\nVALUES (2), (nonsense)"
    assert stopped.error == 'column "nonsense" does not exist'


def test_a_mended_script_goes_on_at_the_failing_statement(runner, conn):
    runner.write("a", SCRIPT)
    half_way(runner.apply)
    runner.write("a", SCRIPT.replace("nonsense", "20") + "INSERT INTO t VALUES (4);")

    assert ids(runner.apply()) == ["a"]

    assert numbers(conn) == [1, 2, 3, 4, 20]
    assert runner.told(Resumed) == [Resumed("a", "apply", 2)]
    assert journal(conn) == []


def test_the_mended_script_is_the_one_that_is_recorded(runner):
    runner.write("a", SCRIPT)
    half_way(runner.apply)
    runner.write("a", SCRIPT.replace("nonsense", "20"))
    runner.apply()

    assert runner.history().get("a").checksum == runner.load().named("a").script.checksum
    assert ids(runner.apply()) == []


def test_it_may_fail_again_and_again(runner, conn):
    runner.write("a", SCRIPT)
    for _ in range(3):
        error = half_way(runner.apply)
        assert error.statement == 3
    runner.write("a", SCRIPT.replace("nonsense", "20").replace("(3)", "(worse)"))
    assert half_way(runner.apply).statement == 4
    runner.write("a", SCRIPT.replace("nonsense", "20"))

    runner.apply()

    assert numbers(conn) == [1, 2, 3, 20]


def test_an_edited_finished_statement_is_refused_with_its_place(runner, conn):
    runner.write("a", SCRIPT)
    half_way(runner.apply)
    runner.write("a", SCRIPT.replace("VALUES (1)", "VALUES (100)").replace("nonsense", "20"))

    with pytest.raises(HistoryError, match="statement 2 was edited after having been run") as caught:
        runner.apply()

    assert place(caught.value) == "a.sql:3:1"
    assert numbers(conn) == [1]


def test_a_statement_put_between_finished_ones_is_refused(runner, conn):
    runner.write("a", SCRIPT)
    half_way(runner.apply)
    runner.write("a", SCRIPT.replace("INSERT INTO t VALUES (1);", "SELECT 1;\nINSERT INTO t VALUES (1);"))

    with pytest.raises(HistoryError, match="statement 2 was edited"):
        runner.apply()


def test_a_script_that_lost_finished_statements_is_refused(runner, conn):
    runner.write("a", SCRIPT)
    half_way(runner.apply)
    runner.write("a", f"{OUTSIDE}CREATE TABLE t (n integer);\n")

    with pytest.raises(HistoryError, match="has 1 statements, but 2 are done"):
        runner.apply()

    assert runner.applied() == []


def test_comments_and_line_ends_of_finished_statements_may_change(runner, conn):
    script = SCRIPT.replace("INSERT INTO t VALUES (1)", "INSERT INTO t\nVALUES (1)")
    runner.write("a", script)
    half_way(runner.apply)
    mended = script.replace("CREATE", "-- what it is for\nCREATE").replace("nonsense", "20")
    runner.write("a", mended.replace("\n", "\r\n"))

    runner.apply()

    assert numbers(conn) == [1, 2, 3, 20]


def test_nothing_done_is_not_half_way(runner, conn):
    runner.write("a", f"{OUTSIDE}SELECT nonsense;\nCREATE TABLE t ();\n")

    with pytest.raises(ExecutionError) as caught:
        runner.apply()

    assert caught.value.exit_status == 1
    assert not caught.value.kept
    assert journal(conn) == []


def test_an_error_while_a_statement_is_written_down_undoes_the_statement(runner, conn, admin):
    """The statement and its journal row are one transaction: neither stays without the other."""
    runner.write("a", SCRIPT.replace("nonsense", "20"))
    runner.write("0", "SELECT 1;")
    runner.apply(steps=1)
    check = "ALTER TABLE sqlmigrate.journal ADD CONSTRAINT no_second CHECK (number <> 2)"

    error = half_way(lambda: while_it_runs(runner, lambda: admin.execute(check)))

    assert "the history row could not be written" in error.message
    assert journal(conn) == [("apply", 1, 1, "done")]
    assert numbers(conn) == []
    admin.execute("ALTER TABLE sqlmigrate.journal DROP CONSTRAINT no_second")
    runner.apply()
    assert numbers(conn) == [1, 2, 3, 20]


def test_a_deferred_constraint_that_fails_at_commit_leaves_no_journal_row(runner, conn):
    runner.write(
        "a",
        f"""{OUTSIDE}
        CREATE TABLE t (n integer PRIMARY KEY, p integer REFERENCES t DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO t VALUES (1, 2);
        """,
    )

    error = half_way(runner.apply)

    assert "violates foreign key constraint" in error.message
    assert numbers(conn) == []
    assert journal(conn)[0] == ("apply", 1, 1, "done")


def test_two_runs_cannot_do_the_same_statement(runner, conn):
    """The journal's primary key holds where the run lock does not."""
    runner.write("a", SCRIPT.replace("nonsense", "20"))

    def observe(event):
        if isinstance(event, ScriptStarted):
            crashed(runner, conn, 2)
            conn.execute("DELETE FROM sqlmigrate.journal WHERE number = 1")

    runner.observe = observe

    error = half_way(runner.apply)

    assert "journal_pkey" in error.message
    assert numbers(conn) == []


def test_other_migrations_wait_behind_the_half_way_one(runner, conn):
    runner.write("b", SCRIPT)
    half_way(runner.apply)
    runner.write("a", "CREATE TABLE a ();")
    runner.write("c", "CREATE TABLE c ();")
    half_way(runner.apply)
    assert [is_there(conn, name) for name in ("a", "c")] == [False, False]
    runner.write("b", SCRIPT.replace("nonsense", "20"))

    assert ids(runner.apply()) == ["b", "a", "c"]


def test_it_cannot_go_on_inside_a_transaction(runner):
    runner.write("a", SCRIPT)
    half_way(runner.apply)
    runner.write("a", SCRIPT.removeprefix(OUTSIDE))

    with pytest.raises(HistoryError, match="cannot go on inside one"):
        runner.apply()


def test_its_missing_script_is_reported(runner):
    path = runner.write("a", SCRIPT)
    half_way(runner.apply)
    path.unlink()

    with pytest.raises(HistoryError, match="its script is missing"):
        runner.apply()


def test_resume_at_goes_on_where_it_is_told(runner, conn):
    runner.write("a", SCRIPT)
    half_way(runner.apply)
    conn.execute("INSERT INTO t VALUES (2)")

    assert ids(runner.apply(resume_at=4)) == ["a"]

    assert numbers(conn) == [1, 2, 3]
    assert journal(conn) == []


def test_resume_at_may_go_back(runner, conn):
    runner.write("a", SCRIPT)
    half_way(runner.apply)
    runner.write("a", SCRIPT.replace("nonsense", "20"))
    conn.execute("TRUNCATE t")

    runner.apply(resume_at=2)

    assert numbers(conn) == [1, 2, 3, 20]


def test_resume_at_the_end_only_finishes(runner, conn):
    runner.write("a", SCRIPT)
    half_way(runner.apply)

    assert ids(runner.apply(resume_at=5)) == ["a"]

    assert numbers(conn) == [1]


def test_resume_at_takes_the_word_for_edited_statements_too(runner, conn):
    runner.write("a", SCRIPT)
    half_way(runner.apply)
    runner.write("a", SCRIPT.replace("VALUES (1)", "VALUES (100)"))

    with pytest.raises(HistoryError, match="edited"):
        runner.apply(resume_at=4)


def test_resume_at_a_statement_that_is_not_there_is_refused(runner, conn):
    runner.write("a", SCRIPT)
    half_way(runner.apply)

    with pytest.raises(HistoryError, match="no statement 9"):
        runner.apply(resume_at=9)

    assert numbers(conn) == [1]


@pytest.mark.parametrize("request_kind", [plan.ApplyRequest, plan.RollbackRequest])
def test_resume_at_without_a_half_way_script_is_refused(runner, request_kind):
    runner.write("a", "SELECT 1;")

    with pytest.raises(UsageError, match="none to resume"):
        plan.make(request_kind(migrations=runner.load(), resume_at=1), runner.history())


def test_resume_at_counts_for_the_half_way_script_alone(runner, conn):
    runner.write("a", SCRIPT)
    half_way(runner.apply)
    runner.write("b", f"{OUTSIDE}CREATE TABLE b1 ();\nCREATE TABLE b2 ();\nCREATE TABLE b3 ();\nCREATE TABLE b4 ();\n")

    assert ids(runner.apply(resume_at=4)) == ["a", "b"]

    assert [is_there(conn, f"b{number}") for number in (1, 2, 3, 4)] == [True] * 4


def test_a_script_without_statements_is_applied(runner, conn):
    for number, text in enumerate([OUTSIDE, f"{OUTSIDE}/* nothing */;;\n"]):
        runner.write(f"empty{number}", text, "")

    assert len(ids(runner.apply())) == 2
    assert len(ids(runner.rollback(everything=True))) == 2


@pytest.mark.parametrize("text", ["\\i x.sql\n", "PREPARE TRANSACTION 'x';", "COPY t TO stdout;", "SELECT 'open"])
def test_what_cannot_run_at_all_is_refused_before_anything_runs(runner, conn, text):
    runner.write("a", f"{OUTSIDE}CREATE TABLE t ();\n{text}")

    with pytest.raises(MigrationsError):
        runner.apply()

    assert not is_there(conn, "t")


def test_a_crash_before_the_last_step_leaves_only_the_history_to_write(runner, conn):
    runner.write("a", f"{OUTSIDE}CREATE TABLE t ();\nVACUUM;\n")
    crashed(runner, conn, 2)
    conn.execute("CREATE TABLE t ()")
    conn.execute("UPDATE sqlmigrate.journal SET state = 'done'")

    assert ids(runner.apply()) == ["a"]
    assert journal(conn) == []


def test_a_function_beside_a_setting_is_not_called_again(runner, conn):
    conn.execute(
        "CREATE TABLE calls (); CREATE FUNCTION bump() RETURNS text LANGUAGE sql AS "
        "$$INSERT INTO calls DEFAULT VALUES; SELECT 'x'$$"
    )
    runner.write("a", OUTSIDE + "SELECT set_config('my.v', bump(), false);\nSELECT nonsense;")
    half_way(runner.apply)
    runner.write("a", OUTSIDE + "SELECT set_config('my.v', bump(), false);\nSELECT 1;")

    assert ids(runner.apply()) == ["a"]

    assert conn.execute("SELECT count(*) FROM calls").fetchone() == (1,)
