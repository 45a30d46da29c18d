"""What the coordinator knows of the scheduler and its workers: who is there, what they were asked, who is lost."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from sqlmigrate.errors import Error, InventoryError, Problem, UsageError
from sqlmigrate.fleet.coordinator import Stop
from sqlmigrate.fleet.machines import guard, needs, tasks, versions, wire
from sqlmigrate.fleet.machines.address import address_of
from sqlmigrate.fleet.machines.reaching import knock, require_dask, security_of, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from distributed import Client
    from distributed import Future as Handle

    from sqlmigrate.config import Config
    from sqlmigrate.fleet.model import Outcome
    from sqlmigrate.fleet.order import Order

T = TypeVar("T")

_LOOKS = 10  # within the patience
_LEAST, _MOST = 0.2, 2.0  # seconds between two looks
_CLOSE = 3.0  # seconds for a goodbye
_NAMED = 5


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
    handle: Handle[Any] | None = None
    unmet: float | None = None


@dataclass(slots=True)
class Crew:
    """The workers of a scheduler, for one call of the command; `needed` is what each target asks of a worker."""

    client: Client
    patience: float
    needed: Mapping[str, frozenset[str]]
    call: str = field(default_factory=lambda: uuid.uuid4().hex)
    workers: dict[str, Worker] = field(default_factory=dict)
    _asked: dict[str, _Asked] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _lost: Callable[[Stop], None] | None = None
    _end: threading.Event = field(default_factory=threading.Event)

    def submit(self, order: Order) -> Future[Outcome]:
        """Hand an order in, and come back at once."""
        return self._read(self._ask(tasks.carry_out, self.needed[order.target], wire.write(order)), wire.read_outcome)

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
            watcher.join(self.patience + _CLOSE)

    def look(self) -> dict[str, Any]:
        """Ask the scheduler who is there, and take it in; raises Error where it does not answer in time."""
        asked = asyncio.run_coroutine_threadsafe(
            self.client.scheduler.identity(n_workers=-1), self.client.loop.asyncio_loop
        )
        try:
            found: dict[str, Any] = asked.result(self.patience)
        except Exception as error:  # noqa: BLE001  of Dask, of its network, or time that is over
            asked.cancel()
            raise Error(f"the scheduler does not answer: {type(error).__name__}") from None
        now = time.monotonic()
        self.workers = {where: self._worker(where, told, now) for where, told in found["workers"].items()}
        return found

    def alive(self) -> dict[str, Worker]:
        """Return the workers that gave a sign of life lately, by their addresses."""
        now = time.monotonic()
        return {where: worker for where, worker in self.workers.items() if now - worker.seen <= self.patience}

    def subscribe(self) -> None:
        """Listen to what tasks of this call tell."""
        self.client.subscribe_topic(self.call, self._heard)

    def report_in(self, names: Mapping[str, list[str]]) -> dict[str, Future[dict[str, Any]]]:
        """Ask workers, by their addresses, about the targets that each of them may have."""
        return {
            where: self._read(self._ask(tasks.report_in, frozenset(), json.dumps(asked), worker=where), json.loads)
            for where, asked in names.items()
        }

    def standings(self, names: list[str]) -> Future[list[str]]:
        """Ask where targets stand that all need the same."""
        needed = self.needed[names[0]]
        return self._read(self._ask(tasks.look, needed, json.dumps(names)), json.loads)

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

    def _ended(self, number: str, handle: Handle[Any]) -> None:
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
                error = Error(f"no worker is left with {_all(item.needed)}")
                self._settle(number, lambda future, error=error: future.set_exception(error))  # type: ignore[misc]

    def _worker(self, where: str, told: Mapping[str, Any], now: float) -> Worker:
        known, sign = self.workers.get(where), float(told.get("last_seen", 0.0))
        seen = known.seen if known is not None and known.sign == sign else now
        resources = frozenset(told.get("resources") or ())
        return Worker(str(told.get("name", where)), resources, told.get(versions.KEY) or {}, sign, seen)


@contextmanager
def called_up(
    config: Config, tags: Mapping[str, tuple[str, ...]], files: str, warn: Callable[[str], None]
) -> Iterator[Crew]:
    """Call the workers of the settings' scheduler up for targets with their tags, once each of them was asked.

    Raises UsageError where scheduler or workers do not fit, and InventoryError where nobody can work on a target;
    SchedulerUnreachable where no scheduler answers.
    """
    require_dask()
    address = address_of(config)
    knock(address)
    patience = max(config.scheduler_patience / 1000, 1.0)
    with _connected(str(address), security_of(address.certificates), patience) as client:
        crew = Crew(client, patience, {name: needs.needs_of(found) for name, found in tags.items()})
        _require_fitting(crew, warn)
        crew.subscribe()
        _call_roll(crew, files, warn)
        yield crew


@contextmanager
def _connected(address: str, security: Any, patience: float) -> Iterator[Client]:
    import dask  # noqa: PLC0415  slow, and most fleets are worked on from one machine
    from distributed import Client  # noqa: PLC0415  same

    guard.quiet(everything=False)
    with dask.config.set(settings(patience)):
        try:
            client = Client(
                address, security=security, set_as_default=False, direct_to_workers=False, timeout=patience,
                name="sqlmigrate",
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001  of Dask
            raise Error(f"the scheduler at {address} does not answer: {type(error).__name__}") from None
        try:
            client.loop.add_callback(_calm, client)
            yield client
        finally:
            with suppress(Exception):
                client.close(_CLOSE)


def _calm(client: Client) -> None:
    """In the thread that reads: let it make plain values alone, and keep its traces to itself."""
    guard.narrow_thread()
    client.loop.asyncio_loop.set_exception_handler(lambda *_: None)


def _require_fitting(crew: Crew, warn: Callable[[str], None]) -> None:
    """Refuse other versions, strange workers, and targets that no worker may have; raises UsageError."""
    found = crew.look()
    if (told := found.get(versions.KEY)) is None:
        told = _asked_of(crew)
        warn("the scheduler is Dask's own, which runs the code of whoever has a certificate: see Many machines")
    if not crew.workers:
        raise UsageError("the scheduler has no worker", hint="start some: `sqlmigrate fleet worker --scheduler ...`")
    if strange := [worker.name for worker in crew.workers.values() if not worker.versions]:
        raise UsageError(f"{_some(strange)}: not started by `sqlmigrate fleet worker`", hint="stop such workers")
    versions.require_same({"the scheduler": told} | {f"worker {w.name}": w.versions for w in crew.workers.values()})
    _require_reached(crew, [worker.resources for worker in crew.workers.values()])


def _asked_of(crew: Crew) -> dict[str, str]:
    """Return the versions of a scheduler that is Dask's own."""
    asked = asyncio.run_coroutine_threadsafe(
        crew.client.scheduler.versions(packages=["sqlmigrate"]), crew.client.loop.asyncio_loop
    )
    try:
        packages = asked.result(crew.patience)["packages"]
    except Exception as error:  # noqa: BLE001  of Dask
        raise Error(f"the scheduler does not tell its versions: {type(error).__name__}") from None
    python = ".".join(str(packages.get("python", "")).split(".")[:2])
    return {"sqlmigrate": packages.get("sqlmigrate"), "dask": packages.get("distributed"), "python": python}


