"""The schema of a target as `pg_dump` writes it, and a database made from that."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sqlmigrate.connection import SECRETS, silence
from sqlmigrate.connection.sessions import client_limits
from sqlmigrate.errors import ServerError, redact
from sqlmigrate.server import find_client, find_program
from sqlmigrate.server.account import client_environment
from sqlmigrate.server.bootstrap import statement_failed
from sqlmigrate.shadow import restoring
from sqlmigrate.sql.script import script_from_text
from sqlmigrate.sql.statement.needs import with_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlmigrate.server import Binaries
    from sqlmigrate.server.account import Command
    from sqlmigrate.shadow.model import ShadowDatabase
    from sqlmigrate.sql.script import Script

# Left out is what a shadow cannot have: tablespaces, label providers, and subscriptions, which hold passwords.
_OPTIONS = (
    "--no-password", "--no-subscriptions", "--no-tablespaces", "--no-security-labels",
    "--lock-wait-timeout=10s", "--encoding=UTF8",
)  # fmt: skip
_SCHEMA_ONLY = "--schema-only"
_SERVICE = "sqlmigrate"
_SET = re.compile(r"SET [a-z_]+ = ")
_OF_PUBLIC = re.compile(r'(?:ALTER|COMMENT ON|GRANT [\w, ]+ ON|REVOKE [\w, ]+ ON) SCHEMA "public"')
_DUMPED_BY = re.compile(r"^-- Dumped by pg_dump version (\d+)", re.MULTILINE)
_FIRST_WITH_CLOSED_PUBLIC = 15
_FIRST_WITH_UNLOGGED_SEQUENCES = 150000
_PERSISTENCE = re.compile(r"^    (?:UN)?LOGGED\n", re.MULTILINE)
_PUBLIC_IS_ANOTHERS = "not run on the server of --shadow-url, where schema public belongs to another role"
_REACHES_OUT = (
    "not run on the throwaway database, since it grants a function that reaches the machine and not only the database"
)
QUOTED = "--quote-all-identifiers"
"""An option for a dump that another major version has to understand, whose keywords may be others."""
_PROGRAMS = "install PostgreSQL's client programs of the server's version"
_HINT = "install PostgreSQL's client programs of the target's version or later, or use --base replay"


def dump(conninfo: str, *, major: int, history_schema: str, pooled: bool, more: Sequence[str] = (QUOTED,)) -> Script:
    """Let `pg_dump` write the schema of a database, with owners and rights and without our history; `major` is its own.

    It locks every table, so both sides give up a silent other one as `connection.silence` tells. A pooler (`pooled`)
    takes no settings from a client, and what it does with its own session is up to it.
    `more` are further options. Raises ServerError where there is no `pg_dump` that is new enough, or in its own words.
    """
    program = find_client("pg_dump", major)
    if program is None:
        raise ServerError(f"no pg_dump of PostgreSQL {major} or later was found", hint=_HINT)
    options = (_SCHEMA_ONLY, *_OPTIONS, *more, f"--exclude-schema={_pattern(history_schema)}")
    settings = "" if pooled else silence.OPTIONS
    return _written(program, conninfo, options, "the target", settings=settings, hint="or use --base replay")


def dump_of_shadow(conninfo: str, major: int, beside: Binaries | None, more: Sequence[str]) -> Script:
    """Let `pg_dump` write the schema of a throwaway database as people like to read it, or what `more` options say.

    The program is the one of the server that it is on, where that is our own: what it writes differs between versions.
    Raises ServerError as `dump` does.
    """
    program = find_program("pg_dump", beside) if beside else find_client("pg_dump", major)
    if program is None:
        raise ServerError(f"no pg_dump of PostgreSQL {major} or later was found", hint=_PROGRAMS)
    return _written(program, conninfo, (*_OPTIONS, *more), "the throwaway database")


def _written(
    program: Path, conninfo: str, options: Sequence[str], of: str, *, settings: str = "", hint: str | None = None
) -> Script:
    with _given(conninfo, settings) as (dbname, env):
        command: Command = [program, *options, f"--dbname={dbname}"]
        done = subprocess.run(
            command, check=False, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL, env=env
        )
    if done.returncode:
        raise ServerError(f"pg_dump of {of} failed: {redact(done.stderr.strip())}", hint=hint)
    return script_from_text(Path(f"pg_dump of {of}"), done.stdout)


@contextmanager
def _given(conninfo: str, settings: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    """Return a connection string without secrets for a command line, which everybody can read, and its environment.

    The password is a variable there, which nobody else can read, and so are `options`, which may set a secret of the
    application's; a service's own would be taken before those. Other secrets have none: they are in a service file of
    ours (https://www.postgresql.org/docs/current/libpq-pgservice.html) for the block.

    `settings` are options of ours, which take precedence. They are left out where a service has options.
    """
    parts: dict[str, str] = {key: str(value) for key, value in conninfo_to_dict(conninfo).items()}
    parts |= client_limits(parts)
    secrets = {key: parts.pop(key) for key in SECRETS & parts.keys()}
    env = client_environment()
    if password := secrets.pop("password", None):
        env["PGPASSWORD"] = password
    if "options" in parts and not ("service" in parts or "PGSERVICE" in env):
        env["PGOPTIONS"] = parts.pop("options")
    if "options" in parts:
        parts["options"] = f"{parts['options']} {settings}".strip()
    elif settings:
        env["PGOPTIONS"] = f"{env.get('PGOPTIONS', '')} {settings}".strip()
    if not secrets:
        yield make_conninfo(**parts), env
        return
    named = sorted(secrets)
    if "service" in parts or "PGSERVICE" in env:
        hint = f"write {', '.join(named)} into the service file, or leave out the service"
        raise ServerError("pg_dump takes no secrets in addition to a service", hint=hint)
    if unfit := [key for key in named if secrets[key] != secrets[key].rstrip() or "\n" in secrets[key]]:
        raise ServerError(f"{', '.join(unfit)} cannot be given to pg_dump: it has a line break, or blanks at its end")
    with _secret_file(f"[{_SERVICE}]\n" + "".join(f"{key}={secrets[key]}\n" for key in named)) as path:
        yield make_conninfo(**parts, service=_SERVICE), env | {"PGSERVICEFILE": path}


@contextmanager
def _secret_file(text: str) -> Iterator[str]:
    """Make a file that nobody else can read, and give its path; on Linux it is memory, which even `kill -9` frees."""
    with ExitStack() as stack:
        file: IO[str]
        path = ""
        if sys.platform == "linux":
            file = stack.enter_context(os.fdopen(os.memfd_create(_SERVICE), "w", encoding="utf-8"))
            os.fchmod(file.fileno(), 0o600)
            path = f"/proc/{os.getpid()}/fd/{file.fileno()}"
        if not Path(path).is_file():
            file = stack.enter_context(tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="sqlmigrate-"))  # 0600
            path = file.name
        file.write(text)
        file.flush()
        yield path


def restore(database: ShadowDatabase, script: Script, versions: Mapping[str, str], *, whole: bool) -> list[str]:
    """Run a dump, in autocommit since thousands of objects need more locks than a transaction may have.

    Extensions get these versions. What it says of schema public is left out, unless the `whole` is wanted, where our
    role may not change that: before PostgreSQL 15 it belongs to the superuser of the server. So are rights to functions
    that reach out of the server. Gives notes on what was left out.
    """
    left_out = []
    with restoring.opened(database) as connection:
        connection.execute("SET synchronous_commit TO off")
        if ground := _ground(script):
            connection.prepare(ground)
        for statement in script.statements():
            try:
                text = with_version(statement.text, versions)
                connection.execute(_understood(text, connection.tester.info.server_version).encode())
            except psycopg.errors.UndefinedObject as error:
                # A newer pg_dump sets settings that this server does not have, such as transaction_timeout.
                if not _SET.match(statement.text):
                    raise statement_failed(script, statement, error) from None
            except psycopg.errors.InsufficientPrivilege as error:
                if whole or not _OF_PUBLIC.match(statement.text):
                    raise statement_failed(script, statement, error) from None
                left_out.append(f"{_PUBLIC_IS_ANOTHERS}: {script.place(statement)}")
            except restoring.ReachesOut:
                left_out.append(f"{_REACHES_OUT}: {script.place(statement)}")
            except psycopg.Error as error:
                raise statement_failed(script, statement, error) from None
    return left_out


def _ground(script: Script) -> str | None:
    """Return what makes schema public what the program that wrote a dump takes it for, whatever server it is from.

    It tells only what differs from there (getNamespaces() of PostgreSQL's pg_dump.c, by the program's version).
    """
    found = _DUMPED_BY.search(script.text or "")
    if found is None:
        return None
    closed = int(found[1]) >= _FIRST_WITH_CLOSED_PUBLIC
    return "REVOKE CREATE ON SCHEMA public FROM PUBLIC" if closed else "GRANT CREATE ON SCHEMA public TO PUBLIC"


def _understood(text: str, server_version: int) -> str:
    """Leave out what a newer pg_dump says of the sequence of an identity column: before 15, none is unlogged."""
    if server_version >= _FIRST_WITH_UNLOGGED_SEQUENCES or not text.startswith("ALTER TABLE "):
        return text
    return _PERSISTENCE.sub("", text)


def _pattern(name: str) -> str:
    """Quote a name for the patterns of `pg_dump`, where it stands for itself."""
    return '"' + name.replace('"', '""') + '"'
