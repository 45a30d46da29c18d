"""Run one script and its history row in one transaction: one round trip, and one for the COMMIT of the last."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

import psycopg
from psycopg import pq

from sqlmigrate import history
from sqlmigrate.connection import Command, be_patient, server_message
from sqlmigrate.engine.execute import Listener, error_place, run_steps
from sqlmigrate.engine.pipeline import Step
from sqlmigrate.engine.session import (
    BACK_TO_LOGIN,
    CLEARED,
    COMMIT,
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
from sqlmigrate.errors import Error, ExecutionError, HistoryError, MigrationsError, Place, Problem, ScriptError
from sqlmigrate.sql.parse import Kind, classify
from sqlmigrate.sql.scan import leading_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlmigrate.connection import Connection, ServerInfo
    from sqlmigrate.engine.pipeline import Exchange
    from sqlmigrate.engine.session import Options
    from sqlmigrate.errors import ServerMessage
    from sqlmigrate.history import History, Run
    from sqlmigrate.migrations import Migration
    from sqlmigrate.sql.script import Script

_UNIQUE_VIOLATION, _DIVISION_BY_ZERO, _ACTIVE_TRANSACTION = "23505", "22012", "25001"
_ISOLATION = "write `-- sqlmigrate: isolation=LEVEL` in the first lines: the history row is written before the script"


@dataclass(frozen=True, slots=True)
class Job:
    """A script with the commands of ours around it.

    `claim` fails where another run was faster; `counted`, one of `finish`, must write one row; `confirm` fails where
    the history does not say what was done once it is committed. `undoable` says that
    what is applied has a rollback script, `recorded` that the text of a rollback script is, so that no other one runs,
    `half_way` that a rollback is of what stopped half way: it is not in the history, only in the journal.
    """

    migration_id: str
    operation: str
    script: Script
    transactional: bool
    claim: Command
    finish: tuple[Command, ...]
    counted: Command | None = None
    confirm: Command | None = None
    undoable: bool = False
    recorded: bool = False
    half_way: bool = False

    @property
    def place(self) -> Place:
        """The script's file, for errors that have no line."""
        return Place(self.script.path)


def job_for(migration: Migration, operation: str, found: History, options: Options, run: Run) -> Job:
    """Describe how a migration of a plan is applied or rolled back."""
    if operation == "apply":
        return apply_job(migration, options, run)
    if migration.rollback is None:  # pragma: no cover  the plan has refused it
        raise HistoryError(f"{migration.migration_id} has no rollback script")
    row = found.get(migration.migration_id)
    job = rollback_job(migration, migration.rollback, options, run, half_way=row is None)
    return replace(job, recorded=row is not None and row.rollback_checksum is not None)


def apply_job(migration: Migration, options: Options, run: Run) -> Job:
    """Describe how a migration is applied: claimed first, completed and logged after the script."""
    script, migration_id = migration.script, migration.migration_id
    finish = history.finish_claim(options.schema, migration, run)
    log = _log(migration_id, "apply", script, options, run, transactional=migration.transactional)
    claim = history.claim(options.schema, migration_id)
    return Job(
        migration_id,
        "apply",
        script,
        migration.transactional,
        claim,
        (finish, *log),
        counted=finish,
        confirm=history.confirm(options.schema, migration_id, "apply", run),
        undoable=migration.rollback is not None,
    )


def rollback_job(migration: Migration, script: Script, options: Options, run: Run, *, half_way: bool) -> Job:
    """Describe how a migration is rolled back: taken out of the history first, logged after the script.

    One that stopped half way is not in the history yet; its journal is taken away instead.
    """
    transactional = migration.rollback_transactional
    log = _log(migration.migration_id, "rollback", script, options, run, transactional=transactional)
    give_up = history.unclaim_journal if half_way else history.unclaim
    return Job(
        migration.migration_id,
        "rollback",
        script,
        transactional,
        give_up(options.schema, migration.migration_id),
        tuple(log),
        confirm=history.confirm(options.schema, migration.migration_id, "rollback", run),
        half_way=half_way,
    )


def _log(
    migration_id: str, operation: str, script: Script, options: Options, run: Run, *, transactional: bool
) -> list[Command]:
    return history.log(
        options.schema,
        migration_id,
        operation,
        run,
        script_role=script_role(script, options),
        digests=(script.checksum, script.sha256),
        journalled=not transactional,
    )


