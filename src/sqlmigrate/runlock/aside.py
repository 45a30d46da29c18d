"""Commands of ours on the run lock's connection, beside the questions of the watcher."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg
from psycopg import pq

from sqlmigrate.connection import silence

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

    from sqlmigrate.connection.silence import Session

Row = tuple[str | None, ...]

_LOOK_SECONDS = 0.05


def send(connection: Session, text: str) -> bool:
    """Send commands as one message; gives False where the session is of no use any more."""
    try:
        connection.pgconn.send_query(text.encode())
        connection.pgconn.flush()
    except (psycopg.Error, OSError, ValueError):
        return False
    return True


def answered(connection: Session, seconds: float = silence.LOOK_UP_SECONDS) -> list[Row] | None:
    """Wait for the answer, and give the rows of the last command with some; None where it failed, or did not come."""
    try:
        return _last_rows(connection, time.monotonic() + seconds)
    except (psycopg.Error, OSError, ValueError):
        return None


def _has_come(connection: Session, deadline: float) -> bool:
    """Wait for the next result; libpq itself would wait for it for ever."""
    while connection.pgconn.is_busy():
        if time.monotonic() > deadline:
            return False
        if silence.is_readable(connection, _LOOK_SECONDS):
            connection.pgconn.consume_input()
    return True


def _last_rows(connection: Session, deadline: float) -> list[Row] | None:
    rows: list[Row] | None = []
    while True:
        if not _has_come(connection, deadline):
            return None
        if (result := connection.pgconn.get_result()) is None:
            return rows
        if result.status == pq.ExecStatus.TUPLES_OK:
            rows = [values(result, row) for row in range(result.ntuples)]
        elif silence.is_farewell(result):
            connection.close()  # so that the run lock is known to be lost, too
            return None
        elif result.status == pq.ExecStatus.FATAL_ERROR:
            rows = None


def values(result: PGresult, row: int) -> Row:
    """Return the values of a row as text."""
    return tuple(
        None if (value := result.get_value(row, column)) is None else value.decode(errors="replace")
        for column in range(result.nfields)
    )
