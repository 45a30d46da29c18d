"""Adopt and forget: write the history without running a script."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from psycopg import RawCursor

from sqlmigrate import history
from sqlmigrate.connection import allow, probe, require_writable, session
from sqlmigrate.connection.committing import committed
from sqlmigrate.connection.poolers import settle_writer
from sqlmigrate.engine.apply import locked
from sqlmigrate.errors import MigrationsError, UsageError
from sqlmigrate.events import HalfWayForgotten, ignore
from sqlmigrate.plan import dependents

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlmigrate.connection import Command, Gate
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.history import History, Run
    from sqlmigrate.migrations import Migrations

    Writes = dict[str, list[Command]]


def mark(
    conninfo: str,
    migrations: Migrations,
    ids: Sequence[str],
    options: Options,
    *,
    gate: Gate[History] = allow,
    observer: Observer = ignore,
) -> list[str]:
    """Record migrations as applied without running them; gives the ids that were not, or only half way."""

    def writes(found: History, run: Run) -> Writes:
        todo = {}
        for name in ids:
            claimed = found.get(name) is not None
            if not claimed or found.half_way_of(name):
                todo[name] = [*_mark(migrations, name, options, run, claimed=claimed), *_forget(found, name, options)]
        return todo

    for name in ids:
        migrations.named(name)
    return _write(conninfo, options, gate, observer, writes, forgets=True)


def unmark(
    conninfo: str,
    migrations: Migrations,
    ids: Sequence[str],
    options: Options,
    *,
    gate: Gate[History] = allow,
    observer: Observer = ignore,
) -> list[str]:
    """Remove migrations from the history without running anything: those that were really applied too.

    Nothing is asked but `gate`. The recorded scripts of such a row go with it, so that its rollback can be taken from
    the files only, and the next `apply` runs the script again. Raises UsageError where an id is not applied, and
    MigrationsError where an applied migration depends on one that was really applied.
    """

    def writes(found: History, run: Run) -> Writes:
        for name in ids:
            if found.get(name) is None:
                raise UsageError(f"{name} is not applied", hint="`sqlmigrate status` lists what is applied")
        _require_no_dependents(migrations, ids, found)
        return {name: [*_unmark(name, options, run), *_forget(found, name, options)] for name in ids}

    return _write(conninfo, options, gate, observer, writes, forgets=True)


def accept(
    conninfo: str,
    migrations: Migrations,
    migration_id: str,
    reason: str,
    options: Options,
    *,
    gate: Gate[History] = allow,
    observer: Observer = ignore,
) -> bool:
    """Record the files of an applied migration as they are now, with the reason; False where they are recorded so.

    Raises UsageError where it is not applied, or only yoyo has applied it.
    """
    migration = migrations.named(migration_id)

    def writes(found: History, run: Run) -> Writes:
        recorded = found.get(migration_id)
        if recorded is None:
            raise UsageError(f"{migration_id} is not applied, so there is nothing to accept")
        if recorded.checksum is None:
            raise UsageError(f"{migration_id} was applied by yoyo, so no text is recorded that could differ")
        digests = (migration.script.checksum, migration.script.sha256)
        rollback = migration.rollback.checksum if migration.rollback else None
        if (*digests, rollback) == (recorded.checksum, recorded.sha256, recorded.rollback_checksum):
            return {}
        log = history.log(options.schema, migration_id, "accept", run, digests=digests, reason=reason)
        return {migration_id: [history.accept(options.schema, migration), *log]}

    return bool(_write(conninfo, options, gate, observer, writes))


def _mark(migrations: Migrations, name: str, options: Options, run: Run, *, claimed: bool) -> list[Command]:
    migration = migrations.named(name)
    digests = (migration.script.checksum, migration.script.sha256)
    log = history.log(options.schema, name, "mark", run, digests=digests)
    if claimed:
        return log
    claim = history.claim(options.schema, name)
    return [claim, history.finish_claim(options.schema, migration, run, marked=True), *log]


def _unmark(name: str, options: Options, run: Run) -> list[Command]:
    return [history.unclaim(options.schema, name), *history.log(options.schema, name, "unmark", run)]


def _forget(found: History, name: str, options: Options) -> list[Command]:
    """Forget where a script of a migration stopped half way: whoever marks or unmarks it says how it is."""
    return [history.journal_clear(options.schema, name)] if found.half_way_of(name) else []


def _require_no_dependents(migrations: Migrations, ids: Sequence[str], found: History) -> None:
    left = tuple(row for row in found.applied if row.migration_id not in ids)
    gone = [row for row in found.applied if row.migration_id in ids and not row.marked]
    if problems := dependents(migrations, gone, replace(found, applied=left)):
        raise MigrationsError("nothing was unmarked", problems)


def _write(
    conninfo: str,
    options: Options,
    gate: Gate[History],
    observer: Observer,
    writes: Callable[[History, Run], Writes],
    *,
    forgets: bool = False,
) -> list[str]:
    with session(conninfo) as connection:
        info = probe(connection)
        require_writable(info)
        run = history.Run()
        before = history.read(connection, options.schema, owners=options.history_owners, writing=True)
        writes(before, run)  # refuse before we ask and wait
        settle_writer(conninfo, connection, info)
        gate(info, before)
        with locked(conninfo, connection, info, options, observer) as (_, _, found), committed(connection):
            history.hold(connection, options.schema, options.history_owners)
            todo = writes(found, run)
            cursor = RawCursor(connection)
            for commands in todo.values():
                for command in commands:
                    cursor.execute(command.sql.encode(), command.params)
        for name in todo:
            if forgets and (stopped := found.half_way_of(name)):
                observer(HalfWayForgotten(name, stopped.operation))
    return list(todo)
