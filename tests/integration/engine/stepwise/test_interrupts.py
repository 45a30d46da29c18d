"""Ctrl-C, SIGTERM and `kill -9` outside a transaction: what runs is cancelled at once, and the journal is true.

Scripts in a transaction have the same tests in engine/test_interrupted.py.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from sqlmigrate.errors import ConnectionFailed, HalfWayError
from support.command import ended, started
from support.proxy import TO_SERVER, Proxy, Then
from support.runner import Runner, ids
from support.sessions import beside, is_there, wait_for_blocked, wait_for_row, wait_for_sleep
from support.waiting import LONG, wait_until

SIGNALS = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
AT_ONCE = 2.0

SET_UP = """
CREATE TABLE effect (what text);
CREATE TABLE slow AS SELECT 1;
CREATE FUNCTION slowly() RETURNS text LANGUAGE plpgsql AS
$$BEGIN PERFORM pg_sleep(60) FROM slow; RETURN 'slowly'; END$$;
CREATE PROCEDURE call_slowly() LANGUAGE plpgsql AS
$$BEGIN INSERT INTO effect VALUES ('before'); COMMIT; PERFORM slowly(); END$$;
"""
SLEEPING_OR_BUILDING = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'sqlmigrate: %%'
AND (wait_event = 'PgSleep' OR (query LIKE %s AND wait_event_type = 'Lock'))
"""
ACTIVE = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'sqlmigrate: %' AND state = 'active'
"""
LEFT = """
SELECT (SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'sqlmigrate%'),
       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
JOURNAL = "SELECT number, last_number, state FROM sqlmigrate.journal ORDER BY number"
DONE, RUNNING = (1, 1, "done"), (2, 2, "running")


@dataclass(frozen=True)
class Case:
    """What comes second in a script and takes long, and what is to be known of it when it is interrupted."""

    name: str
    text: str
    journal: tuple[tuple[int, int, str], ...] = (DONE,)
    effects: tuple[str, ...] = ()
    asks: bool = False

    def __str__(self) -> str:
        return self.name


CASES = [
    Case("a statement", "INSERT INTO effect VALUES (slowly());"),
    Case("a block", "BEGIN; INSERT INTO effect VALUES ('in a block'); SELECT slowly(); COMMIT;"),
    Case("a procedure", "CALL call_slowly();", (DONE, RUNNING), effects=("before",), asks=True),
    Case("an index", "CREATE INDEX CONCURRENTLY thing_n ON thing (n);", (DONE, RUNNING)),
]


class Slow:
    """A run of a script whose second part takes long until `quicken`."""

    def __init__(
        self, case: Case, runner: Runner, conn: psycopg.Connection[Any], other: psycopg.Connection[Any]
    ) -> None:
        self.case, self.runner, self.conn, self.other = case, runner, conn, other
        conn.execute(SET_UP)
        runner.write(
            "a", f"-- transactional: false\nCREATE TABLE thing (n integer);\n{case.text}\nCREATE TABLE last ();\n"
        )
        self.arguments = ("apply", "-d", runner.conninfo, "-m", runner.directory)
        # CREATE INDEX CONCURRENTLY waits for the snapshot of this one
        other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT FROM effect")

    def wait_until_it_is_there(self) -> int:
        """Wait until the second part runs; gives the process id of its session."""
        return int(wait_for_row(self.conn, SLEEPING_OR_BUILDING, "CREATE INDEX%")[0])

    def quicken(self) -> None:
        self.conn.execute("DROP TABLE slow; CREATE TABLE slow ()")
        self.other.rollback()

    def effects(self) -> tuple[str, ...]:
        return tuple(what for (what,) in self.conn.execute("SELECT what FROM effect"))

    def journal(self) -> tuple[tuple[int, int, str], ...]:
        return tuple(self.conn.execute(JOURNAL).fetchall())

    def check_next_run(self) -> None:
        """The journal is true, and the next run goes on where this one stopped; only about a procedure it asks."""
        assert self.journal() == self.case.journal
        assert self.effects() == self.case.effects
        self.quicken()
        if self.case.asks:
            with pytest.raises(HalfWayError, match="statement 2: it was begun"):
                self.runner.apply()
            assert ids(self.runner.apply(resume_at=3)) == ["a"]
        else:
            assert ids(self.runner.apply()) == ["a"]
        assert self.journal() == ()
        assert is_there(self.conn, "last")
        query = "SELECT indisvalid FROM pg_index WHERE indrelid = 'thing'::regclass"
        assert self.conn.execute(query).fetchall() == ([(True,)] if "INDEX" in self.case.text else [])


