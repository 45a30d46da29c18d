"""Ask PostgreSQL whether the statements in functions make sense in a database: by plpgsql_check, or one by one.

Where plpgsql_check is not installed, each statement becomes the body of a temporary SQL function of the same name, with
the variables of the body as its arguments: PostgreSQL looks all names up when that is created, and runs nothing.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.rows import class_row, tuple_row

from sqlmigrate import connection as connections
from sqlmigrate import queries
from sqlmigrate.review.dependents.model import Probe
from sqlmigrate.sql.statement.names import quote
from sqlmigrate.sql.statement.plpgsql import read_body

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlmigrate.connection import Connection
    from sqlmigrate.shadow import Shadow, ShadowDatabase

    Found = dict[Probe, str | None]

_APPLICATION = "sqlmigrate: review"
_PUT_IN = frozenset("ibv")
_GIVEN = {
    "tg_op": "text", "tg_name": "name", "tg_when": "text", "tg_level": "text", "tg_relid": "oid",
    "tg_table_name": "name", "tg_table_schema": "name", "tg_nargs": "integer", "tg_argv": "text[]",
    "found": "boolean", "sqlstate": "text", "sqlerrm": "text",
}  # fmt: skip
_CHECK = (
    "SELECT level, lineno, statement, message, query FROM {}.plpgsql_check_function_tb("
    "%(function)s::pg_catalog.oid::pg_catalog.regprocedure, %(relation)s::pg_catalog.oid::pg_catalog.regclass, "
    "fatal_errors => false)"
)
_WORD = re.compile(r"[\w$]+")
_ROW = re.compile(r'"(new|old)"')
_FIELD = "the row of the trigger has no such column"  # PostgreSQL takes the variable for a table then
_POSITION = re.compile(r"\$\d")
_EVENT_TRIGGERS_OFF = 170000  # the first version in which a superuser's session of ours has them off


@dataclass(frozen=True, slots=True)
class _Function:
    """A function whose body is text; see the query `bodies`."""

    oid: int
    relation: int
    function: str
    name: str
    language: str
    body: str
    types: list[str]
    modes: list[str]
    names: list[str]
    path: str | None
    table: str | None

    def inputs(self) -> list[tuple[str, str]]:
        """Return the arguments that it is called with: names, which may be empty, and types."""
        return [(name, kind) for name, kind, mode in self._arguments() if mode in _PUT_IN]

    def variables(self) -> dict[str, str]:
        """Return all arguments that have a name, by that name in quotes."""
        return {name: kind for name, kind, _ in self._arguments() if name}

    def _arguments(self) -> Iterator[tuple[str, str, str]]:
        for at, kind in enumerate(self.types):
            name = self.names[at] if at < len(self.names) else ""
            yield quote(name), kind, self.modes[at] if at < len(self.modes) else "i"


def failing(shadow: Shadow, database: ShadowDatabase, functions: Sequence[str], search_path: str | None) -> Found:
    """Check the bodies of functions in a database: what PostgreSQL says of each statement, None where it is content.

    No session may be open in the database.
    """
    with connections.session(database.tester_conninfo, application_name=_APPLICATION) as connection:
        found = _read(connection, functions)
        by_program = [one for one in found if one.language == "plpgsql"]
        has_checker = shadow.private and bool(by_program) and _may_have(connection)
    checked = _checked(shadow, database, by_program, search_path) if has_checker else None
    with connections.session(database.tester_conninfo, application_name=_APPLICATION) as connection:
        result = _probed(connection, found, search_path, also_checked=checked is not None)
    return result | (checked or {})


def _read(connection: Connection, functions: Sequence[str]) -> list[_Function]:
    cursor = connection.cursor(row_factory=class_row(_Function))
    return cursor.execute(queries.load("review")["bodies"], {"functions": list(functions)}).fetchall()


def _may_have(connection: Connection) -> bool:
    row = connection.cursor(row_factory=tuple_row).execute(queries.load("review")["checker"]).fetchone()
    there, triggers = row or (False, False)
    return bool(there) and (not triggers or connection.info.server_version >= _EVENT_TRIGGERS_OFF)


def _probed(
    connection: Connection, functions: Sequence[_Function], search_path: str | None, *, also_checked: bool
) -> Found:
    """Try each statement in a transaction that is taken back; of what is also checked, those that are no queries."""
    found: Found = {}
    for one in functions:
        connection.execute("BEGIN")
        with _as_scripts(connection, one.path or search_path):
            probes = _utilities if also_checked and one.language == "plpgsql" else _probes
            for statement, made in probes(one):
                found[Probe(one.function, statement, one.table)] = _refusal(connection, made)
        connection.execute("ROLLBACK")
    return found


def _as_scripts(connection: Connection, path: str | None) -> ExitStack:
    """Look names up as the function does, for a block in a transaction."""
    stack = ExitStack()
    stack.enter_context(connections.as_login(connection))
    if path is not None:
        connection.execute("SELECT pg_catalog.set_config('search_path', %s, true)", [path])
    connection.execute("SET LOCAL check_function_bodies = on")
    return stack


def _refusal(connection: Connection, made: sql.Composed) -> str | None:
    connection.execute("SAVEPOINT sqlmigrate_probe")
    try:
        connections.execute_one(connection, made)  # a type in a body may hold anything
    except psycopg.Error as error:
        message = error.diag.message_primary or str(error)
        return _FIELD if isinstance(error, psycopg.errors.UndefinedTable) and _ROW.search(message) else message
    finally:
        connection.execute("ROLLBACK TO SAVEPOINT sqlmigrate_probe; RELEASE SAVEPOINT sqlmigrate_probe")
    return None


def _probes(one: _Function) -> Iterator[tuple[str, sql.Composed]]:
    """Yield each statement of a function with the command that makes PostgreSQL look its names up."""
    if one.language == "sql":
        yield one.body.strip(), _temporary(one.name, one.inputs(), one.body)
        return
    body = read_body(one.body)
    variables: dict[str, str | None] = {**_GIVEN, "new": one.table, "old": one.table, **body.variables}
    known = {name.strip('"').lower(): (name, kind) for name, kind in variables.items()}
    known |= {name.strip('"').lower(): (name, kind) for name, kind in one.variables().items()}
    for text in (*body.queries, *(f"SELECT {name}" for name, kind in body.variables.items() if kind)):
        named = [known[word] for word in dict.fromkeys(_WORD.findall(text.lower())) if word in known]
        typed = [(name, kind) for name, kind in named if kind is not None and kind != "record"]
        if len(typed) == len(named):
            positional = one.inputs() if _POSITION.search(text) else []
            taken = {name for name, _ in positional}
            yield text, _temporary(one.name, [*positional, *(item for item in typed if item[0] not in taken)], text)
    yield from _utilities(one)


def _utilities(one: _Function) -> Iterator[tuple[str, sql.Composed]]:
    """Yield the statements whose names PostgreSQL looks up only as they run, with a command that looks them up."""
    for text, relation in read_body(one.body).relations:
        yield text, _temporary(one.name, [], f"SELECT {_literal(relation)}::pg_catalog.regclass")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _temporary(name: str, arguments: Sequence[tuple[str, str]], body: str) -> sql.Composed:
    listed = sql.SQL(", ").join(sql.SQL(f"{argument} {kind}") for argument, kind in arguments)
    return sql.SQL("CREATE FUNCTION pg_temp.{}({}) RETURNS void LANGUAGE sql AS {}").format(
        sql.SQL(name),  # it is quoted
        listed,
        sql.Literal(body),
    )


def _checked(
    shadow: Shadow, database: ShadowDatabase, functions: Sequence[_Function], search_path: str | None
) -> Found | None:
    """Let plpgsql_check look at functions, in a copy of the database that gets it; None where it does not."""
    found: Found = {}
    with shadow.clone(database) as copy:
        try:
            checker = create_checker(copy)
        except psycopg.Error:  # it is there already, or a setting of the database keeps it away
            return None
        check = sql.SQL(_CHECK).format(sql.Identifier(checker))
        with connections.session(copy.tester_conninfo, application_name=_APPLICATION) as connection:
            for one in functions:
                connection.execute("BEGIN")
                with _as_scripts(connection, one.path or search_path):
                    found |= _said(connection, one, check)
                connection.execute("ROLLBACK")
    return found


def _said(connection: Connection, one: _Function, check: sql.Composed) -> Found:
    """Return the errors that plpgsql_check finds in a function, beside an entry that says that it was checked."""
    digest = hashlib.sha256(one.body.encode()).hexdigest()
    whole = Probe(one.function, "", one.table, digest)
    connection.execute("SAVEPOINT sqlmigrate_probe")
    cursor = connection.cursor(row_factory=tuple_row)
    try:
        rows = cursor.execute(check, {"function": one.oid, "relation": one.relation}).fetchall()
    except psycopg.Error:  # it cannot tell, such as of a trigger function that no table has
        connection.execute("ROLLBACK TO SAVEPOINT sqlmigrate_probe")
        return {}
    return {whole: None} | {
        whole._replace(statement=query or f"{statement} in line {line}"): message
        for level, line, statement, message, query in rows
        if level == "error"
    }


def create_checker(database: ShadowDatabase) -> str:
    """Create plpgsql_check in a new schema, as the superuser that it needs, and return its name; see `_may_have`."""
    schema = sql.Identifier(name := f"sqlmigrate_{secrets.token_hex(8)}")
    with connections.session(database.admin_conninfo, application_name=_APPLICATION) as admin:
        admin.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
        admin.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO PUBLIC").format(schema))
        admin.execute(sql.SQL("CREATE EXTENSION plpgsql_check SCHEMA {}").format(schema))
    return name
