"""The commands that write the history: they run inside the transaction of a script, and of a plan as plain SQL."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlmigrate import __version__
from sqlmigrate.connection import Command, Purpose
from sqlmigrate.history import trust
from sqlmigrate.history.names import WRITTEN, ours, text
from sqlmigrate.migrations import migration_hash

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from psycopg import sql

    from sqlmigrate.history.model import Applied, Entry, HalfWay, History, Run
    from sqlmigrate.migrations import Migration

STATEMENT_TEXT_MAX = 10_000
"""Characters of a statement that the journal keeps to be shown."""

RECORD_TEXT_MAX = 1_048_576
"""Bytes up to which a script's text is recorded; of a larger one only digests and size (a 200 MB text costs 600)."""


def _head(applied: Sequence[Applied]) -> str:
    """Return a digest of which ids are applied in which order, yoyo's own rows at the end, as `guard` does in SQL."""
    ids = sorted((row.seq is None, row.seq or 0, row.migration_id.encode()) for row in applied)
    return _digest(name for *_, name in ids)


def _journal_digest(half_way: Sequence[HalfWay]) -> str:
    """Return a digest of the journal, in the same way."""
    entries = [(item, entry) for item in half_way for entry in item.entries]
    entries.sort(key=lambda pair: (pair[0].migration_id.encode(), pair[0].operation, pair[1].number))
    lines = (f"{item.migration_id} {item.operation} {entry.number} {entry.state}" for item, entry in entries)
    return _digest(line.encode() for line in lines)


def _digest(lines: Iterable[bytes]) -> str:
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


@cache
def trusted(schema: str, *, shared: bool) -> tuple[Command, ...]:
    """Return the commands that keep the tables as they are until the transaction ends, where others can change them.

    The last one fails (22012) where somebody has changed what they do since they were read.
    """
    return trust.unchanged(schema, WRITTEN) if shared else ()


@cache
def unhung(schema: str) -> Command:
    """Return the command that fails (22012) where a script has hung on our tables what no run would trust any more."""
    return replace(trust.unchanged(schema, WRITTEN)[1], purpose=Purpose.UNTOUCHED)


def distrusted(schema: str, owners: Collection[str]) -> tuple[Command, Command]:
    """Return the command that keeps the tables as they are, and a query: a row for each reason not to trust them."""
    lock, _ = trust.unchanged(schema, WRITTEN)
    found = trust.doubts(ours(schema, owners))
    return lock, Command(f"SELECT FROM (\n{found}\n) AS found WHERE {trust.refused()}")


def guard(schema: str, found: History) -> Command:
    """Return a query that tells whether the history is another one than that which was read."""
    values = (_head(found.applied), _journal_digest(found.half_way), schema)
    return Command(text("guard_head" if found.version else "guard_none", schema), values)


def claim(schema: str, migration_id: str) -> Command:
    """Return the command that records an id as applied, before its script runs.

    The primary key lets a migration happen once even where two runs got past the run lock.
    """
    return Command(text("claim", schema), (migration_hash(migration_id), migration_id), Purpose.CLAIM)


def unclaim(schema: str, migration_id: str) -> Command:
    """Return the command that takes an id out of the history; it fails (22012) where it is not applied any more."""
    return Command(text("unclaim", schema), (migration_hash(migration_id),), Purpose.CLAIM)


def finish_claim(schema: str, migration: Migration, run: Run, *, marked: bool = False) -> Command:
    """Return the command that completes a claimed row; it writes no row where the claim is gone or another's."""
    values = (*_digests(migration), "true" if marked else "false", run.run_id, migration.migration_id)
    return Command(text("finish_claim", schema), values, Purpose.COMPLETE)


def confirm(
    schema: str,
    migration_id: str,
    operation: str,
    run: Run,
    rows: int | None = None,
    ids: str | None = None,
    recorded: int | None = None,
) -> Command:
    """Return a query that fails (22012) where, behind the COMMIT, the history does not say what was done.

    Code that runs at COMMIT with the login role's rights can change the history after everything was checked. `rows` is
    how many rows it should have, `ids` the SHA-256 of what they name, sorted and a line each, `recorded` of how many of
    them scripts are recorded; None leaves that open.
    """
    hashed, count, ours = migration_hash(migration_id), _number(rows), _number(recorded)
    if operation == "apply":
        values = (hashed, run.run_id, count, migration_id, ids, ours)
        return Command(text("confirm_apply", schema), values, Purpose.CONFIRM)
    return Command(text("confirm_rollback", schema), (hashed, count, migration_id, ids, ours), Purpose.CONFIRM)


def _number(value: int | None) -> str | None:
    return None if value is None else str(value)


def claim_is_gone(schema: str, migration_id: str) -> Command:
    """Return a query that tells, behind `finish_claim`, whether the script has taken its claim out of the history."""
    return Command(text("claim_is_gone", schema), (migration_hash(migration_id),))


def unclaim_journal(schema: str, migration_id: str) -> Command:
    """Return the command that takes a half-way script's journal away; it fails (22012) where there is none any more."""
    return Command(text("unclaim_journal", schema), (migration_hash(migration_id),), Purpose.CLAIM)


