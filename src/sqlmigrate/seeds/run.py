"""Run a seed set against a database: a session of its own, its limits and its role around `write`."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import psycopg

from sqlmigrate import runlock
from sqlmigrate.connection import allow, as_login, limit, look, probe, require_writable, session, set_role
from sqlmigrate.connection.committing import committed
from sqlmigrate.connection.poolers import settle_writer
from sqlmigrate.errors import HistoryError
from sqlmigrate.events import ignore
from sqlmigrate.runlock.blockers import watched
from sqlmigrate.runlock.retry import with_retry
from sqlmigrate.seeds.differences import compare, foresee, read_as_login, stage_keys_as_login
from sqlmigrate.seeds.failure import seed_error
from sqlmigrate.seeds.recording import record
from sqlmigrate.seeds.writing.upsert import look_again, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from sqlmigrate.connection import Connection, Gate
    from sqlmigrate.connection.silence import Session
    from sqlmigrate.events import Observer
    from sqlmigrate.runlock import RunLock
    from sqlmigrate.runlock.blockers import Watcher
    from sqlmigrate.seeds.differences import TableDifference
    from sqlmigrate.seeds.model import SeedResult, SeedSet
    from sqlmigrate.seeds.pruning.model import Pruning
    from sqlmigrate.seeds.writing.staging import Staged
from sqlmigrate.seeds.writing.upsert import Written

T = TypeVar("T")

# what is deferred runs as who seeds, under the login's settings, and no cursor is left: nothing waits for COMMIT
_SETTLE = "SET CONSTRAINTS ALL IMMEDIATE; CLOSE ALL"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is about to be seeded; `compare` reads what that would change, where somebody wants to know.

    `foresee` looks only for the rows that would be pruned.
    """

    seeds: SeedSet
    compare: Callable[[], list[TableDifference]]
    foresee: Callable[[], Pruning]


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
    accept: Callable[[Pruning], object] | None = None,
    history_schema: str = "sqlmigrate",
    history_owners: tuple[str, ...] = (),
    lock: RunLock | None = None,
) -> SeedResult:
    """Apply a seed set in one transaction of a new session; times are in milliseconds.

    `gate` is called once with the server and what is to be seeded before anything is written; it raises to stop. It is
    done under the run lock: `lock`, or one that is waited for so long; where a lock inside PostgreSQL is not granted in
    time, all of it is done again until `lock_budget` is used up. Where there is a history, what was written is
    recorded in it, in the same transaction.

    With `accept`, rows that no file names are pruned in tables whose schema asks for it; it is called in the
    transaction, with what that takes, and raises to stop.
    """
    # without the colon that the name of a script's session has: a migration may be called seed
    with session(conninfo, application_name="sqlmigrate seed") as connection:
        info = probe(connection)
        require_writable(info)
        looking = partial(_looking, connection, seeds, role, (lock_timeout, statement_timeout))
        gate(info, Proposal(seeds, partial(looking, compare), partial(looking, foresee)))
        settle_writer(conninfo, connection, info)
        with (
            _locked(conninfo, connection, history_schema, wait_lock, observer, lock) as ours,
            watched(conninfo, ours, connection, info.backend_pid, observer) as watcher,
        ):
            limit(connection, lock_timeout=lock_timeout, statement_timeout=statement_timeout)
            if role:
                set_role(connection, role)
            work = _Attempt(connection, seeds, role, ours, watcher, accept, history_schema, history_owners)
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
    accept: Callable[[Pruning], object] | None
    history_schema: str
    history_owners: tuple[str, ...]

    def __call__(self) -> Written:
        """Do it; raises SeedError where the server refuses it, with nothing written."""
        self.lock.require()
        self.watcher.blockers = ()
        try:
            with committed(self.connection):
                written = self._written()
                self.lock.require()
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            raise seed_error(self.connection, error) from error
        return written

    def _written(self) -> Written:
        with as_login(self.connection):  # what triggers and defaults of the tables do is not ours
            written = write(self.connection, self.seeds, settle=_SETTLE, accept=self.accept)
        # a role that may seed but not write the history seeds all the same
        with suppress(HistoryError, psycopg.errors.InsufficientPrivilege), self.connection.transaction():
            schema, owners = self.history_schema, self.history_owners
            record(self.connection, schema, owners, self.role, self.seeds, written.result)
        if self.role:
            set_role(self.connection, self.role)  # what is put off to COMMIT has no more rights than the triggers
        return written


def _looking(
    connection: Connection,
    seeds: SeedSet,
    role: str | None,
    limits: tuple[int, int],
    read: Callable[[Connection, SeedSet, Mapping[Path, Staged]], T],
) -> T:
    """Look at the tables as the role that seeds, and be the login again."""
    if role:
        set_role(connection, role)
    try:
        staged = stage_keys_as_login(connection, seeds)
        try:
            return look(connection, partial(read_as_login, read, connection, seeds, staged), limits=limits)
        finally:
            for one in staged.values():
                one.discard()
    finally:
        if role and not connection.closed:
            connection.execute("RESET ROLE")
