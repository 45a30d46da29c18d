"""Run plans: the run lock around them, a fresh look at the history under it, one script after the other."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlmigrate import history, queries
from sqlmigrate.connection import allow, probe, require_writable, session
from sqlmigrate.connection.poolers import settle_writer
from sqlmigrate.errors import ConnectionFailed, Error, HistoryError
from sqlmigrate.plan import NO_PLAN, State, edited, make, status, texts_needed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlmigrate import runlock
    from sqlmigrate.connection import Connection, Gate, ServerInfo
    from sqlmigrate.connection.early import Early
    from sqlmigrate.connection.silence import Session
    from sqlmigrate.engine.attempts import Attempts
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import BatchesOfOthers, Observer, Ran
    from sqlmigrate.history import History
    from sqlmigrate.migrations import Migration, Migrations
    from sqlmigrate.plan import Plan, Request, Status
    from sqlmigrate.runlock.blockers import Watcher


@dataclass(frozen=True, slots=True)
class Result:
    """What was done: `ran` is in the order in which it ran, `plan` what was to be done, `before` the history before."""

    plan: Plan
    ran: tuple[Ran, ...] = ()
    before: History = field(default_factory=history.History, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be done, on which server, and the history that says so."""

    plan: Plan
    info: ServerInfo
    found: History


def preview(
    conninfo: str, request: Request, options: Options, *, gate: Gate[Request] = allow, early: Early | None = None
) -> Preview:
    """Return what `run` would do, after the same checks, and change nothing.

    `gate` is called once with the server and the request before anything is planned; it raises to stop.
    """
    with session(conninfo, early=early) as connection:
        info, found = _looked(connection, options, early)
        gate(info, request)
        _require_tenant(connection, options)
        if found is None:
            found = history.read(connection, options.schema, owners=options.history_owners)
        plan = planned(connection, replace(request, outcome=NO_PLAN), found, options)
        plan = _looked_around(connection, plan, found, options)
        plan = with_losses(connection, require_conditions(connection, plan, options, NO_PLAN), options)
    _require_runnable(plan)
    return Preview(plan, info, found)


def look(early: Early, options: Options) -> None:
    """Have a session that is being opened ask at once what a run asks first, with the same options."""

    def question(connection: Connection) -> tuple[Options, ServerInfo, History]:
        info = probe(connection)
        return options, info, history.read(connection, options.schema, owners=options.history_owners)

    early.ask(question)


def _looked(connection: Connection, options: Options, early: Early | None) -> tuple[ServerInfo, History | None]:
    """Return what `look` has found; else ask who and where we are, and no more."""
    found = early.answer(connection) if early is not None else None
    if found is None or found[0] != options:
        return probe(connection), None
    return found[1], found[2]


def run(
    conninfo: str,
    request: Request,
    options: Options,
    *,
    gate: Gate[Plan] = allow,
    observer: Observer | None = None,
    early: Early | None = None,
    after: Callable[[runlock.RunLock | None], object] | None = None,
    as_run: history.Run | None = None,
) -> Result:
    """Apply or roll back what is asked for, each script in one transaction with its history row.

    `gate` is called once with the server and the plan before anything is written; it raises to stop. Raises what
    `plan.make` raises, and ExecutionError at the first failing script: what ran before it stays, and its own
    transaction leaves nothing. A script outside a transaction that stopped half way goes on where it stopped.
    A session that is being opened `early` is used, with what it was to `look` at. What is done is recorded as a new
    run, or `as_run`: a run of many databases comes back to one under the same id. `after` is called when all scripts
    have run, under the same run lock, or without one where there was nothing to run.
    """
    with session(conninfo, early=early) as connection:
        info, found = _looked(connection, options, early)
        require_writable(info)
        _require_tenant(connection, options)
        if found is None:
            found = history.read(connection, options.schema, owners=options.history_owners, writing=True)
        plan = _looked_around(connection, planned(connection, request, found, options), found, options)
        plan = with_losses(connection, require_conditions(connection, plan, options, request.outcome), options)
        if plan.steps:
            # the question and the run lock may take longer than the login may be idle
            settle_writer(conninfo, connection, info)
        gate(info, plan)
        if not plan.steps:
            _do_after(after, None)
            return Result(plan, before=found)
        from sqlmigrate import runlock  # noqa: PLC0415  most calls find nothing to do

        with runlock.opened_early(conninfo, connection) as opened:
            from sqlmigrate.engine.attempts import Attempts  # noqa: PLC0415  as above, and while the session is opened
            from sqlmigrate.engine.worker import Worker  # noqa: PLC0415  same
            from sqlmigrate.events import ignore  # noqa: PLC0415  same

            observer = observer or ignore
            _require_runnable(plan)
            attempts = Attempts(options, plan, request.single_transaction, as_run or history.Run())
            observer = attempts.observing(observer)
            under = locked(conninfo, connection, info, options, observer, attempts, early=opened)
            with under as (lock, watcher, found):
                steps = _still_planned(plan, planned(connection, request, found, options))
                worker = Worker(
                    connection, info, options, observer, lock, watcher, found,
                    resume_at=request.resume_at, run=attempts.run,
                )  # fmt: skip
                go = worker.run_together if request.single_transaction else worker.run_each
                with attempts.kept():
                    ran = go(steps, plan.operation)
                if after is not None:
                    watcher.rest()
                    _do_after(after, lock, ran)
    return Result(plan, tuple(ran), found)


