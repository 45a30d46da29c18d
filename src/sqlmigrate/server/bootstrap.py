"""Prepare databases that we create ourselves: run `bootstrap/*.sql` of the migrations directory in them, once.

What a migration needs a superuser for on a private server (roles, untrusted extensions, what a platform such as
Supabase brings along) stands there. It is never run in a database that the user named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from sqlmigrate.connection import copy_in, give_back, server_message, session, statement_position
from sqlmigrate.errors import ExecutionError, ScriptError
from sqlmigrate.migrations import BOOTSTRAP
from sqlmigrate.sql.advice import advice
from sqlmigrate.sql.script import read_script

if TYPE_CHECKING:
    from pathlib import Path

    from sqlmigrate.connection import Connection
    from sqlmigrate.sql.script import Script, Statement


def read_scripts(folder: Path) -> list[Script]:
    """Read the scripts of a bootstrap folder in the order of their names; raises ScriptError at the first problem."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        script, problems = read_script(path)
        if problems:
            raise ScriptError(problems[0].message, place=problems[0].place)
        found.append(script)
    return found


def run_bootstrap(superuser_conninfo: str, migrations: Path) -> None:
    """Run every bootstrap script as superuser, statement by statement; raises at the first that fails."""
    scripts = read_scripts(migrations / BOOTSTRAP)
    if not scripts:
        return
    with session(superuser_conninfo, application_name="sqlmigrate: bootstrap") as connection:
        give_back(connection)
        for script in scripts:
            for statement in script.statements():
                run_statement(connection, script, statement)


def run_statement(connection: Connection, script: Script, statement: Statement) -> None:
    """Run one statement of a script on a session in autocommit; raises ExecutionError with its place."""
    try:
        if statement.data is not None:
            copy_in(connection, statement.text, statement.data.chunks())
        else:
            connection.execute(statement.text.encode())
    except psycopg.Error as error:
        raise statement_failed(script, statement, error) from None


def statement_failed(script: Script, statement: Statement, error: psycopg.Error) -> ExecutionError:
    """Say which statement PostgreSQL refused, and where."""
    said = server_message(error.diag, str(error))
    place = script.place(statement, (statement_position(error.diag) or 1) - 1)
    hint = advice(said.sqlstate, statement.text, transactional=False)
    return ExecutionError(said.message, server=said, place=place, hint=hint)
