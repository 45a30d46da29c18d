"""The schema of a target as `pg_dump` writes it, and a database made from that."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sqlmigrate.bootstrap import statement_failed
from sqlmigrate.connection import give_back, redact, session
from sqlmigrate.errors import ServerError
from sqlmigrate.server import find_client
from sqlmigrate.sql.needs import with_version
from sqlmigrate.sql.script import script_from_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlmigrate.errors import Place
    from sqlmigrate.server.account import Command
    from sqlmigrate.sql.script import Script

# Left out is what a shadow cannot have: tablespaces, label providers, and subscriptions, which hold passwords.
_OPTIONS = (
    "--schema-only", "--no-password", "--no-subscriptions", "--no-tablespaces", "--no-security-labels",
    "--quote-all-identifiers", "--lock-wait-timeout=10s", "--encoding=UTF8",
)  # fmt: skip
_SET = re.compile(r"SET [a-z_]+ = ")
_OF_PUBLIC = re.compile(r'(?:ALTER|COMMENT ON|GRANT [\w, ]+ ON|REVOKE [\w, ]+ ON) SCHEMA "public"')
_HINT = "install PostgreSQL's client programs of the target's version or later, or use --base replay"


def dump(conninfo: str, *, major: int, history_schema: str) -> Script:
    """Let `pg_dump` write the schema of a database, with owners and rights and without our history; `major` is its own.

    Raises ServerError where there is no `pg_dump` that is new enough, or in its own words.
    """
    program = find_client("pg_dump", major)
    if program is None:
        raise ServerError(f"no pg_dump of PostgreSQL {major} or later was found", hint=_HINT)
    parts: dict[str, Any] = conninfo_to_dict(conninfo)
    password = parts.pop("password", None)
    # Everybody can read the command line of a process, and nobody else its environment.
    env = os.environ | ({"PGPASSWORD": password} if password else {})
    command: Command = [
        program,
        *_OPTIONS,
        f"--exclude-schema={_pattern(history_schema)}",
        f"--dbname={make_conninfo(**parts)}",
    ]
    done = subprocess.run(
        command, check=False, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL, env=env
    )
    if done.returncode:
        raise ServerError(f"pg_dump of the target failed: {redact(done.stderr.strip())}", hint="or use --base replay")
    return script_from_text(Path("pg_dump of the target"), done.stdout)


def restore(conninfo: str, script: Script, versions: Mapping[str, str], *, whole: bool) -> list[Place]:
    """Run a dump, in autocommit since thousands of objects need more locks than a transaction may have.

    Extensions get these versions. What it says of schema public is left out, unless the `whole` is wanted, where our
    role may not change that: before PostgreSQL 15 it belongs to the superuser of the server. Gives the places.
    """
    left_out = []
    with session(conninfo, application_name="sqlmigrate: shadow") as connection:
        give_back(connection)
        connection.execute("SET synchronous_commit TO off")
        for statement in script.statements():
            try:
                connection.execute(with_version(statement.text, versions).encode())
            except psycopg.errors.UndefinedObject as error:
                # A newer pg_dump sets settings that this server does not have, such as transaction_timeout.
                if not _SET.match(statement.text):
                    raise statement_failed(script, statement, error) from None
            except psycopg.errors.InsufficientPrivilege as error:
                if whole or not _OF_PUBLIC.match(statement.text):
                    raise statement_failed(script, statement, error) from None
                left_out.append(script.place(statement))
            except psycopg.Error as error:
                raise statement_failed(script, statement, error) from None
    return left_out


def _pattern(name: str) -> str:
    """Quote a name for the patterns of `pg_dump`, where it stands for itself."""
    return '"' + name.replace('"', '""') + '"'
