"""PgBouncer before a private server: started for a test, on a Unix socket, under the server's account."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from sqlmigrate.server import PrivateServer
from sqlmigrate.server.account import server_account
from support.waiting import wait_until

PORT = 6432
PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

_SETTINGS = """\
[databases]
* = host={host} port={port}

[pgbouncer]
unix_socket_dir = {folder}
listen_port = {own_port}
auth_type = trust
auth_file = {folder}/users
pool_mode = {mode}
default_pool_size = {size}
server_round_robin = {round_robin:d}
query_wait_timeout = 20
admin_users = postgres
server_reset_query = {reset}
"""

CHANGED = """
SELECT name, setting FROM pg_settings
WHERE source = 'session' AND name NOT IN ('application_name', 'client_encoding') ORDER BY name
"""
MARK = "SELECT current_setting('sqlmigrate.mark', true)"


@dataclass(frozen=True)
class Pooler:
    """A running pooler; `host` is the folder of its socket."""

    host: str
    mode: str

    def conninfo(self, conninfo: str) -> str:
        """Give the way through the pooler to the same database."""
        return make_conninfo(conninfo, host=self.host, port=PORT)


@contextmanager
def pooler(
    server: PrivateServer, mode: str, *, size: int = 4, round_robin: bool = False, reset: str = "DISCARD ALL"
) -> Iterator[Pooler]:
    """Run PgBouncer in a pool mode, `transaction`, `statement` or `session`.

    It gives out the server's session that was used last, or with `round_robin` the one that was not for the longest.
    Between two clients it runs `reset` in session mode.
    """
    assert PROGRAM is not None
    account = server_account()
    folder = Path(tempfile.mkdtemp(prefix="pooler-", dir="/tmp"))
    values = {"host": server.host, "port": server.port, "folder": folder, "own_port": PORT, "mode": mode, "size": size}
    values |= {"round_robin": round_robin, "reset": reset}
    (folder / "settings").write_text(_SETTINGS.format(**values), encoding="utf-8")
    (folder / "users").write_text('"migrator" ""\n"postgres" ""\n', encoding="utf-8")
    if account.switch:
        for path in (folder, *folder.iterdir()):
            os.chown(path, account.uid, account.gid)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [PROGRAM, folder / "settings"],
            stdout=log,
            stderr=log,
            start_new_session=True,
            **account.subprocess_options(),
        )
    try:
        wait_until(lambda: process.poll() is not None or _answers(folder))
        assert process.poll() is None, (folder / "log").read_text(encoding="utf-8")
        yield Pooler(str(folder), mode)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def _answers(folder: Path) -> bool:
    try:
        psycopg.connect(host=str(folder), port=PORT, dbname="postgres", user="postgres").close()
    except psycopg.OperationalError:
        return False
    return True


def changed_in_the_pool(conn: psycopg.Connection[Any], conninfo: str) -> list[tuple[str, str]]:
    """Give the settings that are changed in any of the pool's sessions with the server, all of them held at once."""
    found = []
    pids = set()
    sessions = _sessions(conninfo, conn.info.dbname)
    with ExitStack() as stack:
        for _ in range(sessions):
            session = stack.enter_context(psycopg.connect(conninfo, prepare_threshold=None))
            pids.add(session.execute("SELECT pg_backend_pid()").fetchone())
            found += session.execute(CHANGED).fetchall()
            found += [("a mark of ours", value) for (value,) in session.execute(MARK) if value]
    assert len(pids) == sessions > 0
    return found


def _sessions(conninfo: str, database: str) -> int:
    """Count the pool's sessions with the server as the pooler knows them: what has left it may take a while to end."""
    console = make_conninfo(conninfo, dbname="pgbouncer", user="postgres")
    with psycopg.connect(console, autocommit=True, cursor_factory=psycopg.ClientCursor, row_factory=dict_row) as asked:
        return sum(server["database"] == database for server in asked.execute("SHOW SERVERS").fetchall())
