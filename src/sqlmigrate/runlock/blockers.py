"""Watch our own worker from another connection: who blocks it, and whether its server is still there."""

from __future__ import annotations

import math
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import psycopg
from psycopg import pq

from sqlmigrate import queries
from sqlmigrate.connection import connect, settle, silence
from sqlmigrate.connection.address import at_server_of, home_of, is_starting
from sqlmigrate.errors import ConnectionFailed, HistoryError
from sqlmigrate.events import Blocked, Blocker
from sqlmigrate.runlock import aside
from sqlmigrate.runlock.harm import Limits, Tally
from sqlmigrate.runlock.progress import Followed, at_work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlmigrate.connection.address import Home
    from sqlmigrate.connection.silence import Session
    from sqlmigrate.events import Harm, Observer
    from sqlmigrate.migrations import ScriptRun
    from sqlmigrate.runlock.lock import RunLock
    from sqlmigrate.runlock.progress import Row

T = TypeVar("T")

# in seconds; pg_blocking_pids takes the lock manager's locks: not too often
_INTERVALS = {"waiters": 0.5, "blockers": 0.3, "at_work": 1.0}
_ON_GUARD = 0.2  # how often those who wait are counted where a guard is set
_GUARD_COUNTS = 5.0  # a statement that was cancelled fails within so many seconds
_TICK = 0.1  # about so often `look` is called while the worker's server is silent
_ANSWER_SECONDS = 0.05  # an answer usually comes at once; one that does not is read at the next look
_LAST_SECONDS = 1.0  # for an answer that was still under way when the lock was given up
_SETTLED_SECONDS = 8.0
_FOR_US = frozenset({"ClientRead", "ClientWrite"})
"""The events that a server process waits for where its client is to send or to read something."""


