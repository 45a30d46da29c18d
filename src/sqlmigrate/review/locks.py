"""PostgreSQL's lock modes: their rank, what they make others wait for, and what a script holds over time.

Source: "Explicit Locking", table 13.2 (https://www.postgresql.org/docs/current/explicit-locking.html).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.review.model import Hold, Lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlmigrate.review.model import Source

MODES = {
    "AccessShareLock": "ACCESS SHARE",
    "RowShareLock": "ROW SHARE",
    "RowExclusiveLock": "ROW EXCLUSIVE",
    "ShareUpdateExclusiveLock": "SHARE UPDATE EXCLUSIVE",
    "ShareLock": "SHARE",
    "ShareRowExclusiveLock": "SHARE ROW EXCLUSIVE",
    "ExclusiveLock": "EXCLUSIVE",
    "AccessExclusiveLock": "ACCESS EXCLUSIVE",
}
"""From the names of pg_locks, weakest first, to those of LOCK TABLE."""

LEVELS = {mode: level for level, mode in enumerate(MODES.values(), 1)}
STOPS_CHANGES, STOPS_WRITES, STOPS_READS = LEVELS["SHARE UPDATE EXCLUSIVE"], LEVELS["SHARE"], LEVELS["ACCESS EXCLUSIVE"]
"""The least level that stops other schema changes, that stops writes, that stops reads."""

_TABLE = (
    "DROP, TRUNCATE and most of ALTER TABLE",
    "DROP, TRUNCATE, most of ALTER TABLE, and EXCLUSIVE locks",
    "schema changes: CREATE INDEX, triggers, foreign keys, ALTER TABLE, DROP",
    "schema changes, VACUUM and ANALYZE",
    "writes, and schema changes other than CREATE INDEX",
    "writes and schema changes",
    "writes, SELECT FOR UPDATE and schema changes",
    "reads, writes and schema changes",
)
_OBJECT = "other changes of the {kind}"
_OBJECT_ALONE = "every schema change that uses the {kind}"


def blocks(kind: str, level: int) -> str:
    """Say what has to wait while something is locked."""
    if kind in ("type", "schema"):
        return (_OBJECT_ALONE if level == STOPS_READS else _OBJECT).format(kind=kind)
    if kind == "sequence":
        return "nextval, and all that alters the sequence" if level >= STOPS_WRITES else "what alters the sequence"
    if kind == "index" and level == STOPS_READS:
        return "reads and writes of its table, as soon as they are planned"
    if kind == "view" and level == STOPS_READS:
        return "reads through the view, and changes of it"
    return _TABLE[level - 1]


def make_lock(kind: str, name: str, mode: str, source: Source = "seen") -> Lock:
    """Make a lock from its mode, as LOCK TABLE writes it."""
    level = LEVELS[mode]
    return Lock(kind=kind, name=name, mode=mode, level=level, blocks=blocks(kind, level), source=source)


@dataclass(frozen=True, slots=True)
class Taken:
    """The locks that come with statement `number`, and those that were held when it began."""

    number: int
    taken: tuple[Lock, ...]
    held: tuple[Lock, ...]


def holds(steps: Sequence[Taken]) -> tuple[Hold, ...]:
    """Return what is held from when to when; a lock that grows is one hold for each mode."""
    found = []
    for at, step in enumerate(steps):
        for lock in step.taken:
            last = step.number
            for later in steps[at + 1 :]:
                if _on(lock, later.taken) or not _on(lock, later.held):
                    break
                last = later.number
            found.append(Hold(lock, step.number, last, last - step.number + 1))
    return tuple(found)


def _on(lock: Lock, others: Iterable[Lock]) -> bool:
    """Whether one of some locks is on the same thing."""
    return any((other.kind, other.name) == (lock.kind, lock.name) for other in others)


def longest(found: Iterable[Hold]) -> Hold | None:
    """Return the hold that stops reads, or else writes, for the most statements."""
    strong = [hold for hold in found if hold.lock.level >= STOPS_WRITES and hold.lock.kind not in ("type", "schema")]
    return max(strong, key=lambda hold: (hold.lock.level == STOPS_READS, hold.statements), default=None)
