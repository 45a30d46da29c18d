"""With max_lag no script begins while a standby lags."""

from __future__ import annotations

import psycopg
import pytest

from sqlmigrate.errors import LockBudgetSpent
from sqlmigrate.events import ScriptFinished, StandbyLags, StandbysHidden, Throttled
from support.backfill import numbered, script, times
from support.runner import ids
from support.sessions import beside
from support.standby import standby_of
from support.waiting import wait_until

REPLAYED = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
STREAMS = "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn IS NOT NULL"


@pytest.fixture(scope="module")
def standby(pg_server):
    """A standby of the server under test; it replays only when it is let."""
    with standby_of(pg_server) as found:
        yield found


@pytest.fixture
def paused(standby, admin, conn, runner):
    """A standby that replays no more, and a role that sees it."""
    admin.execute("GRANT pg_read_all_stats TO migrator")
    with psycopg.connect(standby.conninfo("postgres"), autocommit=True) as session:
        wait_until(lambda: admin.execute(STREAMS).fetchone(), timeout=60)
        (now,) = admin.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
        wait_until(lambda: session.execute(REPLAYED, [now]).fetchone() == (True,), timeout=60)
        session.execute("SELECT pg_wal_replay_pause()")
        yield session
        session.execute("SELECT pg_wal_replay_resume()")


def test_a_migration_waits_for_a_standby_and_what_was_before_is_committed(runner, paused, conn):
    for number in range(3):
        runner.write(f"a{number}", f"CREATE TABLE a{number} ();\nSELECT pg_sleep(1.5);\n", f"DROP TABLE a{number};")

    with beside(lambda: runner.apply(max_lag=1_000)) as (run,):
        (first, *_) = wait_until(lambda: runner.told(StandbyLags), timeout=60)
        held = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'sqlmigrate: a0' AND state <> 'idle'"
        done = len(runner.told(ScriptFinished))
        busy = conn.execute(f"{held} AND datname = current_database()").fetchone()
        applied = runner.applied()
        paused.execute("SELECT pg_wal_replay_resume()")
        assert ids(run.result(120)) == ["a0", "a1", "a2"]

    assert first.migration_id in {"a0", "a1", "a2"}
    assert len(applied) == int(first.migration_id[1:])
    assert done <= len(applied)
    assert busy is None
    (behind,) = first.standbys
    assert (behind.name, behind.client) == ("walreceiver", "local")
    assert (behind.seconds > 1, behind.size > 0, first.limit) == (True, True, 1.0)

    paused.execute("SELECT pg_wal_replay_pause()")
    runner.write("b", "SELECT pg_sleep(1.5);")
    runner.write("c", "SELECT 1;")
    with pytest.raises(
        LockBudgetSpent, match=r"standby 'walreceiver' \(local\) lags by .* and max_lag is 1.0 s; waited"
    ):
        runner.apply(max_lag=1_000, lock_budget=500)
    assert "c" not in runner.applied()
    assert ids(runner.apply())[-1] == "c"


def test_a_role_that_does_not_see_standbys_is_told_once_and_waits_for_none(runner, paused, admin):
    admin.execute("REVOKE pg_read_all_stats FROM migrator")
    runner.write("a", "SELECT pg_sleep(1.5);")
    runner.write("b", "SELECT 1;")

    assert ids(runner.apply(max_lag=500)) == ["a", "b"]

    assert [event.count for event in runner.told(StandbysHidden)] == [1]
    assert runner.told(StandbyLags) == []


def test_batches_of_a_role_that_does_not_see_standbys_wait_for_none(runner, paused, admin, conn):
    admin.execute("REVOKE pg_read_all_stats FROM migrator")
    numbered(conn, 9)
    runner.write("a", script(more="-- sqlmigrate-throttle: lag=1ms\n"))

    runner.apply()

    assert [event.count for event in runner.told(StandbysHidden)] == [1]
    assert runner.told(Throttled) == []


def test_batches_wait_for_a_standby(runner, paused, conn, monkeypatch):
    """By the third batch the WAL of the first one is on the disk for longer than a millisecond, and not replayed."""
    numbered(conn, 9)
    conn.execute("""
        CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END';
        CREATE TRIGGER sleep AFTER UPDATE ON t FOR EACH ROW WHEN (old.id IN (3, 9, 15)) EXECUTE FUNCTION sleep();
    """)
    monkeypatch.setattr("sqlmigrate.engine.backfill.throttle._PAUSE", 0.02)
    runner.write("a", script(more="-- sqlmigrate-throttle: lag=1ms\n"))
    tell = runner.observe

    def observe(event):
        tell(event)
        if isinstance(event, Throttled):
            paused.execute("SELECT pg_wal_replay_resume()")

    runner.observe = observe
    runner.apply()

    assert runner.told(Throttled)[0].reason.startswith("standby 'walreceiver' (local) lags by ")
    assert times(conn) == {1: 9}
