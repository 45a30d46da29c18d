"""Proofs: the round trip of many small migrations, and reading the schema of many tables."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import psycopg

from clock import cost
from comparing import tell
from contestants import APPLY, BIN, ROLLBACK, environment
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
    """What was measured, on how many migrations or tables, and the wall time of a run.

    `ratio` is how many times as long as psql it took for the same, where psql can do that.
    """

    what: str
    count: int
    wall: float
    ratio: float | None = None


def proving(
    server: PrivateServer, psql: Contestant, tool: Contestant, place: Path, counts: list[int], rounds: int
) -> list[Proving]:
    """Measure the whole command on its own throwaway server, and a reading as a whole and of what changed."""
    found = [_pairs(server, psql, tool, place, count, max(1, rounds // 3)) for count in counts]
    return [*found, *_reading(server, 1_000, rounds)]


def _pairs(server: PrivateServer, psql: Contestant, tool: Contestant, place: Path, count: int, rounds: int) -> Proving:
    """Measure the round trips of many pairs, and psql running all of them up, down and up, in turn."""
    tell(f"round trip: {count} migrations")
    command = [str(BIN / "sqlmigrate"), "roundtrip", "-q", "-m", str(tool.prepared(place, count))]
    env = environment(place) | {"SQLMIGRATE_PG_BINDIR": str(server.bindir)}
    taken, floor = [], []
    for _ in range(rounds):
        taken.append(cost([command], cwd=place, env=env).wall)
        floor.append(_with_psql(server, psql, place, count))
    return Proving("round trip", count, median(taken), median(taken) / median(floor))


def _with_psql(server: PrivateServer, psql: Contestant, place: Path, count: int) -> float:
    """Run all up, down and up with psql, and give the seconds; the table of its history is made once."""
    folder = psql.prepared(place, count)
    again = folder / "again.sql"
    again.write_text((folder / "up.sql").read_text().partition("\n")[2])
    with fresh(server) as database:
        up, down = (psql.commands(action, folder, database, count)[0] for action in (APPLY, ROLLBACK))
        once_more = ["again.sql" if part == "up.sql" else part for part in up]
        return cost([up, down, once_more], cwd=folder, env=environment(place)).wall


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
