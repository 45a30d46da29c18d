"""What a statement's locks, rewrites and scans become by a remedy, in one line from the traces of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlmigrate.review.model import Lock
    from sqlmigrate.review.remedy import Remedy
    from sqlmigrate.review.trace.tracer import Trace, Traced

_TABLES = ("table", "partitioned table", "materialized view")


@dataclass(slots=True)
class _Load:
    """The strongest lock while something is written anew or read from end to end, and while nothing is."""

    rewrite: Lock | None = None
    scan: Lock | None = None
    moment: Lock | None = None

    def longest(self) -> list[str]:
        """Return what is done under these locks for as long as the table is large, such as `SHARE + scan`."""
        found = [(lock, word) for lock, word in ((self.rewrite, "rewrite"), (self.scan, "scan")) if lock is not None]
        return [f"{lock.mode} + {word}" for lock, word in found]


def becoming(one: Traced | None, traces: Sequence[Trace], remedy: Remedy, names: Sequence[str]) -> str | None:
    """Say it as `ACCESS EXCLUSIVE + rewrite becomes ...`; None where neither locks, rewrites or reads anything."""
    after = [item for traced in traces for item in traced.statements]
    batches = ", old rows in batches" if any(step.name == "backfill" for step in remedy.steps) else ""
    if remedy.after or one is None:
        new = _words(_load(after, names), had=_Load())
        return f"it takes {new}{batches}" if new else None
    for some in (names, *((name,) for name in names)):  # where all together stay as they are, one of them may not
        before = _load([one], some)
        new = _words(_load(after, some), had=before)
        old = next(iter(before.longest()), "") or (before.moment.mode if before.moment else "")
        if old and new and old != new:
            return f"{old} becomes {new}{batches}"
    return None


def _load(statements: Iterable[Traced], names: Sequence[str]) -> _Load:
    found = _Load()
    for one in statements:
        locks: dict[str, Lock] = {}
        for lock in (*one.held, *one.taken, *one.locks):
            locks[lock.name] = _stronger(locks.get(lock.name), lock)
        read = {item.name for item in one.scans if item.kind in _TABLES}
        written = {item.name for item in one.rewrites if item.kind in _TABLES}
        for name, lock in locks.items():
            if name in written and not _is_slow_refresh(one):
                found.rewrite = _stronger(found.rewrite, lock)
            elif name in read or (name in names and _is_slow_refresh(one)):
                found.scan = _stronger(found.scan, lock)
            elif name in names:
                found.moment = _stronger(found.moment, lock)
    return found


def _is_slow_refresh(one: Traced) -> bool:
    """Whether a statement compares a materialized view with its query under the lock that it holds."""
    return one.command == "REFRESH MATERIALIZED VIEW" and "CONCURRENTLY" in one.statement.text.upper()


def _stronger(known: Lock | None, other: Lock) -> Lock:
    return other if known is None or other.level > known.level else known


def _words(load: _Load, *, had: _Load) -> str:
    long, moment = load.longest(), load.moment
    if long:
        worst = max(lock.level for lock in (load.rewrite, load.scan) if lock is not None)
        more = f", and {moment.mode} for a moment" if moment and moment.level > worst else ""
        return " and ".join(long) + more
    if moment is None:
        return ""
    missing = ["no rewrite"] if had.rewrite else []
    missing += ["no scan"] if had.rewrite or had.scan else []
    return ", ".join([moment.mode, *missing])
