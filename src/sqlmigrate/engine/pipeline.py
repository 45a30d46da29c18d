"""Send many commands in one go and read their results: libpq's pipeline mode.

psycopg's own `Connection.pipeline` cannot tell which statement a notice belongs to, since it reads results in batches.
This works on psycopg's public wrapper of libpq (`psycopg.pq`) and lets `Connection.wait` do the waiting, so that
Ctrl-C cancels the running statement on the server.
https://www.postgresql.org/docs/current/libpq-pipeline-mode.html
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
from psycopg import pq
from psycopg.errors import error_from_result
from psycopg.waiting import Ready, Wait

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from psycopg.pq.abc import PGconn, PGresult

    from sqlmigrate.connection import Command, Connection

SYNC = None
"""Ends a segment: an error skips what follows it only up to the next SYNC."""

_WINDOW = 256  # commands under way at once: bounds the memory of both sides
_GOOD = frozenset({pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK, pq.ExecStatus.EMPTY_QUERY})
_COPYING = frozenset({pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH})


@dataclass(slots=True)
class Exchange:
    """What has come back so far: `current` is the index of the command whose result is awaited.

    `rows` holds how many rows each finished command returned or changed; `error` is the first failure, `failed` the
    index of its command.
    """

    current: int = 0
    rows: dict[int, int] = field(default_factory=dict)
    error: psycopg.Error | None = None
    failed: int | None = None


def run(connection: Connection, commands: Sequence[Command | None], exchange: Exchange) -> None:
    """Run commands in pipeline mode and fill in the exchange; the list ends with SYNC.

    Raises psycopg.OperationalError where the connection is lost; a failing statement is no exception here.
    """
    pgconn = connection.pgconn
    pgconn.enter_pipeline_mode()
    try:
        connection.wait(_communicate(pgconn, commands, exchange))
    finally:
        with suppress(psycopg.Error):  # a lost or interrupted connection is closed by its owner
            pgconn.exit_pipeline_mode()


def _communicate(
    pgconn: PGconn, commands: Sequence[Command | None], exchange: Exchange
) -> Generator[Wait, Ready | int, None]:
    """Keep a window of commands under way until the last SYNC has come back."""
    sent, total = 0, len(commands)
    while exchange.current < total:
        sent = _send(pgconn, commands, sent, exchange.current)
        wait = Wait.RW if pgconn.flush() else Wait.R
        ready = yield wait
        if ready and ready & Ready.R:
            pgconn.consume_input()
            _receive(pgconn, exchange)


def _send(pgconn: PGconn, commands: Sequence[Command | None], sent: int, received: int) -> int:
    if sent >= len(commands) or sent - received > _WINDOW // 2:
        return sent
    stop = min(len(commands), received + _WINDOW)
    for command in commands[sent:stop]:
        if command is SYNC:
            pgconn.pipeline_sync()
        else:
            values = [None if value is None else value.encode() for value in command.params]
            pgconn.send_query_params(command.sql.encode(), values)
    if stop < len(commands):
        pgconn.send_flush_request()  # without it the server may keep its answers until the SYNC
    return stop


def _receive(pgconn: PGconn, exchange: Exchange) -> None:
    """Take over every result that has come; a null result closes each command's results."""
    open_command = False
    while not pgconn.is_busy():
        result = pgconn.get_result()
        if result is None:
            if not open_command:
                return
            open_command = False
            exchange.current += 1
        elif result.status == pq.ExecStatus.PIPELINE_SYNC:
            exchange.current += 1
        else:
            open_command = True
            _record(result, exchange)


def _record(result: PGresult, exchange: Exchange) -> None:
    status = result.status
    if status in _GOOD:
        exchange.rows[exchange.current] = result.ntuples or result.command_tuples or 0
    elif status in _COPYING:
        raise psycopg.NotSupportedError("COPY cannot run in a pipeline")
    elif exchange.error is None and status != pq.ExecStatus.PIPELINE_ABORTED:
        exchange.error = error_from_result(result)
        exchange.failed = exchange.current
