"""yoyo's own tables: find them in any schema, read them, and write into them."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from shlex import quote
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import RawCursor, sql
from psycopg.rows import class_row

from sqlmigrate import queries
from sqlmigrate.connection import as_login, raised_in
from sqlmigrate.errors import HistoryError, UsageError
from sqlmigrate.history import trust
from sqlmigrate.history.privileges import only_to_read
from sqlmigrate.history.trust import Tables

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from sqlmigrate.connection import Command, Connection

TABLE = "_yoyo_migration"
"""The name of yoyo's table, unless its option --migration-table says otherwise."""

VERSION = 2
"""The version of yoyo's tables that we read and write: yoyo 6.0 and later."""

_LOG, _VERSION, _LOCK = "_yoyo_log", "_yoyo_version", "yoyo_lock"
_MADE = {_LOG: ["create_log"], _VERSION: ["create_version", "record_version"]}

FIRST = datetime(1970, 1, 1)  # noqa: DTZ001  yoyo's times are in UTC and do not say so
"""The time that stands for none."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where to look: a schema, or None for any, and the name of the table."""

    schema: str | None = None
    table: str = TABLE


@dataclass(frozen=True, slots=True)
class YoyoTable:
    """A table of yoyo's; `current` says that it has the columns of version 2, `exists` is False for one to be made.

    `of_ours` says that it belongs to a history of sqlmigrate.
    """

    schema: str
    name: str
    current: bool = True
    readable: bool = True
    of_ours: bool = False
    exists: bool = True

    def __str__(self) -> str:
        """Return its name with its schema."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Row:
    """What yoyo recorded of a migration; the time is in UTC."""

    migration_hash: str
    migration_id: str | None
    applied_at_utc: datetime | None

    def __str__(self) -> str:
        """Return the id, or the hash where yoyo wrote none."""
        return self.migration_id or self.migration_hash


def not_adopted(
    connection: Connection, ours: str, owners: Collection[str], hashes: Iterable[str], within: str | None = None
) -> tuple[YoyoTable, Row] | None:
    """Return the first row of yoyo's, in any table but ours, that says one of these is applied; None where none does.

    It looks in all schemas, or `within` one. Raises HistoryError where such a table is not to be trusted: whether it
    is right cannot be known.
    """
    wanted = set(hashes)
    for place in _tables(connection, ours, TABLE, within):
        if place.of_ours or not (place.readable and place.current):
            continue
        for row in rows(connection, place, owners):
            if row.migration_hash in wanted:
                return place, row
    return None


def of_ours(connection: Connection, ours: str) -> list[str]:
    """Return the schemas of other histories of sqlmigrate in this database."""
    return [place.schema for place in _tables(connection, ours, TABLE) if place.of_ours]


def _tables(connection: Connection, ours: str, table: str, within: str | None = None) -> list[YoyoTable]:
    values = {"ours": ours, "table": table, "within": within}
    with connection.cursor(row_factory=class_row(YoyoTable)) as cursor:
        return cursor.execute(queries.load("yoyo")["tables"], values).fetchall()


def source(connection: Connection, ours: str, owners: Collection[str], where: Where) -> YoyoTable:
    """Find the one table to adopt from; raises UsageError where there are several, HistoryError where there is none."""
    if where.schema is not None:
        _require_usual(where.schema)
    found = [place for place in _tables(connection, ours, where.table) if where.schema in {None, place.schema}]
    if where.schema is not None and any(place.of_ours for place in found):
        raise _not_yoyos(where.schema)
    found = [place for place in found if not place.of_ours]
    named = [place for place in found if place.name == where.table]
    readable = [place for place in named if place.readable]
    if len(readable) > 1:
        names = ", ".join(map(str, readable))
        hint = f"name one: {' or '.join(f'--schema {quote(place.schema)}' for place in readable)}"
        raise UsageError(f"yoyo has tables in several schemas: {names}", hint=hint)
    if readable:
        return _require_known(connection, readable[0], owners)
    if named:
        raise _not_readable(connection, named[0])
    others = [place for place in found if place.readable]
    hint = " or ".join(f"--schema {quote(place.schema)} --migration-table {quote(place.name)}" for place in others)
    which = f"schema {where.schema}" if where.schema else "any schema"
    raise HistoryError(f"there is no table {where.table} of yoyo in {which}", hint=f"try {hint}" if hint else None)


def _not_yoyos(schema: str) -> UsageError:
    message = f"schema {schema} holds another history of sqlmigrate, and none of yoyo's"
    return UsageError(message, hint="name the schema of yoyo's tables: --schema NAME")


def _require_usual(schema: str) -> None:
    """Refuse a schema that is PostgreSQL's own, a temporary one too: yoyo keeps no tables there."""
    if schema.startswith("pg_") or schema == "information_schema":
        message = f"schema {schema} belongs to PostgreSQL; yoyo keeps no tables there"
        raise UsageError(message, hint="name the schema of yoyo's tables: --schema NAME")


