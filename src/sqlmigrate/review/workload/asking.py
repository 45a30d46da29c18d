"""Ask a server what it makes of many statements, none of which it runs: parse, describe and plan, in one pipeline.

A statement is prepared under a name (Parse), described (the types of its parameters and columns), and planned by
EXPLAIN EXECUTE with a generic plan: planning finds that ON CONFLICT has no index left, and EXPLAIN, other than PREPARE,
looks at privileges. Nothing runs but IMMUTABLE functions, which the planner folds; what one of them writes or sets is
taken back at once.
"""

from __future__ import annotations

import itertools
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import pq
from psycopg.waiting import Ready, Wait

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from psycopg.pq.abc import PGconn, PGresult

    from sqlmigrate.connection import Connection

_WINDOW = 256  # statements under way at once
_DESCRIBE, _PLAN = 2, 3  # the place of a command among those of a statement, behind a BEGIN and what prepares it
_SHOWN = 2_000  # characters of a message
_APART, _WITHIN = (b"BEGIN READ ONLY", b"ROLLBACK"), (b"SELECT", b"SELECT")
# names are never used twice: in a transaction that has failed, DEALLOCATE fails too
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Asked:
    """A statement to be asked: `types` are the OIDs of its first parameters, 0 where the server infers one.

    `parameters` is how many it has; `planned` asks for its plan too.
    """

    text: str
    types: tuple[int, ...] = ()
    parameters: int = 0
    planned: bool = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why PostgreSQL does not take a statement; `position` counts its characters from 1."""

    sqlstate: str
    message: str
    position: int | None = None

    def __str__(self) -> str:
        """Say it with its SQLSTATE."""
        return f"{self.message} ({self.sqlstate})"


@dataclass(slots=True)
class Answer:
    """What the server says: the types of parameters and columns as OIDs, and the plan as it prints JSON.

    `refused` is the first error, at whatever command it came.
    """

    parameters: tuple[int, ...] = ()
    columns: tuple[tuple[str, int, int], ...] = ()
    plan: str | None = None
    refused: Refusal | None = None

    @property
    def taken(self) -> bool:
        """Whether the statement would run."""
        return self.refused is None


def ask(connection: Connection, asked: Sequence[Asked]) -> list[Answer]:
    """Ask for each statement, in order; the session is left as it was but for its prepared statements.

    Each has a transaction of its own, which reads only and is rolled back; where one is open, its caller does that.

    Raises psycopg.OperationalError where the connection is lost.
    """
    pgconn = connection.pgconn
    around = _APART if pgconn.transaction_status == pq.TransactionStatus.IDLE else _WITHIN
    pgconn.enter_pipeline_mode()
    try:
        return connection.wait(_communicate(pgconn, asked, around))
    finally:
        with suppress(psycopg.Error):  # a lost or interrupted connection is closed by its owner
            pgconn.exit_pipeline_mode()


@dataclass(slots=True)
class _UnderWay:
    answer: Answer
    command: int = 0
    synced: bool = False


def _communicate(
    pgconn: PGconn, asked: Sequence[Asked], around: tuple[bytes, bytes]
) -> Generator[Wait, Ready | int, list[Answer]]:
    answers: list[Answer] = []
    under_way: deque[_UnderWay] = deque()
    waiting = iter(asked)
    ended = False
    while not ended or under_way:
        while not ended and len(under_way) < _WINDOW:
            one = next(waiting, None)
            if one is None:
                ended = True
                break
            _send(pgconn, one, f"sqlmigrate_{next(_numbers)}".encode(), around)
            under_way.append(_UnderWay(Answer()))
        if ended and not under_way:
            break
        ready = yield (Wait.RW if pgconn.flush() else Wait.R)
        if ready and ready & Ready.R:
            pgconn.consume_input()
            answers += _receive(pgconn, under_way)
    return answers


def _send(pgconn: PGconn, one: Asked, name: bytes, around: tuple[bytes, bytes]) -> None:
    """Send one statement: what fails ends at the next SYNC, so that it is forgotten all the same."""
    begin, end = around
    pgconn.send_query_params(begin, None)
    pgconn.send_prepare(name, one.text.encode(), list(one.types) or None)
    pgconn.send_describe_prepared(name)
    values = f"({', '.join(['NULL'] * one.parameters)})" if one.parameters else ""
    explain = f"EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE {name.decode()}{values}" if one.planned else "SELECT"
    pgconn.send_query_params(explain.encode(), None)
    pgconn.pipeline_sync()
    pgconn.send_query_params(end, None)
    pgconn.send_query_params(b"DEALLOCATE " + name, None)
    pgconn.pipeline_sync()


def _receive(pgconn: PGconn, under_way: deque[_UnderWay]) -> Iterator[Answer]:
    """Take over what has come; two SYNCs end a statement."""
    while under_way and not pgconn.is_busy():
        result = pgconn.get_result()
        first = under_way[0]
        if result is None:
            first.command += 1
        elif result.status != pq.ExecStatus.PIPELINE_SYNC:
            if not first.synced:
                _take(result, first.answer, first.command)
        elif first.synced:
            yield under_way.popleft().answer
        else:
            first.synced = True


def _take(result: PGresult, answer: Answer, command: int) -> None:
    if result.status == pq.ExecStatus.FATAL_ERROR:
        answer.refused = answer.refused or _refusal(result)
    elif result.status == pq.ExecStatus.PIPELINE_ABORTED:
        return
    elif command == _DESCRIBE:
        answer.parameters = tuple(result.param_type(at) for at in range(result.nparams))
        answer.columns = tuple(
            ((result.fname(at) or b"").decode(errors="replace"), result.ftype(at), result.fmod(at))
            for at in range(result.nfields)
        )
    elif command == _PLAN and result.nfields:
        answer.plan = (result.get_value(0, 0) or b"").decode(errors="replace")


def _refusal(result: PGresult) -> Refusal:
    def field(which: pq.DiagnosticField) -> str:
        return (result.error_field(which) or b"").decode(errors="replace")

    position = field(pq.DiagnosticField.STATEMENT_POSITION)
    return Refusal(
        field(pq.DiagnosticField.SQLSTATE),
        field(pq.DiagnosticField.MESSAGE_PRIMARY)[:_SHOWN],
        int(position) if position else None,
    )
