"""The worker: one session that runs the scripts of a plan, each in its own way."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate import history
from sqlmigrate.engine.retry import with_retry
from sqlmigrate.engine.stepwise.journal import Sender, found_journal
from sqlmigrate.engine.stepwise.outside import Outside
from sqlmigrate.engine.stepwise.stepper import Stepper
from sqlmigrate.engine.transaction.commit import Changes, Uncommitted, commit
from sqlmigrate.engine.transaction.job import Tally, job_for, require_together
from sqlmigrate.engine.transaction.run import going_on, opening, run_in_transaction, undo
from sqlmigrate.engine.wire.execute import Listener
from sqlmigrate.engine.wire.session import CONSTRAINTS, OURS, SHARED_CONSTRAINTS, back_to_script
from sqlmigrate.errors import ConnectionFailed, Error, ExecutionError
from sqlmigrate.events import Ran, ScriptFinished, ScriptStarted
from sqlmigrate.runlock.blockers import Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlmigrate import runlock
    from sqlmigrate.connection import ServerInfo
    from sqlmigrate.connection.silence import Session
    from sqlmigrate.engine.transaction.job import Job
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.history import History, Run
    from sqlmigrate.migrations import Migration

_OBJECT_IN_USE = "55006"  # what ALTER TABLE says of a table that has pending trigger events
_DEFERRED = (
    "rows of an earlier script may wait for deferred constraints: write SET CONSTRAINTS ALL IMMEDIATE at its end, "
    "or apply without --single-transaction"
)


@dataclass(slots=True)
class _Turn:
    """A script's turn in a run: the `number`th of `total`."""

    job: Job
    number: int
    total: int
    observer: Observer
    watcher: Watcher
    ran: list[Ran]
    _started: float = 0.0

    def begin(self) -> None:
        """Say that it begins."""
        self.observer(ScriptStarted(self.job.migration_id, self.job.operation, self.number, self.total))
        self.watcher.begin(self.job.migration_id)
        self._started = time.monotonic()

    def end(self) -> None:
        """Say that it is committed."""
        ran = Ran(self.job.migration_id, self.job.operation, time.monotonic() - self._started)
        self.observer(ScriptFinished(ran.migration_id, ran.operation, ran.seconds))
        self.ran.append(ran)


