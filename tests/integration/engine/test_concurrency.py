"""Several runs at once: each script runs exactly once, and the one that waits says for whom."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from sqlmigrate import connection, engine, runlock
from sqlmigrate.connection.early import Early
from sqlmigrate.errors import ConnectionFailed, ExecutionError, RunLockBusy
from sqlmigrate.events import ScriptFinished, ScriptStarted, WaitingForRunLock
from sqlmigrate.migrations import migration_hash
from sqlmigrate.plan import ApplyRequest
from sqlmigrate.runlock import blockers, held
from support.runner import Runner, ids
from support.sessions import beside, is_there, wait_for_blocked
from support.waiting import LONG, wait_until


def another(runner: Runner) -> Runner:
    return Runner(runner.conninfo, runner.directory)


@pytest.mark.parametrize("count", [2, 8])
def test_runs_at_once_apply_each_script_exactly_once(runner, conn, count):
    conn.execute("CREATE TABLE times (migration text)")
    names = [f"{number:02d}" for number in range(12)]
    for name in names:
        runner.write(name, f"INSERT INTO times VALUES ('{name}');")
    runners = [another(runner) for _ in range(count)]
    start = threading.Barrier(count)

    def together(one: Runner) -> list[str]:
        start.wait()
        return ids(one.apply(wait_lock=60_000))

    with beside(*(lambda one=one: together(one) for one in runners)) as works:
        ran = [name for work in works for name in work.result(LONG)]

    assert sorted(ran) == names
    assert [row[0] for row in conn.execute("SELECT migration FROM times").fetchall()] == names
    assert runner.applied() == names


def test_what_was_looked_at_early_is_looked_at_again_under_the_run_lock(runner):
    runner.write("a", "CREATE TABLE a ();")
    request, options = runner.request(ApplyRequest, {}), runner.options({})
    early = Early(runner.conninfo)
    engine.look(early, options)
    early._thread.join()
    another(runner).apply()

    planned = []
    result = engine.run(runner.conninfo, request, options, gate=lambda _, plan: planned.append(plan), early=early)

    assert [len(plan.steps) for plan in planned] == [1]
    assert ids(result) == []
    assert runner.applied() == ["a"]


def test_rollbacks_at_once_roll_back_once(runner, conn):
    runner.write("a", "CREATE TABLE a ();", "DROP TABLE a; SELECT pg_sleep(0.2);")
    runner.apply()

    start = threading.Barrier(3)

    def gate(*_):
        start.wait()

    with beside(*(lambda: another(runner).rollback(gate=gate) for _ in range(3))) as works:
        outcomes = [work.exception(60) for work in works]

    assert outcomes.count(None) == 1
    refused = [str(outcome) for outcome in outcomes if outcome is not None]
    assert all("another run changed the history in the meantime" in message for message in refused)
    assert runner.applied() == []
    assert not is_there(conn, "a")


@pytest.fixture
def closed_gate(database, conn) -> psycopg.Connection:
    """A session that holds the table `gate`, which a script can wait for."""
    conn.execute("CREATE TABLE gate ()")
    return database.holding("LOCK TABLE gate")


def test_the_run_that_waits_names_the_holder_and_goes_on_when_it_is_free(runner, conn, closed_gate):
    runner.write("a", "LOCK TABLE gate; CREATE TABLE a ();")
    late = another(runner)
    with beside(lambda: runner.apply(lock_timeout=60_000)) as [first]:
        wait_for_blocked(conn)
        with beside(late.apply) as [second]:
            wait_until(lambda: late.told(WaitingForRunLock))
            assert not second.done()
            closed_gate.rollback()
            assert ids(second.result(LONG)) == []
        assert ids(first.result(LONG)) == ["a"]

    waiting = late.told(WaitingForRunLock)
    assert waiting[0].holder.role == "migrator"
    assert waiting[0].holder.application == "sqlmigrate: run lock"
    assert waiting[0].seconds_left <= 300
    assert late.told(ScriptStarted) == []


def test_a_run_gives_up_when_the_wait_is_over(runner, conn):
    runner.write("a", "CREATE TABLE a ();")
    with held(runner.conninfo, "sqlmigrate", wait=0), pytest.raises(RunLockBusy, match=r"held by pid \d+") as caught:
        runner.apply(wait_lock=300)

    assert caught.value.exit_status == 4
    assert "runs no migrations" not in (caught.value.hint or "")  # it is the same role as ours
    assert not is_there(conn, "a")
    assert not is_there(conn, "sqlmigrate.meta")
    assert ids(runner.apply()) == ["a"]


def test_whoever_else_takes_the_run_lock_is_named_with_what_ends_it(runner, database, new_role):
    """Any role that may connect can take an advisory lock; a run can only say whose it is."""
    runner.write("a", "CREATE TABLE a ();")
    squatter = new_role("LOGIN")
    with connection.session(make_conninfo(database.superuser_conninfo, user=squatter)) as other:
        pid = other.info.backend_pid
        other.execute("SELECT pg_advisory_lock_shared(%s)", [runlock.lock_key("sqlmigrate")])
        with pytest.raises(RunLockBusy, match=f"role {squatter}") as caught:
            runner.apply(wait_lock=0)
    assert f"role {squatter} runs no migrations" in (caught.value.hint or "")
    assert f"pg_terminate_backend({pid})" in (caught.value.hint or "")
    assert ids(runner.apply()) == ["a"]


@pytest.fixture(params=["at its end", "while the script runs"])
def lose_run_lock(request, monkeypatch, admin) -> Callable[[], None]:
    """Take the run lock from a run whose script waits; the run finds that out at one time or the other."""
    noticed, slow = threading.Event(), request.param == "at its end"
    monkeypatch.setattr(blockers, "_INTERVALS", dict.fromkeys(blockers._INTERVALS, 1e6 if slow else 0.1))
    look = blockers.Watcher._require_worker

    def seen(watcher: blockers.Watcher, now: float) -> None:
        look(watcher, now)
        noticed.set()

    monkeypatch.setattr(blockers.Watcher, "_require_worker", seen)

    def lose() -> None:
        wait_for_blocked(admin)
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        wait_until(lambda: admin.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'").fetchone() is None)
        assert slow or noticed.wait(LONG)

    return lose


def test_a_run_lock_that_is_lost_in_mid_run_stops_before_the_next_migration(runner, closed_gate, lose_run_lock):
    runner.write("a", "LOCK TABLE gate; CREATE TABLE a ();")
    runner.write("b", "CREATE TABLE b ();")
    runner.write("c", "CREATE TABLE c ();")
    with beside(lambda: runner.apply(lock_timeout=60_000)) as [run]:
        lose_run_lock()
        closed_gate.rollback()
        with pytest.raises(ConnectionFailed, match="the session that held the run lock was lost") as caught:
            run.result(LONG)

    assert caught.value.done == ("a",)
    assert runner.applied() == ["a"]
    assert [event.migration_id for event in runner.told(ScriptFinished)] == ["a"]
    assert ids(runner.apply()) == ["b", "c"]


def test_a_run_lock_that_is_lost_under_the_last_script_takes_nothing_back(runner, closed_gate, lose_run_lock):
    runner.write("a", "LOCK TABLE gate; CREATE TABLE a ();")
    with beside(lambda: runner.apply(lock_timeout=60_000)) as [run]:
        lose_run_lock()
        closed_gate.rollback()
        assert ids(run.result(LONG)) == ["a"]


def test_a_script_that_fails_without_the_run_lock_fails_with_its_own_error(runner, closed_gate, lose_run_lock):
    runner.write("0", "CREATE TABLE zero ();")
    runner.write("a", "LOCK TABLE gate; SELECT 1 / 0;")
    with beside(lambda: runner.apply(lock_timeout=60_000)) as [run]:
        lose_run_lock()
        closed_gate.rollback()
        with pytest.raises(ExecutionError, match="division by zero") as caught:
            run.result(LONG)

    assert caught.value.done == ("0",)


def test_histories_in_two_schemas_do_not_wait_for_each_other(runner):
    runner.write("a", "CREATE TABLE a ();")
    with held(runner.conninfo, "other", wait=0):
        assert ids(runner.apply(wait_lock=0)) == ["a"]


def test_runs_in_two_databases_do_not_wait_for_each_other(runner, database_factory):
    runner.write("a", "CREATE TABLE a ();")
    neighbour = database_factory()
    with held(neighbour.conninfo, "sqlmigrate", wait=0):
        assert ids(runner.apply(wait_lock=0)) == ["a"]


def test_the_first_runs_ever_make_the_history_once(runner, conn):
    runner.write("a", "CREATE TABLE a ();")
    with beside(*(another(runner).apply for _ in range(4))) as works:
        done = [ids(work.result(LONG)) for work in works]

    assert sorted(done) == [[], [], [], ["a"]]
    assert conn.execute("SELECT count(*) FROM sqlmigrate.meta").fetchone() == (1,)


def test_a_row_that_somebody_else_writes_meanwhile_is_never_overwritten(runner, conn):
    """The primary key decides, whoever wrote it: here yoyo, which knows nothing of our lock."""
    runner.write("0", "SELECT 1;")
    runner.apply()
    runner.write("a", "CREATE TABLE a ();")
    insert = "INSERT INTO sqlmigrate._yoyo_migration VALUES (%s, 'a', now())"

    def gate(*_):
        conn.execute(insert, [migration_hash("a")])

    assert ids(runner.apply(gate=gate)) == []
    assert not is_there(conn, "a")
