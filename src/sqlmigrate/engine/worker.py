"""The worker: one session that runs the scripts of a plan, each in its own way."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate import history
from sqlmigrate.connection import connect
from sqlmigrate.engine.execute import Listener
from sqlmigrate.engine.journal import Sender, found_journal
from sqlmigrate.engine.outside import Outside
from sqlmigrate.engine.retry import with_retry
from sqlmigrate.engine.stepwise import Stepper
from sqlmigrate.engine.transactional import (
    commit,
    first_of_many,
    job_for,
    lost,
    next_of_many,
    require_together,
    run_in_transaction,
    run_job,
    undo,
)
from sqlmigrate.errors import ConnectionFailed, Error, ExecutionError
from sqlmigrate.events import Ran, ScriptFinished, ScriptStarted
from sqlmigrate.watch import Watcher, wait_until_gone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlmigrate import runlock
    from sqlmigrate.connection import Connection, ServerInfo
    from sqlmigrate.engine.session import Options
    from sqlmigrate.engine.transactional import Job
    from sqlmigrate.events import Observer
    from sqlmigrate.history import History, Run
    from sqlmigrate.migrations import Migration

_SETTLED_SECONDS = 10.0


@dataclass(slots=True)
class Worker:
    """The session that runs the scripts, with what it needs to know."""

    conninfo: str
    connection: Connection
    info: ServerInfo
    options: Options
    observer: Observer
    lock: runlock.RunLock
    found: History

    def run_each(self, steps: Sequence[Migration], operation: str) -> list[Ran]:
        """Run the scripts one after the other, each with a COMMIT of its own."""
        ran: list[Ran] = []
        run = history.Run()
        watcher = Watcher(self.lock.connection, self.info.backend_pid, self.observer)
        for number, migration in enumerate(steps, 1):
            self.lock.require()
            self.observer(ScriptStarted(migration.migration_id, operation, number, len(steps)))
            watcher.begin(migration.migration_id)
            started = time.monotonic()
            try:
                self._one(job_for(migration, operation, self.found, self.options, run), run, watcher)
            except ExecutionError as error:
                error.done = tuple(item.migration_id for item in ran)
                raise
            seconds = time.monotonic() - started
            self.observer(ScriptFinished(migration.migration_id, operation, seconds))
            ran.append(Ran(migration.migration_id, operation, seconds))
        return ran

    def _one(self, job: Job, run: Run, watcher: Watcher) -> None:
        listener = self._listener(job, watcher)

        def in_transaction() -> None:
            run_job(self.connection, job, self.options, self.info, listener, look_up=lambda: self._look_up(job))

        if job.transactional:
            self._retrying(in_transaction, job.migration_id, watcher)
            return
        self._step_by_step(job, run, listener, watcher)

    def _listener(self, job: Job, watcher: Watcher) -> Listener:
        return Listener(job.migration_id, job.script, self.observer, idle=watcher.look, patient=self.info.pooled)

    def _step_by_step(self, job: Job, run: Run, listener: Listener, watcher: Watcher) -> None:
        stopped = self.found.stopped(job.migration_id)
        if stopped is not None and stopped.operation == job.operation:
            resumed = history.log(self.options.schema, job.migration_id, "resume", run, journalled=True)
            job = replace(job, finish=(*job.finish, *resumed))
        sender = Sender(self.connection, job, listener)
        journal = found_journal(self.options.schema, job, run, stopped)

        def retrying(work: Callable[[], None]) -> None:
            self._retrying(work, job.migration_id, watcher)

        resume_at = self.options.resume_at if journal.entries else None
        outside = Outside(sender, journal, retrying, resume_at)
        Stepper(sender, journal, outside, self.options, self.info, retrying, self._afterwards, resume_at).go()

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
        try:
            with connect(self.conninfo) as other:
                if not wait_until_gone(other, self.info.backend_pid, seconds=_SETTLED_SECONDS):
                    return None
                return history.read(other, self.options.schema)
        except (ConnectionFailed, psycopg.Error):
            return None

    def run_together(self, steps: Sequence[Migration], operation: str) -> list[Ran]:
        """Run all scripts in one transaction: all of them or nothing."""
        run = history.Run()
        started = time.monotonic()
        work = [job_for(migration, operation, self.found, self.options, run) for migration in steps]
        require_together(work)
        watcher = Watcher(self.lock.connection, self.info.backend_pid, self.observer)

        def everything() -> None:
            for number, job in enumerate(work, 1):
                self.observer(ScriptStarted(job.migration_id, operation, number, len(work)))
                watcher.begin(job.migration_id)
                listener = self._listener(job, watcher)
                begin_or_go_on = first_of_many if number == 1 else next_of_many
                run_in_transaction(self.connection, job, begin_or_go_on(job, self.options, self.info), listener)
            self.lock.require()
            commit(self.connection, work[-1], listener, lambda: self._look_up(work[-1]))

        def whole() -> None:
            try:
                everything()
            except psycopg.OperationalError as error:
                raise lost(work[0], error) from None
            except Error:
                undo(self.connection)
                raise

        self._retrying(whole, steps[0].migration_id, watcher)
        seconds = time.monotonic() - started
        for job in work:
            self.observer(ScriptFinished(job.migration_id, operation, seconds))
        return [Ran(job.migration_id, operation, seconds) for job in work]

    def _retrying(self, work: Callable[[], None], migration_id: str, watcher: Watcher) -> None:
        with_retry(
            work,
            migration_id=migration_id,
            budget=self.options.lock_budget / 1000,
            observer=self.observer,
            blockers=lambda: watcher.blockers,
        )
