"""Trace single statements on a shadow that is made of the server under test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlmigrate import connection as connections
from sqlmigrate.engine.wire.session import Options
from sqlmigrate.migrations import ScriptRun
from sqlmigrate.migrations.model import Operation
from sqlmigrate.review.trace.follow import read_catalog
from sqlmigrate.review.trace.passes import Pass
from sqlmigrate.review.trace.tracer import Trace, Traced, merged, trace
from sqlmigrate.shadow import Shadow, ShadowDatabase, Wanted, opened
from sqlmigrate.sql.script import script_from_text

OPTIONS = Options(search_path="shop, public")


@contextmanager
def shadow_on(server) -> Iterator[Shadow]:
    """Open a shadow on a server that runs already."""
    with opened(Wanted(shadow_url=server.conninfo())) as shadow:
        yield shadow


@contextmanager
def filled(shadow: Shadow, text: str) -> Iterator[ShadowDatabase]:
    """Make a database of the shadow in which this SQL has run."""
    with shadow.database() as database:
        run(database, text)
        yield database


def run(database: ShadowDatabase, text: str) -> None:
    """Run SQL in a database."""
    with connections.session(database.admin_conninfo) as session:
        connections.give_back(session)
        session.execute(text.encode())


def trace_text(
    shadow: Shadow, database: ShadowDatabase, text: str, *, transactional: bool = True, operation: Operation = "apply"
) -> Trace:
    """Trace a script from its text in a database."""
    script = script_from_text(Path("sql/0001.sql"), text)
    with connections.session(database.conninfo) as session:
        info = connections.probe(session)
    script_run = ScriptRun("0001", operation, script, transactional=transactional)
    return trace(shadow, database, script_run, options=OPTIONS, info=info)


def trace_one(shadow: Shadow, database: ShadowDatabase, text: str, *, alone: bool = False) -> Traced:
    """Trace one statement; one in a transaction leaves the database as it was, since the script fails behind it."""
    if alone:
        with shadow.clone(database) as copy:
            [one] = trace_text(shadow, copy, text, transactional=False).statements
            return one
    run = run_whole(database, text)
    [one] = run.seen
    return merged(one, None, 0, run)


def run_whole(database: ShadowDatabase, text: str) -> Pass:
    """Run statements as the pass that follows the catalog does; nothing stays, since the script fails behind them."""
    with connections.session(database.conninfo) as session:
        info, found = connections.probe(session), read_catalog(session, since=None)
    script = script_from_text(Path("sql/0001.sql"), f"{text};\nSELECT 1 / 0")
    run = Pass(database, ScriptRun("0001", "apply", script, transactional=True), OPTIONS, info, found, follow=True)
    error = run.run()
    assert "division by zero" in str(error)
    return run
