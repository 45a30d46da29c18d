"""Many databases: real tenants beside a loop of psql, and very many simulated ones."""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

import psycopg

from clock import cost
from comparing import tell
from contestants import BIN, environment
from growing import Growth, Scale
from servers import fresh
from sqlmigrate.engine import Options
from sqlmigrate.fleet.coordinator import Coordinator
from sqlmigrate.fleet.driving import Driver
from sqlmigrate.fleet.ledger import Head, LocalLedger
from sqlmigrate.fleet.model import Limits, Outcome, Verdict, Wanted, Wave
from sqlmigrate.history.model import Run
from sqlmigrate.server import find_program

if TYPE_CHECKING:
    from pathlib import Path

    from growing import Bench
    from servers import Database
    from sqlmigrate.fleet.order import Order

_TABLES = 3
_NOTHING = 0.015  # seconds of one core for a target with nothing to do
_LOOP = """
for tenant in $(cat tenants.txt); do
    PGOPTIONS="-c search_path=$tenant" "$1" -Xqv ON_ERROR_STOP=1 -1 -d "$2" -f all.sql || exit
done
"""


def fleets(bench: Bench, tenants: int) -> list[Growth]:
    """Measure a change over so many schemas of one database, and over the same again with nothing to do."""
    tell(f"{tenants} tenants")
    with fresh(bench.server) as database:
        folder = _project(bench.place / "fleet", database, tenants)
        env = environment(bench.place)
        fleet = [str(BIN / "sqlmigrate"), "fleet"]
        pace = ["--per-cluster", "2", "--quiet"]
        first = cost([[*fleet, "apply", *pace]], cwd=folder, env=env)
        nothing = cost([[*fleet, "apply", *pace]], cwd=folder, env=env)
        status = cost([[*fleet, "status", "--quiet"]], cwd=folder, env=env)
    with fresh(bench.server) as database:
        _project(folder, database, tenants)
        psql = str(find_program("psql", bench.server.binaries))
        loop = cost([["sh", "-c", _LOOP, "loop", psql, database.url()]], cwd=folder, env=env)
    of = f"{tenants} tenants"
    return [
        Growth(f"fleet apply over {of}", first.wall, "a loop of psql", loop.wall),
        Growth(f"CPU of fleet apply with nothing to do, each of {of}", nothing.cpu / tenants, "15 ms", _NOTHING, 1.0),
        Growth(f"CPU of fleet status, each of {of}", status.cpu / tenants, "15 ms", _NOTHING, 1.0),
    ]


def simulated(place: Path, targets: int) -> list[Scale]:
    """Measure what a run over so many targets costs beside the targets: its first one, and all of them."""
    tell(f"{targets} simulated targets")
    names = tuple(f"tenant{number:06}" for number in range(targets))
    began = time.perf_counter()
    waves = (Wave("all", names),)
    coordinator = Coordinator(waves, {name: f"cluster{at % 200}" for at, name in enumerate(names)}, Limits(64))
    run, steps = Run(), list[float]()
    head = Head(run.run_id, "2026-01-01T00:00:00.000000Z", "bench", "here", Wanted(), waves)
    with LocalLedger(place / "simulated").begun(head) as writer:
        driver = Driver(
            coordinator, run, Wanted(), Options(), _done, writer, lambda _: steps.append(time.perf_counter() - began)
        )
        driver.drive()
    return [Scale("simulated fleet: its first target", targets, steps[1]), Scale("simulated fleet", targets, steps[-1])]


def _done(order: Order) -> Future[Outcome]:
    ended: Future[Outcome] = Future()
    ended.set_result(Outcome(order.target, Verdict.DONE, ("1_a", "2_b"), 0.02, worker="here:1"))
    return ended


def _project(folder: Path, database: Database, tenants: int) -> Path:
    """Write a project whose targets are schemas of a database, and make them."""
    names = [f"tenant{number:05}" for number in range(tenants)]
    with psycopg.connect(database.url(), autocommit=True) as connection:
        for name in names:
            connection.execute(f"CREATE SCHEMA {name}")
    (folder / "sql").mkdir(parents=True, exist_ok=True)
    lines = [f"{name},{database.url()},{name}" for name in names]
    (folder / "tenants.csv").write_text("\n".join(["name,url,schema", *lines, ""]))
    (folder / "tenants.txt").write_text("\n".join([*names, ""]))
    (folder / "sqlmigrate.toml").write_text('targets = "tenants.csv"\nstate_dir = "state"\n')
    scripts = [f"CREATE TABLE t{number} (id bigint PRIMARY KEY, name text);\n" for number in range(_TABLES)]
    for number, script in enumerate(scripts):
        (folder / "sql" / f"{number}_t.sql").write_text(script)
        (folder / "sql" / f"{number}_t.rollback.sql").write_text(f"DROP TABLE t{number};\n")
    (folder / "all.sql").write_text("".join(scripts))
    return folder
