"""The COMMIT of scripts that are through, and the look at the history behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate.connection import Command, server_message
from sqlmigrate.engine.wire.execute import run_steps
from sqlmigrate.engine.wire.pipeline import Step
from sqlmigrate.engine.wire.session import COMMIT, OURS
from sqlmigrate.errors import ExecutionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlmigrate.connection import Connection
    from sqlmigrate.engine.transaction.job import Job
    from sqlmigrate.engine.wire.execute import Listener
    from sqlmigrate.engine.wire.pipeline import Exchange

_DIVISION_BY_ZERO = "22012"


@dataclass(frozen=True, slots=True)
class Changes:
    """The ids that are not in the history and should be, and those that are and should not."""

    gone: tuple[str, ...] = ()
    back: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Uncommitted:
    """Scripts that are through and checked: their transaction is open, and only its COMMIT is left.

    That goes out alone, or at the head of the next script's pipeline, where it costs no round trip of its own. Behind
    it the history is looked at once more. `told` and `then` are called once that has confirmed it; `look_up` tells,
    where an answer is lost, whether the last job is in the history, and `changes`, where it was not confirmed, what the
    history says and should not. One that is `refused` was rolled back.
    """

    jobs: tuple[Job, ...]
    listener: Listener
    told: Callable[[], None] = lambda: None
    then: Callable[[], None] = lambda: None
    look_up: Callable[[], bool | None] = lambda: None
    changes: Callable[[], Changes] = Changes
    step: Step = field(default_factory=lambda: Step(COMMIT, urgent=True))
    committed: bool = False
    confirmed: bool = False
    refused: bool = False
    _checks: dict[Step, Job] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Know from the beginning what is to be confirmed."""
        self.to_confirm()

    @property
    def job(self) -> Job:
        """The last of the jobs."""
        return self.jobs[-1]

    def to_commit(self) -> list[Step]:
        """Give the COMMIT, unless it is done."""
        return [] if self.committed else [self.step]

    def to_confirm(self) -> list[Step]:
        """Give the look at the history that follows it, as the login role and with the search_path of our own."""
        wanted = [] if self.confirmed else [(job, job.confirm) for job in self.jobs if job.confirm is not None]
        self._checks = {Step(command, urgent=True): job for job, command in wanted}
        return list(self._checks)

    def finished(self, step: Step) -> None:
        """Hear of a step that succeeded."""
        if step is self.step and step.tag == "COMMIT":
            self.committed = True
        self._checks.pop(step, None)
        if self.committed and not self._checks and not self.confirmed:
            self.confirmed = True
            self.told()
            self.then()

    def require_committed(self, exchange: Exchange) -> None:
        """Raise ExecutionError where PostgreSQL found something at COMMIT, rolled back, or undid what was recorded."""
        if exchange.error is not None and exchange.failed is self.step:
            self.refused = True
            raise _at_commit(self.job, exchange.error)
        if not self.committed:
            raise ExecutionError("PostgreSQL rolled the transaction back at COMMIT", migration_id=self.job.migration_id)
        if exchange.error is None or exchange.failed is None or self.confirmed:
            return
        if exchange.failed.command in self.job.trusted:
            raise _not_looked_up(self.job, "somebody has changed what its tables do")
        if job := self._checks.get(exchange.failed):
            raise _unconfirmed(job, exchange.error, self.changes)

    def lost(self) -> ExecutionError:
        """Tell what became of a COMMIT whose answer was lost."""
        return _lost_at_commit(self.job, self.look_up())


def commit(connection: Connection, last: Uncommitted) -> None:
    """Commit the transaction of a job; raises ExecutionError where PostgreSQL refuses it."""
    try:
        steps = [*last.to_commit(), Step(OURS), *_in_transaction(last.job.trusted, last.to_confirm())]
        exchange = run_steps(connection, steps, last.listener, last.finished)
    except psycopg.OperationalError:
        if not connection.closed:
            raise  # of somebody who listens
        if last.confirmed:
            return  # the answer has come; whatever else is to be done finds out that the connection is gone
        raise last.lost() from None
    last.require_committed(exchange)


def _in_transaction(trusted: Sequence[Command], confirm: Iterable[Step]) -> Iterator[Step]:
    """Look at the history; where others can change its tables, since the COMMIT has given their lock back, anew."""
    if not trusted:
        yield from confirm
        return
    yield from map(Step, (Command("BEGIN"), *trusted))
    yield from confirm
    yield Step(Command("COMMIT"))


def _lost_at_commit(job: Job, happened: bool | None) -> ExecutionError:  # noqa: FBT001  three answers, not a switch
    """Tell what became of a COMMIT whose answer was lost: the history was asked afterwards."""
    done = job.script_run.done
    answer = {
        True: (f"it is {done}: the history says so", "run the command again to go on with what is left"),
        False: (f"it is not {done}: PostgreSQL has rolled it back", "run the command again"),
        None: (
            "whether it happened is not known: the server does not answer, and may still hold the transaction",
            "`sqlmigrate status` tells when it is reachable; whichever it is, it is whole",
        ),
    }
    words, hint = answer[happened]
    message = f"the connection was lost at COMMIT; {words}"
    kept = happened is not False
    return ExecutionError(message, migration_id=job.migration_id, place=job.place, hint=hint, kept=kept)


def _at_commit(job: Job, error: psycopg.Error) -> ExecutionError:
    """Report what PostgreSQL found only at COMMIT, such as a serialization failure."""
    said = server_message(error.diag, str(error))
    message = f"{said.message} (found at COMMIT)"
    return ExecutionError(message, migration_id=job.migration_id, server=said, place=job.place)


def _unconfirmed(job: Job, error: psycopg.Error, changes: Callable[[], Changes]) -> ExecutionError:
    """Report that the history does not say what was committed, or that it could not be asked."""
    said = server_message(error.diag, str(error))
    if said.sqlstate != _DIVISION_BY_ZERO:
        return _not_looked_up(job, said.message)
    found = changes()
    if not found.gone and not found.back:  # by now it is as it should be, or it cannot be read
        ours = (job.migration_id,)
        found = Changes(gone=ours) if job.operation == "apply" else Changes(back=ours)
    return ExecutionError(
        f"it was committed, but the history does not say {_should_say(found)}: code that ran at COMMIT has changed it",
        migration_id=job.migration_id,
        place=job.place,
        hint=f"look for a deferred trigger that writes the history's tables; then {_to_mend(found)} puts the history "
        "right",
        kept=True,
    )


def _should_say(found: Changes) -> str:
    parts = ((found.gone, "applied"), (found.back, "rolled back"))
    return " and ".join(f"that {_list(ids)} {'are' if len(ids) > 1 else 'is'} {done}" for ids, done in parts if ids)


def _to_mend(found: Changes) -> str:
    parts = (("mark", found.gone), ("unmark", found.back))
    return " and ".join(f"`sqlmigrate {mark} {' '.join(ids)}`" for mark, ids in parts if ids)


def _list(ids: Sequence[str]) -> str:
    *others, last = ids
    return f"{', '.join(others)} and {last}" if others else last


def _not_looked_up(job: Job, reason: str) -> ExecutionError:
    message = f"it was committed, but whether the history says so could not be looked up: {reason}"
    hint = "`sqlmigrate status` tells"
    return ExecutionError(message, migration_id=job.migration_id, place=job.place, hint=hint, kept=True)
