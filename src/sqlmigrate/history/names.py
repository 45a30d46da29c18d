"""Our own SQL with the name of the history's schema filled in."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from psycopg import sql

from sqlmigrate import queries
from sqlmigrate.history.trust import Tables

if TYPE_CHECKING:
    from collections.abc import Iterable

TABLES = ("_yoyo_migration", "_yoyo_log", "_yoyo_version", "applied", "log", "journal", "meta")
"""The names of our tables, of all versions."""
ATTEMPTS = "script_attempts"
"""The name of the one that no version of the history asks for."""
SEEDS = "seed_files"
"""The name of another one."""
NAMES = (*TABLES, ATTEMPTS, SEEDS)
"""All of them."""
WRITTEN = ("_yoyo_migration", "_yoyo_log", "applied", "log", "journal")
"""Those that are written by each run."""


def ours(schema: str, owners: Iterable[str]) -> Tables:
    """Return our tables as they are looked at before they are believed."""
    return Tables(schema, TABLES, tuple(owners), own_schema=True)


def names_ours(text: str, schema: str) -> bool:
    """Whether a text, such as an error's context, has the full name of a table of ours in it."""
    return any(name in text for table in NAMES for name in (f"{schema}.{table}", f'"{schema}".{table}'))


def compose(name: str, schema: str, *, with_values: bool = False) -> sql.Composed:
    """Return a block of `queries/history.sql` for a schema; `with_values` says that psycopg is to fill in some.

    A percent sign in the schema's name would be the place of a value then.
    """
    text = queries.load("history")[name]
    named = schema.replace("%", "%%") if with_values else schema
    return sql.SQL(text).format(schema=sql.Identifier(named), space=sql.Literal(named))


@cache
def text(name: str, schema: str) -> str:
    """Return the same as text."""
    return compose(name, schema).as_string()
