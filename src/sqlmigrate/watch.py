"""Watch our own worker from another connection: who blocks it."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg.rows import class_row

from sqlmigrate import queries
from sqlmigrate.events import Blocked, Blocker

if TYPE_CHECKING:
    from sqlmigrate.connection import Connection
    from sqlmigrate.events import Observer

_INTERVAL = 0.3  # pg_blocking_pids takes the lock manager's locks: not too often


@dataclass(slots=True)
class Watcher:
    """Looks up, while the worker is silent, who keeps it from a lock; `blockers` is what was seen last."""

    connection: Connection
    worker_pid: int
    observer: Observer
    migration_id: str = ""
    blockers: tuple[Blocker, ...] = ()
    _next: float = 0.0

    def begin(self, migration_id: str) -> None:
        """Turn to another script."""
        self.migration_id, self.blockers = migration_id, ()
        self._next = time.monotonic() + _INTERVAL

    def look(self) -> None:
        """Look once, if it is time to; the sessions that are seen for the first time are told to the observer."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _INTERVAL
        with suppress(psycopg.Error):  # whoever needs this connection finds out for himself that it is lost
            found = self._query()
            if {blocker.pid for blocker in found} - {blocker.pid for blocker in self.blockers}:
                self.observer(Blocked(self.migration_id, found))
            self.blockers = found or self.blockers

    def _query(self) -> tuple[Blocker, ...]:
        with self.connection.cursor(row_factory=class_row(Blocker)) as cursor:
            return tuple(cursor.execute(queries.load("watch")["blockers"], {"pid": self.worker_pid}).fetchall())


def wait_until_gone(connection: Connection, pid: int, *, seconds: float) -> bool:
    """Wait until a server process has ended, so that what it did is settled; False where it is still there."""
    deadline = time.monotonic() + seconds
    while True:
        row = connection.execute(queries.load("watch")["gone"], [pid]).fetchone()
        if row and row[0]:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
