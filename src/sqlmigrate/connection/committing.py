"""Transactions of our own: behind one, its COMMIT has happened and lasts, or it is said what is not known of it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate.connection.sessions import WITH_TRANSACTION_TIMEOUT
from sqlmigrate.errors import ConnectionFailed, Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg.errors import Diagnostic

    from sqlmigrate.connection.sessions import Connection

NOT_REPLICATED = "SyncRepWaitForLSN"
"""The function of PostgreSQL that warns where a COMMIT no longer waits for a synchronous standby; its text is in the
language of the server. https://www.postgresql.org/docs/current/warm-standby.html#SYNCHRONOUS-REPLICATION"""

# a transaction that writes nothing, or changes no row, would flush nothing
_FLUSH = (
    "BEGIN; SET LOCAL statement_timeout TO 0; {more}SET LOCAL synchronous_commit TO DEFAULT; "
    "SELECT pg_catalog.pg_logical_emit_message(true, ''::pg_catalog.text, ''::pg_catalog.text); COMMIT"
)
_NOT_ANSWERED = "whether what was to be written is committed is not known: the COMMIT has not been answered"
_NOT_REPLICATED = "what was written is committed, but whether a synchronous standby has it is not known"


def flush(connection: Connection) -> None:
    """Make everything durable that was committed, in any session; raises psycopg.Error where that fails.

    It waits as the login's synchronous_commit says, for standbys as well. The session must be in no transaction.
    """
    has_limit = connection.info.server_version >= WITH_TRANSACTION_TIMEOUT
    more = "SET LOCAL transaction_timeout TO 0; " if has_limit else ""
    with _listening(connection) as canceled:
        connection.execute(_FLUSH.format(more=more).encode())
    if canceled:
        raise psycopg.errors.QueryCanceled("the wait for a synchronous standby was canceled")


@contextmanager
def committed(connection: Connection) -> Iterator[None]:
    """Run a block in a transaction that is committed, and durable, behind it.

    PostgreSQL only warns where somebody cancels the wait for a synchronous standby, as Ctrl-C does: so it is waited for
    once more. Raises ConnectionFailed where it is not known whether it is committed, or whether a standby has it, and
    Interrupted where Ctrl-C came in the COMMIT.
    """
    is_through = False
    try:
        with _listening(connection) as canceled:
            with connection.transaction():
                yield
                is_through = True
            if canceled:
                flush(connection)
    except KeyboardInterrupt as stop:
        if not is_through:
            raise
        left = _NOT_REPLICATED if canceled else _NOT_ANSWERED
        raise Interrupted.leaving(f"{left}; `sqlmigrate status` shows what the history says", stop) from stop
    except psycopg.Error as error:
        if not is_through or not (canceled or connection.closed):
            raise
        left = _NOT_REPLICATED if canceled else _NOT_ANSWERED
        reason = str(error).strip().partition("\n")[0]
        raise ConnectionFailed(f"{left} ({reason})", hint="look at what is there before you go on") from None


@contextmanager
def _listening(connection: Connection) -> Iterator[list[None]]:
    """Give a list that gets an item where a COMMIT in the block no longer waits for a synchronous standby."""
    canceled: list[None] = []

    def hear(diag: Diagnostic) -> None:
        if diag.source_function == NOT_REPLICATED:
            canceled.append(None)

    connection.add_notice_handler(hear)
    try:
        yield canceled
    finally:
        connection.remove_notice_handler(hear)
