"""What a user's test suite leaves: servers in a state directory, and databases on a server that is named."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg import sql

from fixtures.postgres import Database
from sqlmigrate.server import stop


@contextmanager
def own_state() -> Iterator[Path]:
    """Make one, whose name has a space; afterwards nothing of its servers is left, nor of the plug-in's copies."""
    state = Path(tempfile.mkdtemp(prefix="sqlmigrate testing ", dir="/tmp"))
    state.chmod(0o755)  # the server's account gets in
    try:
        yield state
    finally:
        for folder in (state, *state.glob("testing/*/")):
            stop(folder)  # who left last may have been in too much of a hurry to do so
        for link in state.glob("testing/*/d*/pg_tblspc/*"):  # what a private server had in memory
            shutil.rmtree(link.readlink().parent)
        shutil.rmtree(state)


@contextmanager
def named_server(database: Database) -> Iterator[str]:
    """Give the URL of the tests' server; afterwards no template that was made there is left, however far it came."""
    yield database.superuser_url
    with database.connect_superuser() as session:
        query = "SELECT datname FROM pg_database WHERE datname LIKE 'sqlmigrate\\_test\\_%'"
        for (name,) in session.execute(query).fetchall():
            session.execute(sql.SQL("DROP DATABASE {} (FORCE)").format(sql.Identifier(name)))
