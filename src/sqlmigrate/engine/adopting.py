"""Take over what another tool has applied: look, ask, look again under the run lock, and write in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from sqlmigrate import history
from sqlmigrate.connection import Command, probe, require_writable, session
from sqlmigrate.connection.committing import committed
from sqlmigrate.connection.poolers import settle_writer
from sqlmigrate.engine.apply import locked
from sqlmigrate.history.yoyo_tables import TABLE, YoyoTable, text

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlmigrate.connection import Connection, Gate
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.history import History, Run
    from sqlmigrate.migrations import Migration


class Planned(Protocol):
    """What is to be written; `changes` is whether that is anything."""

    @property
    def changes(self) -> bool:
        """Whether anything is to be written."""


P = TypeVar("P", bound=Planned)


def record(
    schema: str, migration: Migration, run: Run, *, applied_at: datetime | None = None, reason: str | None = None
) -> list[Command]:
    """Return the commands that mark a migration in our history as applied at a time, or now."""
    at = None if applied_at is None else applied_at.isoformat(sep=" ")
    digests = (migration.script.checksum, migration.script.sha256)
    return [
        Command(text("record", YoyoTable(schema, TABLE)), (migration.migration_hash, migration.migration_id, at)),
        history.finish_claim(schema, migration, run, marked=True),
        *history.log(schema, migration.migration_id, "mark", run, digests=digests, reason=reason),
        history.journal_clear(schema, migration.migration_id),
    ]


def carry_out(
    conninfo: str,
    options: Options,
    gate: Gate[P],
    observer: Observer,
    look: Callable[[Connection, History], P],
    write: Callable[[Connection, P], None],
) -> P:
    """Look, ask, then look again under the run lock and write in one transaction."""
    with session(conninfo) as connection:
        info = probe(connection)
        require_writable(info)
        planned = look(connection, history.read(connection, options.schema, owners=options.history_owners))
        settle_writer(conninfo, connection, info)
        gate(info, planned)
        if not planned.changes:
            return planned
        with locked(conninfo, connection, info, options, observer) as (_, _, found), committed(connection):
            history.hold(connection, options.schema, options.history_owners)
            planned = look(connection, found)
            write(connection, planned)
    return planned
