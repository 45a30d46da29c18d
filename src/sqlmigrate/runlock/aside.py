"""Commands of ours on the run lock's connection, beside the questions of the watcher."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import psycopg
from psycopg import pq

from sqlmigrate.connection import silence

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """Wait for the answer, and give the rows of the last command with some; None where it failed, or did not come.

    Looks are counted, and not seconds: a machine that stands still for long is no server that says nothing.
    """
    try:
        return _last_rows(connection, iter(range(math.ceil(seconds / _LOOK_SECONDS))))
    except (psycopg.Error, OSError, ValueError):
        return None


def _has_come(connection: Session, looks: Iterator[int]) -> bool:
    """Wait for the next result; libpq itself would wait for it for ever."""
    while connection.pgconn.is_busy():
        if silence.is_readable(connection, _LOOK_SECONDS):
            connection.pgconn.consume_input()
        elif next(looks, None) is None:
            return False
    return True


def _last_rows(connection: Session, looks: Iterator[int]) -> list[Row] | None:
    rows: list[Row] | None = []
    while True:
        if not _has_come(connection, looks):
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
