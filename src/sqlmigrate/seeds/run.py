"""Run a seed set against a database: a session of its own, its limits and its role around `write`."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import psycopg
from psycopg import RawCursor

from sqlmigrate import history, runlock
from sqlmigrate.connection import allow, as_login, limit, look, probe, require_writable, session, set_role
from sqlmigrate.connection.address import at_server_of
from sqlmigrate.connection.poolers import settle_writer
from sqlmigrate.errors import HistoryError
from sqlmigrate.events import ignore
from sqlmigrate.runlock.blockers import Watcher
from sqlmigrate.runlock.retry import with_retry
from sqlmigrate.seeds.differences import compare_as_login
from sqlmigrate.seeds.failure import seed_error
from sqlmigrate.seeds.upsert import look_again, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlmigrate.connection import Connection, Gate
    from sqlmigrate.connection.silence import Session
    from sqlmigrate.events import Observer
    from sqlmigrate.runlock import RunLock
    from sqlmigrate.seeds.differences import TableDifference
    from sqlmigrate.seeds.model import SeedResult, SeedSet
    from sqlmigrate.seeds.upsert import Written

# what is deferred runs as who seeds, under the login's settings, and no cursor is left: nothing waits for COMMIT
_SETTLE = "SET CONSTRAINTS ALL IMMEDIATE; CLOSE ALL"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is about to be seeded; `compare` reads what that would change, where somebody wants to know."""

    seeds: SeedSet
    compare: Callable[[], list[TableDifference]]


def run(
    conninfo: str,
    seeds: SeedSet,
    *,
    role: str | None,
    lock_timeout: int,
    statement_timeout: int,
    lock_budget: int = 600_000,
    wait_lock: int = 300_000,
    gate: Gate[Proposal] = allow,
    observer: Observer = ignore,
    history_schema: str = "sqlmigrate",
    history_owners: tuple[str, ...] = (),
    lock: RunLock | None = None,
) -> SeedResult:
    """Apply a seed set in one transaction of a new session; times are in milliseconds.

    `gate` is called once with the server and what is to be seeded before anything is written; it raises to stop. It is
    done under the run lock: `lock`, or one that is waited for so long; where a lock inside PostgreSQL is not granted in
    time, all of it is done again until `lock_budget` is used up. Where there is a history, what was written is noted in
    its log, in the same transaction.
    """
    with session(conninfo, application_name="sqlmigrate: seed") as connection:
        info = probe(connection)
        require_writable(info)
        gate(info, Proposal(seeds, partial(_compared, connection, seeds, role, (lock_timeout, statement_timeout))))
        settle_writer(conninfo, connection, info)
        with _locked(conninfo, connection, history_schema, wait_lock, observer, lock) as ours:
            limit(connection, lock_timeout=lock_timeout, statement_timeout=statement_timeout)
            if role:
                set_role(connection, role)
            watcher = Watcher(
                at_server_of(conninfo, connection), ours.connection, connection, info.backend_pid, observer,
                cluster=ours.cluster,
            )  # fmt: skip
            work = _Attempt(connection, seeds, role, ours, watcher, history_schema, history_owners)
            connection.meanwhile = watcher.look
            written = with_retry(work, budget=lock_budget / 1000, observer=observer, blockers=watcher.seen)
            with as_login(connection):
                look_again(connection, written)
        return written.result


@contextmanager
def _locked(
    conninfo: str, connection: Session, schema: str, wait: int, observer: Observer, lock: RunLock | None
) -> Iterator[RunLock]:
    """Hold the run lock for a block, or keep to the one that somebody holds already."""
    if lock is not None:
        yield lock
        return
    with runlock.held(conninfo, schema, wait=wait / 1000, observer=observer, worker=connection) as ours:
        yield ours


@dataclass(frozen=True, slots=True)
class _Attempt:
    """Writes all of a seed set, and what was done into the history, in one transaction."""

    connection: Session
    seeds: SeedSet
    role: str | None
    lock: RunLock
    watcher: Watcher
    history_schema: str
    history_owners: tuple[str, ...]

    def __call__(self) -> Written:
        """Do it; raises SeedError where the server refuses it, with nothing written."""
        self.lock.require()
        self.watcher.blockers = ()
        try:
            with self.connection.transaction():
                written = self._written()
                self.lock.require()
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            raise seed_error(self.connection, error) from error
        return written

    def _written(self) -> Written:
        with as_login(self.connection):  # what triggers and defaults of the tables do is not ours
            written = write(self.connection, self.seeds, settle=_SETTLE)
        if written.result.written:
            # a role that may seed but not write the history seeds all the same
            with suppress(HistoryError, psycopg.errors.InsufficientPrivilege), self.connection.transaction():
                _note(self.connection, self.history_schema, self.history_owners, written.result)
            if self.role:
                set_role(self.connection, self.role)  # what is put off to COMMIT has no more rights than the triggers
        return written


def _compared(
    connection: Connection, seeds: SeedSet, role: str | None, limits: tuple[int, int]
) -> list[TableDifference]:
    """Compare as the role that seeds, and be the login again."""
    if role:
        set_role(connection, role)
    try:
        return look(connection, partial(compare_as_login, connection, seeds), limits=limits)
    finally:
        if role and not connection.closed:
            connection.execute("RESET ROLE")


def _note(connection: Connection, schema: str, owners: tuple[str, ...], result: SeedResult) -> None:
    """Write into the log what was written, as the login role; a database without a history has none to note it in."""
    connection.execute("SET LOCAL role TO DEFAULT")
    if history.read(connection, schema, owners=owners).version is None:
        return
    history.catch_up(connection, schema, owners)
    history.hold(connection, schema, owners)
    words = ", ".join(f"{item.table}: {item.inserted} inserted, {item.updated} updated" for item in result.tables)
    cursor = RawCursor(connection)
    for command in history.log(schema, None, "seed", history.Run(), reason=words):
        cursor.execute(command.sql.encode(), command.params)
