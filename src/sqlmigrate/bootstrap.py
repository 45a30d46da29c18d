"""Prepare databases that we create ourselves: run `bootstrap/*.sql` of the migrations directory in them, once.

What a migration needs a superuser for on a private server (roles, untrusted extensions, what a platform such as
Supabase brings along) stands there. It is never run in a database that the user named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from sqlmigrate.connection import server_message, session
from sqlmigrate.errors import ExecutionError, ScriptError
from sqlmigrate.migrations import BOOTSTRAP
from sqlmigrate.sql.script import read_script

if TYPE_CHECKING:
    from pathlib import Path

    from sqlmigrate.connection import Connection
    from sqlmigrate.sql.script import Script


def bootstrap_scripts(migrations: Path) -> list[Path]:
    """List the bootstrap scripts of a migrations directory in the order of their names."""
    return sorted((migrations / BOOTSTRAP).glob("*.sql"))


def run_bootstrap(superuser_conninfo: str, migrations: Path) -> None:
    """Run every bootstrap script as superuser, statement by statement; raises at the first that fails."""
    scripts = bootstrap_scripts(migrations)
    if not scripts:
        return
    with session(superuser_conninfo, application_name="sqlmigrate: bootstrap") as connection:
        for path in scripts:
            script, problems = read_script(path)
            if problems:
                raise ScriptError(problems[0].message, place=problems[0].place)
            _run(connection, script)


def _run(connection: Connection, script: Script) -> None:
    for statement in script.statements():
        try:
            connection.execute(statement.text.encode())
        except psycopg.Error as error:
            said = server_message(error.diag, str(error))
            place = script.place(statement, int(error.diag.statement_position or 1) - 1)
            raise ExecutionError(said.message, server=said, place=place) from None
