"""Many databases: real tenants and databases beside a loop of psql, and very many targets that do nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from clock import cost
from comparing import tell
from contestants import BIN, environment
from servers import Database, fresh
from sqlmigrate.server import find_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from growing import Bench

    Place = tuple[str, str, str]
    """The name of a target, its URL, and its schema if it is one."""

_TABLES = 3
_HERE = Path(__file__).resolve().parent
_PEAK_UNIT = 1 if sys.platform == "darwin" else 1024
_CLUSTERS = 200
_LOOP = """
while read -r place tenant; do
    "$1" -Xqv ON_ERROR_STOP=1 -1 -d "$place" ${tenant:+-c "SET search_path = $tenant"} -f all.sql || exit
done < places.txt
"""


@dataclass(frozen=True, slots=True)
class Fleet:
    """A change over real targets, beside a loop of psql in seconds, and what each target costs us in seconds of CPU.

    `nothing` is with nothing to do, and `nothing_wall` the time of that.
    """

    what: str
    targets: int
    wall: float
    loop: float
    cpu: float
    nothing: float
    nothing_wall: float
    status: float


@dataclass(frozen=True, slots=True)
class Simulated:
    """A command over very many targets that do nothing: in seconds since it was called, bytes, and lines of output."""

    what: str
    targets: int
    first: float
    wall: float
    cpu: float
    peak: int
    lines: int


def fleets(bench: Bench, tenants: int, databases: int) -> list[Fleet]:
    """Measure a change over schemas of one database, and over databases, and the same again with nothing to do."""
    schemas = [f"tenant{number:05}" for number in range(tenants)]
    names = [f"bench{number:05}" for number in range(databases)]
    url = Database(bench.server.host, bench.server.port, "bench").url()
    return [
        _fleet(bench, "schemas of one database", _schemas, [(name, url, name) for name in schemas]),
        _fleet(bench, "databases", _databases, [(name, bench.server.url(name), "") for name in names]),
    ]


def _fleet(bench: Bench, what: str, made: Callable[..., AbstractContextManager[None]], places: list[Place]) -> Fleet:
    """Measure a first run, one with nothing to do, a look, and then psql on targets as new as ours were."""
    count, folder, env = len(places), bench.place / what.partition(" ")[0], environment(bench.place)
    tell(f"{count} {what}")
    _project(folder, places)
    fleet, pace = [str(BIN / "sqlmigrate"), "fleet"], ["--per-cluster", "2", "--quiet"]
    with made(bench, [name for name, *_ in places]):
        first = cost([[*fleet, "apply", *pace]], cwd=folder, env=env)
        nothing = cost([[*fleet, "apply", *pace]], cwd=folder, env=env)
        status = cost([[*fleet, "status", "--quiet"]], cwd=folder, env=env)
    with made(bench, [name for name, *_ in places]):
        psql = str(find_program("psql", bench.server.binaries))
        loop = cost([["sh", "-c", _LOOP, "loop", psql]], cwd=folder, env=env)
    each = (first.cpu / count, nothing.cpu / count, nothing.wall / count, status.cpu / count)
    return Fleet(what, count, first.wall, loop.wall, *each)


@contextmanager
def _schemas(bench: Bench, names: list[str]) -> Iterator[None]:
    with fresh(bench.server) as database:
        with psycopg.connect(database.url(), autocommit=True) as connection:
            for name in names:
                connection.execute(f"CREATE SCHEMA {name}")
        yield


@contextmanager
def _databases(bench: Bench, names: list[str]) -> Iterator[None]:
    with psycopg.connect(bench.server.conninfo(), autocommit=True) as connection:
        for name in names:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        connection.execute("CHECKPOINT")
        yield
        for name in names:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _project(folder: Path, places: list[Place]) -> None:
    """Write a project with these targets."""
    (folder / "sql").mkdir(parents=True, exist_ok=True)
    rows = [("name", "url", "schema"), *places]
    (folder / "targets.csv").write_text("".join(f"{','.join(row)}\n" for row in rows))
    (folder / "places.txt").write_text("".join(f"{url} {schema}\n" for _, url, schema in places))
    (folder / "sqlmigrate.toml").write_text('targets = "targets.csv"\nstate_dir = "state"\n')
    scripts = [f"CREATE TABLE t{number} (id bigint PRIMARY KEY, name text);\n" for number in range(_TABLES)]
    for number, script in enumerate(scripts):
        (folder / "sql" / f"{number}_t.sql").write_text(script)
        (folder / "sql" / f"{number}_t.rollback.sql").write_text(f"DROP TABLE t{number};\n")
    (folder / "all.sql").write_text("".join(scripts))


def simulated(place: Path, targets: int) -> list[Simulated]:
    """Measure what the command costs beside the targets: one of each kind of list, and what follows a run."""
    tell(f"{targets} simulated targets")
    place /= "simulated"
    (place / "sql").mkdir(parents=True)
    (place / "sql" / "1_orders.sql").write_text("CREATE TABLE orders ();\n")
    (place / "sql" / "1_orders.rollback.sql").write_text("DROP TABLE orders;\n")
    (place / "sqlmigrate.toml").write_text('targets = "targets.csv"\nstate_dir = "state"\n')
    waves = ("--wave", "canary=5", "--wave", "1%", "--wave", "rest", "--concurrency", "64")
    lists = {
        "databases": lambda at: f"tenant{at:06},postgresql://deploy@db{at % _CLUSTERS}:5432/tenant{at:06},",
        "schemas": lambda at: f"tenant{at:06},postgresql://deploy@db{at % _CLUSTERS}:5432/app,tenant{at:06}",
    }
    found = []
    for what, row in lists.items():
        (place / "targets.csv").write_text("\n".join(["name,url,schema", *map(row, range(targets)), ""]))
        found.append(_simulated(place, f"fleet apply, {what}", targets, ("fleet", "apply", *waves)))
    for form in ("terminal", "html", "json"):
        words = ("fleet", "report", "last", "--format", form)
        found.append(_simulated(place, f"fleet report, {form}", targets, words))
    return found


def _simulated(place: Path, what: str, targets: int, words: tuple[str, ...]) -> Simulated:
    first = place / "first"
    first.unlink(missing_ok=True)
    env = environment(place) | {"FIRST": str(first)}
    with tempfile.TemporaryFile() as said:
        began = time.monotonic()
        command = [sys.executable, str(_HERE / "simulation.py"), *words]
        process = subprocess.Popen(command, cwd=place, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)  # it was waited for behind the back of Popen
        said.seek(0)
        text = said.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}:\n{text.decode()[-4000:]}")
    started = float(first.read_text()) - began if first.exists() else wall
    cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss * _PEAK_UNIT
    return Simulated(what, targets, started, wall, cpu, peak, text.count(b"\n"))