@dataclass(slots=True)
class Worker:
    """The session that runs the scripts, with what it needs to know.

    `resume_at` is the statement (1-based) at which a script that stopped half way goes on, where somebody knows better
    than the journal.
    """

    conninfo: str
    connection: Session
    info: ServerInfo
    options: Options
    observer: Observer
    lock: runlock.RunLock
    found: History
    resume_at: int | None = None
    watcher: Watcher = field(init=False)
    tally: Tally = field(init=False)

    def __post_init__(self) -> None:
        """Watch the session from the run lock's connection."""
        pid = self.info.backend_pid
        self.watcher = Watcher(self.conninfo, self.lock.connection, self.connection, pid, self.observer)
        self.connection.meanwhile = self.watcher.look
        self.tally = Tally(self.found)

    def run_each(self, steps: Sequence[Migration], operation: str) -> list[Ran]:
        """Run the scripts one after the other, each with a COMMIT of its own."""
        ran: list[Ran] = []
        run = history.Run()
        behind: Uncommitted | None = None
        try:
            for number, migration in enumerate(steps, 1):
                self._require_lock(behind)
                rows = self.tally.count(migration, operation)
                job = job_for(migration, operation, self.found, self.options, run, rows=rows)
                turn = _Turn(job, number, len(steps), self.observer, self.watcher, ran)
                behind = self._one(turn, run, behind)
            self._commit(behind)
        except Error as error:
            error.done = tuple(item.migration_id for item in ran)
            _name_operation(error, operation)
            raise
        return ran

    def _require_lock(self, behind: Uncommitted | None) -> None:
        """Go on under the run lock only; what is through is committed first, since its claim is its own."""
        try:
            self.lock.require()
        except ConnectionFailed:
            self._commit(behind)
            raise

    def _one(self, turn: _Turn, run: Run, behind: Uncommitted | None) -> Uncommitted | None:
        """Run a script; gives it back where only its COMMIT is left, which goes out with the next one."""
        job, listener = turn.job, self._listener(turn.job)
        if not self._goes_along(job):
            self._commit(behind)
            behind = None
        if behind is None:
            turn.begin()
        else:
            behind.then = turn.begin
        if job.transactional:
            self._retrying(lambda: self._through(job, listener, behind))
            return self._uncommitted((job,), listener, turn.end)
        try:
            self._step_by_step(job, run, listener)
        except KeyboardInterrupt as stop:
            stop.add_note(f"{job.migration_id} may have stopped half way: see `sqlmigrate status`")
            raise
        turn.end()
        return None

    def _goes_along(self, job: Job) -> bool:
        """Tell whether the COMMIT of the script before can go out in the same pipeline.

        A large script is read as it runs, and may be another one by then: it stops; old poolers answer before they hear
        more; and up to PostgreSQL 14.4 DISCARD ALL counts as the query after which no isolation level can be set.
        """
        if not job.transactional or self.info.pooled:
            return False
        return job.script.text is not None and job.script.directives.isolation is None

    def _through(self, job: Job, listener: Listener, behind: Uncommitted | None) -> None:
        """Run a script in its transaction, all but the COMMIT."""
        if behind is not None and behind.refused:
            self._whole(behind)
        if behind is not None and behind.confirmed:
            behind = None  # this is another attempt
        before = opening(job, self.options, self.info, behind=behind)
        back = back_to_script(job.script, self.options)
        with self._undoing():
            run_in_transaction(
                self.connection, job, before, listener, behind=behind, back=back, settled=self.watcher.ended
            )

    def _whole(self, last: Uncommitted) -> None:
        """Commit a script; where PostgreSQL refused that, for a lock that COMMIT takes, run it once more before."""
        if last.refused:
            last.refused = False
            self._through(last.job, last.listener, None)
        with self._undoing():
            commit(self.connection, last)

    def _commit(self, last: Uncommitted | None) -> None:
        if last is not None:
            self._retrying(lambda: self._whole(last))

    @contextmanager
    def _undoing(self) -> Iterator[None]:
        try:
            yield
        except Error:
            undo(self.connection)
            raise

    def _listener(self, job: Job) -> Listener:
        return Listener(job.script_run, self.observer, patient=self.info.pooled)

    def _step_by_step(self, job: Job, run: Run, listener: Listener) -> None:
        stopped = self.found.stopped(job.migration_id)
        if stopped is not None and stopped.operation == job.operation:
            resumed = history.log(self.options.schema, job.migration_id, "resume", run, journalled=True)
            job = replace(job, finish=(*job.finish, *resumed))
        sender = Sender(self.connection, job, listener)
        journal = found_journal(self.options.schema, job, run, stopped)

        resume_at = self.resume_at if journal.entries else None
        outside = Outside(sender, journal, self._retrying, resume_at)
        Stepper(sender, journal, outside, self.options, self.info, self._retrying, self._afterwards, resume_at).go()

    def _uncommitted(
        self, jobs: tuple[Job, ...], listener: Listener, told: Callable[[], None] = lambda: None
    ) -> Uncommitted:
        """Describe what is left of jobs that are through; the history should then say what it does by now."""
        ids = dict(self.tally.ids)
        look_up = partial(self._look_up, jobs[-1])
        return Uncommitted(jobs, listener, told, look_up=look_up, changes=lambda: self._changes(ids))

    def _changes(self, ids: Mapping[str, str]) -> Changes:
        """Compare the history with what it should say; what cannot be read now is left to `sqlmigrate status`."""
        try:
            undo(self.connection)
            self.connection.execute(OURS.sql.encode())
            found = history.read(self.connection, self.options.schema, owners=self.options.history_owners)
        except (psycopg.Error, Error):
            return Changes()
        now = Tally(found).ids
        gone = tuple(name for key, name in ids.items() if key not in now)
        return Changes(gone, tuple(name for key, name in now.items() if key not in ids))

    def _look_up(self, job: Job) -> bool | None:
        """Ask the history whether a job whose COMMIT had no answer happened; None where that cannot be known yet."""
        found = self._afterwards()
        if found is None:
            return None
        applied = found.get(job.migration_id) is not None
        if job.operation == "apply":
            return applied
        return not applied and found.stopped(job.migration_id) is None  # it may be of a script that stopped half way

    def _afterwards(self) -> History | None:
        """Read the history in another session once the lost one has ended; None where that cannot be done yet."""
        schema, owners = self.options.schema, self.options.history_owners
        return self.watcher.afterwards(lambda other: history.read(other, schema, owners=owners))

    def run_together(self, steps: Sequence[Migration], operation: str) -> list[Ran]:
        """Run all scripts in one transaction: all of them or nothing."""
        if not steps:
            return []
        run = history.Run()
        started = time.monotonic()
        rows = [self.tally.count(migration, operation) for migration in steps][-1]
        work = [job_for(item, operation, self.found, self.options, run, rows=rows) for item in steps]
        require_together(work)

        end = SHARED_CONSTRAINTS if len(work) > 1 else CONSTRAINTS

        def everything() -> None:
            for number, job in enumerate(work, 1):
                self.observer(ScriptStarted(job.migration_id, operation, number, len(work)))
                self.watcher.begin(job.migration_id)
                listener = self._listener(job)
                before = (opening if number == 1 else going_on)(job, self.options, self.info)
                is_last = job is work[-1]
                back = back_to_script(job.script, self.options) if is_last else []
                until, settled = end if is_last else None, self.watcher.ended
                run_in_transaction(self.connection, job, before, listener, end=until, back=back, settled=settled)
            self.lock.require()
            commit(self.connection, self._uncommitted(tuple(work), listener))

        def whole() -> None:
            with self._undoing():
                everything()

        try:
            self._retrying(whole)
        except ExecutionError as error:
            error.together = True
            _name_operation(error, operation)
            if error.server and error.server.sqlstate == _OBJECT_IN_USE:
                error.hint = _DEFERRED
            raise
        seconds = time.monotonic() - started
        for job in work:
            self.observer(ScriptFinished(job.migration_id, operation, seconds))
        return [Ran(job.migration_id, operation, seconds) for job in work]

    def _retrying(self, work: Callable[[], None]) -> None:
        with_retry(
            work,
            budget=self.options.lock_budget / 1000,
            observer=self.observer,
            blockers=lambda: self.watcher.blockers,
        )


def _name_operation(error: Error, operation: str) -> None:
    if isinstance(error, ExecutionError):
        error.operation = operation
