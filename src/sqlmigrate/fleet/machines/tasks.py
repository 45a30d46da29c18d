"""What workers do: the functions that a task may name, each with texts as arguments.

What comes of one is told to the coordinator as an event, along the connection that the worker has opened. So nobody has
to reach the worker, and what was told stays told when it is lost.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlmigrate import __version__, connection
from sqlmigrate.errors import Error, UsageError, redact
from sqlmigrate.fleet import standing
from sqlmigrate.fleet.bringing import bring, other_settings
from sqlmigrate.fleet.fingerprint import fingerprint
from sqlmigrate.fleet.machines import wire
from sqlmigrate.fleet.model import Failure, Outcome, Verdict
from sqlmigrate.fleet.places import Listed
from sqlmigrate.fleet.standing import Kind, Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from sqlmigrate.fleet.fleet import Fleet
    from sqlmigrate.fleet.order import Order

_CALLS = 4
"""So many calls of the command are worked for at a time with what was read once for each."""
_NAMED = 20
"""So many reasons are told why targets cannot be worked on; the rest is a number."""


@dataclass(slots=True)
class Bench:
    """What a worker works with: `read` reads its own project anew, `tell` tells a call, `say` tells people here."""

    read: Callable[[], Fleet]
    tell: Callable[[str, Any], None]
    say: Callable[[str], None]
    name: str = ""
    busy: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _fleets: OrderedDict[str, Fleet] = field(default_factory=OrderedDict)

    def fleet(self, call: str) -> Fleet:
        """Return the project as it was when a call of the command first asked for it; raises Error.

        The call says of which release it is: a worker may have come later than the roll was called.
        """
        release = call.partition("/")[0]
        if release != __version__:
            raise UsageError(f"worker {self.name} has sqlmigrate {__version__}, and the run is one of {release}")
        with self._lock:
            if call not in self._fleets:
                self._fleets[call] = self.read()
                while len(self._fleets) > _CALLS:
                    self._fleets.popitem(last=False)
            return self._fleets[call]

    def working(self) -> AbstractContextManager[None]:
        """Count what is under way for a block."""
        return _Working(self)


@dataclass(slots=True)
class _Working:
    bench: Bench

    def __enter__(self) -> None:
        with self.bench._lock:  # noqa: SLF001  its own
            self.bench.busy += 1

    def __exit__(self, *_: object) -> None:
        with self.bench._lock:  # noqa: SLF001  its own
            self.bench.busy -= 1


_benches: list[Bench] = []


def set_up(bench: Bench) -> None:
    """Let this process carry out tasks."""
    _benches[:] = [bench]


def report_in(call: str, number: str, text: str) -> None:
    """Say whether what a question names can be worked on here, which files are here, and which settings differ."""
    bench = _bench()
    with bench.working():
        bench.tell(call, [number, json.dumps(_report(bench, call, text))])


def carry_out(call: str, number: str, text: str) -> None:
    """Carry out an order."""
    bench = _bench()
    with bench.working():
        try:
            order = wire.read_order(text)
        except ValueError as error:
            bench.say(f"an order cannot be read: {error}")
            return
        outcome = _outcome(bench, call, order)
        bench.say(_said(outcome))
        bench.tell(call, [number, wire.write(outcome)])


def look(call: str, number: str, names: str) -> None:
    """Say where the targets of a list of names stand, one after the other."""
    bench = _bench()
    with bench.working():
        found = [wire.write(item) for item in _standings(bench, call, json.loads(names))]
        bench.tell(call, [number, json.dumps(found)])


def _bench() -> Bench:
    if not _benches:
        raise RuntimeError("no worker of ours")
    return _benches[0]


def _report(bench: Bench, call: str, text: str) -> dict[str, Any]:
    try:
        fleet = bench.fleet(call)
        question = wire.read_question(text)
        wrong = _listed(fleet).wrong(question.names)
    except Exception as error:  # noqa: BLE001  told to whoever asks
        return {"error": _words(connection.in_words(error))}
    return {
        "files": fleet.workshop.files,
        "wrong": [redact(problem.message) for problem in wrong[:_NAMED]],
        "count": len(wrong),
        "other": other_settings(question.options, fleet.workshop.options),
    }


def _outcome(bench: Bench, call: str, order: Order) -> Outcome:
    try:
        outcome = bring(order, bench.fleet(call).workshop)
    except Exception as error:  # noqa: BLE001  the project could not be read; `bring` raises nothing
        failure = _failure(connection.in_words(error), order.target)
        outcome = Outcome(order.target, Verdict.FAILED, failure=failure)
    return replace(outcome, worker=bench.name)


def _standings(bench: Bench, call: str, names: list[str]) -> Iterator[Standing]:
    try:
        fleet = bench.fleet(call)
    except Error as error:
        yield from (Standing(name, Kind.UNREACHABLE, why=(_words(error),)) for name in names)
        return
    yield from (standing.look(name, fleet.workshop) for name in names)


def _listed(fleet: Fleet) -> Listed:
    assert isinstance(fleet.places, Listed)  # noqa: S101  a worker has a scheduler
    return fleet.places


def _failure(error: Error, target: str) -> Failure:
    return Failure(type(error).__name__, _words(error), fingerprint(error, (target,)), hint=error.hint)


def _words(error: Error) -> str:
    problems = [str(problem) for problem in getattr(error, "problems", ())][:1]
    return redact(": ".join([error.message, *problems]))


def _said(outcome: Outcome) -> str:
    what = ", ".join(outcome.migrations) or (str(outcome.failure) if outcome.failure else "nothing to do")
    return f"{outcome.target}: {outcome.verdict.value}, {what} ({outcome.seconds:.1f} s)"
