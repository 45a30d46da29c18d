"""Run a script outside a transaction: statement by statement, journalled, so that a rerun goes on where it stopped.

A statement that can run in a transaction commits together with its journal row. The others are journalled before and
looked up after. A block from the script's own BEGIN to its COMMIT is one entry, written just before the COMMIT.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate.connection import undisturbed
from sqlmigrate.engine.backfill.loop import Backfill
from sqlmigrate.engine.backfill.progress import Progress
from sqlmigrate.engine.stepwise import errors as halfway
from sqlmigrate.engine.stepwise import outcome
from sqlmigrate.engine.stepwise.journal import BEGIN, as_login
from sqlmigrate.engine.stepwise.outside import Outside
from sqlmigrate.engine.transaction.commit import State
from sqlmigrate.engine.transaction.run import undo
from sqlmigrate.engine.wire.pipeline import Step
from sqlmigrate.engine.wire.session import BACK_TO_LOGIN, COMMIT, CONSTRAINTS, PRISTINE, back_to_script, set_up
from sqlmigrate.errors import Error, ExecutionError, HalfWayError, HistoryError, ScriptError
from sqlmigrate.events import Resumed
from sqlmigrate.sql.batches import read_batched
from sqlmigrate.sql.statement.effect import (
    WANTS_OUT,
    Kind,
    begins,
    classify,
    is_rolled_back,
    may_commit,
    open_block,
)
from sqlmigrate.sql.statement.session import resets_session, sets_up_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlmigrate.connection import Command
    from sqlmigrate.engine.stepwise.context import Context
    from sqlmigrate.engine.stepwise.journal import Journal, Sender
    from sqlmigrate.history import Entry
    from sqlmigrate.sql.batches import Batched
    from sqlmigrate.sql.script import Statement

_PREDECESSOR_SECONDS = 10.0


@dataclass(slots=True)
class Stepper:
    """One script on its way, on one session."""

    context: Context
    _outside: Outside = field(init=False)
    _block: list[Statement] = field(default_factory=list)
    _passed: list[Statement] = field(default_factory=list)
    _done: int = 0
    _known: int = 0
    _batched: dict[int, Batched] = field(init=False)

    def __post_init__(self) -> None:
        """Be ready for statements that cannot be in a transaction, and for those that run in batches."""
        self._outside = Outside(self.context)
        self._batched = read_batched(self.sender.job.script.text)

    @property
    def sender(self) -> Sender:
        """What sends its statements."""
        return self.context.sender

    @property
    def journal(self) -> Journal:
        """What is known of its statements."""
        return self.context.journal

    def go(self) -> None:
        """Run what is left of the script, then finish its history row and empty its journal.

        Raises HalfWayError where something of the script is done and it cannot go on.
        """
        connection, job = self.sender.connection, self.sender.job
        statement = None
        try:
            job.script.require_unchanged()
            self._prepare()
            for statement in job.script.statements():
                if statement.number <= self._done:
                    self._pass(statement)
                else:
                    self._one(statement)
            self._finish(statement.number if statement else 0)
        except ExecutionError as error:
            self._undo()
            if self.context.turn.state is State.COMMITTED:  # it is through, whatever has become of the history
                raise
            self._note(statement, error)
            raise self._stopped(error) from None
        except ScriptError as error:  # the file is another one than was checked
            self._undo()
            if not self._is_begun():
                raise
            changed = ExecutionError(error.message, migration_id=job.migration_id, place=error.place, hint=error.hint)
            raise self._stopped(changed) from None
        except Error:
            self._undo()
            raise
        except psycopg.Error as error:
            if connection.closed:
                raise halfway.lost(job, error, self.context.afterwards()) from None
            self._undo()
            raise self._stopped(halfway.unexpected(job, error)) from None

    def _undo(self) -> None:
        undo(self.sender.connection)
        self.sender.write_what_is_left()

    def _prepare(self) -> None:
        self._set_up(Step(PRISTINE), Step(None))
        if self.journal.resumed:
            self._await_earlier_session()
            self._resume()

    def _set_up(self, *first: Step) -> None:
        context = self.context
        self.sender.send(*first, *map(Step, set_up(self.sender.job.script_run, context.options, context.info)))

    def _await_earlier_session(self) -> None:
        """Wait for the session of an earlier run: its client may be gone, and its statement still at work."""
        schema = self.context.options.schema
        if pid := outcome.predecessor(self.sender.connection, schema, seconds=_PREDECESSOR_SECONDS):
            raise ExecutionError(
                f"a session of an earlier run (pid {pid}) is still at work on this script",
                migration_id=self.sender.job.migration_id,
                hint=f"wait until it has ended, or end it with SELECT pg_terminate_backend({pid})",
            )

    def _resume(self) -> None:
        self._known = self.journal.done
        if self.context.resume_at is not None:
            self._skip_to(self.context.resume_at)
        self.journal.pass_over_failed()
        self._done = self.journal.done if self.context.resume_at is None else self.context.resume_at - 1
        entry, job = self.journal.entry(self._done + 1), self.sender.job
        within = Progress.read(entry.found if entry else None)
        rows = within.rows if within else 0
        self.sender.listener.observer(Resumed(job.migration_id, job.operation, self._done, rows))

    def _skip_to(self, number: int) -> None:
        """Take the word of whoever says that everything before a statement is done, and nothing from it on."""
        job = self.sender.job
        skipped = list(takewhile(lambda item: item.number < number, job.script.statements()))
        if number > 1 and (not skipped or skipped[-1].number != number - 1):
            raise HistoryError(f"{job.migration_id} has no statement {number} to resume at")
        if begin := open_block(skipped):
            raise HistoryError(
                f"statement {number} is inside the transaction that statement {begin.number} begins",
                place=job.script.place(begin),
                hint=f"--resume-at {begin.number} runs that transaction again",
            )
        for item in skipped:
            if entry := self.journal.entry(item.number):
                self._outside.require_nothing_left(item, entry)
        again = [
            entry
            for entry in self.journal.entries
            if entry.last_number >= number or entry.state != "done"
            if entry.number != number or entry.state == "done"  # what this one found is needed to clear up behind it
        ]
        commands = self.journal.forget(again)
        for item in skipped:
            if self.journal.entry(item.number) is None:
                commands += self.journal.add([item], "done")
        if not self.journal.entries and not skipped:
            commands += [command for item in islice(job.script.statements(), 1) for command in self._failed(item)]
        self.sender.write(commands)

    def _pass(self, statement: Statement) -> None:
        """Pass over what is done, if it still is what was run, but repeat what sets up the session."""
        entry = self.journal.entry(statement.number)
        self._passed.append(statement)
        if entry is not None and statement.number < entry.last_number:
            return
        block, self._passed = self._passed, []
        if entry is not None:
            self.journal.require_unedited(block, entry)
        if not is_rolled_back(block):
            for item in filter(sets_up_session, block):
                self.sender.run(item)
                if resets_session(item):
                    self._set_up()

    def _one(self, statement: Statement) -> None:
        entry = self.journal.entry(statement.number)
        if batched := self._batched.get(statement.offset):
            self._in_batches(statement, entry, batched)
            return
        if entry is not None and self._outside.settled(statement, entry):
            self._done = statement.number
            return
        kind = classify(statement.text)
        if self._block:
            self._in_block(statement, kind)
        elif kind is Kind.TRANSACTION_CONTROL:
            self.sender.run(statement)
            if begins(statement):
                self._block = [statement]
        else:
            if kind is Kind.NOT_IN_TRANSACTION or may_commit(statement.text):
                self._outside.run(statement)
            else:
                self._inside(statement)
            self._done = statement.number
            if resets_session(statement):
                self._set_up()

    def _in_batches(self, statement: Statement, entry: Entry | None, batched: Batched) -> None:
        backfill = Backfill(self.context, statement, batched)
        try:
            backfill.run(entry)
        finally:
            self._outside.begun = statement.number if backfill.begun else self._outside.begun
        self._done = statement.number

    def _in_block(self, statement: Statement, kind: Kind) -> None:
        """Go on in the script's own transaction; its journal row is written just before its COMMIT."""
        self._block.append(statement)
        if kind is not Kind.TRANSACTION_CONTROL or begins(statement):
            self._again_on_lock(self._block[0], statement, self.sender.run)
            return
        entry = self.journal.add(self._block, "done")
        with_it = not is_rolled_back(self._block) and not self._reads_only()

        def work(item: Statement) -> None:
            ends = with_it and item.number == statement.number
            before = (
                [Step(CONSTRAINTS, item), *map(Step, (*as_login(self.sender.job), *entry, *self._back()))]
                if ends
                else []
            )
            self.sender.send(*before, Step(self.sender.job.command(item), item))

        self._again_on_lock(self._block[0], statement, work)
        if not with_it:
            self.sender.write(entry)
        self._done = statement.number
        self._block = []

    def _back(self) -> list[Command]:
        return back_to_script(self.sender.job.script, self.context.options)

    def _reads_only(self) -> bool:
        """Tell whether the script's own transaction is READ ONLY, so that no journal row can be written in it."""
        query = "SELECT pg_catalog.current_setting('transaction_read_only')"
        with undisturbed(self.sender.connection):
            row = self.sender.connection.execute(query).fetchone()
        return row is not None and row[0] == "on"

    def _inside(self, statement: Statement) -> None:
        """Run a statement in a transaction of its own, with its journal row."""
        job, entry = self.sender.job, self.journal.add([statement], "done")

        def work(again: Statement) -> None:
            steps = [Step(BEGIN), Step(job.command(again), again), Step(CONSTRAINTS, again)]
            self.sender.send(*steps, *map(Step, (*as_login(job), *entry, *self._back(), COMMIT)))

        try:
            self._again_on_lock(statement, statement, work)
        except ExecutionError as error:
            if error.server is None or error.server.sqlstate not in WANTS_OUT:
                raise
            self._outside.run(statement)

    def _again_on_lock(self, first: Statement, last: Statement, work: Callable[[Statement], None]) -> None:
        """Do work on the last statement; where a lock was not granted, on all from the first one, read anew.

        A lost transaction must begin again where it began, and COPY data can be read only once.
        """
        lost = False

        def attempt() -> None:
            nonlocal lost
            try:
                for statement in self._read_again(first.number, last.number) if lost else [last]:
                    work(statement)
            except ExecutionError:
                lost = True
                undo(self.sender.connection)
                raise

        self.context.retrying(attempt)

    def _read_again(self, first: int, last: int) -> Iterator[Statement]:
        statements = self.sender.job.script.statements()
        return (item for item in takewhile(lambda item: item.number <= last, statements) if item.number >= first)

    def _finish(self, last: int) -> None:
        """Write the history row and empty the journal, in one transaction; again where somebody locks the history."""
        job = self.sender.job
        if self._block:
            raise ExecutionError(
                "the script ends inside a transaction that it began",
                migration_id=job.migration_id,
                place=job.script.place(self._block[0]),
                hint="add the COMMIT",
            )
        if last < self._done:
            raise HistoryError(
                f"the script has {last} statements, but {self._done} are done",
                place=job.place,
                hint="restore those that were removed",
            )
        first = [*job.trusted, *([] if job.half_way else [job.claim])]
        finish = (BEGIN, *BACK_TO_LOGIN, *first, *job.finish, self.journal.clear(), COMMIT)

        def work() -> None:
            try:
                self.sender.finish(self.context.turn, *map(Step, finish))
            except ExecutionError:
                undo(self.sender.connection)
                raise

        self.context.retrying(work)

    def _note(self, statement: Statement | None, error: ExecutionError) -> None:
        """Write a failed statement that left nothing behind into the journal, for `status` to show."""
        is_noted = isinstance(error, HalfWayError) or error.statement in {None, self._outside.begun}
        if is_noted or statement is None or not self._is_begun() or self.sender.connection.closed:
            return
        self.sender.write(self._failed(statement, error.message))

    def _failed(self, statement: Statement, reason: str | None = None) -> list[Command]:
        """Write into the journal that a statement is to run, with the reason why it has not."""
        return [*self.journal.add([statement], "failed"), self.journal.mark(statement.number, "failed", reason)]

    def _is_begun(self) -> bool:
        """Tell whether something of the script is, or may be, in the database."""
        return bool(self._done or self.journal.resumed or self._outside.begun)

    def _stopped(self, error: ExecutionError) -> ExecutionError:
        """Say so where something of the script stays in the database."""
        if not self._is_begun():
            return error
        return halfway.half_way(self.sender.job, error, self._done, self._known)
