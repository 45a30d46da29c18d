"""Poolers: find out whether one stands between, and refuse those through which no lock and no setting holds."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from sqlmigrate import queries
from sqlmigrate.connection.address import at_server_of
from sqlmigrate.connection.sessions import session, settle
from sqlmigrate.errors import ConnectionFailed

if TYPE_CHECKING:
    from sqlmigrate.connection.sessions import Connection, ServerInfo

_ROUNDS = 4


def settle_writer(conninfo: str, connection: Connection, info: ServerInfo) -> None:
    """Settle a session that is going to write, unless a pooler in transaction mode would hand its settings to others.

    Raises ConnectionFailed where there is one, before anything is set or written.
    """
    if info.pooled:
        connection.rollback()  # of a pool of one session, the second one must get it
        with session(at_server_of(conninfo, connection)) as second:
            refuse_transaction_pooler(connection, second)
    settle(connection)


def is_pooled(connection: Connection) -> bool:
    """Tell whether a pooler stands between: libpq was then told another process id than the server's own."""
    return _server_process(connection) != connection.info.backend_pid


def refuse_transaction_pooler(first: Connection, second: Connection) -> None:
    """Refuse a pooler that hands the server out by transaction: session locks and settings would go to others.

    Two sessions are open at the same time. In transaction mode both are found on one server process (the pooler gives
    out the one that was used last), or one of them on several (it takes turns). Nothing is set before that is known.
    Then a setting must come back, and reach nobody else, as all must that we set. Raises ConnectionFailed.
    """
    for connection in (first, second):
        connection.rollback()
    if not _keep_apart(first, second) or not _comes_back(first, second):
        raise ConnectionFailed(
            "there is a connection pooler in transaction mode in front of this database: no lock holds through it",
            hint="connect to PostgreSQL itself or to the pooler's session mode (Supabase: port 5432, not 6543)",
        )


def _keep_apart(first: Connection, second: Connection) -> bool:
    """Tell whether each session stays on one server process of its own.

    A pool that takes turns is found by a session that asks twice in a row, one that does not by the other session; it
    is asked often, since other clients of the pool are at work too.
    """
    found: dict[Connection, set[int]] = {first: set(), second: set()}
    for connection in (first, first, second, first, second, second) * _ROUNDS:
        found[connection].add(_server_process(connection))
    return len(found[first]) == len(found[second]) == 1 and found[first] != found[second]


def _comes_back(first: Connection, second: Connection) -> bool:
    """Tell whether a setting stays with its session alone; it is one that means nothing, and is taken away again."""
    mine, ours = uuid.uuid4().hex, queries.load("connection")
    first.execute(ours["mark"], [mine])
    asked = (first, second, first, second, first)
    comes_back = all(_is_marked(each, mine) is (each is first) for each in asked)
    for _ in range(1 if comes_back else _ROUNDS):
        first.execute(ours["unmark"], [mine])
    return comes_back


def _is_marked(connection: Connection, mark: str) -> bool:
    row = connection.execute(queries.load("connection")["is_marked"], [mark]).fetchone()
    return bool(row and row[0])


def _server_process(connection: Connection) -> int:
    row = connection.execute("SELECT pg_catalog.pg_backend_pid()").fetchone()
    return row[0] if row else 0
