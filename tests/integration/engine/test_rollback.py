"""Rollback: in the reverse order of application, one step unless told otherwise, and refused before anything runs."""

from __future__ import annotations

import pytest

from sqlmigrate.errors import ExecutionError, HistoryError, MigrationsError, UsageError
from sqlmigrate.events import ScriptFinished
from support.runner import Runner, ids
from support.sessions import is_there


def write_tables(runner: Runner, *names: str) -> None:
    for name in names:
        runner.write(name, f"CREATE TABLE {name} ();", f"DROP TABLE {name};")


@pytest.fixture
def three(runner) -> Runner:
    """Three migrations a, b and c, all applied."""
    write_tables(runner, "a", "b", "c")
    runner.apply()
    runner.events.clear()
    return runner


def test_one_step_is_rolled_back_unless_told_otherwise(three, conn):
    assert ids(three.rollback()) == ["c"]
    assert three.applied() == ["a", "b"]
    assert [is_there(conn, name) for name in "abc"] == [True, True, False]
    assert [(event.migration_id, event.operation) for event in three.told(ScriptFinished)] == [("c", "rollback")]


def test_several_are_rolled_back_in_the_reverse_order(three):
    assert ids(three.rollback(steps=2)) == ["c", "b"]
    assert ids(three.apply()) == ["b", "c"]
    assert ids(three.rollback(everything=True)) == ["c", "b", "a"]
    assert ids(three.rollback(everything=True)) == []


def test_to_leaves_that_migration_applied(three):
    assert ids(three.rollback(to="a")) == ["c", "b"]
    assert three.applied() == ["a"]


def test_the_order_of_application_counts_not_that_of_the_names(runner):
    write_tables(runner, "b")
    runner.apply()
    write_tables(runner, "a")
    runner.apply(allow_out_of_order=True)

    assert runner.applied() == ["b", "a"]
    assert ids(runner.rollback(steps=2)) == ["a", "b"]


def test_the_order_holds_even_where_the_clock_went_back(runner, conn):
    for name, time in (("b", "2026-01-01"), ("c", "2025-01-01"), ("a", "2024-01-01")):
        write_tables(runner, name)
        runner.apply(allow_out_of_order=True)
        conn.execute("UPDATE sqlmigrate._yoyo_migration SET applied_at_utc = %s WHERE migration_id = %s", [time, name])

    assert runner.applied() == ["b", "c", "a"]
    assert ids(runner.rollback(everything=True)) == ["a", "c", "b"]


def test_one_that_is_applied_again_is_the_newest(runner):
    write_tables(runner, "b")
    runner.apply()
    write_tables(runner, "a")
    runner.apply(allow_out_of_order=True)
    runner.rollback(steps=2)

    runner.apply()

    assert runner.applied() == ["a", "b"]
    assert ids(runner.rollback()) == ["b"]


def test_the_log_keeps_what_the_history_forgets(three, conn):
    three.rollback()
    three.apply()

    query = (
        "SELECT y.operation, y.migration_id FROM sqlmigrate._yoyo_log AS y JOIN sqlmigrate.log USING (id) ORDER BY seq"
    )
    rows = conn.execute(query).fetchall()
    assert rows == [("apply", "a"), ("apply", "b"), ("apply", "c"), ("rollback", "c"), ("apply", "c")]


def test_a_failing_rollback_script_leaves_change_and_history_as_they_were(runner, conn):
    write_tables(runner, "a", "c")
    runner.write("b", "CREATE TABLE b ();", "DROP TABLE b; SELECT nonsense;")
    runner.apply()

    with pytest.raises(ExecutionError) as caught:
        runner.rollback(everything=True)

    assert caught.value.done == ("c",)
    assert runner.applied() == ["a", "b"]
    assert [is_there(conn, name) for name in "abc"] == [True, True, False]


def test_a_missing_rollback_script_is_refused_before_anything_runs(three, conn):
    three.directory.joinpath("b.rollback.sql").unlink()

    with pytest.raises(MigrationsError) as caught:
        three.rollback(steps=2)

    assert [problem.place.path.name for problem in caught.value.problems] == ["b.rollback.sql"]
    assert three.applied() == ["a", "b", "c"]
    assert is_there(conn, "c")


def test_missing_files_are_refused_before_anything_runs(three):
    three.directory.joinpath("b.rollback.sql").unlink()
    three.directory.joinpath("b.sql").unlink()

    with pytest.raises(MigrationsError, match="nothing was rolled back"):
        three.rollback(steps=3)

    assert three.applied() == ["a", "b", "c"]


