"""The tables in which other tools keep what they have applied: found, looked at, and read."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any

from psycopg import sql

from sqlmigrate import queries
from sqlmigrate.errors import HistoryError, UsageError
from sqlmigrate.history import foreign, trust
from sqlmigrate.history.trust import Tables

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlmigrate.connection import Connection
    from sqlmigrate.importing.tool import Tool


@dataclass(frozen=True, slots=True)
class Where:
    """Where to look: a schema and a table, or None for where the tool keeps it."""

    schema: str | None = None
    table: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A table of theirs."""

    schema: str
    name: str
    columns: frozenset[str]
    readable: bool = True

    def __str__(self) -> str:
        """Return its name with its schema."""
        return f"{self.schema}.{self.name}"


def find(connection: Connection, tool: Tool, where: Where) -> Place:
    """Find the table of a tool; raises UsageError where there are several, HistoryError where there is none."""
    found = look_up(connection, tool, where)
    if found is not None:
        return found
    schema = where.schema or tool.history.schema
    hint = "if it has another place: --schema NAME, --migration-table NAME"
    which = f"schema {schema}" if schema else "any schema"
    raise HistoryError(f"there is no table {where.table or tool.history.table} of {tool.label} in {which}", hint=hint)


def look_up(connection: Connection, tool: Tool, where: Where) -> Place | None:
    """Find the table of a tool as `find` does; None where no table has its name."""
    name = where.table or tool.history.table
    rows = connection.execute(queries.load("importing")["places"], [name]).fetchall()
    there = [Place(schema, name, frozenset(columns), readable) for schema, columns, readable in rows]
    schema = where.schema or tool.history.schema
    if schema is not None:
        there = [place for place in there if place.schema == schema]
    else:
        there = [place for place in there if place.schema not in foreign.PLATFORM_SCHEMAS]
    fitting = [place for place in there if _fits(tool, place)]
    if len(fitting) > 1:
        names = ", ".join(map(str, fitting))
        hint = f"name one: {' or '.join(f'--schema {quote(place.schema)}' for place in fitting)}"
        raise UsageError(f"{tool.label} has tables in several schemas: {names}", hint=hint)
    if fitting:
        return _readable(connection, fitting[0])
    if there:
        message = f"{there[0]} does not have the columns of {tool.label}'s history"
        other = foreign.by_columns(there[0].schema, there[0].name, there[0].columns)
        raise HistoryError(message, hint=f"it looks like the one of {other.tool}" if other else None)
    return None


def _fits(tool: Tool, place: Place) -> bool:
    """Tell whether a table has the columns of the tool's, wherever it stands and whatever it is called."""
    schema = tool.history.schema or place.schema
    found = foreign.by_columns(schema, tool.history.table, place.columns)
    return found is not None and found.tool == tool.history.known


def _readable(connection: Connection, place: Place) -> Place:
    if place.readable:
        return place
    role = sql.Identifier(connection.info.user).as_string()
    schema, table = sql.Identifier(place.schema).as_string(), sql.Identifier(place.schema, place.name).as_string()
    hint = f"a DBA can help: GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT ON {table} TO {role}"
    raise HistoryError(f"role {connection.info.user} may not read {place}", hint=hint)


def read(connection: Connection, tool: Tool, place: Place, owners: Collection[str]) -> list[tuple[Any, ...]]:
    """Read what is recorded; raises HistoryError where the table is not to be trusted."""
    tables = Tables(place.schema, (place.name,), tuple(owners), only_read=True)
    rows = trust.read(connection, tables, _query(tool, place), locked=[place.name])[0]
    if not tool.history.nameless and any(row[0] is None for row in rows):
        message = f"{place} has a row that names no migration, which {tool.label} never writes"
        raise HistoryError(message, hint="find out who wrote it, and delete it")
    return rows


def read_texts(connection: Connection, tool: Tool, place: Place, owners: Collection[str]) -> list[tuple[Any, ...]]:
    """Read version, name and statements of what is recorded; nothing where the table does not keep them."""
    kept = tool.history.texts
    if kept is None or not {kept[0], "name"} <= place.columns:
        return []
    tables = Tables(place.schema, (place.name,), tuple(owners), only_read=True)
    return trust.read(connection, tables, compose(tool, place, kept[1]), locked=[place.name])[0]


def _query(tool: Tool, place: Place) -> sql.Composed:
    name, older = tool.history.query, tool.history.older
    if older and older[0] not in place.columns:
        name = older[1]
    return compose(tool, place, name)


def compose(tool: Tool, place: Place, name: str) -> sql.Composed:
    """Return one of our commands for a table of the tool's."""
    # the file names the tool's default, so that it is SQL as it stands
    text = queries.load("importing")[name].replace(f"{{schema}}.{tool.history.table}", "{schema}.{table}")
    return sql.SQL(text).format(schema=sql.Identifier(place.schema), table=sql.Identifier(place.name))
