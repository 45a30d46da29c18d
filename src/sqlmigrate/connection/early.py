"""Open a session while something else is done, such as reading files: most of the time, it waits for the network."""

from __future__ import annotations

from threading import Lock, Thread
from typing import TYPE_CHECKING

from sqlmigrate.connection.sessions import connect

if TYPE_CHECKING:
    from sqlmigrate.connection.silence import Session


class Early:
    """A session that is being opened: `take` it once, or `leave` it."""

    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo
        self._lock = Lock()
        self._session: Session | None = None
        self._error: Exception | None = None
        self._left = False
        self._thread = Thread(target=self._open, daemon=True)
        self._thread.start()

    def _open(self) -> None:
        try:
            session = connect(self.conninfo)
        except Exception as error:  # noqa: BLE001  whoever takes it has to know
            self._error = error
            return
        with self._lock:
            if self._left:
                session.close()
            else:
                self._session = session

    def take(self, conninfo: str) -> Session:
        """Return the session, once it is open; a new one where it leads elsewhere, or was taken already.

        Raises what opening it has raised.
        """
        if conninfo != self.conninfo or self._left:
            return connect(conninfo)
        self._thread.join()
        self._left = True
        if self._error is not None:
            raise self._error
        session, self._session = self._session, None
        return session or connect(conninfo)

    def leave(self) -> None:
        """Close the session if nobody has taken it, without waiting for it."""
        with self._lock:
            self._left = True
            if self._session is not None:
                self._session.close()
                self._session = None
