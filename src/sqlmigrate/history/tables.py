"""Read the history, and create its tables or bring them up to date."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import pq, sql
from psycopg.rows import dict_row

from sqlmigrate import __version__, queries
from sqlmigrate.connection import careful, raised_in
from sqlmigrate.errors import HistoryError
from sqlmigrate.history import trust
from sqlmigrate.history.model import Applied, Entry, HalfWay, History, Texts
from sqlmigrate.history.names import ATTEMPTS, SEEDS, TABLES, WRITTEN, compose, ours
from sqlmigrate.history.privileges import as_the_log, dollar_quote, new_schema, only_to_read
from sqlmigrate.migrations import migration_hash

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlmigrate.connection import Connection
    from sqlmigrate.history.trust import Tables

VERSION = 2
"""The version of the history tables that this release writes."""

_GRANT_SELECT = "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}"
_GRANT_USAGE = "GRANT USAGE ON SCHEMA {schema} TO {role}; " + _GRANT_SELECT
_GRANT_WRITE = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}; "
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"
)
_GRANT_CREATE = "GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}"
_OPERATIONS = frozenset({"apply", "rollback"})
# what is to be there for each of our queries
_READ_OF_ROWS = ("_yoyo_migration", "applied", "meta", "journal")
_CREATE_SCHEMA = "CREATE SCHEMA {schema} AUTHORIZATION {role}"


@careful()
def read(connection: Connection, schema: str, *, owners: Collection[str] = (), writing: bool = False) -> History:
    """Read what is applied; needs no right but to read, keeps no lock, and creates nothing.

    `owners` are roles that are trusted as owners of the history beside the login's own, `writing` says that the history
    will be written afterwards, so that the hint of an error helps with that too. Raises HistoryError where the history
    is not to be trusted, before any row of it is read; where the role may not read it, or a newer release wrote it.
    """
    tables = ours(schema, owners)
    found = connection.execute(queries.load("history")["schema_exists"], [schema]).fetchone()
    if found is None:
        return History()
    if not found[0]:
        trust.require(connection, tables)
        return History()
    if not found[1]:
        raise _unreadable(connection, tables, _GRANT_USAGE, writing=writing)
    try:
        query = compose("rows", schema)
        rows, standing = trust.read(connection, tables, query, locked=_READ_OF_ROWS, row_factory=dict_row)
        version, stopped, attempts = _known(rows[0]) if rows else _version(connection, tables)
        half_way = _half_way(connection, tables) if stopped else ()
    except psycopg.errors.InsufficientPrivilege:
        raise _unreadable(connection, tables, _GRANT_SELECT, writing=writing) from None
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise _unknown_tables(connection, tables, error) from None
    if version is None or version < 1:
        raise _without_version(schema)
    _require_known(version, schema)
    _require_ids(rows, schema)
    applied = _in_application_order(rows)
    return History(applied, version, half_way, standing=standing, attempts=attempts)


@careful()
def with_texts(
    connection: Connection, schema: str, history: History, ids: Collection[str], *, owners: Collection[str] = ()
) -> History:
    """Return a history with the recorded scripts of these ids, read in one query; without ids nothing is asked.

    Raises HistoryError where the history is not to be trusted any more.
    """
    if not ids:
        return history
    names = {migration_hash(name): name for name in ids}
    query, tables = compose("texts", schema, with_values=True), ours(schema, owners)
    rows, _ = trust.read(connection, tables, query, [sorted(names)], locked=["applied"])
    return replace(history, texts={names[key]: Texts(script, rollback) for key, script, rollback in rows})


@careful()
def half_way(connection: Connection, schema: str, *, owners: Collection[str] = ()) -> tuple[HalfWay, ...]:
    """Return which scripts are half way, in one round trip: of a history that was read before, by whoever waits.

    Raises HistoryError where it is not to be trusted any more, and psycopg's errors.
    """
    return _half_way(connection, ours(schema, owners))


def _unreadable(connection: Connection, tables: Tables, grant: str, *, writing: bool) -> HistoryError:
    """Say what a role needs that may not read the history: rights, and to trust its owner."""
    schema = tables.schema
    hint = _write_hint(connection, schema) if writing else _sql(grant, schema, connection)
    if connection.info.transaction_status == pq.TransactionStatus.IDLE:
        hint += trust.as_remark(connection, tables)
    return HistoryError(f"role {connection.info.user} may not read the history in schema {schema}", hint=hint)


def _unknown_tables(connection: Connection, tables: Tables, error: psycopg.Error) -> HistoryError:
    """Tell the tables of a newer release from those of another tool, and from what is left of our own."""
    query = sql.SQL("SELECT pg_catalog.max(version) FROM {}.meta").format(sql.Identifier(tables.schema))
    with suppress(psycopg.Error):
        [(version,)], _ = trust.read(connection, tables, query, locked=["meta"])
        _require_known(version, tables.schema)
    return HistoryError(
        f"schema {tables.schema} holds tables of another tool, or a history that has lost something: "
        f"{error.diag.message_primary}",
        hint="choose another schema for the history with the setting history_schema; or restore what was lost from a "
        "backup of the schema",
    )


def _other_tool(schema: str, error: psycopg.Error) -> HistoryError:
    return HistoryError(
        f"schema {schema} holds tables of another tool: {error.diag.message_primary}",
        hint="choose another schema for the history with the setting history_schema",
    )


def _without_version(schema: str) -> HistoryError:
    name = sql.Identifier(schema, "meta").as_string()
    return HistoryError(
        f"the history in schema {schema} has lost its version: {name} has no row of it",
        hint=f"restore that from a backup of the schema; or INSERT INTO {name} (version, upgraded_by) "  # noqa: S608  for people
        f"VALUES ({VERSION}, current_user), if this release wrote the history",
    )


def _sql(text: str, schema: str, connection: Connection) -> str:
    """Fill in SQL that a DBA can copy from a hint."""
    names = {"schema": sql.Identifier(schema), "role": sql.Identifier(connection.info.user)}
    return sql.SQL(text).format(**names).as_string()


def _write_hint(connection: Connection, schema: str) -> str:
    owner, _ = _writer(connection, schema)
    return f"run as {owner}, which owns the history, or {_sql(_GRANT_WRITE, schema, connection)}"


def _writer(connection: Connection, schema: str) -> tuple[str, bool]:
    """Return who owns the history, and whether this role may write any of it."""
    row = connection.execute(queries.load("history")["writer"], [schema]).fetchone()
    return row or ("its owner", False)


def _require_writer(connection: Connection, schema: str) -> None:
    if not _writer(connection, schema)[1]:
        raise HistoryError(
            f"role {connection.info.user} may not write the history in schema {schema}",
            hint=_write_hint(connection, schema),
        )


def _known(row: dict[str, Any]) -> tuple[int | None, bool, bool]:
    return row["version"], row["half_way"], row["attempts"]


def _version(connection: Connection, tables: Tables) -> tuple[int | None, bool, bool]:
    query, locked = compose("version", tables.schema), ("meta", "journal")
    rows, _ = trust.read(connection, tables, query, locked=locked, row_factory=dict_row)
    return _known(rows[0]) if rows else (None, False, False)


def _half_way(connection: Connection, tables: Tables) -> tuple[HalfWay, ...]:
    entries: dict[tuple[str, str], list[Entry]] = {}
    rows, _ = trust.read(connection, tables, compose("journal", tables.schema), locked=["journal"])
    for migration_id, key, operation, *values in rows:
        entry = Entry(*values)
        known = key == migration_hash(migration_id) and operation in _OPERATIONS and entry.is_known
        if not known:
            raise _foreign_row(sql.Identifier(tables.schema, "journal"), migration_id, key)
        entries.setdefault((migration_id, operation), []).append(entry)
    return tuple(HalfWay(*key, tuple(found)) for key, found in entries.items())


def _require_known(version: int | None, schema: str) -> None:
    if version is not None and version > VERSION:
        raise HistoryError(
            f"the history in schema {schema} has version {version}; sqlmigrate {__version__} knows up to {VERSION}",
            hint="upgrade: pip install --upgrade pg-sqlmigrate",
        )


def _require_ids(rows: Iterable[dict[str, Any]], schema: str) -> None:
    """Refuse what yoyo's table lets in and no tool writes: a row that names no migration."""
    for row in rows:
        if not row["migration_id"]:
            name = sql.Identifier(schema, "_yoyo_migration").as_string()
            raise HistoryError(
                f"a row of {name} names no migration",
                hint=f"DELETE FROM {name} WHERE coalesce(migration_id, '') = ''",  # noqa: S608  quoted, for people
            )


