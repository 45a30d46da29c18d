"""Run a script on a shadow database and tell what each of its statements really does there.

Pass A runs it as it will run, pass B each statement in a transaction of its own, on a copy: only so is the lock of a
statement seen that the ones before it hold already. The engine's `run_script` runs both.
"""

from __future__ import annotations

import re
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
from psycopg.pq import TransactionStatus

from sqlmigrate import connection as connections
from sqlmigrate.catalog import read
from sqlmigrate.engine.alone import run_script
from sqlmigrate.errors import Error
from sqlmigrate.review.commands import DATA, HIDING, changes_catalog, command
from sqlmigrate.review.locks import STOPS_WRITES
from sqlmigrate.review.objects import Touched, read_objects, touched
from sqlmigrate.review.observe import (
    Key,
    as_locks,
    folded,
    read_locks,
    read_named,
    read_relations,
    read_scans,
    rewritten,
    scanned,
)
from sqlmigrate.review.waiting import from_table, made_to_wait, obstacles
from sqlmigrate.shadow import cluster_wide
from sqlmigrate.sql.parse import Kind, classify
from sqlmigrate.sql.scan import skip_gap

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlmigrate.catalog import Snapshot
    from sqlmigrate.connection import Connection, ServerInfo
    from sqlmigrate.engine.session import Options
    from sqlmigrate.review.model import Lock, Source
    from sqlmigrate.review.observe import Named, Relation, Relations
    from sqlmigrate.shadow import Shadow, ShadowDatabase
    from sqlmigrate.sql.script import Script, Statement

