"""Ask a query of the script between its batches: whether to wait, and whether everything is as it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import pq

from sqlmigrate.connection import server_message
from sqlmigrate.engine.backfill.aside import aside
from sqlmigrate.engine.transaction.run import undo
from sqlmigrate.errors import ExecutionError
from sqlmigrate.sql.position import place_at

if TYPE_CHECKING:
    from sqlmigrate.connection import Connection
    from sqlmigrate.engine.stepwise.journal import Sender
    from sqlmigrate.errors import Place
    from sqlmigrate.sql.batches import Batched
    from sqlmigrate.sql.script import Statement


def truth(sender: Sender, statement: Statement, query: str, at: int) -> bool:
    """Tell whether a query, which stands at an offset of the script, gives true; it can change nothing.

    It runs as the statements of the script do, in an open transaction too. Raises ExecutionError where it cannot run.
    """
    rows = _answer(sender, statement, query, at)
    return len(rows) == 1 and len(rows[0]) == 1 and rows[0][0] is True


def _answer(sender: Sender, statement: Statement, query: str, at: int) -> list[tuple[Any, ...]]:
    connection, job = sender.connection, sender.job
    try:
        return _asked(connection, query)
    except psycopg.Error as error:
        if connection.closed:
            raise
        said = server_message(error.diag, str(error))
        raise ExecutionError(
            f"this query could not be asked: {said.message}",
            migration_id=job.migration_id,
            server=said,
            statement=statement.number,
            place=_place(sender, at),
        ) from None


def require_askable(sender: Sender, statement: Statement, batched: Batched) -> None:
    """Raise ExecutionError where the verify of a batched statement could not be asked, before any batch has run."""
    if batched.verify is not None:
        _answer(sender, statement, f"EXPLAIN {batched.verify}", batched.verify_at)


def _asked(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    if connection.info.transaction_status == pq.TransactionStatus.INTRANS:
        with aside(connection):
            return connection.execute(query.encode(), binary=True).fetchmany(2)
    try:
        connection.execute(b"BEGIN READ ONLY")
        # binary: the protocol that takes one statement only
        return connection.execute(query.encode(), binary=True).fetchmany(2)
    finally:
        undo(connection)


def require_verified(sender: Sender, statement: Statement, batched: Batched) -> None:
    """Raise ExecutionError where the verify of a batched statement does not give true."""
    if batched.verify is None or truth(sender, statement, batched.verify, batched.verify_at):
        return
    hint = "all batches are done: change by hand what they could not see (rows that came late, keys that have changed)"
    hint += f"; --resume-at {statement.number + 1} goes on without the verify"
    raise ExecutionError(
        f"the verify is not true: {batched.verify}",
        migration_id=sender.job.migration_id,
        statement=statement.number,
        place=_place(sender, batched.verify_at),
        hint=hint,
    )


def _place(sender: Sender, at: int) -> Place:
    script = sender.job.script
    return place_at(script.path, script.text or "", at)
