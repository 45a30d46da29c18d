"""The next batch waits while something else matters more, and says why."""

from __future__ import annotations

import psycopg
import pytest

from sqlmigrate import queries
from sqlmigrate.events import Throttled
from support.backfill import numbered, progress, script, times
from support.sessions import beside, wait_for_row
from support.stepwise import half_way
from support.waiting import LONG


@pytest.fixture
def reasons(runner):
    """Apply a script with a throttle, and end what holds it back once that was told; gives what was told."""

    def run(throttle, release, *, batch="table=t key=id rows=2..2"):
        told = runner.observe

        def observe(event):
            told(event)
            if isinstance(event, Throttled) and len(runner.told(Throttled)) == 1:
                release()

        runner.observe = observe
        runner.write("a", script(batch=batch, more=f"-- sqlmigrate-throttle: {throttle}\n"))
        runner.apply()
        return [event.reason for event in runner.told(Throttled)]

    return run


def test_a_query_of_ones_own(runner, conn, reasons):
    numbered(conn, 9)
    conn.execute("CREATE TABLE load AS SELECT 25 AS load")

    found = reasons('query="SELECT load > 20 FROM load"', lambda: conn.execute("UPDATE load SET load = 3"))

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
    """A batch of two thousand rows writes more in a moment than is wanted in a minute."""
    numbered(conn, 4_000)
    told = runner.observe

    def observe(event):
        told(event)
        if isinstance(event, Throttled):
            raise Enough

    runner.observe = observe
    runner.write("a", script(batch="table=t key=id rows=2000..2000", more="-- sqlmigrate-throttle: wal=1kB/s\n"))

    with pytest.raises(Enough):
        runner.apply()

    runner.observe = told
    assert "MB of WAL since the last one began" in runner.told(Throttled)[0].reason
    assert times(conn) == {0: 2_000, 1: 2_000}
    runner.write("a", script(batch="table=t key=id"))
    runner.apply()
    assert times(conn) == {1: 4_000}


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
