"""Mark and unmark: the history is written, and no script runs."""

from __future__ import annotations

import pytest

from sqlmigrate.errors import HistoryError, UsageError
from sqlmigrate.events import HalfWayForgotten
from sqlmigrate.history import trust
from sqlmigrate.plan import State, status
from support.runner import ids
from support.sessions import is_there
from support.stepwise import OUTSIDE, half_way, journal


def test_a_marked_migration_counts_as_applied_and_its_script_does_not_run(runner, conn):
    runner.write("a", "CREATE TABLE a ();", "DROP TABLE a;")
    runner.write("b", "CREATE TABLE b ();")

    assert runner.mark("a") == ["a"]

    assert ids(runner.apply()) == ["b"]
    assert not is_there(conn, "a")
    [row, _] = runner.history().applied
    assert (row.marked, row.checksum) == (True, runner.load().named("a").script.checksum)
    assert [item.state for item in status(runner.load(), runner.history())] == [State.MARKED, State.APPLIED]


def test_marking_twice_changes_nothing(runner, conn):
    runner.write("a", "CREATE TABLE a ();")
    runner.mark("a")

    assert runner.mark("a") == []
    assert conn.execute("SELECT count(*) FROM sqlmigrate.log").fetchone() == (1,)


def test_marking_what_was_applied_leaves_it_applied(runner):
    runner.write("a", "CREATE TABLE a ();")
    runner.apply()

    assert runner.mark("a") == []
    assert runner.history().applied[0].marked is False


def test_one_unknown_id_refuses_all(runner, conn):
    runner.write("a", "CREATE TABLE a ();")

    with pytest.raises(UsageError, match="there is no migration 'x'"):
        runner.mark("a", "x")

    assert not is_there(conn, "sqlmigrate.meta")


def test_an_unmarked_migration_is_pending_again(runner, conn):
    runner.write("a", "CREATE TABLE a ();")
    runner.apply()

    assert runner.unmark("a") == ["a"]

    assert runner.applied() == []
    assert is_there(conn, "a")
    assert conn.execute("SELECT count(*) FROM sqlmigrate.applied").fetchone() == (0,)
    operations = conn.execute("SELECT operation FROM sqlmigrate.log ORDER BY seq").fetchall()
    assert operations == [("apply",), ("unmark",)]


def test_a_migration_without_files_can_be_unmarked(runner):
    path = runner.write("a", "CREATE TABLE a ();")
    runner.apply()
    path.unlink()

    runner.unmark("a")

    assert runner.applied() == []


def test_unmarking_what_is_not_applied_is_refused_and_changes_nothing(runner):
    runner.write("a", "CREATE TABLE a ();")
    runner.apply()

    with pytest.raises(UsageError, match="b is not applied"):
        runner.unmark("a", "b")

    assert runner.applied() == ["a"]


def test_marking_what_stopped_half_way_takes_the_word_that_it_is_applied(runner, conn):
    runner.write("a", f"{OUTSIDE}CREATE TABLE a ();\nSELECT 1/0;\n", "DROP TABLE a;")
    half_way(runner.apply)

    assert runner.mark("a") == ["a"]

    assert journal(conn) == []
    assert [item.state for item in status(runner.load(), runner.history())] == [State.MARKED]
    assert runner.told(HalfWayForgotten) == [HalfWayForgotten("a", "apply")]
    assert ids(runner.apply()) == []


@pytest.mark.parametrize(("word", "state"), [("mark", State.APPLIED), ("unmark", State.PENDING)])
def test_a_half_way_rollback_is_forgotten_too(runner, conn, word, state):
    runner.write("a", "CREATE TABLE a ();", f"{OUTSIDE}DROP TABLE a;\nDROP TABLE nope;\n")
    runner.write("b", f"{OUTSIDE}CREATE TABLE b ();\nSELECT 1/0;\n", "DROP TABLE b;")
    runner.apply(to="a")
    half_way(runner.rollback)

    assert getattr(runner, word)("a") == ["a"]

    assert journal(conn) == []
    assert [item.state for item in status(runner.load(), runner.history())] == [state, State.PENDING]
    assert runner.told(HalfWayForgotten) == [HalfWayForgotten("a", "rollback")]


def test_what_another_migration_has_in_its_journal_stays(runner, conn):
    runner.write("a", "CREATE TABLE a ();")
    runner.apply()
    runner.write("b", f"{OUTSIDE}CREATE TABLE b ();\nSELECT 1/0;\n")
    half_way(runner.apply)

    runner.unmark("a")

    assert journal(conn) == [("apply", 1, 1, "done"), ("apply", 2, 2, "failed")]


@pytest.mark.parametrize("mode", ["SHARE", "EXCLUSIVE"])
def test_a_history_that_somebody_locks_against_writers_is_not_waited_for_without_end(
    runner, database, monkeypatch, mode
):
    monkeypatch.setattr(trust, "PATIENCE", 200)
    runner.write("a", "SELECT 1;")
    runner.write("b", "SELECT 1;")
    runner.apply(to="a")
    holder = database.holding(f"LOCK TABLE sqlmigrate._yoyo_migration, sqlmigrate.applied IN {mode} MODE")
    for work in (runner.mark, runner.unmark):
        with pytest.raises(HistoryError, match=r"are locked, and could not be written: .*; blocked by") as caught:
            work("b" if work == runner.mark else "a")
        assert caught.value.message.count("blocked by pid") == 1
        assert (caught.value.hint or "").endswith(f"by pg_terminate_backend({holder.info.backend_pid})")

    assert runner.applied() == ["a"]
    holder.rollback()
    assert runner.mark("b") == ["b"]
