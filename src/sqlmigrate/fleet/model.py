"""What is asked of a target, and what became of it, as values that may go to another machine.

No value here holds a connection string: a target goes by its name, and whoever works on it looks up where it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sqlmigrate.errors import redact


class Verdict(Enum):
    """What one attempt at a target has come to.

    `blocked` is one that others stood in the way of, or that could not be reached: it is worth trying again.
    """

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


@dataclass(frozen=True, slots=True)
class Wanted:
    """The state that targets are to be brought to: a task never means "one step more", so it may be done twice.

    For `apply` that is everything that is pending, as an ApplyRequest says it; for `rollback` that nothing is applied
    any more of what the run `of_run` has applied. `files` is the digest of the migrations that are meant, so that
    whoever has others does nothing. `accept_loss` is as in `rollback --accept-loss`; with `keep_data` (a protected
    environment) an apply that loses data is refused like a rollback without it.
    """

    operation: str = "apply"
    to: str | None = None
    phase: str | None = None
    allow_out_of_order: bool = False
    single_transaction: bool = False
    exact: bool = False
    of_run: str | None = None
    recorded: bool = False
    require_proof: bool = False
    keep_data: bool = False
    accept_loss: bool = False
    files: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of one target: its class, its words without any password, and what it has in common with others."""

    kind: str
    message: str
    fingerprint: str
    hint: str | None = None
    place: str | None = None
    migration_id: str | None = None
    sqlstate: str | None = None

    def __post_init__(self) -> None:
        """Blank out passwords: a worker elsewhere may send any."""
        for name in ("message", "hint", "place"):
            if said := getattr(self, name):
                object.__setattr__(self, name, redact(said))

    def __str__(self) -> str:
        """Return the words behind their place."""
        return f"{self.place}: {self.message}" if self.place else self.message


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an order has come to; `migrations` is what its run has done at the target, as the history there tells.

    `blocker` is who was in the way, `worker` the machine and process that did it. `where` marks the history that the
    target's address has led to, "" where that is not known: two targets of one mark are one.
    """

    target: str
    verdict: Verdict
    migrations: tuple[str, ...] = ()
    seconds: float = 0.0
    failure: Failure | None = None
    blocker: str | None = None
    worker: str = ""
    where: str = ""
