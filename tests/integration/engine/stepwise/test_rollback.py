"""Rollback of, and in, a script outside a transaction."""

from __future__ import annotations

import pytest

from sqlmigrate.errors import HistoryError
from sqlmigrate.events import Resumed
from support.runner import ids, place
from support.sessions import is_there
from support.stepwise import OUTSIDE, crashed, half_way, journal

APPLY = f"{OUTSIDE}CREATE TABLE a1 ();\nCREATE TABLE a2 ();\nSELECT nonsense;\n"
UNDO = "DROP TABLE IF EXISTS a2;\nDROP TABLE IF EXISTS a1;\n"
BROKEN_UNDO = "DROP TABLE IF EXISTS a2;\nSELECT * FROM nonsense;\nDROP TABLE a1;\n"
MEND = "CREATE TABLE nonsense ()"


def tables(conn):
    return [name for name in ("a1", "a2") if is_there(conn, name)]


@pytest.mark.parametrize("directive", ["", "-- transactional: true\n"])
def test_a_half_way_script_is_rolled_back(runner, conn, directive):
    runner.write("a", APPLY, directive + UNDO)
    half_way(runner.apply)
    assert tables(conn) == ["a1", "a2"]

    assert ids(runner.rollback()) == ["a"]

    assert tables(conn) == []
    assert runner.applied() == []
    assert runner.history().half_way == ()
    log = conn.execute("SELECT operation FROM sqlmigrate.log ORDER BY seq").fetchall()
    assert log == [("rollback",)]


def test_after_that_it_is_pending_again_from_its_start(runner, conn):
    runner.write("a", APPLY, UNDO)
    half_way(runner.apply)
    runner.rollback()
    runner.write("a", APPLY.replace("nonsense", "1"), UNDO)

    assert ids(runner.apply()) == ["a"]

    assert tables(conn) == ["a1", "a2"]


def test_a_half_way_script_is_the_first_to_be_rolled_back(runner):
    runner.write("0", "SELECT 1;", "SELECT 1;")
    runner.write("a", APPLY, UNDO)
    half_way(runner.apply)

    assert ids(runner.rollback(steps=2)) == ["a", "0"]


def test_to_and_all_take_the_half_way_script_along(runner):
    runner.write("0", "SELECT 1;", "SELECT 1;")
    runner.write("a", APPLY, UNDO)
    half_way(runner.apply)
    assert ids(runner.rollback(to="0")) == ["a"]
    half_way(runner.apply)
    assert ids(runner.rollback(everything=True)) == ["a", "0"]


def test_an_error_in_a_transactional_undo_leaves_the_script_half_way(runner, conn):
    runner.write("a", APPLY, f"-- transactional: true\n{BROKEN_UNDO}")
    half_way(runner.apply)
    before = journal(conn)

    with pytest.raises(Exception, match="nonsense") as caught:
        runner.rollback()

    assert caught.value.exit_status == 1
    assert tables(conn) == ["a1", "a2"]
    assert journal(conn) == before


def test_the_undo_runs_outside_where_the_script_did(runner, conn):
    """yoyo's rule: a rollback script without a directive takes over the other's."""
    runner.write(
        "a",
        f"{OUTSIDE}CREATE TABLE a1 (n integer);\nCREATE INDEX CONCURRENTLY i ON a1 (n);\n",
        "DROP INDEX CONCURRENTLY i;\nDROP TABLE a1;\n",
    )
    runner.apply()

    assert ids(runner.rollback()) == ["a"]

    assert tables(conn) == []


def test_an_undo_in_a_transaction_says_so_itself(runner, conn):
    runner.write("a", f"{OUTSIDE}CREATE TABLE a1 ();\n", "-- transactional: true\nDROP TABLE a1;\nSELECT nonsense;\n")
    runner.apply()

    with pytest.raises(Exception, match="nonsense"):
        runner.rollback()

    assert tables(conn) == ["a1"]
    assert runner.applied() == ["a"]


@pytest.fixture(params=["applied", "half way"])
def broken(runner, request):
    """A rollback that stops half way, of a script that is applied or stopped half way itself."""
    text = APPLY if request.param == "half way" else APPLY.replace("nonsense", "1")
    runner.write("a", text, BROKEN_UNDO)
    if request.param == "half way":
        half_way(runner.apply)
    else:
        runner.apply()
    error = half_way(runner.rollback)
    return request.param, error


