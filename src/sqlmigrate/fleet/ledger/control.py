"""The ledger in schema `sqlmigrate_fleet` of the control database, which several people and machines share.

The file in the project is written all the same: where the control database is lost meanwhile, the run goes on, and the
file has it all. Tables are believed and written only where the history's would be (`history.trust`).
"""

from __future__ import annotations

import json
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import ClientCursor, sql

from sqlmigrate import connection, queries
from sqlmigrate.connection import raised_in, silence
from sqlmigrate.connection.committing import committed
from sqlmigrate.connection.poolers import settle_writer
from sqlmigrate.errors import ConnectionFailed, Error, HistoryError
from sqlmigrate.fleet.ledger.model import Entry, Head, RunRecord, busy, chosen, newest_first
from sqlmigrate.history import trust
from sqlmigrate.history.privileges import new_schema, only_to_read
from sqlmigrate.history.trust import Tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlmigrate.connection import Connection
    from sqlmigrate.connection.silence import Session
    from sqlmigrate.fleet.ledger.local import LocalLedger, LocalWriter

SCHEMA = "sqlmigrate_fleet"
_TABLES = ("run", "target")
_MANY, _SECONDS = 200, 1.0  # what is written at once, and how long at most after it happened
_APPLICATION = "sqlmigrate: fleet"


@dataclass(slots=True)
class ControlWriter:
    """Writes a run into a file and, some entries at a time, into the control database.

    `broken` says why one of them takes no more, which stops no run.
    """

    local: LocalWriter
    session: Session
    tables: Tables
    run_id: str
    broken: str | None = None
    _kept: dict[str, Entry] = field(default_factory=dict)
    _written: float = field(default_factory=time.monotonic)

    def add(self, entry: Entry) -> None:
        """Add where a target stands."""
        self.local.add(entry)
        self._kept[entry.target] = entry
        if len(self._kept) >= _MANY or time.monotonic() - self._written > _SECONDS:
            self._flush()

    def end(self, at: str, why: str | None) -> None:
        """Say that the run has ended."""
        self.local.end(at, why)
        self._flush(("end_run", {"run_id": self.run_id, "at": at, "why": why}))
        self.broken = self.broken or self.local.broken

    def make_up(self, entries: Iterable[Entry]) -> None:
        """Write what the files know and the database does not."""
        for entry in entries:
            self._kept[entry.target] = entry
            if len(self._kept) >= _MANY:
                self._flush()

    def close(self) -> None:
        """Write what is still to be written, of a run that ends in another way than by its `end`."""
        if self._kept:
            self._flush()

    def _flush(self, *more: tuple[str, dict[str, Any]]) -> None:
        entries, self._kept, self._written = list(self._kept.values()), {}, time.monotonic()
        if self.broken is None:
            try:
                _write(self.session, self.tables, [*(_target(self.run_id, entry) for entry in entries), *more])
            except (psycopg.Error, Error) as error:
                self.broken = f"the control database takes nothing more of this run: {str(error).strip()}"


@dataclass(frozen=True, slots=True)
class ControlLedger:
    """The ledger of a control database; `local` is the folder of the project, which has the runs begun here.

    What only the files know is read from them: where the database was lost meanwhile, or does not answer now, of which
    `warn` is told.
    """

    conninfo: str = field(repr=False)
    local: LocalLedger
    owners: tuple[str, ...] = ()
    warn: Callable[[str], None] = field(default=lambda _: None, repr=False)

    @contextmanager
    def begun(self, head: Head) -> Iterator[ControlWriter]:
        """Write down a new run and hold it; raises Error where that cannot be done, and nothing was done then."""
        with (
            self._held(head) as (session, tables),
            self.local.begun(head) as local,
            closing(ControlWriter(local, session, tables, head.run_id)) as writer,
        ):
            yield writer

    @contextmanager
    def resumed(self, record: RunRecord, at: str) -> Iterator[ControlWriter]:
        """Hold a run that goes on; raises Error where somebody else does."""
        run_id = record.head.run_id
        known = {target: entry for found in self._one(run_id) for target, entry in found.entries.items()}
        with (
            self._held(record.head) as (session, tables),
            self.local.resumed(record, at) as local,
            closing(ControlWriter(local, session, tables, run_id)) as writer,
        ):
            writer.make_up(entry for target, entry in record.entries.items() if known.get(target) != entry)
            yield writer

    def runs(self) -> list[RunRecord]:
        """Return all runs, the newest first."""
        here = self.local.runs()
        try:
            there = self._read("targets", ())
        except ConnectionFailed as error:
            if not here:
                raise
            self.warn(f"{error}; this is what the files of this machine know")
            return here
        found = {record.head.run_id: record for record in there}
        for record in here:
            run_id = record.head.run_id
            found[run_id] = max(found.get(run_id, record), record, key=RunRecord.last_moment)
        return newest_first(found.values())

    def find(self, name: str) -> RunRecord:
        """Return a run by its id, the beginning of it, or `last`; raises UsageError."""
        heads = self.local.heads()
        try:
            there = self._read(None, ())
        except ConnectionFailed as error:
            if not heads:
                raise
            self.warn(f"{error}; this is what the files of this machine know")
            return self.local.find(name)
        known = {record.head.run_id: record for record in (*heads, *there)}
        run_id = chosen([record.head.run_id for record in newest_first(known.values())], name)
        return max((*self._one(run_id), *self.local.one(run_id)), key=RunRecord.last_moment)

    def _one(self, run_id: str) -> list[RunRecord]:
        """Return what the database knows of a run, if it knows it."""
        return [record for record in self._read("targets_of_run", [run_id]) if record.head.run_id == run_id]

    def _read(self, targets: str | None, values: Iterable[str]) -> list[RunRecord]:
        """Read the runs, with the entries that a query gives."""
        with connection.session(self.conninfo, application_name=_APPLICATION) as session:
            if not _is_there(session):
                return []
            heads, _ = trust.read(session, self._tables, _query("runs"), locked=_TABLES)
            rows: list[Any] = []
            if targets is not None:
                rows, _ = trust.read(session, self._tables, _query(targets), list(values) or None, locked=_TABLES)
        try:
            return _records(heads, rows)
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            message = f"a row in schema {SCHEMA} is none of a ledger's: {type(error).__name__}"
            raise HistoryError(message, hint="a newer release, or somebody by hand, has written it") from None

    @property
    def _tables(self) -> Tables:
        return Tables(SCHEMA, _TABLES, self.owners, own_schema=True)

    @contextmanager
    def _held(self, head: Head) -> Iterator[tuple[Session, Tables]]:
        # not `session`: where it is lost, the run goes on
        session = connection.connect(self.conninfo, application_name=_APPLICATION)
        try:
            try:
                _settle(self.conninfo, session)
                _install(session, self._tables)
                [(is_ours,)] = session.execute(queries.load("fleet")["lock"], [head.run_id]).fetchall()
                if not is_ours:
                    raise busy(head.run_id)
                _write(session, self._tables, [("begin_run", _begun(head))])
            except psycopg.Error as error:
                reason = str(error).strip().partition("\n")[0]
                raise ConnectionFailed(
                    f"the control database cannot be written to: {reason}; nothing was done"
                ) from None
            yield session, self._tables
        finally:
            session.give_back()
            session.close()


