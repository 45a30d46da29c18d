"""Guards: a script that others wait behind is cancelled and tried again, and whom it has hurt is told."""

from __future__ import annotations

import pytest

from sqlmigrate.errors import ExecutionError, LockBudgetSpent
from sqlmigrate.events import Harm, LockRetry
from support.runner import ids
from support.sessions import beside, is_there, wait_for_row, wait_for_sleep
from support.waiting import LONG, wait_until

LOCKS = """\
CREATE TABLE {name} ();
LOCK TABLE t IN ACCESS EXCLUSIVE MODE;
SELECT pg_sleep(60) WHERE EXISTS (SELECT FROM gate WHERE name = '{name}');
"""
HELD = "SELECT 1 FROM pg_locks WHERE relation = 't'::regclass AND granted AND mode = 'AccessExclusiveLock'"


@pytest.fixture
def gate(conn):
    """Scripts that are named here hold their lock for a minute."""
    conn.execute("CREATE TABLE t (n integer)")
    conn.execute("CREATE TABLE gate AS SELECT 'a' AS name UNION ALL SELECT 'b'")
    return conn


def test_whoever_waits_behind_us_is_let_go_and_the_script_tried_again(runner, gate, database):
    readers = [database.connect(application_name=f"reader {number}") for number in range(3)]

    def read(reader):
        wait_for_row(gate_of[reader], HELD)
        return reader.execute("SELECT clock_timestamp() - statement_timestamp() < '20s' FROM t").statusmessage

    gate_of = {reader: database.connect() for reader in readers}
    for name, limits in (("a", {"max_waiters": 2}), ("b", {"max_block": 1_500})):
        runner.write(name, LOCKS.format(name=name))
        runner.events.clear()
        works = [lambda reader=reader: read(reader) for reader in readers]
        with beside(lambda limits=limits: runner.apply(lock_timeout=30_000, **limits), *works) as (run, *reads):
            (retry,) = wait_until(lambda: runner.told(LockRetry), timeout=30)
            assert not is_there(gate, name)
            gate.execute("DELETE FROM gate WHERE name = %s", [name])
            assert ids(run.result(LONG)) == [name]  # a minute, where it was tried again before
            assert [one.result(30) for one in reads] == ["SELECT 0"] * 3

        assert retry.message.sqlstate == "57014"
        assert retry.pause >= 0.5
        assert "(ACCESS EXCLUSIVE on public.t)" in retry.guard
        if "max_waiters" in limits:
            assert retry.guard.startswith("3 sessions waited behind it")
            assert retry.guard.endswith("and max_waiters is 2")
        else:
            assert retry.guard.endswith("and max_block is 1.5 s")
            harm = runner.told(Harm)[0]
            assert (harm.migration_id, harm.sessions, harm.mode, harm.relation) == (
                "b",
                3,
                "ACCESS EXCLUSIVE",
                "public.t",
            )
            assert harm.held >= harm.longest >= 1.5


def test_when_the_budget_is_spent_the_error_says_who_waited(runner, gate, database):
    runner.write("a", LOCKS.format(name="a"))
    reader = database.connect()

    def read():
        wait_for_row(gate, HELD)
        reader.execute("SELECT FROM t")

    with beside(read) as (reading,):
        with pytest.raises(LockBudgetSpent, match=r"stopped, since a session waited .* behind it") as caught:
            runner.apply(lock_timeout=30_000, lock_budget=0, max_block=500)
        reading.result(30)

    assert caught.value.exit_status == 5
    assert "max_block" in caught.value.hint
    assert not is_there(gate, "a")


def test_only_locks_that_conflict_with_ours_count(runner, gate, database):
    """A session that waits for somebody else on the same table is none of ours; neither is our own wait."""
    runner.write("a", "SELECT n FROM t;\nSELECT pg_sleep(2);\n")
    holder = database.holding("LOCK TABLE t IN SHARE MODE")
    writer = database.connect()

    with beside(lambda: writer.execute("INSERT INTO t VALUES (1)")) as (writing,):
        wait_for_row(gate, "SELECT 1 FROM pg_locks WHERE relation = 't'::regclass AND NOT granted")
        assert ids(runner.apply(max_block=100)) == ["a"]
        holder.rollback()
        writing.result(30)

    assert runner.told(LockRetry) == runner.told(Harm) == []


def test_a_statement_that_somebody_else_cancels_is_not_tried_again(runner, gate):
    runner.write("a", LOCKS.format(name="a"))

    def cancel():
        gate.execute("SELECT pg_cancel_backend(%s)", [wait_for_sleep(gate)])  # between two statements it is ignored

    with beside(cancel) as (cancelling,):
        with pytest.raises(ExecutionError, match="canceling statement due to user request"):
            runner.apply(max_block=500)
        cancelling.result(30)

    assert runner.told(LockRetry) == []
