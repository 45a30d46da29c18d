"""Run the steps of a script on a session: pipelined, with COPY data in between, its notices, rows and error places.

This is the one executor of migrations: the engine, the shadow database and the tracer run them through `run_steps`.
"""

from __future__ import annotations

import re
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate.connection import copy_in, server_message, statement_position
from sqlmigrate.connection.committing import NOT_REPLICATED
from sqlmigrate.engine.wire import pipeline
from sqlmigrate.engine.wire.pipeline import Exchange, Step
from sqlmigrate.errors import Place
from sqlmigrate.events import Notice, NoticesLeftOut, RowsReturned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from psycopg.errors import Diagnostic

    from sqlmigrate.connection import Connection
    from sqlmigrate.events import Observer
    from sqlmigrate.migrations import ScriptRun
    from sqlmigrate.sql.script import Script, Statement

NOTICES_SHOWN = 20
"""Notices of one statement that are passed on whole, and as many warnings; of the others only the count is."""

_BLOCK_LINE = re.compile(r"inline_code_block line (\d+)")
_BODY_START = re.compile(r"\$\w*\$|'")
_COPY_LINE = re.compile(r"^COPY .*?, line (\d+)", re.MULTILINE)


@dataclass(slots=True)
class Listener:
    """Who hears of what a script says: notices and rows go to `observer`, each with its statement's place.

    `patient` is for a session behind a pooler; see `Exchange`. `unreplicated` says that somebody has canceled a COMMIT
    while it waited for a synchronous standby: it has happened, and may be lost where that takes over.
    """

    script_run: ScriptRun
    observer: Observer
    patient: bool = False
    unreplicated: bool = False
    _seen: Counter[tuple[int, bool]] = field(default_factory=Counter)
    _at: Statement | None = None

    def notice(self, statement: Statement | None, diag: Diagnostic) -> None:
        """Pass on a notice, unless its statement has sent many already."""
        self.unreplicated = self.unreplicated or diag.source_function == NOT_REPLICATED
        if statement is not self._at:
            self.close()
            self._at = statement
        kind = (statement.number if statement else 0, diag.severity_nonlocalized == "WARNING")
        self._seen[kind] += 1
        if self._seen[kind] <= NOTICES_SHOWN:
            self.observer(Notice(self.script_run.migration_id, server_message(diag), self._place(statement)))

    def rows(self, step: Step) -> None:
        """Pass on the first rows of a statement that returned some."""
        if step.statement is not None and step.columns:
            place = self._place(step.statement)
            self.observer(RowsReturned(self.script_run.migration_id, step.columns, tuple(step.shown), step.rows, place))

    def close(self) -> None:
        """Say how many notices and warnings of the last statement were left out."""
        for (number, warnings), count in self._seen.items():
            if count > NOTICES_SHOWN:
                place = self._place(self._at if self._at and self._at.number == number else None)
                self.observer(
                    NoticesLeftOut(self.script_run.migration_id, count - NOTICES_SHOWN, place, warnings=warnings)
                )
        self._seen.clear()

    def _place(self, statement: Statement | None) -> Place | None:
        return self.script_run.script.place(statement) if statement else None


def run_steps(
    connection: Connection, steps: Iterable[Step], listener: Listener, finished: Callable[[Step], object] | None = None
) -> Exchange:
    """Run steps in order until one fails; `error` and `failed` of what comes back say which.

    `finished` hears of each step that succeeded. Raises psycopg.OperationalError where the connection is lost,
    ScriptError where the script cannot be read on.
    """
    exchange = Exchange(finished=finished or listener.rows, patient=listener.patient)
    remaining = iter(steps)
    with listening(connection, exchange, listener):
        while copy := pipeline.run(connection, remaining, exchange):
            if exchange.error is None:
                _copy(connection, copy, exchange)
    return exchange


@contextmanager
def listening(connection: Connection, exchange: Exchange, listener: Listener) -> Iterator[None]:
    """Pass on what the server says in a block beside results, each with the statement whose result is awaited.

    A step's own listener hears of that step. psycopg only logs what its handlers raise, so that is kept in the
    exchange, which raises it.
    """
    heard = [listener]

    def handler(diag: Diagnostic) -> None:
        current = exchange.current
        who = (current and current.listener) or listener
        try:
            if not any(who is one for one in heard):
                heard.append(who)
            who.notice(current.statement if current else None, diag)
        except BaseException as error:  # noqa: BLE001  whatever an observer raises, and Ctrl-C
            exchange.raised.append(error)

    connection.add_notice_handler(handler)
    try:
        with _interrupts_kept(exchange.raised):
            yield
    finally:
        connection.remove_notice_handler(handler)
        for one in heard:
            one.close()
    if exchange.raised:
        raise exchange.raised[0]


@contextmanager
def _interrupts_kept(raised: list[BaseException]) -> Iterator[None]:
    """Keep a Ctrl-C that comes just where libpq calls back: Python would only print it there."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals come to the main thread alone
        return
    before, shown = sys.unraisablehook, sys.excepthook

    def unraisable(found: sys.UnraisableHookArgs) -> None:
        if isinstance(found.exc_value, KeyboardInterrupt):
            raised.append(found.exc_value)
        else:
            before(found)

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not isinstance(error, KeyboardInterrupt):
            shown(kind, error, trace)

    sys.unraisablehook, sys.excepthook = unraisable, show
    try:
        yield
    finally:
        sys.unraisablehook, sys.excepthook = before, shown


def _copy(connection: Connection, step: Step, exchange: Exchange) -> None:
    """Send the COPY data that follows a statement; `execute` would leave the connection dead."""
    statement = step.statement
    if statement is None or statement.data is None:  # pragma: no cover  only such steps come here
        return
    exchange.under_way.append(step)
    try:
        copy_in(connection, statement.text, statement.data.chunks())
    except psycopg.Error as error:
        if connection.closed:
            raise
        exchange.error, exchange.failed = error, step
    finally:
        exchange.under_way.clear()


def error_place(script: Script, statement: Statement, diag: Diagnostic) -> Place:
    """Find where in the file an error is: the server's position, a line of COPY data or a DO block, else the start."""
    if position := statement_position(diag):
        return script.place(statement, position - 1)
    context = diag.context or ""
    if statement.data is not None and (copied := _COPY_LINE.search(context)):
        line = statement.data.line + int(copied[1]) - 1
        return Place(script.path, line, 1, _line(script, line))
    inner = _BLOCK_LINE.search(context)
    if inner and (body := _BODY_START.search(statement.text)):
        lines = statement.text[body.start() :].split("\n")
        number = int(inner[1])
        if 1 < number <= len(lines):
            skipped = sum(len(line) + 1 for line in lines[: number - 1])
            indent = len(lines[number - 1]) - len(lines[number - 1].lstrip())
            return script.place(statement, body.start() + skipped + indent)
    return script.place(statement)


def _line(script: Script, number: int) -> str | None:
    if script.text is None:
        return None
    lines = script.text.split("\n", number)
    return lines[number - 1].rstrip("\r") if len(lines) >= number else None
