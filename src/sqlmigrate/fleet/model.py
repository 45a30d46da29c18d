"""What is asked of a target, and what became of it, as values that may go to another machine.

No value here holds a connection string: a target goes by its name, and whoever works on it looks up where it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """What one attempt at a target has come to; `blocked` is one that others stood in the way of, to be tried again."""

    DONE = "done"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    BLOCKED = "blocked"


class State(Enum):
    """Where a target stands within a run; the last five are final, and every target ends in exactly one of them.

    ::

        waiting --> running --> done | unchanged | failed
                     |   ^
                     v   |      at the end of its wave
                    deferred
        waiting | deferred | running and blocked --> left    what nobody begins any more
        running --> interrupted                              what nobody waits for any more
    """

    WAITING = "waiting"
    RUNNING = "running"
    DEFERRED = "deferred"
    DONE = "done"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    LEFT = "left"
    INTERRUPTED = "interrupted"


FINAL = frozenset({State.DONE, State.UNCHANGED, State.FAILED, State.LEFT, State.INTERRUPTED})
"""The states that a target ends in."""
WELL = frozenset({State.DONE, State.UNCHANGED})
"""Those in which it is where it was to be brought."""


@dataclass(frozen=True, slots=True)
class Wave:
    """Targets that are opened together, by their names; the next wave begins when all of these have ended."""

    name: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be under way, and how much may fail.

    `concurrency` targets are open at once, and `per_cluster` of each cluster (0: no limit of its own). After
    `max_failures` failures (None: any number), or `same_error` of one fingerprint, no target is opened any more. One
    that is blocked is tried `attempts` times.
    """

    concurrency: int = 16
    per_cluster: int = 4
    max_failures: int | None = None
    same_error: int = 3
    attempts: int = 2
