"""Run one script and its history row in one transaction: one round trip, and one for the COMMIT of the last."""

from __future__ import annotations

from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING

import psycopg
from psycopg import pq

from sqlmigrate import history
from sqlmigrate.connection import be_patient, server_message
from sqlmigrate.connection.silence import NOT_KNOWN
from sqlmigrate.engine.transaction.commit import Uncommitted, commit
from sqlmigrate.engine.wire.execute import error_place, run_steps
from sqlmigrate.engine.wire.pipeline import Step
from sqlmigrate.engine.wire.session import (
    BACK_TO_LOGIN,
    CLEARED,
    CONSTRAINTS,
    NO_CURSORS,
    OURS,
    PRISTINE,
    SETTINGS,
    SHARED_CONSTRAINTS,
    back_to_script,
    begin,
    script_role,
    search_path,
    set_role,
    settings,
)
from sqlmigrate.errors import Error, ExecutionError, HistoryError
from sqlmigrate.sql.advice import advice
from sqlmigrate.sql.scan import leading_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlmigrate.connection import Command, Connection, ServerInfo
    from sqlmigrate.engine.transaction.job import Job
    from sqlmigrate.engine.wire.execute import Listener
    from sqlmigrate.engine.wire.pipeline import Exchange
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.errors import ServerMessage

_UNIQUE_VIOLATION, _DIVISION_BY_ZERO, _ACTIVE_TRANSACTION = "23505", "22012", "25001"
# a table, column or right that is gone, a trigger, or what a CHECK or rule of somebody else's says
_CHANGED = ("42", "3F", "39", "P0", "23", "55")
_ISOLATION = "write `-- sqlmigrate: isolation=LEVEL` in the first lines: the history row is written before the script"


def run_job(connection: Connection, job: Job, options: Options, info: ServerInfo, listener: Listener) -> None:
    """Run a job from BEGIN to COMMIT; raises ExecutionError, and then nothing of it is left in the database."""
    try:
        back = back_to_script(job.script, options)
        run_in_transaction(connection, job, opening(job, options, info), listener, back=back)
        commit(connection, Uncommitted((job,), listener))
    except Error:
        undo(connection)
        raise


def run_in_transaction(
    connection: Connection,
    job: Job,
    before: Iterable[Step],
    listener: Listener,
    *,
    behind: Uncommitted | None = None,
    end: Command | None = CONSTRAINTS,
    back: Iterable[Command] = (),
    settled: Callable[[], bool] = lambda: False,
) -> None:
    """Run a job's claim, script and finish in the transaction that `before` begins; it stays open.

    The COMMIT of the script `behind` which it comes goes out first; where that fails, nothing of the job is run.
    `end` is None where another script follows in the same transaction. `back` is what comes last of all. `settled`
    tells of a lost connection whether the server's side of it is known to have ended.
    """
    ended = (end, NO_CURSORS) if end else ()
    after = [Step(command) for command in (*ended, *BACK_TO_LOGIN, *job.finish, *back)]
    try:
        exchange = _exchange(connection, _steps(job, before, after), listener, behind)
    except psycopg.OperationalError as error:
        if not connection.closed:
            raise  # of somebody who listens
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
    if any(step.rows != 1 for step in after if job.counted is not None and step.command is job.counted):
        raise ExecutionError(
            "the script removed its own row from the history, so it was rolled back",
            migration_id=job.migration_id,
            place=job.place,
            hint="a migration must not touch the history's tables; see `sqlmigrate unmark`",
        )


def _exchange(
    connection: Connection, steps: Iterator[Step], listener: Listener, behind: Uncommitted | None
) -> Exchange:
    """Run the steps of a job, behind the COMMIT of the one before."""

    def finished(step: Step) -> None:
        if behind is not None:
            behind.finished(step)
        listener.rows(step)

    try:
        exchange = run_steps(connection, chain(behind.to_commit() if behind else [], steps), listener, finished)
    except psycopg.OperationalError:
        if connection.closed and behind is not None and not behind.confirmed:
            raise behind.lost() from None
        raise
    if behind is not None:
        behind.require_committed(exchange)
    return exchange


