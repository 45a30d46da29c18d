"""Run a seed set against a database: a session of its own, its limits and its role around `write`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import psycopg
from psycopg import RawCursor

from sqlmigrate import history
from sqlmigrate.connection import allow, as_login, limit, look, probe, require_writable, session, set_role
from sqlmigrate.connection.poolers import settle_writer
from sqlmigrate.errors import HistoryError
from sqlmigrate.seeds.differences import compare, foresee
from sqlmigrate.seeds.named import stage_keys
from sqlmigrate.seeds.upsert import look_again, write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sqlmigrate.connection import Connection, Gate
    from sqlmigrate.seeds.differences import TableDifference
    from sqlmigrate.seeds.model import SeedResult, SeedSet
    from sqlmigrate.seeds.pruning import Pruning
    from sqlmigrate.seeds.staging import Staged

T = TypeVar("T")

# what is deferred runs as who seeds, under the login's settings, and no cursor is left: nothing waits for COMMIT
_SETTLE = "SET CONSTRAINTS ALL IMMEDIATE; CLOSE ALL"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is about to be seeded; `compare` reads what that would change, where somebody wants to know.

    `foresee` looks only for the rows that would be pruned.
    """

    seeds: SeedSet
    compare: Callable[[], list[TableDifference]]
    foresee: Callable[[], Pruning]


def run(
    conninfo: str,
    seeds: SeedSet,
    *,
    role: str | None,
    lock_timeout: int,
    statement_timeout: int,
    gate: Gate[Proposal] = allow,
    accept: Callable[[Pruning], object] | None = None,
    history_schema: str = "sqlmigrate",
    history_owners: tuple[str, ...] = (),
) -> SeedResult:
    """Apply a seed set in one transaction of a new session; times are in milliseconds.

    `gate` is called once with the server and what is to be seeded before anything is written; it raises to stop. Where
    there is a history, what was written is noted in its log, in the same transaction.

    With `accept`, rows that no file names are pruned in tables whose schema asks for it; it is called in the
    transaction, with what that takes, and raises to stop.
    """
    with session(conninfo, application_name="sqlmigrate: seed") as connection:
        info = probe(connection)
        require_writable(info)
        looking = partial(_looking, connection, seeds, role, (lock_timeout, statement_timeout))
        gate(info, Proposal(seeds, partial(looking, compare), partial(looking, foresee)))
        settle_writer(conninfo, connection, info)
        limit(connection, lock_timeout=lock_timeout, statement_timeout=statement_timeout)
        if role:
            set_role(connection, role)
        with connection.transaction():
            with as_login(connection):  # what triggers and defaults of the tables do is not ours
                written = write(connection, seeds, settle=_SETTLE, accept=accept)
            result = written.result
            if result.written or result.pruned:
                # a role that may seed but not write the history seeds all the same
                with suppress(HistoryError, psycopg.errors.InsufficientPrivilege), connection.transaction():
                    _note(connection, history_schema, history_owners, result)
                if role:
                    set_role(connection, role)  # what triggers have put off to COMMIT has no more rights than they
        with as_login(connection):
            look_again(connection, written)
        return result


def _looking(
    connection: Connection,
    seeds: SeedSet,
    role: str | None,
    limits: tuple[int, int],
    read: Callable[[Connection, SeedSet, Mapping[Path, Staged]], T],
) -> T:
    """Look at the tables as the role that seeds, and be the login again."""
    if role:
        set_role(connection, role)
    try:
        staged = stage_keys(connection, seeds)
        try:
            return look(connection, partial(read, connection, seeds, staged), limits=limits)
        finally:
            for one in staged.values():
                one.discard()
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
    words = ", ".join(
        f"{item.table}: {item.inserted} inserted, {item.updated} updated"
        f"{f', {item.pruned} pruned' if item.pruned else ''}"
        for item in result.tables
    )
    cursor = RawCursor(connection)
    for command in history.log(schema, None, "seed", history.Run(), reason=words):
        cursor.execute(command.sql.encode(), command.params)
