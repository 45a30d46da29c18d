"""Run the files of another tool in a throwaway database as the tool does: messages, transactions and sessions."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import psycopg
from psycopg import pq, sql

from sqlmigrate.connection import copy_in, give_back, probe, server_message, session, statement_position
from sqlmigrate.engine.unrecorded import run_script
from sqlmigrate.errors import Error, Problem
from sqlmigrate.importing.checking.layouts import Message, Step, statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlmigrate.connection import Connection
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.migrations import Migration

_APPLICATION = "sqlmigrate: import --check"
_HINT = "put what it needs and no migration creates into bootstrap/"
_LACKING = {"3F000", "42704", "42883", "42P01"}  # a schema, an object such as a type or role, a function, a table
_IDLE, _IN_TRANSACTION = pq.TransactionStatus.IDLE, pq.TransactionStatus.INTRANS


@dataclass(frozen=True, slots=True)
class Turn:
    """What runs for one migration: the tool's own file, or a script of ours that stands for one that cannot run."""

    migration_id: str
    what: Step | Migration


@dataclass(frozen=True, slots=True)
class Ran:
    """How far a run came: what failed, and which files run only in a session of their own."""

    done: tuple[str, ...]
    failure: Problem | None = None
    apart: tuple[str, ...] = ()


def run(conninfo: str, turns: Sequence[Turn], options: Options) -> Ran:
    """Run migrations one after the other, up to the first that fails."""
    with _Runs(conninfo, options) as runs:
        for turn in turns:
            if (failure := runs.take(turn)) is not None:
                return Ran(tuple(runs.done), failure, tuple(runs.apart))
        return Ran(tuple(runs.done), runs.end(), tuple(runs.apart))


@dataclass(slots=True)
class _Runs:
    """A run, with the session that its next step may go on in."""

    conninfo: str
    options: Options
    done: list[str] = field(default_factory=list)
    apart: list[str] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)
    _own: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def take(self, turn: Turn) -> Problem | None:
        """Run what a migration has, and return why it failed."""
        failure = self._step(turn.migration_id, turn.what) if isinstance(turn.what, Step) else self._script(turn.what)
        if failure is None:
            self.done.append(turn.migration_id)
        return failure

    def end(self) -> Problem | None:
        """Commit what a stream that was cut short has left open."""
        own = self._own
        try:
            if own is not None and own.info.transaction_status == _IN_TRANSACTION:
                own.execute("COMMIT")
        except psycopg.Error as error:
            return Problem(server_message(error.diag, str(error)).message)
        return None

    def _step(self, migration_id: str, step: Step) -> Problem | None:
        shared = self._own is not None and step.goes_on
        own = self._own if self._own is not None and step.goes_on else self._fresh()
        failure = _tried(own, step)
        if failure is None or not shared or own.info.transaction_status != _IDLE or not step.transactional:
            return failure
        if (_tried(self._fresh(), step)) is not None:
            return failure
        self.apart.append(migration_id)
        return None

    def _script(self, migration: Migration) -> Problem | None:
        own = self._fresh()
        try:
            run_script(own, migration.forward(), options=self.options, info=probe(own))
        except Error as error:
            return Problem(error.message, error.place, error.hint)
        finally:
            self._stack.close()
            self._own = None
        return None

    def _fresh(self) -> Connection:
        """Open a session as the tool finds one, acting as the role and on the search_path of the settings."""
        self._stack.close()
        own = self._stack.enter_context(session(self.conninfo, application_name=_APPLICATION))
        give_back(own)
        if self.options.role:
            own.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self.options.role)))
        if self.options.search_path:
            own.execute("SELECT pg_catalog.set_config('search_path', %s, false)", [self.options.search_path])
        self._own = own
        return own


class _Failed(Exception):
    """A message that failed, with PostgreSQL's error."""

    def __init__(self, message: Message, error: psycopg.Error) -> None:
        super().__init__(message)
        self.message, self.error = message, error


def _tried(own: Connection, step: Step) -> Problem | None:
    """Run a step; what fails leaves no transaction open."""
    try:
        _sent(own, step)
    except _Failed as failed:
        _back(own)
        failed = _nearer(own, failed)
        said = server_message(failed.error.diag, str(failed.error))
        offset = failed.message.offset + (statement_position(failed.error.diag) or 1) - 1
        lacking = _HINT if said.sqlstate in _LACKING else None
        return step.source.problem(said.message, offset, said.hint or lacking)
    return None


def _back(own: Connection) -> None:
    """Roll back; a session that still waits for the rows of a COPY can only be closed."""
    if own.info.transaction_status == pq.TransactionStatus.ACTIVE:
        own.close()
    if not own.closed and own.info.transaction_status != _IDLE:
        own.execute("ROLLBACK")


def _nearer(own: Connection, failed: _Failed) -> _Failed:
    """Find out which statement of a message failed, where PostgreSQL did not say: by another try, which is undone."""
    if statement_position(failed.error.diag) or own.closed:
        return failed
    own.execute("BEGIN")
    try:
        for part in statements(failed.message.text, failed.message.offset):
            _send(own, part)
    except _Failed as again:
        return again if again.error.sqlstate == failed.error.sqlstate else failed
    finally:
        _back(own)
    return failed


def _sent(own: Connection, step: Step) -> None:
    try:
        _all(own, step)
    except _Failed as failed:
        if not step.lenient or not isinstance(failed.error, psycopg.errors.ActiveSqlTransaction):
            raise
        _back(own)
        single = [part for message in step.messages for part in statements(message.text, message.offset)]
        _all(own, replace(step, messages=tuple(single), transactional=False))


def _all(own: Connection, step: Step) -> None:
    if step.transactional:
        own.execute("BEGIN")
    for message in step.messages:
        _send(own, message)
    if step.transactional:
        _send(own, Message("COMMIT", step.messages[-1].offset if step.messages else 0))


def _send(own: Connection, message: Message) -> None:
    """Send a message as it is: several statements of one are a transaction, unless they say otherwise."""
    try:
        if message.data is not None:
            copy_in(own, message.text, [message.data])
        else:
            own.execute(message.text.encode())
    except psycopg.Error as error:
        raise _Failed(message, error) from None
