"""Small migrations: sqlmigrate beside psql and the other tools, without and with network delay."""

from __future__ import annotations

import sys
from collections import defaultdict
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clock import Cost, cost, middle
from contestants import ACTIONS, environment
from servers import fresh
from support.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from contestants import Contestant
    from servers import Database
    from sqlmigrate.server import PrivateServer

_MANY = 1_000  # from here on a third of the rounds: they take minutes each


@dataclass(frozen=True, slots=True)
class Row:
    """One action of one tool on `count` migrations: medians, and the wall time of every run."""

    tool: str
    count: int
    action: str
    wall: float
    cpu: float
    peak: int
    runs: tuple[float, ...]


def compare(
    server: PrivateServer, tools: Sequence[Contestant], place: Path, counts: Sequence[int], rounds: int, delay: float
) -> list[Row]:
    """Measure every action of every tool, the tools in turn, so that what else the machine does hits all alike."""
    costs: dict[tuple[str, int, str], list[Cost]] = defaultdict(list)
    with Proxy(server.host, server.port, delay=delay) if delay else nullcontext(None) as proxy:
        for count in counts:
            for number in range(rounds if count < _MANY else max(1, rounds // 3)):
                for tool in tools:
                    tell(f"{count} migrations, delay {1000 * delay:.0f} ms, round {number + 1}: {tool.name}")
                    with fresh(server, *((proxy.host, proxy.port) if proxy else ())) as database:
                        for action, took in _cycle(tool, place, count, database):
                            costs[tool.name, count, action].append(took)
    return [_row(*key, found) for key, found in costs.items()]


def tell(text: str) -> None:
    """Say on stderr where the run is."""
    sys.stderr.write(f"{text}\n")


def _row(tool: str, count: int, action: str, costs: Sequence[Cost]) -> Row:
    middling = middle(costs)
    return Row(tool, count, action, middling.wall, middling.cpu, middling.peak, tuple(one.wall for one in costs))


def _cycle(tool: Contestant, place: Path, count: int, database: Database) -> list[tuple[str, Cost]]:
    """Apply all, find nothing to do, roll all back."""
    folder = tool.prepared(place, count)
    env = environment(place)
    return [(action, cost(tool.commands(action, folder, database, count), cwd=folder, env=env)) for action in ACTIONS]
