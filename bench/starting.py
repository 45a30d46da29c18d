"""Start-up: what is imported for a command, and a call with nothing to do beside the least that Python can do."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from clock import Cost, cost, middle
from comparing import tell
from contestants import APPLY, NOTHING, environment
from servers import fresh

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contestants import Contestant
    from servers import Database
    from sqlmigrate.server import PrivateServer

FLOOR = "the floor: Python, psycopg, connect, one query"
_GROUPS = {"psycopg_binary": "psycopg"}
_SHOWN = ("sqlmigrate", "click", "psycopg", "rich", "yoyo")
_IMPORT = re.compile(r"import time: +(\d+) \| +\d+ \| +(\S+)")
_LEAST = """\
import psycopg
with psycopg.connect({url!r}) as connection:
    connection.execute("SELECT 1").fetchone()
"""


@dataclass(frozen=True, slots=True)
class Imports:
    """Milliseconds of importing that a command takes by package (`-X importtime`), and how many modules it loads."""

    command: str
    milliseconds: dict[str, float]
    modules: int


@dataclass(frozen=True, slots=True)
class Start:
    """A call that finds nothing to do: medians, and how often it takes the floor's wall time."""

    what: str
    count: int
    wall: float
    cpu: float
    ratio: float
    runs: tuple[float, ...]


def imports(server: PrivateServer, tool: Contestant, place: Path, rounds: int) -> list[Imports]:
    """Take the import times of three commands."""
    folder = tool.prepared(place, 10)
    with fresh(server) as database:
        _call(tool, APPLY, folder, database, place)
        target = ["-d", database.url(), "-m", str(folder)]
        commands = {"--help": ["--help"], "status": ["status", *target], "apply, nothing to do": ["apply", *target]}
        return [_imports(name, arguments, place, rounds) for name, arguments in commands.items()]


def _imports(name: str, arguments: Sequence[str], place: Path, rounds: int) -> Imports:
    tell(f"imports: {name}")
    found: dict[str, list[float]] = defaultdict(list)
    modules = 0
    for _ in range(rounds):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "sqlmigrate", *arguments],
            check=True,
            capture_output=True,
            text=True,
            cwd=place,
            env=environment(place),
        )
        once = _IMPORT.findall(done.stderr)
        modules = len(once)
        sums = Counter[str]()
        for microseconds, module in once:
            root = module.partition(".")[0]
            group = _GROUPS.get(root, root)
            sums[group if group in _SHOWN else "Python and others"] += int(microseconds)
        for group in (*_SHOWN, "Python and others"):
            found[group].append(sums[group] / 1000)
    return Imports(name, {group: median(values) for group, values in found.items()}, modules)


def nothing_to_do(
    server: PrivateServer, psql: Contestant, tool: Contestant, place: Path, counts: Sequence[int], rounds: int
) -> list[Start]:
    """Measure calls that find nothing to do beside the least that any Python tool needs, in turn."""
    found = []
    for count in counts:
        tell(f"nothing to do: {count} migrations")
        folder = tool.prepared(place, count)
        with fresh(server) as database:
            _call(tool, APPLY, folder, database, place)
            floor = [sys.executable, "-c", _LEAST.format(url=database.url())]
            status = [
                str(Path(sys.executable).parent / "sqlmigrate"),
                "status",
                "-d",
                database.url(),
                "-m",
                str(folder),
            ]
            select = psql.commands(NOTHING, folder, database, count)[0][:-1]
            calls = {
                FLOOR: floor,
                "sqlmigrate apply": tool.commands(NOTHING, folder, database, count)[0],
                "sqlmigrate status": status,
                "psql, one query": [*select, "SELECT 1"],
            }
            costs: dict[str, list[Cost]] = defaultdict(list)
            for _ in range(rounds):
                for name, command in calls.items():
                    costs[name].append(cost([command], cwd=place, env=environment(place)))
        found += _starts(count, costs)
    return found


def _starts(count: int, costs: dict[str, list[Cost]]) -> list[Start]:
    floor = middle(costs[FLOOR]).wall
    middles = {name: middle(taken) for name, taken in costs.items()}
    return [
        Start(name, count, one.wall, one.cpu, one.wall / floor, tuple(each.wall for each in costs[name]))
        for name, one in middles.items()
    ]


def _call(tool: Contestant, action: str, folder: Path, database: Database, place: Path) -> None:
    cost(tool.commands(action, folder, database, 1), cwd=folder, env=environment(place))
