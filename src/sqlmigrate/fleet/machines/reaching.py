"""How a scheduler is reached: with Dask if it is installed, and after a knock that says in words why not."""

from __future__ import annotations

import socket
import ssl
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import Error, UsageError
from sqlmigrate.fleet.machines.address import context_of
from sqlmigrate.fleet.machines.guard import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlmigrate.fleet.machines.address import Address, Certificates

_EACH = 10.0  # seconds for one try
_AGAIN = 0.5
_KEEP_ALIVE = 11  # seconds: Dask sends ten probes in this time, at least
_HEARD = 0.5  # seconds in which a server refuses a certificate: TLS 1.3 does so behind the handshake


class SchedulerUnreachable(Error):
    """No scheduler answers."""


def require_dask() -> None:
    """Refuse where the extra is not installed; raises UsageError."""
    if find_spec("distributed") is None:
        raise UsageError("--scheduler needs Dask", hint='pip install "pg-sqlmigrate[fleet]"')


def settings(patience: float) -> dict[str, Any]:
    """Return Dask's settings; `patience` is in seconds."""
    return SETTINGS | {
        "distributed.comm.timeouts.connect": f"{max(min(patience, 30), 1):.1f}s",
        "distributed.comm.timeouts.tcp": f"{max(patience, _KEEP_ALIVE):.1f}s",
        "distributed.scheduler.worker-ttl": f"{max(patience, 5):.1f}s",
    }


def security_of(certificates: Certificates | None) -> Any:
    """Return the certificates as Dask has them; both sides show and check them, by TLS 1.3."""
    from distributed import security  # noqa: PLC0415  slow

    made: Any = security.Security  # it has no types
    if certificates is None:
        return made(require_encryption=False)
    files = {
        f"tls_{side}_{kind}": str(path)
        for side in ("client", "scheduler", "worker")
        for kind, path in (("cert", certificates.cert), ("key", certificates.key))
    }
    return made(
        require_encryption=True, tls_ca_file=str(certificates.ca), tls_min_version=ssl.TLSVersion.TLSv1_3, **files
    )


def knock(
    address: Address,
    patience: float = 0.0,
    wait: Callable[[str], None] = lambda _: None,
    over: Callable[[], bool] = lambda: False,
) -> None:
    """Connect to a scheduler once, and try again for `patience` seconds, of which `wait` is told once, with why.

    It comes back where somebody says that it is `over`. Raises SchedulerUnreachable where it does not answer; a
    certificate that is refused is refused at once.
    """
    end, told = time.monotonic() + patience, False
    while not over():
        try:
            _connect(address)
        except ssl.SSLError as error:
            why = getattr(error, "verify_message", "") or (error.reason or str(error)).replace("_", " ").lower()
            hint = "both sides need a certificate of the same authority (scheduler_ca), and its key"
            raise SchedulerUnreachable(f"no TLS with the scheduler at {address}: {why}", hint=hint) from None
        except OSError as error:
            why = error.strerror or str(error) or type(error).__name__
            if time.monotonic() >= end:
                hint = "is `sqlmigrate fleet scheduler` running there?"
                raise SchedulerUnreachable(f"no scheduler answers at {address}: {why}", hint=hint) from None
            if not told:
                wait(why)
            told = True
            time.sleep(_AGAIN)
        else:
            return


def _connect(address: Address) -> None:
    with socket.create_connection((address.host, address.port), timeout=_EACH) as plain:
        if address.certificates is None:
            return
        with context_of(address.certificates).wrap_socket(plain) as safe:
            safe.settimeout(_HEARD)
            try:
                safe.recv(1)
            except TimeoutError:
                return  # it has accepted us, and waits for more
