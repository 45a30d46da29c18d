"""A standby of the server under test."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from sqlmigrate.server import PrivateServer, find_program
from sqlmigrate.server.account import server_account
from sqlmigrate.server.cluster import Cluster, wait_until_ready, write_settings
from sqlmigrate.server.places import SOCKET_PARENT, make_guarded
from support.sessions import beside
from support.waiting import LONG, wait_until

UNSAFE = {"fsync": "off", "full_page_writes": "off", "max_prepared_transactions": "2"}  # as many as the primary


@contextmanager
def standby_of(primary: PrivateServer) -> Iterator[PrivateServer]:
    """Run a standby that follows a server; it is gone at the end of the block."""
    account = server_account()
    with ExitStack() as stack:
        base = Path(tempfile.mkdtemp(prefix="sqlm-", dir=SOCKET_PARENT))
        stack.callback(shutil.rmtree, base, ignore_errors=True)
        base.chmod(0o711)
        host, data_dir = base / "socket", base / primary.data_dir.name  # which its postgresql.conf names
        make_guarded(host, 0o700, account)
        make_guarded(data_dir, 0o700, account)
        cluster = Cluster(data_dir, primary.binaries, account)
        # pg_basebackup may be newer than the server, and would write options that its libpq does not know
        follows = {"primary_conninfo": f"host={primary.host} port={primary.port} user={primary.user}"}
        write_settings(cluster, host, UNSAFE | follows)
        program = find_program("pg_basebackup", primary.binaries)
        assert program is not None, f"no pg_basebackup beside {primary.bindir} or on PATH"
        backup: list[str | Path] = [program, "--pgdata", data_dir, "--checkpoint=fast"]
        source = ["--host", primary.host, "--port", str(primary.port), "--username", primary.user, "--no-sync"]
        subprocess.run([*backup, *source], check=True, capture_output=True, **account.subprocess_options())
        (data_dir / "standby.signal").touch()
        log = stack.enter_context(cluster.log.open("wb"))
        process = subprocess.Popen(
            cluster.command, stdout=log, stderr=log, start_new_session=True, **account.subprocess_options()
        )
        stack.callback(process.wait, LONG)
        stack.callback(process.terminate)
        yield wait_until_ready(cluster, host, alive=lambda: process.poll() is None)


def wait_until_commits_wait(conninfo: str) -> None:
    """Wait until a COMMIT waits for a synchronous standby that is not there; where it waits, it is canceled.

    PostgreSQL's checkpointer lets the others know that there is one to wait for, a moment after SHOW says so.
    """
    with psycopg.connect(conninfo, autocommit=True) as session, psycopg.connect(conninfo, autocommit=True) as admin:
        pid = session.info.backend_pid
        session.execute("SET synchronous_commit TO on")
        waits = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event = 'SyncRep'"

        def one_waits() -> bool:
            with beside(lambda: session.execute("SELECT pg_logical_emit_message(true, 'test', '')")) as [commit]:
                wait_until(lambda: commit.done() or admin.execute(waits, [pid]).fetchone() is not None)
                if found := not commit.done():
                    admin.execute("SELECT pg_cancel_backend(%s)", [pid])
            return found

        wait_until(one_waits)
