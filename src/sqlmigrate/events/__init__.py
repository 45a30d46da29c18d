"""What happens while the library works: events that an observer draws, and results that a caller gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.errors import redact
from sqlmigrate.events.watching import (
    AtWork,
    Backfilling,
    BatchesOfOthers,
    Harm,
    KilledRunFound,
    Progress,
    Standby,
    StandbyLags,
    StandbysHidden,
    Throttled,
    ThrottleHidden,
)

if TYPE_CHECKING:
    from datetime import datetime

    from sqlmigrate.errors import Place, ServerMessage


__all__ = [
    "AtWork",
    "Backfilling",
    "BatchesOfOthers",
    "Harm",
    "KilledRunFound",
    "Progress",
    "Standby",
    "StandbyLags",
    "StandbysHidden",
    "ThrottleHidden",
    "Throttled",
]


@dataclass(frozen=True, slots=True)
class LockHolder:
    """Who holds the run lock, as pg_stat_activity shows it; `seconds` is the age of that session.

    A prepared transaction has no session: its `pid` is 0, and `application` is its name.
    """

    pid: int
    role: str | None
    application: str | None
    client: str | None
    since: datetime | None
    seconds: float | None

    def __str__(self) -> str:
        """Say it in one phrase."""
        age = f", for {self.seconds:.0f} s" if self.seconds is not None else ""
        if not self.pid:
            return f"the prepared transaction {self.application!r} (role {self.role}{age})"
        return f"pid {self.pid} (role {self.role}, {self.application!r} from {self.client}{age})"


@dataclass(frozen=True, slots=True)
class WaitingForRunLock:
    """Another run holds the run lock; `seconds_left` until we give up.

    `batches` is how far it is where it runs a statement in batches.
    """

    holder: LockHolder | None
    seconds_left: float
    batches: BatchesOfOthers | None = None


@dataclass(frozen=True, slots=True)
class ScriptStarted:
    """A script begins: the `number`th of `total`; `operation` is apply, rollback, replay, roundtrip or review."""

    migration_id: str
    operation: str
    number: int
    total: int


@dataclass(frozen=True, slots=True)
class ScriptFinished:
    """A script and its history row are committed; `seconds` is the time that it took here.

    `durable` is False while a crash of the server may still undo it: `MadeDurable` tells when that is over. What
    durable means is up to the login's `synchronous_commit`.
    """

    migration_id: str
    operation: str
    seconds: float
    durable: bool = True


@dataclass(frozen=True, slots=True)
class MadeDurable:
    """What these scripts have committed is durable by now; they were told as finished before, and not as durable."""

    migration_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """PostgreSQL sent a NOTICE, WARNING or INFO while a statement ran."""

    migration_id: str
    message: ServerMessage
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class NoticesLeftOut:
    """A statement sent more notices, or `warnings`, than are shown; `count` were left out."""

    migration_id: str
    count: int
    place: Place | None = None
    warnings: bool = False


@dataclass(frozen=True, slots=True)
class RowsReturned:
    """A statement returned rows: the first of them in PostgreSQL's text form, and how many there were."""

    migration_id: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    total: int
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session that kept us from a lock; times are in seconds, None where the login role may not see them.

    A prepared transaction, which has no session, is one too: its `pid` is 0, and `query` is its name. `waits_for` are
    those that it waits for itself; one that is not `direct` is in our way only since another one waits for it.
    """

    pid: int
    role: str | None
    application: str | None
    client: str | None
    state: str | None
    transaction_seconds: float | None
    query: str | None
    direct: bool = True
    waits_for: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Say it in one phrase."""
        if self.pid == 0:
            age = f"prepared {self.transaction_seconds or 0:.0f} s ago"
            return f"the prepared transaction {self.query!r} (role {self.role}, {age}; ROLLBACK PREPARED would end it)"
        if self.query == "<insufficient privilege>":
            return f"pid {self.pid} (role {self.role}, {self.application!r}; pg_read_all_stats shows more)"
        age = f", transaction open for {self.transaction_seconds:.0f} s" if self.transaction_seconds is not None else ""
        query = f": {redact(self.query)}" if self.query else ""
        own = f", waits for {' and '.join(f'pid {pid}' for pid in self.waits_for)} itself" if self.waits_for else ""
        who = f"role {self.role}, {self.application!r} from {self.client}, {self.state}{age}{own}"
        return f"pid {self.pid} ({who}){query}"