def _foreign_row(table: sql.Identifier, migration_id: str, key: str) -> HistoryError:
    where = sql.SQL("{} WHERE migration_hash = {}").format(table, sql.Literal(key)).as_string()
    return HistoryError(
        f"a row of {table.as_string()} for {migration_id} has values that no release writes",
        hint=f"look at it: SELECT * FROM {where}; and restore it from a backup, or delete it",  # noqa: S608  for people
    )


def _in_application_order(rows: Iterable[dict[str, Any]]) -> tuple[Applied, ...]:
    """Order our rows by their sequence, and put each of yoyo's where its time fits between them."""
    ours: list[Applied] = []
    theirs: list[Applied] = []
    for row in rows:
        marked = bool(row["marked"]) if row["seq"] is not None else False
        applied = Applied(
            migration_id=row["migration_id"],
            migration_hash=row["migration_hash"],
            applied_at=row["applied_at_utc"],
            seq=row["seq"],
            marked=marked,
            checksum=row["checksum"],
            sha256=row["sha256"],
            rollback_checksum=row["rollback_checksum"],
            run_id=row["run_id"],
        )
        (theirs if applied.seq is None else ours).append(applied)
    result = sorted(ours, key=lambda row: row.seq or 0)
    for late in sorted(theirs, key=lambda row: (_time(row), row.migration_id)):
        index = next((at for at, other in enumerate(result) if _time(other) > _time(late)), len(result))
        result.insert(index, late)
    return tuple(result)


