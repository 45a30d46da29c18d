"""Run a seed set against a database: a session of its own, its limits and its role around `write`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import psycopg
from psycopg import RawCursor

from sqlmigrate import history
from sqlmigrate.connection import allow, as_login, limit, look, probe, require_writable, session, set_role
from sqlmigrate.connection.poolers import settle_writer
from sqlmigrate.errors import HistoryError
from sqlmigrate.seeds.differences import compare
from sqlmigrate.seeds.upsert import look_again, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlmigrate.connection import Connection, Gate
    from sqlmigrate.seeds.differences import TableDifference
    from sqlmigrate.seeds.model import SeedResult, SeedSet

# what is deferred runs as who seeds, under the login's settings, and no cursor is left: nothing waits for COMMIT
_SETTLE = "SET CONSTRAINTS ALL IMMEDIATE; CLOSE ALL"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is about to be seeded; `compare` reads what that would change, where somebody wants to know."""

    seeds: SeedSet
    compare: Callable[[], list[TableDifference]]


def run(
    conninfo: str,
    seeds: SeedSet,
    *,
    role: str | None,
    lock_timeout: int,
    statement_timeout: int,
    gate: Gate[Proposal] = allow,
    history_schema: str = "sqlmigrate",
    history_owners: tuple[str, ...] = (),
) -> SeedResult:
    """Apply a seed set in one transaction of a new session; times are in milliseconds.

    `gate` is called once with the server and what is to be seeded before anything is written; it raises to stop. Where
    there is a history, what was written is noted in its log, in the same transaction.
    """
    with session(conninfo, application_name="sqlmigrate: seed") as connection:
        info = probe(connection)
        require_writable(info)
        gate(info, Proposal(seeds, partial(_compared, connection, seeds, role, (lock_timeout, statement_timeout))))
        settle_writer(conninfo, connection, info)
        limit(connection, lock_timeout=lock_timeout, statement_timeout=statement_timeout)
        if role:
            set_role(connection, role)
        with connection.transaction():
            with as_login(connection):  # what triggers and defaults of the tables do is not ours
                written = write(connection, seeds, settle=_SETTLE)
            result = written.result
            if result.written:
                # a role that may seed but not write the history seeds all the same
                with suppress(HistoryError, psycopg.errors.InsufficientPrivilege), connection.transaction():
                    _note(connection, history_schema, history_owners, result)
                if role:
                    set_role(connection, role)  # what triggers have put off to COMMIT has no more rights than they
        with as_login(connection):
            look_again(connection, written)
        return result


def _compared(
    connection: Connection, seeds: SeedSet, role: str | None, limits: tuple[int, int]
) -> list[TableDifference]:
    """Compare as the role that seeds, and be the login again."""
    if role:
        set_role(connection, role)
    try:
        return look(connection, partial(compare, connection, seeds), limits=limits)
    finally:
        if role and not connection.closed:
            connection.execute("RESET ROLE")


def _note(connection: Connection, schema: str, owners: tuple[str, ...], result: SeedResult) -> None:
    """Write into the log what was written, as the login role; a database without a history has none to note it in."""
    connection.execute("SET LOCAL role TO DEFAULT")
    if history.read(connection, schema, owners=owners).version is None:
        return
    history.catch_up(connection, schema, owners)
    history.hold(connection, schema, owners)
    words = ", ".join(f"{item.table}: {item.inserted} inserted, {item.updated} updated" for item in result.tables)
    cursor = RawCursor(connection)
    for command in history.log(schema, None, "seed", history.Run(), reason=words):
        cursor.execute(command.sql.encode(), command.params)
