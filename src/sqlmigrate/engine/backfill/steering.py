"""Ask whoever runs the batches of a migration for a pause, or to stop; from any session, without the run lock."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from psycopg import RawCursor

from sqlmigrate import history, runlock
from sqlmigrate.connection import probe, require_writable, session
from sqlmigrate.connection.committing import committed
from sqlmigrate.connection.poolers import settle_writer
from sqlmigrate.engine.backfill.progress import CANCEL, Progress
from sqlmigrate.errors import UsageError

if TYPE_CHECKING:
    from sqlmigrate.connection import Connection
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.history import History


def steer(conninfo: str, migration_id: str, wanted: str | None, options: Options) -> None:
    """Ask for `PAUSE` or `CANCEL`, or take it back with None; it is heard at the end of the batch that runs.

    A pause also holds for runs to come. Raises UsageError where no statement of the migration is half way in batches,
    and where nobody runs that could stop.
    """
    with session(conninfo) as connection:
        info = probe(connection)
        require_writable(info)
        found = history.read(connection, options.schema, owners=options.history_owners, writing=True)
        _require_batches(found, migration_id)
        if wanted == CANCEL:
            _require_run(connection, migration_id, options)
        settle_writer(conninfo, connection, info)
        with committed(connection):
            history.hold(connection, options.schema, options.history_owners)
            command = history.journal_steer(options.schema, migration_id, wanted)
            cursor = RawCursor(connection)
            cursor.execute(command.sql.encode(), command.params)
            if not cursor.rowcount:
                raise _ended(migration_id)


def _require_batches(found: History, migration_id: str) -> None:
    stopped = found.half_way_of(migration_id)
    if stopped is None or Progress.read(stopped.stopped_at.found) is None:
        raise _ended(migration_id)


def _ended(migration_id: str) -> UsageError:
    message = f"no statement of {migration_id} is half way in batches"
    return UsageError(message, hint="`sqlmigrate backfill status` lists those that are")


def _require_run(connection: Connection, migration_id: str, options: Options) -> None:
    if runlock.holder_of(connection, runlock.lock_key(options.schema)) is None:
        hint = f"`sqlmigrate backfill pause {quote(migration_id)}` holds the next run back"
        raise UsageError("nobody is at work in this database, so there is nothing to stop", hint=hint)
