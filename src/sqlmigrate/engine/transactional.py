"""Run one script and its history row in one transaction, in two round trips."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import pq

from sqlmigrate import history
from sqlmigrate.connection import Command, server_message
from sqlmigrate.engine import pipeline
from sqlmigrate.engine.session import BACK_TO_LOGIN, PRISTINE, begin, script_role, set_role, settings
from sqlmigrate.errors import Error, ExecutionError, HistoryError, Place
from sqlmigrate.events import Notice, NoticesLeftOut

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from psycopg.errors import Diagnostic

    from sqlmigrate.connection import Connection, ServerInfo
    from sqlmigrate.engine.session import Options
    from sqlmigrate.errors import ServerMessage
    from sqlmigrate.events import Observer
    from sqlmigrate.history import Run
    from sqlmigrate.migrations import Migration
    from sqlmigrate.sql.script import Script, Statement

NOTICES_SHOWN = 20
"""Notices of one statement that are passed on whole; of the others only the count is."""

_UNIQUE_VIOLATION, _DIVISION_BY_ZERO = "23505", "22012"
_BLOCK_LINE = re.compile(r"inline_code_block line (\d+)")
_BODY_START = re.compile(r"\$[A-Za-z_0-9\x80-\U0010ffff]*\$|'")


@dataclass(frozen=True, slots=True)
class Job:
    """A script with the commands of ours around it; `claim` may fail where another run was faster."""

    migration_id: str
    script: Script
    claim: Command
    finish: tuple[Command, ...]
    counted: Command | None = None


@dataclass(frozen=True, slots=True)
class _Step:
    """One command of the pipeline, and the statement of the script that it is, if any."""

    command: Command | None
    statement: Statement | None = None


def apply_job(migration: Migration, options: Options, run: Run) -> Job:
    """Describe how a migration is applied: claimed first, completed and logged after the script."""
    script = migration.script
    finish = history.finish_claim(options.schema, migration, run)
    log = _log(migration.migration_id, "apply", script, options, run)
    claim = history.claim(options.schema, migration.migration_id)
    return Job(migration.migration_id, script, claim, (finish, *log), counted=finish)


def rollback_job(migration: Migration, script: Script, options: Options, run: Run) -> Job:
    """Describe how a migration is rolled back: taken out of the history first, logged after the script."""
    log = _log(migration.migration_id, "rollback", script, options, run)
    return Job(migration.migration_id, script, history.unclaim(options.schema, migration.migration_id), tuple(log))


def _log(migration_id: str, operation: str, script: Script, options: Options, run: Run) -> list[Command]:
    return history.log(
        options.schema,
        migration_id,
        operation,
        run,
        script_role=script_role(script, options),
        digests=(script.checksum, script.sha256),
    )


def run_job(connection: Connection, job: Job, options: Options, info: ServerInfo, observer: Observer) -> None:
    """Run a job from BEGIN to COMMIT; raises ExecutionError, and then nothing of it is left in the database."""
    steps = _steps(job, options, info)
    exchange = pipeline.Exchange()
    try:
        with _notices(connection, job, steps, exchange, observer):
            pipeline.run(connection, [step.command for step in steps], exchange)
        if exchange.error is not None:
            raise _failure(job, steps[exchange.failed or 0], exchange.error)
        _require_intact(connection, job, steps, exchange)
        _commit(connection, job)
    except psycopg.OperationalError as error:
        raise _lost(job, error) from None
    except Error:
        _undo(connection)
        raise


def _steps(job: Job, options: Options, info: ServerInfo) -> list[_Step]:
    script = job.script
    before = [begin(script), settings(script, options, info, f"sqlmigrate: {job.migration_id}"), job.claim]
    if role := script_role(script, options):
        before.append(set_role(role))
    return [
        _Step(PRISTINE),
        _Step(pipeline.SYNC),
        *map(_Step, before),
        *(_Step(Command(statement.text), statement) for statement in script.statements()),
        *map(_Step, (*BACK_TO_LOGIN, *job.finish)),
        _Step(pipeline.SYNC),
    ]


def _require_intact(connection: Connection, job: Job, steps: Sequence[_Step], exchange: pipeline.Exchange) -> None:
    """Make sure that the transaction is still ours and the claim still there before it is committed."""
    if connection.info.transaction_status != pq.TransactionStatus.INTRANS:
        raise ExecutionError(
            "the script ended the transaction that protects it; what it did before that may be in the database",
            migration_id=job.migration_id,
            place=Place(job.script.path),
        )
    counted = next((at for at, step in enumerate(steps) if step.command is job.counted and job.counted), None)
    if counted is not None and exchange.rows.get(counted) != 1:
        raise ExecutionError(
            "the script removed its own row from the history, so it was rolled back",
            migration_id=job.migration_id,
            place=Place(job.script.path),
            hint="a migration must not touch the history's tables; see `sqlmigrate unmark`",
        )


def _commit(connection: Connection, job: Job) -> None:
    try:
        tag = connection.execute("COMMIT").statusmessage
    except psycopg.OperationalError as error:
        if connection.closed:
            raise ExecutionError(
                "the connection was lost at COMMIT: whether the script is applied, only the history can tell",
                migration_id=job.migration_id,
                place=Place(job.script.path),
                hint="`sqlmigrate status` looks it up; whichever it is, it is whole",
            ) from None
        raise _at_commit(job, error) from None
    except psycopg.Error as error:
        raise _at_commit(job, error) from None
    if tag != "COMMIT":
        raise ExecutionError("PostgreSQL rolled the transaction back at COMMIT", migration_id=job.migration_id)


def _at_commit(job: Job, error: psycopg.Error) -> ExecutionError:
    """Report what PostgreSQL found only at COMMIT, such as a deferred constraint."""
    said = server_message(error.diag, str(error))
    message = f"{said.message} (found at COMMIT)"
    return ExecutionError(message, migration_id=job.migration_id, server=said, place=Place(job.script.path))


def _undo(connection: Connection) -> None:
    """Roll back without hiding the error that brought us here; closing the session would roll back as well."""
    with suppress(psycopg.Error):
        if connection.info.transaction_status != pq.TransactionStatus.IDLE:
            connection.execute("ROLLBACK")


def _failure(job: Job, step: _Step, error: psycopg.Error) -> Error:
    said = server_message(error.diag, str(error))
    if step.statement is None:
        return _own_failure(job, step, said)
    place = _place(job.script, step.statement, error.diag)
    return ExecutionError(
        said.message,
        migration_id=job.migration_id,
        server=said,
        statement=step.statement.number,
        place=place,
    )


def _own_failure(job: Job, step: _Step, said: ServerMessage) -> Error:
    """Say what it means when a command of ours fails rather than one of the script."""
    if step.command is job.claim and said.sqlstate == _UNIQUE_VIOLATION:
        return HistoryError(f"{job.migration_id} was applied by another run in the meantime; nothing was done twice")
    if step.command is job.claim and said.sqlstate == _DIVISION_BY_ZERO:
        return HistoryError(f"{job.migration_id} is not applied any more; another run has rolled it back")
    what = "the history row could not be written"
    if step.command is not None and step.command.sql.startswith("SET ROLE"):
        what = "the role of the script could not be taken on"
    return ExecutionError(
        f"{what}: {said.message}", migration_id=job.migration_id, server=said, place=Place(job.script.path)
    )


def _place(script: Script, statement: Statement, diag: Diagnostic) -> Place:
    """Find where in the file an error is: the server's position, a line of a DO block, else the statement's start."""
    if diag.statement_position:
        return script.place(statement.offset + int(diag.statement_position) - 1)
    inner = _BLOCK_LINE.search(diag.context or "")
    if inner and (body := _BODY_START.search(statement.text)):
        lines = statement.text[body.start() :].split("\n")
        number = int(inner[1])
        if 1 < number <= len(lines):
            skipped = sum(len(line) + 1 for line in lines[: number - 1])
            indent = len(lines[number - 1]) - len(lines[number - 1].lstrip())
            return script.place(statement.offset + body.start() + skipped + indent)
    return script.place(statement.offset)


def _lost(job: Job, error: psycopg.OperationalError) -> ExecutionError:
    return ExecutionError(
        f"the connection was lost while the script ran: {str(error).strip().splitlines()[0]}",
        migration_id=job.migration_id,
        place=Place(job.script.path),
        hint="PostgreSQL has rolled the script back; run the command again",
    )


@contextmanager
def _notices(
    connection: Connection, job: Job, steps: Sequence[_Step], exchange: pipeline.Exchange, observer: Observer
) -> Iterator[None]:
    """Pass on what the server says beside results, each with the statement that it belongs to."""
    seen: Counter[int] = Counter()

    def statement_place(index: int) -> Place | None:
        statement = steps[index].statement if index < len(steps) else None
        return job.script.place(statement.offset) if statement else None

    def handler(diag: Diagnostic) -> None:
        index = exchange.current
        seen[index] += 1
        if seen[index] <= NOTICES_SHOWN:
            observer(Notice(job.migration_id, server_message(diag), statement_place(index)))

    connection.add_notice_handler(handler)
    try:
        yield
    finally:
        connection.remove_notice_handler(handler)
        for index, count in seen.items():
            if count > NOTICES_SHOWN:
                observer(NoticesLeftOut(job.migration_id, count - NOTICES_SHOWN, statement_place(index)))
