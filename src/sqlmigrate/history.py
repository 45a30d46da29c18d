"""What is applied: the only module that knows our tables.

The tables live in a schema of their own. `_yoyo_migration` alone says what is applied; a row that yoyo added has no
checksum and is fine, one that yoyo deleted is not applied.
"""

from __future__ import annotations

import getpass
import json
import socket
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row, dict_row

from sqlmigrate import __version__, queries
from sqlmigrate.connection import Command
from sqlmigrate.errors import HistoryError
from sqlmigrate.migrations import migration_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from sqlmigrate.connection import Connection
    from sqlmigrate.migrations import Migration

VERSION = 1
"""The version of the history tables that this release writes."""

STATEMENT_TEXT_MAX = 10_000
"""Characters of a statement that the journal keeps to be shown."""

RECORD_TEXT_MAX = 1_048_576
"""Bytes up to which a script's text is recorded; of a larger one only digests and size (a 200 MB text costs 600)."""


_GRANT_SELECT = "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}"
_GRANT_USAGE = "GRANT USAGE ON SCHEMA {schema} TO {role}; " + _GRANT_SELECT
_GRANT_CREATE = "GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}"
_CREATE_SCHEMA = "CREATE SCHEMA {schema} AUTHORIZATION {role}"


@dataclass(frozen=True, slots=True)
class Applied:
    """One applied migration as recorded; `seq` is None for a row that yoyo added, `applied_at` is in UTC."""

    migration_id: str
    migration_hash: str
    applied_at: datetime | None = None
    seq: int | None = None
    marked: bool = False
    checksum: str | None = None
    sha256: str | None = None
    rollback_checksum: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One statement of a non-transactional script, or one block from BEGIN to COMMIT, as the journal knows it.

    `state` is `running` (its outcome is not known), `failed` or `done`; `found` is what was there before it ran.
    """

    number: int
    last_number: int
    state: str
    digest: str
    statement: str
    line: int | None = None
    found: dict[str, Any] | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class HalfWay:
    """A non-transactional script that stopped half way; `operation` is apply or rollback."""

    migration_id: str
    operation: str
    entries: tuple[Entry, ...]

    @property
    def stopped_at(self) -> Entry:
        """The last statement that was begun."""
        return self.entries[-1]


@dataclass(frozen=True, slots=True)
class Texts:
    """The scripts of a migration as they were recorded; None where they were too large, or only yoyo knows it."""

    script: str | None = None
    rollback: str | None = None


@dataclass(frozen=True, slots=True)
class History:
    """The applied migrations in the order of their application, and the scripts that stopped half way.

    `version` is None where no tables exist yet; `texts` looks up the recorded scripts of an id where they are needed.
    """

    applied: tuple[Applied, ...] = ()
    version: int | None = None
    half_way: tuple[HalfWay, ...] = ()
    texts: Callable[[str], Texts] = field(default=lambda _: Texts(), repr=False, compare=False)

    def stopped(self, migration_id: str) -> HalfWay | None:
        """Give where a script of this id stopped half way; a rollback goes before the apply that it undoes."""
        found = [item for item in self.half_way if item.migration_id == migration_id]
        return max(found, key=lambda item: item.operation, default=None)

    def get(self, migration_id: str) -> Applied | None:
        """Give what is recorded of an id, or None."""
        return next((row for row in self.applied if row.migration_id == migration_id), None)


def _username() -> str:
    try:
        return getpass.getuser()[:255]
    except (KeyError, OSError):  # a container may run as a user id without a name
        return "unknown"


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which rows of the log are wanted: all of them where a part is None; `most` counts from the newest."""

    migration_id: str | None = None
    operation: str | None = None
    since: str | None = None
    until: str | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class LogRow:
    """One operation: when (UTC), what, by whom, from where, as which role, how long in milliseconds, and why.

    What yoyo wrote has no roles, no duration and no tool version.
    """

    at: datetime
    operation: str
    migration_id: str | None
    login_role: str | None
    script_role: str | None
    username: str | None
    hostname: str | None
    client_address: str | None
    duration_ms: int | None
    run_id: str | None
    checksum: str | None
    sha256: str | None
    server_version: str | None
    tool_version: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Run:
    """Who runs: recorded with everything that one call of the command does."""

    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    username: str = field(default_factory=_username)
    hostname: str = field(default_factory=lambda: socket.gethostname()[:255])


