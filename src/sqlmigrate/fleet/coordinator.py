"""Which target is opened when: a state machine that knows no clock, no thread and no database.

It is asked for the `next` target until it has none, told what each has `ended` with, and told to `proceed` from one
wave to the next. So whatever executes the targets, here or on many machines, the limits hold.

**A change that fails everywhere fails on few.** No more targets are under way or deferred than may still fail, and one
for each that has ended well: so the first ones are tried carefully, and a run that goes well soon uses all of its
concurrency.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from enum import Enum
from typing import TYPE_CHECKING

from sqlmigrate.fleet.model import FINAL, WELL, State, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlmigrate.fleet.model import Limits, Wave


class Stop(Enum):
    """Why no target is opened any more, in the words of a report."""

    SAME_ERROR = "the same error came back"
    MAX_FAILURES = "too many targets failed"
    WAVE_FAILED = "most targets of the wave failed"
    DEADLINE = "the deadline has passed"
    NOT_APPROVED = "the next wave was not approved"
    INTERRUPTED = "interrupted"
    SCHEDULER_LOST = "the scheduler is lost"
    NO_WORKERS = "no worker is left"


_ENDS = {Verdict.DONE: State.DONE, Verdict.UNCHANGED: State.UNCHANGED, Verdict.FAILED: State.FAILED}


class Coordinator:
    """One run over all targets, of which `running` are under way; `clusters` says for each which one it is on."""

    def __init__(self, waves: Sequence[Wave], clusters: Mapping[str, str], limits: Limits) -> None:
        self.limits = limits
        self.states: dict[str, State] = {name: State.WAITING for wave in waves for name in wave.targets}
        self.attempts: Counter[str] = Counter()
        self.stopped: Stop | None = None
        self.running = 0
        self._clusters = clusters
        self._waves = deque(waves)
        self._waiting: dict[str, deque[str]] = {}
        self._open_clusters: OrderedDict[str, None] = OrderedDict()  # those with targets that wait and room for one
        self._deferred: list[str] = []
        self._running_on: Counter[str] = Counter()  # by cluster
        self._counts: Counter[State] = Counter()
        self._errors: Counter[str] = Counter()  # failures by fingerprint
        self.wave: Wave | None = None
        self.proceed()

    @property
    def upcoming(self) -> Wave | None:
        """The wave that waits for `proceed`; None while one is under way, behind the last one, and once stopped."""
        idle = not (self.running or self._waiting or self._deferred or self.stopped)
        return self._waves[0] if idle and self._waves else None

    @property
    def finished(self) -> bool:
        """Whether every target has ended."""
        return not (self.running or self._waiting or self._deferred or self._waves)

    @property
    def left(self) -> int:
        """How many targets have not ended yet."""
        return len(self.states) - self._counts.total()

    def count(self, state: State) -> int:
        """Return how many targets have ended in a final state."""
        return self._counts[state]

    def proceed(self) -> None:
        """Begin the next wave; nothing happens while one is under way."""
        if self.upcoming is None:
            return
        self.wave = self._waves.popleft()
        for name in self.wave.targets:
            self._enqueue(name)

    def next(self) -> str | None:
        """Open the next target and return its name; None where none may be opened now."""
        if self._deferred and (not self._waiting or (not self.running and self._room() <= 0)):
            self._take_up_deferred()
        if self.stopped or not self._open_clusters or self.running >= min(self.limits.concurrency, self._room()):
            return None
        cluster, _ = self._open_clusters.popitem(last=False)
        queue = self._waiting[cluster]
        name = queue.popleft()
        if not queue:
            del self._waiting[cluster]
        self._count_running(cluster, 1)
        self.states[name] = State.RUNNING
        self.attempts[name] += 1
        return name

    def ended(self, name: str, verdict: Verdict, fingerprint: str = "") -> State:
        """Take in what became of an attempt at a target that is under way, and return how the target stands."""
        if self.states[name] is not State.RUNNING:
            return self.states[name]  # an executor may tell twice
        self._count_running(self._clusters[name], -1)
        state = self._deferral(name) if verdict is Verdict.BLOCKED else _ENDS[verdict]
        self._settle(name, state)
        if state is State.FAILED:
            self._count_failure(fingerprint)
        self._judge_wave()
        return state

    def stop(self, why: Stop) -> None:
        """Open no target any more: what has not begun is left, what is under way may end. The first reason counts."""
        if self.stopped:
            return
        self.stopped = why
        for name, state in self.states.items():
            if state in {State.WAITING, State.DEFERRED}:
                self._settle(name, State.LEFT)
        self._waves.clear()
        self._waiting.clear()
        self._open_clusters.clear()
        self._deferred.clear()

    def abandon(self) -> list[str]:
        """Wait no longer for what is under way, and return its names."""
        self.stop(Stop.INTERRUPTED)
        names = [name for name, state in self.states.items() if state is State.RUNNING]
        for name in names:
            self._count_running(self._clusters[name], -1)
            self._settle(name, State.INTERRUPTED)
        return names

    def _room(self) -> int:
        """Return how many targets may be under way, so that no more can fail than may: a deferred one may yet."""
        most = self.limits.same_error - max(self._errors.values(), default=0)
        if self.limits.max_failures is not None:
            most = min(most, self.limits.max_failures - self._counts[State.FAILED])
        return most - len(self._deferred) + sum(self._counts[state] for state in WELL)

    def _deferral(self, name: str) -> State:
        """Say what a blocked target is now: one that has been tried often enough has failed."""
        if self.stopped:
            return State.LEFT
        return State.DEFERRED if self.attempts[name] < self.limits.attempts else State.FAILED

    def _count_failure(self, fingerprint: str) -> None:
        self._errors[fingerprint] += 1
        if self._errors[fingerprint] >= self.limits.same_error:
            self.stop(Stop.SAME_ERROR)
        elif self.limits.max_failures is not None and self._counts[State.FAILED] >= self.limits.max_failures:
            self.stop(Stop.MAX_FAILURES)

    def _judge_wave(self) -> None:
        """Begin no other wave behind one that mostly failed, few as its targets may be: a canary is for that."""
        if self.upcoming is None or self.wave is None:
            return
        states = Counter(self.states[name] for name in self.wave.targets)
        if states[State.FAILED] > sum(states[state] for state in WELL):
            self.stop(Stop.WAVE_FAILED)

    def _settle(self, name: str, state: State) -> None:
        self.states[name] = state
        if state in FINAL:
            self._counts[state] += 1
        elif state is State.DEFERRED:
            self._deferred.append(name)

    def _count_running(self, cluster: str, change: int) -> None:
        self.running += change
        self._running_on[cluster] += change
        self._reopen(cluster)

    def _take_up_deferred(self) -> None:
        """Try those again that were blocked: at the end of their wave, or before the others if none of them may go."""
        names, self._deferred = self._deferred, []
        for name in reversed(names):
            self.states[name] = State.WAITING
            self._queue_of(name).appendleft(name)
            self._reopen(self._clusters[name])

    def _enqueue(self, name: str) -> None:
        self._queue_of(name).append(name)
        self._reopen(self._clusters[name])

    def _queue_of(self, name: str) -> deque[str]:
        return self._waiting.setdefault(self._clusters[name], deque())

    def _reopen(self, cluster: str) -> None:
        """Let a cluster take part again where it has targets that wait, and room for one."""
        most = self.limits.per_cluster
        has_room = not most or self._running_on[cluster] < most
        if has_room and cluster in self._waiting:
            self._open_clusters.setdefault(cluster)
