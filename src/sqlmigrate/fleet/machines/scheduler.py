"""The process that hands orders out to workers: Dask's scheduler, without what we do not need of it."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from typing import TYPE_CHECKING, Any

import dask
import distributed
from distributed.stealing import WorkStealing

from sqlmigrate.errors import Error
from sqlmigrate.fleet.machines import guard, versions
from sqlmigrate.fleet.machines.reaching import security_of, settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlmigrate.fleet.machines.address import Address

_STREAMED = guard.STREAMED_BY_CLIENT | guard.STREAMED_BY_WORKER


class Scheduler(distributed.Scheduler):
    """Dask's scheduler without pages, plug-ins and functions of others; it tells its versions."""

    def __init__(self, **values: Any) -> None:
        super().__init__(dashboard=False, extensions={"stealing": WorkStealing}, jupyter=False, **values)
        guard.keep(self.handlers, guard.OF_SCHEDULER)
        guard.keep(self.stream_handlers, _STREAMED)

    def start_http_server(self, *_: Any, **__: Any) -> None:
        """Open no port for pages."""

    def identity(self, n_workers: int = -1) -> dict[str, Any]:
        """Say who is here, with our versions."""
        return {**super().identity(n_workers), versions.KEY: versions.ours()}


def serve(address: Address, patience: float, say: Callable[[str], None], *, verbose: bool) -> None:
    """Hand orders out until a signal comes; raises Error where it cannot listen. It is all that this process does."""
    guard.narrow()
    dask.config.refresh(paths=[], env={})
    dask.config.set(settings(patience))
    if not verbose:
        guard.quiet(everything=True)
    with tempfile.TemporaryDirectory(prefix="sqlmigrate-scheduler-") as folder:
        asyncio.run(_serve(address, say, folder))


async def _serve(address: Address, say: Callable[[str], None], folder: str) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    protocol = "tls" if address.certificates else "tcp"
    try:
        made = await Scheduler(
            host=address.host,
            port=address.port,
            protocol=protocol,
            security=security_of(address.certificates),
            local_directory=folder,
        )
    except OSError as error:
        raise Error(f"cannot listen at {address}: {error.strerror or error}") from None
    say(f"scheduler at {made.address}")
    await ended.wait()
    await made.close()
