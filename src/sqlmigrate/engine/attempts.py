"""What became of the attempts of a run, written into the history on the run lock's connection.

So a transaction that is rolled back does not take it along. A run says at its beginning that it is under way, and at
its end that it no longer is; what a run finds of another one was killed. Nothing of this is worth an error: where it
cannot be written, it is not.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlmigrate import history
from sqlmigrate.connection import silence
from sqlmigrate.engine.wire.session import application_name
from sqlmigrate.errors import Error, ExecutionError
from sqlmigrate.events import Harm, KilledRunFound, LockRetry, Progress, ScriptFinished, ScriptStarted, ignore
from sqlmigrate.history.attempts import Attempt, Writing
from sqlmigrate.runlock import aside
from sqlmigrate.runlock.retry import CANCELED, RETRIED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlmigrate.connection import Connection
    from sqlmigrate.connection.silence import Session
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Event, Observer
    from sqlmigrate.history import HalfWay, History
    from sqlmigrate.plan import Plan
    from sqlmigrate.runlock.aside import Row
    from sqlmigrate.runlock.blockers import Watcher

_FIRST_SEEN, _SEEN_LEAST = 1.0, 60.0  # seconds between two notes of how far a run is; they double
_AFTER_STOP_SECONDS = 1.0  # the cancelled statement has been waited for already


@dataclass(slots=True)
class Attempts:
    """The attempts of one run; it hears of them as an observer does."""

    options: Options
    plan: Plan
    together: bool = False
    run: history.Run = field(default_factory=history.Run)
    _writing: Writing | None = None
    _watcher: Watcher | None = None
    _lock: Session | None = None
    _sent: bool = False
    _now: Attempt = field(default=Attempt("", None, "", 1, 0.0))
    _began: float = 0.0
    _harm: dict[str, Harm] = field(default_factory=dict)
    _pause: float = _FIRST_SEEN
    _due: float = 0.0

    def begin(self, watcher: Watcher, found: History) -> None:
        """Say that the run begins; the answer is taken by `begun`, when something else has been waited for."""
        self._watcher, self._lock = watcher, watcher.connection
        self._writing = Writing(self._lock, self.options.schema, self.options.history_owners, self.run)
        if found.attempts and watcher.rest():
            self._sent = watcher.aside(self._begin(self._writing))

    def begun(self, connection: Connection, found: History, observer: Observer) -> None:
        """Tell of runs that were killed, by what the history says of what they were to do.

        Whether a session of theirs is still at work is asked in the worker's.

        A table that has just been made knows of none: that this run begins is written into it beside the first script.
        """
        if not self._sent and found.attempts:
            return
        rows = self._watcher.said() if self._sent and self._watcher else None
        if rows is None:
            self._writing = None
            return
        at_work = self._at_work(connection) if rows else {}
        for row in rows:
            self._place(_Dead.read(row), found, at_work, observer)

    def _at_work(self, connection: Connection) -> Mapping[str, int]:
        """Return the sessions that are still at work on a script, by the names that they have for it."""
        from sqlmigrate.runlock.workers import workers  # noqa: PLC0415  few runs are killed

        return {item.application: item.pid for item in workers(connection, self.options.schema) if item.is_busy}

    def _begin(self, writing: Writing) -> str:
        return writing.begin(self.plan.operation, [step.migration_id for step in self.plan.steps])

    def _place(self, dead: _Dead, found: History, at_work: Mapping[str, int], observer: Observer) -> None:
        """Find out at which migration a run was killed; one that had done everything is forgotten.

        Where its session is still at work, it is told of as that, and again by the next run.
        """
        where = dead.where(found)
        if where is None:
            self._write(lambda writing: writing.nothing(dead.dead_id))
            return
        stopped = found.half_way_of(where)
        statement, line = dead.statement_at(where, stopped)
        pid = at_work.get(application_name(where))
        self._write(
            lambda writing: (
                writing.found(dead.dead_id, where, statement, line) if pid is None else writing.left(dead.dead_id)
            )
        )
        observer(
            KilledRunFound(
                where, dead.operation, dead.began, dead.seen, dead.role, dead.username, dead.hostname, statement, line,
                half_way=stopped is not None, history_run_id=dead.run_id, pid=pid,
            )
        )  # fmt: skip

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Record how the run ends."""
        if self._writing is not None and not self._sent and self._watcher is not None:
            self._watcher.aside(self._begin(self._writing))
        try:
            yield
        except Error as error:
            self._failed(error)
            raise
        except BaseException as stop:
            is_ours = isinstance(stop, KeyboardInterrupt)
            why = str(stop) or (None if is_ours else type(stop).__name__)
            within = _AFTER_STOP_SECONDS if is_ours else silence.LOOK_UP_SECONDS
            self._add("interrupted" if is_ours else "failed", error=why, ends=True, within=within)
            raise
        self.end()

    def observing(self, observer: Observer = ignore) -> Observer:
        """Return an observer that notes what concerns an attempt before another one hears of it."""

        def observe(event: Event) -> None:
            self._hear(event)
            observer(event)

        return observe

    def _hear(self, event: Event) -> None:
        match event:
            case ScriptStarted():
                same = self.together or event.migration_id == self._now.migration_id
                number = self._now.number if same else 1
                self._now = Attempt("running", event.migration_id, event.operation, number, 0.0)
                self._began, self._pause = time.monotonic(), _FIRST_SEEN
                self._due = self._began + self._pause
            case Harm():
                self._harm[event.migration_id] = event
            case LockRetry():
                said = event.message
                why = f"stopped, since {event.guard}" if event.guard else said.message if said else None
                self._add(
                    "guarded" if event.guard else "retried", migration_id=event.migration_id, error=why,
                    sqlstate=said.sqlstate if said else None, line=event.place.line if event.place else None,
                    blockers=event.blockers,
                )  # fmt: skip
                self._began = time.monotonic() + event.pause
                self._now = replace(self._now, number=event.attempt + 1)
            case ScriptFinished() if event.migration_id in self._harm:
                self._add("done", migration_id=event.migration_id, seconds=event.seconds)
            case Progress() if time.monotonic() >= self._due:
                self._seen(event)

    def _seen(self, event: Progress) -> None:
        """Note how far the script is, at ever longer intervals, and without waiting."""
        self._pause = min(self._pause * 2, _SEEN_LEAST)
        self._due = time.monotonic() + self._pause
        if self._writing is None or self._watcher is None:
            return
        place = event.place
        self._now = replace(self._now, statement=event.statement, line=place.line if place else None)
        watcher = self._watcher
        now = replace(
            self._now, seconds=time.monotonic() - self._began, blockers=watcher.blockers, harm=watcher.harm_so_far()
        )
        watcher.aside(self._writing.seen(now))

    def _failed(self, error: Error) -> None:
        of_script = error if isinstance(error, ExecutionError) else None
        sqlstate = of_script.server.sqlstate if of_script and of_script.server else None
        blocked = sqlstate in RETRIED and self._watcher is not None
        self._add(
            "guarded" if sqlstate == CANCELED and error.message.startswith("stopped, since") else "failed",
            migration_id=of_script.migration_id if of_script else None,
            error=error.message,
            sqlstate=sqlstate,
            line=error.place.line if error.place else None,
            blockers=self._watcher.blockers if blocked and self._watcher else (),
            ends=True,
        )

    def _add(
        self,
        state: str,
        *,
        ends: bool = False,
        migration_id: str | None = None,
        within: float = silence.LOOK_UP_SECONDS,
        **known: Any,
    ) -> None:
        name = migration_id or self._now.migration_id
        values: dict[str, Any] = {"seconds": max(time.monotonic() - self._began, 0.0) if self._began else 0.0, **known}
        attempt = replace(
            self._now, state=state, migration_id=name, operation=self.plan.operation,
            harm=self._harm.pop(name or "", None), **values,
        )  # fmt: skip
        self._write(lambda writing: writing.add(attempt, ends=ends), within)

    def _write(self, text: Callable[[Writing], str], within: float = silence.LOOK_UP_SECONDS) -> None:
        """Write, once the watcher's question is answered; it takes a moment, and nothing fails for it.

        Each of the two answers is waited for so many seconds, the second only where the first one has come.
        """
        if self._writing is None or self._lock is None:
            return
        if self._watcher is not None and not self._watcher.rest(within):
            return
        if not self._lock.closed and aside.send(self._lock, text(self._writing)):
            aside.answered(self._lock, within)

    def end(self) -> None:
        """Say that the run is over; it waits, so that nothing of the run goes on when its caller does."""
        self._write(lambda writing: writing.end())


