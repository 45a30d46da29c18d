"""Send many commands in one go and read their results: libpq's pipeline mode.

psycopg's own `Connection.pipeline` cannot tell which statement a notice belongs to, since it reads results in batches,
and holds all rows of a SELECT. This works on psycopg's public wrapper of libpq (`psycopg.pq`) and lets
`Connection.wait` do the waiting, so that Ctrl-C cancels the running statement on the server.
https://www.postgresql.org/docs/current/libpq-pipeline-mode.html
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
from psycopg import pq
from psycopg.errors import error_from_result
from psycopg.waiting import Ready, Wait

from sqlmigrate.connection.command import Purpose
from sqlmigrate.connection.silence import set_user_timeout

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from psycopg.pq.abc import PGconn, PGresult

    from sqlmigrate.connection import Command, Connection
    from sqlmigrate.engine.wire.execute import Listener
    from sqlmigrate.sql.script import Statement

ROWS_KEPT = 10
"""Rows of a statement that are kept to be shown; the others are only counted, so memory stays bounded."""

_VALUE_MAX = 10_000  # bytes of a value that are kept to be shown
# under way at once: bounds the memory of both sides; with few, a distant server idles while the next ones travel
_WINDOW_COMMANDS, _WINDOW_CHARACTERS = 4096, 4 << 20
_MESSAGES = 64  # what the protocol adds to a command
# what a socket surely takes in while its server is busy; behind more, a long statement looks like a dead network
_TAKEN_UNREAD = 16 << 10
_KEPT = frozenset({Purpose.WRITTEN, Purpose.PROGRESS})  # commands of ours whose first rows tell something
_FAILED = frozenset({pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE})
_COPYING = frozenset({pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH})


@dataclass(slots=True, eq=False)
class Step:
    """One command under way: `command` is None for a SYNC, `statement` None where it is not of the script.

    `urgent` lets it go out, and its answer come back, while what follows is still being put together. `listener` hears
    of the notices that come with it, where that is not whoever hears of the others. `tag` is the answer's, such as
    COMMIT, `rows` counts what it returned or changed, `shown` holds the first rows in PostgreSQL's text form.
    """

    command: Command | None
    statement: Statement | None = None
    urgent: bool = False
    listener: Listener | None = None
    tag: str | None = None
    rows: int = 0
    columns: tuple[str, ...] = ()
    shown: list[tuple[str | None, ...]] = field(default_factory=list)

    @property
    def purpose(self) -> Purpose | None:
        """What its command is for; None for a SYNC."""
        return self.command.purpose if self.command else None

    @property
    def size(self) -> int:
        """About how many characters go to the server."""
        if self.command is None:
            return 0
        return _MESSAGES + len(self.command.sql) + sum(len(value or "") for value in self.command.params)


@dataclass(slots=True)
class Exchange:
    """What is under way and what has come back: `error` is the first failure, `failed` its step.

    `finished` is called for each step that succeeded.
    `raised` is what was raised while a notice was passed on, which libpq's callback cannot pass on itself.
    `unhurried` is the user timeout of before, where there is more under way than a busy server takes in.
    `patient` sends nothing behind a SYNC before its answer is there: old PgBouncers (1.18) take that answer for the end
    of all work, and give a session away or keep it open, at work, when its client is gone.
    """

    finished: Callable[[Step], object] = lambda _: None
    under_way: deque[Step] = field(default_factory=deque)
    characters: int = 0
    unhurried: int | None = None
    patient: bool = False
    error: psycopg.Error | None = None
    failed: Step | None = None
    raised: list[BaseException] = field(default_factory=list)

    @property
    def current(self) -> Step | None:
        """The step whose result is awaited."""
        return self.under_way[0] if self.under_way else None


def run(connection: Connection, steps: Iterator[Step], exchange: Exchange) -> Step | None:
    """Run steps until one of them fails, they end, or a COPY with data comes, which is given back unsent.

    What is left in the iterator was not run. Raises psycopg.OperationalError where the connection is lost; a failing
    statement is no exception here: see `exchange.error`.
    """
    pgconn = connection.pgconn
    pgconn.enter_pipeline_mode()
    try:
        return connection.wait(_communicate(pgconn, steps, exchange))
    finally:
        if exchange.unhurried:
            set_user_timeout(pgconn, exchange.unhurried)
        with suppress(psycopg.Error):  # a lost or interrupted connection is closed by its owner
            pgconn.exit_pipeline_mode()


def _communicate(
    pgconn: PGconn, steps: Iterator[Step], exchange: Exchange
) -> Generator[Wait, Ready | int, Step | None]:
    """Keep a window of commands under way until the closing SYNC has come back."""
    ended, copy = False, None
    while not ended or exchange.under_way:
        if not ended and not _is_full(exchange):
            ended, copy = _send(pgconn, steps, exchange)
        ready = yield (Wait.RW if pgconn.flush() else Wait.R)
        if ready and ready & Ready.R:  # psycopg sends None after a Ctrl-C
            _read(pgconn, exchange)
        if exchange.raised:
            raise exchange.raised[0]
    return copy


def _read(pgconn: PGconn, exchange: Exchange) -> None:
    """Read what has come; where the connection is lost, the server's last words tell more than libpq's."""
    try:
        pgconn.consume_input()
    except psycopg.OperationalError:
        _receive(pgconn, exchange)
        if isinstance(exchange.error, psycopg.OperationalError):
            raise exchange.error from None
        raise
    _receive(pgconn, exchange)


def _is_full(exchange: Exchange) -> bool:
    if exchange.error is not None:
        return False
    if exchange.patient and any(step.command is None for step in exchange.under_way):
        return True
    return len(exchange.under_way) > _WINDOW_COMMANDS // 2 or exchange.characters > _WINDOW_CHARACTERS


def _send(pgconn: PGconn, steps: Iterator[Step], exchange: Exchange) -> tuple[bool, Step | None]:
    """Send until the window is full; gives whether that was all, and the COPY that it stopped at."""
    copy = None
    while exchange.error is None and len(exchange.under_way) < _WINDOW_COMMANDS:
        step = next(steps, None)
        if step is None or (step.statement and step.statement.data):
            copy = step
            break
        _send_one(pgconn, step)
        _put_under_way(pgconn, step, exchange)
        if step.urgent:
            pgconn.send_flush_request()
            pgconn.flush()
        if exchange.patient and step.command is None:
            return False, None
        if exchange.characters > _WINDOW_CHARACTERS:
            pgconn.send_flush_request()  # without it the server may keep its answers until the SYNC
            return False, None
    else:
        if exchange.error is None:
            pgconn.send_flush_request()
            return False, None
    pgconn.pipeline_sync()
    _put_under_way(pgconn, Step(None), exchange)
    return True, copy


def _send_one(pgconn: PGconn, step: Step) -> None:
    if step.command is None:
        pgconn.pipeline_sync()
        return
    command = step.command
    values = [None if value is None else value.encode() for value in command.params]
    if command.name is None:
        pgconn.send_query_params(command.sql.encode(), values)
    elif values:
        pgconn.send_query_prepared(command.name.encode(), values)
    else:
        pgconn.send_prepare(command.name.encode(), command.sql.encode())


def _put_under_way(pgconn: PGconn, step: Step, exchange: Exchange) -> None:
    exchange.under_way.append(step)
    exchange.characters += step.size
    if exchange.characters > _TAKEN_UNREAD and exchange.unhurried is None:
        exchange.unhurried = set_user_timeout(pgconn, 0)
    if len(exchange.under_way) == 1:
        _read_row_by_row(pgconn, step)


def _read_row_by_row(pgconn: PGconn, step: Step) -> None:
    """Ask libpq to hand over rows as they come, so that no result is ever held whole."""
    if step.command is not None and step.statement is not None:
        with suppress(psycopg.Error):  # libpq refuses where a result is waiting already: then it is a small one
            pgconn.set_single_row_mode()


def _receive(pgconn: PGconn, exchange: Exchange) -> None:
    """Take over every result that has come; a null result closes each command's results."""
    while exchange.under_way and not pgconn.is_busy():
        result = pgconn.get_result()
        if result is None:
            if exchange.current and exchange.current.command is None:
                return  # the SYNC's own result is still to come
            _close(pgconn, exchange)
        elif result.status == pq.ExecStatus.PIPELINE_SYNC:
            _close(pgconn, exchange)
        else:
            _record(result, exchange)


