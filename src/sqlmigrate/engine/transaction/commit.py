"""How far a transaction of a run has come, how its COMMIT is sent, and the look at the history behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from shlex import quote
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate.connection import Command, Purpose, server_message, silence
from sqlmigrate.engine.wire.execute import run_steps
from sqlmigrate.engine.wire.pipeline import Step
from sqlmigrate.engine.wire.session import COMMIT, OURS
from sqlmigrate.errors import ExecutionError, Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlmigrate.connection import Connection, ServerInfo
    from sqlmigrate.engine.transaction.job import Job
    from sqlmigrate.engine.wire.execute import Listener
    from sqlmigrate.engine.wire.pipeline import Exchange

_DIVISION_BY_ZERO = "22012"


@dataclass(frozen=True, slots=True)
class Changes:
    """How the history differs from what it should say.

    `gone` are the ids that should be there, `back` those that should not, `bare` those of which nothing is recorded any
    more: no digests, texts and place in the order of application.
    """

    gone: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()


class State(Enum):
    """How far a turn has come; the methods of `Turn` lead from one to the next."""

    WAITING = "it has not begun: the turn before is not confirmed yet"
    BEGUN = "its scripts run, and nothing of them is committed"
    THROUGH = "all has run and was checked; the transaction is open, and only its COMMIT is left"
    COMMITTED = "PostgreSQL has committed it; the history is still to be looked at"
    CONFIRMED = "it is committed, and the history says so"
    REFUSED = "PostgreSQL rolled it back at COMMIT, so its scripts must run again before another COMMIT"
    LOST = "the connection was lost at COMMIT, before the answer came"


@dataclass(slots=True, eq=False)
class Turn:
    """One transaction of a run, with one script or with all of --single-transaction, and how far it has come.

    ::

        WAITING --begin--> BEGUN --ran_through--> THROUGH --answered--> COMMITTED --answered--> CONFIRMED
                                                  |    ^  |
                            (require_committed)   v    |  +--lost--> LOST
                                              REFUSED--+
                                                       (its scripts run again, then ran_through)

    The COMMIT goes out alone (`commit`), or along with the next turn (`may_go_along`): then this is the turn `before`
    that one, which begins at the moment when this one is confirmed. A script outside a transaction is THROUGH when only
    the transaction of its history row is left. `leave` is the command, behind a script, that decides whether the COMMIT
    flushes the WAL; `flushes` what it decided. Whoever is to hear of a turn makes a subclass of it.
    """

    jobs: tuple[Job, ...]
    listener: Listener
    before: Turn | None = None
    leave: Command | None = None
    flushes: bool = True
    state: State = State.WAITING
    _unconfirmed: dict[Step, Job] = field(default_factory=dict)

    @property
    def job(self) -> Job:
        """The last of the jobs."""
        return self.jobs[-1]

    def on_begin(self) -> None:
        """Hear that the turn has begun."""

    def on_done(self) -> None:
        """Hear that what the turn did is committed, and that the history says so."""

    def look_up(self) -> bool | None:
        """Ask the history whether the last job happened; None where that cannot be known."""
        return None

    def changes(self) -> Changes:
        """Read the history, where it was not confirmed, and give what it says and should not."""
        return Changes()

    def begin(self) -> None:
        """Begin, unless that is done: an attempt that failed, or was refused, is the same turn."""
        if self.state is State.WAITING:
            self.state = State.BEGUN
            self.on_begin()

    def ran_through(self) -> None:
        """Note that everything has run and was checked, all but the COMMIT."""
        self.state, self.before = State.THROUGH, None
        self.to_confirm()  # so that no COMMIT counts as confirmed for want of anything to confirm

    def done(self) -> None:
        """Note that it is committed and confirmed."""
        self.state = State.CONFIRMED
        self.flushes = self.flushes and not self.listener.unreplicated
        self.on_done()

    def to_commit(self) -> list[Step]:
        """Return the COMMIT, unless it is done."""
        return [Step(COMMIT, urgent=True, listener=self.listener)] if self.state is State.THROUGH else []

    def to_confirm(self) -> list[Step]:
        """Return the look at the history that follows it, as the login role and with the search_path of our own."""
        self._unconfirmed = {Step(job.confirm, urgent=True): job for job in self.jobs if job.confirm is not None}
        return list(self._unconfirmed)

    def answered(self, step: Step) -> None:
        """Hear of a step that succeeded: of this turn, or of the one along with which its COMMIT goes."""
        if self.state is State.THROUGH and step.purpose is Purpose.COMMIT and step.tag == "COMMIT":
            self.state = State.COMMITTED  # PostgreSQL answers ROLLBACK where that is what it did
        self._unconfirmed.pop(step, None)
        if self.state is State.COMMITTED and not self._unconfirmed:
            self.done()

    def require_committed(self, exchange: Exchange) -> None:
        """Raise ExecutionError where PostgreSQL found something at COMMIT, rolled back, or undid what was recorded."""
        error, failed = exchange.error, exchange.failed
        if self.state is State.THROUGH:
            self.state = State.REFUSED
            raise _at_commit(self.job, error if failed and failed.purpose is Purpose.COMMIT else None)
        if error is None or failed is None or self.state is State.CONFIRMED:
            return
        if failed.purpose is Purpose.TRUST and error.sqlstate == _DIVISION_BY_ZERO:
            raise _not_looked_up(self, self.job, "somebody has changed what its tables do")
        job = self.job if failed.purpose is Purpose.TRUST else self._unconfirmed.get(failed)
        if job is not None:
            raise _unconfirmed(job, error, self)

    def interrupted(self, connection: Connection, stop: KeyboardInterrupt) -> KeyboardInterrupt:
        """Return what Ctrl-C is to say that came before the answer to COMMIT was read: it may have happened."""
        if self.state is not State.THROUGH or isinstance(stop, Interrupted) or silence.is_usable(connection):
            return stop
        ids = _list([job.migration_id for job in self.jobs])
        left = f"whether the COMMIT of {ids} has happened is not known: `sqlmigrate status` tells"
        return Interrupted.leaving(left, stop)

    def lost(self) -> ExecutionError:
        """Note that the answer to COMMIT was lost; gives what became of it."""
        self.state = State.LOST
        return _lost_at_commit(self.job, self.look_up())


def may_go_along(job: Job, info: ServerInfo) -> bool:
    """Decide whether a COMMIT may go along with the next script, at the head of its pipeline; else it goes out alone.

    A large script is read as it runs, and if its file has changed meanwhile, it stops there, with the COMMIT already
    sent. An old pooler answers before it has heard what follows. Up to PostgreSQL 14.4, DISCARD ALL counts as the query
    after which no isolation level can be set. A script outside a transaction has no pipeline for it.
    """
    if not job.transactional or info.pooled:
        return False
    return job.script.text is not None and job.script.directives.isolation is None


def commit(connection: Connection, turn: Turn) -> None:
    """Commit a turn that is through, with nothing along; raises ExecutionError where PostgreSQL refuses it."""
    try:
        exchange = run_steps(connection, [*turn.to_commit(), *confirming(turn)], turn.listener, turn.answered)
    except psycopg.OperationalError:
        if not connection.closed:
            raise  # from the caller's observer, not from this connection
        if turn.state is State.CONFIRMED:
            return  # the answer has come; whatever else is to be done finds out that the connection is gone
        raise turn.lost() from None
    except KeyboardInterrupt as stop:
        raise turn.interrupted(connection, stop) from None
    turn.require_committed(exchange)


def confirming(turn: Turn) -> Iterator[Step]:
    """Look at the history behind a COMMIT that went out alone.

    Where others can change its tables, they are looked at anew, since the COMMIT has given their lock back: READ WRITE,
    since a session that a script has made read only by default could not take it again.
    """
    trusted = turn.job.trusted
    yield Step(OURS)
    yield from map(Step, (Command("BEGIN READ WRITE"), *trusted) if trusted else ())
    yield from turn.to_confirm()
    if trusted:
        yield Step(Command("COMMIT"))


def _lost_at_commit(job: Job, happened: bool | None) -> ExecutionError:  # noqa: FBT001  three answers, not a switch
    """Tell what became of a COMMIT whose answer was lost: the history was asked afterwards."""
    done = job.script_run.done
    answer = {
        True: (f"it is {done}: the history says so", "run the command again to go on with what is left"),
        False: (f"it is not {done}: PostgreSQL has rolled it back", "run the command again"),
        None: (
            (
                "whether it happened is not known: the server that ran it does not answer, and may still hold the "
                "transaction"
            ),
            (
                "run `sqlmigrate status` when you can reach it again; either way, the script is there as a whole or "
                "not at all"
            ),
        ),
    }
    words, hint = answer[happened]
    message = f"the connection was lost at COMMIT; {words}"
    kept = happened is not False
    return ExecutionError(message, migration_id=job.migration_id, place=job.place, hint=hint, kept=kept)


def _at_commit(job: Job, error: psycopg.Error | None) -> ExecutionError:
    """Report what PostgreSQL found only at COMMIT, such as a serialization failure."""
    if error is None:
        return ExecutionError("PostgreSQL rolled the transaction back at COMMIT", migration_id=job.migration_id)
    said = server_message(error.diag, str(error))
    message = f"{said.message} (found at COMMIT)"
    return ExecutionError(message, migration_id=job.migration_id, server=said, place=job.place)


def _unconfirmed(job: Job, error: psycopg.Error, turn: Turn) -> ExecutionError:
    """Report that the history does not say what was committed, or that it could not be asked."""
    said = server_message(error.diag, str(error))
    if said.sqlstate != _DIVISION_BY_ZERO:
        return _not_looked_up(turn, job, said.message)
    found = turn.changes()
    if not found.gone and not found.back and not found.bare:  # by now it is as it should be, or it cannot be read
        ours = (job.migration_id,)
        found = Changes(gone=ours) if job.operation == "apply" else Changes(back=ours)
    by, of = ("code that ran at COMMIT", "a deferred trigger") if job.transactional else ("the script", "a procedure")
    if not found.gone and not found.back:
        by, of = "a script of this run", "a script"
    return ExecutionError(
        f"{_committed(turn)}, but the history does not say {_should_say(found)}: {by}, or another session, has changed "
        "it",
        migration_id=job.migration_id,
        place=job.place,
        hint=f"look for {of}, or somebody else, that writes the history's tables; then {_to_mend(found)} corrects the "
        "history",
        kept=True,
    )


def _committed(turn: Turn) -> str:
    """Say what was committed: of several scripts all of them, though an error stands at one."""
    ids = [job.migration_id for job in turn.jobs]
    return "it was committed" if len(ids) == 1 else f"{_list(ids)} were committed together"


def _should_say(found: Changes) -> str:
    parts = ((found.gone, "applied"), (found.back, "rolled back"))
    said = [f"that {_list(ids)} {'are' if len(ids) > 1 else 'is'} {done}" for ids, done in parts if ids]
    return " and ".join([*said, *([f"which scripts of {_list(found.bare)} were applied"] if found.bare else ())])


def _to_mend(found: Changes) -> str:
    parts = (("mark", found.gone), ("unmark", (*found.back, *found.bare)), ("mark", found.bare))
    return " and ".join(f"`sqlmigrate {mark} {' '.join(map(quote, ids))}`" for mark, ids in parts if ids)


def _list(ids: Sequence[str]) -> str:
    *others, last = ids
    return f"{', '.join(others)} and {last}" if others else last


def _not_looked_up(turn: Turn, job: Job, reason: str) -> ExecutionError:
    message = f"{_committed(turn)}, but whether the history says so could not be looked up: {reason}"
    hint = "`sqlmigrate status` shows what is recorded"
    return ExecutionError(message, migration_id=job.migration_id, place=job.place, hint=hint, kept=True)
