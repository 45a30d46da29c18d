"""Databases and roles on a private server."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sqlmigrate.errors import ConnectionFailed, ServerError
from sqlmigrate.server.account import without_pg_variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg import Connection

    from sqlmigrate.server.model import PrivateServer

# Any number will do, as long as each process takes the same one.
CREATION_LOCK = 7_337_600_185_201
FIRST_WITH_OWNED_PUBLIC = 15


def ensure_database(
    server: PrivateServer, *, name: str, owner: str, initialize: Callable[[str], None] | None = None
) -> bool:
    """Create a database and the ordinary role that owns it, unless they exist; True when the database is new.

    `initialize` gets a superuser's conninfo of the new database, which still has another name then: a database
    with the final name is complete, whatever was interrupted.
    """
    import psycopg  # noqa: PLC0415 -- the watchdog does without psycopg

    with _maintenance(server) as session:
        # The lock goes with the session, also when we are killed.
        session.execute("SELECT pg_catalog.pg_advisory_lock(%s)", [CREATION_LOCK])
        with _explained(f"database {name} could not be created on the private server"):
            _ensure_role(session, owner)
            if _exists(session, name):
                return False
            unfinished = f"sqlmigrate_new_{hashlib.sha256(name.encode()).hexdigest()[:16]}"
            _create(session, server, unfinished, owner)
        try:
            if initialize is not None:
                initialize(server.conninfo(unfinished))
        except BaseException:
            with suppress(psycopg.Error):  # the first error counts, and the next attempt drops it too
                _drop(session, unfinished)
            raise
        with _explained(f"database {name} could not get its name"):
            _execute(session, "ALTER DATABASE {} RENAME TO {}", unfinished, name)
    return True


def drop_database(server: PrivateServer, name: str) -> None:
    """Drop a database with all sessions in it; one that does not exist is no error."""
    with _maintenance(server) as session, _explained(f"database {name} could not be dropped"):
        _drop(session, name)


def _create(session: Connection, server: PrivateServer, name: str, owner: str) -> None:
    from sqlmigrate import connection as connections  # noqa: PLC0415 -- the watchdog does without psycopg

    _drop(session, name)
    # Nobody can be connected to template0.
    _execute(session, "CREATE DATABASE {} OWNER {} TEMPLATE template0", name, owner)
    if server.major < FIRST_WITH_OWNED_PUBLIC:
        with connections.session(server.conninfo(name)) as inside:
            _execute(inside, "GRANT CREATE ON SCHEMA public TO {}", owner)


def _ensure_role(session: Connection, role: str) -> None:
    known = session.execute("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s", [role]).fetchone()
    if known is None:
        _execute(session, "CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE", role)


def _exists(session: Connection, name: str) -> bool:
    query = "SELECT 1 FROM pg_catalog.pg_database WHERE datname = %s"
    return session.execute(query, [name]).fetchone() is not None


def _drop(session: Connection, name: str) -> None:
    _execute(session, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def _execute(session: Connection, statement: str, *names: str) -> None:
    from psycopg import sql  # noqa: PLC0415 -- the watchdog does without psycopg

    text = sql.SQL(statement).format(*(sql.Identifier(name) for name in names))
    session.execute(text)


@contextmanager
def _maintenance(server: PrivateServer) -> Iterator[Connection]:
    from sqlmigrate import connection as connections  # noqa: PLC0415 -- the watchdog does without psycopg

    with without_pg_variables():
        try:
            session = connections.connect(server.conninfo())
        except ConnectionFailed as error:
            raise ServerError(f"the private server in {server.data_dir} cannot be reached: {error.message}") from error
        with session:
            yield session


@contextmanager
def _explained(what: str) -> Iterator[None]:
    import psycopg  # noqa: PLC0415 -- the watchdog does without psycopg

    try:
        yield
    except psycopg.Error as error:
        raise ServerError(f"{what}: {error.diag.message_primary or error}") from error