@dataclass(frozen=True, slots=True)
class _Dead:
    """What a run that was killed has left of itself."""

    dead_id: str
    run_id: str
    operation: str
    steps: tuple[str, ...]
    migration_id: str | None
    statement: int | None
    line: int | None
    began: datetime
    seen: datetime | None
    role: str
    username: str | None
    hostname: str | None

    @classmethod
    def read(cls, row: Row) -> _Dead:
        """Read a row of the query `take_dead`."""
        dead_id, run_id, operation, steps, migration_id, statement, line, began, seen, role, username, hostname = row
        return cls(
            str(dead_id),
            str(run_id),
            str(operation),
            tuple(json.loads(steps or "[]")),
            migration_id,
            int(statement) if statement else None,
            int(line) if line else None,
            datetime.fromisoformat(str(began)),
            datetime.fromisoformat(seen) if seen else None,
            str(role),
            username,
            hostname,
        )

    def where(self, found: History) -> str | None:
        """Return the first migration that the run had not done; None where there is none."""
        applied = {item.migration_id for item in found.applied}
        half_way = {item.migration_id for item in found.half_way}
        undone = [
            step for step in self.steps if step in half_way or (step in applied) == (self.operation == "rollback")
        ]
        return self.migration_id if self.migration_id in undone else next(iter(undone), None)

    def statement_at(self, migration_id: str, stopped: HalfWay | None) -> tuple[int | None, int | None]:
        """Return the statement at which it was, and its line, as far as that is known."""
        if stopped is not None and stopped.stopped_at.state != "done":
            return stopped.stopped_at.number, stopped.stopped_at.line
        return (self.statement, self.line) if migration_id == self.migration_id else (None, None)
