"""Turn what the server said about seed data into an error that names the row."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg

from sqlmigrate.connection import server_message
from sqlmigrate.connection.silence import NOT_KNOWN
from sqlmigrate.errors import ConnectionFailed, Error, Place, Problem, SeedError
from sqlmigrate.seeds.writing import statements

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlmigrate.seeds.model import Row, SeedFile
    from sqlmigrate.seeds.tables import Table

# Classes of SQLSTATE that no row is to blame for: connection, lock, resources, shutdown, cancel, bugs.
_NOT_A_ROW = {"08", "25", "40", "53", "54", "55", "57", "58", "XX"}
_HINTS = {
    "42501": "connect as the owner of the table, or grant SELECT, INSERT and UPDATE on it",
    "55P03": "another session holds a lock on the table; run it again",
    "40P01": "another session was in the way; run it again",
    "40001": "another session was in the way; run it again",
}


def locate(
    conn: psycopg.Connection[Any],
    file: SeedFile,
    table: Table,
    batch: Mapping[Row, str],
    send: Callable[[Sequence[Row]], object],
    error: psycopg.Error,
) -> Error:
    """Find the row that made `send` fail, by sending half of the rows again and again, and name it.

    `batch` has each row as JSON; where a type takes no such value, the column is named, too.
    """
    rows = list(batch)
    at_file = seed_error(conn, error, Place(file.path))
    if conn.closed or not is_of_a_row(error) or _failure(conn, send, []):
        return at_file
    while len(rows) > 1:
        middle = len(rows) // 2
        for half in (rows[:middle], rows[middle:]):
            if found := _failure(conn, send, half):
                rows, error = half, found
                break
        else:
            return at_file  # only two rows together fail, as when the server takes two keys for the same
    (row,) = rows
    if isinstance(error, psycopg.DataError) and (column := _refused_column(conn, row, batch[row])):
        key = row.mapping.source_of(column)
        return seed_error(conn, error, row.place(key), row.label, (column, table.types[column]))
    return seed_error(conn, error, row.place(), row.label)


def _refused_column(conn: psycopg.Connection[Any], row: Row, text: str) -> str | None:
    """Try each value of a row alone, and return the first column whose type takes no such value."""
    query = statements.taken(row.mapping)
    for column, value in json.loads(text).items():
        if isinstance(_failure(conn, partial(_take, conn, query, json.dumps({column: value})), ()), psycopg.DataError):
            return str(column)
    return None


def _take(conn: psycopg.Connection[Any], query: psycopg.sql.Composed, text: str, _: object) -> None:
    conn.execute(query, [text], prepare=False)


def is_of_a_row(error: psycopg.Error) -> bool:
    """Tell whether a row may be to blame for an error, and not the connection, a lock or the server."""
    return (error.sqlstate or "XX")[:2] not in _NOT_A_ROW


def seed_error(
    conn: psycopg.Connection[Any],
    error: psycopg.Error,
    place: Place | None = None,
    label: str | None = None,
    column: tuple[str, str] | None = None,
) -> Error:
    """Make the error to raise of the server's own words; a lost connection is no fault of the data.

    `column` is the one to blame, with its type.
    """
    said = error.diag.message_primary or str(error).strip()
    if conn.closed:
        if error.sqlstate is None:  # the server itself has not said that it is over
            return ConnectionFailed(f"the connection was lost: {said}", hint=NOT_KNOWN)
        return ConnectionFailed(f"the connection was lost, nothing was written: {said}")
    detail = error.diag.message_detail or ""
    # The place shows the row already, and the row may be long.
    shown = f" ({detail.rstrip('.')})" if detail and not detail.startswith("Failing row contains") else ""
    of_column = f" (column {column[0]}, {column[1]})" if column else ""
    message = f"{label}: {said}{of_column}{shown}" if label else f"{said}{shown}"
    # A row that is refused with 42501 fails a policy (row level security): no grant would help.
    hint = error.diag.message_hint or (None if label else _HINTS.get(error.sqlstate or ""))
    server = server_message(error.diag, str(error))
    return SeedError(message, [Problem(message, place, hint)], hint=hint, place=place, server=server)


def _failure(
    conn: psycopg.Connection[Any], send: Callable[[Sequence[Row]], object], rows: Sequence[Row]
) -> psycopg.Error | None:
    """Try rows and undo them again; give the error if there is one."""
    try:
        with conn.transaction(force_rollback=True):
            send(rows)
    except psycopg.Error as error:
        return error
    return None