def _records(heads: Iterable[Any], rows: Iterable[Any]) -> list[RunRecord]:
    """Return the runs of rows; raises TypeError, KeyError and ValueError where one is none of a ledger's."""
    entries: dict[str, dict[str, Entry]] = {}
    for run_id, values in rows:
        entry = Entry.read(values)
        entries.setdefault(run_id, {})[entry.target] = entry
    found = [RunRecord(Head.read(head), {}, ended, why) for head, ended, why in heads]
    return [replace(record, entries=entries.get(record.head.run_id, {})) for record in found]


def _is_there(session: Connection) -> bool:
    [(_, tables)] = session.execute(queries.load("fleet")["is_there"]).fetchall()
    return bool(tables)


def _settle(conninfo: str, session: Connection) -> None:
    """Make the session one that may write, also behind a pooler: else it reads in one transaction that never ends."""
    try:
        info = connection.probe(session)
        connection.require_writable(info)
        settle_writer(conninfo, session, info)
    except ConnectionFailed as error:
        raise error.replaced(message=f"the control database: {error.message}; nothing was done") from None


def _install(session: Connection, tables: Tables) -> None:
    """Make the tables where there are none; raises HistoryError where the role may not, or they cannot be trusted."""
    [(schema, there)] = session.execute(queries.load("fleet")["is_there"]).fetchall()
    try:
        with committed(session):
            if not schema:
                session.execute(new_schema(SCHEMA))
            if not there:
                session.execute(queries.load("fleet")["create_run"])
                session.execute(queries.load("fleet")["create_target"])
                session.execute(only_to_read(SCHEMA, _TABLES))
            trust.require(session, tables)
    except psycopg.errors.InsufficientPrivilege as error:
        who = sql.Identifier(session.info.user).as_string()
        hint = raised_in(error.diag) or f"a DBA can help: CREATE SCHEMA {SCHEMA} AUTHORIZATION {who}"
        raise HistoryError(f"the ledger cannot be created: {error.diag.message_primary}", hint=hint) from None


def _write(session: Session, tables: Tables, commands: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Run commands in one transaction, in which the tables stay as they are; a silent server is not waited for."""
    cursor = ClientCursor(session)
    texts = [cursor.mogrify(queries.load("fleet")[name], values) for name, values in commands]
    if texts:
        with silence.limited(session, silence.SECONDS), committed(session):
            trust.hold(session, tables, _TABLES)
            session.execute("; ".join(texts).encode())


def _query(name: str) -> sql.Composed:
    return sql.SQL(queries.load("fleet")[name]).format()


def _begun(head: Head) -> dict[str, Any]:
    return {
        "run_id": head.run_id,
        "operation": head.wanted.operation,
        "began": head.began,
        "username": head.username,
        "hostname": head.hostname,
        "env": head.env,
        "head": json.dumps(head.as_json()),
    }


def _target(run_id: str, entry: Entry) -> tuple[str, dict[str, Any]]:
    failure = entry.failure
    return "put_target", {
        "run_id": run_id,
        "target": entry.target,
        "state": entry.state.value,
        "at": entry.at,
        "wave": entry.wave,
        "attempt": entry.attempt,
        "seconds": entry.seconds,
        "migrations": list(entry.migrations),
        "error": str(failure) if failure else None,
        "fingerprint": failure.fingerprint if failure else None,
        "blocker": entry.blocker,
        "worker": entry.worker or None,
        "entry": json.dumps(entry.as_json()),
    }
