"""How far a script is, whom it hurts, and what it waits for that is no lock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from sqlmigrate.errors import Place


@dataclass(frozen=True, slots=True)
class AtWork:
    """What a session does, as PostgreSQL reports it; what it does not report, or not to us, is None.

    `seconds` is how long the statement has run, `wait` what it waits for, such as `IO: DataFileRead`. `command`, phase
    and the counts are those of pg_stat_progress_*: `done` of `total` in `unit` (blocks, rows, bytes or sessions), and
    whole partitions. `rows` and `size` (bytes) are the statistics of `relation` from before, where nothing is counted.
    `query` is its text, of which PostgreSQL keeps the beginning (track_activity_query_size).
    """

    seconds: float | None = None
    wait: str | None = None
    command: str | None = None
    phase: str | None = None
    relation: str | None = None
    done: int | None = None
    total: int | None = None
    unit: str = "blocks"
    parts_done: int = 0
    parts_total: int = 0
    rows: int | None = None
    size: int | None = None
    query: str | None = None

    @property
    def fraction(self) -> float | None:
        """How much of its phase is done, from 0 to 1; of all partitions, where there are some."""
        part = min(self.done / self.total, 1.0) if self.total and self.done is not None else None
        if not self.parts_total:
            return part
        return min((self.parts_done + (part or 0.0)) / self.parts_total, 1.0)


@dataclass(frozen=True, slots=True)
class Progress:
    """A script is at work for a second or longer: the `number`th of `total`; told about once a second.

    `seconds` is how long the script has run. `text` is the statement that is at work; `statement` is its number, of
    `statements`, and `place` where it is, unless the script is too large to look for it, or has another one like it.
    `seconds_left` is an estimate, for this phase.
    """

    migration_id: str
    number: int
    total: int
    seconds: float
    work: AtWork
    statement: int | None = None
    statements: int | None = None
    text: str | None = None
    place: Place | None = None
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class Harm:
    """So many other sessions waited behind a script, the longest so many seconds, for what it held or waited for.

    That is `mode` on `relation`, where the longest waited; of a row that the script changed, `relation` is None. `held`
    is for how many seconds, at least, it held the lock (PostgreSQL does not keep when a lock was granted: it counts
    from when the first of them began to wait); None where the script waited for it itself. It is told at the end of
    each attempt, if somebody waited for a second or longer.
    """

    migration_id: str
    sessions: int
    longest: float
    mode: str
    relation: str | None
    held: float | None = None


@dataclass(frozen=True, slots=True)
class Standby:
    """A standby, and how far it is behind: `seconds` is None where the role may not see it."""

    name: str
    client: str
    seconds: float | None = None
    size: int | None = None

    def __str__(self) -> str:
        """Say it in one phrase."""
        behind = f" lags by {self.seconds:.1f} s ({(self.size or 0) >> 10} kB)" if self.seconds is not None else ""
        return f"standby {self.name!r} ({self.client}){behind}"


@dataclass(frozen=True, slots=True)
class Backfilling:
    """A batch is committed: how far its statement is, told after each one.

    `rows` had their batch, `changed` of them were changed, in `batches` that took `seconds`; the table has about
    `estimate` rows, None where nobody has counted them. The next batch has `size` rows.
    """

    migration_id: str
    statement: int
    rows: int
    changed: int
    batches: int
    size: int
    seconds: float
    estimate: int | None = None
    seconds_left: float | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class BatchesOfOthers:
    """How far the batches of another run are, as the history tells it; the fields are those of `Backfilling`.

    `waits` is why its next batch waits, None where it does not, or not for long.
    """

    migration_id: str
    statement: int
    rows: int
    batches: int
    seconds: float
    estimate: int | None = None
    seconds_left: float | None = None
    waits: str | None = None

    def __str__(self) -> str:
        """Say it in one phrase."""
        of = f" of about {self.estimate:,}" if self.estimate and self.estimate >= self.rows else ""
        held = f", and the next batch waits: {self.waits}" if self.waits else ""
        return f"in {self.migration_id} {self.rows:,}{of} rows had their batch{held}"


@dataclass(frozen=True, slots=True)
class Throttled:
    """The next batch of a statement is held back for a reason; told once a second while that holds.

    `seconds_left` is how long it is waited for, None where that has no end.
    """

    migration_id: str
    statement: int
    reason: str
    seconds_left: float | None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class ThrottleHidden:
    """What a throttle looks at cannot be seen by this role, so it holds nothing back; told once for each.

    `throttle` is its key, such as `archive`; `grant` the role whose member sees it.
    """

    migration_id: str
    statement: int
    throttle: str
    grant: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class StandbyLags:
    """The next migration waits until no standby lags by more than `limit` seconds; told once a second."""

    migration_id: str
    standbys: tuple[Standby, ...]
    limit: float
    seconds_left: float


@dataclass(frozen=True, slots=True)
class StandbysHidden:
    """How far so many standbys are cannot be seen by this role, so nothing waits for them."""

    migration_id: str
    count: int


@dataclass(frozen=True, slots=True)
class KilledRunFound:
    """An earlier run never said how it ended: it was killed, or lost its server, at this migration.

    `began` is when that run did, `seen` when it last said how far it was, which it does of a script that takes long.
    `statement` and `line` are where it was then or, if the script is `half_way`, where it stopped.
    `pid` is a session that is still at work on it: that run has only lost its run lock, or its client has just been
    killed, and what becomes of the script is not settled.
    """

    migration_id: str
    operation: str
    began: datetime
    seen: datetime | None
    role: str | None
    username: str | None
    hostname: str | None
    statement: int | None = None
    line: int | None = None
    half_way: bool = False
    history_run_id: str | None = None
    pid: int | None = None
