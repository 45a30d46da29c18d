"""The turns of a worker: what one transaction of a run tells the worker, and asks it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.engine.transaction.commit import Changes, Turn
from sqlmigrate.events import Ran

if TYPE_CHECKING:
    from sqlmigrate.engine.transaction.job import Tally
    from sqlmigrate.engine.worker import Worker


@dataclass(slots=True, eq=False, kw_only=True)
class RunTurn(Turn):
    """A turn in the run of a worker; `expected` is what the history should say once it is done."""

    worker: Worker
    expected: Tally

    def on_done(self) -> None:
        """Note that all of it is committed, and whether it is durable; it is told at the end."""
        ids = [job.migration_id for job in self.jobs]
        self.worker.durability.told.extend(ids)
        if not self.flushes:
            self.worker.durability.owe(*ids)

    def look_up(self) -> bool | None:
        """Ask the history, in another session, whether the last job happened."""
        happened = self.worker.look_up(self.job)
        if happened:
            self.worker.durability.doubt(*(job.migration_id for job in self.jobs))
        return happened

    def changes(self) -> Changes:
        """Compare the history with what it should say."""
        return self.worker.changes(self.expected)


@dataclass(slots=True, eq=False, kw_only=True)
class ScriptTurn(RunTurn):
    """The turn of one script in a run: the `number`th of `total`; it notes in `ran` when it is done."""

    number: int
    total: int
    ran: list[Ran]
    _started: float = 0.0

    def on_begin(self) -> None:
        """Say that it begins."""
        self.worker.begins(self.job, self.number, self.total)
        self._started = time.monotonic()

    def on_done(self) -> None:
        """Say that it is committed."""
        ran = Ran(self.job.migration_id, self.job.operation, time.monotonic() - self._started)
        self.ran.append(ran)
        self.worker.watcher.sum_up()
        self.worker.durability.committed(ran, flushes=self.flushes)