def read(connection: Connection, schema: str) -> History:
    """Read what is applied; needs no right but to read, takes no lock, and creates nothing.

    Raises HistoryError where the role may not read it, or where a newer release wrote it.
    """
    found = connection.execute(queries.load("history")["schema_exists"], [schema]).fetchone()
    if found is None or not found[0]:
        return History()
    if not found[1]:
        raise HistoryError(
            f"role {connection.info.user} may not read the history in schema {schema}",
            hint=_sql(_GRANT_USAGE, schema, connection),
        )
    try:
        with connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(_compose("rows", schema)).fetchall()
            version, stopped = (rows[0]["version"], rows[0]["half_way"]) if rows else _version(connection, schema)
            half_way = _half_way(connection, schema) if stopped else ()
    except psycopg.errors.InsufficientPrivilege:
        raise HistoryError(
            f"role {connection.info.user} may not read the history in schema {schema}",
            hint=_sql(_GRANT_SELECT, schema, connection),
        ) from None
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise _unknown_tables(connection, schema, error) from None
    _require_known(version, schema)
    return History(_in_application_order(rows), version, half_way, lambda name: _texts(connection, schema, name))


def _texts(connection: Connection, schema: str, migration_id: str) -> Texts:
    row = connection.execute(_compose("texts", schema), [migration_hash(migration_id)]).fetchone()
    return Texts(*row) if row else Texts()


def _unknown_tables(connection: Connection, schema: str, error: psycopg.Error) -> HistoryError:
    """Tell the tables of a newer release from those of another tool."""
    query = sql.SQL("SELECT pg_catalog.max(version) FROM {}.meta").format(sql.Identifier(schema))
    with suppress(psycopg.Error):
        row = connection.execute(query).fetchone()
        _require_known(row[0] if row else None, schema)
    return _other_tool(schema, error)


def _other_tool(schema: str, error: psycopg.Error) -> HistoryError:
    return HistoryError(
        f"schema {schema} holds tables of another tool: {error.diag.message_primary}",
        hint="choose another schema for the history with the setting history_schema",
    )


def _sql(text: str, schema: str, connection: Connection) -> str:
    """Fill in SQL that a DBA can copy from a hint."""
    names = {"schema": sql.Identifier(schema), "role": sql.Identifier(connection.info.user)}
    return sql.SQL(text).format(**names).as_string()


def _version(connection: Connection, schema: str) -> tuple[int | None, bool]:
    row = connection.execute(_compose("version", schema)).fetchone()
    return (row[0], row[1]) if row else (None, False)


def _half_way(connection: Connection, schema: str) -> tuple[HalfWay, ...]:
    entries: dict[tuple[str, str], list[Entry]] = {}
    for migration_id, _, operation, *values in connection.execute(_compose("journal", schema)):
        entries.setdefault((migration_id, operation), []).append(Entry(*values))
    return tuple(HalfWay(*key, tuple(found)) for key, found in entries.items())


def _require_known(version: int | None, schema: str) -> None:
    if version is not None and version > VERSION:
        raise HistoryError(
            f"the history in schema {schema} has version {version}; sqlmigrate {__version__} knows up to {VERSION}",
            hint="upgrade: pip install --upgrade pg-sqlmigrate",
        )


def _in_application_order(rows: Iterable[dict[str, Any]]) -> tuple[Applied, ...]:
    """Order our rows by their sequence, and put each of yoyo's where its time fits between them."""
    ours: list[Applied] = []
    theirs: list[Applied] = []
    for row in rows:
        marked = bool(row["marked"]) if row["seq"] is not None else False
        applied = Applied(
            row["migration_id"],
            row["migration_hash"],
            row["applied_at_utc"],
            row["seq"],
            marked,
            row["checksum"],
            row["sha256"],
            row["rollback_checksum"],
        )
        (theirs if applied.seq is None else ours).append(applied)
    result = sorted(ours, key=lambda row: row.seq or 0)
    for late in sorted(theirs, key=lambda row: (_time(row), row.migration_id)):
        index = next((at for at, other in enumerate(result) if _time(other) > _time(late)), len(result))
        result.insert(index, late)
    return tuple(result)


def _time(row: Applied) -> str:
    return row.applied_at.isoformat() if row.applied_at else ""


def install(connection: Connection, schema: str, history: History) -> None:
    """Create the history tables, or bring them up to date, in one transaction; the caller holds the run lock."""
    if history.version == VERSION:
        return
    name = sql.Identifier(schema)
    exists = connection.execute("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s", [schema]).fetchone()
    try:
        with connection.transaction():
            if not exists:
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
            for version in range((history.version or 0) + 1, VERSION + 1):
                connection.execute(sql.SQL(queries.history_upgrade(version)).format(schema=name))
                # no parameters: with them a % in the schema's name would count as one
                record = sql.SQL("INSERT INTO {}.meta (version, upgraded_by) VALUES ({}, {})")
                connection.execute(record.format(name, version, f"sqlmigrate {__version__}"))
    except psycopg.errors.InsufficientPrivilege as error:
        raise HistoryError(
            f"the history cannot be created in schema {schema}: {error.diag.message_primary}",
            hint=f"a DBA can help: {_sql(_GRANT_CREATE if exists else _CREATE_SCHEMA, schema, connection)}",
        ) from None
    except (psycopg.errors.DuplicateTable, psycopg.errors.DuplicateObject) as error:
        raise _other_tool(schema, error) from None


