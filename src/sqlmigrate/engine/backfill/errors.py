"""Say why a statement does not run in batches, with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.engine.transaction.run import failure
from sqlmigrate.engine.wire.pipeline import Step
from sqlmigrate.errors import ExecutionError

if TYPE_CHECKING:
    import psycopg

    from sqlmigrate.engine.stepwise.journal import Sender
    from sqlmigrate.errors import Error
    from sqlmigrate.sql.script import Statement


class Canceled(ExecutionError):
    """Somebody wanted the batches to stop, so nothing is wrong with them."""


def refused(sender: Sender, statement: Statement, message: str, hint: str | None) -> ExecutionError:
    """Make the error of a statement that cannot run in batches."""
    job = sender.job
    return ExecutionError(
        message,
        migration_id=job.migration_id,
        statement=statement.number,
        place=job.script.place(statement),
        hint=hint,
    )


def failed(sender: Sender, statement: Statement, error: psycopg.Error) -> Error:
    """Make the error of a look at the table; raises the same one where the connection is lost."""
    if sender.connection.closed:
        raise error
    return failure(sender.job, Step(None, statement), error)