def destination(connection: Connection, ours: str, owners: Collection[str], where: Where) -> YoyoTable:
    """Find where yoyo looks: its table in the schema that is named, or else in the first of the search_path."""
    schema = where.schema
    if schema is None:
        with as_login(connection):
            row = connection.execute("SELECT pg_catalog.current_schema()::pg_catalog.text").fetchone()
        schema = row[0] if row else None
    if schema is not None:
        _require_usual(schema)
    if where.schema is not None and not _is_there(connection, where.schema):
        raise UsageError(f"there is no schema {schema}", hint=f"CREATE SCHEMA {_quoted(where.schema)}")
    if schema is None or schema == ours:
        what = "no schema" if schema is None else f"schema {ours}, which holds the history of sqlmigrate itself"
        raise UsageError(f"yoyo would look in {what}", hint="name the schema of yoyo's tables: --schema NAME")
    named = [place for place in _tables(connection, ours, where.table) if place.name == where.table]
    for place in named:
        if place.schema == schema:
            if place.of_ours:
                raise _not_yoyos(schema)
            if not place.readable:
                raise _not_readable(connection, place)
            return _require_known(connection, place, owners)
    named = [place for place in named if not place.of_ours]
    if named and where.schema is None:
        ways = (f"--schema {quote(name)}" for name in [*(place.schema for place in named), schema])
        hint = f"name the schema: {' or '.join(ways)}"
        raise UsageError(f"yoyo looks in schema {schema} first, but its table is {named[0]}", hint=hint)
    return YoyoTable(schema, where.table, exists=False)


def _is_there(connection: Connection, schema: str) -> bool:
    query = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s"
    return connection.execute(query, [schema]).fetchone() is not None


def _require_known(connection: Connection, place: YoyoTable, owners: Collection[str]) -> YoyoTable:
    """Refuse tables of an older or a newer yoyo."""
    version: int | None = None
    if place.current:
        [(version,)] = _ask(connection, place, owners, "version", _VERSION) or [(None,)]
    else:
        hint = "`yoyo list` of yoyo 9 brings its tables up to date; then run the command again"
        raise HistoryError(f"{place} has the shape of a yoyo before 6.0", hint=hint)
    if version is not None and version > VERSION:
        raise HistoryError(f"{place} has yoyo's version {version}; sqlmigrate knows {VERSION}")
    return place


def require_idle(connection: Connection, place: YoyoTable, owners: Collection[str]) -> None:
    """Refuse to read or write while yoyo is at work: it applies in one transaction and records in another."""
    if found := _ask(connection, place, owners, "running", _LOCK):
        raise _yoyo_runs(f"process {found[0][0]}")


def _ask(
    connection: Connection, place: YoyoTable, owners: Collection[str], name: str, table: str
) -> list[tuple[Any, ...]]:
    """Read a table of yoyo's beside its main one; one that is missing, or that may not be read, says nothing."""
    with suppress(psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege), connection.transaction():
        return trust.read(connection, _all(place, owners).only(table), _compose(name, place), locked=[table])[0]
    return []


