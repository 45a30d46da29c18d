"""Tables for batched statements, and how often each of their rows was changed."""

from __future__ import annotations

from typing import Any

import psycopg

from support.stepwise import OUTSIDE

ONCE = "UPDATE t SET n = n + 1 WHERE id >= $1 AND id <= $2"
"""It shows a batch that runs twice."""

EMPTY_HISTORY = """
DELETE FROM sqlmigrate._yoyo_log;
DELETE FROM sqlmigrate._yoyo_migration;
DELETE FROM sqlmigrate.journal;
"""
"""Nothing has run, as the history has it."""


def numbered(session: psycopg.Connection[Any], rows: int, step: int = 3) -> None:
    """Make the table `t`, with gaps between its keys, whose rows were changed no time."""
    session.execute("DROP TABLE IF EXISTS t; CREATE TABLE t (id bigint PRIMARY KEY, n integer NOT NULL DEFAULT 0)")
    session.execute("INSERT INTO t SELECT x * %s FROM generate_series(1, %s) AS x", [step, rows])


def script(statement: str = ONCE, *, batch: str = "table=t key=id rows=2..2", more: str = "", after: str = "") -> str:
    """Write a script with one batched statement; `more` are further remarks, `after` is what follows."""
    remarks = f"-- sqlmigrate-batch: {batch}\n{more}"
    return f"{OUTSIDE}{remarks}{statement};\n{after}"


def times(session: psycopg.Connection[Any], table: str = "t") -> dict[int, int]:
    """Tell how many rows were changed how often."""
    return dict(session.execute(f"SELECT n, count(*) FROM {table} GROUP BY n ORDER BY n").fetchall())


def progress(session: psycopg.Connection[Any]) -> tuple[Any, ...] | None:
    """Give the state of the batched statement that stopped half way, its position and how many rows are behind it."""
    query = "SELECT state, found->'position', found->'rows' FROM sqlmigrate.journal WHERE found->>'kind' = 'backfill'"
    return session.execute(query).fetchone()
