"""Our own SQL with the name of the history's schema filled in."""

from __future__ import annotations

from functools import cache

from psycopg import sql

from sqlmigrate import queries


def compose(name: str, schema: str) -> sql.Composed:
    """Give a block of `queries/history.sql` for a schema."""
    text = queries.load("history")[name]
    return sql.SQL(text).format(schema=sql.Identifier(schema))


@cache
def text(name: str, schema: str) -> str:
    """Give the same as text."""
    return compose(name, schema).as_string()
