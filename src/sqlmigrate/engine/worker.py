"""The worker: one session that runs the scripts of a plan, each in its own way."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate import history
from sqlmigrate.connection import be_patient, server_message, silence
from sqlmigrate.engine.lag import Lag
from sqlmigrate.engine.transaction.commit import Changes, State, Turn, commit, may_go_along
from sqlmigrate.engine.transaction.durable import Durability, left_open, require_kept
from sqlmigrate.engine.transaction.job import Tally, job_for, jobs_together, require_together, script_run
from sqlmigrate.engine.transaction.run import going_on, opening, run_in_transaction, undo
from sqlmigrate.engine.turns import RunTurn, ScriptTurn
from sqlmigrate.engine.wire.execute import Listener
from sqlmigrate.engine.wire.session import CONSTRAINTS, OURS, PRISTINE, SHARED_CONSTRAINTS, back_to_script
from sqlmigrate.errors import ConnectionFailed, Error, ExecutionError, Interrupted
from sqlmigrate.events import Ran, ScriptFinished, ScriptStarted
from sqlmigrate.runlock.harm import Limits
from sqlmigrate.runlock.retry import with_retry
from sqlmigrate.sql.statement.reach import may_set_synchronous_commit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlmigrate import runlock
    from sqlmigrate.connection import ServerInfo
    from sqlmigrate.connection.silence import Session
    from sqlmigrate.engine.transaction.job import Job
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.history import History, Run
    from sqlmigrate.migrations import Migration
    from sqlmigrate.runlock.blockers import Watcher

_FLUSH_SECONDS = 3.0  # after Ctrl-C
_OBJECT_IN_USE = "55006"  # what ALTER TABLE says of a table that has pending trigger events
_DEFERRED = (
    "rows of an earlier script may wait for deferred constraints: write SET CONSTRAINTS ALL IMMEDIATE at its end, "
    "or apply without --single-transaction"
)


@dataclass(slots=True)
class Worker:
    """The session that runs the scripts, with what it needs to know.

    `resume_at` is the statement (1-based) at which a script that stopped half way goes on, where somebody knows better
    than the journal.
    """

    connection: Session
    info: ServerInfo
    options: Options
    observer: Observer
    lock: runlock.RunLock
    watcher: Watcher
    found: History
    resume_at: int | None = None
    run: Run = field(default_factory=history.Run)
    tally: Tally = field(init=False)
    durability: Durability = field(init=False)
    lag: Lag = field(init=False)
    _asked: bool = False

    def __post_init__(self) -> None:
        """Let the watcher know how many others scripts may hurt."""
        self.watcher.limits = Limits(self.options.max_waiters, self.options.max_block / 1000)
        self.tally = Tally(self.found)
        self.durability = Durability(self.info, self.options, self.observer)
        self.lag = Lag(self.watcher, self.options.max_lag / 1000, self.options.lock_budget / 1000, self.observer)

    def begins(self, job: Job, number: int, total: int) -> None:
        """Say that a script begins, the `number`th of `total`."""
        self.observer(ScriptStarted(job.migration_id, job.operation, number, total))
        self.watcher.begin(job.script_run, number, total)

    def run_each(self, steps: Sequence[Migration], operation: str) -> list[Ran]:
        """Run the scripts one after the other, each with a COMMIT of its own."""
        ran: list[Ran] = []
        try:
            self._each(steps, operation, ran)
        except Error as error:
            self._secure(operation)
            lost = {*self.durability.gone, *self.durability.pending}
            done = tuple(item.migration_id for item in ran if item.migration_id not in lost)
            left = left_open(self.durability)
            message = f"{error.message}; {left}" if left and left != error.message else error.message
            raise _of_run(error, operation, done=done, message=message) from None
        except BaseException as stop:
            self._secure_after(stop, operation)
            raise
        return ran

    def _each(self, steps: Sequence[Migration], operation: str, ran: list[Ran]) -> None:
        before: Turn | None = None
        for number, migration in enumerate(steps, 1):
            self._require_lock(before)
            if self.lag.limit:
                self._commit(before)
                before = None
                self.lag.wait(migration.migration_id)
            rows = self.tally.count(migration, operation)
            last = self.tally if number == len(steps) else None
            job = job_for(migration, operation, self.found, self.options, self.run, rows, last)
            following = script_run(steps[number], operation) if number < len(steps) else None
            turn = ScriptTurn(
                (job,),
                self._listener(job),
                leave=self.durability.command(job.script_run, following, several=len(steps) > 1),
                worker=self,
                expected=self.tally.so_far(),
                number=number,
                total=len(steps),
                ran=ran,
            )
            before = self._one(turn, self.run, before)
        self._commit(before)
        self._secure(operation)
        require_kept(self.durability)

    def _make_durable(self) -> None:
        """Make durable what was committed, where no COMMIT has done that; the session is in no transaction."""
        if not self.durability.at_risk:
            return
        try:
            self.connection.execute(PRISTINE.sql.encode())
            be_patient(self.connection)
            self.durability.flush(self.connection)
        except psycopg.Error as error:
            reason = server_message(error.diag, str(error)).message
            raise ExecutionError(f"what was committed could not be made durable: {reason}", kept=True) from None
        self.durability.made()

    def _try_to_make_durable(self) -> None:
        """Do the same after an error, where the session can still be used."""
        if self.durability.at_risk and silence.is_usable(self.connection):
            with suppress(Error):
                undo(self.connection)
                self._make_durable()

    def _secure(self, operation: str) -> None:
        """Make durable what was committed before a run ends, if need be in another session; nothing is raised."""
        self._try_to_make_durable()
        was_lost = self.connection.closed and self.durability.told and not self._asked  # perhaps with its server
        if self.durability.at_risk or was_lost:
            self.connection.close()
            self._afterwards(operation)

    def _secure_after(self, stop: BaseException, operation: str) -> None:
        """Do the same after Ctrl-C, in a short time, and after what an observer raises."""
        if not self.durability.at_risk:
            return
        try:
            if isinstance(stop, KeyboardInterrupt) and silence.is_usable(self.connection):
                silence.roll_back(self.connection, stop)
                with silence.limited(self.connection, _FLUSH_SECONDS):
                    self._try_to_make_durable()
            elif not isinstance(stop, KeyboardInterrupt) or not self.connection.closed:
                self._secure(operation)
        except KeyboardInterrupt as again:
            stop = again
        if isinstance(stop, KeyboardInterrupt) and (left := left_open(self.durability)):
            raise Interrupted.leaving(left, stop) from stop

    def _require_lock(self, before: Turn | None) -> None:
        """Go on under the run lock only; what is through is committed first, since its claim is its own."""
        try:
            self.lock.require()
        except ConnectionFailed:
            self._commit(before)
            raise

    def _one(self, turn: Turn, run: Run, before: Turn | None) -> Turn | None:
        """Run a script; gives its turn where that is through, so that its COMMIT may go along with the next one."""
        ahead = self.durability.must_be_made_before(turn.job, before)
        if before is not None and (ahead or self.options.apart or not may_go_along(turn.job, self.info)):
            self._commit(before)
            before = None
        if ahead:
            self._make_durable()
        if turn.job.transactional:
            turn.before = before
            self._retrying(lambda: self._through(turn))
            return turn
        turn.begin()
        turn.flushes = not may_set_synchronous_commit(turn.job.script)
        try:
            self._step_by_step(turn, run)
        except KeyboardInterrupt as stop:
            left = f"{turn.job.migration_id} may have stopped half way: see `sqlmigrate status`"
            raise Interrupted.leaving(left, stop) from stop
        return None

    def _through(self, turn: Turn) -> None:
        """Run a script in its transaction, all but the COMMIT; that of the turn before goes along."""
        if turn.before is not None and turn.before.state is State.REFUSED:
            self._whole(turn.before)
        if turn.before is None or turn.before.state is State.CONFIRMED:
            turn.before = None  # it is another attempt
            turn.begin()
        job, listener = turn.job, turn.listener
        first = opening(job, self.options, self.info, before=turn.before)
        back = back_to_script(job.script, self.options)
        with self._undoing():
            run_in_transaction(self.connection, turn, job, first, listener, back=back, settled=self.watcher.ended)
        turn.ran_through()

    def _whole(self, turn: Turn) -> None:
        """Commit a turn; where PostgreSQL refused that, for a lock that COMMIT takes, run it once more before."""
        if turn.state is State.REFUSED:
            self._through(turn)
        with self._undoing():
            commit(self.connection, turn)

    def _commit(self, turn: Turn | None) -> None:
        if turn is not None:
            self._retrying(lambda: self._whole(turn))

    @contextmanager
    def _undoing(self) -> Iterator[None]:
        try:
            yield
        except Error:
            undo(self.connection)
            self.watcher.sum_up()
            self._try_to_make_durable()  # another attempt may come late
            raise

    def _listener(self, job: Job) -> Listener:
        return Listener(job.script_run, self.observer, patient=self.info.pooled)

    def _step_by_step(self, turn: Turn, run: Run) -> None:
        from sqlmigrate.engine.stepwise.context import Context  # noqa: PLC0415  most scripts run in a transaction
        from sqlmigrate.engine.stepwise.journal import Sender, found_journal  # noqa: PLC0415  same
        from sqlmigrate.engine.stepwise.stepper import Stepper  # noqa: PLC0415  same

        job, stopped = turn.job, self.found.half_way_of(turn.job.migration_id)
        if stopped is not None and stopped.operation == job.operation:
            resumed = history.log(self.options.schema, job.migration_id, "resume", run, journalled=True)
            job = replace(job, finish=(*job.finish, *resumed))
        journal = found_journal(self.options.schema, job, run, stopped)
        Stepper(
            Context(
                sender=Sender(self.connection, job, turn.listener),
                turn=turn,
                journal=journal,
                options=self.options,
                info=self.info,
                retrying=self._retrying,
                afterwards=lambda: self._after_step(job),
                hold=self.lock.require,
                ask=self.watcher.ask,
                standbys=lambda limit: Lag(self.watcher, limit, 0.0, self.observer),
                resume_at=self.resume_at if journal.resumed else None,
            )
        ).go()

    def changes(self, expected: Tally) -> Changes:
        """Compare the history with what it should say; what cannot be read now is left to `sqlmigrate status`."""
        try:
            undo(self.connection)
            self.connection.execute(OURS.sql.encode())
            found = history.read(self.connection, self.options.schema, owners=self.options.history_owners)
        except (psycopg.Error, Error):
            return Changes()
        now = Tally(found)
        gone = tuple(name for key, name in expected.ids.items() if now.ids.get(key) != name)
        back = tuple(name for key, name in now.ids.items() if expected.ids.get(key) != name)
        bare = expected.recorded - now.recorded
        return Changes(gone, back, tuple(name for key, name in now.ids.items() if key in bare and name not in back))

    def look_up(self, job: Job) -> bool | None:
        """Ask the history whether a job whose COMMIT had no answer happened; None where that cannot be known yet."""
        found = self._afterwards(job.operation)
        if found is None:
            return None
        applied = found.get(job.migration_id) is not None
        if job.operation == "apply":
            return applied
        return not applied and found.half_way_of(job.migration_id) is None  # which it may be a rollback of

    def _after_step(self, job: Job) -> History | None:
        """Read the history after a script outside a transaction was lost; the COMMIT of a statement may not last."""
        found = self._afterwards(job.operation)
        if found is not None:
            self.durability.doubt(job.migration_id)
        return found

    def _afterwards(self, operation: str) -> History | None:
        """Read the history in another session once the lost one has ended; None where that cannot be done yet.

        What was committed is made durable before, so that what is read stays.
        """
        self._asked = True
        at_risk = self.durability.at_risk

        def ask(other: Session) -> History:
            if at_risk:
                self.durability.flush(other)
            return history.read(other, self.options.schema, owners=self.options.history_owners)

        found = self.watcher.afterwards(ask)
        if found is not None:
            self.durability.found(found, operation)
        return found

    def run_together(self, steps: Sequence[Migration], operation: str) -> list[Ran]:
        """Run all scripts in one transaction: all of them or nothing."""
        if not steps:
            return []
        started = time.monotonic()
        jobs = jobs_together(steps, operation, self.found, self.options, self.run, self.tally)
        require_together(jobs)
        self.lag.wait(jobs[0].migration_id)
        try:
            self._retrying(lambda: self._together(jobs))
            self._secure(operation)
            require_kept(self.durability)
        except ExecutionError as error:
            self._secure(operation)
            left = left_open(self.durability)
            message = f"{error.message}; {left}" if left and left != error.message else error.message
            in_use = error.server is not None and error.server.sqlstate == _OBJECT_IN_USE
            hint = _DEFERRED if in_use else error.hint
            raise _of_run(error, operation, together=True, hint=hint, message=message) from None
        except BaseException as stop:
            self._secure_after(stop, operation)
            if isinstance(stop, KeyboardInterrupt) and self.durability.told:
                left = f"the transaction was committed before, with {', '.join(self.durability.told)}"
                raise Interrupted.leaving(left, stop) from stop
            raise
        seconds = time.monotonic() - started
        for job in jobs:
            self.observer(ScriptFinished(job.migration_id, operation, seconds))
        return [Ran(job.migration_id, operation, seconds) for job in jobs]

    def _together(self, jobs: tuple[Job, ...]) -> None:
        """Run scripts in one transaction, from its BEGIN to its COMMIT."""
        commands = (self.durability.command(job.script_run, None, several=False) for job in jobs)
        turn = RunTurn(
            jobs,
            self._listener(jobs[-1]),
            leave=next(filter(None, commands), None),
            worker=self,
            expected=self.tally.so_far(),
        )
        turn.begin()
        with self._undoing():
            for number, job in enumerate(jobs, 1):
                self.begins(job, number, len(jobs))
                self._one_together(turn, job)
                self.watcher.sum_up()
            self.lock.require()
            turn.ran_through()
            commit(self.connection, turn)

    def _one_together(self, turn: Turn, job: Job) -> None:
        """Run one of the scripts that share a transaction."""
        is_last = job is turn.job
        first = (opening if job is turn.jobs[0] else going_on)(job, self.options, self.info)
        listener = turn.listener if is_last else self._listener(job)
        end = (CONSTRAINTS if len(turn.jobs) == 1 else SHARED_CONSTRAINTS) if is_last else None
        back = back_to_script(job.script, self.options) if is_last else []
        run_in_transaction(self.connection, turn, job, first, listener, end=end, back=back, settled=self.watcher.ended)

    def _retrying(self, work: Callable[[], None]) -> None:
        with_retry(
            work,
            budget=self.options.lock_budget / 1000,
            observer=self.observer,
            blockers=self.watcher.seen,
            guarded=self.watcher.guarded,
        )


def _of_run(error: Error, operation: str, **known: object) -> Error:
    """Say what the run knows of an error, and which operation failed, where it is one of a script."""
    return error.replaced(**known, **({"operation": operation} if isinstance(error, ExecutionError) else {}))
