"""Write a plan as one script that a DBA can run with `psql -f`, with the same result as `apply` or `rollback`.

It carries the bytes of the scripts and, around them, the same commands of ours that the engine sends: what is made
here and what is run there come from one description (`Job`).
"""

from __future__ import annotations

import re
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from psycopg import sql

from sqlmigrate import __version__, history
from sqlmigrate.connection import Command
from sqlmigrate.engine.journal import AS_LOGIN, BEGIN, COMMIT, Journal
from sqlmigrate.engine.outcome import before_in_sql
from sqlmigrate.engine.session import BACK_TO_LOGIN, PRISTINE, begin, script_role, set_role, setting_values
from sqlmigrate.engine.transactional import job_for
from sqlmigrate.engine.words import begins, is_rolled_back, may_commit
from sqlmigrate.errors import HistoryError, Place, ScriptError
from sqlmigrate.runlock import lock_key
from sqlmigrate.sql.parse import Kind, classify
from sqlmigrate.sql.scan import leading_words, skip_gap
from sqlmigrate.sql.subject import subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlmigrate.connection import ServerInfo
    from sqlmigrate.engine.apply import Preview
    from sqlmigrate.engine.session import Options
    from sqlmigrate.engine.transactional import Job
    from sqlmigrate.history import History
    from sqlmigrate.plan import Plan
    from sqlmigrate.sql.scan import Piece
    from sqlmigrate.sql.script import Script, Statement

