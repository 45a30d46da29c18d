"""Between the coordinator and whatever carries out orders: submits, waits, writes the ledger, and tells.

It knows the clock and the ledger, and of what carries orders out only that it takes one and gives a Future
(`concurrent.futures`): a pool of threads, or machines.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol

from sqlmigrate.errors import redact
from sqlmigrate.events.record import utc
from sqlmigrate.fleet.coordinator import Stop
from sqlmigrate.fleet.ledger.model import Entry
from sqlmigrate.fleet.model import Failure, Outcome, State, Verdict
from sqlmigrate.fleet.order import Order

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from sqlmigrate.engine import Options
    from sqlmigrate.fleet.coordinator import Coordinator
    from sqlmigrate.fleet.model import Wanted, Wave
    from sqlmigrate.history.model import Run


@dataclass(frozen=True, slots=True)
class WaveBegun:
    """A wave begins."""

    wave: Wave


@dataclass(frozen=True, slots=True)
class TargetEnded:
    """A target has ended, or is deferred; `left` says how many of the run are still to come or under way."""

    entry: Entry
    left: int


@dataclass(frozen=True, slots=True)
class Stopping:
    """No target is opened any more; `running` are still under way."""

    why: Stop
    running: int


@dataclass(frozen=True, slots=True)
class NotAllKept:
    """The ledger does not have all of a run, and why; the histories of the targets have."""

    why: str


Step = WaveBegun | TargetEnded | Stopping | NotAllKept


class Writer(Protocol):
    """What takes down how a run goes on."""

    def add(self, entry: Entry) -> None:
        """Add where a target stands."""

    def end(self, at: str, why: str | None) -> None:
        """Say that the run has ended."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a run goes from wave to wave: after `pause` seconds, and where `approve` says so (None: without asking).

    At `deadline`, by `time.monotonic`, no target is opened any more.
    """

    pause: float = 0.0
    approve: Callable[[Wave], bool] | None = None
    deadline: float | None = None


@dataclass(slots=True)
class Driver:
    """One run: `submit` begins to carry out an order and comes back at once.

    `entries` are the last of each target, `before` the attempts that an earlier part of the run has made.
    """

    coordinator: Coordinator
    run: Run
    wanted: Wanted
    options: Options
    submit: Callable[[Order], Future[Outcome]]
    ledger: Writer
    observer: Callable[[Step], None]
    manner: Manner = field(default_factory=Manner)
    before: Mapping[str, int] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    _led: dict[str, str] = field(default_factory=dict)  # which target a mark of a history belongs to
    _told: SimpleQueue[tuple[str, Future[Outcome]] | Stop | None] = field(default_factory=SimpleQueue)
    _interrupts: int = 0

    def interrupt(self) -> None:
        """Stop, from a signal handler or another thread: nothing is opened any more; twice: nothing is waited for."""
        self._told.put(None)

    def lose(self, why: Stop) -> None:
        """Stop, from another thread, since whoever carries orders out is lost: nothing is waited for any more."""
        self._told.put(why)

    def drive(self) -> None:
        """Carry out the run; when it comes back, every target has ended."""
        self._begin_wave()
        while not self.coordinator.finished:
            self._keep_deadline()
            while (name := self.coordinator.next()) is not None:
                self._open(name)
            if (wave := self.coordinator.upcoming) is not None:
                self._go_on(wave)
            elif not self.coordinator.finished:
                self._take(None)
        self._leave()
        self.ledger.end(now(), self.coordinator.stopped.value if self.coordinator.stopped else None)

    def _begin_wave(self) -> None:
        if self.coordinator.wave is not None:
            self.observer(WaveBegun(self.coordinator.wave))

    def _go_on(self, wave: Wave) -> None:
        """Go on to the next wave, unless somebody or something stops the run before."""
        end = time.monotonic() + self.manner.pause
        while self.manner.pause and not self._is_stopped() and time.monotonic() < end:
            self._take(end)
        if not self._is_stopped() and self.manner.approve is not None and not self.manner.approve(wave):
            self._stop(Stop.NOT_APPROVED)
        while not self._told.empty():  # nothing is under way, so it is somebody who stops
            self._take(None)
        if not self._is_stopped():
            self.coordinator.proceed()
            self._begin_wave()

    def _is_stopped(self) -> bool:
        return self.coordinator.stopped is not None

    def _open(self, name: str) -> None:
        self._note(Entry(name, State.RUNNING, now(), self._wave(), self._attempt(name)))
        patient = self.coordinator.attempts[name] > 1
        try:
            future = self.submit(Order(name, self.wanted, self.run, self.options, patient=patient))
        except Exception as error:  # noqa: BLE001  an executor that takes no more is the failure of a target
            self._end(name, _not_carried_out(name, error))
            return
        future.add_done_callback(lambda ended: self._told.put((name, ended)))

    def _take(self, until: float | None) -> None:
        """Wait for the next thing that is told, at most until a moment or the deadline, and take it in."""
        moments = [moment for moment in (until, self._deadline()) if moment is not None]
        try:
            told = self._told.get(timeout=max(min(moments) - time.monotonic(), 0.0) if moments else None)
        except Empty:
            self._keep_deadline()
            return
        if told is None:
            self._interrupted()
        elif isinstance(told, Stop):
            self._stop(told)
            self._abandon()
        else:
            self._end(told[0], _outcome(*told))

    def _keep_deadline(self) -> None:
        if (deadline := self._deadline()) is not None and time.monotonic() >= deadline:
            self._stop(Stop.DEADLINE)

    def _deadline(self) -> float | None:
        return None if self.coordinator.stopped else self.manner.deadline

    def _interrupted(self) -> None:
        self._interrupts += 1
        if self._interrupts == 1:
            self._stop(Stop.INTERRUPTED)
        else:
            self._abandon()

    def _abandon(self) -> None:
        """Wait no longer for what is under way; each target's history tells what has become of it."""
        for name in self.coordinator.abandon():
            self._note(Entry(name, State.INTERRUPTED, now(), self._wave(), self._attempt(name)))

    def _stop(self, why: Stop) -> None:
        self.coordinator.stop(why)
        self.observer(Stopping(why, self.coordinator.running))

    def _end(self, name: str, outcome: Outcome) -> None:
        stopped = self.coordinator.stopped
        if outcome.where and (other := self._led.setdefault(outcome.where, name)) != name:
            outcome = replace(outcome, verdict=Verdict.FAILED, failure=_same_target(other))
        failure = outcome.failure
        state = self.coordinator.ended(name, outcome.verdict, failure.fingerprint if failure else "")
        if state is State.INTERRUPTED:
            return  # nobody waits for it any more
        entry = Entry(
            name, state, now(), self._wave(), self._attempt(name), outcome.seconds, outcome.migrations,
            failure, outcome.blocker, outcome.worker,
        )  # fmt: skip
        self._note(entry)
        self.observer(TargetEnded(entry, self.coordinator.left))
        if self.coordinator.stopped is not stopped and self.coordinator.stopped is not None:
            self.observer(Stopping(self.coordinator.stopped, self.coordinator.running))

    def _leave(self) -> None:
        """Write down that those are left which were tried, and not tried again."""
        left = [entry for entry in self.entries.values() if self.coordinator.states[entry.target] is State.LEFT]
        for entry in left:
            self._note(replace(entry, state=State.LEFT, at=now()))

    def _note(self, entry: Entry) -> None:
        self.entries[entry.target] = entry
        self.ledger.add(entry)

    def _attempt(self, name: str) -> int:
        return self.before.get(name, 0) + self.coordinator.attempts[name]

    def _wave(self) -> str:
        return self.coordinator.wave.name if self.coordinator.wave else ""


def _outcome(name: str, ended: Future[Outcome]) -> Outcome:
    try:
        return ended.result()
    except BaseException as error:  # noqa: BLE001  of the executor: a task raises nothing
        return _not_carried_out(name, error)


def _not_carried_out(name: str, error: BaseException) -> Outcome:
    """Say that an order was lost by whoever was to carry it out; the target's history tells what became of it."""
    kind = type(error).__name__
    words = redact(str(error)) or kind
    return Outcome(name, Verdict.FAILED, failure=Failure(kind, f"nobody carried it out: {words}", fingerprint=kind))


def _same_target(other: str) -> Failure:
    """Say that a target is another one of the run, so that what has become of it is told twice."""
    what = f"it is the same as {other}: its address leads to the same history"
    return Failure("SameTarget", what, fingerprint="same target", hint="keep one of them in the list")


def now() -> str:
    """Return this moment in UTC, as the ledger writes it."""
    return utc(datetime.now(UTC))
