"""Read rows of tables as a seed file has them, so that seeding them changes nothing.

All tables are read in one transaction, as they were at its beginning, a few rows at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.rows import tuple_row

from sqlmigrate.connection import OWN_PATH, execute_one, limit, look, probe, session, set_role, statement_position
from sqlmigrate.errors import Error, Place, Problem, SeedError
from sqlmigrate.seeds.exporting import live
from sqlmigrate.seeds.exporting.outgoing import plain
from sqlmigrate.seeds.exporting.scaffold import scaffold
from sqlmigrate.seeds.exporting.selection import selection
from sqlmigrate.seeds.failure import seed_error
from sqlmigrate.seeds.problems import refuse
from sqlmigrate.seeds.reading.rules import Part, violations
from sqlmigrate.seeds.reading.schema import KEYWORD, Schema, mapping_of, read_schema, row_by_row
from sqlmigrate.sql.position import place_at
from sqlmigrate.sql.statement.conditions import is_one_expression

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from sqlmigrate.connection import Connection, ServerInfo
    from sqlmigrate.seeds.exporting.live import LiveTable
    from sqlmigrate.seeds.exporting.scaffold import Scaffold
    from sqlmigrate.seeds.exporting.selection import Selection
    from sqlmigrate.seeds.model import TableName

T = TypeVar("T")
_CURSOR = "sqlmigrate_export"
_DECLARE = f"DECLARE {_CURSOR} NO SCROLL CURSOR FOR "
_AT_FIRST, _AT_ONCE, _CHARACTERS = 20, 2000, 2_000_000
# rows that policies hide are left out, as for any other reader, and we say so
_AS_ANYBODY = "SET LOCAL row_security TO on"


@dataclass(frozen=True, slots=True)
class Access:
    """How tables are read: the role, and the limits in milliseconds; `announce` is called with the server."""

    role: str | None = None
    lock_timeout: int = 0
    statement_timeout: int = 0
    announce: Callable[[ServerInfo], object] = lambda _: None


@dataclass(frozen=True, slots=True)
class Choice:
    """What is asked for: the columns of the key, columns to leave out, and a condition in SQL."""

    key: Sequence[str] = ()
    without: Collection[str] = ()
    where: str | None = None


@dataclass(slots=True)
class Export:
    """The rows of a table as they are to be written; `scaffold` is the schema that was made for them, if one was.

    `keys` are those of each row, in their order. `rows` can be gone through once, within the call that it is given to;
    then `count` says how many there were.
    """

    schema: Schema
    scaffold: Scaffold | None
    notes: list[str]
    keys: list[str]
    rows: Iterator[dict[str, Any]] = field(default=iter(()), repr=False)
    count: int = 0

    @property
    def table(self) -> TableName:
        """The table."""
        return self.schema.mapping.table


def described(conninfo: str, name: str, choice: Choice, access: Access) -> Scaffold:
    """Make the schema of a table that is there; raises SeedError where its rows cannot be seeded."""

    def read(conn: Connection) -> Scaffold:
        return _made(conn, live.read(conn, live.find(conn, name, _path(conn))), choice)

    return _read(conninfo, access, read)


def export(
    conninfo: str,
    names: Sequence[str],
    take: Callable[[Export], None],
    *,
    folders: Iterable[Path],
    choice: Choice,
    access: Access,
    csv: bool = False,
) -> None:
    """Give the rows of tables one after the other to `take`, all as of one moment.

    A schema in one of the folders that is for a table says how its rows are written; for others one is made. Raises
    SeedError for a table without a key, and for a row that no file can hold or that does not fit the schema.
    """
    schemas = known_schemas(folders)
    _require_one(choice.where)

    def read(conn: Connection) -> None:
        path = _path(conn)
        tables = dict.fromkeys(live.find(conn, name, path) for name in names)
        planned = [_planned(conn, live.read(conn, table), schemas, choice, csv=csv) for table in tables]
        conn.execute("SET LOCAL search_path TO DEFAULT")  # for the condition, which the user has written
        for exported, selected in planned:
            exported.rows = _rows(conn, exported, selected, choice.where, csv=csv)
            try:
                take(exported)
            except psycopg.Error as error:  # no second try: rows are written already
                raise _refused(conn, error, selected, choice.where) from error

    _read(conninfo, access, read)


def _require_one(where: str | None) -> None:
    """Refuse a condition that closes our brackets and goes on; what libpg_query does not know, the server sees."""
    if where is not None and is_one_expression(where) is False:
        raise SeedError("--where must be one condition, as it could stand in brackets", place=Place(Path("--where"), 1))


def known_schemas(folders: Iterable[Path]) -> dict[TableName, list[Schema]]:
    """Return the schemas in folders by their tables; the last folder that has one for a table counts.

    Raises SeedError for one that cannot be read.
    """
    found: dict[TableName, list[Schema]] = {}
    for folder in folders:
        here: dict[TableName, list[Schema]] = {}
        for path in sorted(folder.glob("*.schema.json")) if folder.is_dir() else ():
            schema = read_schema(path)
            here.setdefault(schema.mapping.table, []).append(schema)
        found |= here
    return found


def _read(conninfo: str, access: Access, read: Callable[[Connection], T]) -> T:
    """Read in a session that writes nothing, as of one moment."""
    with session(conninfo, application_name="sqlmigrate seed export") as conn:
        access.announce(probe(conn))
        limit(conn, lock_timeout=access.lock_timeout, statement_timeout=access.statement_timeout)
        if access.role:
            set_role(conn, access.role)

        def once() -> T:
            conn.execute(_AS_ANYBODY)
            return read(conn)

        try:
            return look(conn, once)
        except psycopg.Error as error:
            raise seed_error(conn, error) from error


def _path(conn: Connection) -> list[str]:
    """Return the schemas that the login's search_path leads through."""
    conn.execute("SET LOCAL search_path TO DEFAULT")
    with conn.cursor(row_factory=tuple_row) as cursor:
        (found,) = cursor.execute("SELECT pg_catalog.current_schemas(false)").fetchone() or ([],)
    conn.execute(OWN_PATH)
    return list(found)