# a quoted name is passed over: a schema may be called `a$1`
_PARAMETER = re.compile(r'"[^"]*"|\$(\d+)')
# `:name` in a script is replaced by psql where it has a variable of that name; these are set from the beginning
_VARIABLE = re.compile(r"(?<!:):['\"]?([A-Za-z_]\w*)")
# without these psql would go on behind an error, or not run statement by statement; a string may name them
_STEERING = frozenset({"AUTOCOMMIT", "ON_ERROR_ROLLBACK", "ON_ERROR_STOP", "SINGLELINE", "SINGLESTEP"})
_CALLS = re.compile(r"\bcall\b", re.IGNORECASE)
_READ_ONLY = re.compile(r"\bread\s+only\b", re.IGNORECASE)
_DATA_END = re.compile(r"^\\\.\r?$", re.MULTILINE)
_TAIL = 1 << 16
# DISCARD ALL takes back what psql was told, and the environment may name another one
_ENCODING = Command("SET client_encoding TO 'UTF8'")


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

    Raises HistoryError where a script stopped half way: that one has to be finished first.
    """
    if found.half_way:
        name = found.half_way[0].migration_id
        raise HistoryError(f"{name} stopped half way; finish it first, then make the plan")
    run = history.Run()
    yield from _head(plan, info, when)
    yield from _ground(found, options)
    for number, migration in enumerate(plan.steps, 1):
        job = job_for(migration, plan.operation, found, options, run)
        yield f"\n-- {number} of {len(plan.steps)}: {plan.operation} {job.migration_id}\n"
        yield f"-- {job.script.path.name}, sha256 {job.script.sha256}\n"
        yield _lines([PRISTINE, _ENCODING])
        yield _lock(options)
        yield _settings(job, options, info)
        yield from _unset_variables(job.script)
        if job.transactional:
            yield from _transaction(job, options)
        else:
            yield from _steps(job, Journal(options.schema, job, run), options, info)
    yield "\n-- the end\n"


def _head(plan: Plan, info: ServerInfo, when: str) -> Iterator[str]:
    yield f"-- Made by sqlmigrate {__version__} at {when} for database {info.database} on {info.host}:\n"
    yield f"-- what `sqlmigrate {plan.operation}` would do, with the same history afterwards.\n"
    yield f"-- Run it as role {info.role}: psql -X -d {info.database} -f FILE\n"
    for migration in plan.steps:
        yield f"--   {plan.operation} {migration.migration_id}\n"
    yield "\n\\set ON_ERROR_STOP on\n\\encoding UTF8\n"


def _ground(found: History, options: Options) -> Iterator[str]:
    """Make sure that the history is still the one of the plan, and that its tables are there."""
    yield "\n-- the history is still the one that this was made for\n"
    yield _lock(options)
    yield _lines([history.guard(options.schema, found)])
    commands = history.upgrades(options.schema, found.version)
    if not commands:
        return
    yield "\n-- the tables of the history\nBEGIN;\n"
    if found.version is None:
        yield _schema(options.schema)
    for command in commands:
        yield command.as_string().strip().removesuffix(";") + ";\n"
    yield "COMMIT;\n"


def _schema(schema: str) -> str:
    """Make the schema where it is missing; IF NOT EXISTS would want the right to make it even where it is there."""
    name, text = sql.Identifier(schema).as_string(), sql.Literal(schema).as_string()
    return (
        "DO $schema$ BEGIN\n"
        f"    IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = {text}) THEN\n"
        f"        CREATE SCHEMA {name};\n"
        "    END IF;\n"
        "END $schema$;\n"
    )


def _lock(options: Options) -> str:
    """Take the run lock; DISCARD ALL has given it up."""
    return (
        "DO $lock$ BEGIN\n"
        f"    IF NOT pg_catalog.pg_try_advisory_lock({lock_key(options.schema)}) THEN\n"
        "        RAISE EXCEPTION 'another run of sqlmigrate is at work in this database';\n"
        "    END IF;\n"
        "END $lock$;\n"
    )


def _settings(job: Job, options: Options, info: ServerInfo) -> str:
    values = setting_values(job.script, options, info, f"sqlmigrate: {job.migration_id}")
    path = values.pop("search_path", None)
    lines = [f"SET {name} TO {sql.Literal(value).as_string()};\n" for name, value in values.items()]
    if path is not None:
        # as the engine does it: SET would not take every text that is a search_path, such as $user
        lines.append(f"SELECT pg_catalog.set_config('search_path', {sql.Literal(path).as_string()}, false);\n")
    return "".join(lines)


def _unset_variables(script: Script) -> Iterator[str]:
    """Keep psql from replacing anything in the script: `:name` is PostgreSQL's there, not psql's."""
    names = {name for piece in script.pieces() for name in _VARIABLE.findall(piece.text)}
    for name in sorted(names - _STEERING):
        yield f"\\unset {name}\n"


def _transaction(job: Job, options: Options) -> Iterator[str]:
    role = script_role(job.script, options)
    yield _lines([begin(job.script), job.claim, *([set_role(role)] if role else [])])
    yield f"\n-- {job.script.path.name}: from here\n"
    yield from _text(job.script)
    yield f"-- {job.script.path.name}: to here\n\n"
    yield _lines([*BACK_TO_LOGIN, *job.finish, COMMIT])


def _text(script: Script) -> Iterator[str]:
    """Yield the bytes of a script, with its last statement closed."""
    last, tail = deque(script.pieces(), maxlen=1), ""
    for part in _parts(script):
        yield part
        tail = (tail + part)[-_TAIL:]
    yield _ending(tail, *last)


def _parts(script: Script) -> Iterator[str]:
    if script.text is not None:
        yield script.text
        return
    with script.path.open(encoding="utf-8-sig", newline="") as file:
        while part := file.read(1 << 20):
            yield part


def _ending(tail: str, last: Piece | None = None) -> str:
    """Give what closes a script that ends so: a line end, and a semicolon or the end of data where it is missing."""
    newline = "" if not tail or tail.endswith("\n") else "\n"
    if last is None:
        return newline
    if last.data is not None:
        ends = [found.end() for found in _DATA_END.finditer(tail)]
        closed = bool(ends) and not tail[skip_gap(tail, ends[-1]) :].strip("; \t\r\n")
        return newline if closed else _data_end(tail)
    rest = tail[tail.rfind(last.text) + len(last.text) :]
    return newline + ("" if rest[skip_gap(rest, 0) :].startswith(";") else ";\n")


def _data_end(data: str) -> str:
    """Give the line that ends COPY data; its line end must be of the same kind."""
    newline = "\r\n" if "\r\n" in data else "\n"
    return ("" if not data or data.endswith("\n") else newline) + f"\\.{newline}"


def _steps(job: Job, journal: Journal, options: Options, info: ServerInfo) -> Iterator[str]:
    """Yield a script outside a transaction: each statement with its journal row, as `stepwise` sends them."""
    if job.script.text is None:
        raise ScriptError("is too large for a plan, since it runs outside a transaction", place=Place(job.script.path))
    timeout = setting_values(job.script, options, info, "")["lock_timeout"]
    if role := script_role(job.script, options):
        yield _lines([set_role(role)])
    block: list[Statement] = []
    for statement in job.script.statements():
        kind = classify(statement.text)
        if block or kind is Kind.TRANSACTION_CONTROL:
            yield from _in_block(job.script, statement, kind, block, journal)
        elif kind is Kind.NOT_IN_TRANSACTION or may_commit(statement.text) or _calls(statement):
            yield from _outside(statement, journal, timeout)
        else:
            row = _lines([*AS_LOGIN, journal.add([statement], "done"), COMMIT])
            yield f"\nBEGIN;\n{_statement(job.script, statement)}{row}"
    yield "\n" + _lines([BEGIN, *BACK_TO_LOGIN, job.claim, *job.finish, journal.clear(), COMMIT])


def _in_block(
    script: Script, statement: Statement, kind: Kind, block: list[Statement], journal: Journal
) -> Iterator[str]:
    """Yield a statement of the script's own transaction, with the journal row before its COMMIT."""
    block.append(statement)
    ends = kind is Kind.TRANSACTION_CONTROL and not begins(statement)
    row = [*AS_LOGIN, journal.add(block, "done")]
    with_it = not is_rolled_back(block) and not _reads_only(block)
    if ends and with_it:
        yield _lines(row)
    yield _statement(script, statement)
    if ends and not with_it:
        yield _lines([BEGIN, *row, COMMIT])
    if ends:
        block.clear()


