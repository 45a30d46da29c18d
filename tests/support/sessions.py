"""Other sessions of a test: wait for what they do, and do something beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg

from support.waiting import wait_until

T = TypeVar("T")

IN_QUERY = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND state = 'active' AND query LIKE %s
AND wait_event_type IN ('Lock', 'Timeout')
"""
SLEEPING = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event = 'PgSleep' AND application_name LIKE %s
"""
WAITING_FOR_LOCK = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name LIKE %s
"""
HELD_ALONE = """
SELECT 1 FROM pg_locks
WHERE relation = %s::regclass AND mode = 'AccessExclusiveLock' AND granted
"""
AFTER_THE_OTHER = """
DO $$BEGIN
    WHILE EXISTS (SELECT FROM pg_locks WHERE relation = '{second}'::regclass AND granted)
      AND NOT EXISTS (SELECT FROM pg_locks WHERE relation = '{first}'::regclass AND NOT granted)
    LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
END$$;
"""
"""What a script runs that holds a table and wants a second one, which somebody holds who is to wait for the first.

PostgreSQL looks for a deadlock once in each wait, `deadlock_timeout` after its beginning: the script must wait last.
"""
NAMED = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE %s"


def wait_for_row(session: psycopg.Connection[Any], query: str, *parameters: object) -> tuple[Any, ...]:
    """Ask until there is a row, and give it."""

    def row() -> tuple[Any, ...] | None:
        return session.execute(query, parameters).fetchone()

    found = wait_until(row, timeout=30)
    assert found is not None
    return found


def wait_for_query(session: psycopg.Connection[Any], pattern: str) -> int:
    """Wait until a session of this database waits or sleeps in a statement like this; gives its process id.

    One that was seen to run, and no more, may be one before it, or be through by now.
    """
    return int(wait_for_row(session, IN_QUERY, pattern)[0])


def wait_for_sleep(session: psycopg.Connection[Any]) -> int:
    """Wait until a script of this database sleeps, and so can be cancelled; gives its session's process id."""
    return int(wait_for_row(session, SLEEPING, "sqlmigrate: %")[0])


def wait_for_blocked(session: psycopg.Connection[Any], application: str = "sqlmigrate: %") -> int:
    """Wait until a session of ours waits for a lock; gives its process id."""
    return int(wait_for_row(session, WAITING_FOR_LOCK, application)[0])


def is_there(session: psycopg.Connection[Any], relation: str) -> bool:
    """Tell whether a table or another relation exists."""
    row = session.execute("SELECT to_regclass(%s) IS NOT NULL", [relation]).fetchone()
    assert row is not None
    return bool(row[0])


@contextmanager
def beside(*works: Callable[[], T]) -> Iterator[list[Future[T]]]:
    """Do several things at once in threads; the end of the block waits for them."""
    with ThreadPoolExecutor(len(works)) as pool:
        yield [pool.submit(work) for work in works]
