"""A fault at any message, or kill -9: every row is changed exactly once, and the next run goes on where it stood."""

from __future__ import annotations

import signal
from collections import Counter
from dataclasses import dataclass

import psycopg
import pytest

from sqlmigrate.engine.stepwise import stepper
from sqlmigrate.errors import ConnectionFailed, Error, ExecutionError, HistoryError
from sqlmigrate.events import Backfilling
from support.backfill import EMPTY_HISTORY, numbered, progress, script, times
from support.command import started
from support.faults import EVERY, decisive_places, named, places
from support.proxy import TO_CLIENT, TO_SERVER, Proxy, Then
from support.runner import Runner
from support.sessions import beside, wait_for_blocked, wait_for_row
from support.stepwise import journal
from support.waiting import LONG, wait_until

pytestmark = pytest.mark.timeout(3600 if EVERY else 900)

ROWS = 5
_OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


@dataclass
class Faulty:
    """A backfill of three batches, run through a proxy."""

    runner: Runner
    through: Runner
    proxy: Proxy
    conn: psycopg.Connection

    def prepare(self):
        self.conn.execute(f"{EMPTY_HISTORY}; UPDATE t SET n = 0")
        self.proxy.reset()

    def wait_until_alone(self):
        wait_until(lambda: self.conn.execute(_OTHERS).fetchone() == (0,), timeout=LONG)

    def messages(self):
        """Give the messages between the worker and its server: all, or those around the second batch."""
        self.prepare()
        self.proxy.record = True
        self.through.apply()
        self.wait_until_alone()
        self.proxy.record = False
        own = [item for item in self.proxy.trace if item.session == 1]
        batches = _long_bursts(own)
        assert len(batches) >= 3
        return own if EVERY else [item for item in own if batches[1] - 3 <= item.burst <= batches[1] + 1]

    def told(self):
        """Run through the proxy; gives the error."""
        try:
            self.through.apply()
        except (Error, psycopg.Error) as error:
            return error
        return None


def _long_bursts(messages):
    """Give the bursts that hold a whole batch, from its BEGIN to its COMMIT."""
    counts = Counter(item.burst for item in messages if item.direction == TO_SERVER and item.kind == "E")
    return sorted(burst for burst, count in counts.items() if count > 12)


@pytest.fixture
def faulty(unwatched, runner, database, conn):
    numbered(conn, ROWS)
    runner.write("a", script(after="CREATE TABLE IF NOT EXISTS after ();\n"))
    runner.apply()
    with Proxy(database.server.host, database.server.port) as proxy:
        conninfo = psycopg.conninfo.make_conninfo(database.conninfo, host=proxy.host, port=proxy.port)
        yield Faulty(runner, Runner(conninfo, runner.directory), proxy, conn)


def test_a_cut_at_any_message_of_the_batches_changes_no_row_twice_and_leaves_none_out(faulty):
    messages = faulty.messages()
    tried, met = 0, []

    def cut(at):
        met.append(at)
        return Then.CUT

    for direction in (TO_SERVER, TO_CLIENT):
        going = [item for item in messages if item.direction == direction]
        for message, when in list((places if EVERY else decisive_places)(going)):
            with named(f"{when} {message}"):
                faulty.prepare()
                faulty.proxy.at(1, direction, message.number, cut, when)
                assert isinstance(faulty.told(), Error | None)
                faulty.proxy.down = False
                faulty.wait_until_alone()
                assert set(times(faulty.conn)) <= {0, 1}
                stands = progress(faulty.conn)
                if stands:
                    assert times(faulty.conn).get(1, 0) == stands[2]
                faulty.runner.apply()
                assert times(faulty.conn) == {1: ROWS}
                assert journal(faulty.conn) == []
                tried += 1
    assert tried >= 10
    assert len(met) > tried // 2


def test_a_run_that_is_killed_goes_on_where_it_stood(runner, conn, database):
    """A row that somebody holds keeps it half way until it is killed; what it had asked for may still happen."""
    numbered(conn, 9)
    runner.write("a", script())
    holder = database.holding("SELECT FROM t WHERE id = 15 FOR UPDATE")
    with started("apply", "-d", runner.conninfo, "-m", runner.directory, "--lock-timeout", "10min") as process:
        wait_for_blocked(conn)
        process.send_signal(signal.SIGKILL)
        process.wait(LONG)
    assert times(conn) == {0: 5, 1: 4}
    assert progress(conn)[:2] == ("running", ["12"])
    holder.close()

    runner.apply()

    assert times(conn) == {1: 9}
    assert journal(conn) == []


RUN_LOCK = """
SELECT pg_terminate_backend(pid, 60000) FROM pg_locks
WHERE locktype = 'advisory' AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
BEHIND = "SELECT 1 FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"


def test_who_loses_the_run_lock_stops_behind_the_batch(runner, conn):
    numbered(conn, 9)
    tell = runner.observe

    def observe(event):
        tell(event)
        if isinstance(event, Backfilling) and event.batches == 2:
            assert len(conn.execute(RUN_LOCK).fetchall()) == 1

    runner.observe = observe
    runner.write("a", script())

    with pytest.raises(ConnectionFailed) as caught:
        runner.apply()

    assert "the batches before stay; `sqlmigrate apply` goes on behind them" in str(caught.value.hint)
    assert times(conn) == {0: 5, 1: 4}
    runner.observe = tell
    runner.apply()
    assert times(conn) == {1: 9}


def test_an_old_run_that_is_still_at_work_beside_a_new_one_changes_no_row_twice(runner, conn, database, monkeypatch):
    """It has lost its run lock while it waits for a row. The new run sees it; if not, it finds its batch done."""
    numbered(conn, 9)
    runner.write("a", script())
    holder = database.holding("SELECT FROM t WHERE id = 15 FOR UPDATE")
    new = Runner(runner.conninfo, runner.directory)
    monkeypatch.setattr(stepper, "_PREDECESSOR_SECONDS", 0.1)
    with beside(lambda: runner.apply(lock_timeout=600_000)) as (old,):
        try:
            waiting = wait_for_blocked(conn)
            assert len(conn.execute(RUN_LOCK).fetchall()) == 1
            with pytest.raises(ExecutionError, match=f"an earlier run .pid {waiting}. is still at work on this script"):
                new.apply()
            monkeypatch.setattr(stepper.outcome, "predecessor", lambda *_, **__: None)
            with beside(lambda: new.apply(lock_timeout=600_000)) as (newer,):
                try:
                    wait_for_row(conn, BEHIND, waiting)
                    assert times(conn) == {0: 5, 1: 4}
                finally:
                    holder.close()
                with pytest.raises(HistoryError, match="another run has gone on with a meanwhile"):
                    newer.result(LONG)
        finally:
            holder.close()
        with pytest.raises(ConnectionFailed):
            old.result(LONG)

    assert times(conn) == {0: 3, 1: 6}
    runner.apply()
    assert times(conn) == {1: 9}
