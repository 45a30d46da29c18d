"""What a crash leaves of a script outside a transaction, and what its journal says."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest

from sqlmigrate import history
from sqlmigrate.engine.stepwise import outcome
from sqlmigrate.engine.stepwise.journal import digest
from sqlmigrate.errors import HalfWayError
from sqlmigrate.events import Event, ScriptStarted
from sqlmigrate.history import Entry
from sqlmigrate.sql.statement.subject import subject_of
from support.runner import Runner

OUTSIDE = "-- transactional: false\n"

Session = psycopg.Connection[Any]


def journal(session: Session) -> list[tuple[Any, ...]]:
    """Give operation, number, last number and state of every entry."""
    query = "SELECT operation, number, last_number, state FROM sqlmigrate.journal ORDER BY operation, number"
    return session.execute(query).fetchall()


def crashed(
    runner: Runner, session: Session, number: int, *, migration_id: str = "a", operation: str = "apply"
) -> None:
    """Leave what a run leaves that was killed while a statement ran; all before it are done in the journal alone."""
    history.install(session, "sqlmigrate", runner.history())
    migration = runner.load().named(migration_id)
    script_run = migration.forward() if operation == "apply" else migration.back()
    assert script_run is not None
    run = history.Run()
    for item in script_run.script.statements():
        if item.number > number:
            return
        state = "running" if item.number == number else "done"
        found = _before(session, item.text) if state == "running" else None
        entry = Entry(item.number, item.number, state, digest([item]), item.text, item.line, found)
        command = history.journal_begin("sqlmigrate", migration_id, operation, entry, run)
        session.pgconn.exec_params(command.sql.encode(), [v if v is None else v.encode() for v in command.params])


def _before(session: Session, text: str) -> dict[str, Any]:
    with outcome.looking(session, subject_of(text)) as look:
        return look.before()


def while_it_runs(runner: Runner, meddle: Callable[[], object]) -> None:
    """Apply, and change something as a script begins: by then the history has been read and found to be trusted."""
    told = runner.observe

    def observe(event: Event) -> None:
        told(event)
        if isinstance(event, ScriptStarted):
            meddle()

    runner.observe = observe
    try:
        runner.apply()
    finally:
        runner.observe = told


def half_way(run: Any) -> HalfWayError:
    """Run something that must stop half way, and give its error."""
    with pytest.raises(HalfWayError) as caught:
        run()
    assert caught.value.exit_status == 6
    return caught.value


def invalid_index(session: Session, statement: str) -> None:
    """Leave an INVALID index behind, as an interrupted CREATE INDEX CONCURRENTLY does."""
    with pytest.raises(psycopg.errors.UniqueViolation):
        session.execute(statement)


def indexes(session: Session, table: str = "t") -> dict[str, bool]:
    """Give the indexes of a table, and whether each is valid."""
    query = "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = %s::regclass ORDER BY 1"
    return dict(session.execute(query, [table]).fetchall())


@contextmanager
def snapshot(session: Session, query: str = "SELECT 1"):
    """Hold an old snapshot, as a long report does: every CONCURRENTLY waits for it."""
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    session.execute(query)
    try:
        yield
    finally:
        with suppress(psycopg.Error):
            session.execute("ROLLBACK")
