"""The sessions of other runs in a database that are at work on a script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import RawCursor
from psycopg.rows import class_row

from sqlmigrate import queries
from sqlmigrate.events import AtWork
from sqlmigrate.runlock.lock import halves, lock_key
from sqlmigrate.runlock.progress import at_work

if TYPE_CHECKING:
    from sqlmigrate.connection import Connection


@dataclass(frozen=True, slots=True)
class Found:
    """A session that runs a script; `locked` says that a run holds the run lock, `state` is None where it is hidden."""

    pid: int
    role: str | None
    application: str
    client: str
    state: str | None
    locked: bool

    @property
    def is_busy(self) -> bool:
        """Whether it is in a transaction, or runs a statement, as far as one can see."""
        return self.state != "idle"


def workers(connection: Connection, schema: str) -> list[Found]:
    """Return the sessions of this database that are named as those of scripts are, and may write the history."""
    with connection.cursor(row_factory=class_row(Found)) as cursor:
        return cursor.execute(
            queries.load("runlock")["workers"], halves(lock_key(schema)) | {"schema": schema}
        ).fetchall()


def work_of(connection: Connection, pid: int) -> AtWork:
    """Ask what a session does; nothing is known of one that has ended."""
    with RawCursor(connection) as cursor:
        row = cursor.execute(queries.load("watch")["at_work"].encode(), [pid]).fetchone()
    return at_work(tuple(None if value is None else str(value) for value in row)) if row else AtWork()