@dataclass(slots=True)
class Watcher:
    """Looks up, while the worker is silent, who keeps it from a lock; `blockers` are the last ones.

    It never waits for an answer. One that does not come for `silence.SECONDS`, or a lost connection, means that the
    network or the server's host may be gone; the system cannot tell that of the worker while its server takes nothing.
    Where worker and server wait for each other, something between swallows what they say: after the same time the
    watcher ends the worker's session, so that its locks are gone.
    `conninfo` leads to the worker's server, or to another one by the time that is lost; `home` is that of the
    worker, None where it is not known.
    """

    conninfo: str
    connection: Session
    worker: Session
    worker_pid: int
    observer: Observer
    limits: Limits = field(default_factory=Limits)
    home: Home | None = None
    blockers: tuple[Blocker, ...] = ()
    unreachable: bool = False
    _script: Followed = field(default_factory=Followed)
    _harm: Tally = field(default_factory=Tally)
    _guard: tuple[str, float] | None = None
    _address: tuple[str, int] | None = None
    _here: str = ""
    _due: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("blockers", "at_work"), 0.0))
    _question: str = ""
    _asked: float | None = None
    _found: list[Row] = field(default_factory=list)
    _said: list[Row] | None = None
    _failed: bool = False
    _waits_for_limit: bool = False
    _lost: bool = False
    _moved: int = -1
    _for_us: int = 0

    def __post_init__(self) -> None:
        """Note where the server is, while that is known."""
        self._address = silence.address_of(self.connection)
        self._here = at_server_of(self.conninfo, self.worker)

    def begin(self, script_run: ScriptRun, number: int, total: int) -> None:
        """Turn to another script, the `number`th of `total`."""
        now = time.monotonic()
        self._script, self.blockers = Followed(script_run.migration_id, script_run.script, number, total, now), ()
        self._harm, self._waits_for_limit = Tally(script_run.migration_id), False
        self._due = {question: now + interval for question, interval in _INTERVALS.items()}

    def sum_up(self) -> None:
        """Tell whom an attempt at the script has hurt, at its end."""
        found, self._harm = self._harm.summary(), Tally(self._script.migration_id)
        self._waits_for_limit = False
        if found is not None:
            self.observer(found)

    def harm_so_far(self) -> Harm | None:
        """Say whom the attempt has hurt until now, if that is worth telling."""
        return self._harm.summary()

    def aside(self, text: str) -> bool:
        """Send commands of ours, unless the answer of a question is still to come; `said` gives theirs, if need be."""
        if self._asked is not None or self._lost or not aside.send(self.connection, text):
            return False
        self._question, self._asked, self._found = "aside", time.monotonic(), []
        self._said, self._failed = None, False
        return True

    def said(self, seconds: float = silence.LOOK_UP_SECONDS) -> list[Row] | None:
        """Wait for the rows of what was sent aside last; None where it failed, or its answer does not come."""
        for _ in range(math.ceil(seconds / _ANSWER_SECONDS)):
            if self._question != "aside" or self._asked is None or self._lost:
                break
            try:
                found = self._answer()
            except (psycopg.Error, OSError, ValueError):
                self._lost = True
                break
            if found is not None:
                self._tell(found)
        return self._said

    def rest(self, seconds: float = silence.LOOK_UP_SECONDS) -> bool:
        """Take the answer that is still to come, so that the connection is free; False where it does not come."""
        if self._asked is not None and not self._lost:
            aside.answered(self.connection, seconds)
            self._asked = None
            self._lost = self.connection.pgconn.transaction_status == pq.TransactionStatus.ACTIVE
        return not self._lost and not self.connection.closed

    def ask(self, text: str) -> list[Row] | None:
        """Ask by a query of ours beside the worker, and wait for its rows; None where no answer is to be had."""
        return aside.answered(self.connection) if self.rest() and aside.send(self.connection, text) else None

    def guarded(self) -> str | None:
        """Return why the worker's statement was cancelled, if it was; asked once, when it has failed."""
        found, self._guard = self._guard, None
        return found[0] if found and time.monotonic() < found[1] + _GUARD_COUNTS else None

    def look(self) -> None:
        """Look once, if it is time to: for sessions in our way and, now and then, for how far the statement is.

        Sessions that are seen for the first time are told to the observer, and so is each progress.

        Raises psycopg.OperationalError, with the worker's session closed, where its server is not there any more.
        """
        now = time.monotonic()
        question, due = min(self._due.items(), key=lambda item: item[1])
        if self._waits_for_limit:  # nothing else delays this
            question, due = "waiters", self._due["waiters"]
        exact = self._waits_for_limit and due <= now + _TICK
        if self._asked is None and now < due and not (exact and self._keeps_silent(due - now)):
            return
        if self._lost:
            self._require_worker(now)
            return
        found = None
        try:
            if self._asked is None:
                self._ask(question, now)
            found = self._answer(_LAST_SECONDS if self._waits_for_limit else _ANSWER_SECONDS)
        except (psycopg.Error, OSError, ValueError):
            self._lost = True
        if found is not None:
            self._tell(found)
        elif self._lost or (self._asked is not None and now > self._asked + silence.SECONDS):
            self._lost, self._asked = True, None
            self._require_worker(now)

    def _keeps_silent(self, seconds: float) -> bool:
        """Tell whether the worker hears nothing for so long."""
        return not silence.is_readable(self.worker, seconds)

    def _ask(self, question: str, now: float) -> None:
        self._question, self._asked, self._found = question, now, []
        is_guard = question == "waiters" and self.limits.any
        self._due[question] = now + (_ON_GUARD if is_guard else _INTERVALS.get(question, math.inf))
        pgconn = self.connection.pgconn
        pgconn.send_query_params(queries.load("watch")[question].encode(), [str(self.worker_pid).encode()])
        pgconn.flush()

    def seen(self) -> tuple[Blocker, ...]:
        """Return who was in the way at last; the answer to a look for them that is under way counts."""
        if self._question == "blockers" and self._asked is not None and not self._lost:
            with suppress(psycopg.Error, OSError, ValueError):  # the next look finds what is wrong
                self._tell(self._answer(_LAST_SECONDS) or [])
        return self.blockers

    def _answer(self, seconds: float = _ANSWER_SECONDS) -> list[Row] | None:
        """Take the answer, if it has come or comes within so many seconds."""
        pgconn = self.connection.pgconn
        if silence.is_readable(self.connection, seconds):
            pgconn.consume_input()
        while not pgconn.is_busy():  # get_result() would wait, for ever
            if (result := pgconn.get_result()) is None:
                self._asked = None
                return self._found
            self._failed = self._failed or result.status == pq.ExecStatus.FATAL_ERROR
            if result.status == pq.ExecStatus.TUPLES_OK:
                self._found = [aside.values(result, row) for row in range(result.ntuples)]
            elif silence.is_farewell(result):
                self.connection.close()  # so that the run lock is known to be lost, too
                raise psycopg.OperationalError("the session that watches was ended")
        return None

    def _tell(self, found: list[Row]) -> None:
        if self._question == "aside":
            self._said = None if self._failed else found
        elif self._question == "at_work":
            for row in found:
                self._require_passage(row)
                if self._script.migration_id:  # whoever hears of it may send something on this connection
                    self.observer(self._script.progress(at_work(row), time.monotonic()))
        elif self._question == "waiters":
            self._guard_others(found)
        elif self._question == "blockers":
            self._tell_blockers(tuple(map(_blocker, found)))

    def _guard_others(self, found: list[Row]) -> None:
        """Cancel the worker's statement where too many wait behind it, or one for too long."""
        reason = self._harm.add(found, self.limits)
        self._waits_for_limit = bool(found and self.limits.seconds)
        if self._waits_for_limit:  # look again just when the first of them has waited for too long
            left = self.limits.seconds - max(float(row[4] or 0) for row in found)
            self._due["waiters"] = min(self._due["waiters"], time.monotonic() + max(left, 0.0))
        if reason is not None and self._guard is None:
            self._guard = reason, time.monotonic()
            self._ask("cancel", time.monotonic())

    def _tell_blockers(self, found: tuple[Blocker, ...]) -> None:
        if {blocker.pid for blocker in found} - {blocker.pid for blocker in self.blockers}:
            self.observer(Blocked(self._script.migration_id or None, found))
        self.blockers = found or self.blockers

    def _require_passage(self, row: Row) -> None:
        """End the worker's session where it hears nothing of a server that has been waiting for it all the time.

        Answers are counted, and not seconds: a client that was suspended has heard nothing either.
        """
        moved, self._moved = self._moved, self.worker.moved
        waits = row[2] in _FOR_US and moved == self._moved and self._keeps_silent(0.0)
        self._for_us = self._for_us + 1 if waits else 0
        if self._for_us * _INTERVALS["at_work"] <= silence.SECONDS:
            return
        self._ask("end", time.monotonic())
        self.worker.close()
        raise psycopg.OperationalError(
            f"for {silence.SECONDS:.0f} seconds, nothing of this session has come through to the server or back"
        )

    def _require_worker(self, now: float) -> None:
        """Go on without this connection where another one finds the worker's server process."""
        self._due = dict.fromkeys(_INTERVALS, now + silence.SECONDS)
        if self._is_there():
            return
        self.unreachable = True
        self.worker.close()
        raise psycopg.OperationalError(f"the server has not answered for {silence.SECONDS:.0f} seconds")

    def _is_there(self) -> bool:
        if not silence.is_reachable(self._address):
            return False
        try:
            with elsewhere(self._here) as other:
                return not _is_gone(other, self.worker_pid)
        except ConnectionFailed as error:
            # a server that refuses a session, for there are too many, is there all the same
            return not isinstance(error.__context__, psycopg.errors.ConnectionTimeout)
        except psycopg.Error:
            return False

    def ended(self) -> bool:
        """Tell, once the worker's session is lost, whether its process has ended, so that what it did is settled."""
        return self.afterwards(lambda _: True) or False

    def afterwards(self, ask: Callable[[Session], T]) -> T | None:
        """Ask in another session once the lost one has ended; None where that cannot be done yet, or not be trusted.

        The server that was lost is asked first. Where it is not there, or is no primary any more, the connection string
        may lead to a standby that has taken its place: it is asked where it surely has the same `home`. What has become
        a standby meanwhile may not have everything yet, and what is in another cluster or database knows nothing: an
        address may lead elsewhere by now, and a name may be that of another database.
        """
        if self.unreachable or not silence.is_reachable(self._address):
            return None
        deadline = time.monotonic() + _SETTLED_SECONDS
        places = [self._here] if self.home is None or self.home.cluster is None else [self._here, self.conninfo]
        for where in places:
            try:
                return self._asked_at(where, deadline, ask)
            except ConnectionFailed:
                continue
            except (HistoryError, psycopg.Error):
                return None
        return None

    def _asked_at(self, where: str, deadline: float, ask: Callable[[Session], T]) -> T:
        """Ask the server that a connection string leads to; raises ConnectionFailed where it is not the one to ask."""
        while True:
            try:
                with elsewhere(where, seconds=_SETTLED_SECONDS) as other:
                    self._require_successor(other)
                    while not _is_gone(other, self.worker_pid):
                        time.sleep(0.1)
                    return ask(other)
            except _NotTheOneError:
                raise
            except ConnectionFailed:
                if time.monotonic() > deadline or not is_starting(where):
                    raise
                time.sleep(0.1)  # after a crash, it recovers

    def _require_successor(self, other: Session) -> None:
        is_same = self.home is None or home_of(other) == self.home
        if not is_same or not _is_primary(other):
            raise _NotTheOneError


