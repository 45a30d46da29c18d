"""The journal of a script outside a transaction: what it knows, and how it is written."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from sqlmigrate import history
from sqlmigrate.connection import Command
from sqlmigrate.engine.transaction.commit import State, confirming
from sqlmigrate.engine.transaction.run import failure
from sqlmigrate.engine.wire.execute import run_steps
from sqlmigrate.engine.wire.pipeline import Step
from sqlmigrate.engine.wire.session import COMMIT
from sqlmigrate.errors import Error, HistoryError
from sqlmigrate.history import Entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlmigrate.connection import Connection
    from sqlmigrate.engine.transaction.commit import Turn
    from sqlmigrate.engine.transaction.job import Job
    from sqlmigrate.engine.wire.execute import Listener
    from sqlmigrate.history import HalfWay, Run
    from sqlmigrate.sql.script import Statement

# whatever the script did to its session, the journal is written by the login role; LOCAL gives it back afterwards
AS_LOGIN = (
    Command("SET LOCAL SESSION AUTHORIZATION DEFAULT"),
    Command("SET LOCAL role TO DEFAULT"),
    Command("SET LOCAL search_path TO pg_catalog, pg_temp"),
    Command("SET LOCAL client_encoding TO 'UTF8'"),
    Command("SET LOCAL statement_timeout TO 0"),
)
# a session that is read only by default must still be able to write its journal
BEGIN = Command("BEGIN READ WRITE")


@dataclass(slots=True)
class Journal:
    """The entries of one script as they were found, in the order of its statements, and the commands for new ones.

    `resumed` says that there were some. Until the script is through, the table then never is without any: a statement
    that is to run (again) stays in it as failed, with nothing found, until another entry takes its place.
    """

    schema: str
    job: Job
    run: Run
    entries: list[Entry] = field(default_factory=list)
    resumed: bool = False

    @property
    def done(self) -> int:
        """The last statement that is done; all before it are done too."""
        return history.last_done(self.entries)

    def entry(self, number: int) -> Entry | None:
        """Return what is known of a statement, or of the block that it is in."""
        at = bisect_right(self.entries, number, key=lambda entry: entry.number)
        return self.entries[at - 1] if at and number <= self.entries[at - 1].last_number else None

    def add(self, block: Sequence[Statement], state: str, found: dict[str, object] | None = None) -> list[Command]:
        """Write a statement, or a block from BEGIN to COMMIT."""
        first, last = block[0], block[-1]
        text = first.text if first is last else f"{first.text}; ... {last.text}"
        entry = Entry(first.number, last.number, state, digest(block), text, first.line, found)
        name, operation = self.job.migration_id, self.job.operation
        before = [history.journal_supersede(self.schema, name, operation)] if self.resumed else []
        return [*before, history.journal_begin(self.schema, name, operation, entry, self.run)]

    def mark(self, number: int, state: str, error: str | None = None) -> Command:
        """Set the state of a statement."""
        return history.journal_state(self.schema, self.job.migration_id, self.job.operation, number, state, error)

    def note(self, number: int, found: sql.Composable) -> Command:
        """Note what is there before a statement runs, as an SQL expression finds it."""
        return history.journal_found(self.schema, self.job.migration_id, self.job.operation, number, found)

    def forget(self, entries: Sequence[Entry]) -> list[Command]:
        """Take statements out: they are to run again, or are known otherwise."""
        self.entries = [entry for entry in self.entries if entry not in entries]
        name, operation = self.job.migration_id, self.job.operation
        return [history.journal_forget(self.schema, name, operation, entry.number) for entry in entries]

    def run_anew(self, entry: Entry) -> list[Command]:
        """Begin a statement again that has left nothing, or nothing any more."""
        self.entries.remove(entry)
        return [self.mark(entry.number, "failed", entry.error), self.note(entry.number, sql.SQL("NULL"))]

    def pass_over_failed(self) -> None:
        """Leave statements that failed and left nothing to the next entry, which takes their place."""
        self.entries = [entry for entry in self.entries if entry.state != "failed" or entry.found is not None]

    def clear(self) -> Command:
        """Empty the journal of this migration."""
        return history.journal_clear(self.schema, self.job.migration_id)

    def require_unedited(self, block: Sequence[Statement], entry: Entry) -> None:
        """Raise HistoryError where what was run is not what the script says now."""
        if entry.digest == digest(block):
            return
        number = block[0].number
        what = f"statement {number} was" if len(block) == 1 else f"statements {number} to {block[-1].number} were"
        raise HistoryError(
            f"{what} edited after having been run",
            place=self.job.script.place(block[0]),
            hint="you may only edit what comes after the last finished statement; restore the others",
        )


def as_login(job: Job) -> tuple[Command, ...]:
    """Return what comes before each of our commands that write the journal in a transaction of the script's."""
    return (*AS_LOGIN, *job.trusted)


@dataclass(slots=True)
class Sender:
    """Sends steps of one script, and what is to be written to its journal.

    What can be looked up just as well may be written `later`: together with what is written next, or not at all where
    the script is through.
    """

    connection: Connection
    job: Job
    listener: Listener
    _later: list[Command] = field(default_factory=list)

    def send(self, *steps: Step) -> None:
        """Run steps; raises the error of the first that fails, with its place."""
        self.write(())
        self._run(steps)

    def finish(self, turn: Turn, *steps: Step) -> None:
        """Run the steps that end the script and empty its journal, the last of them a COMMIT; then confirm the turn.

        The turn stays as it is where they fail, and is COMMITTED where the history then says something else.
        """
        turn.ran_through()
        self._run([*steps, *confirming(turn)], turn)
        self._later.clear()

    def _run(self, steps: Sequence[Step], turn: Turn | None = None) -> None:
        exchange = run_steps(self.connection, steps, self.listener, *([turn.answered] if turn else []))
        if turn is not None and turn.state is not State.THROUGH:
            turn.require_committed(exchange)
        if exchange.error is not None and exchange.failed is not None:
            raise failure(self.job, exchange.failed, exchange.error)

    def run(self, statement: Statement) -> None:
        """Run a statement of the script by itself."""
        self.send(Step(self.job.command(statement), statement))

    def write(self, commands: Sequence[Command], *, behind: Sequence[Command] = ()) -> None:
        """Write to the journal in a transaction of its own; `behind` it come commands in the same round trip."""
        commands, self._later = [*self._later, *commands], []
        if commands:
            self._run([*map(Step, (BEGIN, *as_login(self.job), *commands, COMMIT, *behind))])

    def later(self, *commands: Command) -> None:
        """Write to the journal with what is written next."""
        self._later += commands

    def write_what_is_left(self) -> None:
        """Write what was left for later, behind an error, which is not to be hidden by another one."""
        if not self.connection.closed:
            with suppress(Error, psycopg.Error):
                self.write(())


def found_journal(schema: str, job: Job, run: Run, stopped: HalfWay | None) -> Journal:
    """Begin with what is known of a script that stopped half way, if it did so in this operation."""
    entries = stopped.entries if stopped and stopped.operation == job.operation else ()
    return Journal(schema, job, run, list(entries), resumed=bool(entries))


def digest(block: Sequence[Statement]) -> str:
    """Return SHA-256 of the text of statements; another kind of line end is no edit."""
    text = ";".join(item.text for item in block)
    return hashlib.sha256(text.replace("\r\n", "\n").encode()).hexdigest()
