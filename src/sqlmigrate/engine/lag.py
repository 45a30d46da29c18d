"""Wait between two migrations while a standby lags; nothing is held meanwhile but the run lock."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlmigrate import queries
from sqlmigrate.errors import LockBudgetSpent
from sqlmigrate.events import Standby, StandbyLags, StandbysHidden

if TYPE_CHECKING:
    from sqlmigrate.events import Observer
    from sqlmigrate.runlock.aside import Row
    from sqlmigrate.runlock.blockers import Watcher

_PAUSE = 1.0
_MARKS = 1_000


@dataclass(slots=True)
class Lag:
    """How far standbys may be behind, in seconds (0: any), and for how long to wait for them.

    PostgreSQL tells the lag of what a standby has last replayed, and no more of one that replays nothing. So it is
    noted, too, when this server had written how much: what a standby has not replayed of that makes it as old.
    """

    watcher: Watcher
    limit: float
    budget: float
    observer: Observer
    _written: list[tuple[float, int]] = field(default_factory=list)
    _hidden: bool = False

    def wait(self, migration_id: str) -> None:
        """Wait until no standby lags too much; raises LockBudgetSpent where that takes too long."""
        deadline = time.monotonic() + self.budget
        while self.limit and (late := self.late(migration_id)):
            left = deadline - time.monotonic()
            if left <= 0:
                raise _given_up(migration_id, late, self.limit, self.budget)
            self.observer(StandbyLags(migration_id, tuple(late), self.limit, left))
            time.sleep(min(_PAUSE, left))

    def late(self, migration_id: str) -> list[Standby]:
        """Return the standbys that lag too much; none where the server does not tell."""
        rows = self.watcher.ask(queries.load("watch")["standbys"]) or []
        hidden = sum(row[3] is None for row in rows)
        if hidden and not self._hidden:
            self._hidden = True
            self.observer(StandbysHidden(migration_id, hidden))
        now = time.monotonic()
        seen = [row for row in rows if row[3] is not None]
        found = [self._standby(row, now) for row in seen]
        self._note(seen, now)
        return [standby for standby in found if (standby.seconds or 0.0) > self.limit]

    def _standby(self, row: Row, now: float) -> Standby:
        _, name, client, _, seconds, replayed, written = row
        done = int(replayed or 0)
        size = max(int(written or 0) - done, 0)
        since = min((at for at, position in self._written if position > done), default=now)
        lag = max(now - since, float(seconds or 0.0)) if size else 0.0
        return Standby(name or "?", client or "?", lag, size)

    def _note(self, rows: list[Row], now: float) -> None:
        """Note how much is written by now, and forget what all standbys have replayed."""
        if not rows:
            return
        least = min(int(row[5] or 0) for row in rows)
        self._written = [mark for mark in self._written if mark[1] > least][-_MARKS:]
        self._written.append((now, int(rows[0][6] or 0)))


def _given_up(migration_id: str, late: list[Standby], limit: float, budget: float) -> LockBudgetSpent:
    who = " and ".join(map(str, late))
    return LockBudgetSpent(
        f"{who}, and max_lag is {limit:.1f} s; waited for {budget:.0f} s (lock_budget)",
        migration_id=migration_id,
        hint="look at the standby, or run it again when it has caught up; --max-lag 0 does not wait",
    )
