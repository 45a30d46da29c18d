"""Make a statement that cannot run in a transaction wait, so that its locks can be read and need not be guessed.

Helper sessions hold what the statement has to wait for. When it waits, a session of ours reads what it holds and asks
for, and the helper in its way lets go.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

from sqlmigrate import connection as connections
from sqlmigrate import queries
from sqlmigrate.review.locks import LEVELS
from sqlmigrate.review.trace.observe import Key, read_locks
from sqlmigrate.sql.statement.command import command
from sqlmigrate.sql.statement.parse import has_option, parse_tree
from sqlmigrate.sql.statement.subject import quote, subject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlmigrate.connection import Connection
    from sqlmigrate.review.trace.observe import Relations

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
    """Give the relations that a statement names, and the mode in which to hold each."""
    about = subject(text)
    if about.action == "create index" and about.relation:
        return [(about.relation, _WRITER)]
    if about.action == "drop index" and about.name:
        return [(about.name, _READER)]
    if about.action == "reindex" and about.relation:
        return [(about.relation, _WRITER if about.concurrently else _MAINTENANCE)]
    if about.action == "detach partition" and about.relation and about.name:
        return [(about.relation, _READER), (about.name, _READER)]
    return [(name, _MAINTENANCE) for name in _vacuumed(text)]


def _vacuumed(text: str) -> list[str]:
    tree = parse_tree(text) if command(text) in ("VACUUM", "ANALYZE", "CLUSTER") else None
    if tree is None or not tree.stmts or tree.stmts[0].stmt.WhichOneof("node") != "vacuum_stmt":
        return []
    relations = (item.vacuum_relation.relation for item in tree.stmts[0].stmt.vacuum_stmt.rels)
    return [quote(item.schemaname, item.relname) for item in relations]


def from_table(text: str, relations: Relations, wanted: Sequence[Obstacle]) -> dict[Key, int]:
    """Give the locks of a statement as the documentation says it, where it did not wait.

    VACUUM, ANALYZE and everything CONCURRENTLY take SHARE UPDATE EXCLUSIVE, VACUUM FULL and CLUSTER take ACCESS
    EXCLUSIVE, REINDEX takes SHARE (https://www.postgresql.org/docs/current/explicit-locking.html). A statement that
    names no table works on all of them.
    """
    level = _documented(text)
    tables = [item.oid for item in relations.values() if item.kind in ("table", "materialized view") and not item.toast]
    return {Key(0, oid): level for oid in ([item.oid for item in wanted] or tables)} if level else {}


def _documented(text: str) -> int:
    name = command(text)
    tree = parse_tree(text)
    node: Any = tree.stmts[0].stmt if tree is not None and tree.stmts else None
    if name == "VACUUM" and node is not None and has_option(node.vacuum_stmt.options, "full", default=False):
        return LEVELS["ACCESS EXCLUSIVE"]
    if name == "REINDEX" and not subject(text).concurrently:
        return LEVELS["SHARE"]
    if name == "CLUSTER":
        return LEVELS["ACCESS EXCLUSIVE"]
    known = name in ("VACUUM", "ANALYZE", "REINDEX") or subject(text).concurrently
    return LEVELS["SHARE UPDATE EXCLUSIVE"] if known else 0


@contextmanager
def made_to_wait(conninfo: str, pid: int, names: Mapping[int, str], wanted: Sequence[Obstacle]) -> Iterator[Waited]:
    """Read the locks of whatever the session `pid` runs in the block, whenever it waits for one of the obstacles."""
    waited = Waited()
    with ExitStack() as stack:
        observer = stack.enter_context(connections.session(conninfo, application_name="sqlmigrate: review"))
        helpers: dict[int, Connection] = {}
        for obstacle in wanted:
            helper = stack.enter_context(connections.session(conninfo, application_name="sqlmigrate: review"))
            if _hold(helper, names[obstacle.oid], obstacle.mode):
                helpers[helper.info.backend_pid] = helper
        done = threading.Event()
        thread = threading.Thread(target=_watch, args=(observer, pid, helpers, waited, done), daemon=True)
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


def _watch(
    observer: Connection, pid: int, helpers: dict[int, Connection], waited: Waited, done: threading.Event
) -> None:
    with suppress(psycopg.Error):
        while helpers and not done.wait(_POLL):
            row = observer.execute(queries.load("review")["blockers"], {"pid": pid}).fetchone()
            for blocker in set(row[0] if row else ()) & helpers.keys():
                for key, level in read_locks(observer, pid).items():
                    waited.seen[key] = max(waited.seen.get(key, 0), level)
                helpers.pop(blocker).execute("ROLLBACK")
