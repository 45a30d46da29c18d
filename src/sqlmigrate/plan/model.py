"""What a plan is, and where a migration stands, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlmigrate.events import AtWork
    from sqlmigrate.history.model import Applied, HalfWay
    from sqlmigrate.migrations import Migration, ScriptRun
    from sqlmigrate.plan.losses import Loss


class State(Enum):
    """Where a migration stands."""

    APPLIED = "applied"
    MARKED = "marked"
    PENDING = "pending"
    HALF_WAY = "half way"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Running:
    """A session that is at work on a migration right now, by `role` from `client`.

    `locked` says that its run holds the run lock: of one that does not, the client is gone. `statement`, one of
    `statements`, and its `line` are None where they cannot be told; `work` is what PostgreSQL reports.
    """

    pid: int
    role: str | None
    client: str
    locked: bool
    operation: str
    work: AtWork
    statement: int | None = None
    statements: int | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """One migration as files and history see it.

    `edited` and `rollback_edited` say that a file is not what was recorded, `comments_only` that an edited script holds
    the same statements, and `missing` that the script is gone; one that is `ahead` is missing since a newer release
    applied it. `replaced` is the migration that has taken its place. `late` is the first applied one that a pending one
    stands before, so that `apply` refuses it. `running` is the session that is at work on it.
    """

    migration_id: str
    state: State
    migration: Migration | None = None
    recorded: Applied | None = None
    edited: bool = False
    rollback_edited: bool = False
    stopped: HalfWay | None = None
    comments_only: bool = False
    late: str | None = None
    running: Running | None = None
    ahead: bool = False
    replaced: str | None = None

    @property
    def missing(self) -> bool:
        """Whether the history knows it but its script is not there."""
        return self.migration is None and self.replaced is None


@dataclass(frozen=True, slots=True)
class Plan:
    """The migrations to run, in order; `notes` are for the person who asked, `left` is how many more are pending.

    `half_way` holds those ids of a rollback that stopped half way. `waits` is the pending one of another phase before
    which it ends. `losses` is what its scripts take away from the data, in their order, empty tables and columns too.
    """

    operation: str
    steps: tuple[Migration, ...]
    notes: tuple[str, ...] = ()
    left: int = 0
    half_way: frozenset[str] = frozenset()
    waits: Migration | None = None
    losses: tuple[Loss, ...] = ()

    def runs(self) -> list[ScriptRun]:
        """Return how the script of each step runs, in order."""
        ways = (step.forward() if self.operation == "apply" else step.back() for step in self.steps)
        return [run for run in ways if run is not None]