def claim(schema: str, migration_id: str) -> Command:
    """Give the command that records an id as applied, before its script runs.

    The primary key lets a migration happen once even where two runs got past the run lock.
    """
    return Command(_text("claim", schema), (migration_hash(migration_id), migration_id))


def unclaim(schema: str, migration_id: str) -> Command:
    """Give the command that takes an id out of the history; it fails (22012) where it is not applied any more."""
    return Command(_text("unclaim", schema), (migration_hash(migration_id),))


def finish_claim(schema: str, migration: Migration, run: Run, *, marked: bool = False) -> Command:
    """Give the command that completes a claimed row; it writes no row where the claim is gone."""
    values = (*_digests(migration), "true" if marked else "false", run.run_id)
    return Command(_text("finish_claim", schema), values)


def unclaim_journal(schema: str, migration_id: str) -> Command:
    """Give the command that takes a half-way script's journal away; it fails (22012) where there is none any more."""
    return Command(_text("unclaim_journal", schema), (migration_hash(migration_id),))


def accept(schema: str, migration: Migration) -> Command:
    """Give the command that records the files of an applied migration as they are now."""
    return Command(_text("accept", schema), _digests(migration))


def _digests(migration: Migration) -> tuple[str | None, ...]:
    """Give what is recorded of the files of a migration, from its hash on."""
    script, rollback = migration.script, migration.rollback
    return (
        migration.migration_hash,
        script.checksum,
        script.sha256,
        str(script.size),
        script.text if script.size <= RECORD_TEXT_MAX else None,
        rollback.checksum if rollback else None,
        rollback.sha256 if rollback else None,
        str(rollback.size) if rollback else None,
        rollback.text if rollback and rollback.size <= RECORD_TEXT_MAX else None,
    )


def read_log(connection: Connection, schema: str, wanted: LogFilter) -> list[LogRow]:
    """Read who did what, oldest first; raises HistoryError where there is no history yet."""
    if read(connection, schema).version is None:
        raise HistoryError(f"there is no history in schema {schema} yet")
    with connection.cursor(row_factory=class_row(LogRow)) as cursor:
        return cursor.execute(_compose("log_rows", schema), asdict(wanted)).fetchall()[::-1]


def journal_begin(schema: str, migration_id: str, operation: str, entry: Entry, run: Run) -> Command:
    """Give the command that writes a statement into the journal; its primary key keeps two runs apart."""
    values = (
        migration_hash(migration_id),
        migration_id,
        operation,
        str(entry.number),
        str(entry.last_number),
        entry.state,
        entry.digest,
        entry.statement[:STATEMENT_TEXT_MAX],
        None if entry.line is None else str(entry.line),
        None if entry.found is None else json.dumps(entry.found),
        run.run_id,
    )
    return Command(_text("journal_begin", schema), values)


def journal_state(
    schema: str, migration_id: str, operation: str, number: int, state: str, error: str | None = None
) -> Command:
    """Give the command that sets the state of a statement in the journal."""
    return Command(_text("journal_state", schema), (migration_hash(migration_id), operation, str(number), state, error))


def journal_forget(schema: str, migration_id: str, operation: str, number: int) -> Command:
    """Give the command that takes one statement out of the journal: it has not run."""
    return Command(_text("journal_forget", schema), (migration_hash(migration_id), operation, str(number)))


def journal_clear(schema: str, migration_id: str) -> Command:
    """Give the command that empties the journal of a migration: its script is through."""
    return Command(_text("journal_clear", schema), (migration_hash(migration_id),))


def log(
    schema: str,
    migration_id: str,
    operation: str,
    run: Run,
    *,
    script_role: str | None = None,
    digests: tuple[str, str] | None = None,
    reason: str | None = None,
) -> list[Command]:
    """Give the commands that write down who did what, in yoyo's log and in ours."""
    log_id = str(uuid.uuid4())
    hashed = migration_hash(migration_id)
    checksum, sha256 = digests or (None, None)
    short = reason[:255] if reason else None
    yoyo = (log_id, hashed, migration_id, operation, run.username, run.hostname, short)
    ours = (log_id, run.run_id, operation, script_role, checksum, sha256, __version__, reason)
    return [Command(_text("yoyo_log", schema), yoyo), Command(_text("log", schema), ours)]


def _compose(name: str, schema: str) -> sql.Composed:
    text = queries.load("history")[name]
    return sql.SQL(text).format(schema=sql.Identifier(schema))


def _text(name: str, schema: str) -> str:
    return _compose(name, schema).as_string()
