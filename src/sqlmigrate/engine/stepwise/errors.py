"""Say what is known, and what can be done, where a script outside a transaction stops."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from sqlmigrate.connection import server_message
from sqlmigrate.engine.backfill.errors import Canceled
from sqlmigrate.errors import ExecutionError, HalfWayError

if TYPE_CHECKING:
    import psycopg

    from sqlmigrate.engine.stepwise.outcome import Index
    from sqlmigrate.engine.transaction.job import Job
    from sqlmigrate.history import History
    from sqlmigrate.sql.script import Statement

_NOT_KNOWN = {
    "running": "it was begun, and whether it was carried out cannot be known",
    "failed": "it failed, and what it committed before that cannot be known",
}


def both_ways(statement: Statement) -> str:
    """Return the two ways on behind a statement whose outcome only a person can find out."""
    number = statement.number
    return (
        f"look into the database; then --resume-at {number} runs it again, "
        f"and --resume-at {number + 1} goes on after it"
    )


def stuck(job: Job, statement: Statement, what: str, hint: str) -> HalfWayError:
    """Make the error of a statement that must not be begun again just so."""
    return HalfWayError(
        f"statement {statement.number}: {what}",
        migration_id=job.migration_id,
        statement=statement.number,
        place=job.script.place(statement),
        hint=hint,
        kept=True,
    )


def unknown(job: Job, statement: Statement, state: str) -> HalfWayError:
    """Make the error of a statement that was begun before, in a state of the journal."""
    return stuck(job, statement, _NOT_KNOWN[state], both_ways(statement))


def invalid(job: Job, statement: Statement, index: Index, what: str) -> ExecutionError:
    """Make the error of a statement that ended well, but for an INVALID index."""
    return ExecutionError(
        f"{what} the INVALID index {index.schema}.{index.name}, which no query uses",
        migration_id=job.migration_id,
        statement=statement.number,
        place=job.script.place(statement),
        hint=f"unless another session is still building it, run {index.drop}",
    )


def half_way(job: Job, error: ExecutionError, done: int, known: int = 0) -> HalfWayError:
    """Make the error of a script that has stopped for an error, with the ways on.

    `known` is the last statement that was done before this run: --resume-at may have gone back before it.
    """
    if isinstance(error, HalfWayError):
        return error
    again = f"`sqlmigrate {job.operation}`"
    canceled = isinstance(error, Canceled)
    ways = f"{again} goes on here" if canceled else f"fix the cause and run {again}, which goes on here"
    ways += "; or `sqlmigrate rollback` undoes what is done" if job.undoable else ""
    if job.recorded:
        ways += f'; if you edit the file, `sqlmigrate accept {quote(job.migration_id)} --reason "..."` comes first'
    if done < known:
        up_to = "statement 1 was" if known == 1 else f"statements 1 to {known} were"
        ways += f"; {up_to} done before --resume-at: if that is still so, --resume-at {known + 1} goes on after"
    return HalfWayError(
        error.message,
        migration_id=job.migration_id,
        server=error.server,
        statement=error.statement,
        place=error.place,
        hint=f"{error.hint}; {ways}" if error.hint else ways,
        kept=True,
    ).replaced(done_statements=done)


def lost(job: Job, error: psycopg.Error, found: History | None) -> ExecutionError:
    """Make the error of a lost connection; `found` is the history as it is afterwards, None where that is not known."""
    reason = (str(error).strip().splitlines() or ["no reason given"])[0]
    message = f"the connection was lost while the script ran: {reason}"
    if found is None:
        hint = "`sqlmigrate status` shows where it stopped"
        return HalfWayError(message, migration_id=job.migration_id, place=job.place, hint=hint, kept=True)
    stopped = found.half_way_of(job.migration_id)
    if stopped is None:
        return _lost_whole(job, message, found)
    entry = stopped.stopped_at
    again = f"run `sqlmigrate {stopped.operation}` again, which goes on where it stopped"
    hint = f"statement {entry.number} is the last one in the journal ({entry.state}); {again}"
    return HalfWayError(message, migration_id=job.migration_id, place=job.place, hint=hint, kept=True)


def _lost_whole(job: Job, message: str, found: History) -> ExecutionError:
    """Tell the two cases in which no journal is left: the script is through, or nothing of it has happened."""
    if (found.get(job.migration_id) is not None) == (job.operation == "apply"):
        done = job.script_run.done
        return ExecutionError(
            f"the connection was lost at COMMIT; it is {done}: the history says so",
            migration_id=job.migration_id,
            place=job.place,
            hint="run the command again to go on with what is left",
            kept=True,
        )
    hint = "nothing of the script is in the database; run the command again"
    return ExecutionError(message, migration_id=job.migration_id, place=job.place, hint=hint)


def unexpected(job: Job, error: psycopg.Error) -> ExecutionError:
    """Make the error of a look into the catalogs that failed."""
    said = server_message(error.diag, str(error))
    message = f"the outcome of a statement could not be looked up: {said.message}"
    return ExecutionError(message, migration_id=job.migration_id, server=said, place=job.place)