def _made(conn: Connection, table: LiveTable, choice: Choice) -> Scaffold:
    made = scaffold(conn, table, key=choice.key, without=choice.without)
    made.notes.extend(_hidden(conn, table))
    return made


def _hidden(conn: Connection, table: LiveTable) -> Iterator[str]:
    if table.filtered:
        with conn.cursor(row_factory=tuple_row) as cursor:
            (role,) = cursor.execute("SELECT current_user").fetchone() or ("",)
        yield f"row level security of {table.name} applies to {role}: rows that its policies hide are not seen"


def _planned(
    conn: Connection, table: LiveTable, schemas: Mapping[TableName, list[Schema]], choice: Choice, *, csv: bool
) -> tuple[Export, Selection]:
    """Decide how the rows of a table are read and written; they are read later."""
    made, schema = None, _known(table.name, schemas)
    if schema is None:
        made = _made(conn, table, choice)
        schema = Schema(Path(f"{made.stem}.schema.json"), made.schema, mapping_of(made.schema[KEYWORD]))
    elif choice.key or choice.without:
        message = f"{schema.path} says which columns rows of {table.name} have, and which are their key"
        raise SeedError(message, hint="change it there, and leave out --key and --without")
    selected = selection(conn, table, schema, csv=csv)
    notes = made.notes if made else list(_hidden(conn, table))
    return Export(schema, made, notes, list(dict.fromkeys(field.key for field in selected.fields))), selected


def _known(table: TableName, schemas: Mapping[TableName, list[Schema]]) -> Schema | None:
    found = schemas.get(table, [])
    if len(found) > 1:
        paths = " and ".join(str(schema.path) for schema in found)
        hint = "copy the one that you mean to another folder, and name that with --output"
        raise SeedError(f"{table} has more than one schema: {paths}", hint=hint)
    return found[0] if found else None


def _rows(
    conn: Connection, exported: Export, selected: Selection, where: str | None, *, csv: bool
) -> Iterator[dict[str, Any]]:
    """Yield the rows, once some of them at a time were found to fit the schema."""
    check, least, most = _checker(exported.schema, csv=csv)
    for answers in _answers(conn, selected.query(where)[0]):
        rows = [selected.row(answer) for answer in answers]
        refuse(check(rows, exported.count))
        exported.count += len(rows)
        yield from rows
    if not least <= exported.count <= most:
        bound = f"most {most}" if exported.count > most else f"least {least}"
        message = f"{exported.table} gives {exported.count} rows, and {exported.schema.path} wants at {bound}"
        raise SeedError(message, place=Place(exported.schema.path))


def _answers(conn: Connection, query: str) -> Iterator[list[tuple[Any, ...]]]:
    """Yield what a query gives, so many rows at once that they take little memory."""
    execute_one(conn, f"{_DECLARE}{query}".encode())
    count = _AT_FIRST
    with conn.cursor(row_factory=tuple_row) as cursor:
        while answers := cursor.execute(f"FETCH FORWARD {count} FROM {_CURSOR}".encode()).fetchall():
            yield answers
            size = sum(len(str(value)) for answer in answers for value in answer) // len(answers)
            count = min(max(_CHARACTERS // (size + 1), 1), _AT_ONCE)
        cursor.execute(f"CLOSE {_CURSOR}".encode())


@dataclass(frozen=True, slots=True)
class _Rows:
    """What has the place of rows that are in no file yet: the schema."""

    path: Path

    def place(self, where: Sequence[str | int] = (), *, key: str | None = None) -> Place:  # noqa: ARG002
        """Return the schema as the place of all."""
        return Place(self.path)


def _checker(schema: Schema, *, csv: bool) -> tuple[Callable[[list[dict[str, Any]], int], list[Problem]], int, float]:
    """Return what finds rows that do not fit the schema, and how many there may be."""
    name, keys = schema.mapping.list, [schema.mapping.source_of(column) for column in schema.mapping.conflict]
    try:
        part, least, most = row_by_row(schema)
    except SeedError:
        if csv:
            raise
        part, least, most = None, 0, inf  # it says something of all rows at once: `seed check` will say it
    document = _Rows(schema.path)

    def check(rows: list[dict[str, Any]], first: int) -> list[Problem]:
        for at, row in enumerate(rows):
            for key in keys:
                if row.get(key) is None:
                    return [Problem(f"{name}[{first + at}] has no '{key}', which says which row it is", None)]
        return [] if part is None else violations(Part({name: plain(rows)}, first, document), part)

    return check, least, most


def _refused(conn: Connection, error: psycopg.Error, selected: Selection, where: str | None) -> Error:
    """Say what the server said, at its place in the condition if it is about that."""
    said = seed_error(conn, error)
    if conn.closed:
        return said
    position, place = statement_position(error.diag), None
    if where is not None and position is not None:
        offset = position - 1 - len(_DECLARE) - selected.query(where)[1]
        place = place_at(Path("--where"), where, offset) if 0 <= offset <= len(where) else None
    words = said.message.partition("\n")[0]  # what comes behind a quote that is never closed is ours
    message = words if place else f"{selected.table.name}: {words}"
    return SeedError(message, [Problem(message, place, said.hint)], hint=said.hint, place=place)
