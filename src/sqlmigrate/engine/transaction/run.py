"""Run one script and its history row in one transaction: one round trip, and one for the COMMIT of the last."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
from psycopg import pq

from sqlmigrate import history
from sqlmigrate.connection import Purpose, be_patient, server_message
from sqlmigrate.connection.silence import NOT_KNOWN
from sqlmigrate.engine.transaction.commit import State, Turn, commit
from sqlmigrate.engine.wire.execute import error_place, run_steps
from sqlmigrate.engine.wire.pipeline import Step
from sqlmigrate.engine.wire.session import (
    BACK_TO_LOGIN,
    CLEARED,
    CONSTRAINTS,
    NO_CURSORS,
    OURS,
    PRISTINE,
    back_to_script,
    begin,
    script_role,
    search_path,
    set_role,
    settings,
    within_tenant,
)
from sqlmigrate.errors import Error, ExecutionError, HistoryError
from sqlmigrate.sql.advice import advice
from sqlmigrate.sql.statement.effect import sets_transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlmigrate.connection import Command, Connection, ServerInfo
    from sqlmigrate.engine.transaction.job import Job
    from sqlmigrate.engine.wire.execute import Listener
    from sqlmigrate.engine.wire.pipeline import Exchange
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.errors import Place, ServerMessage

_UNIQUE_VIOLATION, _DIVISION_BY_ZERO, _ACTIVE_TRANSACTION = "23505", "22012", "25001"
# a table, column or right that is gone, a trigger, or what a CHECK or rule of somebody else's says
_CHANGED = ("42", "3F", "39", "P0", "23", "55")
_LOCKED = "55P03"  # somebody else keeps a lock on a table
_OF_THE_CONNECTION = "08"  # a class of SQLSTATE
_ISOLATION = "write `-- sqlmigrate: isolation=LEVEL` in the first lines: the history row is written before the script"


def run_job(connection: Connection, job: Job, options: Options, info: ServerInfo, listener: Listener) -> None:
    """Run a job from BEGIN to COMMIT; raises ExecutionError, and then nothing of it is left in the database."""
    try:
        turn = Turn((job,), listener)
        turn.begin()
        back = back_to_script(job.script, options)
        run_in_transaction(connection, turn, job, opening(job, options, info), listener, back=back)
        turn.ran_through()
        commit(connection, turn)
    except Error:
        undo(connection)
        raise


def run_in_transaction(
    connection: Connection,
    turn: Turn,
    job: Job,
    first: Iterable[Step],
    listener: Listener,
    *,
    end: Command | None = CONSTRAINTS,
    back: Iterable[Command] = (),
    settled: Callable[[], bool] = lambda: False,
) -> None:
    """Run one job of a turn, its claim, script and finish, in the transaction that `first` begins; it stays open.

    Where the COMMIT of the turn before goes along, and fails, nothing of the job is run. `end` is None where another
    script follows in the same transaction. `back` is what comes last of all. `settled` tells of a lost connection
    whether the server's side of it is known to have ended.
    """
    ended = (end, NO_CURSORS) if end else ()
    leave = (turn.leave,) if end and turn.leave else ()
    after = [Step(command) for command in (*ended, *BACK_TO_LOGIN, *leave, *job.finish, *back)]
    try:
        exchange = _exchange(connection, turn, _steps(job, first, after), listener)
    except psycopg.OperationalError as error:
        if not connection.closed:
            raise  # from the caller's observer, not from this connection
        raise lost(job, error, settled=settled) from None
    if exchange.error is not None and exchange.failed is not None:
        raise failure(job, exchange.failed, exchange.error)
    if connection.info.transaction_status != pq.TransactionStatus.INTRANS:
        raise ExecutionError(
            "the script ended the transaction that protects it; what it did before that may be in the database",
            migration_id=job.migration_id,
            place=job.place,
            kept=True,
        )
    if any(step.rows != 1 for step in after if step.purpose is Purpose.COMPLETE):
        raise ExecutionError(
            "the script, or a trigger on the history, has removed its row from there, so it was rolled back",
            migration_id=job.migration_id,
            place=job.place,
            hint="nothing else may change the history's tables; see `sqlmigrate unmark`",
        )
    turn.flushes = not any(step.rows for step in after if step.purpose is Purpose.FLUSH)


def _exchange(connection: Connection, turn: Turn, steps: Iterator[Step], listener: Listener) -> Exchange:
    """Run the steps of a job; the turn begins when that before it, whose COMMIT is among them, is confirmed."""
    before = turn.before

    def finished(step: Step) -> None:
        if before is not None:
            before.answered(step)
            if before.state is State.CONFIRMED:
                turn.begin()
        listener.rows(step)

    try:
        exchange = run_steps(connection, steps, listener, finished)
    except psycopg.OperationalError:
        if connection.closed and before is not None and before.state is not State.CONFIRMED:
            raise before.lost() from None
        raise
    except KeyboardInterrupt as stop:
        raise before.interrupted(connection, stop) if before is not None else stop from None
    if before is not None:
        before.require_committed(exchange)
    return exchange


def opening(job: Job, options: Options, info: ServerInfo, *, before: Turn | None = None) -> Iterator[Step]:
    """Begin the transaction of a script, or of several, behind the COMMIT of the turn before, where that goes along.

    With no SYNC between the two, PostgreSQL skips all that follows where the COMMIT fails.
    """
    committing = before.to_commit() if before else []
    yield from committing
    yield Step(PRISTINE)
    if not committing:
        yield Step(None)
    yield Step(begin(job.script))
    yield from _set_up(job, options, info, before.to_confirm() if before else ())


def going_on(job: Job, options: Options, info: ServerInfo) -> Iterator[Step]:
    """Clear the session for the next script in the same transaction, where DISCARD ALL cannot be used."""
    yield from map(Step, CLEARED)
    yield from _set_up(job, options, info)


def _set_up(job: Job, options: Options, info: ServerInfo, confirm: Iterable[Step] = ()) -> Iterator[Step]:
    yield Step(OURS)
    yield Step(settings(job.script_run, options, info))
    yield from map(Step, job.trusted)
    yield from confirm
    yield Step(job.claim)
    yield Step(search_path(job.script, options))
    if role := script_role(job.script, options):
        yield Step(set_role(role))
    yield from map(Step, within_tenant(options))


def _steps(job: Job, first: Iterable[Step], after: list[Step]) -> Iterator[Step]:
    yield from first
    for statement in job.script.statements():
        yield Step(job.command(statement), statement)
    yield from after


def undo(connection: Connection) -> None:
    """Roll back without hiding the error that brought us here; closing the session would roll back as well."""
    with suppress(psycopg.Error):
        if connection.info.transaction_status != pq.TransactionStatus.IDLE:
            connection.rollback()
            be_patient(connection)  # the pause before another attempt may be longer than the login may be idle


def failure(job: Job, step: Step, error: psycopg.Error) -> Error:
    """Make the error of a step: the script's, with its place, or one of our own commands'."""
    said = server_message(error.diag, str(error))
    if step.statement is None:
        return _own_failure(job, step.purpose, said)
    is_late = said.sqlstate == _ACTIVE_TRANSACTION and sets_transaction(step.statement.text)
    return ExecutionError(
        said.message,
        hint=_ISOLATION
        if job.transactional and is_late
        else own_tables_named(job, said) or advice(said.sqlstate, step.statement.text, transactional=job.transactional),
        migration_id=job.migration_id,
        server=said,
        statement=step.statement.number,
        place=error_place(job.script, step.statement, error.diag),
    )


_LEFT_BEHIND = (
    "if rows of the history came from elsewhere, such as by logical replication, its sequences were left behind: "
    "run the command once as the role that owns the tables, which moves them on"
)


_TENANT = "GRANT USAGE ON SCHEMA to the role of the script; or take the tenant from the list of targets"


def _own_failure(job: Job, purpose: Purpose | None, said: ServerMessage) -> Error:
    """Say what it means when a command of ours fails rather than one of the script."""
    if own := _own_finding(job, purpose, said):
        return own
    message, hint = said.message, None
    place: Place | None = job.place
    match purpose:
        case Purpose.CONSTRAINTS:
            message += " (found at the end of the script, where deferred constraints are checked)"
        case Purpose.SHARED_CONSTRAINTS:
            message += " (found at the end of the transaction that these scripts share)"
            place = None
        case Purpose.ROLE:
            message = f"the role of the script could not be taken on: {message}"
        case Purpose.SETTINGS:
            message = f"the settings of the script could not be made: {message}"
        case _:
            message = f"the history row could not be written: {message}"
            is_changed = (said.sqlstate or "").startswith(_CHANGED) and said.sqlstate != _LOCKED
            hint = _leave_out(job) if is_changed else None
            hint = _LEFT_BEHIND if said.sqlstate == _UNIQUE_VIOLATION and "_seq_" in said.message else hint
    return ExecutionError(message, migration_id=job.migration_id, server=said, place=place, hint=hint)


def _own_finding(job: Job, purpose: Purpose | None, said: ServerMessage) -> Error | None:
    """Say what a command of ours has found out that is made to fail then; None where it failed for something else."""
    if purpose is Purpose.CLAIM and said.sqlstate == _UNIQUE_VIOLATION:
        return HistoryError(f"{job.migration_id} was applied by another run in the meantime; nothing was done twice")
    if said.sqlstate != _DIVISION_BY_ZERO:
        return None
    match purpose:
        case Purpose.CLAIM:
            return HistoryError(f"{job.migration_id} is no longer applied; another run has rolled it back")
        case Purpose.PROGRESS:
            message = f"another run has gone on with {job.migration_id} meanwhile, or has ended it; this one stops"
            return HistoryError(message, hint="no batch was done twice: `sqlmigrate status` shows where it stands")
        case Purpose.TENANT:
            message = "the script would find other schemas than its tenant's, which is gone, or its role may not use it"
            return ExecutionError(message, migration_id=job.migration_id, place=job.place, hint=_TENANT)
        case Purpose.TRUST:
            message = f"the tables of the history can no longer be trusted, so {job.migration_id} was not recorded"
            return HistoryError(message, hint="somebody has just changed them: `sqlmigrate status` says how")
        case Purpose.UNTOUCHED | Purpose.COMPLETE | Purpose.LOG:
            message = "the script changed what sqlmigrate's own tables do: no later run would trust them"
            return ExecutionError(message, migration_id=job.migration_id, place=job.place, hint=_leave_out(job))
        case _:
            return None


def own_tables_named(job: Job, said: ServerMessage) -> str | None:
    """Return what to do where an error of a script names tables of our own: it works on every table that it finds."""
    text = " ".join(filter(None, (said.message, said.detail, said.context)))
    return _leave_out(job) if job.schema and history.names_ours(text, job.schema) else None


def _leave_out(job: Job) -> str | None:
    """Say whose tables they are; nothing where there is no history."""
    if job.schema is None:
        return None
    return f"schema {job.schema} holds sqlmigrate's own tables: change the script so that it leaves them out"


def lost(job: Job, error: psycopg.OperationalError, *, settled: Callable[[], bool] = lambda: False) -> ExecutionError:
    """Report that the connection went away under a script; what the server has not said itself is looked up.

    An error of class 08 is about the connection, so it may be the last word of a pooler.
    """
    is_known = not (error.sqlstate or _OF_THE_CONNECTION).startswith(_OF_THE_CONNECTION) or settled()
    return ExecutionError(
        f"the connection was lost while the script ran: {str(error).strip().splitlines()[0]}",
        migration_id=job.migration_id,
        place=job.place,
        hint="PostgreSQL has rolled the script back; run the command again" if is_known else NOT_KNOWN,
        kept=not is_known,
    )