@dataclass(slots=True, eq=False)
class Uncommitted:
    """Scripts that are through and checked: their transaction is open, and only its COMMIT is left.

    That goes out alone, or at the head of the next script's pipeline, where it costs no round trip of its own. Behind
    it the history is looked at once more. `told` and `then` are called once that has confirmed it; `look_up` tells,
    where an answer is lost, whether the last job is in the history. One that is `refused` was rolled back.
    """

    jobs: tuple[Job, ...]
    listener: Listener
    told: Callable[[], None] = lambda: None
    then: Callable[[], None] = lambda: None
    look_up: Callable[[], bool | None] = lambda: None
    step: Step = field(default_factory=lambda: Step(COMMIT, urgent=True))
    committed: bool = False
    confirmed: bool = False
    refused: bool = False
    _checks: dict[Step, Job] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Know from the beginning what is to be confirmed."""
        self.to_confirm()

    @property
    def job(self) -> Job:
        """The last of the jobs."""
        return self.jobs[-1]

    def to_commit(self) -> list[Step]:
        """Give the COMMIT, unless it is done."""
        return [] if self.committed else [self.step]

    def to_confirm(self) -> list[Step]:
        """Give the look at the history that follows it, as the login role and with the search_path of our own."""
        wanted = [] if self.confirmed else [(job, job.confirm) for job in self.jobs if job.confirm is not None]
        self._checks = {Step(command, urgent=True): job for job, command in wanted}
        return list(self._checks)

    def finished(self, step: Step) -> None:
        """Hear of a step that succeeded."""
        if step is self.step and step.tag == "COMMIT":
            self.committed = True
        self._checks.pop(step, None)
        if self.committed and not self._checks and not self.confirmed:
            self.confirmed = True
            self.told()
            self.then()

    def require_committed(self, exchange: Exchange) -> None:
        """Raise ExecutionError where PostgreSQL found something at COMMIT, rolled back, or undid what was recorded."""
        if exchange.error is not None and exchange.failed is self.step:
            self.refused = True
            raise _at_commit(self.job, exchange.error)
        if not self.committed:
            raise ExecutionError("PostgreSQL rolled the transaction back at COMMIT", migration_id=self.job.migration_id)
        job = self._checks.get(exchange.failed) if exchange.failed else None
        if job is not None and exchange.error is not None:
            raise _unconfirmed(job, exchange.error)

    def lost(self) -> ExecutionError:
        """Tell what became of a COMMIT whose answer was lost."""
        return _lost_at_commit(self.job, self.look_up())


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
) -> None:
    """Run a job's claim, script and finish in the transaction that `before` begins; it stays open.

    The COMMIT of the script `behind` which it comes goes out first; where that fails, nothing of the job is run.
    `end` is None where another script follows in the same transaction. `back` is what comes last of all.
    """
    ended = (end, NO_CURSORS) if end else ()
    after = [Step(command) for command in (*ended, *BACK_TO_LOGIN, *job.finish, *back)]
    exchange = _exchange(connection, _steps(job, before, after), listener, behind, job)
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
    connection: Connection, steps: Iterator[Step], listener: Listener, behind: Uncommitted | None, job: Job
) -> Exchange:
    """Run the steps of a job, behind the COMMIT of the one before."""

    def finished(step: Step) -> None:
        if behind is not None:
            behind.finished(step)
        listener.rows(step)

    try:
        exchange = run_steps(connection, chain(behind.to_commit() if behind else [], steps), listener, finished)
    except psycopg.OperationalError as error:
        if not connection.closed:
            raise  # of somebody who listens
        if behind is not None and not behind.confirmed:
            raise behind.lost() from None
        raise lost(job, error) from None
    if behind is not None:
        behind.require_committed(exchange)
    return exchange


def commit(connection: Connection, last: Uncommitted) -> None:
    """Commit the transaction of a job; raises ExecutionError where PostgreSQL refuses it."""
    try:
        steps = [*last.to_commit(), Step(OURS), *last.to_confirm()]
        exchange = run_steps(connection, steps, last.listener, last.finished)
    except psycopg.OperationalError:
        if not connection.closed:
            raise  # of somebody who listens
        if last.confirmed:
            return  # the answer has come; whatever else is to be done finds out that the connection is gone
        raise last.lost() from None
    last.require_committed(exchange)


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


def require_together(jobs: Sequence[Job]) -> None:
    """Refuse scripts that cannot share one transaction, before anything runs."""
    problems = []
    for job in jobs:
        if not job.transactional:
            problems.append(Problem("runs outside a transaction, so it cannot share one", job.place))
        elif job.script.directives.isolation:
            problems.append(Problem("asks for an isolation level of its own", job.place))
    if problems:
        raise MigrationsError("nothing was run, since these scripts cannot run in one transaction", problems)


def _set_up(job: Job, options: Options, info: ServerInfo, confirm: Iterable[Step] = ()) -> Iterator[Step]:
    yield Step(OURS)
    yield Step(settings(job.script, options, info, f"sqlmigrate: {job.migration_id}"))
    yield from confirm
    yield Step(job.claim)
    yield Step(search_path(job.script, options))
    if role := script_role(job.script, options):
        yield Step(set_role(role))


def _steps(job: Job, before: Iterable[Step], after: list[Step]) -> Iterator[Step]:
    yield from before
    is_read_anew = job.script.text is None
    for statement in job.script.statements():
        if is_read_anew and classify(statement.text) is Kind.TRANSACTION_CONTROL:
            # the check let none through; its COMMIT would let half of the script stay
            raise ScriptError("the file changed since it was checked; run the command again", place=job.place)
        yield Step(Command(statement.text), statement)
    yield from after


def _lost_at_commit(job: Job, happened: bool | None) -> ExecutionError:  # noqa: FBT001  three answers, not a switch
    """Tell what became of a COMMIT whose answer was lost: the history was asked afterwards."""
    done = {"apply": "applied", "rollback": "rolled back"}[job.operation]
    answer = {
        True: (f"it is {done}: the history says so", "run the command again to go on with what is left"),
        False: (f"it is not {done}: PostgreSQL has rolled it back", "run the command again"),
        None: ("whether it happened could not be looked up", "`sqlmigrate status` tells; whichever it is, it is whole"),
    }
    words, hint = answer[happened]
    message = f"the connection was lost at COMMIT; {words}"
    kept = happened is not False
    return ExecutionError(message, migration_id=job.migration_id, place=job.place, hint=hint, kept=kept)


def _at_commit(job: Job, error: psycopg.Error) -> ExecutionError:
    """Report what PostgreSQL found only at COMMIT, such as a serialization failure."""
    said = server_message(error.diag, str(error))
    message = f"{said.message} (found at COMMIT)"
    return ExecutionError(message, migration_id=job.migration_id, server=said, place=job.place)


def _unconfirmed(job: Job, error: psycopg.Error) -> ExecutionError:
    """Report that the history does not say what was committed, or that it could not be asked."""
    said = server_message(error.diag, str(error))
    done = {"apply": "applied", "rollback": "rolled back"}[job.operation]
    if said.sqlstate != _DIVISION_BY_ZERO:
        message = f"it was committed, but whether the history says so could not be looked up: {said.message}"
        hint = "`sqlmigrate status` tells"
        return ExecutionError(message, migration_id=job.migration_id, place=job.place, hint=hint, kept=True)
    mark = {"apply": "mark", "rollback": "unmark"}[job.operation]
    return ExecutionError(
        f"it was committed, but the history does not say that it is {done}: code that ran at COMMIT has changed it",
        migration_id=job.migration_id,
        place=job.place,
        hint="look for a deferred trigger that writes the history's tables; "
        f"then `sqlmigrate {mark} {job.migration_id}` puts the history right",
        kept=True,
    )


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
        hint=_ISOLATION if job.transactional and is_late else None,
        migration_id=job.migration_id,
        server=said,
        statement=step.statement.number,
        place=error_place(job.script, step.statement, error.diag),
    )


def _own_failure(job: Job, command: Command | None, said: ServerMessage) -> Error:
    """Say what it means when a command of ours fails rather than one of the script."""
    if command is job.claim and said.sqlstate == _UNIQUE_VIOLATION:
        return HistoryError(f"{job.migration_id} was applied by another run in the meantime; nothing was done twice")
    if command is job.claim and said.sqlstate == _DIVISION_BY_ZERO:
        return HistoryError(f"{job.migration_id} is not applied any more; another run has rolled it back")
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
    return ExecutionError(message, migration_id=job.migration_id, server=said, place=job.place)


def lost(job: Job, error: psycopg.OperationalError) -> ExecutionError:
    """Report that the connection went away under a script."""
    return ExecutionError(
        f"the connection was lost while the script ran: {str(error).strip().splitlines()[0]}",
        migration_id=job.migration_id,
        place=job.place,
        hint="PostgreSQL has rolled the script back; run the command again",
    )
