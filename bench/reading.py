"""Large scripts: how fast they are read, and a large dump beside psql."""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import median
from typing import TYPE_CHECKING

from clock import Cost, cost, middle
from comparing import tell
from contestants import APPLY, environment
from samples import MEGABYTE, ddl, insert, write_copy
from servers import fresh
from sqlmigrate.sql.script import read_script

if TYPE_CHECKING:
    from pathlib import Path

    from contestants import Contestant
    from sqlmigrate.server import PrivateServer


@dataclass(frozen=True, slots=True)
class Reading:
    """A script that was read and split, without a server: medians of CPU seconds a megabyte."""

    what: str
    megabytes: float
    statements: int
    seconds_a_megabyte: float


@dataclass(frozen=True, slots=True)
class Dump:
    """A dump with COPY data that a tool has run: medians in seconds, peak memory in megabytes."""

    tool: str
    megabytes: float
    wall: float
    cpu: float
    peak: float
    runs: tuple[float, ...]


def reader(place: Path, rounds: int) -> list[Reading]:
    """Read DDL, one large INSERT and COPY data, in a process of its own.

    What is read would stay with this process, and the kernel counts our own memory as a child's before it begins.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_readings, place, rounds).result()


def _readings(place: Path, rounds: int) -> list[Reading]:
    samples = place / "reading"
    samples.mkdir(exist_ok=True)
    (samples / "ddl.sql").write_text(ddl(5 * MEGABYTE))
    (samples / "insert.sql").write_text(insert(3 * MEGABYTE))
    (samples / "large-insert.sql").write_text(insert(20 * MEGABYTE))
    write_copy(samples / "copy.sql", 50 * MEGABYTE)
    kinds = {
        "DDL, one file": "ddl.sql",
        "one INSERT": "insert.sql",
        "one INSERT, streamed": "large-insert.sql",
        "COPY data": "copy.sql",
    }
    return [_reading(what, samples / name, rounds) for what, name in kinds.items()]


def _reading(what: str, path: Path, rounds: int) -> Reading:
    tell(f"reading: {what}")
    seconds, statements = [], 0
    for _ in range(rounds):
        started = time.process_time()
        script, _problems = read_script(path)
        statements = 0
        for statement in script.statements():
            statements += 1
            for _part in statement.data.chunks() if statement.data else ():
                pass
        seconds.append(time.process_time() - started)
    megabytes = path.stat().st_size / MEGABYTE
    return Reading(what, megabytes, statements, median(seconds) / megabytes)


def dump(
    server: PrivateServer, psql: Contestant, tool: Contestant, place: Path, megabytes: int, rounds: int
) -> list[Dump]:
    """Run a large dump with `psql --single-transaction` and as a migration, in turn."""
    folder = place / "dump"
    folder.mkdir(exist_ok=True)
    path = folder / "dump.sql"
    write_copy(path, megabytes * MEGABYTE)
    costs: dict[str, list[Cost]] = {psql.name: [], tool.name: []}
    for number in range(rounds):
        for name, taken in costs.items():
            tell(f"dump of {megabytes} MB, round {number + 1}: {name}")
            with fresh(server) as database:
                if name == psql.name:
                    call = [*psql.commands(APPLY, folder, database, 1)[0][:-1], str(path), "--single-transaction"]
                else:
                    call = tool.commands(APPLY, folder, database, 1)[0]
                taken.append(cost([call], cwd=folder, env=environment(place)))
    size = path.stat().st_size / MEGABYTE
    path.unlink()
    return [_dump(name, size, taken) for name, taken in costs.items()]


def _dump(tool: str, size: float, costs: list[Cost]) -> Dump:
    one = middle(costs)
    return Dump(tool, size, one.wall, one.cpu, one.peak / MEGABYTE, tuple(each.wall for each in costs))