def test_a_half_way_rollback_is_journalled(runner, conn, broken):
    _, error = broken

    assert place(error) == "a.rollback.sql:2:15"
    assert "sqlmigrate rollback" in error.hint
    assert "takes back" not in error.hint
    assert tables(conn) == ["a1"]
    undone = [entry for entry in journal(conn) if entry[0] == "rollback"]
    assert undone == [("rollback", 1, 1, "done"), ("rollback", 2, 2, "failed")]
    assert runner.history().half_way_of("a").operation == "rollback"


def test_nothing_is_applied_while_a_rollback_stands_half_way(runner, conn, broken):
    runner.write("b", "CREATE TABLE b ();")

    with pytest.raises(HistoryError, match="a is rolled back half way") as caught:
        runner.apply()

    assert "sqlmigrate rollback" in caught.value.hint
    assert not is_there(conn, "b")


@pytest.mark.parametrize("options", [{}, {"everything": True}])
def test_a_half_way_rollback_goes_on_where_it_stopped(runner, conn, broken, options):
    conn.execute(MEND)

    assert ids(runner.rollback(**options)) == ["a"]

    assert tables(conn) == []
    assert runner.told(Resumed)[-1] == Resumed("a", "rollback", 1)
    assert runner.history().half_way == ()
    assert runner.applied() == []
    assert ids(runner.rollback()) == []


def test_a_half_way_rollback_may_be_resumed_after_the_failing_statement(runner, conn, broken):
    assert ids(runner.rollback(resume_at=3)) == ["a"]
    assert tables(conn) == []


def test_an_edited_finished_part_of_an_undo_is_refused(runner, conn):
    runner.write("a", APPLY, BROKEN_UNDO)
    half_way(runner.apply)
    half_way(runner.rollback)
    runner.write("a", APPLY, BROKEN_UNDO.replace("a2", "other"))
    conn.execute(MEND)

    with pytest.raises(HistoryError, match="edited") as caught:
        runner.rollback()

    assert place(caught.value) == "a.rollback.sql:1:1"
    assert tables(conn) == ["a1"]


def test_the_rest_of_an_undo_may_be_mended(runner, conn):
    runner.write("a", APPLY, BROKEN_UNDO)
    half_way(runner.apply)
    half_way(runner.rollback)
    runner.write("a", APPLY, BROKEN_UNDO.replace("SELECT * FROM nonsense", "SELECT 1"))

    assert ids(runner.rollback()) == ["a"]
    assert tables(conn) == []


def test_after_a_finished_rollback_it_can_be_applied_again(runner, conn, broken):
    conn.execute(MEND)
    runner.rollback()
    runner.write("a", APPLY.replace("nonsense", "1"), UNDO)

    assert ids(runner.apply()) == ["a"]
    assert tables(conn) == ["a1", "a2"]


def test_a_crash_in_a_rollback_is_looked_up(runner, conn):
    conn.execute("CREATE TABLE t (n integer)")
    runner.write("a", f"{OUTSIDE}CREATE INDEX CONCURRENTLY i ON t (n);\n", "DROP INDEX CONCURRENTLY i;\n")
    runner.apply()
    crashed(runner, conn, 1, operation="rollback")
    conn.execute("DROP INDEX i")

    assert ids(runner.rollback()) == ["a"]
    assert runner.applied() == []


def test_a_half_way_script_without_an_undo_is_refused(runner, conn):
    runner.write("a", APPLY)
    half_way(runner.apply)

    with pytest.raises(Exception) as caught:
        runner.rollback()

    assert "does not exist" in caught.value.problems[0].message
    assert tables(conn) == ["a1", "a2"]


def test_a_history_whose_schema_has_any_name_is_rolled_back_too(runner, conn):
    runner.defaults["schema"] = "my_journal"
    runner.write("a", OUTSIDE + "CREATE TABLE a ();", OUTSIDE + "DROP TABLE a;")

    runner.apply()
    assert ids(runner.rollback()) == ["a"]

    assert runner.applied() == []
