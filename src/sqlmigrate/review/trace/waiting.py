"""Make a statement that cannot run in a transaction wait, so that its locks can be read and need not be guessed.

Helper sessions hold what the statement has to wait for. When it waits, a session of ours reads what it holds and asks
for, and the helper in its way lets go.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate import connection as connections
from sqlmigrate import queries
from sqlmigrate.review.locks import LEVELS
from sqlmigrate.review.trace.readings import Key, read_locks
from sqlmigrate.sql.statement.command import command_of
from sqlmigrate.sql.statement.subject import is_vacuum_full, subject_of, vacuumed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlmigrate.connection import Connection
    from sqlmigrate.review.trace.readings import Relations

_POLL = 0.002  # seconds
_WRITER, _READER = "ROW EXCLUSIVE", "ACCESS SHARE"
_MAINTENANCE = "SHARE UPDATE EXCLUSIVE"  # lets the ACCESS SHARE pass with which VACUUM looks the table up


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A relation, by its oid, and the mode in which a helper locks it."""

    oid: int
    mode: str


@dataclass(slots=True)
class Waited:
    """What was read while a statement waited; `seen` is empty where it never did."""

    seen: dict[Key, int] = field(default_factory=dict)


def obstacles(connection: Connection, text: str) -> list[Obstacle]:
    """Say what would make a statement wait after it has taken its locks, names being resolved as it would do it."""
    wanted = _named(text)
    with connections.undisturbed(connection, *(name for name, _ in wanted)) as oids:
        rows = connection.execute(
            queries.load("review")["tables_of"], {"oids": [oid for oid in oids if oid]}
        ).fetchall()
    tables: dict[int, int] = dict(rows)
    return [Obstacle(tables[oid], mode) for oid, (_, mode) in zip(oids, wanted, strict=True) if oid in tables]


def _named(text: str) -> list[tuple[str, str]]:
    """Return the relations that a statement names, and the mode in which to hold each."""
    about = subject_of(text)
    if about.action == "create index" and about.relation:
        return [(about.relation, _WRITER)]
    if about.action == "drop index" and about.name:
        return [(about.name, _READER)]
    if about.action == "reindex" and about.relation:
        return [(about.relation, _WRITER if about.concurrently else _MAINTENANCE)]
    if about.action == "detach partition" and about.relation and about.name:
        return [(about.relation, _READER), (about.name, _READER)]
    return [(name, _MAINTENANCE) for name in vacuumed(text)]


def from_table(text: str, relations: Relations, wanted: Sequence[Obstacle]) -> dict[Key, int]:
    """Return the locks of a statement as the documentation says it, where it did not wait.

    VACUUM, ANALYZE and everything CONCURRENTLY take SHARE UPDATE EXCLUSIVE, VACUUM FULL and CLUSTER take ACCESS
    EXCLUSIVE, REINDEX takes SHARE (https://www.postgresql.org/docs/current/explicit-locking.html). A statement that
    names no table works on all of them.
    """
    level = _documented(text)
    tables = [item.oid for item in relations.values() if item.kind in ("table", "materialized view") and not item.toast]
    return {Key(0, oid): level for oid in ([item.oid for item in wanted] or tables)} if level else {}


def _documented(text: str) -> int:
    name, concurrently = command_of(text), subject_of(text).concurrently
    if is_vacuum_full(text) or name == "CLUSTER":
        return LEVELS["ACCESS EXCLUSIVE"]
    if name == "REINDEX" and not concurrently:
        return LEVELS["SHARE"]
    known = name in ("VACUUM", "ANALYZE", "REINDEX") or concurrently
    return LEVELS["SHARE UPDATE EXCLUSIVE"] if known else 0


@contextmanager
def made_to_wait(conninfo: str, pid: int, names: Mapping[int, str], wanted: Sequence[Obstacle]) -> Iterator[Waited]:
    """Read the locks of whatever the session `pid` runs in the block, whenever it waits for one of the obstacles."""
    waited = Waited()
    with ExitStack() as stack:
        reader = stack.enter_context(connections.session(conninfo, application_name="sqlmigrate: review"))
        helpers: dict[int, Connection] = {}
        for obstacle in wanted:
            helper = stack.enter_context(connections.session(conninfo, application_name="sqlmigrate: review"))
            if _hold(helper, names[obstacle.oid], obstacle.mode):
                helpers[helper.info.backend_pid] = helper
        done = threading.Event()
        thread = threading.Thread(target=_watch, args=(reader, pid, helpers, waited, done), daemon=True)
        thread.start()
        try:
            yield waited
        finally:
            done.set()
            thread.join()


def _hold(helper: Connection, name: str, mode: str) -> bool:
    try:
        helper.execute("BEGIN")
        helper.execute(f"LOCK TABLE {name} IN {mode} MODE".encode())  # the name is quoted
    except psycopg.Error:
        helper.execute("ROLLBACK")
        return False
    return True


def _watch(reader: Connection, pid: int, helpers: dict[int, Connection], waited: Waited, done: threading.Event) -> None:
    with suppress(psycopg.Error):
        while helpers and not done.wait(_POLL):
            row = reader.execute(queries.load("review")["blockers"], {"pid": pid}).fetchone()
            for blocker in set(row[0] if row else ()) & helpers.keys():
                for key, level in read_locks(reader, pid).items():
                    waited.seen[key] = max(waited.seen.get(key, 0), level)
                helpers.pop(blocker).execute("ROLLBACK")
