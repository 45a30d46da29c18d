"""Run plans: the run lock around them, a fresh look at the history under it, one script after the other."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate import history, runlock
from sqlmigrate.connection import probe, require_writable, session
from sqlmigrate.engine.retry import with_retry
from sqlmigrate.engine.transactional import apply_job, rollback_job, run_job
from sqlmigrate.errors import ExecutionError, HistoryError
from sqlmigrate.events import Ran, ScriptFinished, ScriptStarted, ignore
from sqlmigrate.sql.script import require_runnable

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


@dataclass(frozen=True, slots=True)
class Result:
    """What was done: `ran` is in the order in which it ran, `plan` what was to be done."""

    plan: Plan
    ran: tuple[Ran, ...] = ()


def apply(conninfo: str, planner: Planner, options: Options, *, gate: Gate, observer: Observer = ignore) -> Result:
    """Apply what the planner finds pending, each script in one transaction with its history row.

    `gate` is called once with the server and the plan before anything is written; it raises to stop. Raises
    ExecutionError at the first failing script: what ran before it stays, and its own transaction leaves nothing.
    """

    def job(migration: Migration, run: Run) -> Job:
        return apply_job(migration, options, run)

    return _run(conninfo, planner, options, gate, observer, job)


def preview(conninfo: str, planner: Planner, options: Options, *, gate: Callable[[ServerInfo], None]) -> Plan:
    """Give what `apply` would run, after the same checks, and change nothing."""
    with session(conninfo) as connection:
        gate(probe(connection))
        plan = planner(history.read(connection, options.schema))
    require_runnable(_scripts(plan))
    return plan


def rollback(conninfo: str, planner: Planner, options: Options, *, gate: Gate, observer: Observer = ignore) -> Result:
    """Roll back what the planner names, as `apply` does forward."""

    def job(migration: Migration, run: Run) -> Job:
        return rollback_job(migration, _rollback_script(migration), options, run)

    return _run(conninfo, planner, options, gate, observer, job)


def _rollback_script(migration: Migration) -> Script:
    if migration.rollback is None:  # pragma: no cover  plan_rollback has refused it
        raise HistoryError(f"{migration.migration_id} has no rollback script")
    return migration.rollback


def _run(
    conninfo: str,
    planner: Planner,
    options: Options,
    gate: Gate,
    observer: Observer,
    job: Callable[[Migration, Run], Job],
) -> Result:
    with session(conninfo) as connection:
        info = probe(connection)
        require_writable(info)
        plan = planner(history.read(connection, options.schema))
        gate(info, plan)
        if not plan.steps:
            return Result(plan)
        require_runnable(_scripts(plan))
        with locked(conninfo, connection, options, observer) as (lock, found):
            steps = _still_planned(plan, planner(found))
            ran: list[Ran] = []
            run = history.Run()
            for number, migration in enumerate(steps, 1):
                lock.require()
                observer(ScriptStarted(migration.migration_id, plan.operation, number, len(steps)))
                try:
                    seconds = _timed(connection, job(migration, run), options, info, observer)
                except ExecutionError as error:
                    error.done = tuple(item.migration_id for item in ran)
                    raise
                observer(ScriptFinished(migration.migration_id, plan.operation, seconds))
                ran.append(Ran(migration.migration_id, plan.operation, seconds))
    return Result(plan, tuple(ran))


def _timed(connection: Connection, job: Job, options: Options, info: ServerInfo, observer: Observer) -> float:
    start = time.monotonic()
    with_retry(
        lambda: run_job(connection, job, options, info, observer),
        migration_id=job.migration_id,
        budget=options.lock_budget / 1000,
        observer=observer,
    )
    return time.monotonic() - start


@contextmanager
def locked(
    conninfo: str, connection: Connection, options: Options, observer: Observer
) -> Iterator[tuple[runlock.RunLock, History]]:
    """Hold the run lock, with the history tables in place and freshly read."""
    with runlock.held(conninfo, options.schema, wait=options.wait_lock / 1000, observer=observer) as lock:
        found = history.read(connection, options.schema)
        history.install(connection, options.schema, found)
        yield lock, found


def _scripts(plan: Plan) -> list[Script]:
    if plan.operation == "apply":
        return [migration.script for migration in plan.steps]
    return [migration.rollback for migration in plan.steps if migration.rollback]


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