def _do_after(
    after: Callable[[runlock.RunLock | None], object] | None, lock: runlock.RunLock | None, ran: Sequence[Ran] = ()
) -> None:
    """Do what was to be done behind the scripts; where it fails, that says which of them are applied."""
    if after is None:
        return
    try:
        after(lock)
    except Error as error:
        raise error.replaced(done=tuple(item.migration_id for item in ran)) from None


def elsewhere(connection: Connection, found: History, options: Options) -> tuple[str, ...]:
    """Say, where there is no history, which others of ours there are, so that "pending" deceives nobody."""
    if found.version is not None:
        return ()
    from sqlmigrate.engine.takeover import our_others  # noqa: PLC0415  once in the life of a database

    return tuple(our_others(connection, options))


def states(connection: Connection, migrations: Migrations, options: Options) -> tuple[list[Status], History]:
    """Read where each migration stands, the history that says so, and what runs now, without a lock."""
    from sqlmigrate.engine.running import with_running  # noqa: PLC0415  no other command asks

    _require_tenant(connection, options)
    seen, found = _standing(connection, migrations, options)
    now = with_running(connection, seen, options)
    if any(item.state is State.HALF_WAY for item in now):
        # its session may have finished the script between the two looks: what is half way behind both is so
        again, found = _standing(connection, migrations, options)
        still = {item.migration_id: item for item in now if item.running}
        now = [still.get(item.migration_id, item) for item in again]
    return now, found


def _standing(connection: Connection, migrations: Migrations, options: Options) -> tuple[list[Status], History]:
    found = history.read(connection, options.schema, owners=options.history_owners)
    found = _with_texts(connection, edited(migrations, found), found, options)
    return status(migrations, found), found


def _require_tenant(connection: Connection, options: Options) -> None:
    """Refuse a schema that is not there: names of its scripts would be looked up in those behind it."""
    if options.tenant is None:
        return
    [(is_there,)] = connection.execute(queries.load("connection")["schema_is_there"], [options.tenant]).fetchall()
    if not is_there:
        raise ConnectionFailed(
            f"schema {options.tenant} does not exist in database {connection.info.dbname}",
            hint="create it with its owner, or take it from the list of targets",
        )


def planned(connection: Connection, request: Request, found: History, options: Options) -> Plan:
    """Plan what is asked for, with the recorded scripts that it takes: read in one query, and mostly in none."""
    return make(request, _with_texts(connection, texts_needed(request, found), found, options))


def _looked_around(connection: Connection, plan: Plan, found: History, options: Options) -> Plan:
    """Note, where there is no history, which others there are: before the first run in a database, mostly."""
    if found.version is not None:
        return plan
    from sqlmigrate.engine.takeover import our_others, require_new  # noqa: PLC0415  once in the life of a database

    is_first = plan.operation == "apply" and plan.steps
    notes = require_new(connection, options, plan) if is_first else our_others(connection, options)
    return replace(plan, notes=(*plan.notes, *notes))