def _time(row: Applied) -> str:
    return row.applied_at.isoformat() if row.applied_at else ""


def upgrades(schema: str, version: int | None) -> list[sql.Composed]:
    """Return the commands that bring the tables from a version (None: there are none yet) to ours."""
    name = sql.Identifier(schema)
    record = sql.SQL("INSERT INTO {}.meta (version, upgraded_by) VALUES ({}, {})")
    commands = []
    for next_version in range((version or 0) + 1, VERSION + 1):
        text = queries.history_upgrade(next_version).replace("$do$", dollar_quote(schema))
        commands.append(sql.SQL(text).format(schema=name, space=sql.Literal(schema)))
    if version is None:
        commands[0] += only_to_read(schema, TABLES)
        commands.append(attempts_table(schema))
    # no parameters: with them a % in the schema's name would count as one
    return [*commands, record.format(name, VERSION, f"sqlmigrate {__version__}")] if commands else []


def attempts_table(schema: str) -> sql.Composed:
    """Return the commands that make the table of attempts, where there is none."""
    return _addition("attempts", schema, ATTEMPTS)


def seeds_table(schema: str) -> sql.Composed:
    """Return the commands that make the table of seed files, where there is none."""
    return _addition("seeds", schema, SEEDS)


def _addition(name: str, schema: str, table: str) -> sql.Composed:
    """Return the commands that make a table that is no part of any version."""
    made = sql.SQL(queries.history_part(name)).format(schema=sql.Identifier(schema))
    return sql.SQL("; ").join([made, only_to_read(schema, [table]), as_the_log(schema, table)])


def _with_attempts(connection: Connection, schema: str, history: History) -> History:
    """Add the table of attempts to a history of an earlier release, if this role may; it is no part of any version."""
    if history.attempts:
        return history
    with suppress(psycopg.Error), connection.transaction():
        connection.execute(attempts_table(schema))
        return replace(history, attempts=True)
    return history


def hold(connection: Connection, schema: str, owners: Collection[str]) -> None:
    """Keep the tables as they are until the transaction of the caller ends; raises HistoryError as `read` does."""
    trust.hold(connection, ours(schema, owners), WRITTEN)


def catch_up(connection: Connection, schema: str, owners: Collection[str]) -> None:
    """Move the sequences of the history on, where rows came from elsewhere and this role may; before it is written.

    Raises HistoryError where a table of it is gone.
    """
    query, tables = compose("catch_up", schema, with_values=True), ours(schema, owners)
    try:
        trust.read(connection, tables, query, [schema], locked=("applied", "log"))
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise _unknown_tables(connection, tables, error) from None


def install(connection: Connection, schema: str, history: History, *, owners: Collection[str] = ()) -> History:
    """Create the history tables, or bring them up to date, in one transaction; the caller holds the run lock.

    Gives the history as it is then. Raises HistoryError where the role may not, and where it is not to be trusted.
    """
    if history.version == VERSION:
        _require_writer(connection, schema)
        catch_up(connection, schema, owners)
        return _with_attempts(connection, schema, history)
    from sqlmigrate.connection.committing import committed  # noqa: PLC0415  once in the life of a database

    exists = connection.execute("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s", [schema]).fetchone()
    what = "created" if history.version is None else "brought up to date"
    refused = f"the history cannot be {what} in schema {schema}"
    try:
        with committed(connection):
            if not exists:
                connection.execute(new_schema(schema))
            if history.version is not None:
                hold(connection, schema, owners)
            for upgrade in upgrades(schema, history.version):
                connection.execute(upgrade)
            standing = trust.require(connection, ours(schema, owners))
    except psycopg.errors.InsufficientPrivilege as error:
        hint = _help(connection, schema, error, exists=bool(exists), is_new=history.version is None)
        raise HistoryError(f"{refused}: {error.diag.message_primary}", hint=hint) from None
    except (psycopg.errors.DuplicateTable, psycopg.errors.DuplicateObject) as error:
        raise _other_tool(schema, error) from None
    except psycopg.Error as error:
        if connection.closed:
            raise
        message = f"{refused}: {error.diag.message_primary or error}"
        raise HistoryError(message, hint=raised_in(error.diag)) from None
    if history.version is None:
        return replace(history, standing=standing, attempts=True)
    return _with_attempts(connection, schema, replace(history, standing=standing))


def _help(connection: Connection, schema: str, error: psycopg.Error, *, exists: bool, is_new: bool) -> str:
    """Return what helps where a right was missing while the tables were made or brought up to date."""
    owner = None if is_new else _writer(connection, schema)[0]
    if owner in {None, connection.info.user} and (hint := raised_in(error.diag)):
        return hint
    if owner is not None:
        return f"a DBA can help: `sqlmigrate apply` as {owner}, which owns the tables, does it"
    return f"a DBA can help: {_sql(_GRANT_CREATE if exists else _CREATE_SCHEMA, schema, connection)}"
