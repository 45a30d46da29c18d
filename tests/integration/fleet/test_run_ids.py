"""A run id that comes back: what is done under it is known by the history, however often it is asked for."""

from __future__ import annotations

import pytest

from sqlmigrate import engine, history
from sqlmigrate.errors import ConnectionFailed, ExecutionError, HistoryError
from sqlmigrate.events import KilledRunFound
from sqlmigrate.plan import ApplyRequest, RollbackRequest
from support.runner import ids
from support.stepwise import OUTSIDE

RUN = history.Run("00000000-0000-4000-8000-000000000001")
OTHER = history.Run("00000000-0000-4000-8000-000000000002")


@pytest.fixture
def run(runner):
    """Apply or roll back as a run of that id."""

    def call(request=ApplyRequest, as_run=RUN, **asked):
        made = request(migrations=runner.load(), **asked)
        return engine.run(runner.conninfo, made, runner.options({}), observer=runner.observe, as_run=as_run)

    return call


def test_what_a_run_has_applied_is_known_and_comes_once(runner, run):
    runner.tables("a", "b", "c")

    assert ids(run(to="a")) == ["a"]
    assert ids(run()) == ["b", "c"]
    again = run()

    assert again.ran == ()
    assert [(row.migration_id, row.run_id) for row in again.before.applied] == [(name, RUN.run_id) for name in "abc"]


def test_only_what_a_run_has_applied_is_rolled_back(runner, run):
    runner.tables("a", "b", "c")
    run(to="a", as_run=OTHER)
    run()

    assert ids(run(RollbackRequest, of_run=RUN.run_id)) == ["c", "b"]
    assert ids(run(RollbackRequest, of_run=RUN.run_id)) == []
    assert runner.applied() == ["a"]


def test_what_another_run_has_applied_since_keeps_it(runner, run):
    runner.tables("a", "b", "c")
    run(to="b")
    run(as_run=OTHER)

    with pytest.raises(HistoryError, match="c was applied after what this run did, by another one") as caught:
        run(RollbackRequest, of_run=RUN.run_id)

    assert caught.value.hint == "roll back c first"
    assert runner.applied() == ["a", "b", "c"]


def test_a_marked_migration_is_none_that_a_run_has_applied(runner, run):
    runner.tables("a")
    runner.mark("a")
    marked = runner.history().applied[0].run_id

    assert run(RollbackRequest, of_run=marked).ran == ()


def test_a_script_that_stopped_half_way_goes_with_its_run(runner, run, conn):
    runner.write("a", f"{OUTSIDE}CREATE TABLE a ();\nSELECT 1 / 0;\n", "DROP TABLE IF EXISTS a;")
    with pytest.raises(ExecutionError):
        run()

    assert run(RollbackRequest, of_run=OTHER.run_id).ran == ()
    assert ids(run(RollbackRequest, of_run=RUN.run_id)) == ["a"]
    assert conn.execute("SELECT to_regclass('a')").fetchone() == (None,)


def test_a_run_that_comes_back_finds_that_it_was_killed(runner, run, conn):
    runner.tables("a", "b")
    run(to="a")
    # as a run leaves it that is killed
    conn.execute(
        "INSERT INTO sqlmigrate.script_attempts"
        " (id, run_id, state, operation, begun_at, steps, login_role, tool_version)"
        " VALUES (gen_random_uuid(), %s, 'running', 'apply', now(), '[\"b\"]', 'migrator', '1')",
        [RUN.run_id],
    )

    assert ids(run()) == ["b"]

    assert [(event.migration_id, event.history_run_id) for event in runner.told(KilledRunFound)] == [("b", RUN.run_id)]
    states = "SELECT state FROM sqlmigrate.script_attempts"
    assert conn.execute(states).fetchall() == [("killed",)]


def test_a_tenant_whose_schema_is_not_there_is_refused_before_anything_runs(runner, conn):
    runner.tables("a")

    for call in (engine.run, engine.preview):
        with pytest.raises(ConnectionFailed, match="schema acme does not exist in database"):
            call(runner.conninfo, ApplyRequest(migrations=runner.load()), runner.options({"tenant": "acme"}))

    assert conn.execute("SELECT to_regnamespace('sqlmigrate')").fetchone() == (None,)
