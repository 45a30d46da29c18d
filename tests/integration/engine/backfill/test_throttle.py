"""The next batch waits while something else matters more, and says why."""

from __future__ import annotations

import re

import psycopg
import pytest

from sqlmigrate import queries
from sqlmigrate.engine.backfill import throttle
from sqlmigrate.events import Backfilling, Throttled, ThrottleHidden
from sqlmigrate.server import ephemeral
from support.backfill import numbered, progress, script, times
from support.runner import Runner
from support.sessions import beside, wait_for_row
from support.stepwise import half_way
from support.waiting import LONG, wait_until


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """What holds batches back is looked at again at once, and not in a second."""
    monkeypatch.setattr(throttle, "_PAUSE", 0.02)


@pytest.fixture
def reasons(runner):
    """Apply a script with a throttle, and end what holds it back once that was told; gives what was told."""

    def run(wanted, release, *, batch="table=t key=id rows=2..2"):
        told = runner.observe

        def observe(event):
            told(event)
            if isinstance(event, Throttled) and len(runner.told(Throttled)) == 1:
                release()

        runner.observe = observe
        runner.write("a", script(batch=batch, more=f"-- sqlmigrate-throttle: {wanted}\n"))
        runner.apply()
        return [event.reason for event in runner.told(Throttled)]

    return run


