"""Wait for a server that somebody starts beside us."""

from __future__ import annotations

import time
from threading import Thread
from typing import TYPE_CHECKING

from sqlmigrate.connection.address import answers, meant
from sqlmigrate.connection.sessions import connect
from sqlmigrate.errors import ConnectionFailed
from sqlmigrate.sql.directives import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable

_AGAIN_SECONDS = 0.2
_AT_LEAST_SECONDS = 1.0
"""How long the first look may take, however short the patience is: a server that is there needs a moment to say so."""

_TRY_SECONDS = 2
_SILENT = "cannot connect to PostgreSQL: the server does not answer"


class _Look:
    """A try to connect beside us: libpq and the search for a host's address keep no deadline of ours."""

    def __init__(self, conninfo: str) -> None:
        self.reason: ConnectionFailed | None = ConnectionFailed(_SILENT)
        self._conninfo = conninfo
        self._thread = Thread(target=self._try, daemon=True)
        self._thread.start()

    def ends_within(self, seconds: float) -> bool:
        """Wait for its end, so long at most; then `reason` says why there is no server yet, None where there is one."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _try(self) -> None:
        try:
            connect(self._conninfo, seconds=_TRY_SECONDS).close()
        except ConnectionFailed as error:
            # one that was silent would be so once more
            self.reason = None if not error.silent and answers(self._conninfo) else error
        else:
            self.reason = None


def wait_for(conninfo: str, milliseconds: int, tell: Callable[[str], None]) -> None:
    """Wait until a server accepts connections, whoever asks; `tell` hears once that it does not yet.

    A wrong password or a database that is not there is no reason to wait. Raises ConnectionFailed, with the reason,
    where it accepts none in time.
    """
    deadline = time.monotonic() + milliseconds / 1000
    look = _Look(conninfo)
    ended = look.ends_within(max(_AT_LEAST_SECONDS, min(milliseconds / 1000, _TRY_SECONDS)))
    reason = look.reason
    patience = format_duration(milliseconds)
    if reason:
        tell(f"waiting for {meant(conninfo)}, at most {patience}")
    while reason and (left := deadline - time.monotonic()) > 0:
        if ended:
            time.sleep(min(_AGAIN_SECONDS, left))
            look = _Look(conninfo)
        if ended := look.ends_within(max(deadline - time.monotonic(), 0)):
            reason = look.reason
    if reason:
        raise reason.replaced(message=f"{reason.message} (waited {patience} for {meant(conninfo)})") from None
