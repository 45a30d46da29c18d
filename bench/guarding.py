"""Guards: how long sessions wait behind a migration that would keep them waiting, and what watching costs."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import AsyncConnection

from comparing import tell
from contestants import BIN
from servers import fresh
from sqlmigrate import api
from sqlmigrate.engine.attempts import Attempts
from sqlmigrate.runlock.blockers import Watcher
from sqlmigrate.server import ephemeral

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from servers import Database

_PAUSE = 0.5  # seconds between two requests of a session
_SLOW = 0.5
_ROWS = 2_000_000
_BUDGET = "12s"
_SETTINGS = {"max_connections": "300", "autovacuum": "off"}
# as the server has it: from the arrival of a request, which is not prepared, to the moment when it has its lock
_REQUEST = "SELECT extract(epoch FROM clock_timestamp() - statement_timestamp()) FROM orders LIMIT 1"


@dataclass(frozen=True, slots=True)
class Guarded:
    """What sessions that read a table saw of a migration that rewrites it; times in seconds, 0 without a guard."""

    sessions: int
    max_block: float
    attempts: int
    requests: int
    slow: int
    longest: float


@dataclass(frozen=True, slots=True)
class Watched:
    """What part of a run of small migrations is spent on watching it and on noting what becomes of it."""

    migrations: int
    seconds: float
    watching: float


@dataclass(slots=True)
class _Readers:
    waits: list[float] = field(default_factory=list)
    over: bool = False

    async def read(self, connection: AsyncConnection[Any], delay: float) -> None:
        await asyncio.sleep(delay)
        while not self.over:
            cursor = await connection.execute(_REQUEST)
            row = await cursor.fetchone()
            self.waits.append(float(row[0]) if row else 0.0)
            await asyncio.sleep(_PAUSE)


def guarding(place: Path, sessions: int, block: float) -> list[Guarded]:
    """Rewrite a table that so many sessions read, without a guard and with one."""
    folder = place / "guarded"
    folder.mkdir()
    (folder / "a.sql").write_text("ALTER TABLE orders ALTER n TYPE bigint;\n")
    found = []
    with ephemeral(settings=_SETTINGS) as server:
        for max_block in (0.0, block):
            tell(f"guards: {sessions} sessions, max_block {max_block}")
            with fresh(server) as database:
                _fill(database)
                found.append(asyncio.run(_one(database, folder, sessions, max_block)))
    return found


def _fill(database: Database) -> None:
    with psycopg.connect(database.url(), autocommit=True) as connection:
        connection.execute(f"CREATE TABLE orders AS SELECT n, repeat('x', 60) FROM generate_series(1, {_ROWS}) AS n")
        connection.execute("CREATE INDEX ON orders (n)")


async def _one(database: Database, folder: Path, sessions: int, max_block: float) -> Guarded:
    readers = _Readers()
    connections = [
        await AsyncConnection.connect(database.url(), autocommit=True, prepare_threshold=None) for _ in range(sessions)
    ]
    tasks = [
        asyncio.create_task(readers.read(one, _PAUSE * number / sessions)) for number, one in enumerate(connections)
    ]
    await asyncio.sleep(2 * _PAUSE)
    events = folder / f"events-{max_block}.json"
    options = ["--yes", "--quiet", "--lock-budget", _BUDGET, "--max-block", f"{int(max_block * 1000)}ms"]
    command = [str(BIN / "sqlmigrate"), "apply", "-d", database.url(), "-m", str(folder), *options]
    process = await asyncio.create_subprocess_exec(
        *command,
        "--events",
        str(events),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=os.environ,
    )
    await process.wait()
    readers.over = True
    await asyncio.gather(*tasks)
    for one in connections:
        await one.close()
    attempts = 1 + events.read_text().count('"event": "lock_retry"')
    waits = readers.waits
    return Guarded(sessions, max_block, attempts, len(waits), sum(wait > _SLOW for wait in waits), max(waits))


def watching(place: Path, count: int) -> Watched:
    """Apply small migrations, and add up what watching takes of that, which others' work on the machine hits alike."""
    tell(f"watching {count} small migrations")
    folder = place / "watched"
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:05d}.sql").write_text(f"CREATE TABLE t{number} (n integer);\n")
    with ephemeral() as server, fresh(server) as database, _timed() as spent:
        began = time.perf_counter()
        api.apply(database.url(), folder)
        return Watched(count, time.perf_counter() - began, sum(spent))


@contextmanager
def _timed() -> Iterator[list[float]]:
    """Take the time of each call of what watches, for a block."""
    spent: list[float] = []
    before = {(kind, name): getattr(kind, name) for kind, name in _WORK}
    for (kind, name), work in before.items():
        setattr(kind, name, _adding(work, spent))
    try:
        yield spent
    finally:
        for (kind, name), work in before.items():
            setattr(kind, name, work)


_WORK = (
    *((Watcher, name) for name in ("look", "begin", "sum_up")),
    *((Attempts, name) for name in ("begin", "begun", "_hear", "end")),
)


def _adding(work: Callable[..., Any], spent: list[float]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return work(*arguments, **named)
        finally:
            spent.append(time.perf_counter() - began)

    return call
