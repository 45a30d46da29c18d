"""Round trips: how often a tool waits for the server, counted by the proxy and told by the clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clock import cost
from comparing import tell
from contestants import ACTIONS, APPLY, NOTHING, ROLLBACK, environment
from samples import long_script
from servers import fresh
from support.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from contestants import Contestant
    from sqlmigrate.server import PrivateServer

_FEW, _MANY = 1, 21
_LENGTHS = (10, 1_000, 5_000)
_LONGER = 5  # times the delay, for long migrations: what the machine does besides is a second for many statements


@dataclass(frozen=True, slots=True)
class Trips:
    """Round trips of a tool: what one more migration costs in `apply` and `rollback`, and a call with nothing to do."""

    tool: str
    apply: float
    rollback: float
    nothing: int


@dataclass(frozen=True, slots=True)
class Long:
    """A migration of many statements: the round trips that the proxy counts, and those that the clock shows.

    The proxy also counts answers that come while the client still sends, for which nobody waits.
    """

    statements: int
    counted: float
    waited: float


def round_trips(server: PrivateServer, tools: Sequence[Contestant], place: Path) -> list[Trips]:
    """Count the round trips of every tool on small migrations."""
    found = []
    for tool in tools:
        tell(f"round trips: {tool.name}")
        few, many = (_counted(server, tool, place, count) for count in (_FEW, _MANY))
        apply, rollback = ((many[action] - few[action]) / (_MANY - _FEW) for action in (APPLY, ROLLBACK))
        found.append(Trips(tool.name, apply, rollback, few[NOTHING]))
    return found


def _counted(server: PrivateServer, tool: Contestant, place: Path, count: int) -> dict[str, int]:
    folder = tool.prepared(place, count)
    found = {}
    with Proxy(server.host, server.port) as proxy, fresh(server, proxy.host, proxy.port) as database:
        for action in ACTIONS:
            proxy.reset()
            cost(tool.commands(action, folder, database, count), cwd=folder, env=environment(place))
            found[action] = proxy.round_trips
    return found


def long_migrations(server: PrivateServer, tool: Contestant, place: Path, delay: float, rounds: int) -> list[Long]:
    """Measure what one more migration of many statements costs, for several lengths; the best of several runs."""
    found = []
    delay *= _LONGER
    for statements in _LENGTHS:
        tell(f"round trips: {tool.name}, {statements} statements")
        counted, walls = {}, {}
        for count in (_FEW, _MANY):
            folder = _long_folder(place, statements, count)
            for wait in (0.0, delay):
                runs = [_timed(server, tool, folder, wait) for _ in range(rounds)]
                counted[count], walls[count, wait] = min(runs, key=lambda run: run[1])
        more = _MANY - _FEW
        slower = walls[_MANY, delay] - walls[_FEW, delay] - (walls[_MANY, 0.0] - walls[_FEW, 0.0])
        found.append(Long(statements, (counted[_MANY] - counted[_FEW]) / more, slower / more / (2 * delay)))
    return found


def _long_folder(place: Path, statements: int, count: int) -> Path:
    folder = place / "long" / f"{statements}-{count}"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"long_{number:05}.sql").write_text(long_script(f"long_{number:05}", statements))
    return folder


def _timed(server: PrivateServer, tool: Contestant, folder: Path, delay: float) -> tuple[int, float]:
    with (
        Proxy(server.host, server.port, delay=delay) as proxy,
        fresh(server, proxy.host, proxy.port) as database,
    ):
        proxy.reset()
        took = cost(tool.commands(APPLY, folder, database, 1), cwd=folder, env=environment(folder.parent))
        return proxy.round_trips, took.wall
