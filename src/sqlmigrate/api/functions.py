"""The functions of `sqlmigrate.api`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sqlmigrate import connection, engine, events, seeds
from sqlmigrate import plan as planning
from sqlmigrate.api.arguments import SCHEMA, Time, checked, conninfo, own_errors, read_files, run_options, sound
from sqlmigrate.migrations import Migrations, load
from sqlmigrate.plan import ApplyRequest, RollbackRequest
from sqlmigrate.seeds import SeedResult, SeedSet, require_accepted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlmigrate.config import Order
    from sqlmigrate.connection import Gate, ServerInfo
    from sqlmigrate.engine import Options, Result
    from sqlmigrate.plan import Plan, Request, Status

needs_attention = checked(planning.needs_attention)


@checked
def read(directory: str | Path, *, order: Order = "name") -> Migrations:
    """Read a folder of migrations, without a database; their order is that of the names, or `natural`.

    Raises MigrationsError, whose `problems` hold everything that is wrong with the files.
    """
    return load(Path(directory), order=order)


@checked
def read_seeds(directory: str | Path, *, env: str | None = None) -> SeedSet:
    """Read a folder of seed files and check each with its JSON Schema, without a database.

    Raises SeedError, whose `problems` hold everything that is wrong with the files.
    """
    return seeds.load(Path(directory), env)


@checked
def status(
    database: str,
    migrations: str | Path | Migrations,
    *,
    history_schema: str = SCHEMA,
    history_owners: Sequence[str] = (),
) -> tuple[Status, ...]:
    """List every migration: the applied ones as they were applied, then the pending ones as they will run.

    It takes no lock, writes nothing, and works on a standby too. `needs_attention` tells which of them are pending,
    edited, missing or half way. Raises HistoryError where the history cannot be read, and ConnectionFailed.
    """
    found = read_files(migrations)
    options = run_options(history_schema=history_schema, history_owners=history_owners)
    with own_errors(), connection.session(conninfo(database)) as session:
        connection.probe(session)
        return tuple(engine.states(session, found, options)[0])


@checked
def plan(
    database: str,
    migrations: str | Path | Migrations,
    *,
    to: str | None = None,
    steps: int | None = None,
    phase: str | None = None,
    allow_out_of_order: bool = False,
    history_schema: str = SCHEMA,
    history_owners: Sequence[str] = (),
) -> Plan:
    """Return what `apply` would run with the same arguments, after the same checks; nothing is written.

    Raises what `apply` raises before its first script.
    """
    found = read_files(migrations)
    request = ApplyRequest(migrations=found, to=to, steps=steps, phase=phase, allow_out_of_order=allow_out_of_order)
    return _plan(database, request, run_options(history_schema=history_schema, history_owners=history_owners))


@checked
def plan_rollback(
    database: str,
    migrations: str | Path | Migrations,
    *,
    to: str | None = None,
    steps: int | None = None,
    everything: bool = False,
    include_marked: Iterable[str] = (),
    recorded: bool = False,
    history_schema: str = SCHEMA,
    history_owners: Sequence[str] = (),
) -> Plan:
    """Return what `rollback` would run with the same arguments, after the same checks; nothing is written.

    Raises what `rollback` raises before its first script.
    """
    request = RollbackRequest(
        migrations=read_files(migrations),
        to=to,
        steps=steps,
        everything=everything,
        include_marked=tuple(include_marked),
        recorded=recorded,
    )
    return _plan(database, request, run_options(history_schema=history_schema, history_owners=history_owners))


@checked
def plan_as_sql(
    database: str,
    migrations: str | Path | Migrations,
    *,
    to: str | None = None,
    steps: int | None = None,
    phase: str | None = None,
    allow_out_of_order: bool = False,
    role: str | None = None,
    search_path: str | None = None,
    lock_timeout: Time = "2s",
    statement_timeout: Time = 0,
    history_schema: str = SCHEMA,
    history_owners: Sequence[str] = (),
) -> str:
    """Return what `apply` would run as one script for `psql -X -f`, which leaves the same database and history.

    It stops where the history has changed since. Raises what `plan` raises, and HistoryError where a script stopped
    half way: that one has to be finished first.
    """
    found = read_files(migrations)
    request = ApplyRequest(migrations=found, to=to, steps=steps, phase=phase, allow_out_of_order=allow_out_of_order)
    options = run_options(
        role=role,
        search_path=search_path,
        lock_timeout=lock_timeout,
        statement_timeout=statement_timeout,
        history_schema=history_schema,
        history_owners=history_owners,
    )
    return _as_sql(database, request, options)


@checked
def plan_rollback_as_sql(
    database: str,
    migrations: str | Path | Migrations,
    *,
    to: str | None = None,
    steps: int | None = None,
    everything: bool = False,
    include_marked: Iterable[str] = (),
    recorded: bool = False,
    role: str | None = None,
    search_path: str | None = None,
    lock_timeout: Time = "2s",
    statement_timeout: Time = 0,
    history_schema: str = SCHEMA,
    history_owners: Sequence[str] = (),
) -> str:
    """Return what `rollback` would run as one script for `psql -X -f`, as `plan_as_sql` does for `apply`."""
    request = RollbackRequest(
        migrations=read_files(migrations),
        to=to,
        steps=steps,
        everything=everything,
        include_marked=tuple(include_marked),
        recorded=recorded,
    )
    options = run_options(
        role=role,
        search_path=search_path,
        lock_timeout=lock_timeout,
        statement_timeout=statement_timeout,
        history_schema=history_schema,
        history_owners=history_owners,
    )
    return _as_sql(database, request, options)


@checked
def apply(
    database: str,
    migrations: str | Path | Migrations,
    *,
    to: str | None = None,
    steps: int | None = None,
    phase: str | None = None,
    allow_out_of_order: bool = False,
    single_transaction: bool = False,
    exact: bool = False,
    resume_at: int | None = None,
    role: str | None = None,
    search_path: str | None = None,
    lock_timeout: Time = "2s",
    lock_budget: Time = "10min",
    statement_timeout: Time = 0,
    wait_lock: Time = "5min",
    max_waiters: int = 0,
    max_block: Time = 0,
    max_lag: Time = 0,
    durable: str = "end",
    history_schema: str = SCHEMA,
    history_owners: Sequence[str] = (),
    observer: events.Observer = events.ignore,
) -> Result:
    """Apply what is pending: all of it, up to and with the id `to`, or the next `steps`.

    `phase` stops before the first migration of the other phase, `before-deploy` or `after-deploy`. Each script runs
    in one transaction together with its history row, all of them in one with `single_transaction`. Every script is
    checked before the first one runs. A script outside a transaction that stopped half way goes on where it
    stopped, or at its statement number `resume_at`. `allow_out_of_order` applies migrations that are older than
    applied ones, and `exact` refuses a database to which a newer release has applied more than there are files.

    `lock_timeout` is how long a statement waits for a lock inside PostgreSQL (not 0), `lock_budget` how long a script
    is tried again after that, `statement_timeout` ends a statement that takes longer (0: no limit), `wait_lock` is how
    long to wait for another run (0: not at all). Where more than `max_waiters` sessions wait behind a script, or one
    for longer than `max_block`, it is cancelled and tried again; the next one begins once no standby lags by more than
    `max_lag` (0: no limit). With `durable="each"` every COMMIT waits until it is durable; with
    `"end"` those of a run of several may leave that to a later one: all is durable when the call comes back or raises.

    Raises MigrationsError or HistoryError where files and history do not fit, UsageError for an id that is not there,
    RunLockBusy, and ConnectionFailed. Raises ExecutionError at the first script that fails. The `done` of an error
    names what was applied before it and stays. LockBudgetSpent left nothing of its script behind, and HalfWayError is
    a script outside a transaction that the next call goes on with.
    """
    request = ApplyRequest(
        migrations=read_files(migrations),
        to=to,
        steps=steps,
        phase=phase,
        allow_out_of_order=allow_out_of_order,
        single_transaction=single_transaction,
        exact=exact,
        resume_at=resume_at,
    )
    options = run_options(
        role=role,
        search_path=search_path,
        lock_timeout=lock_timeout,
        lock_budget=lock_budget,
        statement_timeout=statement_timeout,
        wait_lock=wait_lock,
        max_waiters=max_waiters,
        max_block=max_block,
        max_lag=max_lag,
        durable=durable,
        history_schema=history_schema,
        history_owners=history_owners,
    )
    return _run(database, request, options, observer)


@checked
def rollback(
    database: str,
    migrations: str | Path | Migrations,
    *,
    to: str | None = None,
    steps: int | None = None,
    everything: bool = False,
    include_marked: Iterable[str] = (),
    recorded: bool = False,
    resume_at: int | None = None,
    accept_loss: bool = False,
    role: str | None = None,
    search_path: str | None = None,
    lock_timeout: Time = "2s",
    lock_budget: Time = "10min",
    statement_timeout: Time = 0,
    wait_lock: Time = "5min",
    max_waiters: int = 0,
    max_block: Time = 0,
    max_lag: Time = 0,
    durable: str = "end",
    history_schema: str = SCHEMA,
    history_owners: Sequence[str] = (),
    observer: events.Observer = events.ignore,
) -> Result:
    """Roll back in the reverse order of application: the last migration, the last `steps`, or `everything`.

    With `to`, all that was applied after that id, which stays. A migration that was marked, not applied, is a floor:
    it and what lies below it stay unless its id is in `include_marked`; a note of the plan says so. `recorded` takes a
    rollback script that is missing or was edited as it was recorded at apply. The other options are those of `apply`.

    Where data would be lost (`losses` of `plan_rollback`), it raises LossNotAccepted before anything runs, unless
    `accept_loss` is true. Raises what `apply` raises; MigrationsError also where a rollback script is missing or was
    edited, or where an applied migration depends on one that would go.
    """
    request = RollbackRequest(
        migrations=read_files(migrations),
        to=to,
        steps=steps,
        everything=everything,
        include_marked=tuple(include_marked),
        recorded=recorded,
        resume_at=resume_at,
    )
    options = run_options(
        role=role,
        search_path=search_path,
        lock_timeout=lock_timeout,
        lock_budget=lock_budget,
        statement_timeout=statement_timeout,
        wait_lock=wait_lock,
        max_waiters=max_waiters,
        max_block=max_block,
        max_lag=max_lag,
        durable=durable,
        history_schema=history_schema,
        history_owners=history_owners,
    )
    return _run(database, request, options, observer, gate=connection.allow if accept_loss else _keeping)


@checked
def seed(
    database: str,
    data: str | Path | SeedSet,
    *,
    prune: bool = False,
    accept_loss: bool = False,
    accept_rows: int | None = None,
    role: str | None = None,
    lock_timeout: Time = "2s",
    lock_budget: Time = "10min",
    statement_timeout: Time = 0,
    wait_lock: Time = "5min",
    history_schema: str = SCHEMA,
    history_owners: Sequence[str] = (),
    observer: events.Observer = events.ignore,
) -> SeedResult:
    """Insert and update the rows of a folder of seed files, in one transaction; rows that are right are not written.

    With `prune`, rows that no file names are deleted or changed, in tables whose schema says so. Where other rows go
    with them, LossNotAccepted is raised unless `accept_loss` is true; where a file has no rows, unless `accept_rows` is
    the number of rows that are deleted or changed in all.

    Every file is checked before the database is touched. Raises SeedError, whose `problems` hold what is wrong with
    files, tables or rows, LockBudgetSpent, RunLockBusy and ConnectionFailed; nothing was written then.
    """
    options = run_options(
        role=role,
        lock_timeout=lock_timeout,
        lock_budget=lock_budget,
        statement_timeout=statement_timeout,
        wait_lock=wait_lock,
        history_schema=history_schema,
        history_owners=history_owners,
    )
    found = data if isinstance(data, SeedSet) else read_seeds(data)
    accepted = accept_loss if accept_rows is None else accept_rows
    with own_errors():
        return seeds.run(
            conninfo(database),
            found,
            role=options.role,
            lock_timeout=options.lock_timeout,
            statement_timeout=options.statement_timeout,
            lock_budget=options.lock_budget,
            wait_lock=options.wait_lock,
            observer=observer,
            accept=partial(require_accepted, accepted=accepted, option="accept_rows={}") if prune else None,
            history_schema=options.schema,
            history_owners=options.history_owners,
        )


def _plan(database: str, request: Request, options: Options) -> Plan:
    with own_errors():
        return engine.preview(conninfo(database), sound(request), options).plan


def _as_sql(database: str, request: Request, options: Options) -> str:
    from sqlmigrate.engine.as_psql.plan import written  # noqa: PLC0415  few ask for it

    with own_errors():
        return "".join(written(engine.preview(conninfo(database), sound(request), options), options))


def _run(
    database: str, request: Request, options: Options, observer: events.Observer, gate: Gate[Plan] = connection.allow
) -> Result:
    with own_errors():
        return engine.run(conninfo(database), sound(request), options, gate=gate, observer=observer)


def _keeping(_: ServerInfo, made: Plan, /) -> None:
    """Refuse a plan that takes something away."""
    planning.require_none(made.losses, hint="accept_loss=True accepts it")
