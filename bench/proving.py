"""Proofs: the round trip of many small migrations, and reading the schema of many tables."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from clock import cost, middle
from comparing import tell
from contestants import BIN, environment
from servers import fresh
from sqlmigrate.schema.read import Snapshot, read_schema

if TYPE_CHECKING:
    from pathlib import Path

    from contestants import Contestant
    from sqlmigrate.server import PrivateServer

_TABLE = """
CREATE TABLE t_{0} (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    a  text NOT NULL DEFAULT '',
    b  numeric(9, 2) CHECK (b > 0),
    c  timestamptz,
    d  jsonb,
    e  integer[]
);
CREATE INDEX ON t_{0} (a, c);
COMMENT ON TABLE t_{0} IS 'what the benchmark reads';
GRANT SELECT ON t_{0} TO public;
"""


@dataclass(frozen=True, slots=True)
class Proving:
    """What was measured, on how many migrations or tables, and the wall time of a run."""

    what: str
    count: int
    wall: float


def proving(server: PrivateServer, tool: Contestant, place: Path, counts: list[int], rounds: int) -> list[Proving]:
    """Measure the whole command on its own throwaway server, and a reading as a whole and of what changed."""
    found = []
    for count in counts:
        tell(f"round trip: {count} migrations")
        folder = tool.prepared(place, count)
        command = [str(BIN / "sqlmigrate"), "roundtrip", "-q", "-m", str(folder)]
        env = environment(place) | {"SQLMIGRATE_PG_BINDIR": str(server.bindir)}
        taken = [cost([command], cwd=place, env=env) for _ in range(max(1, rounds // 3))]
        found.append(Proving("round trip", count, middle(taken).wall))
    return [*found, *_reading(server, 1_000, rounds)]


def _reading(server: PrivateServer, tables: int, rounds: int) -> list[Proving]:
    tell(f"reading the schema of {tables} tables")
    whole, changed = [], []
    with fresh(server) as database, psycopg.connect(database.url(), autocommit=True) as connection:
        for number in range(tables):
            connection.execute(_TABLE.format(number))
        for number in range(rounds):
            snapshot, took = _timed(connection, None)
            whole.append(took)
            connection.execute(f"ALTER TABLE t_{number} ADD COLUMN more text")
            changed.append(_timed(connection, snapshot)[1])
    return [
        Proving("reading a schema, tables", tables, min(whole)),
        Proving("reading it again after a change, tables", tables, min(changed)),
    ]


def _timed(connection: psycopg.Connection, since: Snapshot | None) -> tuple[Snapshot, float]:
    started = time.perf_counter()
    snapshot = read_schema(connection, since=since)
    return snapshot, time.perf_counter() - started
