"""Write a plan as one script that a DBA can run with `psql -f`, with the same result as `apply` or `rollback`.

It carries the bytes of the scripts and, around them, the same commands of ours that the engine sends: what is made
here and what is run there come from one description (`Job`).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from psycopg import sql

from sqlmigrate import __version__, history
from sqlmigrate.connection import Command, Purpose
from sqlmigrate.connection.silence import SERVER
from sqlmigrate.engine.as_psql import alike
from sqlmigrate.engine.as_psql.outside import steps
from sqlmigrate.engine.as_psql.text import confirmed, do_block, ending, lines, literal, remark
from sqlmigrate.engine.stepwise.journal import Journal
from sqlmigrate.engine.transaction.job import Tally, job_for
from sqlmigrate.engine.wire.session import (
    BACK_TO_LOGIN,
    CLEARED,
    COMMIT,
    CONSTRAINTS,
    NO_CURSORS,
    OURS,
    back_to_script,
    begin,
    script_role,
    search_path,
    set_role,
    setting_values,
)
from sqlmigrate.errors import HistoryError, ScriptError
from sqlmigrate.runlock import lock_key
from sqlmigrate.sql.batches import read_batched
from sqlmigrate.sql.position import place_at
from sqlmigrate.sql.scan import is_closed
from sqlmigrate.sql.variables import run_on, variables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.connection import ServerInfo
    from sqlmigrate.engine.apply import Preview
    from sqlmigrate.engine.transaction.job import Job
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.history import History
    from sqlmigrate.plan import Plan
    from sqlmigrate.sql.scan import Piece
    from sqlmigrate.sql.script import Script

# a psqlrc, or an option of psql, may say otherwise
_HEAD = r"""
\set ON_ERROR_STOP on
\set AUTOCOMMIT on
\set ON_ERROR_ROLLBACK off
\set SINGLELINE off
\set SINGLESTEP off
\set FETCH_COUNT 0
\encoding UTF8
"""
# the variables that psql cannot be without: unset, they have a default, or get a value again with the next statement
_PSQLS_OWN = frozenset({
    "AUTOCOMMIT", "COMP_KEYWORD_CASE", "ECHO", "ECHO_HIDDEN", "ENCODING", "ERROR", "FETCH_COUNT", "HIDE_TABLEAM",
    "HIDE_TOAST_COMPRESSION", "HISTCONTROL", "HISTSIZE", "IGNOREEOF", "LAST_ERROR_MESSAGE", "LAST_ERROR_SQLSTATE",
    "ON_ERROR_ROLLBACK", "ON_ERROR_STOP", "PIPELINE_COMMAND_COUNT", "PIPELINE_RESULT_COUNT", "PIPELINE_SYNC_COUNT",
    "QUIET", "ROW_COUNT", "SHOW_ALL_RESULTS", "SHOW_CONTEXT", "SINGLELINE", "SINGLESTEP", "SQLSTATE", "VERBOSITY",
    "WATCH_INTERVAL",
})  # fmt: skip
_CHUNK = 1 << 20
_TAIL = 1 << 16
# what DISCARD ALL does, but for the run lock: no other run shall slip in between two scripts
_CLEARED = tuple(command for command in CLEARED if command.purpose is not Purpose.ADVISORY_LOCKS)
# the environment may name another one
_ENCODING = Command("SET client_encoding TO 'UTF8'")


@dataclass(frozen=True, slots=True)
class _Script:
    """A script that psql can run: what it must not know, its last statement, and whether it has a backslash."""

    unset: tuple[str, ...]
    last: Piece | None
    risky: bool


def written(preview: Preview, options: Options) -> Iterator[str]:
    """Yield the parts of the script for what was previewed, with the time in its head; a remark where there is nothing.

    Raises what `as_psql` raises.
    """
    plan = preview.plan
    if not plan.steps:
        yield f"-- nothing to {'roll back' if plan.operation == 'rollback' else 'apply'}\n"
        return
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    yield from as_psql(plan, preview.found, preview.info, options, when=when)


def as_psql(plan: Plan, found: History, info: ServerInfo, options: Options, *, when: str) -> Iterator[str]:
    """Yield the parts of the script; `found` is the history that the plan was made from, `when` goes into its head.

    Raises, before the first part, HistoryError where a script stopped half way that would have to go on; ScriptError
    where psql would not run a script as it stands.
    """
    _require_fresh(plan, found)
    run = history.Run()
    tally, operation = Tally(found), plan.operation
    jobs = [
        job_for(migration, operation, found, options, run, rows=tally.count(migration, operation))
        for migration in plan.steps
    ]
    looked_at = [_look_at(job) for job in jobs]
    risky = any(script.risky for script in looked_at)
    yield from _head(plan, info, when)
    yield from _ground(found, info, options)
    for number, (job, script) in enumerate(zip(jobs, looked_at, strict=True), 1):
        yield f"\n-- {number} of {len(jobs)}: {plan.operation} {job.migration_id}\n"
        yield f"-- {job.script.path.name}, sha256 {job.script.sha256}\n"
        yield lines([*_CLEARED, _ENCODING, OURS])
        yield from (f"\\unset {name}\n" for name in script.unset)
        set_up = _lock(options) + _settings(job, options, info)
        role = script_role(job.script, options)
        names = lines([search_path(job.script, options), *([set_role(role)] if role else [])])
        if job.transactional:
            yield set_up + lines([begin(job.script), *job.trusted, job.claim]) + names
            yield from _transaction(job, options, script.last, risky=risky)
        else:
            yield from steps(job, Journal(options.schema, job, run), options, set_up + names, risky=risky)
    yield "\n-- the end: release the run lock\nDISCARD ALL;\n"


def _require_fresh(plan: Plan, found: History) -> None:
    """Refuse to go on where a script stopped: what became of its last statement is to be looked up then."""
    for item in found.half_way:
        if plan.operation == "rollback" and item.operation == "apply":
            continue
        hint = f"`sqlmigrate {item.operation}` goes on where it stopped"
        hint += "; `sqlmigrate plan --rollback` undoes it" if item.operation == "apply" else ""
        raise HistoryError(f"{item.migration_id} stopped half way; finish it first, then make the plan", hint=hint)


def _look_at(job: Job) -> _Script:
    """Read a script through; raises ScriptError where psql would not run it as it stands."""
    script = job.script
    if not job.transactional and script.text is None:
        raise ScriptError("is too large for a plan, since it runs outside a transaction", place=job.place)
    names: set[str] = set()
    last = None
    for item in read_batched(script.text).values():
        raise ScriptError(
            "psql cannot run a statement in batches: it has no loop, and a DO block that commits each batch would be "
            "in a transaction also while it waits for a throttle, a pause or the next attempt",
            place=place_at(script.path, script.text or "", item.at),
            hint="let `sqlmigrate apply` run this migration, and make the plan of the others (--to)",
        )
    for last in script.pieces():
        found = set(variables(last.text))
        _require_read_alike(script, last, found)
        names |= found
    return _Script(tuple(sorted(names)), last, any("\\" in part for part in script.parts()))


def _require_read_alike(script: Script, piece: Piece, found: set[str]) -> None:
    """Refuse a statement in which psql would replace a variable, or that it would take apart in another way."""
    if own := found & _PSQLS_OWN:
        name = min(own)
        hint = f"write a space after the colon: `: {name}`"
        raise ScriptError(f"psql would put a value of its own for `:{name}`", place=script.place(piece), hint=hint)
    for name in run_on(piece.text):
        message = f"psql would take `:{name}` for a variable, and read what follows it differently"
        hint = f"write a space after the colon: `: {name}`"
        raise ScriptError(message, place=script.place(piece), hint=hint)
    if (text := alike.in_doubt(piece.text)) is not None:
        message = f"psql may read what follows `{text}` differently, depending on its version"
        raise ScriptError(message, place=script.place(piece), hint="write a space before the quote or dollar")
    if not is_closed(piece.text):
        message = "psql, which counts BEGIN and END by the word, would not see where this statement ends"
        hint = 'write a name that is begin, case or end in double quotes: "begin"'
        raise ScriptError(message, place=script.place(piece), hint=hint)


def _head(plan: Plan, info: ServerInfo, when: str) -> Iterator[str]:
    yield f"-- Made by sqlmigrate {__version__} at {when} for database {remark(info.database)} on {info.host}:\n"
    yield f"-- what `sqlmigrate {plan.operation}` would do, with the same history afterwards.\n"
    yield f"-- Run it as role {remark(info.role)}: psql -X {remark(shlex.join(info.psql))} -f FILE\n"
    for migration in plan.steps:
        yield f"--   {plan.operation} {migration.migration_id}\n"
    if losses := [item for item in plan.losses if item.counts]:
        yield "-- data that is lost, as it was when this was made:\n"
        yield from (f"--   {remark(item.migration_id)}: {remark(str(item))}\n" for item in losses)
    yield _HEAD


def _ground(found: History, info: ServerInfo, options: Options) -> Iterator[str]:
    """Make sure that the history is still the one of the plan, and that its tables are there."""
    yield "\n-- the history is still the one that this was made for\n"
    yield lines([OURS])
    yield _lock(options)
    yield _guard(found, options)
    yield _other_role(info)
    commands = history.upgrades(options.schema, found.version)
    if not commands:
        return
    yield "\n-- the tables of the history\nBEGIN;\n"
    if found.version is None:
        yield _schema(options.schema)
    for command in commands:
        yield command.as_string().strip().removesuffix(";") + ";\n"
    yield "COMMIT;\n"


def _guard(found: History, options: Options) -> str:
    what = "the history is not the one that this plan was made for: make a new plan"
    if found.version is None:
        what = "there is a history by now, so this plan no longer fits: make a new one"
    return do_block(
        f"{_trusted(found, options)}    IF (\n{literal(history.guard(options.schema, found))}\n    ) THEN\n"
        f"        RAISE EXCEPTION '{what}';\n"
        "    END IF;\n"
    )


def _trusted(found: History, options: Options) -> str:
    """Look whose the history is, in the transaction that then reads it, with its tables locked where they are there."""
    lock, doubts = history.distrusted(options.schema, options.history_owners)
    return (
        (f"    {literal(lock)};\n" if found.version is not None else "")
        + f"    IF EXISTS (\n{literal(doubts)}\n    ) THEN\n"
        "        RAISE EXCEPTION 'the history cannot be trusted: sqlmigrate status says why';\n"
        "    END IF;\n"
    )


def _other_role(info: ServerInfo) -> str:
    """Warn where somebody else runs the plan: he may well be meant to, but will own what it makes."""
    role = sql.Literal(info.role).as_string()
    message = "this plan was made for role % but runs as %, which will own what it creates"
    return do_block(
        f"    IF session_user <> {role} THEN\n        RAISE WARNING '{message}', {role}, session_user;\n    END IF;\n"
    )


def _schema(schema: str) -> str:
    """Make the schema where it is missing; IF NOT EXISTS would want the right to make it even where it is there."""
    name, text = sql.Identifier(schema).as_string(), sql.Literal(schema).as_string()
    taken_back = sql.Literal(history.owners_schema(schema).as_string()).as_string()
    return do_block(
        f"    IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = {text}) THEN\n"
        f"        CREATE SCHEMA {name};\n"
        f"        EXECUTE {taken_back};\n"
        "    END IF;\n"
    )


def _lock(options: Options) -> str:
    """Take the run lock, and give up every other advisory lock; what a script gave up or kept does not matter."""
    return do_block(
        "    PERFORM pg_catalog.pg_advisory_unlock_all();\n"
        f"    IF NOT pg_catalog.pg_try_advisory_lock({lock_key(options.schema)}) THEN\n"
        "        RAISE EXCEPTION 'another run of sqlmigrate is at work in this database';\n"
        "    END IF;\n"
    )


def _settings(job: Job, options: Options, info: ServerInfo) -> str:
    values = setting_values(job.script_run, options, info)
    return "".join(f"SET {name} TO {sql.Literal(value).as_string()};\n" for name, value in (SERVER | values).items())


def _transaction(job: Job, options: Options, last: Piece | None, *, risky: bool) -> Iterator[str]:
    yield f"\n-- {job.script.path.name}: from here\n"
    yield from _text(job.script, last, risky=risky)
    yield f"-- {job.script.path.name}: to here\n\n"
    yield lines([CONSTRAINTS, NO_CURSORS, *BACK_TO_LOGIN, *job.finish])
    if any(command.purpose is Purpose.COMPLETE for command in job.finish):
        gone = literal(history.claim_is_gone(options.schema, job.migration_id))
        yield do_block(
            f"    IF (\n{gone}\n    ) THEN\n"
            "        RAISE EXCEPTION 'the script, or a trigger on the history, has removed its row from there';\n"
            "    END IF;\n"
        )
    yield lines([*back_to_script(job.script, options), COMMIT, OURS, _ENCODING])
    yield confirmed(job)


def _text(script: Script, last: Piece | None, *, risky: bool) -> Iterator[str]:
    """Yield the bytes of a script, with its last statement closed."""
    tail = ""
    for part in alike.parts(script, risky=risky):
        yield part
        tail = (tail + part)[-_TAIL:]
    yield ending(tail, last)
