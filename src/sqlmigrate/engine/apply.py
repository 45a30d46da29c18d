"""Run plans: the run lock around them, a fresh look at the history under it, one script after the other."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate import history, runlock
from sqlmigrate.connection import connect, probe, require_writable, session, settle
from sqlmigrate.engine.execute import Listener
from sqlmigrate.engine.retry import with_retry
from sqlmigrate.engine.stepwise import Stepper
from sqlmigrate.engine.transactional import (
    apply_job,
    commit,
    first_of_many,
    lost,
    next_of_many,
    require_together,
    rollback_job,
    run_in_transaction,
    run_job,
    undo,
)
from sqlmigrate.errors import ConnectionFailed, Error, ExecutionError, HistoryError
from sqlmigrate.events import Ran, ScriptFinished, ScriptStarted, ignore
from sqlmigrate.sql.preflight import require_runnable
from sqlmigrate.watch import Watcher, wait_until_gone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlmigrate.connection import Connection, ServerInfo
    from sqlmigrate.engine.session import Options
    from sqlmigrate.engine.transactional import Job
    from sqlmigrate.events import Observer
    from sqlmigrate.history import History, Run
    from sqlmigrate.migrations import Migration
    from sqlmigrate.plan import Plan
    from sqlmigrate.sql.script import Script

    Planner = Callable[[History], Plan]
    Gate = Callable[[ServerInfo, Plan], None]
    Jobs = Callable[[Migration, History, Run], Job]

_SETTLED_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Result:
    """What was done: `ran` is in the order in which it ran, `plan` what was to be done."""

    plan: Plan
    ran: tuple[Ran, ...] = ()


def apply(conninfo: str, planner: Planner, options: Options, *, gate: Gate, observer: Observer = ignore) -> Result:
    """Apply what the planner finds pending, each script in one transaction with its history row.

    `gate` is called once with the server and the plan before anything is written; it raises to stop. Raises
    ExecutionError at the first failing script: what ran before it stays, and its own transaction leaves nothing.
    A script outside a transaction that stopped half way goes on where it stopped.
    """

    def jobs(migration: Migration, _: History, run: Run) -> Job:
        return apply_job(migration, options, run)

    return _run(conninfo, planner, options, gate, observer, jobs)


def preview(conninfo: str, planner: Planner, options: Options, *, gate: Callable[[ServerInfo], None]) -> Plan:
    """Give what `apply` would run, after the same checks, and change nothing."""
    with session(conninfo) as connection:
        gate(probe(connection))
        plan = planner(history.read(connection, options.schema))
    require_runnable(_scripts(plan))
    return plan


def rollback(conninfo: str, planner: Planner, options: Options, *, gate: Gate, observer: Observer = ignore) -> Result:
    """Roll back what the planner names, as `apply` does forward."""

    def jobs(migration: Migration, found: History, run: Run) -> Job:
        half_way = found.get(migration.migration_id) is None
        return rollback_job(migration, _rollback_script(migration), options, run, half_way=half_way)

    return _run(conninfo, planner, options, gate, observer, jobs)


def _rollback_script(migration: Migration) -> Script:
    if migration.rollback is None:  # pragma: no cover  plan_rollback has refused it
        raise HistoryError(f"{migration.migration_id} has no rollback script")
    return migration.rollback


def _run(conninfo: str, planner: Planner, options: Options, gate: Gate, observer: Observer, jobs: Jobs) -> Result:
    with session(conninfo) as connection:
        info = probe(connection)
        require_writable(info)
        plan = planner(history.read(connection, options.schema))
        if plan.steps:
            settle(connection)  # the question and the run lock may take longer than the login may be idle
        gate(info, plan)
        if not plan.steps:
            return Result(plan)
        require_runnable(_scripts(plan))
        with locked(conninfo, connection, options, observer) as (lock, found):
            steps = _still_planned(plan, planner(found))
            worker = _Worker(conninfo, connection, info, options, observer, lock, found)
            if options.single_transaction:
                ran = worker.run_together(steps, plan.operation, jobs)
            else:
                ran = worker.run_each(steps, plan.operation, jobs)
    return Result(plan, tuple(ran))


@dataclass(slots=True)
class _Worker:
    """The session that runs the scripts, with what it needs to know."""

    conninfo: str
    connection: Connection
    info: ServerInfo
    options: Options
    observer: Observer
    lock: runlock.RunLock
    found: History

    def run_each(self, steps: Sequence[Migration], operation: str, jobs: Jobs) -> list[Ran]:
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
                self._one(jobs(migration, self.found, run), run, watcher)
            except ExecutionError as error:
                error.done = tuple(item.migration_id for item in ran)
                raise
            seconds = time.monotonic() - started
            self.observer(ScriptFinished(migration.migration_id, operation, seconds))
            ran.append(Ran(migration.migration_id, operation, seconds))
        return ran

    def _one(self, job: Job, run: Run, watcher: Watcher) -> None:
        listener = Listener(job.migration_id, job.script, self.observer, idle=watcher.look)

        def in_transaction() -> None:
            run_job(self.connection, job, self.options, self.info, listener, look_up=lambda: self._look_up(job))

        if job.transactional:
            self._retrying(in_transaction, job.migration_id, watcher)
            return
        stopped = self.found.stopped(job.migration_id)
        stepper = Stepper(self.connection, job, self.options, self.info, run, listener, stopped)
        stepper.retrying = lambda work: self._retrying(work, job.migration_id, watcher)
        stepper.resume_at = self.options.resume_at
        stepper.go()

    def _look_up(self, job: Job) -> bool | None:
        """Ask the history whether a job whose COMMIT had no answer happened; None where that cannot be known yet."""
        try:
            other = connect(self.conninfo)
            with other:
                if not wait_until_gone(other, self.info.backend_pid, seconds=_SETTLED_SECONDS):
                    return None
                applied = history.is_applied(other, self.options.schema, job.migration_id)
                return applied if job.operation == "apply" else not applied
        except (ConnectionFailed, psycopg.Error):
            return None

    def run_together(self, steps: Sequence[Migration], operation: str, jobs: Jobs) -> list[Ran]:
        """Run all scripts in one transaction: all of them or nothing."""
        run = history.Run()
        started = time.monotonic()
        work = [jobs(migration, self.found, run) for migration in steps]
        require_together(work)
        watcher = Watcher(self.lock.connection, self.info.backend_pid, self.observer)

        def everything() -> None:
            for number, job in enumerate(work, 1):
                self.observer(ScriptStarted(job.migration_id, operation, number, len(work)))
                watcher.begin(job.migration_id)
                listener = Listener(job.migration_id, job.script, self.observer, idle=watcher.look)
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


@contextmanager
def locked(
    conninfo: str, connection: Connection, options: Options, observer: Observer
) -> Iterator[tuple[runlock.RunLock, History]]:
    """Hold the run lock, with the history tables in place and freshly read."""
    wait = options.wait_lock / 1000
    with runlock.held(conninfo, options.schema, wait=wait, observer=observer, worker=connection) as lock:
        found = history.read(connection, options.schema)
        history.install(connection, options.schema, found)
        yield lock, found


def _scripts(plan: Plan) -> list[tuple[Script, bool]]:
    if plan.operation == "apply":
        return [(migration.script, migration.transactional) for migration in plan.steps]
    return [(item.rollback, item.rollback_transactional) for item in plan.steps if item.rollback]


def _still_planned(agreed: Plan, fresh: Plan) -> Sequence[Migration]:
    """Keep to what was agreed on: another run may have been at work while we asked or waited."""
    known = [migration.migration_id for migration in agreed.steps]
    now = [migration.migration_id for migration in fresh.steps]
    changed = set(now) - set(known) if agreed.operation == "apply" else now != known
    if changed:
        raise HistoryError(
            "another run changed the history in the meantime, so the plan is not the same any more; nothing was run",
            hint="look at `sqlmigrate status`, then run the command again",
        )
    return fresh.steps
