"""What runs now: which migration another session is at work on, and how far it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate import history
from sqlmigrate.engine.backfill.progress import Progress
from sqlmigrate.engine.wire.session import application_name
from sqlmigrate.errors import HistoryError
from sqlmigrate.events import BatchesOfOthers
from sqlmigrate.plan import Running, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlmigrate.connection import Connection
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.plan import Status
    from sqlmigrate.runlock.workers import Found


def with_running(connection: Connection, states: Sequence[Status], options: Options) -> list[Status]:
    """Return the states, with that of each migration that a session is at work on: it stands nowhere for good."""
    from sqlmigrate.runlock.workers import workers  # noqa: PLC0415  only `status` asks

    sessions = {found.application: found for found in workers(connection, options.schema)}
    if not sessions:
        return list(states)
    return [_seen(connection, item, sessions.get(application_name(item.migration_id))) for item in states]


def batches_of_others(connection: Connection, options: Options) -> BatchesOfOthers | None:
    """Tell how far the batches are that another session runs now; None where none does, or it cannot be seen."""
    from sqlmigrate.runlock.workers import workers  # noqa: PLC0415  as below

    try:
        names = {found.application for found in workers(connection, options.schema) if found.locked}
        half_way = history.half_way(connection, options.schema, owners=options.history_owners) if names else ()
    except (psycopg.Error, HistoryError):
        if connection.closed:
            raise
        return None
    for item in half_way:
        done = Progress.read(item.stopped_at.found)
        if done and application_name(item.migration_id) in names:
            return BatchesOfOthers(
                item.migration_id, item.stopped_at.number, done.rows, done.batches, done.seconds, done.estimate,
                done.seconds_left, done.held_by,
            )  # fmt: skip
    return None


def _seen(connection: Connection, item: Status, found: Found | None) -> Status:
    if found is None or not _is_at_work(item, found):
        return item
    return replace(item, state=State.RUNNING, running=_running(connection, item, found))


def _is_at_work(item: Status, found: Found) -> bool:
    """Tell whether a session is at work on a migration: one that has just applied it still has its name."""
    is_done = item.recorded is not None and item.stopped is None
    if is_done:
        return found.locked and found.state is not None and found.is_busy
    if found.locked and item.stopped and Progress.read(item.stopped.stopped_at.found):
        return True  # between two batches it is in no transaction
    return found.is_busy and (found.locked or item.stopped is not None)


def _running(connection: Connection, item: Status, found: Found) -> Running:
    from sqlmigrate.runlock.progress import at_work_in, statements_of  # noqa: PLC0415  as above
    from sqlmigrate.runlock.workers import work_of  # noqa: PLC0415  as above

    operation = item.stopped.operation if item.stopped else "rollback" if item.recorded else "apply"
    run = item.migration and (item.migration.forward() if operation == "apply" else item.migration.back())
    work = work_of(connection, found.pid)
    statements = statements_of(run.script) if run else []
    at = at_work_in(statements, work.query)
    number, line = (at[0].number, at[0].line) if len(at) == 1 else (None, None)
    if item.stopped and Progress.read(item.stopped.stopped_at.found):  # what runs may be a query of ours
        number, line = item.stopped.stopped_at.number, item.stopped.stopped_at.line
    return Running(
        pid=found.pid,
        role=found.role,
        client=found.client,
        locked=found.locked,
        operation=operation,
        work=work,
        statement=number,
        statements=len(statements) or None,
        line=line,
    )