def opening(job: Job, options: Options, info: ServerInfo, *, behind: Uncommitted | None = None) -> Iterator[Step]:
    """Begin the transaction of a script, or of several; where a COMMIT goes out before it, that can stop it."""
    yield Step(PRISTINE)
    if behind is None or behind.committed:
        yield Step(None)
    yield Step(begin(job.script))
    yield from _set_up(job, options, info, behind.to_confirm() if behind else ())


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


def _steps(job: Job, before: Iterable[Step], after: list[Step]) -> Iterator[Step]:
    yield from before
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
        return _own_failure(job, step.command, said)
    is_late = said.sqlstate == _ACTIVE_TRANSACTION and leading_words(step.statement.text, 2) == ["set", "transaction"]
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


def _own_failure(job: Job, command: Command | None, said: ServerMessage) -> Error:
    """Say what it means when a command of ours fails rather than one of the script."""
    if command is job.claim and said.sqlstate == _UNIQUE_VIOLATION:
        return HistoryError(f"{job.migration_id} was applied by another run in the meantime; nothing was done twice")
    if command in job.trusted and said.sqlstate == _DIVISION_BY_ZERO:
        message = f"the tables of the history are not to be trusted any more, so {job.migration_id} was not recorded"
        return HistoryError(message, hint="somebody has just changed them: `sqlmigrate status` says how")
    if command is job.claim and said.sqlstate == _DIVISION_BY_ZERO:
        return HistoryError(f"{job.migration_id} is not applied any more; another run has rolled it back")
    if command in job.finish and said.sqlstate == _DIVISION_BY_ZERO:
        message = "the script changed what sqlmigrate's own tables do: no later run would trust them"
        return ExecutionError(message, migration_id=job.migration_id, place=job.place, hint=_leave_out(job))
    message = f"the history row could not be written: {said.message}"
    if command is CONSTRAINTS:
        message = f"{said.message} (found at the end of the script, where deferred constraints are checked)"
    elif command is SHARED_CONSTRAINTS:
        message = f"{said.message} (found at the end of the transaction that these scripts share)"
        return ExecutionError(message, migration_id=job.migration_id, server=said)
    elif command is not None and command.sql.startswith("SET ROLE"):
        message = f"the role of the script could not be taken on: {said.message}"
    elif command is not None and command.sql.startswith(SETTINGS):
        message = f"the settings of the script could not be made: {said.message}"
    else:
        hint = _leave_out(job) if (said.sqlstate or "").startswith(_CHANGED) else None
        return ExecutionError(message, migration_id=job.migration_id, server=said, place=job.place, hint=hint)
    return ExecutionError(message, migration_id=job.migration_id, server=said, place=job.place)


def own_tables_named(job: Job, said: ServerMessage) -> str | None:
    """Give what to do where an error of a script names tables of our own: it works on every table that it finds."""
    text = " ".join(filter(None, (said.message, said.detail, said.context)))
    return _leave_out(job) if job.schema and history.names_ours(text, job.schema) else None


def _leave_out(job: Job) -> str | None:
    """Say whose tables they are; nothing where there is no history."""
    if job.schema is None:
        return None
    return f"schema {job.schema} holds sqlmigrate's own tables: have the script leave them out"


def lost(job: Job, error: psycopg.OperationalError, *, settled: Callable[[], bool] = lambda: False) -> ExecutionError:
    """Report that the connection went away under a script; what the server has not said itself is looked up."""
    is_known = error.sqlstate is not None or settled()
    return ExecutionError(
        f"the connection was lost while the script ran: {str(error).strip().splitlines()[0]}",
        migration_id=job.migration_id,
        place=job.place,
        hint="PostgreSQL has rolled the script back; run the command again" if is_known else NOT_KNOWN,
        kept=not is_known,
    )
