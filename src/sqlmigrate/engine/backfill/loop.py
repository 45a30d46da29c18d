"""Run a statement batch by batch: each one claims the progress, changes its rows, and commits both together.

So a batch happens exactly once, whatever happens to this process, the server or the run lock: before its COMMIT neither
its rows nor its progress are there, behind it both are; and who comes late with the same batch finds another progress.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate import history
from sqlmigrate.connection import Command, Purpose
from sqlmigrate.engine.backfill.aside import PLANNING
from sqlmigrate.engine.backfill.errors import failed
from sqlmigrate.engine.backfill.prepared import prepare
from sqlmigrate.engine.backfill.progress import CANCEL, Progress
from sqlmigrate.engine.backfill.size import Size
from sqlmigrate.engine.backfill.throttle import Throttle
from sqlmigrate.engine.backfill.verify import require_askable, require_verified, truth
from sqlmigrate.engine.stepwise.journal import BEGIN, as_login, digest
from sqlmigrate.engine.transaction.run import undo
from sqlmigrate.engine.wire.pipeline import Step
from sqlmigrate.engine.wire.session import COMMIT, CONSTRAINTS
from sqlmigrate.errors import ConnectionFailed, ExecutionError, HistoryError
from sqlmigrate.events import Backfilling
from sqlmigrate.runlock.retry import CANCELED

if TYPE_CHECKING:
    from sqlmigrate.connection import Connection
    from sqlmigrate.engine.backfill.key import Bounds, Key
    from sqlmigrate.engine.backfill.prepared import Prepared
    from sqlmigrate.engine.stepwise.context import Context
    from sqlmigrate.history import Entry
    from sqlmigrate.sql.batches import Batched
    from sqlmigrate.sql.script import Statement

# what a batch runs under, kept in the session before the first one: between two of our own commands it comes back
_OWN = ("session_authorization", "role", "search_path", "client_encoding", "statement_timeout")
_KEEP = Command(
    "SELECT "
    + ", ".join(
        f"pg_catalog.set_config('sqlmigrate.{name}', pg_catalog.current_setting('{name}'), false)" for name in _OWN
    ),
    purpose=Purpose.SETTINGS,
)
_BACK = tuple(
    Command(
        f"SELECT pg_catalog.set_config('{name}', pg_catalog.current_setting('sqlmigrate.{name}'), true)",
        purpose=Purpose.SETTINGS,
    )
    for name in _OWN
)
_WALKS = 3  # rows that move are few; where many are left, the statement does not leave finished rows out
_PLANNED = Command(PLANNING, purpose=Purpose.SETTINGS)


@dataclass(slots=True)
class Backfill:
    """One batched statement of a script on its way; `progress` is where it stands."""

    context: Context
    statement: Statement
    batched: Batched
    size: Size = field(init=False)
    progress: Progress = field(init=False)
    begun: bool = False

    def __post_init__(self) -> None:
        """Begin with a moderate size."""
        self.size = Size(self.batched.time / 1000, *self.batched.rows)
        self.progress = Progress.of(self.batched)

    @property
    def connection(self) -> Connection:
        """The session of the script."""
        return self.context.sender.connection

    def run(self, entry: Entry | None) -> None:
        """Run what is left of the statement, and write it into the journal as done; `entry` is what is known of it.

        Raises ExecutionError and HistoryError; what was committed before stays, and its progress with it.
        """
        self._take_up(entry)
        try:
            self._go()
        except ExecutionError as error:
            undo(self.connection)
            if self.begun and not self.connection.closed:
                noted = self.context.journal.mark(self.statement.number, "failed", error.message)
                self.context.sender.write([self._claim("failed", self.progress), noted])
            raise

    def _go(self) -> None:
        sender = self.context.sender
        sender.send(Step(_KEEP))
        prepared = prepare(sender, self.statement, self.batched)
        require_askable(sender, self.statement, self.batched)
        if not self.begun:
            self.progress = replace(self.progress, estimate=prepared.key.estimate)
            sender.write(self.context.journal.add([self.statement], "running", self.progress.written()))
            self.begun = True
        throttle = Throttle(self.context, self.statement, self.batched, prepared.key, noted=self.progress.waits)
        self.progress = replace(self.progress, waits=None)
        self._forget_cancel(throttle)
        self._walk(prepared, throttle)
        prepared.forget()
        require_verified(sender, self.statement, self.batched)
        sender.write([self._claim("done", self.progress)])

    def _walk(self, prepared: Prepared, throttle: Throttle) -> None:
        """Run all batches; where they go by place, again for the rows that have moved to where batches had been."""
        for _ in range(_WALKS if self.batched.by_place else 1):
            known = self.progress.changed if self.progress.position is None else None
            while self._batch(prepared, throttle):
                self._tell()
                self._require_lock()
            if not self.batched.by_place or self.progress.changed == known or self._is_verified():
                return
            self.progress = self.progress.again()

    def _is_verified(self) -> bool:
        verify = self.batched.verify
        return verify is None or truth(self.context.sender, self.statement, verify, self.batched.verify_at)

    def _forget_cancel(self, throttle: Throttle) -> None:
        """Begin with what somebody wants by now, but for a wish to stop: that was for an earlier run."""
        throttle.ask()
        if throttle.wanted == CANCEL:
            job = self.context.sender.job
            self.context.sender.write([history.journal_steer(self.context.options.schema, job.migration_id, None)])
            throttle.ask()

    def _tell(self) -> None:
        sender, now = self.context.sender, self.progress
        place = sender.job.script.place(self.statement)
        sender.listener.observer(
            Backfilling(
                sender.job.migration_id, self.statement.number, now.rows, now.changed, now.batches, self.size.rows,
                now.seconds, now.estimate, now.seconds_left, place,
            )
        )  # fmt: skip

    def _take_up(self, entry: Entry | None) -> None:
        """Go on from what is written in the journal; raises HistoryError where that is of something else."""
        found = Progress.read(entry.found if entry else None)
        if entry is None or found is None:
            return
        place = self.context.sender.job.script.place(self.statement)
        if entry.digest != digest([self.statement]):
            raise HistoryError(
                f"statement {self.statement.number} was edited after some of its batches had been run",
                place=place,
                hint="restore it; what comes after it may be edited",
            )
        if (found.table, found.key) != (self.progress.table, self.progress.key):
            raise HistoryError(
                "the table or the key of these batches was edited after some of them had been run",
                place=place,
                hint=f"restore table={found.table} key={','.join(found.key)}",
            )
        self.progress, self.begun = found, True

    def _batch(self, prepared: Prepared, throttle: Throttle) -> bool:
        """Run the next batch, again and again until its locks are granted; gives whether there was one."""
        found = False
        throttle.wait()

        def attempt() -> None:
            nonlocal found
            started = time.monotonic()
            try:
                found = self._attempt(prepared, throttle, started)
            except ExecutionError as error:
                undo(self.connection)
                if not self.connection.closed:
                    self._smaller(error, time.monotonic() - started)
                raise

        while True:
            try:
                self.context.retrying(attempt)
            except _TooSlow:
                continue
            return found

    def _attempt(self, prepared: Prepared, throttle: Throttle, started: float) -> bool:
        sender = self.context.sender
        bounds = self._bounds(prepared.key)
        if bounds is None:
            return False
        moved = self.progress.moved(bounds)
        step = prepared.step(bounds)
        claim = Step(self._claim("running", moved))
        before = [*map(Step, (BEGIN, *as_login(sender.job))), claim, *map(Step, (*_BACK, _PLANNED))]
        counted = [Step(command) for command in (throttle.counting(),) if command]
        sender.send(*before, step, Step(CONSTRAINTS, self.statement), *counted, Step(COMMIT))
        seconds = time.monotonic() - started
        self.size.took(seconds, full=bounds.full)
        self.progress = moved.took(step.rows, seconds)
        throttle.hear(claim)
        if counted and throttle.make_way(int(counted[0].shown[0][0] or 0)):
            self.size.halve()
        return True

    def _bounds(self, key: Key) -> Bounds | None:
        try:
            return key.next_bounds(self.connection, self.progress.position, self.size.rows)
        except psycopg.Error as error:
            raise failed(self.context.sender, self.statement, error) from None

    def _claim(self, state: str, moved: Progress) -> Command:
        """Return the command that moves the progress on from where this run has left it."""
        job, schema = self.context.sender.job, self.context.options.schema
        number, found, token = self.statement.number, moved.written(), self.progress.token
        return history.journal_claim(schema, job.migration_id, job.operation, number, state, found, token)

    def _smaller(self, error: ExecutionError, seconds: float) -> None:
        """Halve the batches behind a lock that was not granted, a deadlock, or a statement that took too long."""
        if error.server is None:
            return
        could = self.size.halve()
        if error.server.sqlstate == CANCELED and could and self._is_timed_out(seconds):
            raise _TooSlow

    def _is_timed_out(self, seconds: float) -> bool:
        """Tell a statement_timeout from somebody's cancel: PostgreSQL has one SQLSTATE for both."""
        query = b"SELECT setting FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) 'statement_timeout'"
        row = self.connection.execute(query).fetchone()
        limit = int(row[0]) if row else 0
        return 0 < limit <= seconds * 1000

    def _require_lock(self) -> None:
        try:
            self.context.hold()
        except ConnectionFailed as error:
            job = self.context.sender.job
            hint = f"the batches before stay; `sqlmigrate {job.operation}` goes on behind them"
            raise error.replaced(hint=hint) from None


class _TooSlow(Exception):
    """A batch ran into the statement_timeout."""
