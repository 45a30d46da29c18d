"""What one change costs after many others: each figure as a multiple of another one of the same run."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

import psycopg

from clock import cost
from comparing import tell
from contestants import APPLY, BIN, environment
from samples import altering, indexing, tables
from servers import fresh
from support.proxy import Proxy
from support.standby import standby_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from contestants import Contestant
    from servers import Database
    from sqlmigrate.server import PrivateServer

_FINDINGS = 3  # the exit status of a verdict that is not good, which is no failure here
_FLAT, _REPLAY, _KEPT, _DURABLE = 1.3, 2.0, 0.5, 0.5
_STATEMENTS = 1.2


@dataclass(frozen=True, slots=True)
class Growth:
    """What was measured beside what: medians in seconds, and the `limit` of the one as a multiple of the other."""

    what: str
    wall: float
    than: str
    other: float
    limit: float | None = None

    @property
    def ratio(self) -> float:
        """How many times as long it took."""
        return self.wall / self.other


@dataclass(frozen=True, slots=True)
class Scale:
    """What was measured on so many migrations or tables: the median in seconds."""

    what: str
    count: int
    wall: float


@dataclass(frozen=True, slots=True)
class Bench:
    """Where it is measured, and how often."""

    server: PrivateServer
    psql: Contestant
    tool: Contestant
    place: Path
    rounds: int

    def ours(self, *arguments: str, folder: Path, database: Database | None = None) -> float:
        """Call our command once; gives its wall time."""
        target = ["-d", database.url()] if database else []
        command = [str(BIN / "sqlmigrate"), *arguments, "-m", str(folder), *target]
        env = environment(self.place) | {"SQLMIGRATE_PG_BINDIR": str(self.server.bindir)}
        return cost([command], cwd=self.place, env=env, findings=_FINDINGS).wall

    def in_turn(self, *calls: Callable[[], float]) -> tuple[float, ...]:
        """Run calls in turn, once before anything counts (it fills the cache), and give the median of each."""
        for call in calls:
            call()
        taken = [[call() for call in calls] for _ in range(self.rounds)]
        return tuple(median(found) for found in zip(*taken, strict=True))

    def applied(self, folder: Path, count: int) -> float:
        """Apply a folder in a fresh database."""
        with fresh(self.server) as database:
            return cost(
                self.tool.commands(APPLY, folder, database, count), cwd=folder, env=environment(self.place)
            ).wall

    @contextmanager
    def in_place(self, folder: Path) -> Iterator[Database]:
        """Yield a database in which a folder is applied."""
        with fresh(self.server) as database:
            self.ours("apply", "-q", folder=folder, database=database)
            yield database


def growing(bench: Bench, options: argparse.Namespace) -> list[Growth]:
    """Measure what one change costs after few and after many others, and beside few and many tables."""
    few, many = options.before
    found = [*_one_change(bench, few, many), _replayed(bench, many), _drifted(bench, many)]
    return [*found, _beside_tables(bench, options.alters, *options.tables), _asked(bench, options.statements)]


def _asked(bench: Bench, statements: int) -> Growth:
    """Measure what a workload adds to a review: its statements are asked before, behind and behind the rollback."""
    tell(f"review with a workload of {statements}")
    few = 10
    call = _altered(bench, few, few)
    file = bench.place / "statements.sql"
    file.write_text("".join(f"SELECT id, {n} FROM t_{n % few} WHERE id = $1;\n" for n in range(statements)))
    folder = bench.place / "tables" / f"{few}-{few}"
    with_workload = partial(bench.ours, "review", "-q", "2", "--workload-file", str(file), folder=folder)
    other, wall = bench.in_turn(call, with_workload)
    return Growth(f"review with a workload of {statements} statements", wall, "without", other)


def _one_change(bench: Bench, few: int, many: int) -> Iterator[Growth]:
    for command, what in (("review", "review of one"), ("roundtrip", "round trip of one")):
        tell(f"{what} after {few} and {many}")
        calls = [_last(bench, command, count) for count in (few, many)]
        other, wall = bench.in_turn(*calls)
        yield Growth(f"{what} after {many} others, base kept", wall, f"after {few}", other, _FLAT)


def _last(bench: Bench, command: str, before: int, *more: str) -> Callable[[], float]:
    """Return the call of a command on the last of so many migrations and one."""
    folder = bench.tool.prepared(bench.place, before + 1)
    last = max(path.name for path in folder.glob("*.sql") if ".rollback." not in path.name)
    return lambda: bench.ours(command, "-q", last.removesuffix(".sql"), *more, folder=folder)


def _replayed(bench: Bench, many: int) -> Growth:
    tell(f"review of one after {many}, nothing kept")
    folder = bench.tool.prepared(bench.place, many)
    other, wall = bench.in_turn(lambda: bench.applied(folder, many), _last(bench, "review", many, "--fresh"))
    return Growth(f"review of one after {many} others, nothing kept", wall, f"apply of the {many}", other, _REPLAY)


def _drifted(bench: Bench, many: int) -> Growth:
    tell(f"drift with {many} applied")
    folder = bench.tool.prepared(bench.place, many)
    with bench.in_place(folder) as database:
        other, wall = bench.in_turn(
            lambda: bench.ours("drift", "-q", "--fresh", folder=folder, database=database),
            lambda: bench.ours("drift", "-q", folder=folder, database=database),
        )
    return Growth(f"drift with {many} applied, base kept", wall, "nothing kept", other, _KEPT)


def _beside_tables(bench: Bench, alters: int, few: int, many: int) -> Growth:
    tell(f"review of {alters} ALTERs at {few} and {many} tables")
    other, wall = bench.in_turn(*(_altered(bench, alters, count) for count in (few, many)))
    return Growth(f"review of {alters} ALTERs, {many} tables", wall, f"{few} tables", other, _STATEMENTS)


def _altered(bench: Bench, alters: int, count: int, command: str = "review") -> Callable[[], float]:
    folder = bench.place / "tables" / f"{count}-{alters}"
    if not folder.exists():
        folder.mkdir(parents=True)
        up, down = altering(alters, count)
        for name, text in (("1", tables(count)), ("2", up), ("2.rollback", down)):
            (folder / f"{name}.sql").write_text(text)
    return lambda: bench.ours(command, "-q", "2", folder=folder)


def durable(bench: Bench, count: int, delay: float) -> Growth:
    """Apply small migrations on a server whose COMMIT takes so many seconds: a synchronous standby behind a proxy."""
    tell(f"apply of {count} with a synchronous standby")
    server = bench.server
    with (
        Proxy(server.host, server.port, delay=delay / 2, tcp=True) as wal,
        standby_of(replace(server, host=wal.host, port=wal.port)),
        _set(server, synchronous_commit="on", synchronous_standby_names="*"),  # a throwaway server waits for nothing
    ):
        other, wall = bench.in_turn(*(partial(_applied_by, bench, tool, count) for tool in (bench.psql, bench.tool)))
    what = f"apply of {count}, a COMMIT takes {1000 * delay:.0f} ms"
    return Growth(what, wall, "psql", other, _DURABLE)


def _applied_by(bench: Bench, tool: Contestant, count: int) -> float:
    folder = tool.prepared(bench.place, count)
    with fresh(bench.server) as database:
        return cost(tool.commands(APPLY, folder, database, count), cwd=folder, env=environment(bench.place)).wall


@contextmanager
def _set(server: PrivateServer, **settings: str) -> Iterator[None]:
    """Have settings of the whole server for a block."""
    with psycopg.connect(server.conninfo(), autocommit=True) as admin:
        for name, value in settings.items():
            admin.execute(f"ALTER SYSTEM SET {name} TO '{value}'")
        admin.execute("SELECT pg_reload_conf()")
        yield
        for name in settings:
            admin.execute(f"ALTER SYSTEM RESET {name}")
        admin.execute("SELECT pg_reload_conf()")


def concurrently(bench: Bench, count: int) -> Growth:
    """Apply migrations that build an index CONCURRENTLY each, after one that makes their tables."""
    tell(f"{count} times CREATE INDEX CONCURRENTLY")
    folder, script = bench.place / "concurrently" / str(count), bench.place / "concurrently" / f"{count}.sql"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    first = tables(count)
    (folder / "00000.sql").write_text(first)
    rows = ["CREATE TABLE history (id text PRIMARY KEY);", first]
    for number in range(count):
        statement = indexing(number)
        (folder / f"{number + 1:05}.sql").write_text(f"-- transactional: false\n{statement}\n")
        rows += [statement, f"INSERT INTO history VALUES ('{number + 1:05}');"]
    script.write_text("\n".join(rows))

    def by_psql() -> float:
        with fresh(bench.server) as database:
            psql = [str(bench.server.bindir / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database.url()]
            return cost([[*psql, "-f", str(script)]], cwd=bench.place, env=environment(bench.place)).wall

    other, wall = bench.in_turn(by_psql, lambda: bench.applied(folder, count))
    return Growth(f"apply of {count} CREATE INDEX CONCURRENTLY", wall, "psql", other)


def scaling(bench: Bench, options: argparse.Namespace) -> list[Scale]:
    """Measure commands at growing numbers of migrations and of tables; one call of each, once it has filled a cache."""
    found: list[Scale] = []
    for count in options.scale:
        found += _at(bench, count)
    for count in options.scale_tables:
        tell(f"scale: {count} tables")
        for command, what in (("review", "review"), ("roundtrip", "round trip")):
            (wall,) = bench.in_turn(_altered(bench, options.alters, count, command))
            found.append(Scale(f"{what} of {options.alters} ALTERs, tables", count, wall))
    return found


def _at(bench: Bench, count: int) -> Iterator[Scale]:
    tell(f"scale: {count} migrations")
    folder = bench.tool.prepared(bench.place, count)
    yield Scale("apply, migrations", count, bench.applied(folder, count))
    with bench.in_place(folder) as database:
        for command in ("apply", "status", "history", "plan", "drift"):
            (wall,) = bench.in_turn(partial(bench.ours, command, "-q", folder=folder, database=database))
            what = "nothing to do" if command == "apply" else command
            yield Scale(f"{what}, migrations", count, wall)
    for what, call in _proofs(bench, count):
        (wall,) = bench.in_turn(call)
        yield Scale(f"{what}, migrations", count, wall)


def _proofs(bench: Bench, count: int) -> Sequence[tuple[str, Callable[[], float]]]:
    return (
        ("review of one after them, nothing kept", _last(bench, "review", count, "--fresh")),
        ("review of one after them, base kept", _last(bench, "review", count)),
        ("round trip of one after them, base kept", _last(bench, "roundtrip", count)),
    )
