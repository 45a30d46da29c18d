"""The run lock: one run at a time in a database, seen by the one that waits, gone with its session."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from sqlmigrate.connection.silence import is_readable
from sqlmigrate.errors import ConnectionFailed, RunLockBusy
from sqlmigrate.events import WaitingForRunLock
from sqlmigrate.runlock import held, lock_key
from support.waiting import LONG, wait_until

ADVISORY = """
SELECT count(*) FROM pg_locks
WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def free(session: psycopg.Connection) -> bool:
    return session.execute(ADVISORY).fetchone() == (0,)


def test_the_lock_is_held_in_the_block_and_free_after_it(database, conn):
    with held(database.conninfo, "sqlmigrate", wait=0) as lock:
        lock.require()
        assert not free(conn)

    wait_until(lambda: free(conn))


def test_it_is_free_after_an_error_too(database, conn):
    with pytest.raises(ZeroDivisionError), held(database.conninfo, "sqlmigrate", wait=0):
        raise ZeroDivisionError

    wait_until(lambda: free(conn))


def test_a_second_session_is_told_who_holds_it(database, conn):
    with held(database.conninfo, "sqlmigrate", wait=0):
        [pid] = conn.execute(ADVISORY.replace("count(*)", "pid")).fetchone()
        with pytest.raises(RunLockBusy) as caught, held(database.superuser_conninfo, "sqlmigrate", wait=0):
            pass

    words = rf"held by pid {pid} \(role migrator, 'sqlmigrate: run lock' from local, for \d+ s\)"
    assert re.search(words, caught.value.message)
    assert "--wait-lock" in caught.value.hint


def test_waiting_is_reported_each_time(database):
    told = []

    def second() -> None:
        with held(database.conninfo, "sqlmigrate", wait=60, observer=told.append):
            pass

    with ThreadPoolExecutor(1) as pool:
        with held(database.conninfo, "sqlmigrate", wait=0):
            waiting = pool.submit(second)
            wait_until(lambda: len(told) > 1)
            while_held = tuple(told)  # what it tells while the lock is being given up may name nobody
        waiting.result(LONG)

    assert all(isinstance(event, WaitingForRunLock) and event.holder.role == "migrator" for event in while_held)
    left = [event.seconds_left for event in told]
    assert left == sorted(left, reverse=True)
    assert 0 < left[0] <= 60


def test_waiting_ends_in_time(database):
    told = []
    with (
        held(database.conninfo, "sqlmigrate", wait=0),
        pytest.raises(RunLockBusy),
        held(database.conninfo, "sqlmigrate", wait=0.5, observer=told.append),
    ):
        pass

    assert all(event.seconds_left <= 0.5 for event in told)


def test_whoever_waits_gets_it_when_it_is_free(database):
    told = []

    def second() -> None:
        with held(database.conninfo, "sqlmigrate", wait=30, observer=told.append) as lock:
            lock.require()

    with ThreadPoolExecutor(1) as pool:
        with held(database.conninfo, "sqlmigrate", wait=10):
            waiting = pool.submit(second)
            wait_until(lambda: told)
        waiting.result(LONG)


def test_it_goes_away_with_its_session(database, admin):
    with held(database.conninfo, "sqlmigrate", wait=0):
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        with held(database.conninfo, "sqlmigrate", wait=60) as lock:
            lock.require()


def test_a_lost_session_is_noticed_at_the_first_question(database, admin):
    for _ in range(10):
        with held(database.conninfo, "sqlmigrate", wait=60) as lock:
            lock.require()
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
            wait_until(lambda: free(admin))
            with pytest.raises(ConnectionFailed, match="the session that held the run lock was lost"):
                lock.require()


def test_a_message_of_the_server_is_not_a_loss(database, admin):
    with held(database.conninfo, "sqlmigrate", wait=0) as lock:
        lock.connection.execute("LISTEN news")
        for _ in range(3):
            admin.execute("NOTIFY news, 'hello'")
            wait_until(lambda: is_readable(lock.connection))
            lock.require()
        lock.require()


def test_the_lock_session_does_not_time_out(database, admin):
    admin.execute("ALTER ROLE migrator IN DATABASE test_1 SET idle_session_timeout TO '1s'")
    with held(database.conninfo, "sqlmigrate", wait=0) as lock:
        admin.execute("SELECT pg_sleep(1.3)")
        lock.require()


def test_keys_differ_by_schema_and_fit_a_bigint():
    keys = {lock_key(schema) for schema in ("sqlmigrate", "other", "Other", "")}

    assert len(keys) == 4
    assert all(-(2**63) <= key < 2**63 for key in keys)


def test_a_holder_is_found_whatever_the_sign_of_its_key(database):
    signs = {}
    for number in range(20):
        signs.setdefault(lock_key(f"schema {number}") < 0, f"schema {number}")
    assert len(signs) == 2
    for schema in signs.values():
        with (
            held(database.conninfo, schema, wait=0),
            pytest.raises(RunLockBusy, match="held by pid"),
            held(database.conninfo, schema, wait=0),
        ):
            pass


def test_a_waiter_holds_no_snapshot_that_would_block_an_index_made_concurrently(database, conn):
    """Waiting inside pg_advisory_lock would deadlock with it."""
    conn.execute("CREATE TABLE t (n integer)")
    told = []

    def wait() -> None:
        with held(database.conninfo, "sqlmigrate", wait=30, observer=told.append):
            pass

    with ThreadPoolExecutor(1) as pool:
        with held(database.conninfo, "sqlmigrate", wait=10):
            waiting = pool.submit(wait)
            wait_until(lambda: told)
            conn.execute("SET statement_timeout TO '60s'")
            conn.execute("CREATE INDEX CONCURRENTLY ON t (n)")
        waiting.result(LONG)


def test_a_prepared_transaction_that_holds_the_lock_is_named_with_what_ends_it(database, conn):
    taker = database.holding(f"SELECT pg_advisory_xact_lock({lock_key('sqlmigrate')})")
    taker.execute("PREPARE TRANSACTION 'left behind'")
    try:
        with (
            pytest.raises(RunLockBusy, match="held by the prepared transaction 'left behind'") as caught,
            held(database.conninfo, "sqlmigrate", wait=0),
        ):
            pass
    finally:
        conn.execute("ROLLBACK PREPARED 'left behind'")

    assert "ROLLBACK PREPARED" in (caught.value.hint or "")
    with held(database.conninfo, "sqlmigrate", wait=0):
        pass
