"""Hold the next batch back while the server has other things to do; no lock and no transaction is held meanwhile."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass, field
from shlex import quote
from typing import TYPE_CHECKING

from psycopg import sql

from sqlmigrate import history, queries
from sqlmigrate.connection import Command, Purpose
from sqlmigrate.engine.backfill.errors import Canceled
from sqlmigrate.engine.backfill.progress import CANCEL
from sqlmigrate.engine.backfill.verify import truth
from sqlmigrate.engine.transaction.run import undo
from sqlmigrate.errors import ExecutionError, LockBudgetSpent
from sqlmigrate.events import Throttled, ThrottleHidden

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.engine.backfill.key import Key
    from sqlmigrate.engine.lag import Lag
    from sqlmigrate.engine.stepwise.context import Context
    from sqlmigrate.engine.wire.pipeline import Step
    from sqlmigrate.runlock.aside import Row
    from sqlmigrate.sql.batches import Batched
    from sqlmigrate.sql.script import Statement

_PAUSE = 1.0
_NOTED_SECONDS = 10.0
_NUMBERS = re.compile(r"[\d.,]+")
_MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class _Reason:
    """Why a batch waits, and how long until the next look; behind what `goes_on` batches do at last go on, too."""

    text: str
    pause: float = math.inf
    goes_on: bool = False


@dataclass(slots=True)
class Throttle:
    """What holds the batches of one statement back."""

    context: Context
    statement: Statement
    batched: Batched
    key: Key
    _lag: Lag | None = field(init=False)
    _wal: tuple[float, int] | None = None
    wanted: str | None = None
    noted: str | None = None
    _note_again: float = 0.0
    _vacuum_waited: bool = False
    _hidden: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Look at standbys where they matter."""
        lag, standbys = self.batched.throttles.lag, self.context.standbys
        self._lag = standbys(lag / 1000) if lag is not None and standbys is not None else None

    def counting(self) -> Command | None:
        """Return what counts, at the end of a batch, the sessions that wait behind it; None where nobody asks."""
        if self.batched.throttles.waiters is None:
            return None
        return Command(queries.load("backfill")["waiters"], purpose=Purpose.WRITTEN)

    def make_way(self, waiting: int) -> bool:
        """Let those who waited behind a batch go first, where they were too many; gives whether they were."""
        most = self.batched.throttles.waiters
        if most is None or waiting <= most:
            return False
        sessions = "1 session" if waiting == 1 else f"{waiting} sessions"
        pause = self.batched.time / 1000
        self._tell(_Reason(f"{sessions} waited behind the last one (waiters={most})"), pause)
        time.sleep(pause)
        return True

    def hear(self, claimed: Step) -> None:
        """Take note of what somebody asks for, as the claim of a batch has found it beside the progress."""
        self.wanted = claimed.shown[0][1] if claimed.shown else None

    def obey(self) -> None:
        """Wait while somebody wants a pause; raises ExecutionError where somebody wants the batches to stop."""
        job = self.context.sender.job
        while self.wanted is not None:
            if self.wanted == CANCEL:
                raise Canceled(
                    f"the batches were stopped by `sqlmigrate backfill cancel {quote(job.migration_id)}`",
                    migration_id=job.migration_id,
                    statement=self.statement.number,
                    place=job.script.place(self.statement),
                )
            again = f"`sqlmigrate backfill resume {quote(job.migration_id)}` lets it go on"
            self._tell(_Reason(f"somebody wants a pause; {again}"), None)
            time.sleep(_PAUSE)
            self.context.hold()
            self.ask()

    def ask(self) -> None:
        """Ask what somebody wants now; where no answer comes, it is what it was."""
        schema, migration_id = self.context.options.schema, self.context.sender.job.migration_id
        rows = self.context.ask(history.journal_wanted(schema, migration_id))
        self.wanted = self.wanted if rows is None else next((row[0] for row in rows), None)

    def wait(self) -> None:
        """Wait until nothing holds the next batch back; raises LockBudgetSpent where that takes too long."""
        self.obey()
        budget = self.context.options.lock_budget / 1000
        deadline, waited = time.monotonic() + budget, False
        while reason := next(self._reasons(), None):
            left = max(deadline - time.monotonic(), 0.0)
            if not left and not reason.goes_on:
                raise self._given_up(reason, budget)
            self._tell(reason, left)
            if waited:
                self._note(reason.text)
            if not left:
                self._vacuum_waited, deadline = True, time.monotonic() + budget
            time.sleep(min(reason.pause, left, _PAUSE))
            waited = True
            self.context.hold()
            self.ask()
            self.obey()
        self._note(None)
        if self.batched.throttles.wal is not None and (written := self._written()) is not None:
            self._wal = time.monotonic(), written

    def _note(self, reason: str | None) -> None:
        """Note in the journal what holds the next batch, for `status`; its numbers are renewed now and then only."""
        now = time.monotonic()
        same = reason and self.noted and _NUMBERS.sub("", reason) == _NUMBERS.sub("", self.noted)
        if reason == self.noted or (same and now < self._note_again):
            return
        sender = self.context.sender
        try:
            sender.write([history.journal_waits(self.context.options.schema, sender.job.migration_id, reason)])
        except ExecutionError:  # the journal is locked by somebody: what holds the batch is said here all the same
            undo(sender.connection)
            if sender.connection.closed:
                raise
        else:
            self.noted, self._note_again = reason, now + _NOTED_SECONDS

    def _reasons(self) -> Iterator[_Reason]:
        wanted = self.batched.throttles
        for standby in self._lag.late(self.context.sender.job.migration_id) if self._lag else ():
            yield _Reason(f"{standby} (lag={(wanted.lag or 0) / 1000:g}s)")
        yield from self._too_old()
        yield from self._vacuum()
        if wanted.slots is not None and (row := self._first("slots")) and int(row[1] or 0) > wanted.slots:
            yield _Reason(f"the replication slot {row[0]} keeps {int(row[1] or 0) // _MEGABYTE:,} MB of WAL")
        yield from self._to_be_archived()
        yield from self._too_much_wal()
        if wanted.query is not None and truth(self.context.sender, self.statement, wanted.query, self._query_at):
            yield _Reason(f"its query gives true: {wanted.query}")

    @property
    def _query_at(self) -> int:
        return self.batched.throttle_at

    def _too_old(self) -> Iterator[_Reason]:
        most = self.batched.throttles.oldest
        if most is None or not (row := self._first("oldest")):
            return
        if int(row[2] or 0):
            self._tell_hidden("oldest", "pg_read_all_stats")
        if (seconds := float(row[1] or 0)) * 1000 > most:
            yield _Reason(f"the transaction of pid {row[0]} is {seconds:.1f} s old")

    def _vacuum(self) -> Iterator[_Reason]:
        """Wait for a vacuum at work or due, but once only: it is waited for again when that one is over."""
        if self.batched.throttles.vacuum is None:
            return
        text = None
        if row := self._first("vacuum"):
            text = f"a vacuum of the table is at work (pid {row[0]})"
        elif row := self._first("vacuum_due"):
            text = f"autovacuum is due on the table, which has {int(row[0] or 0):,} dead rows"
        self._vacuum_waited = self._vacuum_waited and text is not None
        if text is not None and not self._vacuum_waited:
            yield _Reason(text, goes_on=True)

    def _to_be_archived(self) -> Iterator[_Reason]:
        most = self.batched.throttles.archive
        if most is None or not (seen := self._first("archive_seen")):
            return
        if seen[0] != "t":
            self._tell_hidden("archive", "pg_monitor")
        elif (row := self._first("archive")) and int(row[0] or 0) > most:
            yield _Reason(f"the archive lacks {int(row[0] or 0) // _MEGABYTE:,} MB of WAL")

    def _too_much_wal(self) -> Iterator[_Reason]:
        """Wait until what was written since the batch began makes no more than the rate that is wanted."""
        rate = self.batched.throttles.wal
        if rate is None or self._wal is None or (now := self._written()) is None:
            return
        began, before = self._wal
        left = (now - before) / rate - (time.monotonic() - began)
        if left > 0:
            wrote = f"{(now - before) / _MEGABYTE:,.1f} MB of WAL since the last one began"
            yield _Reason(f"the server has written {wrote}", pause=left)

    def _written(self) -> int | None:
        row = self._first("wal")
        return int(row[0]) if row and row[0] else None

    def _first(self, query: str) -> Row | None:
        oids = sql.SQL("ARRAY[{}]::pg_catalog.oid[]").format(sql.SQL(", ").join(map(sql.Literal, self.key.oids)))
        text = queries.load("backfill")[query].replace("{oids}", oids.as_string())
        return next(iter(self.context.ask(text) or []), None)

    def _tell(self, reason: _Reason, left: float | None) -> None:
        sender = self.context.sender
        place = sender.job.script.place(self.statement)
        sender.listener.observer(
            Throttled(sender.job.migration_id, self.statement.number, reason.text, left, place)
        )  # fmt: skip

    def _tell_hidden(self, throttle: str, grant: str) -> None:
        """Say once that a throttle holds nothing back, or not all that it should, since this role does not see it."""
        if throttle not in self._hidden:
            self._hidden.add(throttle)
            sender = self.context.sender
            place = sender.job.script.place(self.statement)
            sender.listener.observer(
                ThrottleHidden(sender.job.migration_id, self.statement.number, throttle, grant, place)
            )

    def _given_up(self, reason: _Reason, budget: float) -> LockBudgetSpent:
        job = self.context.sender.job
        return LockBudgetSpent(
            f"the next batch waits: {reason.text}; waited for {budget:.0f} s (lock_budget)",
            migration_id=job.migration_id,
            statement=self.statement.number,
            place=job.script.place(self.statement),
            hint="give it more time with lock_budget, or run it again when that is over",
        )
