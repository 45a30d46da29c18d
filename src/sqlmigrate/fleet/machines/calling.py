"""Workers of a scheduler are called up for one call of the command, and dismissed when it ends."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import Error
from sqlmigrate.fleet.machines import guard, needs, roll
from sqlmigrate.fleet.machines.address import address_of
from sqlmigrate.fleet.machines.crew import CLOSE, FIRST, Crew
from sqlmigrate.fleet.machines.reaching import knock, require_dask, security_of, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlmigrate.config import Config
    from sqlmigrate.fleet.bringing import Workshop


@contextmanager
def called_up(
    config: Config, tags: Mapping[str, tuple[str, ...]], workshop: Workshop, warn: Callable[[str], None]
) -> Iterator[Crew]:
    """Call the workers of the settings' scheduler up for targets with their tags, once each of them was asked.

    They are to have the migrations and settings of the workshop here.

    Raises UsageError where scheduler or workers do not fit, and InventoryError where nobody can work on a target;
    SchedulerUnreachable where no scheduler answers.
    """
    require_dask()
    address = address_of(config)
    knock(address)
    patience = max(config.scheduler_patience / 1000, 1.0)
    with _connected(str(address), security_of(address.certificates), patience) as client:
        crew = Crew(client, patience, {name: needs.needs_of(found) for name, found in tags.items()})
        roll.require_fitting(crew, warn)
        crew.subscribe()
        roll.call_roll(crew, workshop.files, workshop.options, warn)
        yield crew


@contextmanager
def _connected(address: str, security: Any, patience: float) -> Iterator[Any]:
    import dask  # noqa: PLC0415  slow, and most fleets are worked on from one machine
    import distributed  # noqa: PLC0415  same

    class Client(distributed.Client):
        """Dask's client, whose thread makes plain values alone of all that it reads, from the first answer on."""

        async def _start(self, *args: Any, **values: Any) -> Any:
            _calm(self)
            return await super()._start(*args, **values)  # type: ignore[no-untyped-call]

    guard.quiet(everything=False)
    with dask.config.set(settings(patience)):
        try:
            connect: Any = Client
            client = connect(
                address,
                security=security,
                set_as_default=False,
                direct_to_workers=False,
                timeout=max(patience, FIRST),
                name="sqlmigrate",
            )
        except Exception as error:  # noqa: BLE001  of Dask
            raise Error(f"the scheduler at {address} does not answer: {type(error).__name__}") from None
        try:
            yield client
        finally:
            with suppress(Exception):
                client.close(CLOSE)


def _calm(client: Any) -> None:
    """In the thread that reads: let it make plain values alone, and keep its traces to itself."""
    guard.narrow_thread()
    client.loop.asyncio_loop.set_exception_handler(lambda *_: None)
