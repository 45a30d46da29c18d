"""Run a seed set against a database: a session of its own, its limits and its role around `apply`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.connection import limit, probe, require_writable, session, set_role, settle_writer
from sqlmigrate.seeds.upsert import apply

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlmigrate.connection import ServerInfo
    from sqlmigrate.seeds.model import SeedResult, SeedSet


def run(
    conninfo: str,
    seeds: SeedSet,
    *,
    role: str | None,
    lock_timeout: int,
    statement_timeout: int,
    gate: Callable[[ServerInfo], None],
) -> SeedResult:
    """Apply a seed set in one transaction of a new session; times are in milliseconds.

    `gate` is called with the server before anything is written; it raises to stop.
    """
    with session(conninfo, application_name="sqlmigrate: seed") as connection:
        info = probe(connection)
        require_writable(info)
        gate(info)
        settle_writer(conninfo, connection, info)
        limit(connection, lock_timeout=lock_timeout, statement_timeout=statement_timeout)
        if role:
            set_role(connection, role)
        return apply(connection, seeds)