def _require_reached(crew: Crew, there: list[frozenset[str]]) -> None:
    unmet = needs.unmet(crew.needed, there)
    problems = [
        Problem(f"{_some(names)}: no worker has {_all(needed)}", hint="start one: `sqlmigrate fleet worker --resources`")
        if needed
        else Problem(f"{_some(names)}: no worker answers")
        for needed, names in unmet.items()
    ]
    if problems:
        raise InventoryError("there are targets that no worker can have", problems)


def _call_roll(crew: Crew, files: str, warn: Callable[[str], None]) -> None:
    """Ask each worker whether it has the same files, and knows the targets that it may get.

    Raises UsageError and InventoryError.
    """
    mine = {
        where: [name for name, needed in crew.needed.items() if needed <= worker.resources]
        for where, worker in crew.workers.items()
    }
    asked, problems = crew.report_in(mine), []
    end = time.monotonic() + crew.patience
    for where, future in asked.items():
        worker = crew.workers[where]
        try:
            told = future.result(max(end - time.monotonic(), 0.0))
        except Exception:  # noqa: BLE001  lost, or too slow
            warn(f"worker {worker.name} does not answer, and is not counted on")
            worker.seen = -crew.patience
            continue
        problems += _problems(worker.name, told, files)
    if problems:
        raise InventoryError("workers do not fit this run", problems)
    _require_reached(crew, [worker.resources for worker in crew.alive().values()])


def _problems(name: str, told: Mapping[str, Any], files: str) -> Iterator[Problem]:
    if told.get("error"):
        yield Problem(f"worker {name}: {told['error']}")
        return
    if told["files"] != files:
        hint = "bring the same files to every machine that works on targets"
        yield Problem(f"worker {name} has other migrations than are here", hint=hint)
    yield from (Problem(f"worker {name} cannot work on {what}") for what in told["wrong"])
    if more := told["count"] - len(told["wrong"]):
        yield Problem(f"worker {name} cannot work on {more:,} more")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _all(needed: frozenset[str]) -> str:
    return " and ".join(sorted(needed))
