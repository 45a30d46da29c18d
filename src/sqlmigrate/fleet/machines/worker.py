"""The process that carries orders out, where the targets can be reached: Dask's worker, for our tasks alone."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dask
import distributed
from distributed import utils

from sqlmigrate.fleet.machines import guard, needs, tasks, versions
from sqlmigrate.fleet.machines.reaching import knock, security_of, settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlmigrate.fleet.fleet import Fleet
    from sqlmigrate.fleet.machines.address import Address

_HERE = "127.0.0.1"
_AGAIN = 2.0  # seconds until the next try
_LOOK = 0.2  # seconds between two looks at what is under way
_PORTS = (10_000, 65_000)


class Worker(distributed.Worker):
    """Dask's worker without pages, plug-ins and functions of others; nobody but this machine can connect to it."""

    def __init__(self, scheduler: str, **values: Any) -> None:
        told = {versions.KEY: lambda _: versions.ours()}
        super().__init__(scheduler, dashboard=False, extensions={}, startup_information=told, **values)
        guard.keep(self.handlers, guard.OF_WORKER)

    def start_http_server(self, *_: Any, **__: Any) -> None:
        """Open no port for pages."""

    async def plugin_add(self, *_: Any, **__: Any) -> Any:
        """Take no plug-in: it would be code of others."""
        return {"status": "OK"}


@dataclass(slots=True)
class Works:
    """One process: what it may have and how much of it at a time, and how it speaks; `patience` is in seconds."""

    address: Address
    resources: frozenset[str]
    threads: int
    patience: float
    say: Callable[[str], None]
    read: Callable[[], Fleet]
    name: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")
    worker: Worker | None = None
    leaving: int = 0  # signals that came
    bench: tasks.Bench = field(init=False)

    def run(self, *, verbose: bool) -> None:
        """Carry out orders until a signal comes, or no scheduler answers any more.

        Raises SchedulerUnreachable. It is all that this process does.
        """
        guard.narrow()
        dask.config.refresh(paths=[], env={})
        dask.config.set(settings(self.patience))
        if not verbose:
            guard.quiet(everything=True)
        self.bench = tasks.Bench(self.read, self._tell, self.say, self.name)
        tasks.set_up(self.bench)
        with tempfile.TemporaryDirectory(prefix="sqlmigrate-worker-") as folder:
            asyncio.run(self._run(folder))

    def _tell(self, call: str, message: Any) -> None:
        if self.worker is not None:
            self.worker.log_event(call, message)

    async def _run(self, folder: str) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._leave)
        while not self.leaving:
            await asyncio.to_thread(knock, self.address, self.patience, self._waiting, lambda: bool(self.leaving))
            if not self.leaving:
                await self._work(folder)

    def _waiting(self, why: str) -> None:
        self.say(f"no scheduler answers at {self.address} ({why}); waiting for {self.patience:.0f} s")

    async def _work(self, folder: str) -> None:
        """Work for one scheduler, until it is lost or we leave."""
        worker: Any = self._made(folder)  # half of it has no types
        self.worker = worker
        try:
            await worker
        except Exception as error:  # noqa: BLE001  of Dask
            self.say(f"the scheduler at {self.address} does not take us: {type(error).__name__}: {error}")
            await asyncio.sleep(_AGAIN)
            return
        has = f", with {', '.join(sorted(self.resources))}" if self.resources else ""
        self.say(f"worker {self.name} at work for {self.address}, {self.threads} targets at a time{has}")
        ended = asyncio.ensure_future(worker.finished())
        while not ended.done() and not self.leaving:
            await asyncio.wait([ended], timeout=_LOOK)
        if self.leaving:
            await self._finish(worker)
        else:
            self.say("the scheduler is lost")
        await worker.close(executor_wait=False)

    def _made(self, folder: str) -> Worker:
        safe = self.address.certificates is not None
        ours: Any = utils.get_ip  # without types
        contact = f"tls://{ours(self.address.host)}:{random.randint(*_PORTS)}" if safe else None  # noqa: S311  a name
        return Worker(
            str(self.address),
            nthreads=self.threads,
            name=self.name,
            host=_HERE,
            protocol="tls" if safe else "tcp",
            contact_address=contact,
            security=security_of(self.address.certificates),
            resources=needs.supplied(self.resources),
            death_timeout=self.patience,
            local_directory=folder,
            memory_limit=0,
            data={},
        )

    def _leave(self) -> None:
        """Take no more orders, and end once those are done that are under way; at the second signal, at once."""
        self.leaving += 1
        if self.leaving > 1:
            os._exit(128 + signal.SIGTERM)  # threads cannot be stopped; their servers roll back
        self.say("leaving: no more orders are taken; once more, and none is waited for")

    async def _finish(self, worker: Worker) -> None:
        worker.status = distributed.core.Status.paused
        while self.bench.busy:  # noqa: ASYNC110  threads count it
            await asyncio.sleep(_LOOK)
        await asyncio.sleep(_LOOK)  # what was told is on its way
