"""What is to be done with one script: the script, and the commands of ours around it."""

from __future__ import annotations

import hashlib
import re
from copy import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlmigrate import history
from sqlmigrate.connection import Command
from sqlmigrate.engine.wire.session import script_role
from sqlmigrate.errors import HistoryError, MigrationsError, Place, Problem
from sqlmigrate.sql.statement.needs import with_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.history import History, Run
    from sqlmigrate.migrations import Migration, ScriptRun
    from sqlmigrate.migrations.model import Operation
    from sqlmigrate.sql.script import Script, Statement

_EXECUTE = re.compile(r"\bexecute\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Job:
    """A script as it runs, with the commands of ours around it.

    `claim` fails where another run was faster, and what completes its row, one of `finish`, must write one; `confirm`
    fails where the history does not say what was done once it is committed. `trusted` stands before our commands that
    write the history; the last of it fails where its tables are not to be trusted any more. `undoable` says that what
    is applied has a rollback script, `recorded` that the text of a rollback script is, so that no other one runs,
    `half_way` that a rollback is of what stopped half way: it is not in the history, only in the journal. `versions`
    are those that CREATE EXTENSION asks for on a shadow. `schema` is that of the history, none where there is none.
    """

    script_run: ScriptRun
    claim: Command
    finish: tuple[Command, ...]
    trusted: tuple[Command, ...] = ()
    confirm: Command | None = None
    undoable: bool = False
    recorded: bool = False
    half_way: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)
    schema: str | None = None

    @property
    def migration_id(self) -> str:
        """The migration that the script belongs to."""
        return self.script_run.migration_id

    @property
    def operation(self) -> Operation:
        """What the script does with its migration."""
        return self.script_run.operation

    @property
    def script(self) -> Script:
        """The script itself."""
        return self.script_run.script

    @property
    def transactional(self) -> bool:
        """Whether it runs in a transaction."""
        return self.script_run.transactional

    def command(self, statement: Statement) -> Command:
        """Return the command that a statement is sent as."""
        return Command(with_version(statement.text, self.versions) if self.versions else statement.text)

    @property
    def place(self) -> Place:
        """The script's file, for errors that have no line."""
        return Place(self.script.path)


class Tally:
    """What the history says as a run goes on: the ids by their hashes, and of which of these scripts are recorded."""

    def __init__(self, found: History) -> None:
        self.ids = {row.migration_hash: row.migration_id for row in found.applied}
        self.recorded = {row.migration_hash for row in found.applied if row.seq is not None}

    def count(self, migration: Migration, operation: str) -> int:
        """Take a migration in, or out, and give how many there are then."""
        if operation == "apply":
            self.ids[migration.migration_hash] = migration.migration_id
            self.recorded.add(migration.migration_hash)
        else:
            self.ids.pop(migration.migration_hash, None)
            self.recorded.discard(migration.migration_hash)
        return len(self.ids)

    def so_far(self) -> Tally:
        """Return what is counted so far, as it stays."""
        tally = copy(self)
        tally.ids, tally.recorded = dict(self.ids), set(self.recorded)
        return tally

    def digest(self) -> str:
        """Return the SHA-256 of the ids, sorted and a line each."""
        return hashlib.sha256(b"\n".join(sorted(found.encode() for found in self.ids.values()))).hexdigest()


def job_for(
    migration: Migration,
    operation: str,
    found: History,
    options: Options,
    run: Run,
    rows: int | None = None,
    last: Tally | None = None,
) -> Job:
    """Describe how a migration of a plan is applied or rolled back.

    The history has so many `rows` once it has run. The `last` script of a run has the tally, which tells also whether
    some have taken the place of others, and whether what was recorded of them is there; to ask for it behind each
    script would take too long.
    """
    trusted = history.trusted(options.schema, shared=found.standing.shared)
    ids, recorded = (last.digest(), len(last.recorded)) if last else (None, None)
    confirm = history.confirm(options.schema, migration.migration_id, operation, run, rows, ids, recorded)
    if operation == "apply":
        return replace(apply_job(migration, options, run), trusted=trusted, confirm=confirm)
    row = found.get(migration.migration_id)
    job = rollback_job(script_run(migration, operation), options, run, half_way=row is None)
    recorded = row is not None and row.rollback_checksum is not None
    return replace(job, trusted=trusted, recorded=recorded, confirm=confirm)


def jobs_together(
    steps: Sequence[Migration], operation: str, found: History, options: Options, run: Run, tally: Tally
) -> tuple[Job, ...]:
    """Describe the same of migrations that share one transaction: behind its COMMIT, the last one asks for all rows."""
    rows = [tally.count(migration, operation) for migration in steps][-1]
    *others, last = steps
    jobs = [job_for(migration, operation, found, options, run) for migration in others]
    return (*jobs, job_for(last, operation, found, options, run, rows, tally))


def script_run(migration: Migration, operation: str) -> ScriptRun:
    """Return how a migration's script of an operation runs."""
    found = migration.forward() if operation == "apply" else migration.back()
    if found is None:  # pragma: no cover  the plan has refused it
        raise HistoryError(f"{migration.migration_id} has no rollback script")
    return found


def apply_job(migration: Migration, options: Options, run: Run) -> Job:
    """Describe how a migration is applied: claimed first, completed and logged after the script."""
    script_run, schema = migration.forward(), options.schema
    finish = history.finish_claim(schema, migration, run)
    return Job(
        script_run,
        claim=history.claim(schema, migration.migration_id),
        finish=(*_unhung(script_run, options), finish, *_log(script_run, options, run)),
        confirm=history.confirm(schema, migration.migration_id, "apply", run),
        undoable=migration.rollback is not None,
        schema=schema,
    )


def rollback_job(script_run: ScriptRun, options: Options, run: Run, *, half_way: bool) -> Job:
    """Describe how a migration is rolled back: taken out of the history first, logged after the script.

    One that stopped half way is not in the history yet; its journal is taken away instead.
    """
    migration_id, schema = script_run.migration_id, options.schema
    give_up = history.unclaim_journal if half_way else history.unclaim
    return Job(
        script_run,
        claim=give_up(schema, migration_id),
        finish=(*_unhung(script_run, options), *_log(script_run, options, run)),
        confirm=history.confirm(schema, migration_id, "rollback", run),
        half_way=half_way,
        schema=schema,
    )


def _unhung(script_run: ScriptRun, options: Options) -> Sequence[Command]:
    """Look at our tables while the script can still be rolled back, where it may have changed what they do.

    That costs a millisecond, so it is done for scripts that name them or put statements together: loops over all
    tables do. What else gets at them is found by the next run.
    """
    text = script_run.script.text
    may = text is None or options.schema in text or _EXECUTE.search(text)
    return [history.unhung(options.schema)] if script_run.transactional and may else []


def _log(script_run: ScriptRun, options: Options, run: Run) -> list[Command]:
    script = script_run.script
    return history.log(
        options.schema,
        script_run.migration_id,
        script_run.operation,
        run,
        script_role=script_role(script, options),
        digests=(script.checksum, script.sha256),
        journalled=not script_run.transactional,
    )


def require_together(jobs: Sequence[Job]) -> None:
    """Refuse scripts that cannot share one transaction, before anything runs."""
    problems = []
    for job in jobs:
        if not job.transactional:
            problems.append(Problem("runs outside a transaction, so it cannot share one", job.place))
        elif job.script.directives.isolation:
            problems.append(Problem("has an isolation level of its own", job.place))
    if problems:
        raise MigrationsError("nothing was run, since these scripts cannot run in one transaction", problems)