@dataclass(frozen=True, slots=True)
class Blocked:
    """A statement waits for a lock that others hold; behind them stand those that they wait for themselves.

    Without a migration it is one of ours that writes seed data, or into the history.
    """

    migration_id: str | None
    blockers: tuple[Blocker, ...]


@dataclass(frozen=True, slots=True)
class Resumed:
    """A script that had stopped half way goes on: `done` of its statements are done.

    `rows` of the next one had their batch, 0 where it does not run in batches.
    """

    migration_id: str
    operation: str
    done: int
    rows: int = 0


@dataclass(frozen=True, slots=True)
class HalfWayForgotten:
    """A migration was marked or unmarked: where its script of that operation stopped half way is forgotten."""

    migration_id: str
    operation: str


@dataclass(frozen=True, slots=True)
class LockRetry:
    """A lock was not granted in time (55P03) or a deadlock was broken (40P01); the whole transaction runs again.

    So it does where a guard let others go; `guard` says why. Without a migration it is seed data that is written.
    """

    migration_id: str | None
    attempt: int
    pause: float
    seconds_left: float
    message: ServerMessage | None
    place: Place | None = None
    blockers: tuple[Blocker, ...] = ()
    guard: str | None = None


@dataclass(frozen=True, slots=True)
class BugMet:
    """A mistake of ours ended the work on one migration, while others go on; `report` is its trace."""

    migration_id: str
    report: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A throwaway server begins with what was kept: behind the first `done` of `total` scripts, 0 if with none."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Kept:
    """The state behind so many scripts was kept, in so many bytes; `day_only` says that it counts today."""

    done: int
    size: int
    day_only: bool = False


@dataclass(frozen=True, slots=True)
class NotKept:
    """Nothing is taken from the cache, or kept there, for this reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A command is about to work, on this database or, where it is None, on throwaway ones alone.

    `migration_ids` are those that it will go through, in order; `postgresql` is the version of the server.
    """

    command: str
    database: str | None = None
    host: str | None = None
    role: str | None = None
    postgresql: str | None = None
    migration_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A command is over. Where it failed, `error` says why, and `migration_id` whose script it was, if it was one's."""

    command: str
    exit_status: int
    error: str | None = None
    hint: str | None = None
    migration_id: str | None = None
    place: Place | None = None
    server: ServerMessage | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A round trip or a review is done with a migration; `verdict` is the one of its report."""

    migration_id: str
    operation: str
    verdict: str


@dataclass(frozen=True, slots=True)
class RowsWritten:
    """What a seed run has committed to one table; `kept` counts rows that a trigger kept as they were.

    `pruned` counts rows that no file names, which were deleted or changed for that.
    """

    table: str
    inserted: int
    updated: int
    unchanged: int
    kept: int
    pruned: int = 0


@dataclass(frozen=True, slots=True)
class WaveBegun:
    """A wave of a fleet's run begins; `fleet_run_id` is the one in the histories of its targets."""

    fleet_run_id: str
    wave: str
    targets: int


@dataclass(frozen=True, slots=True)
class TargetEnded:
    """A target of a fleet's run has ended, or is deferred; `left` targets of the run have not ended.

    `state` is done, unchanged, failed, left or deferred, `migration_ids` what the run has done there.
    """

    fleet_run_id: str
    target: str
    state: str
    wave: str
    attempt: int
    seconds: float
    migration_ids: tuple[str, ...]
    error: str | None
    fingerprint: str | None
    blocker: str | None
    left: int


@dataclass(frozen=True, slots=True)
class FleetStopped:
    """A fleet's run opens no target any more; `running` are still under way."""

    fleet_run_id: str
    why: str
    running: int


Event = (
    WaitingForRunLock
    | ScriptStarted
    | ScriptFinished
    | MadeDurable
    | Notice
    | NoticesLeftOut
    | RowsReturned
    | Blocked
    | Progress
    | Backfilling
    | Harm
    | KilledRunFound
    | StandbyLags
    | StandbysHidden
    | Throttled
    | ThrottleHidden
    | Resumed
    | HalfWayForgotten
    | LockRetry
    | BugMet
    | Taken
    | Kept
    | NotKept
    | RunStarted
    | RunEnded
    | Judged
    | RowsWritten
    | WaveBegun
    | TargetEnded
    | FleetStopped
)
Observer = Callable[[Event], None]


def ignore(_: Event) -> None:
    """Observe nothing."""


@dataclass(frozen=True, slots=True)
class Ran:
    """One script that ran and is committed; `seconds` is the time that it took here."""

    migration_id: str
    operation: str
    seconds: float
