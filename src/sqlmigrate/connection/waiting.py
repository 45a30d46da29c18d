"""Wait for a server that somebody starts beside us."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlmigrate.connection.address import answers, meant
from sqlmigrate.connection.sessions import connect
from sqlmigrate.errors import ConnectionFailed
from sqlmigrate.sql.directives import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK_SECONDS, _LAST_SECONDS = 0.2, 2


def wait_for(conninfo: str, milliseconds: int, tell: Callable[[str], None]) -> None:
    """Wait until a server accepts connections, whoever asks; `tell` hears once that it does not yet.

    A wrong password or a database that is not there is no reason to wait. Raises ConnectionFailed, with the reason,
    where it accepts none in time.
    """
    if answers(conninfo):
        return
    patience = format_duration(milliseconds)
    tell(f"waiting for {meant(conninfo)}, at most {patience}")
    deadline = time.monotonic() + milliseconds / 1000
    while not answers(conninfo):
        if time.monotonic() >= deadline:
            break
        time.sleep(_LOOK_SECONDS)
    else:
        return
    try:
        connect(conninfo, seconds=_LAST_SECONDS).close()
    except ConnectionFailed as error:
        raise error.replaced(message=f"{error.message} (waited {patience} for {meant(conninfo)})") from None
