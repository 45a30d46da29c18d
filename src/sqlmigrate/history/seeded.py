"""Which seed files were written, as they were then.

Their table is an addition, as that of attempts: releases that do not know it leave it alone, and the first seeding that
has something to say makes it.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from datetime import datetime  # noqa: TC003  rows are held against the types of their fields
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from sqlmigrate import __version__, queries
from sqlmigrate.connection import careful, typed_row
from sqlmigrate.errors import HistoryError
from sqlmigrate.history import trust
from sqlmigrate.history.names import SEEDS
from sqlmigrate.history.tables import seeds_table
from sqlmigrate.history.trust import Tables

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from psycopg.rows import RowFactory

    from sqlmigrate.connection import Connection
    from sqlmigrate.history.logged import LogFilter
    from sqlmigrate.history.model import Run


@dataclass(frozen=True, slots=True)
class SeededFile:
    """A seed file that is written: its name in the data folder, its table, the SHA-256 of its text and its schema's.

    The counts say what became of its rows; they are None for a file that was laid over another one, whose counts have
    its rows.
    """

    file: str
    table: str
    checksum: str
    schema_checksum: str
    rows: int
    inserted: int | None = None
    updated: int | None = None
    unchanged: int | None = None
    kept: int | None = None
    pruned: int | None = None


@dataclass(frozen=True, slots=True)
class LastSeeded:
    """What is recorded of a file when it was seeded last; `at` is in UTC."""

    file: str
    checksum: str
    schema_checksum: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SeededRow:
    """A recorded file; `at` is in UTC, `seed_role` the role that wrote its rows, if not the login itself."""

    at: datetime
    file: str
    table: str
    checksum: str
    schema_checksum: str
    rows: int
    inserted: int | None
    updated: int | None
    unchanged: int | None
    kept: int | None
    pruned: int | None
    login_role: str
    seed_role: str | None
    username: str | None
    hostname: str | None
    client_address: str | None
    run_id: str
    tool_version: str


def last_seeded(connection: Connection, schema: str, *, owners: Collection[str] = ()) -> dict[str, LastSeeded]:
    """Read what each file was like when it was seeded last, by its name; nothing where that was never recorded.

    Raises HistoryError where the role may not read it, or the table is not to be trusted.
    """
    if not trust.there(connection, schema, [SEEDS]):
        return {}
    return {row.file: row for row in _read(connection, schema, owners, "last", {}, typed_row(LastSeeded))}


def read_seeded(
    connection: Connection, schema: str, wanted: LogFilter, *, owners: Collection[str] = ()
) -> list[SeededRow]:
    """Read which files were written, oldest first; raises what `last_seeded` raises."""
    if not trust.there(connection, schema, [SEEDS]):
        return []
    return _read(connection, schema, owners, "rows", asdict(wanted), typed_row(SeededRow))[::-1]


def write_seeded(
    connection: Connection,
    schema: str,
    owners: Collection[str],
    run: Run,
    role: str | None,
    files: Iterable[SeededFile],
) -> None:
    """Record files in the transaction of the caller, as its role; where there is no table for it, it is made.

    Raises psycopg.errors.InsufficientPrivilege, and HistoryError where the table is not to be trusted.
    """
    if not trust.there(connection, schema, [SEEDS]):
        connection.execute(seeds_table(schema))
    trust.hold(connection, _tables(schema, owners), [SEEDS])
    of_run = {"run_id": run.run_id, "username": run.username, "hostname": run.hostname}
    for file in files:
        values = {"id": str(uuid.uuid4()), "role": role, "tool_version": __version__}
        connection.execute(_compose("add", schema), of_run | values | asdict(file))


@careful()
def _read(
    connection: Connection,
    schema: str,
    owners: Collection[str],
    name: str,
    values: dict[str, Any],
    factory: RowFactory[Any],
) -> list[Any]:
    try:
        rows, _ = trust.read(
            connection, _tables(schema, owners), _compose(name, schema), values, locked=[SEEDS], row_factory=factory
        )
    except psycopg.errors.InsufficientPrivilege:
        names = {"table": sql.Identifier(schema, SEEDS), "role": sql.Identifier(connection.info.user)}
        hint = sql.SQL("GRANT SELECT ON {table} TO {role}").format(**names).as_string()
        raise HistoryError(f"role {connection.info.user} may not read {schema}.{SEEDS}", hint=hint) from None
    return rows


def _tables(schema: str, owners: Collection[str]) -> Tables:
    return Tables(schema, (SEEDS,), tuple(owners))


def _compose(name: str, schema: str) -> sql.Composed:
    return sql.SQL(queries.load("seeds")[name]).format(schema=sql.Identifier(schema.replace("%", "%%")))