def accept(schema: str, migration: Migration) -> Command:
    """Return the command that records the files of an applied migration as they are now."""
    return Command(text("accept", schema), _digests(migration))


def _digests(migration: Migration) -> tuple[str | None, ...]:
    """Return what is recorded of the files of a migration, from its hash on."""
    script, rollback = migration.script, migration.rollback
    return (
        migration.migration_hash,
        script.checksum,
        script.sha256,
        str(script.size),
        script.text if script.size <= RECORD_TEXT_MAX else None,
        rollback.checksum if rollback else None,
        rollback.sha256 if rollback else None,
        str(rollback.size) if rollback else None,
        rollback.text if rollback and rollback.size <= RECORD_TEXT_MAX else None,
    )


def journal_begin(schema: str, migration_id: str, operation: str, entry: Entry, run: Run) -> Command:
    """Return the command that writes a statement into the journal; its primary key keeps two runs apart."""
    values = (
        migration_hash(migration_id),
        migration_id,
        operation,
        str(entry.number),
        str(entry.last_number),
        entry.state,
        entry.digest,
        entry.statement[:STATEMENT_TEXT_MAX],
        None if entry.line is None else str(entry.line),
        None if entry.found is None else json.dumps(entry.found),
        run.run_id,
    )
    return Command(text("journal_begin", schema), values)


def journal_state(
    schema: str, migration_id: str, operation: str, number: int, state: str, error: str | None = None
) -> Command:
    """Return the command that sets the state of a statement in the journal."""
    return Command(text("journal_state", schema), (migration_hash(migration_id), operation, str(number), state, error))


def journal_found(schema: str, migration_id: str, operation: str, number: int, found: sql.Composable) -> Command:
    """Return the command that notes, by an SQL expression, what was there before a statement ran."""
    query = text("journal_found", schema).replace("$4::pg_catalog.jsonb", found.as_string())
    return Command(query, (migration_hash(migration_id), operation, str(number)))


def journal_claim(
    schema: str, migration_id: str, operation: str, number: int, state: str, found: Mapping[str, Any], token: str
) -> Command:
    """Return the command that moves the progress of a batched statement on, from where its `token` says it stands.

    It fails (22012) where another run has moved it on, so that what stands behind it in the transaction never runs.
    """
    values = (migration_hash(migration_id), operation, str(number), state, json.dumps(found), token)
    return Command(text("journal_claim", schema), values, Purpose.PROGRESS)


def journal_steer(schema: str, migration_id: str, wanted: str | None) -> Command:
    """Return the command that asks whoever runs the batches of a migration to `pause` or `cancel`; None takes it back.

    It changes no row where no statement of the migration is half way in batches.
    """
    return Command(text("journal_note", schema), (migration_hash(migration_id), "wanted", wanted))


def journal_waits(schema: str, migration_id: str, reason: str | None) -> Command:
    """Return the command that notes why the next batch of a migration waits; None: it does no longer."""
    return Command(text("journal_note", schema), (migration_hash(migration_id), "waits", reason))


def journal_wanted(schema: str, migration_id: str) -> str:
    """Return a query, with no parameters, for what was asked with `journal_steer`."""
    return text("journal_wanted", schema).replace("$1", f"'{migration_hash(migration_id)}'")


def journal_forget(schema: str, migration_id: str, operation: str, number: int) -> Command:
    """Return the command that takes one statement out of the journal: it has not run."""
    return Command(text("journal_forget", schema), (migration_hash(migration_id), operation, str(number)))


def journal_supersede(schema: str, migration_id: str, operation: str) -> Command:
    """Return the command that takes out the statements that failed and left nothing, for one that is known better."""
    return Command(text("journal_supersede", schema), (migration_hash(migration_id), operation))


def journal_clear(schema: str, migration_id: str) -> Command:
    """Return the command that empties the journal of a migration: its script is through."""
    return Command(text("journal_clear", schema), (migration_hash(migration_id),))


def log(
    schema: str,
    migration_id: str | None,
    operation: str,
    run: Run,
    *,
    script_role: str | None = None,
    digests: tuple[str, str] | None = None,
    reason: str | None = None,
    journalled: bool = False,
) -> list[Command]:
    """Return the commands that write down who did what, in yoyo's log and in ours.

    `journalled` says that the work began with its journal, not with this transaction.
    """
    log_id = str(uuid.uuid4())
    hashed = None if migration_id is None else migration_hash(migration_id)
    checksum, sha256 = digests or (None, None)
    short = reason[:255] if reason else None
    yoyo = (log_id, hashed, migration_id, operation, run.username, run.hostname, short)
    ours = (log_id, run.run_id, operation, script_role, checksum, sha256, __version__, reason)
    rows: dict[str, tuple[str | None, ...]] = {"yoyo_log": yoyo, "log": ours}
    if journalled:
        rows["log_duration"] = (log_id, hashed)
    return [Command(text(name, schema), values, Purpose.LOG) for name, values in rows.items()]