def test_one_that_an_applied_migration_depends_on_is_refused_before_anything_runs(runner, conn):
    """It takes an unusual history: what depends on it was marked first, and is the floor."""
    write_tables(runner, "b", "c")
    runner.write("a", "-- depends: b\nCREATE TABLE a ();", "DROP TABLE a;")
    runner.mark("a")
    runner.apply(allow_out_of_order=True)

    with pytest.raises(MigrationsError) as caught:
        runner.rollback(steps=2)

    assert [problem.message for problem in caught.value.problems] == ["a is applied and depends on b"]
    assert runner.applied() == ["a", "b", "c"]
    assert is_there(conn, "c")


def test_a_rollback_script_that_cannot_run_safely_is_refused_before_anything_runs(runner, conn):
    runner.write("a", "CREATE TABLE a ();", "DROP TABLE a; COMMIT;")
    write_tables(runner, "b")
    runner.apply()

    with pytest.raises(MigrationsError) as caught:
        runner.rollback(everything=True)

    assert "COMMIT" in caught.value.problems[0].message
    assert runner.applied() == ["a", "b"]
    assert is_there(conn, "b")


def test_an_edited_rollback_script_is_refused_before_anything_runs_unless_the_recorded_one_is_meant(three, conn):
    three.write("b", "CREATE TABLE b ();", "DROP TABLE b; CREATE TABLE edited ();")

    with pytest.raises(MigrationsError) as caught:
        three.rollback(steps=2)

    assert [problem.place.path.name for problem in caught.value.problems] == ["b.rollback.sql"]
    assert three.applied() == ["a", "b", "c"]
    assert ids(three.rollback(steps=2, recorded=True)) == ["c", "b"]
    assert [is_there(conn, name) for name in ("a", "b", "edited")] == [True, False, False]


def test_what_an_older_release_does_not_have_any_more_is_rolled_back_as_it_was_recorded(three, conn):
    for path in three.directory.glob("[bc]*"):
        path.unlink()

    assert ids(three.rollback(steps=2, recorded=True)) == ["c", "b"]
    assert three.applied() == ["a"]
    assert [is_there(conn, name) for name in "abc"] == [True, False, False]


def test_an_unknown_id_is_refused(three):
    with pytest.raises(UsageError, match="not applied"):
        three.rollback(to="x")


def test_a_marked_migration_is_a_floor(runner, conn):
    write_tables(runner, "a", "b", "c", "d")
    runner.mark("a", "b")
    runner.apply()

    for result in (runner.rollback(everything=True), runner.rollback(everything=True)):
        assert "stops above b" in result.plan.notes[0]
    assert runner.applied() == ["a", "b"]
    with pytest.raises(HistoryError, match="was marked as applied"):
        runner.rollback()


def test_steps_and_to_stop_above_a_marked_migration_too(runner):
    write_tables(runner, "a", "b", "c")
    runner.mark("a", "b")
    runner.apply()

    assert ids(runner.rollback(steps=3)) == ["c"]
    runner.apply()
    assert ids(runner.rollback(to="a")) == ["c"]
    assert runner.applied() == ["a", "b"]


def test_a_marked_migration_is_rolled_back_where_its_id_is_typed(runner, conn):
    write_tables(runner, "a", "b", "c")
    conn.execute("CREATE TABLE a (); CREATE TABLE b ()")
    runner.mark("a", "b")
    runner.apply()

    assert ids(runner.rollback(everything=True, include_marked=("b",))) == ["c", "b"]
    assert runner.applied() == ["a"]
    assert [is_there(conn, name) for name in "abc"] == [True, False, False]


def test_what_changed_while_we_asked_is_not_rolled_back(three):
    def gate(*_):
        three.rollback()

    with pytest.raises(HistoryError, match="changed the history in the meantime"):
        three.rollback(gate=gate)

    assert three.applied() == ["a", "b"]


@pytest.mark.parametrize("outside", ["", "-- transactional: false\n"])
def test_a_rollback_without_triggers_takes_the_whole_row_out_of_the_history(runner, database, outside):
    """session_replication_role turns foreign keys off, those of the history too."""
    runner.conninfo = database.superuser_conninfo
    undo = outside + "SET session_replication_role = replica;\nDROP TABLE a;"
    runner.write("a", outside + "CREATE TABLE a ();", undo)

    for _ in range(2):
        assert ids(runner.apply()) == ["a"]
        assert ids(runner.rollback()) == ["a"]

    assert database.connect_superuser().execute("SELECT count(*) FROM sqlmigrate.applied").fetchone() == (0,)