class _NotTheOneError(ConnectionFailed):
    """A server is a standby, or of another cluster, or the database is another one by now."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("this server is not the one to ask")


@contextmanager
def watched(conninfo: str, lock: RunLock, worker: Session, pid: int, observer: Observer) -> Iterator[Watcher]:
    """Watch a session from the lock's connection for a block: nothing that it waits for keeps the lock for ever.

    `pid` is its server process.
    """
    watcher = Watcher(conninfo, lock.connection, worker, pid, observer, home=lock.home)
    worker.meanwhile = watcher.look
    try:
        yield watcher
    finally:
        worker.meanwhile = None


@contextmanager
def elsewhere(conninfo: str, *, seconds: float = silence.LOOK_UP_SECONDS) -> Iterator[Session]:
    """Open another session to a server that may be gone; psycopg.OperationalError ends it after so many seconds."""
    with closing(connect(conninfo, seconds=int(silence.LOOK_UP_SECONDS))) as other, silence.limited(other, seconds):
        if other.info.transaction_status == pq.TransactionStatus.INTRANS:
            # through a pooler in session mode, others were refused; a transaction would always see the same sessions
            other.rollback()
            settle(other)
        yield other


def _is_gone(session: Session, pid: int) -> bool:
    row = session.execute(queries.load("watch")["gone"], [pid]).fetchone()
    return bool(row and row[0])


def _is_primary(session: Session) -> bool:
    row = session.execute("SELECT NOT pg_catalog.pg_is_in_recovery()").fetchone()
    return bool(row and row[0])


def _blocker(row: Row) -> Blocker:
    pid, role, application, client, state, seconds, query, direct, waits_for = row
    return Blocker(
        pid=int(pid or 0),
        role=role,
        application=application,
        client=client,
        state=state,
        transaction_seconds=float(seconds) if seconds else None,
        query=query,
        direct=direct != "f",
        waits_for=tuple(map(int, (waits_for or "").split())),
    )
