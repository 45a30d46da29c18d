"""Attempts at scripts that the log says nothing of: they failed, were tried again, or hurt others.

Their table is an addition: releases that do not know it leave it alone, and a history without it is whole.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, field
from datetime import datetime  # noqa: TC003  rows are held against the types of their fields
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import ClientCursor, sql

from sqlmigrate import __version__, queries
from sqlmigrate.connection import careful, typed_row
from sqlmigrate.errors import HistoryError, redact
from sqlmigrate.events.record import plain
from sqlmigrate.history import trust
from sqlmigrate.history.names import ATTEMPTS
from sqlmigrate.history.trust import Tables

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlmigrate.connection import Connection
    from sqlmigrate.events import Blocker, Harm
    from sqlmigrate.history.logged import LogFilter
    from sqlmigrate.history.model import Run

_MOST = 1_000
"""So many attempts are kept, the newest."""
_MOST_STEPS = 1_000
_MOST_BLOCKERS = 20
_TEXT_MAX = 2_000  # characters of an error
_WAIT, _WAIT_AT_WORK = "1s", "50ms"  # for a lock on the table


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one attempt, or how far it is; `state` is failed, interrupted, retried, guarded or done.

    `done` is one that succeeded and hurt others.
    """

    state: str
    migration_id: str | None
    operation: str
    number: int
    seconds: float
    statement: int | None = None
    line: int | None = None
    sqlstate: str | None = None
    error: str | None = None
    blockers: tuple[Blocker, ...] = ()
    harm: Harm | None = None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """A recorded attempt; times are in UTC. `killed` is one whose run never said how it ended: the next one found it.

    `at` is when it ended, for one that was killed when it was seen last. `blockers` and `harm` are those of the events.
    """

    at: datetime
    state: str
    operation: str
    migration_id: str | None
    attempt: int | None
    begun_at: datetime
    duration_ms: int | None
    statement: int | None
    line: int | None
    sqlstate: str | None
    error: str | None
    blockers: list[dict[str, Any]] | None
    harm: dict[str, Any] | None
    login_role: str
    username: str | None
    hostname: str | None
    client_address: str | None
    run_id: str
    tool_version: str


@dataclass(frozen=True, slots=True)
class Writing:
    """The SQL that writes attempts of one run: each text is one message, and does all or nothing.

    `row_id` is the row which says that the run is under way; a run of many databases comes back under the same run id.
    """

    connection: Connection
    schema: str
    owners: tuple[str, ...]
    run: Run
    row_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def begin(self, operation: str, steps: Sequence[str]) -> str:
        """Note that a run begins, and take over what runs before it have left; the last result tells of those."""
        ids = json.dumps(list(steps[:_MOST_STEPS]))
        first = self._filled("begin", operation=operation, steps=ids, tool_version=__version__)
        return self._message(first, self._filled("take_dead"), commit="off")

    def seen(self, attempt: Attempt) -> str:
        """Note how far the run is; where the table is locked, it is not worth waiting for."""
        return self._message(self._filled("seen", **_values(attempt)), commit="off", wait=_WAIT_AT_WORK)

    def add(self, attempt: Attempt, *, ends: bool = False) -> str:
        """Record an attempt; `ends` says that the run is over with it."""
        row = self._filled("add", id=str(uuid.uuid4()), tool_version=__version__, **_values(attempt))
        return self._message(row, self._filled("bound", most=_MOST), *([self._gone()] if ends else []))

    def end(self) -> str:
        """Note that the run is over."""
        return self._message(self._gone(), commit="off")

    def found(self, dead_id: str, migration_id: str | None, statement: int | None, line: int | None) -> str:
        """Say of which migration a run was killed."""
        values = {"id": dead_id, "migration_id": migration_id, "statement": statement, "line": line}
        return self._message(self._filled("place_dead", **values))

    def left(self, dead_id: str) -> str:
        """Leave a run to the next one, since its session is still at work."""
        return self._message(self._filled("leave", id=dead_id))

    def nothing(self, dead_id: str) -> str:
        """Forget a run that had done all that it was to do."""
        return self._message(self._filled("drop", id=dead_id))

    def _gone(self) -> str:
        return self._filled("drop", id=self.row_id)

    def _message(self, *commands: str, commit: str = "local", wait: str = _WAIT) -> str:
        """Put commands behind the look at the table, under one lock; it fails where the table is not to be trusted."""
        settings = self._filled("settings", commit=commit, wait=wait)
        look = trust.guarded(_tables(self.schema, self.owners), [ATTEMPTS], trust.WRITE)
        return "; ".join((settings, look, *commands))

    def _filled(self, name: str, **values: Any) -> str:
        run = {"run_id": self.run.run_id, "username": self.run.username, "hostname": self.run.hostname}
        given = run | {"row_id": self.row_id} | values
        return ClientCursor(self.connection).mogrify(_compose(name, self.schema), given)


def _values(attempt: Attempt) -> dict[str, Any]:
    blockers = plain(attempt.blockers[:_MOST_BLOCKERS])
    error = redact(attempt.error)[:_TEXT_MAX].replace("\0", "") if attempt.error else None
    return {
        "state": attempt.state,
        "operation": attempt.operation,
        "migration_id": attempt.migration_id,
        "attempt": attempt.number,
        "milliseconds": int(attempt.seconds * 1000),
        "statement": attempt.statement,
        "line": attempt.line,
        "sqlstate": attempt.sqlstate,
        "error": error,
        "blockers": json.dumps(blockers) if blockers else None,
        "harm": json.dumps(plain(attempt.harm)) if attempt.harm else None,
    }


@careful()
def read_attempts(
    connection: Connection, schema: str, wanted: LogFilter, *, owners: Collection[str] = ()
) -> list[AttemptRow]:
    """Read what became of attempts, oldest first; none where the history has no table for it yet.

    Raises HistoryError where the role may not read it, or the table is not to be trusted.
    """
    query, factory = _compose("rows", schema), typed_row(AttemptRow)
    tables = _tables(schema, owners)
    try:
        rows, _ = trust.read(connection, tables, query, asdict(wanted), locked=[ATTEMPTS], row_factory=factory)
    except psycopg.errors.UndefinedTable:
        return []
    except psycopg.errors.InsufficientPrivilege:
        names = {"table": sql.Identifier(schema, ATTEMPTS), "role": sql.Identifier(connection.info.user)}
        hint = sql.SQL("GRANT SELECT ON {table} TO {role}").format(**names).as_string()
        raise HistoryError(f"role {connection.info.user} may not read {schema}.{ATTEMPTS}", hint=hint) from None
    return rows[::-1]


def _tables(schema: str, owners: Collection[str]) -> Tables:
    return Tables(schema, (ATTEMPTS,), tuple(owners))


def _compose(name: str, schema: str) -> sql.Composed:
    return sql.SQL(queries.load("attempts")[name]).format(schema=sql.Identifier(schema.replace("%", "%%")))
