"""Real programs at once, and autovacuum in the way."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack

import pytest

from sqlmigrate.errors import LockBudgetSpent
from sqlmigrate.events import LockRetry
from sqlmigrate.runlock import held
from support.command import Outcome, started
from support.runner import Runner, ids
from support.sessions import wait_for_row
from support.vacuum import SLOWLY, make_thing, wait_for_vacuum
from support.waiting import LONG

SECONDS = 100.0


def run_at_once(runner: Runner, count: int) -> list[Outcome]:
    """Start `apply` so many times, let all of them go at once, and wait for them."""
    with ExitStack() as stack:
        command = ("apply", "-d", runner.conninfo, "-m", runner.directory)
        with held(runner.conninfo, "sqlmigrate", wait=0):
            processes = [stack.enter_context(started(*command)) for _ in range(count)]
            for process in processes:
                wait_until_it_waits(process)
        found = [(process, *process.communicate(timeout=SECONDS)) for process in processes]
    return [Outcome(process.returncode, *printed) for process, *printed in found]


def wait_until_it_waits(process: subprocess.Popen[str]) -> None:
    """Read what a run says until it names the holder of the run lock."""
    assert process.stderr is not None
    while "waiting for the run lock, held by pid" not in (line := process.stderr.readline()):
        assert line, "it ended without waiting"


@pytest.mark.parametrize("count", [2, 20])
def test_programs_at_once_apply_each_script_exactly_once(runner, conn, count):
    conn.execute("CREATE TABLE times (migration text)")
    names = [f"{number:02d}" for number in range(6)]
    for name in names:
        runner.write(name, f"INSERT INTO times VALUES ('{name}'); ")
    outcomes = run_at_once(runner, count)

    assert [outcome.status for outcome in outcomes] == [0] * count, outcomes
    applied = [line.split()[1] for outcome in outcomes for line in outcome.lines if line.startswith("applied ")]
    assert sorted(applied) == names
    assert [row[0] for row in conn.execute("SELECT migration FROM times")] == names
    assert runner.applied() == names


def test_an_index_is_built_concurrently_while_another_run_waits(runner, conn, database):
    """The one that waits must hold no snapshot that CREATE INDEX CONCURRENTLY would wait for."""
    conn.execute("CREATE TABLE thing (n integer)")
    runner.write("a", "-- transactional: false\nCREATE INDEX CONCURRENTLY thing_n ON thing (n);")
    old = database.holding("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    old.execute("SELECT FROM thing")
    command = ("apply", "-d", runner.conninfo, "-m", runner.directory)
    with started(*command) as building:
        wait_for_row(
            conn, "SELECT pid FROM pg_stat_activity WHERE query LIKE %s AND wait_event_type = 'Lock'", "CREATE INDEX%"
        )
        with started(*command) as waiting:
            wait_until_it_waits(waiting)
            old.rollback()
            assert building.wait(LONG) == 0
            assert waiting.wait(LONG) == 0

    assert conn.execute("SELECT indisvalid FROM pg_index WHERE indrelid = 'thing'::regclass").fetchall() == [(True,)]
    assert runner.applied() == ["a"]


@pytest.fixture
def thing(runner, vacuumed) -> int:
    """A table that autovacuum works on, slowly; gives the worker's process id."""
    make_thing(runner.conninfo)
    runner.write("a", "ALTER TABLE thing ADD COLUMN m integer;")
    return wait_for_vacuum(vacuumed)


def test_a_lock_timeout_loses_to_autovacuum_every_time_unless_it_is_above_deadlock_timeout(runner, thing):
    with pytest.raises(LockBudgetSpent, match=rf"blocked by pid {thing} ") as caught:
        runner.apply(lock_timeout=800, lock_budget=4_000)

    assert caught.value.exit_status == 5
    retries = len(runner.told(LockRetry))
    assert retries > 0
    assert runner.applied() == []

    assert ids(runner.apply(lock_timeout=20_000)) == ["a"]
    assert len(runner.told(LockRetry)) == retries


def test_autovacuum_against_wraparound_gives_way_to_nobody(database, conn, vacuumed, tmp_path):
    """It is told who is in the way, and the run ends when its time is up."""
    conn.execute("CREATE TABLE thing (n integer)")
    conn.execute("INSERT INTO thing SELECT generate_series(1, 50000)")
    conn.execute(f"ALTER TABLE thing SET ({SLOWLY}, autovacuum_freeze_max_age = 100000)")
    conn.execute("DO $$BEGIN FOR i IN 1..100100 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END$$")
    runner = Runner(database.superuser_conninfo, tmp_path)
    runner.write("a", "ALTER TABLE thing ADD COLUMN m integer;")
    pattern = "%thing (to prevent wraparound)"
    wait_for_vacuum(vacuumed, pattern)
    with pytest.raises(LockBudgetSpent, match=r"autovacuum: VACUUM .*thing \(to prevent wraparound\)"):
        runner.apply(lock_timeout=1_500, lock_budget=1)

    assert runner.applied() == []
