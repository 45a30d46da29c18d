"""Tell how far the reading and writing of seed files is, to whoever follows it: nobody, unless `followed` says so."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Tell = Callable[[str, int, int], object]

_follower: ContextVar[Tell | None] = ContextVar("follower", default=None)


@contextmanager
def followed(tell: Tell | None) -> Iterator[None]:
    """Have `tell`, or nobody, called in a block with what is under way, how much of it is done, and of how much."""
    token = _follower.set(tell)
    try:
        yield
    finally:
        _follower.reset(token)


def tell(what: str, done: int, total: int) -> None:
    """Say how far something is."""
    if (follower := _follower.get()) is not None:
        follower(what, done, total)
