"""Ask within the session of a script, and leave nothing behind: no setting, no lock, no transaction."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg
from psycopg import pq

from sqlmigrate.connection import ours_locally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.connection import Connection

PLANNING = (
    "SELECT pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', true), "
    "pg_catalog.set_config('enable_seqscan', 'off', true), pg_catalog.set_config('jit', 'off', true)"
)
"""What batches are planned under: the bounds of one batch must not lead to a scan of the whole table in another.

Before PostgreSQL 18, what is switched off counts as so costly that a plan with it would be compiled, for each batch:
https://www.postgresql.org/docs/17/jit-decision.html
"""
_IN_ORDER = (
    "SELECT pg_catalog.set_config('enable_sort', 'off', true), pg_catalog.set_config('enable_bitmapscan', 'off', true)"
)
"""So that the next keys are read from the index in their order, also where nothing is known of how many there are."""
_NAME = "sqlmigrate_aside"
_READABLE = "SET LOCAL client_encoding TO 'UTF8'"


@contextmanager
def aside(connection: Connection) -> Iterator[None]:
    """Ask as the script would: by its role, under its search_path, planned as its batches are."""
    with _taken_back(connection, PLANNING):
        yield


@contextmanager
def ours(connection: Connection) -> Iterator[None]:
    """Ask by our own SQL, with the rights of the script; values are written so that any session reads them alike."""
    with _taken_back(connection, f"{PLANNING}; {_IN_ORDER}; {ours_locally()}"):
        yield


@contextmanager
def _taken_back(connection: Connection, settings: str) -> Iterator[None]:
    within = connection.info.transaction_status == pq.TransactionStatus.INTRANS
    begin, end = ("BEGIN ISOLATION LEVEL READ COMMITTED", "ROLLBACK")
    if within:
        begin, end = f"SAVEPOINT {_NAME}", f"ROLLBACK TO SAVEPOINT {_NAME}; RELEASE SAVEPOINT {_NAME}"
    connection.execute(f"{begin}; {_READABLE}; {settings}".encode())
    try:
        yield
    except BaseException:
        with suppress(psycopg.Error):  # the first error is the one to tell
            connection.execute(end.encode())
        raise
    connection.execute(end.encode())
