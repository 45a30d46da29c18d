"""Ask behind the last batch whether everything is as it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from sqlmigrate.connection import server_message
from sqlmigrate.engine.transaction.run import undo
from sqlmigrate.errors import ExecutionError
from sqlmigrate.sql.position import place_at

if TYPE_CHECKING:
    from sqlmigrate.engine.stepwise.journal import Sender
    from sqlmigrate.errors import ServerMessage
    from sqlmigrate.sql.batches import Batched
    from sqlmigrate.sql.script import Statement


def require_verified(sender: Sender, statement: Statement, batched: Batched) -> None:
    """Raise ExecutionError where the verify of a batched statement does not give true; it runs as the script does."""
    if batched.verify is None:
        return
    connection = sender.connection
    try:
        connection.execute(b"BEGIN READ ONLY")
        cursor = connection.execute(batched.verify.encode(), binary=True)  # the protocol that takes one statement only
        rows = cursor.fetchmany(2)
    except psycopg.Error as error:
        if connection.closed:
            raise
        said = server_message(error.diag, str(error))
        raise _failed(sender, statement, batched, f"the verify could not be asked: {said.message}", said) from None
    finally:
        undo(connection)
    if len(rows) == 1 and len(rows[0]) == 1 and rows[0][0] is True:
        return
    raise _failed(sender, statement, batched, f"the verify is not true: {batched.verify}")


def _failed(
    sender: Sender, statement: Statement, batched: Batched, message: str, said: ServerMessage | None = None
) -> ExecutionError:
    job, number = sender.job, statement.number
    hint = "all batches are done: change by hand what they could not see (rows that came late, keys that have changed)"
    hint += f"; --resume-at {number + 1} goes on without the verify"
    return ExecutionError(
        message,
        migration_id=job.migration_id,
        server=said,
        statement=number,
        place=place_at(job.script.path, job.script.text or "", batched.verify_at),
        hint=hint,
    )