_APPLICATION = "sqlmigrate: review"
_LOCKS_NOTHING = frozenset({"SET", "RESET"})
_SET_LOCAL = re.compile(r"set\s+local\s+([\w.]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Traced:
    """What one statement did; see `model.Statement`, whose fields of the same names these become."""

    statement: Statement
    command: str
    own: tuple[Lock, ...] | None
    taken: tuple[Lock, ...]
    held: tuple[Lock, ...]
    rewrites: tuple[Relation, ...] = ()
    scans: tuple[Relation, ...] = ()
    touched: Touched = field(default_factory=Touched)
    notes: tuple[str, ...] = ()

    @property
    def locks(self) -> tuple[Lock, ...]:
        """Its own locks; where they are not known, those that it added."""
        return self.taken if self.own is None else self.own


@dataclass(frozen=True, slots=True)
class Trace:
    """What a script did, statement by statement, up to the one that failed, if one did.

    `before` and `after` are the schema; `after` is that before where the script failed in a transaction. `relations`
    are those that were there before, by oid.
    """

    operation: str
    script: Script
    transactional: bool
    statements: tuple[Traced, ...]
    relations: Mapping[int, Relation]
    before: Snapshot
    after: Snapshot
    error: Error | None = None
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Seen:
    """What was read at one statement; levels of locks are folded."""

    statement: Statement
    command: str
    locks: dict[Key, int]
    held: dict[Key, int]
    rewrites: list[Relation] = field(default_factory=list)
    scans: list[Relation] = field(default_factory=list)
    touched: Touched = field(default_factory=Touched)
    notes: list[str] = field(default_factory=list)
    source: Source = "seen"


def trace(
    shadow: Shadow,
    database: ShadowDatabase,
    migration_id: str,
    operation: str,
    script: Script,
    *,
    transactional: bool,
    options: Options,
    info: ServerInfo,
    since: Snapshot | None = None,
    leave_out: tuple[str, ...] = (),
) -> Trace:
    """Run a script in a database and keep what it did there; `database` then holds what the script leaves behind.

    No session may be open in the database, since pass B works in a copy of it. A script that PostgreSQL refuses is no
    error of the trace: `error` says where, and `statements` end before it.
    """
    if not shadow.private and (shared := cluster_wide(script)):
        return _not_tried(database, operation, script, transactional, shared[0], since, leave_out)
    alone: list[_Seen] | None = None
    notes: list[str] = []
    with ExitStack() as stack:
        if transactional:
            copy = stack.enter_context(shadow.clone(database))
            alone = _Pass(copy, migration_id, operation, script, options, info).run_alone(notes)
    with connections.session(database.conninfo, application_name=_APPLICATION) as connection:
        before = read(connection, since=since, leave_out=leave_out)
    run = _Pass(database, migration_id, operation, script, options, info, transactional=transactional, objects=True)
    error = run.run()
    with connections.session(database.conninfo, application_name=_APPLICATION) as connection:
        after = read(connection, since=before, leave_out=leave_out)
    statements = tuple(_merged(seen, alone, at, run) for at, seen in enumerate(run.found))
    return Trace(operation, script, transactional, statements, run.relations, before, after, error, tuple(notes))


def _not_tried(
    database: ShadowDatabase,
    operation: str,
    script: Script,
    transactional: bool,  # noqa: FBT001  passed on from `trace`
    statement: Statement,
    since: Snapshot | None,
    leave_out: tuple[str, ...],
) -> Trace:
    with connections.session(database.conninfo, application_name=_APPLICATION) as connection:
        snapshot = read(connection, since=since, leave_out=leave_out)
        relations = read_relations(connection)
    message = "was not tried: it would change the shadow's whole server; review it on a private one"
    error = Error(message, place=script.place(statement))
    return Trace(operation, script, transactional, (), relations, snapshot, snapshot, error)


class _Pass:
    """One run of a script; `found` grows statement by statement."""

    def __init__(
        self,
        database: ShadowDatabase,
        migration_id: str,
        operation: str,
        script: Script,
        options: Options,
        info: ServerInfo,
        *,
        transactional: bool = False,
        objects: bool = False,
    ) -> None:
        self.found: list[_Seen] = []
        self.relations: Relations = {}
        self.named: dict[Key, Named] = {}
        self._database = database
        self._arguments = (migration_id, operation, script)
        self._options = options
        self._info = info
        self._transactional = transactional
        self._objects = objects

    def run(self) -> Error | None:
        """Run the script to its end or to its first error."""
        with connections.session(self._database.conninfo, application_name=_APPLICATION) as connection:
            self.relations = self._now = read_relations(connection)
            self.named = read_named(connection)
            self._things = read_objects(connection) if self._objects else {}
            self._scans: dict[int, int] = {}
            self._held: dict[Key, int] = {}
            try:
                run_script(
                    connection,
                    *self._arguments,
                    transactional=self._transactional,
                    options=self._options,
                    info=self._info,
                    around=lambda statement: self._around(connection, statement),
                )
            except Error as error:
                return error
        return None

    def run_alone(self, notes: list[str]) -> list[_Seen]:
        """Run each statement in a transaction of its own; the first that cannot ends it, and `notes` say so."""
        error = self.run()
        if error is not None:
            number = len(self.found) + 1
            notes.append(
                f"from statement {number} on, locks are shown as they come in the transaction: "
                f"statement {number} does not run without those before it ({error.message})"
            )
        return self.found

    @contextmanager
    def _around(self, connection: Connection, statement: Statement) -> Iterator[None]:
        kind = classify(statement.text)
        seen = _Seen(statement, command(statement.text), {}, dict(self._held))
        in_block = connection.info.transaction_status == TransactionStatus.INTRANS
        if self._transactional or in_block:
            yield
            with connections.undisturbed(connection):
                self._read_in_transaction(connection, seen)
        elif kind is Kind.TRANSACTION_CONTROL:
            yield
        elif kind is Kind.NOT_IN_TRANSACTION:
            with self._waiting(connection, seen):
                yield
        else:
            connection.execute("BEGIN")
            self._scans = self._scans_before(connection, seen)
            yield
            with connections.undisturbed(connection):
                self._read_in_transaction(connection, seen)
            _keep_setting(connection, statement)
            self._commit(connection, statement)
        if connection.info.transaction_status == TransactionStatus.IDLE:
            self._held, self._scans = {}, {}
        with connections.undisturbed(connection):
            self._read_catalog(connection, seen)
        self.found.append(seen)

    def _scans_before(self, connection: Connection, seen: _Seen) -> dict[int, int]:
        """Read the counters at the start of a transaction: PostgreSQL passes those of earlier ones on once a second."""
        if not self._objects or seen.command in _LOCKS_NOTHING:  # SET TRANSACTION must be the first query
            return {}
        with connections.undisturbed(connection):
            return read_scans(connection)

    def _commit(self, connection: Connection, statement: Statement) -> None:
        """End the transaction of one statement; a deferred constraint may refuse it."""
        try:
            connection.execute("COMMIT")
        except psycopg.Error as error:
            message = f"{error.diag.message_primary or error} (found at COMMIT)"
            raise Error(message, place=self._arguments[2].place(statement)) from None

    def _read_in_transaction(self, connection: Connection, seen: _Seen) -> None:
        if connection.info.transaction_status != TransactionStatus.INTRANS:
            return
        if seen.command in _LOCKS_NOTHING:
            seen.locks = seen.held = self._held
            return
        locks = folded(read_locks(connection), self.relations, self.named)
        seen.locks, seen.held, self._held = locks, self._held, locks
        if self._objects:
            scans = read_scans(connection)
            if seen.command not in DATA or seen.command in HIDING:
                seen.scans = scanned(self._scans, scans, self.relations)
            self._scans = scans

    def _read_catalog(self, connection: Connection, seen: _Seen) -> None:
        if not self._objects or not changes_catalog(seen.command):
            return
        now, things = read_relations(connection), read_objects(connection)
        if seen.command != "TRUNCATE":
            seen.rewrites = [item for item in rewritten(self._now, now) if item.oid in self.relations]
        seen.touched = touched(self._things, things)
        self._now, self._things = now, things

    @contextmanager
    def _waiting(self, connection: Connection, seen: _Seen) -> Iterator[None]:
        text = seen.statement.text
        wanted = [item for item in obstacles(connection, text) if item.oid in self.relations]
        names = {item.oid: self.relations[item.oid].name for item in wanted}
        pid = connection.info.backend_pid
        with made_to_wait(self._database.admin_conninfo, pid, names, wanted) as waited:
            yield
        found = waited.seen
        if not found and (found := from_table(text, self.relations, wanted)):
            seen.source = "table"
            seen.notes.append("its locks are those of PostgreSQL's documentation, since it could not be made to wait")
        seen.locks = folded(found, self.relations, self.named)
        if seen.command in ("CREATE INDEX", "REINDEX"):
            seen.scans = [self.relations[item.oid] for item in wanted]


def _keep_setting(connection: Connection, statement: Statement) -> None:
    """Keep what SET LOCAL sets for the statements after it, each of which has a transaction of its own here."""
    if local := _SET_LOCAL.match(statement.text, skip_gap(statement.text, 0)):
        name = local[1]
        row = connection.execute("SELECT pg_catalog.current_setting(%s, true)", [name]).fetchone()
        if row and row[0] is not None:
            connection.execute("SELECT pg_catalog.set_config(%s, %s, false)", [name, row[0]])


def _merged(seen: _Seen, alone: list[_Seen] | None, at: int, run: _Pass) -> Traced:
    """Put what both passes saw of a statement together."""

    def words(locks: Mapping[Key, int]) -> tuple[Lock, ...]:
        return as_locks(locks, run.relations, run.named, source=seen.source)

    added = {key: level for key, level in seen.locks.items() if level > seen.held.get(key, 0)}
    if alone is None:
        own: dict[Key, int] | None = added
    else:
        own = alone[at].locks if at < len(alone) else None
    known = seen.locks if own is None else own
    scans = seen.scans
    if seen.command in HIDING:
        # what a block reads in passing says nothing; a check of a constraint or a build of an index does
        scans = [item for item in scans if known.get(Key(0, item.oid), 0) >= STOPS_WRITES or item in seen.rewrites]
    return Traced(
        seen.statement,
        seen.command,
        None if own is None else words(own),
        words(added),
        words(seen.held),
        tuple(seen.rewrites),
        tuple(scans),
        seen.touched,
        tuple(seen.notes),
    )
