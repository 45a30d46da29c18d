"""Lend a session the settings under which definitions are read, and give its own back."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

if TYPE_CHECKING:
    from collections.abc import Iterator

# What the text of a definition depends on: the path qualifies all names but PostgreSQL's own and those of temporary
# objects, constants are written by style. With an empty path, temporary types would be found before PostgreSQL's own.
SETTINGS = {
    "search_path": "pg_catalog, pg_temp",
    "quote_all_identifiers": "off",
    "standard_conforming_strings": "on",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "xmloption": "content",
    "jit": "off",  # compiling takes longer than any of our queries
}
_CONSISTENT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_SWITCH = """
SELECT name, pg_catalog.current_setting(name), pg_catalog.set_config(name, value, true)
FROM ROWS FROM (
    pg_catalog.unnest(%s::pg_catalog.text[]), pg_catalog.unnest(%s::pg_catalog.text[])
) AS wanted (name, value)
"""


@contextmanager
def reading(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Work in the caller's transaction, or in a read-only one of its own, under our settings.

    No savepoint: inside a large script the server may refuse one. What SET LOCAL changes here, another SET LOCAL
    takes back; after an error the caller's transaction can only be rolled back, which does the same.
    """
    with connection.cursor(row_factory=tuple_row) as cursor:
        if connection.info.transaction_status == TransactionStatus.IDLE:
            with connection.transaction():
                cursor.execute(_CONSISTENT)
                _switch(cursor, SETTINGS)
                yield
        else:
            before = _switch(cursor, SETTINGS)
            yield
            _switch(cursor, before)


@contextmanager
def planned_for_many(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Have queries planned for the thousands of objects that they ask for, in a session that keeps plans for few."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        before = _switch(cursor, {"plan_cache_mode": "force_custom_plan"})
        yield
        _switch(cursor, before)


@contextmanager
def pipelined(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Send what a block executes in one go; the first error is raised, and none that follows from it is told.

    psycopg would log them as warnings, which Python prints on standard error.
    """
    first: psycopg.Error | None = None
    try:
        with connection.pipeline():
            try:
                yield
            except psycopg.Error as error:
                first = error
    except psycopg.Error:
        if first is None:
            raise
    if first is not None:
        raise first


def _switch(cursor: psycopg.Cursor[tuple[Any, ...]], settings: dict[str, str]) -> dict[str, str]:
    rows = cursor.execute(_SWITCH, [list(settings), list(settings.values())]).fetchall()
    return {name: before for name, before, _ in rows}