IN_TRANSACTION = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'sqlmigrate%' AND xact_start IS NOT NULL
"""
LOCKS = "SELECT locktype FROM pg_locks WHERE pid IN ({}) AND locktype <> 'virtualxid'"
OURS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'sqlmigrate%'"


def test_a_query_of_ones_own_and_no_lock_is_held_meanwhile(runner, conn, reasons):
    numbered(conn, 9)
    conn.execute("CREATE TABLE load AS SELECT 25 AS load")
    held = []

    def release():
        assert conn.execute(OURS).fetchall()
        held.extend(conn.execute(LOCKS.format(OURS)).fetchall())
        assert conn.execute(IN_TRANSACTION).fetchone() == (0,)
        conn.execute("UPDATE load SET load = 3")

    found = reasons('query="SELECT load > 20 FROM load"', release)

    assert set(held) == {("advisory",)}, "the run lock is"
    assert set(found) == {"its query gives true: SELECT load > 20 FROM load"}
    assert times(conn) == {1: 9}


def test_what_holds_for_too_long_ends_the_run_and_the_next_one_goes_on(runner, conn):
    numbered(conn, 9)
    conn.execute("CREATE TABLE load AS SELECT false AS high")
    conn.execute("""
        CREATE FUNCTION work() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN UPDATE load SET high = true; RETURN NULL; END';
        CREATE TRIGGER work AFTER UPDATE ON t FOR EACH ROW WHEN (old.id = 9) EXECUTE FUNCTION work();
    """)
    runner.write("a", script(more='-- sqlmigrate-throttle: query="SELECT high FROM load"\n'))

    stopped = half_way(lambda: runner.apply(lock_budget=100))

    assert "the next batch waits: its query gives true: SELECT high FROM load; waited for" in str(stopped)
    assert progress(conn) == ("failed", ["12"], 4)
    assert times(conn) == {0: 5, 1: 4}
    conn.execute("UPDATE load SET high = false")
    runner.apply()
    assert times(conn) == {1: 9}


def test_a_query_that_cannot_be_asked_stops_before_the_first_batch(runner, conn):
    numbered(conn, 9)
    runner.write("a", script(more='-- sqlmigrate-throttle: query="SELECT nothing FROM t"\n'))

    assert 'this query could not be asked: column "nothing" does not exist' in str(half_way(runner.apply))
    assert times(conn) == {0: 9}


def test_an_old_transaction(conn, database, reasons):
    numbered(conn, 9)
    old = database.holding("SELECT 1")
    pid = old.info.backend_pid

    found = reasons("oldest=1ms", old.close)

    assert found[0].startswith(f"the transaction of pid {pid} is ")
    assert times(conn) == {1: 9}


def test_a_vacuum_of_the_table(conn, database, reasons):
    numbered(conn, 40_000)
    vacuum = database.connect()
    for name in ("hit", "miss", "dirty"):  # each page takes 400 ms
        vacuum.execute(f"SET vacuum_cost_page_{name} = 10000")
    vacuum.execute("SET vacuum_cost_delay = 100; SET vacuum_cost_limit = 1")
    pid = vacuum.info.backend_pid

    def cancel():
        conn.execute("SELECT pg_cancel_backend(%s)", [pid])

    with beside(lambda: vacuum.execute("VACUUM (DISABLE_PAGE_SKIPPING) t")) as (running,):
        wait_for_row(conn, "SELECT pid FROM pg_stat_progress_vacuum WHERE pid = %s", pid)
        found = reasons("vacuum=wait", cancel, batch="table=t key=id")
        with pytest.raises(psycopg.errors.QueryCanceled):
            running.result(LONG)

    assert found[0] == f"a vacuum of the table is at work (pid {pid})"
    assert times(conn) == {1: 40_000}


def test_a_replication_slot_that_keeps_wal(conn, admin, reasons):
    numbered(conn, 1_000)
    admin.execute("SELECT pg_create_physical_replication_slot('sqlmigrate_throttle', true)")
    slots = "SELECT slot_name FROM pg_replication_slots WHERE slot_name = 'sqlmigrate_throttle'"
    try:
        conn.execute("UPDATE t SET n = n")
        drop = "SELECT pg_drop_replication_slot('sqlmigrate_throttle')"
        found = reasons("slots=1kB", lambda: admin.execute(drop), batch="table=t key=id")
    finally:
        admin.execute(f"SELECT pg_drop_replication_slot(slot_name) FROM ({slots}) AS left_over")

    assert found[0].startswith("the replication slot ")
    assert times(conn) == {1: 1_000}


class Enough(Exception):
    """Raised by who has heard what he wanted to hear."""


def test_the_rate_of_wal(runner, conn):
    """Between two batches another session writes more in a moment than is wanted in an hour."""
    numbered(conn, 9)
    told = runner.observe

    def observe(event):
        told(event)
        if isinstance(event, Throttled):
            raise Enough
        if isinstance(event, Backfilling):
            conn.execute("SELECT pg_logical_emit_message(false, 'x', repeat('x', 8 * 1024 * 1024))")

    runner.observe = observe
    runner.write("a", script(more="-- sqlmigrate-throttle: wal=1kB/s\n"))

    with pytest.raises(Enough):
        runner.apply()

    runner.observe = told
    (throttled,) = runner.told(Throttled)
    assert re.match(r"the server has written [0-9]+\.. MB of WAL since the last one began", throttled.reason)
    runner.write("a", script())
    runner.apply()
    assert times(conn) == {1: 9}


@pytest.fixture
def due(conn, database, vacuumed):
    """The table `t` with dead rows that autovacuum wants to take away, and a session that keeps it off."""
    wait_until(lambda: conn.execute("SHOW autovacuum").fetchone() == ("on",), timeout=LONG)
    numbered(conn, 509)
    conn.execute("ALTER TABLE t SET (autovacuum_vacuum_threshold = 100, autovacuum_vacuum_scale_factor = 0)")
    holder = database.holding("LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE")
    with psycopg.connect(database.conninfo, autocommit=True) as session:  # at its end what it did is counted
        session.execute("DELETE FROM t WHERE id > 27")
    dead = "SELECT 1 WHERE pg_stat_get_dead_tuples('t'::regclass) = 500"
    wait_for_row(conn, dead)
    return holder


def test_an_autovacuum_that_is_due_is_waited_for_but_not_for_ever(runner, conn, due):
    """The first script goes on without it, and asks no more before the next batch; for the second one it comes."""
    remark = "-- sqlmigrate-throttle: vacuum=wait\n"
    runner.write("a", script(more=remark))

    runner.apply(lock_budget=100)

    kinds = [type(event) for event in runner.events if isinstance(event, Throttled | Backfilling)]
    assert kinds[0] is Throttled
    assert Throttled not in kinds[kinds.index(Backfilling) :]
    known = len(runner.told(Throttled))
    tell = runner.observe

    def observe(event):
        tell(event)
        if isinstance(event, Throttled) and due.info.transaction_status:
            due.rollback()
            conn.execute("VACUUM t")

    runner.observe = observe
    runner.write("b", script(more=remark))
    runner.apply()

    said = runner.told(Throttled)[known].reason
    assert re.fullmatch("autovacuum is due on the table, which has 50[0-9] dead rows", said)
    assert times(conn) == {2: 9}


def test_the_archive_that_comes_late(binaries, tmp_path):
    """The command of the archive fails, until the batches have been seen to wait."""
    settings = {"archive_mode": "on", "archive_command": "false", "autovacuum": "off"}
    with ephemeral(binaries.major, settings=settings, in_memory=True) as server:
        runner = Runner(server.conninfo(), tmp_path)
        with psycopg.connect(server.conninfo(), autocommit=True) as session:
            numbered(session, 9)
            session.execute("SELECT pg_switch_wal()")
            tell = runner.observe

            def observe(event):
                tell(event)
                if isinstance(event, Throttled) and len(runner.told(Throttled)) == 1:
                    session.execute("ALTER SYSTEM SET archive_command = 'true'")
                    session.execute("SELECT pg_reload_conf()")

            runner.observe = observe
            runner.write("a", script(more="-- sqlmigrate-throttle: archive=1MB\n"))
            runner.apply()

            assert re.fullmatch(r"the archive lacks [0-9]+ MB of WAL", runner.told(Throttled)[0].reason)
            assert times(session) == {1: 9}


def test_what_the_role_does_not_see_is_said_once(runner, conn, admin):
    """A session of a superuser is there, whose transactions this role does not see."""
    numbered(conn, 9)
    runner.write("a", script(more="-- sqlmigrate-throttle: archive=1kB oldest=1ms\n"))

    runner.apply()

    hidden = [(event.throttle, event.grant) for event in runner.told(ThrottleHidden)]
    assert hidden == [("oldest", "pg_read_all_stats"), ("archive", "pg_monitor")]
    assert runner.told(Throttled) == []
    assert times(conn) == {1: 9}


def test_who_waits_behind_a_batch_goes_first_and_who_waits_behind_him_counts(runner, conn, database):
    """The first batch ends once two sessions wait: one for its row, and one for a row of that session."""
    numbered(conn, 9)
    waiters = queries.load("backfill")["waiters"]
    conn.execute(f"""
        CREATE FUNCTION wait_for_two() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
            PERFORM pg_advisory_xact_lock(2, 23);
            WHILE ({waiters}) < 2 LOOP PERFORM pg_sleep(0.01); END LOOP;
            RETURN NULL;
        END$$;
        CREATE TRIGGER wait_for_two AFTER UPDATE ON t
            FOR EACH ROW WHEN (old.id = 3 AND old.n <> new.n) EXECUTE FUNCTION wait_for_two();
    """)
    runner.write("a", script(more="-- sqlmigrate-throttle: waiters=1\n"))
    first, second = database.holding("SELECT FROM t WHERE id = 27 FOR UPDATE"), database.connect()

    def waits_for_the_batch():
        first.execute("UPDATE t SET n = n WHERE id = 3")
        first.commit()

    with beside(runner.apply) as (run,):
        wait_for_row(conn, "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = 2 AND objid = 23")
        with beside(waits_for_the_batch, lambda: second.execute("UPDATE t SET n = n WHERE id = 27")) as others:
            run.result(LONG)
            for other in others:
                other.result(LONG)

    assert [event.reason for event in runner.told(Throttled)] == ["2 sessions waited behind the last one (waiters=1)"]
    assert times(conn) == {1: 9}
