"""The server that is measured against, and a fresh database for each run."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate.server import ephemeral

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.server import PrivateServer


@dataclass(frozen=True, slots=True)
class Database:
    """A database as the clients see it: behind a socket, which may be the proxy's."""

    host: str
    port: int
    name: str

    def url(self, scheme: str = "postgresql") -> str:
        """Give its URL."""
        return f"{scheme}://postgres@/{self.name}?host={self.host}&port={self.port}"


@contextmanager
def running() -> Iterator[PrivateServer]:
    """Run a throw-away server; autovacuum is off, so that it hits nobody by chance."""
    with ephemeral() as server:
        with psycopg.connect(server.conninfo(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET autovacuum TO off")
            connection.execute("SELECT pg_reload_conf()")
        yield server


@contextmanager
def fresh(server: PrivateServer, host: str | None = None, port: int | None = None) -> Iterator[Database]:
    """Give an empty database, reached through another socket where one is named; it is dropped afterwards."""
    name = "bench"
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        connection.execute("CHECKPOINT")  # the writing of the run before shall not fall into this one
        yield Database(host or server.host, port or server.port, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
