"""What the coordinator knows of the scheduler and its workers: who is there, what they were asked, who is lost."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from sqlmigrate import __version__
from sqlmigrate.errors import Error
from sqlmigrate.fleet.coordinator import Stop
from sqlmigrate.fleet.machines import needs, tasks, versions, wire
from sqlmigrate.fleet.standing import Kind, Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping

    from sqlmigrate.engine import Options
    from sqlmigrate.fleet.model import Outcome
    from sqlmigrate.fleet.order import Order

T = TypeVar("T")

_TOGETHER = 20  # targets that one task looks at
_LOOKS = 10  # within the patience
_LEAST, _MOST = 0.2, 2.0  # seconds between two looks
FIRST = 30.0  # seconds for an answer before the first target, at least: nothing hangs on it yet
_NAME_MAX = 300  # characters of a worker's name: a host's name, and the number of a process
CLOSE = 3.0  # seconds for a goodbye


@dataclass(slots=True)
class Worker:
    """A worker as the scheduler tells of it; `seen` is when it last gave a sign of life, by our own clock."""

    name: str
    resources: frozenset[str]
    versions: Mapping[str, str]
    sign: float
    seen: float


@dataclass(slots=True)
class _Asked:
    """A task that was handed in, and by whom it may be done; `unmet` is since when nobody there may do it."""

    future: Future[str]
    needed: frozenset[str]
    handle: Any = None  # Dask's own Future
    unmet: float | None = None


@dataclass(slots=True)
class Crew:
    """The workers of a scheduler, for one call of the command; `needed` is what each target asks of a worker."""

    client: Any  # Dask's, half of which has no types
    patience: float
    needed: Mapping[str, frozenset[str]]
    call: str = field(default_factory=lambda: f"{__version__}/{uuid.uuid4().hex}")
    workers: dict[str, Worker] = field(default_factory=dict)
    _asked: dict[str, _Asked] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _lost: Callable[[Stop], None] | None = None
    _end: threading.Event = field(default_factory=threading.Event)

    def submit(self, order: Order) -> Future[Outcome]:
        """Hand an order in, and come back at once."""
        asked = self._ask(tasks.carry_out, self.needed[order.target], wire.write(order))
        return self._read(asked, partial(wire.read_outcome, target=order.target))

    @contextmanager
    def watched(self, lost: Callable[[Stop], None]) -> Iterator[None]:
        """Look after scheduler and workers for a block, and tell when there is nobody left to wait for."""
        self._lost = lost
        watcher = threading.Thread(target=self._watch, name="crew", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._lost = None
            self._end.set()
            watcher.join(self.patience + CLOSE)

    def inquire(self, asked: Coroutine[Any, Any, Any], *, first: bool = False) -> Any:
        """Return what the scheduler answers; raises Error where it does not in time, which is more at `first`."""
        waiting = asyncio.run_coroutine_threadsafe(asked, self.client.loop.asyncio_loop)
        try:
            return waiting.result(max(self.patience, FIRST) if first else self.patience)
        except Exception as error:  # noqa: BLE001  of Dask, of its network, or time that is over
            waiting.cancel()
            raise Error(f"the scheduler does not answer: {type(error).__name__}") from None

    def look(self, *, first: bool = False) -> dict[str, Any]:
        """Ask the scheduler who is there, and take it in; raises Error where it does not answer in words of ours."""
        found: dict[str, Any] = self.inquire(self.client.scheduler.identity(n_workers=-1), first=first)
        now = time.monotonic()
        try:
            dict(found.get(versions.KEY) or {})
            self.workers = {where: self._worker(where, told, now) for where, told in found["workers"].items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Error(f"the scheduler's answer is none: {type(error).__name__}: {error}") from None
        return found

    def alive(self) -> dict[str, Worker]:
        """Return the workers that gave a sign of life lately, by their addresses."""
        now = time.monotonic()
        return {where: worker for where, worker in self.workers.items() if now - worker.seen <= self.patience}

    def subscribe(self) -> None:
        """Listen to what tasks of this call tell."""
        self.client.subscribe_topic(self.call, self._heard)

    def report_in(self, names: Mapping[str, list[str]], options: Options) -> dict[str, Future[wire.Report]]:
        """Ask workers, by their addresses, about the targets that each of them may have, and about their settings."""
        return {
            where: self._read(
                self._ask(tasks.report_in, frozenset(), wire.write(wire.Question(tuple(asked), options)), worker=where),
                wire.read_report,
            )
            for where, asked in names.items()
        }

    def standings(self) -> Iterator[Standing]:
        """Ask where all targets stand, some at a time; one of which nobody tells is not reached."""
        groups: dict[frozenset[str], list[str]] = {}
        for name, needed in self.needed.items():
            groups.setdefault(needed, []).append(name)
        shares = [
            (names[at : at + _TOGETHER], needed)
            for needed, names in groups.items()
            for at in range(0, len(names), _TOGETHER)
        ]
        asked = [(names, self._ask(tasks.look, needed, json.dumps(names))) for names, needed in shares]
        with self.watched(self._fail):
            for names, future in asked:
                try:
                    yield from wire.read_standings(future.result(), names)
                except (Error, ValueError) as error:
                    words = error.message if isinstance(error, Error) else f"its worker's answer is none: {error}"
                    yield from (Standing(name, Kind.UNREACHABLE, why=(words,)) for name in names)

    def _fail(self, why: Stop) -> None:
        """End all tasks, since there is nobody left to wait for."""
        for number in list(self._asked):
            self._settle(number, lambda future: future.set_exception(Error(why.value)))

    def _ask(
        self, function: Callable[..., None], needed: frozenset[str], *texts: str, worker: str | None = None
    ) -> Future[str]:
        number = uuid.uuid4().hex
        asked = _Asked(Future(), needed)
        with self._lock:
            self._asked[number] = asked
        asked.handle = self.client.submit(
            function,
            self.call,
            number,
            *texts,
            key=f"{function.__name__}-{number}",
            pure=False,
            resources=needs.required(needed) or None,
            workers=[worker] if worker else None,
        )
        asked.handle.add_done_callback(partial(self._ended, number))
        return asked.future

    @staticmethod
    def _read(text: Future[str], read: Callable[[str], T]) -> Future[T]:
        """Return what a text means, once it is there."""
        made: Future[T] = Future()

        def take(ended: Future[str]) -> None:
            try:
                made.set_result(read(ended.result()))
            except Exception as error:  # noqa: BLE001  handed on
                made.set_exception(error)

        text.add_done_callback(take)
        return made

    def _heard(self, event: tuple[float, Any]) -> None:
        """Take in what a task tells."""
        message = event[1]
        if isinstance(message, (list, tuple)) and len(message) == 2:  # noqa: PLR2004  its number, and a text
            self._settle(str(message[0]), lambda future: future.set_result(str(message[1])))

    def _settle(self, number: str, settle: Callable[[Future[str]], None]) -> None:
        """End a task, unless it has ended: one that was done twice tells twice."""
        with self._lock:
            asked = self._asked.pop(number, None)
        if asked is not None:
            if asked.handle is not None:
                asked.handle.release()
            settle(asked.future)

    def _ended(self, number: str, handle: Any) -> None:
        """Take in that a task has ended which has told nothing: it, or whoever had it, is lost."""
        if number not in self._asked:
            return
        if handle.status in {"cancelled", "lost"}:
            self._lose(Stop.SCHEDULER_LOST)
            return
        words = "what became of it was not told"
        if handle.status == "error":
            words = "the workers that had it were lost, one after the other"
        self._settle(number, lambda future: future.set_exception(Error(words)))

    def _lose(self, why: Stop) -> None:
        if self._lost is not None:
            self._lost(why)

    def _watch(self) -> None:
        """Look who is there until the block ends."""
        heard = manned = time.monotonic()
        while not self._end.wait(min(max(self.patience / _LOOKS, _LEAST), _MOST)):
            try:
                self.look()
                heard = time.monotonic()
            except Error:
                if time.monotonic() - heard > self.patience:
                    self._lose(Stop.SCHEDULER_LOST)
                    return
                continue
            there = [worker.resources for worker in self.alive().values()]
            manned = time.monotonic() if there else manned
            if time.monotonic() - manned > self.patience:
                self._lose(Stop.NO_WORKERS)
                return
            if there:
                self._give_up(there)

    def _give_up(self, there: list[frozenset[str]]) -> None:
        """End tasks that nobody has been there for, for too long."""
        now = time.monotonic()
        with self._lock:
            asked = list(self._asked.items())
        for number, item in asked:
            if any(item.needed <= has for has in there):
                item.unmet = None
            elif item.unmet is None:
                item.unmet = now
            elif now - item.unmet > self.patience:
                error = Error(f"no worker is left with {needs.words(item.needed)}")
                self._settle(number, lambda future, error=error: future.set_exception(error))  # type: ignore[misc]

    def _worker(self, where: str, told: Mapping[str, Any], now: float) -> Worker:
        known, sign = self.workers.get(where), float(told.get("last_seen", 0.0))
        seen = known.seen if known is not None and known.sign == sign else now
        resources = frozenset(told.get("resources") or ())
        name = str(told.get("name", where))[:_NAME_MAX]
        return Worker(name, resources, dict(told.get(versions.KEY) or {}), sign, seen)
