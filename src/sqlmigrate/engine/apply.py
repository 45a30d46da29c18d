"""Run plans: the run lock around them, a fresh look at the history under it, one script after the other."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlmigrate import history
from sqlmigrate.connection import probe, require_writable, session
from sqlmigrate.connection.poolers import settle_writer
from sqlmigrate.errors import HistoryError
from sqlmigrate.events import Ran, ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlmigrate import runlock
    from sqlmigrate.connection import Connection, ServerInfo
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.history import History
    from sqlmigrate.migrations import Migration
    from sqlmigrate.plan import Plan

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
    A script outside a transaction that stopped half way goes on where it stopped.
    """
    return _run(conninfo, planner, options, gate, observer)


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be done, on which server, and the history that says so."""

    plan: Plan
    info: ServerInfo
    found: History


def preview(conninfo: str, planner: Planner, options: Options, *, gate: Callable[[ServerInfo], None]) -> Preview:
    """Give what would run, after the same checks, and change nothing."""
    with session(conninfo) as connection:
        info = probe(connection)
        gate(info)
        found = history.read(connection, options.schema, owners=options.history_owners)
        plan = _looked_around(connection, planner(found), found, options)
    _require_runnable(plan)
    return Preview(plan, info, found)


def rollback(conninfo: str, planner: Planner, options: Options, *, gate: Gate, observer: Observer = ignore) -> Result:
    """Roll back what the planner names, as `apply` does forward."""
    return _run(conninfo, planner, options, gate, observer)


def _run(conninfo: str, planner: Planner, options: Options, gate: Gate, observer: Observer) -> Result:
    with session(conninfo) as connection:
        info = probe(connection)
        require_writable(info)
        found = history.read(connection, options.schema, owners=options.history_owners, writing=True)
        plan = _looked_around(connection, planner(found), found, options)
        if plan.steps:
            # the question and the run lock may take longer than the login may be idle
            settle_writer(conninfo, connection, info)
        gate(info, plan)
        if not plan.steps:
            return Result(plan)
        from sqlmigrate.engine.worker import Worker  # noqa: PLC0415  most calls find nothing to do

        _require_runnable(plan)
        with locked(conninfo, connection, options, observer) as (lock, found):
            steps = _still_planned(plan, planner(found))
            worker = Worker(conninfo, connection, info, options, observer, lock, found)
            run = worker.run_together if options.single_transaction else worker.run_each
            ran = run(steps, plan.operation)
    return Result(plan, tuple(ran))


def _looked_around(connection: Connection, plan: Plan, found: History, options: Options) -> Plan:
    """Note, before the first run in a database, what other tools have done there."""
    if found.version is not None or plan.operation != "apply" or not plan.steps:
        return plan
    from sqlmigrate.engine.takeover import require_new  # noqa: PLC0415  once in the life of a database

    return replace(plan, notes=(*plan.notes, *require_new(connection, options, plan)))


@contextmanager
def locked(
    conninfo: str, connection: Connection, options: Options, observer: Observer
) -> Iterator[tuple[runlock.RunLock, History]]:
    """Hold the run lock, with the history tables in place and freshly read."""
    from sqlmigrate import runlock  # noqa: PLC0415  most calls find nothing to do

    wait = options.wait_lock / 1000
    with runlock.held(conninfo, options.schema, wait=wait, observer=observer, worker=connection) as lock:
        found = history.read(connection, options.schema, owners=options.history_owners)
        yield lock, history.install(connection, options.schema, found, owners=options.history_owners)


def _require_runnable(plan: Plan) -> None:
    from sqlmigrate.sql.preflight import require_runnable  # noqa: PLC0415  most calls find nothing to do

    require_runnable(plan.script_of(item) for item in plan.steps)


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
