"""Run a script outside a transaction: statement by statement, journalled, so that a rerun goes on where it stopped.

A statement that can run in a transaction commits together with its journal row. The others are journalled before and
looked up after. A block from the script's own BEGIN to its COMMIT is one entry, written just before the COMMIT.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate import history
from sqlmigrate.connection import Command
from sqlmigrate.engine import outcome
from sqlmigrate.engine.execute import run_steps
from sqlmigrate.engine.outcome import Outcome
from sqlmigrate.engine.pipeline import Step
from sqlmigrate.engine.session import BACK_TO_LOGIN, PRISTINE, script_role, set_role, settings
from sqlmigrate.engine.transactional import failure, lost, undo
from sqlmigrate.errors import Error, ExecutionError, HalfWayError, HistoryError, LockBudgetSpent
from sqlmigrate.events import Resumed
from sqlmigrate.history import Entry
from sqlmigrate.sql.parse import Kind, classify
from sqlmigrate.sql.scan import leading_words
from sqlmigrate.sql.subject import Subject, subject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlmigrate.connection import Connection, ServerInfo
    from sqlmigrate.engine.execute import Listener
    from sqlmigrate.engine.session import Options
    from sqlmigrate.engine.transactional import Job
    from sqlmigrate.history import HalfWay, Run
    from sqlmigrate.sql.script import Statement

# active_sql_transaction, invalid_transaction_termination: the statement wants to be outside a transaction after all
_WANTS_OUT = frozenset({"25001", "2D000"})
# what sets up the session is done again when a script is resumed, since that is a new session
_SESSION_WORDS = frozenset({"set", "reset", "prepare", "load", "listen", "discard"})
_SET_CONFIG = re.compile(r"select\s+(pg_catalog\s*\.\s*)?set_config\s*\(", re.IGNORECASE)
# the journal is written as the login role, whatever role the script is in: LOCAL gives it back afterwards
_AS_LOGIN = (
    Command("SET LOCAL SESSION AUTHORIZATION DEFAULT"),
    Command("SET LOCAL role TO DEFAULT"),
    Command("SET LOCAL client_encoding TO 'UTF8'"),
)
_COMMIT = Command("COMMIT")


@dataclass(slots=True)
class Stepper:
    """One script on its way, on one session."""

    connection: Connection
    job: Job
    options: Options
    info: ServerInfo
    run: Run
    listener: Listener
    stopped: HalfWay | None = None
    resume_at: int | None = None
    retrying: Callable[[Callable[[], None]], None] = lambda work: work()
    _block: list[Statement] = field(default_factory=list)
    _done: int = 0

    def go(self) -> None:
        """Run what is left of the script, then finish its history row and empty its journal.

        Raises HalfWayError where something of the script is done and it cannot go on.
        """
        try:
            self._prepare()
            for statement in self.job.script.statements():
                if self._is_done(statement):
                    self._restore_session(statement)
                else:
                    self._one(statement)
            self._finish()
        except psycopg.OperationalError as error:
            if not self.connection.closed:
                raise
            raise self._half_way(lost(self.job, error)) from None
        except ExecutionError as error:
            undo(self.connection)
            raise self._half_way(error) from None
        except Error:
            undo(self.connection)
            raise

    def _prepare(self) -> None:
        job, options = self.job, self.options
        commands = [settings(job.script, options, self.info, f"sqlmigrate: {job.migration_id}")]
        if role := script_role(job.script, options):
            commands.append(set_role(role))
        self._pipeline([Step(PRISTINE), Step(None), *map(Step, commands)])
        entries = self.stopped.entries if self.stopped and self.stopped.operation == job.operation else ()
        self._done = max((entry.last_number for entry in entries if entry.state == "done"), default=0)
        if self.resume_at is not None:
            self._skip_to(self.resume_at, entries)
        if entries or self.resume_at:
            self.listener.observer(Resumed(job.migration_id, job.operation, self._done))

    def _skip_to(self, number: int, entries: Sequence[Entry]) -> None:
        """Take the word of whoever says that everything before a statement is done."""
        commands = [
            history.journal_forget(self.options.schema, self.job.migration_id, self.job.operation, entry.number)
            for entry in entries
            if entry.last_number >= number or entry.state != "done"
        ]
        skipped = [item for item in self.job.script.statements() if item.number < number]
        if number < 1 or (number > 1 and (not skipped or skipped[-1].number != number - 1)):
            raise HistoryError(f"{self.job.migration_id} has no statement {number} to go on at")
        known = {at for entry in entries if entry.state == "done" for at in range(entry.number, entry.last_number + 1)}
        commands += [self._journal([item], "done") for item in skipped if item.number not in known]
        self._journalled(commands)
        self._done = number - 1

    def _is_done(self, statement: Statement) -> bool:
        if statement.number > self._done:
            return False
        entry = self._entry(statement.number)
        if entry and entry.number == entry.last_number == statement.number and entry.digest != _digest([statement]):
            raise HistoryError(
                f"statement {statement.number} was edited after it was run",
                place=self.job.script.place(statement),
                hint="only what comes after the last finished statement may be mended; restore the others",
            )
        return True

    def _entry(self, number: int) -> Entry | None:
        if self.stopped is None or self.stopped.operation != self.job.operation:
            return None
        return next((entry for entry in self.stopped.entries if entry.number <= number <= entry.last_number), None)

    def _restore_session(self, statement: Statement) -> None:
        """Repeat what only sets up the session."""
        words = leading_words(statement.text, 1)
        if _SESSION_WORDS & set(words) or _SET_CONFIG.match(statement.text):
            self._pipeline([Step(Command(statement.text), statement)])

    def _one(self, statement: Statement) -> None:
        kind = classify(statement.text)
        if self._block:
            self._in_block(statement, kind)
        elif kind is Kind.TRANSACTION_CONTROL:
            self._pipeline([Step(Command(statement.text), statement)])
            if leading_words(statement.text, 1)[0] in {"begin", "start"}:
                self._block = [statement]
        elif kind is Kind.NOT_IN_TRANSACTION or _may_commit(statement.text):
            self._outside(statement)
        else:
            self._inside(statement)

    def _in_block(self, statement: Statement, kind: Kind) -> None:
        """Go on in the script's own transaction; its journal row is written just before its COMMIT."""
        self._block.append(statement)
        if kind is not Kind.TRANSACTION_CONTROL:
            self._pipeline([Step(Command(statement.text), statement)])
            return
        ends_well = leading_words(statement.text, 1)[0] in {"commit", "end"}
        entry = self._journal(self._block, "done")
        before = [*map(Step, (*_AS_LOGIN, entry))] if ends_well else []
        self._pipeline([*before, Step(Command(statement.text), statement)])
        if not ends_well:
            self._journalled([entry])
        self._done = statement.number
        self._block = []

    def _inside(self, statement: Statement) -> None:
        """Run a statement in a transaction of its own, with its journal row."""
        entry = self._journal([statement], "done")

        def work() -> None:
            steps = [Step(Command("BEGIN")), Step(Command(statement.text), statement)]
            try:
                self._pipeline([*steps, *map(Step, (*_AS_LOGIN, entry, _COMMIT))])
            except ExecutionError:
                undo(self.connection)
                raise

        try:
            self._forget_failed(statement)
            self.retrying(work) if statement.data is None else work()
        except LockBudgetSpent:
            raise
        except ExecutionError as error:
            if error.server is None or error.server.sqlstate not in _WANTS_OUT:
                raise
            self._outside(statement)
            return
        self._done = statement.number

    def _forget_failed(self, statement: Statement) -> None:
        if (entry := self._entry(statement.number)) and entry.state != "done":
            name = self.job.migration_id
            self._journalled([history.journal_forget(self.options.schema, name, self.job.operation, entry.number)])

    def _outside(self, statement: Statement) -> None:
        """Run a statement outside a transaction: journalled before, looked up after a crash, never repeated unseen."""
        about = subject(statement.text)
        entry = self._entry(statement.number)
        found = entry.found or {} if entry else outcome.before(self.connection, about)
        if entry is not None and entry.state in {"running", "failed"}:
            if self._settled(statement, about, entry, found):
                self._mark(statement, "done")
                self._done = statement.number
                return
            self._mark(statement, "running")
        else:
            self._journalled([self._journal([statement], "running", found)])
        self._alone(statement, about, found)
        self._mark(statement, "done")
        self._done = statement.number

    def _settled(self, statement: Statement, about: Subject, entry: Entry, found: dict[str, object]) -> bool:
        """Look up what became of a statement whose answer never came; clears away what it left half made."""
        if outcome.detach_pending(self.connection, about):
            raise self._stuck(
                statement,
                "its DETACH PARTITION CONCURRENTLY was interrupted half way",
                f"run ALTER TABLE {about.relation} DETACH PARTITION {about.name} FINALIZE, then apply again",
            )
        result = outcome.look_up(self.connection, about, found)
        if result is Outcome.UNKNOWN and entry.state == "running":
            raise self._stuck(
                statement,
                "it was begun, and whether it was carried out cannot be known",
                f"look into the database; then --resume-at {statement.number} runs it again, "
                f"and --resume-at {statement.number + 1} goes on behind it",
            )
        for index in outcome.leftovers(self.connection, about, found):
            self._pipeline([Step(Command("SET lock_timeout = 0")), Step(None), Step(Command(index.drop))])
        return result is Outcome.DONE

    def _stuck(self, statement: Statement, what: str, hint: str) -> HalfWayError:
        return HalfWayError(
            f"statement {statement.number}: {what}",
            migration_id=self.job.migration_id,
            statement=statement.number,
            place=self.job.script.place(statement),
            hint=hint,
            kept=True,
        )

    def _alone(self, statement: Statement, about: Subject, found: dict[str, object]) -> None:
        """Run a statement by itself; CONCURRENTLY waits for old snapshots, which must not count as lock waits."""
        if about.concurrently:
            row = self.connection.execute("SELECT pg_catalog.current_setting('lock_timeout')").fetchone()
            self._pipeline([Step(Command("SET lock_timeout = 0"))])
        try:
            self._pipeline([Step(Command(statement.text), statement)])
            if (index := outcome.skipped_over(self.connection, about)) is not None:
                raise self._invalid(statement, index, "IF NOT EXISTS passed over")
        except ExecutionError as error:
            self._explain(statement, about, found, error)
            raise
        finally:
            if about.concurrently and row and not self.connection.closed:
                self.connection.execute("SELECT pg_catalog.set_config('lock_timeout', %s, false)", [row[0]])
        left = outcome.leftovers(self.connection, about, found)
        if left:
            raise self._invalid(statement, left[0], "it left behind")

    def _explain(self, statement: Statement, about: Subject, found: dict[str, object], error: ExecutionError) -> None:
        """Note in the journal that a statement failed, and add to its error what it left behind."""
        if self.connection.closed:
            return
        undo(self.connection)
        self._mark(statement, "failed", error.message)
        if (left := outcome.leftovers(self.connection, about, found)) and error.hint is None:
            names = ", ".join(index.name for index in left)
            error.hint = (
                f"it left the INVALID index {names}; `sqlmigrate apply` drops it and builds it again once the cause is "
                f"mended, or by hand: {left[0].drop}"
            )

    def _invalid(self, statement: Statement, index: outcome.Index, what: str) -> ExecutionError:
        return ExecutionError(
            f"{what} the INVALID index {index.schema}.{index.name}, which no query uses",
            migration_id=self.job.migration_id,
            statement=statement.number,
            place=self.job.script.place(statement),
            hint=f"run {index.drop}, then apply again",
        )

    def _finish(self) -> None:
        """Write the history row and empty the journal, in one transaction."""
        if self._block:
            raise ExecutionError(
                "the script ends inside a transaction that it began",
                migration_id=self.job.migration_id,
                place=self.job.script.place(self._block[0]),
                hint="add the COMMIT",
            )
        job = self.job
        clear = history.journal_clear(self.options.schema, job.migration_id)
        first = [] if job.operation == "rollback" and self._gives_up_apply() else [job.claim]
        commands = [Command("BEGIN READ WRITE"), *BACK_TO_LOGIN, *first, clear, *job.finish, _COMMIT]
        self._pipeline([*map(Step, commands)])

    def _gives_up_apply(self) -> bool:
        """Whether this rollback is of a script that stopped half way: it is not in the history, only in the journal."""
        return "journal" in self.job.claim.sql

    def _journal(self, block: Sequence[Statement], state: str, found: dict[str, object] | None = None) -> Command:
        first, last = block[0], block[-1]
        text = first.text if first is last else f"{first.text}; ... {last.text}"
        entry = Entry(first.number, last.number, state, _digest(block), text, first.line, found)
        job = self.job
        return history.journal_begin(self.options.schema, job.migration_id, job.operation, entry, self.run)

    def _mark(self, statement: Statement, state: str, error: str | None = None) -> None:
        name, operation, number = self.job.migration_id, self.job.operation, statement.number
        self._journalled([history.journal_state(self.options.schema, name, operation, number, state, error)])

    def _journalled(self, commands: Sequence[Command]) -> None:
        """Write to the journal in a transaction of its own."""
        if commands:
            self._pipeline([*map(Step, (Command("BEGIN READ WRITE"), *_AS_LOGIN, *commands, _COMMIT))])

    def _pipeline(self, steps: Sequence[Step]) -> None:
        exchange = run_steps(self.connection, steps, self.listener)
        if exchange.error is not None and exchange.failed is not None:
            error = failure(self.job, exchange.failed, exchange.error)
            raise error

    def _half_way(self, error: ExecutionError) -> ExecutionError:
        """Say so where something of the script stays in the database."""
        if isinstance(error, HalfWayError) or not (self._done or self._begun_outside()):
            return error
        again = "apply" if self.job.operation == "apply" else "rollback"
        ways = f"mend the cause and run `sqlmigrate {again}`, which goes on here"
        ways += "; or `sqlmigrate rollback` takes back what is done" if again == "apply" else ""
        half = HalfWayError(
            error.message,
            migration_id=self.job.migration_id,
            server=error.server,
            statement=error.statement,
            place=error.place,
            hint=f"{error.hint}; {ways}" if error.hint else ways,
            kept=True,
        )
        half.done_statements = self._done
        return half

    def _begun_outside(self) -> bool:
        if self.connection.closed:
            return True
        found = history.read(self.connection, self.options.schema)
        return found.stopped(self.job.migration_id) is not None


def _digest(block: Sequence[Statement]) -> str:
    return hashlib.sha256(";".join(item.text for item in block).encode()).hexdigest()


def _may_commit(statement: str) -> bool:
    """Tell whether a statement may end transactions itself: a procedure, or a DO block that says so."""
    words = leading_words(statement, 1)
    return words == ["call"] or (
        words == ["do"] and bool(re.search(r"\b(commit|rollback)\b", statement, re.IGNORECASE))
    )