def _all(place: YoyoTable, owners: Collection[str]) -> Tables:
    """Return yoyo's tables; its schema belongs to others too, and nobody but their owners can change them."""
    return Tables(place.schema, (place.name, _LOG, _VERSION, _LOCK), tuple(owners))


def _yoyo_runs(who: str) -> HistoryError:
    hint = "wait for it; if it was killed, check whether its last migration is recorded, then run `yoyo break-lock`"
    return HistoryError(f"yoyo is running ({who}), or was killed and left its lock behind", hint=hint)


def _take_yoyos_lock(connection: Connection, place: YoyoTable) -> None:
    """Keep yoyo out until we commit."""
    try:
        with connection.transaction():
            connection.execute(_compose("lock", place))
    except psycopg.errors.UniqueViolation:
        raise _yoyo_runs("it has just begun") from None


def _make(connection: Connection, place: YoyoTable, there: Collection[str]) -> None:
    """Make those tables that are missing."""
    made = {place.name: ["create_migration"], **_MADE}
    for name in (name for table, names in made.items() if table not in there for name in names):
        connection.execute(_compose(name, place))
    made_now = [name for name in made if name not in there]
    if made_now:
        connection.execute(only_to_read(place.schema, made_now))


@contextmanager
def writing(connection: Connection, place: YoyoTable, owners: Collection[str]) -> Iterator[None]:
    """Make the tables where they are missing, and keep yoyo out while they are written.

    Raises HistoryError where yoyo is at work, the role may not write, or the tables are not to be trusted.
    """
    tables = _all(place, owners)
    try:
        there = trust.there(connection, place.schema, tables.names)
        trust.require(connection, tables)
        _make(connection, place, there)
        trust.hold(connection, tables, [name for name in tables.names if name in there or name != _LOCK])
        held = _LOCK in there  # made by yoyo's first run
        if held:
            _take_yoyos_lock(connection, place)
        yield
        if held:
            connection.execute(_compose("unlock", place))
    except psycopg.errors.InsufficientPrivilege as error:
        role, schema = _quoted(connection.info.user), _quoted(place.schema)
        grant = f"GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"
        if not place.exists:
            grant = f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}"
        message = f"{place} cannot be written: {error.diag.message_primary}"
        raise HistoryError(message, hint=raised_in(error.diag) or f"a DBA can help: {grant}") from None


def _not_readable(connection: Connection, place: YoyoTable) -> HistoryError:
    role, schema = _quoted(connection.info.user), _quoted(place.schema)
    hint = f"GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}"
    return HistoryError(f"role {connection.info.user} may not read {place}", hint=f"a DBA can help: {hint}")


def rows(connection: Connection, place: YoyoTable, owners: Collection[str]) -> list[Row]:
    """Read what is recorded; a table that is still to be made has no rows.

    Raises HistoryError where the table is not to be trusted.
    """
    if not place.exists:
        return []
    tables = _all(place, owners).only(place.name)
    query, factory = _compose("rows", place), class_row(Row)
    return trust.read(connection, tables, query, locked=[place.name], row_factory=factory)[0]


def undone(connection: Connection, ours: Tables) -> dict[str, datetime]:
    """Return what the log of our own history says was rolled back or unmarked last: hash and time."""
    return dict(trust.read(connection, ours, _compose("undone", YoyoTable(ours.schema, TABLE)), locked=[_LOG])[0])


def execute(connection: Connection, commands: Iterable[Command]) -> None:
    """Run commands on our side of the history or on yoyo's."""
    cursor = RawCursor(connection)
    for command in commands:
        cursor.execute(command.sql.encode(), command.params)


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string()


def _compose(name: str, place: YoyoTable) -> sql.Composed:
    # the file names yoyo's default, so that it is SQL as it stands
    text = queries.load("yoyo")[name].replace(TABLE, "{table}")
    return sql.SQL(text).format(schema=sql.Identifier(place.schema), table=sql.Identifier(place.name))


def text(name: str, place: YoyoTable) -> str:
    """Return one of our commands for a table of yoyo's."""
    return _compose(name, place).as_string()
