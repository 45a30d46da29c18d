"""How long an application waits while all rows of a table are changed: by one UPDATE, a LIMIT loop, and batches."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from comparing import tell
from contestants import BIN
from picture import Curve, drawn
from servers import Database
from sqlmigrate.server import ephemeral

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlmigrate.server import PrivateServer

_WRITERS = Path(__file__).with_name("writers.py")
_SAFE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "max_wal_size": "4GB"}
_LIMIT = 10_000
_ALONE = 25_000  # rows that stand for a second in which the writers are measured without any of it
_ALONE_LEAST = 20.0
_PARTS = 240
_NOTHING, BATCHES = "nothing else", "batches"
"""The ways in which rows are changed; that of batches goes on with how long they should take."""
_FILL = """
CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, email_norm text, visits integer NOT NULL DEFAULT 0);
INSERT INTO users (id, email) SELECT n, 'User.' || md5(n::text) || '@Example.com' FROM generate_series(1, {}) AS n;
CREATE INDEX ON users (email_norm);
"""
_ONE = "UPDATE users SET email_norm = lower(email) WHERE email_norm IS NULL"
_LOOP = f"""
UPDATE users SET email_norm = lower(email)
WHERE id IN (SELECT id FROM users WHERE email_norm IS NULL LIMIT {_LIMIT})
"""
_BATCHED = """-- transactional: false
-- sqlmigrate-batch: table=public.users key=id time={}
-- sqlmigrate-throttle: waiters=0
-- sqlmigrate-verify: SELECT count(*) = 0 FROM users WHERE email_norm IS NULL
UPDATE users SET email_norm = lower(email) WHERE id >= $1 AND id <= $2 AND email_norm IS NULL;
"""


@dataclass(frozen=True, slots=True)
class Changed:
    """What writers saw of one way to change so many rows; times in seconds.

    `curve` is the longest wait of those who were under way, in each part of the time that it took.
    """

    way: str
    rows: int
    seconds: float
    requests: int
    median: float
    slowest_hundredth: float
    worst: float
    curve: list[float] = field(default_factory=list)


def changing(place: Path, rows: int, times: list[str], picture: Path | None) -> list[Changed]:
    """Change all rows in each way, beside sessions that write; `times` are how long batches should take."""
    ways: dict[str, Callable[[Database], object]] = {
        _NOTHING: lambda _: time.sleep(max(rows / _ALONE, _ALONE_LEAST)),
        "one UPDATE": _one_update,
        f"a loop with LIMIT {_LIMIT}": _loop,
    }
    for wanted in times:
        ways[f"{BATCHES}, time={wanted}"] = partial(_batches, place=place, wanted=wanted)
    found = []
    with ephemeral(settings=_SAFE) as server:
        _fill(server, rows)
        for way, work in ways.items():
            tell(f"batches: {rows:,} rows, {way}")
            with _copy(server) as database:
                found.append(_beside(database, rows, way, work))
                _check(database, way)
    if picture is not None:
        alone, *others = (Curve(item.way, item.seconds, item.worst, item.curve) for item in found)
        picture.write_text(drawn(others, alone.worst))
    return found


def _fill(server: PrivateServer, rows: int) -> None:
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE filled TEMPLATE template0")
    with psycopg.connect(server.conninfo("filled"), autocommit=True) as connection:
        connection.execute(_FILL.format(rows))
        connection.execute("VACUUM (ANALYZE, FREEZE) users")


@contextmanager
def _copy(server: PrivateServer) -> Iterator[Database]:
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE bench TEMPLATE filled")
        connection.execute("CHECKPOINT")
        yield Database(server.host, server.port, "bench")
        connection.execute("DROP DATABASE bench WITH (FORCE)")


def _beside(database: Database, rows: int, way: str, work: Callable[[Database], object]) -> Changed:
    command = [sys.executable, str(_WRITERS), database.url(), str(rows)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writers:
        if writers.stdout is None or writers.stdout.readline() != "ready\n":
            raise RuntimeError("the writers did not begin")
        time.sleep(1.0)  # their first requests plan, and read the table into memory
        began = time.monotonic()
        work(database)
        seconds = time.monotonic() - began
        said, _ = writers.communicate()
    requests = [(start - began, end - began) for start, end in json.loads(said) if end > began]
    waits = sorted(end - start for start, end in requests if start < seconds)
    worst = waits[-1]
    curve = _curve(requests, seconds)
    return Changed(way, rows, seconds, len(waits), waits[len(waits) // 2], waits[len(waits) * 99 // 100], worst, curve)


def _curve(requests: list[tuple[float, float]], seconds: float) -> list[float]:
    found = [0.0] * _PARTS
    part = seconds / _PARTS
    for start, end in requests:
        for at in range(max(int(start / part), 0), min(int(end / part) + 1, _PARTS)):
            found[at] = max(found[at], round(end - start, 5))
    return found


def _check(database: Database, way: str) -> None:
    with psycopg.connect(database.url()) as connection:
        (left,) = connection.execute("SELECT count(*) FROM users WHERE email_norm IS NULL").fetchone() or (None,)
    if left and way != _NOTHING:
        raise RuntimeError(f"{way} has left out {left} rows")


def _one_update(database: Database) -> None:
    with psycopg.connect(database.url(), autocommit=True) as connection:
        connection.execute(_ONE)


def _loop(database: Database) -> None:
    with psycopg.connect(database.url(), autocommit=True) as connection:
        while connection.execute(_LOOP).rowcount:
            pass


def _batches(database: Database, place: Path, wanted: str) -> None:
    folder = place / f"batches-{wanted}"
    folder.mkdir()
    (folder / "a.sql").write_text(_BATCHED.format(wanted))
    command = [str(BIN / "sqlmigrate"), "apply", "-d", database.url(), "-m", str(folder), "--yes", "--quiet"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