def _close(pgconn: PGconn, exchange: Exchange) -> None:
    step = exchange.under_way.popleft()
    exchange.characters -= step.size
    if exchange.error is None and step.command is not None:
        exchange.finished(step)
    if exchange.under_way:
        _read_row_by_row(pgconn, exchange.under_way[0])


def _record(result: PGresult, exchange: Exchange) -> None:
    step, status = exchange.under_way[0], result.status
    if status in _COPYING:
        raise psycopg.NotSupportedError("COPY cannot run in a pipeline")
    if status in _FAILED:
        if exchange.error is None:
            exchange.error, exchange.failed = error_from_result(result), step
    elif status != pq.ExecStatus.PIPELINE_ABORTED:
        _take_rows(result, step)


def _take_rows(result: PGresult, step: Step) -> None:
    count = result.ntuples
    step.tag = result.command_status.decode() if result.command_status else None
    step.rows += count or (result.command_tuples or 0 if not result.nfields else 0)
    if not result.nfields or (step.statement is None and step.purpose not in _KEPT):
        return
    if not step.columns:
        step.columns = tuple((result.fname(at) or b"").decode(errors="replace") for at in range(result.nfields))
    for row in range(min(count, ROWS_KEPT - len(step.shown))):
        values = (result.get_value(row, at) for at in range(result.nfields))
        shown = (None if value is None else value[:_VALUE_MAX].decode(errors="replace") for value in values)
        step.shown.append(tuple(shown))
