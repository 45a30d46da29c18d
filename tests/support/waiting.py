"""Waiting for a condition, with a deadline, instead of sleeping."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LONG = 90.0
"""Seconds after which what other programs and threads do has come to a standstill, however busy the machine is."""


def stretched(seconds: float) -> float:
    """Give as many seconds as what takes so long on an idle machine may take now: processes share the processors."""
    waiting = max(os.getloadavg()[:2]) / (os.cpu_count() or 1)
    return seconds * max(1.0, 2 * waiting)


_STEP = 0.5
"""Seconds that one look takes at most; what is above that, the machine stood still, and so did what is waited for."""


def wait_until(condition: Callable[[], T], timeout: float = 20.0, interval: float = 0.02) -> T:
    """Call `condition` until it gives something true, and give that; fail when the time is over.

    A busy machine has more time, and one that stands still has it again afterwards.
    """
    began = last = time.monotonic()
    waited = 0.0
    while not (result := condition()):
        now = time.monotonic()
        waited, last = waited + min(now - last, _STEP), now
        if waited > stretched(timeout) or now - began > stretched(timeout) + LONG:
            over = now - began
            raise AssertionError(f"still not true after {over:.1f} s: {getattr(condition, '__name__', condition)}")
        time.sleep(interval)
    return result
