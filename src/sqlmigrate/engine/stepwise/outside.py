"""Run one statement that cannot be in a transaction: journalled before, looked up after, never repeated unseen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.connection import Command, Purpose
from sqlmigrate.engine.stepwise import errors as halfway
from sqlmigrate.engine.stepwise import outcome
from sqlmigrate.engine.stepwise.outcome import Outcome
from sqlmigrate.engine.transaction.run import undo
from sqlmigrate.engine.wire.pipeline import Step
from sqlmigrate.errors import ExecutionError
from sqlmigrate.sql.statement.effect import may_commit
from sqlmigrate.sql.statement.subject import subject_of

if TYPE_CHECKING:
    from sqlmigrate.engine.stepwise.context import Context
    from sqlmigrate.engine.stepwise.journal import Journal, Sender
    from sqlmigrate.engine.stepwise.outcome import Look
    from sqlmigrate.history import Entry
    from sqlmigrate.sql.script import Statement
    from sqlmigrate.sql.statement.subject import Subject

# RESET would not do to get it back: the script may have set it
NO_LOCK_TIMEOUT = (
    Command(
        "SELECT pg_catalog.set_config('sqlmigrate.lock_timeout', pg_catalog.current_setting('lock_timeout'), false)",
        purpose=Purpose.SETTINGS,
    ),
    Command("SET lock_timeout TO 0", purpose=Purpose.SETTINGS),
)
LOCK_TIMEOUT_BACK = Command(
    "SELECT pg_catalog.set_config('lock_timeout', pg_catalog.current_setting('sqlmigrate.lock_timeout'), false)",
    purpose=Purpose.SETTINGS,
)


@dataclass(slots=True)
class Outside:
    """Runs such statements of one script; `begun` is the last one that it wrote to the journal."""

    context: Context
    begun: int = 0

    @property
    def sender(self) -> Sender:
        """What sends its statements."""
        return self.context.sender

    @property
    def journal(self) -> Journal:
        """What is known of its statements."""
        return self.context.journal

    def run(self, statement: Statement) -> None:
        """Run a statement: written to the journal before, and as done or failed behind it."""
        about = subject_of(statement.text)
        found = outcome.before(self.sender.connection, about)
        entry = self.journal.add([statement], "running", found)
        self.sender.write(entry, behind=NO_LOCK_TIMEOUT if about.concurrently else ())
        self.begun = statement.number
        self._alone(statement, about, found)
        done = self.journal.mark(statement.number, "done")
        if outcome.is_told_by_catalog(about):
            self.sender.later(done)
        else:
            self.sender.write([done])

    def settled(self, statement: Statement, entry: Entry) -> bool:
        """Look up what became of a statement whose answer never came; what it left half made is cleared away.

        Raises HalfWayError where that cannot be known, or only a person should mend it.
        """
        about = subject_of(entry.statement)  # the file may be mended since
        with outcome.looking(self.sender.connection, about) as look:
            return self._settled(statement, entry, look)

    def require_nothing_left(self, statement: Statement, entry: Entry) -> None:
        """Raise ExecutionError where a statement that is to be passed over has left an INVALID index behind."""
        if entry.state == "done" or entry.found is None:
            return
        about = subject_of(entry.statement)  # the file may be mended since
        with outcome.looking(self.sender.connection, about) as look:
            left = look.leftovers(entry.found)
        if left:
            raise halfway.invalid(self.sender.job, statement, left[0], "this statement left behind")

    def _settled(self, statement: Statement, entry: Entry, look: Look) -> bool:
        job, found = self.sender.job, entry.found or {}
        if ending := look.finalize():
            what = "its DETACH PARTITION CONCURRENTLY was interrupted half way"
            raise halfway.stuck(job, statement, what, f"run {ending}, then `sqlmigrate {job.operation}` again")
        if self.context.resume_at != statement.number:
            result = look.happened(found)
            if result is Outcome.UNKNOWN and (entry.state == "running" or may_commit(entry.statement)):
                raise halfway.unknown(job, statement, entry.state)
            if result is Outcome.DONE:
                self.journal.require_unedited([statement], entry)
                self.sender.write([self.journal.mark(statement.number, "done")])
                return True
        for index in look.leftovers(found):
            self.sender.send(*map(Step, NO_LOCK_TIMEOUT))
            self.sender.send(Step(Command(index.drop)), Step(None), Step(LOCK_TIMEOUT_BACK))
        self.sender.write(self.journal.run_anew(entry))
        return False

    def _alone(self, statement: Statement, about: Subject, found: dict[str, object]) -> None:
        connection, job, is_clean = self.sender.connection, self.sender.job, False
        try:
            if about.concurrently:
                is_clean = self._concurrently(statement)
            elif may_commit(statement.text):
                self.sender.run(statement)
            else:
                self.context.retrying(lambda: self.sender.run(statement))
            if is_clean or not outcome.leaves_indexes(about):
                return
            with outcome.looking(connection, about) as look:
                if index := look.skipped_over():
                    raise halfway.invalid(job, statement, index, "IF NOT EXISTS passed over")
                if left := look.leftovers(found):
                    raise halfway.invalid(job, statement, left[0], "it left behind")
        except ExecutionError as error:
            if connection.closed:
                raise
            raise self._explained(statement, about, found, error) from None

    def _concurrently(self, statement: Statement) -> bool:
        """Run a CONCURRENTLY without a lock timeout; gives whether no index of the database is INVALID behind it.

        It waits for old snapshots, which must not count as waiting for a lock.
        """
        look = Step(outcome.ANY_INVALID)
        step = Step(self.sender.job.command(statement), statement)
        self.sender.send(step, Step(None), Step(LOCK_TIMEOUT_BACK), look)
        return not look.rows

    def _explained(
        self, statement: Statement, about: Subject, found: dict[str, object], error: ExecutionError
    ) -> ExecutionError:
        """Note in the journal that a statement failed; gives its error with what it left behind."""
        connection = self.sender.connection
        undo(connection)
        self.sender.write([self.journal.mark(statement.number, "failed", error.message)])
        if error.hint is not None:
            return error
        with outcome.looking(connection, about) as look:
            return error.replaced(hint=self._left_behind(statement, look, found))

    def _left_behind(self, statement: Statement, look: Look, found: dict[str, object]) -> str | None:
        """Say what a statement that failed left behind, and what to do about it."""
        if ending := look.finalize():
            return f"the partition is half detached: run {ending}"
        if left := look.leftovers(found):
            names = ", ".join(index.name for index in left)
            again = f"`sqlmigrate {self.sender.job.operation}` drops it and builds it again once the cause is fixed"
            return f"it left the INVALID index {names}; {again}, or by hand: {left[0].drop}"
        if may_commit(statement.text):
            return f"what it committed before the error stays; {halfway.both_ways(statement)}"
        return None