@pytest.fixture
def slow(runner, conn, database, request) -> Slow:
    return Slow(request.param, runner, conn, database.connect(autocommit=False))


def at_once(session: psycopg.Connection[Any], query: str, row: tuple[int, ...]) -> None:
    wait_until(lambda: session.execute(query).fetchone() == row, timeout=AT_ONCE)


@pytest.mark.parametrize(("number", "status", "word"), SIGNALS)
@pytest.mark.parametrize("slow", CASES, indirect=True, ids=str)
def test_a_signal_cancels_what_runs_and_the_next_run_goes_on(slow, number, status, word):
    with started(*slow.arguments) as process:
        slow.wait_until_it_is_there()
        process.send_signal(number)
        at_once(slow.conn, ACTIVE, (0,))
        outcome = ended(process)

    assert outcome.status == status
    assert outcome.stderr.splitlines()[-1].startswith(f"{word}: ")
    at_once(slow.conn, LEFT, (0, 0))
    slow.check_next_run()


@pytest.mark.parametrize("slow", CASES, indirect=True, ids=str)
def test_kill_9_leaves_nothing_running_and_the_next_run_goes_on(slow):
    with started(*slow.arguments) as process:
        slow.wait_until_it_is_there()
        process.kill()
        at_once(slow.conn, LEFT, (0, 0))

    slow.check_next_run()


@pytest.mark.parametrize("slow", CASES, indirect=True, ids=str)
def test_a_session_that_is_ended_by_others_is_reported_and_the_next_run_goes_on(slow):
    with started(*slow.arguments) as process:
        slow.conn.execute("SELECT pg_terminate_backend(%s)", [slow.wait_until_it_is_there()])
        outcome = ended(process)

    assert outcome.status == 6
    assert "the connection was lost" in outcome.stderr
    slow.check_next_run()


def test_a_run_lock_that_is_lost_under_a_script_outside_a_transaction_stops_before_the_next_one(
    runner, admin, conn, database
):
    conn.execute("CREATE TABLE gate ()")
    holder = database.holding("LOCK TABLE gate")
    runner.write("a", "-- transactional: false\nALTER TABLE gate ADD n integer; CREATE TABLE a ();")
    runner.write("b", "-- transactional: false\nCREATE TABLE b ();")
    with beside(lambda: runner.apply(lock_timeout=60_000)) as [run]:
        wait_for_blocked(admin)
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        wait_until(lambda: admin.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'").fetchone() is None)
        holder.rollback()
        with pytest.raises(ConnectionFailed, match="the session that held the run lock was lost"):
            run.result(LONG)

    assert runner.applied() == ["a"]
    assert ids(runner.apply()) == ["b"]


def test_a_second_signal_ends_a_run_whose_network_is_dead(runner, database, conn):
    """The first one waits some seconds for the server to end its statement; nobody has to."""
    runner.write("a", "CREATE TABLE a ();\nSELECT pg_sleep(60);")
    with Proxy(database.server.host, database.server.port) as proxy:
        proxy.at(3, TO_SERVER, 1, lambda _: Then.STALL)  # the third session is the request to cancel
        dead = make_conninfo(database.conninfo, host=proxy.host, port=proxy.port)
        with started("apply", "-d", dead, "-m", runner.directory) as process:
            wait_for_sleep(conn)
            process.send_signal(signal.SIGINT)
            wait_until(lambda: proxy.messages[TO_SERVER] and proxy.sessions == 3)
            process.send_signal(signal.SIGINT)
            wait_until(lambda: process.poll() is not None, timeout=AT_ONCE)
            outcome = ended(process)

    assert outcome.status == 130
    assert runner.applied() == []
