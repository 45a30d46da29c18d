"""The run lock: one run at a time in a database.

It is a session advisory lock on a connection of its own, so that no script can release it and no lost worker takes it
along. It is only ever *tried*: waiting inside `pg_advisory_lock` deadlocks with CREATE INDEX CONCURRENTLY of the other
run, which waits for our snapshot. It goes away with its session; nothing has to be cleaned up after a kill, unless
a pooler that makes no session pristine keeps it.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg import pq
from psycopg.rows import class_row

from sqlmigrate import queries
from sqlmigrate.connection import careful, session, settle
from sqlmigrate.connection.address import at_server_of, home_of
from sqlmigrate.connection.early import Early
from sqlmigrate.connection.poolers import is_pooled, refuse_transaction_pooler
from sqlmigrate.connection.silence import SECONDS, is_farewell, is_readable, limited
from sqlmigrate.errors import ConnectionFailed, RunLockBusy
from sqlmigrate.events import LockHolder, WaitingForRunLock, ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg.errors import Diagnostic

    from sqlmigrate.connection import Connection
    from sqlmigrate.connection.address import Home
    from sqlmigrate.connection.silence import Session
    from sqlmigrate.events import BatchesOfOthers, Observer

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
_NAME = "sqlmigrate: run lock"


class RunLock:
    """A held run lock; ask `require` before each migration. `home` is where it is held, None where not known."""

    def __init__(self, connection: Session, home: Home | None = None) -> None:
        self.connection, self.home = connection, home
        self._ended = False
        connection.add_notice_handler(self._listen)

    def require(self) -> None:
        """Raise ConnectionFailed where the session that holds the lock is gone; costs no round trip."""
        try:
            while not self._ended and is_readable(self.connection):
                self.connection.pgconn.consume_input()
                self.connection.pgconn.is_busy()  # takes in what has come
            self._hear_instead_of_an_answer()
        except (psycopg.Error, OSError, ValueError):
            self._ended = True
        if self._ended:
            raise ConnectionFailed(
                "the session that held the run lock was lost, so another run may have begun; stopped here",
                hint="nothing is half done; run the command again",
            )

    def _hear_instead_of_an_answer(self) -> None:
        """Hear the last words also where they are the answer to a question of the watcher's, which is on its way."""
        pgconn = self.connection.pgconn
        if pgconn.transaction_status != pq.TransactionStatus.ACTIVE or pgconn.is_busy():
            return
        # get_result() would wait, for ever
        while not self._ended and not pgconn.is_busy() and (result := pgconn.get_result()):
            self._ended = is_farewell(result)

    def _listen(self, diag: Diagnostic) -> None:
        """Hear the server's last words: the lock is gone with them, a little before the connection is."""
        self._ended = self._ended or diag.severity_nonlocalized in {"FATAL", "PANIC"}


def lock_key(schema: str) -> int:
    """Return the advisory lock's key for a history schema: the first 8 bytes of a SHA-256, signed."""
    digest = hashlib.sha256(f"sqlmigrate:{schema}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


@contextmanager
def opened_early(conninfo: str, worker: Connection) -> Iterator[Early]:
    """Open the lock's session while something else is done; it is closed behind the block if nobody has taken it."""
    early = Early(at_server_of(conninfo, worker), application_name=_NAME)
    try:
        yield early
    finally:
        early.leave()


@contextmanager
def held(
    conninfo: str,
    schema: str,
    *,
    wait: float,
    observer: Observer = ignore,
    worker: Session | None = None,
    how_far: Callable[[], BatchesOfOthers | None] = lambda: None,
    early: Early | None = None,
) -> Iterator[RunLock]:
    """Hold the run lock for a block; waits up to `wait` seconds, then raises RunLockBusy naming the holder.

    `how_far` tells how far the batches of the other run are; `early` is the session for it (`opened_early`).

    With the worker's session given, a pooler in transaction mode is refused first: a lock would stay with it for ever.
    So is a proxy that shares out sessions among servers: the lock would be on another one than the scripts.
    """
    where = conninfo if worker is None else at_server_of(conninfo, worker)
    with session(where, application_name=_NAME, early=early) as connection:
        if worker is not None and is_pooled(worker):
            refuse_transaction_pooler(worker, connection)
        with limited(connection, SECONDS):
            settle(connection)
        pid = _acquire(connection, lock_key(schema), wait, observer, how_far)
        home = None
        if worker is not None:
            with limited(worker, SECONDS), limited(connection, SECONDS):  # as above
                _require_seen(pid, worker, lock_key(schema))
                home = _home(connection)
        yield RunLock(connection, home)


def _home(connection: Session) -> Home | None:
    """Return where we are; some services do not tell the cluster, though they let everybody ask."""
    try:
        return home_of(connection)
    except psycopg.Error:
        if connection.closed:
            raise
        return None


def _acquire(
    connection: Session, key: int, wait: float, observer: Observer, how_far: Callable[[], BatchesOfOthers | None]
) -> int:
    """Take the lock; gives the server process that holds it."""
    deadline = time.monotonic() + wait
    pause = _FIRST_PAUSE
    while True:
        with limited(connection, SECONDS), careful():  # neither question waits for anything
            ((is_held, pid),) = connection.execute(queries.load("runlock")["try"], [key]).fetchall()
            if is_held:
                return int(pid)
            holder = holder_of(connection, key)
        left = deadline - time.monotonic()
        if left <= 0:
            who = f", held by {holder}" if holder else ""
            who += f"; {at_work}" if (at_work := how_far()) else ""
            raise RunLockBusy(
                f"another run holds the run lock of this database{who}",
                hint=f"wait for it, or wait longer with --wait-lock; {to_free(holder, connection.info.user)}",
            )
        observer(WaitingForRunLock(holder, left, how_far()))
        time.sleep(min(pause, left))
        pause = min(pause * 2, _LONGEST_PAUSE)


def _require_seen(pid: int, worker: Connection, key: int) -> None:
    """Raise ConnectionFailed where the worker does not see the lock that a process holds: it is on another server."""
    with careful():
        ((seen,),) = worker.execute(queries.load("runlock")["is_held"], halves(key) | {"pid": pid}).fetchall()
    if not seen:
        raise ConnectionFailed(
            "the address leads to several servers: two sessions are not on the same one, so no lock would hold",
            hint="connect to one server, and not to a proxy or a balancer before several",
        )


def halves(key: int) -> dict[str, int]:
    """Return a bigint key as pg_locks shows it: as two halves."""
    unsigned = key & 0xFFFF_FFFF_FFFF_FFFF
    return {"high": unsigned >> 32, "low": unsigned & 0xFFFF_FFFF}


def to_free(holder: LockHolder | None, ours: str | None = None) -> str:
    """Say how the lock of a run that is dead comes free; a pooler may keep the session of a client that was killed.

    Whoever may connect can take the lock's key: of a role that is not `ours`, that is said.
    """
    if holder and not holder.pid:
        return "no run prepares transactions: its owner or a superuser ends it with ROLLBACK PREPARED"
    pid = holder.pid if holder else "PID"
    is_other = ours is not None and holder is not None and holder.role != ours
    doubt = f"role {holder.role} runs no migrations, or " if holder and is_other else ""
    return (
        f"it goes away with its session; if {doubt}that run is dead and a pooler keeps its session, end it with "
        f"SELECT pg_terminate_backend({pid})"
    )


def holder_of(connection: Connection, key: int) -> LockHolder | None:
    """Look up who holds the lock."""
    with connection.cursor(row_factory=class_row(LockHolder)) as cursor:
        return cursor.execute(queries.load("runlock")["holder"], halves(key)).fetchone()
