"""Work side by side: each of several private servers tries its share of the migrations, and only applies the rest."""

from __future__ import annotations

import os
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlmigrate.roundtrip.run import round_trips

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator, Sequence

    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.migrations import Migrations
    from sqlmigrate.roundtrip.model import RoundTrip
    from sqlmigrate.shadow import Shadow

_PAIRS_WORTH_A_SERVER = 20  # to start one takes as long as about five pairs
_TOGETHER = 10  # no more, so that what is found comes in time
_SERVERS_MAX = 4  # each applies everything and takes some 50 MB


class Found(Protocol):
    """What was found of a migration."""

    @property
    def migration_id(self) -> str:
        """The migration."""


T = TypeVar("T", bound=Found)


def servers_worth(pairs: int) -> int:
    """Say how many servers so many pairs are worth on this machine: at most one for each processor we may use."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(pairs // _PAIRS_WORTH_A_SERVER, processors, _SERVERS_MAX))


def side_by_side(
    migrations: Migrations, wanted: Collection[str], shadows: Sequence[Shadow], options: Options, **more: Any
) -> Generator[RoundTrip]:
    """Do as `round_trips` on several private servers: see `shared_out`. `more` are arguments of `round_trips`."""
    order = [item.migration_id for item in migrations.ordered if item.migration_id in wanted]

    def work(shadow: Shadow, share: Sequence[str]) -> Iterator[RoundTrip]:
        return round_trips(migrations, share, shadow, options, **more)

    yield from shared_out(order, shadows, work)


def shared_out(
    order: Sequence[str], shadows: Sequence[Shadow], on_one: Callable[[Shadow, Sequence[str]], Iterator[T]]
) -> Generator[T]:
    """Share migrations out among several private servers, and give what was found in the order of the migrations.

    Roles are the servers' own, so no migration meets what another one does. Where the caller stops early or an error
    ends it, the servers are stopped at once, so that no script goes on.
    """
    if len(shadows) == 1:
        yield from on_one(shadows[0], order)
        return
    told: SimpleQueue[T | BaseException | None] = SimpleQueue()

    def work(shadow: Shadow, share: Sequence[str]) -> None:
        try:
            for found in on_one(shadow, share):
                told.put(found)
            told.put(None)
        except BaseException as error:  # noqa: BLE001  whoever waits has to know
            told.put(error)

    shares = _shares(order, len(shadows))
    threads = [Thread(target=work, args=pair, daemon=True) for pair in zip(shadows, shares, strict=True)]
    for thread in threads:
        thread.start()
    try:
        yield from _in_order(order, told, len(threads))
    except BaseException:
        for shadow in shadows:
            shadow.kill()
        raise
    finally:
        for thread in threads:
            thread.join()


def _shares(order: Sequence[str], servers: int) -> list[list[str]]:
    """Share out pairs, some that follow each other at a time: to apply those of others in one go is faster."""
    together = max(1, min(_TOGETHER, len(order) // (2 * servers)))
    runs = [order[at : at + together] for at in range(0, len(order), together)]
    return [[name for run in runs[server::servers] for name in run] for server in range(servers)]


def _in_order(order: Sequence[str], told: SimpleQueue[T | BaseException | None], at_work: int) -> Iterator[T]:
    found: dict[str, T] = {}
    left = iter(order)
    name = next(left, None)
    while at_work:
        one = told.get()
        if isinstance(one, BaseException):
            raise one
        if one is None:
            at_work -= 1
            continue
        found[one.migration_id] = one
        while name in found:
            yield found.pop(name)
            name = next(left, None)