def _reads_only(block: Iterable[Statement]) -> bool:
    """Tell whether a script's own transaction says that it is READ ONLY: no journal row can be written in it."""
    words = (item.text for item in block if leading_words(item.text, 1)[:1] in (["begin"], ["start"], ["set"]))
    return any(_READ_ONLY.search(text) for text in words)


def _calls(statement: Statement) -> bool:
    """Tell whether a DO block may call a procedure that ends transactions: psql cannot find out by trying."""
    return leading_words(statement.text, 1) == ["do"] and bool(_CALLS.search(statement.text))


def _outside(statement: Statement, journal: Journal, timeout: str) -> Iterator[str]:
    about = subject(statement.text)
    found = before_in_sql(about)
    noted = [journal.note(statement.number, found)] if found else []
    yield "\n" + _lines([BEGIN, *AS_LOGIN, journal.add([statement], "running"), *noted, COMMIT])
    yield "SET lock_timeout TO 0;\n" if about.concurrently else ""
    yield _closed(statement)
    yield f"SET lock_timeout TO {timeout};\n" if about.concurrently else ""
    yield _lines([BEGIN, *AS_LOGIN, journal.mark(statement.number, "done"), COMMIT])


def _statement(script: Script, statement: Statement) -> str:
    """Give a statement, and the COPY data that follows it, as it stands in the file."""
    if statement.data is None or script.text is None:
        return _closed(statement)
    data = "".join(statement.data.chunks())
    return f"{_closed(statement)}{data}{_data_end(data)}"


def _closed(statement: Statement) -> str:
    """Give a statement with its semicolon, which a comment at its end must not swallow."""
    text = statement.text
    return f"{text}\n;\n" if "--" in text.rpartition("\n")[2] else f"{text};\n"


def _lines(commands: Iterable[Command]) -> str:
    return "".join(f"{_literal(command)};\n" for command in commands)


def _literal(command: Command) -> str:
    """Give one of our commands with its parameters written into it."""
    values = [sql.Literal(value).as_string() for value in command.params]
    if not values:
        return command.sql
    return _PARAMETER.sub(lambda match: values[int(match[1]) - 1] if match[1] else match[0], command.sql)
