"""Read the history, and create its tables or bring them up to date."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row, dict_row

from sqlmigrate import __version__, queries
from sqlmigrate.errors import HistoryError
from sqlmigrate.history.model import Applied, Entry, HalfWay, History, LogFilter, LogRow, Texts
from sqlmigrate.history.names import compose
from sqlmigrate.migrations import migration_hash

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlmigrate.connection import Connection

VERSION = 1
"""The version of the history tables that this release writes."""

_GRANT_SELECT = "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}"
_GRANT_USAGE = "GRANT USAGE ON SCHEMA {schema} TO {role}; " + _GRANT_SELECT
_GRANT_WRITE = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}; "
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"
)
_GRANT_CREATE = "GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}"
_CREATE_SCHEMA = "CREATE SCHEMA {schema} AUTHORIZATION {role}"


def read(connection: Connection, schema: str, *, writing: bool = False) -> History:
    """Read what is applied; needs no right but to read, takes no lock, and creates nothing.

    `writing` says that the history will be written afterwards, so that the hint of an error helps with that too.
    Raises HistoryError where the role may not read it, or where a newer release wrote it.
    """
    found = connection.execute(queries.load("history")["schema_exists"], [schema]).fetchone()
    if found is None or not found[0]:
        return History()
    if not found[1]:
        raise HistoryError(
            f"role {connection.info.user} may not read the history in schema {schema}",
            hint=_write_hint(connection, schema) if writing else _sql(_GRANT_USAGE, schema, connection),
        )
    try:
        with connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(compose("rows", schema)).fetchall()
            version, stopped = (rows[0]["version"], rows[0]["half_way"]) if rows else _version(connection, schema)
            half_way = _half_way(connection, schema) if stopped else ()
    except psycopg.errors.InsufficientPrivilege:
        raise HistoryError(
            f"role {connection.info.user} may not read the history in schema {schema}",
            hint=_write_hint(connection, schema) if writing else _sql(_GRANT_SELECT, schema, connection),
        ) from None
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise _unknown_tables(connection, schema, error) from None
    _require_known(version, schema)
    return History(_in_application_order(rows), version, half_way, lambda name: _texts(connection, schema, name))


def _texts(connection: Connection, schema: str, migration_id: str) -> Texts:
    row = connection.execute(compose("texts", schema), [migration_hash(migration_id)]).fetchone()
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


def _write_hint(connection: Connection, schema: str) -> str:
    owner, _ = _writer(connection, schema)
    return f"run as {owner}, which owns the history, or {_sql(_GRANT_WRITE, schema, connection)}"


def _writer(connection: Connection, schema: str) -> tuple[str, bool]:
    """Give who owns the history, and whether this role may write any of it."""
    row = connection.execute(queries.load("history")["writer"], [schema]).fetchone()
    return row or ("its owner", False)


def _require_writer(connection: Connection, schema: str) -> None:
    if not _writer(connection, schema)[1]:
        raise HistoryError(
            f"role {connection.info.user} may not write the history in schema {schema}",
            hint=_write_hint(connection, schema),
        )


def _version(connection: Connection, schema: str) -> tuple[int | None, bool]:
    row = connection.execute(compose("version", schema)).fetchone()
    return (row[0], row[1]) if row else (None, False)


def _half_way(connection: Connection, schema: str) -> tuple[HalfWay, ...]:
    entries: dict[tuple[str, str], list[Entry]] = {}
    for migration_id, _, operation, *values in connection.execute(compose("journal", schema)):
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


def read_log(connection: Connection, schema: str, wanted: LogFilter) -> list[LogRow]:
    """Read who did what, oldest first; raises HistoryError where there is no history yet."""
    if read(connection, schema).version is None:
        raise HistoryError(
            f"there is no history in schema {schema} yet",
            hint="the first `sqlmigrate apply` or `sqlmigrate mark` makes it; history_schema names another schema",
        )
    with connection.cursor(row_factory=class_row(LogRow)) as cursor:
        return cursor.execute(compose("log_rows", schema), asdict(wanted)).fetchall()[::-1]


def upgrades(schema: str, version: int | None) -> list[sql.Composed]:
    """Give the commands that bring the tables from a version (None: there are none yet) to ours."""
    name = sql.Identifier(schema)
    record = sql.SQL("INSERT INTO {}.meta (version, upgraded_by) VALUES ({}, {})")
    commands = []
    for next_version in range((version or 0) + 1, VERSION + 1):
        commands.append(sql.SQL(queries.history_upgrade(next_version)).format(schema=name))
        # no parameters: with them a % in the schema's name would count as one
        commands.append(record.format(name, next_version, f"sqlmigrate {__version__}"))
    return commands


def install(connection: Connection, schema: str, history: History) -> None:
    """Create the history tables, or bring them up to date, in one transaction; the caller holds the run lock.

    Raises HistoryError where the role may not.
    """
    if history.version == VERSION:
        _require_writer(connection, schema)
        return
    name = sql.Identifier(schema)
    exists = connection.execute("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s", [schema]).fetchone()
    refused = f"the history cannot be created in schema {schema}"
    try:
        with connection.transaction():
            if not exists:
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
            for upgrade in upgrades(schema, history.version):
                connection.execute(upgrade)
    except psycopg.errors.InsufficientPrivilege as error:
        raise HistoryError(
            f"{refused}: {error.diag.message_primary}",
            hint=f"a DBA can help: {_sql(_GRANT_CREATE if exists else _CREATE_SCHEMA, schema, connection)}",
        ) from None
    except (psycopg.errors.DuplicateTable, psycopg.errors.DuplicateObject) as error:
        raise _other_tool(schema, error) from None
    except psycopg.Error as error:
        if connection.closed:
            raise
        raise HistoryError(f"{refused}: {error.diag.message_primary or error}") from None  # an event trigger, say
