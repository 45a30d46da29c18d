"""`mark --to TOOL`: write what we have applied into another tool's own table, for the way back."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from sqlmigrate.connection import allow, as_login, raised_in
from sqlmigrate.engine.adopting import carry_out
from sqlmigrate.errors import HistoryError, UsageError
from sqlmigrate.events import ignore
from sqlmigrate.history import trust
from sqlmigrate.history.privileges import only_to_read, owners_schema
from sqlmigrate.history.trust import Tables
from sqlmigrate.importing import tables
from sqlmigrate.importing.tables import Place

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlmigrate.connection import Connection, Gate
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.history import History
    from sqlmigrate.importing.tables import Where
    from sqlmigrate.importing.tool import Tool, Writing
    from sqlmigrate.migrations import Migrations

Row = tuple[str | list[str] | None, ...]


@dataclass(frozen=True, slots=True)
class Copy:
    """What is to be written into a tool's table, so that it knows what we have applied.

    `rows` are new, by our ids; `already` are there. `left_out` are ids of which the tool can have no file, with the
    reason. `only_there` are versions that it has and that are not applied here: like all that is there, they stay.
    """

    tool: str
    place: Place
    created: bool
    rows: tuple[tuple[str, Row], ...]
    already: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    only_there: tuple[str, ...]

    @property
    def changes(self) -> bool:
        """Whether anything is to be written."""
        return bool(self.rows or self.created)

    @property
    def added(self) -> tuple[str, ...]:
        """The ids that the tool is told of."""
        return tuple(name for name, _ in self.rows)


def copy_to(
    conninfo: str,
    tool: Tool,
    migrations: Migrations,
    options: Options,
    *,
    where: Where,
    gate: Gate[Copy] = allow,
    observer: Observer = ignore,
) -> Copy:
    """Write a row for each migration that we have applied into the tool's table, which is made where it is missing.

    `gate` gets what would be written before anything is; it raises to stop. Raises HistoryError where the table is
    another tool's, not to be trusted, or not ours to write, and where one of our migrations stopped half way.
    """
    writing = tool.writing
    if writing is None:
        raise UsageError(f"the history of {tool.label} cannot be written")

    def look(connection: Connection, found: History) -> Copy:
        _require_whole(found, tool, options.schema)
        place = tables.look_up(connection, tool, where)
        if place is None:
            return _copy(tool, writing, _usual(connection, tool, where, options.schema), None, migrations, found)
        _require_own(connection, tool, place, writing)
        there = [row[0] for row in tables.read(connection, tool, place, options.history_owners)]
        return _copy(tool, writing, place, there, migrations, found)

    def write(connection: Connection, planned: Copy) -> None:
        place = planned.place
        with _permitted(connection, place):
            if planned.created:
                _make(connection, tool, place, writing)
            trust.hold(connection, Tables(place.schema, (place.name,), tuple(options.history_owners)), [place.name])
            if writing.add and not planned.created and not writing.columns <= place.columns:
                connection.execute(tables.compose(tool, place, writing.add))
            for _, row in planned.rows:
                connection.execute(tables.compose(tool, place, writing.put), row)

    return carry_out(conninfo, options, gate, observer, look, write)


def _make(connection: Connection, tool: Tool, place: Place, writing: Writing) -> None:
    """Make the tool's table, which default privileges give nobody the right to write, and its schema."""
    is_new = not _is_there(connection, place.schema)
    for name in writing.create:
        connection.execute(tables.compose(tool, place, name))
    if is_new:
        connection.execute(owners_schema(place.schema))
    connection.execute(only_to_read(place.schema, [place.name]))


def _is_there(connection: Connection, schema: str) -> bool:
    query = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s"
    return connection.execute(query, [schema]).fetchone() is not None


def _require_whole(found: History, tool: Tool, schema: str) -> None:
    """Refuse where we have no history, or one that their table cannot hold."""
    if found.version is None:
        raise UsageError(f"there is no history in schema {schema} that could be copied to {tool.label}")
    if found.half_way:
        hint = "finish it first, with `sqlmigrate apply` or `sqlmigrate rollback`"
        name = found.half_way[0].migration_id
        raise HistoryError(f"{name} stopped half way, which {tool.label}'s table cannot record", hint=hint)


def _copy(
    tool: Tool,
    writing: Writing,
    place: Place,
    there: Collection[str] | None,
    migrations: Migrations,
    found: History,
) -> Copy:
    """Compare what we have applied with what is there; `there` is None for a table that is still to be made."""
    known = there or ()
    rows: dict[str, tuple[str, Row]] = {}
    left_out = []
    for item in found.applied:
        name = item.migration_id
        migration = migrations.get(name)
        row = writing.row(name, migration.script.text if migration else None)
        if row is None:
            left_out.append((name, f"{tool.label} takes no file of this name"))
        elif (version := str(row[0])) in rows:
            left_out.append((name, f"for {tool.label} it has the same version as {rows[version][0]}"))
        else:
            rows[version] = name, row
    return Copy(
        tool.label,
        place,
        there is None,
        tuple(value for version, value in rows.items() if version not in known),
        tuple(name for version, (name, _) in rows.items() if version in known),
        tuple(left_out),
        tuple(version for version in known if version not in rows),
    )


def _usual(connection: Connection, tool: Tool, where: Where, ours: str) -> Place:
    """Return where the tool itself would make its table: in its schema, or in the first of the search_path."""
    schema = where.schema or tool.history.schema
    if schema is None:
        with as_login(connection):
            row = connection.execute("SELECT pg_catalog.current_schema()::pg_catalog.text").fetchone()
        schema = row[0] if row else None
    hint = "name the schema of its table: --schema NAME"
    if schema is None or schema == ours or schema.startswith("pg_") or schema == "information_schema":
        what = "no schema" if schema is None else f"schema {schema}"
        raise UsageError(f"{tool.label} would look in {what}, which cannot hold its table", hint=hint)
    if schema != tool.history.schema and not _is_there(connection, schema):
        raise UsageError(f"there is no schema {schema}", hint=f"CREATE SCHEMA {sql.Identifier(schema).as_string()}")
    return Place(schema, where.table or tool.history.table, frozenset())


def _require_own(connection: Connection, tool: Tool, place: Place, writing: Writing) -> None:
    """Refuse a table that looks like the tool's, and is another one's."""
    if writing.unless and trust.there(connection, place.schema, [writing.unless]):
        message = f"{place} is not {tool.label}'s: beside it stands {writing.unless}"
        raise HistoryError(message, hint=f"if both tools are used here, name {tool.label}'s: --schema NAME")


@contextmanager
def _permitted(connection: Connection, place: Place) -> Iterator[None]:
    """Say what a DBA can do where the role may not write."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        role = sql.Identifier(connection.info.user).as_string()
        table = sql.Identifier(place.schema, place.name).as_string()
        grant = f"GRANT INSERT ON {table} TO {role}"
        if not place.columns:
            grant = f"GRANT USAGE, CREATE ON SCHEMA {sql.Identifier(place.schema).as_string()} TO {role}"
        message = f"{place} cannot be written: {error.diag.message_primary}"
        raise HistoryError(message, hint=raised_in(error.diag) or f"a DBA can help: {grant}") from None
