"""Whom a script hurts: the sessions that wait behind it, and the guards that let them go."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlmigrate.events import Harm

if TYPE_CHECKING:
    from sqlmigrate.runlock.progress import Row

_WORTH_TELLING = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Limits:
    """How many sessions may wait behind a script, and how long one may, in seconds; 0 means that any may."""

    waiters: int = 0
    seconds: float = 0.0

    @property
    def any(self) -> bool:
        """Whether there is a limit."""
        return bool(self.waiters or self.seconds)


@dataclass(slots=True)
class Tally:
    """The sessions that were seen to wait behind one attempt at a script."""

    migration_id: str = ""
    _pids: set[int] = field(default_factory=set)
    _longest: float = 0.0
    _at: tuple[str, str | None] = ("", None)
    _since: float | None = None

    def add(self, rows: list[Row], limits: Limits) -> str | None:
        """Take in who waits now; gives the reason where that is more than the limits allow."""
        seconds = [float(row[4] or 0) for row in rows]
        if not rows:
            return None
        self._pids |= {int(row[0] or 0) for row in rows}
        longest = max(seconds)
        if longest >= self._longest:
            _, _, held, relation, _, granted = rows[seconds.index(longest)]
            self._longest, self._at = longest, (mode_of(held or ""), relation)
            self._since = time.monotonic() - longest if granted == "1" else None
        if limits.waiters and len(rows) > limits.waiters:
            return f"{len(rows)} sessions waited behind it ({self._what()}), and max_waiters is {limits.waiters}"
        if limits.seconds and longest >= limits.seconds:
            return (
                f"a session waited {longest:.1f} s behind it ({self._what()}), and max_block is {limits.seconds:.1f} s"
            )
        return None

    def _what(self) -> str:
        mode, relation = self._at
        return f"{mode} on {relation}" if relation else "a row that it changed"

    def summary(self) -> Harm | None:
        """Say whom it hurt, if that is worth telling."""
        if not self._pids or self._longest < _WORTH_TELLING:
            return None
        mode, relation = self._at
        held = None if self._since is None else time.monotonic() - self._since
        return Harm(self.migration_id, len(self._pids), self._longest, mode, relation, held)


def mode_of(name: str) -> str:
    """Return a lock mode of pg_locks as SQL writes it: AccessExclusiveLock is ACCESS EXCLUSIVE."""
    words = "".join(f" {letter}" if letter.isupper() else letter for letter in name.removesuffix("Lock"))
    return words.strip().upper()