def require_conditions(connection: Connection, plan: Plan, options: Options, outcome: str) -> Plan:
    """Refuse a plan where what a script asks for with `unused-for` does not hold; note what was found where it does."""
    runs = plan.runs()
    if not any(run.script.directives.unused_for for run in runs):
        return plan
    from sqlmigrate.engine.wire.session import script_path, script_role  # noqa: PLC0415  few scripts ask for it
    from sqlmigrate.usage.condition import require_unused  # noqa: PLC0415  same
    from sqlmigrate.usage.looking import Condition  # noqa: PLC0415  same

    conditions = [
        Condition(run.script, script_role(run.script, options), script_path(run.script, options)) for run in runs
    ]
    return replace(plan, notes=(*plan.notes, *require_unused(connection, conditions, outcome)))


def with_losses(connection: Connection, plan: Plan, options: Options) -> Plan:
    """Look for what the scripts of a plan take away from the data: nothing is asked where no word of theirs does."""
    runs = plan.runs()
    if not runs:
        return plan
    from sqlmigrate.sql.statement.taking_words import may_take  # noqa: PLC0415  most calls find nothing to do

    suspects = [run.script for run in runs if run.script.refused is None and may_take(run.script)]
    if not suspects:
        return plan
    from sqlmigrate.sql.statement.takings import takes_something  # noqa: PLC0415  most scripts take nothing

    if not any(map(takes_something, suspects)):
        return plan
    from sqlmigrate.engine.losses.looking import losses_of  # noqa: PLC0415  most scripts take nothing

    readable = [run for run in runs if run.script.refused is None]
    return replace(plan, losses=losses_of(connection, readable, options))


def _with_texts(connection: Connection, ids: frozenset[str], found: History, options: Options) -> History:
    return history.with_texts(connection, options.schema, found, ids, owners=options.history_owners)


@contextmanager
def locked(
    conninfo: str,
    connection: Session,
    info: ServerInfo,
    options: Options,
    observer: Observer,
    attempts: Attempts | None = None,
    early: Early | None = None,
) -> Iterator[tuple[runlock.RunLock, Watcher, History]]:
    """Hold the run lock and watch the session from it, with the history tables in place and freshly read.

    That a run with `attempts` begins is written on the lock's connection meanwhile; `early` is that, being opened.
    """
    from sqlmigrate import runlock  # noqa: PLC0415  most calls find nothing to do
    from sqlmigrate.runlock.blockers import watched  # noqa: PLC0415  same

    def how_far() -> BatchesOfOthers | None:
        from sqlmigrate.engine.running import batches_of_others  # noqa: PLC0415  only who waits asks

        return batches_of_others(connection, options)

    wait = options.wait_lock / 1000
    with (
        runlock.held(
            conninfo, options.schema, wait=wait, observer=observer, worker=connection, how_far=how_far, early=early
        ) as lock,
        watched(conninfo, lock, connection, info.backend_pid, observer) as watcher,
    ):
        found = history.read(connection, options.schema, owners=options.history_owners)
        if attempts is not None:
            attempts.begin(watcher, found)
        found = history.install(connection, options.schema, found, owners=options.history_owners)
        if attempts is not None:
            attempts.begun(connection, found, observer)
        yield lock, watcher, found


def _require_runnable(plan: Plan) -> None:
    from sqlmigrate.migrations.preflight import require_runnable  # noqa: PLC0415  most calls find nothing to do
    from sqlmigrate.migrations.template import untouched  # noqa: PLC0415  same

    undos = [run for step in plan.steps if (run := step.back())] if plan.operation == "apply" else []
    require_runnable([*plan.runs(), *filter(untouched, undos)])


def _still_planned(agreed: Plan, fresh: Plan) -> Sequence[Migration]:
    """Keep to what was agreed on: another run may have been at work while we asked or waited."""
    known = [migration.migration_id for migration in agreed.steps]
    now = [migration.migration_id for migration in fresh.steps]
    changed = set(now) - set(known) if agreed.operation == "apply" else now != known
    if changed:
        raise HistoryError(
            "another run changed the history in the meantime, so the plan no longer fits; nothing was run",
            hint="look at `sqlmigrate status`, then run the command again",
        )
    return fresh.steps
