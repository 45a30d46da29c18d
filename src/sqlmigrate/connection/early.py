"""Open a session while something else is done, such as reading files: most of the time, it waits for the network."""

from __future__ import annotations

from contextlib import suppress
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from sqlmigrate.connection.sessions import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlmigrate.connection.silence import Session


class Early:
    """A session that is being opened, and may `ask` something meanwhile: `take` it once, or `leave` it."""

    def __init__(self, conninfo: str, *, application_name: str = "sqlmigrate") -> None:
        self.conninfo, self._name = conninfo, application_name
        self._lock = Lock()
        self._session: Session | None = None
        self._error: Exception | None = None
        self._left = False
        self._answer: tuple[Session, Any] | None = None
        self._thread = Thread(target=self._open, daemon=True)
        self._thread.start()

    def _open(self) -> None:
        try:
            session = connect(self.conninfo, application_name=self._name)
        except Exception as error:  # noqa: BLE001  whoever takes it has to know
            self._error = error
            return
        self._keep(session)

    def _keep(self, session: Session) -> None:
        with self._lock:
            if self._left:
                session.close()
            else:
                self._session = session

    def ask(self, question: Callable[[Session], Any]) -> None:
        """Call a function with the session once it is open, while something else is done; `answer` gives its result.

        It imports nothing: two threads that import may wait for each other.
        """
        self._thread = Thread(target=self._ask, args=(self._thread, question), daemon=True)
        self._thread.start()

    def _ask(self, opening: Thread, question: Callable[[Session], Any]) -> None:
        opening.join()
        with self._lock:
            session, self._session = self._session, None
        if session is None:
            return
        if not session.pooled:  # else an error would end the transaction that everything is read in
            with suppress(Exception):  # whoever needs the answer asks again, and hears of it then
                self._answer = (session, question(session))
        self._keep(session)

    def answer(self, session: object) -> Any:
        """Return what this session was asked for and has answered; None where it was not, or could not."""
        return self._answer[1] if self._answer is not None and self._answer[0] is session else None

    def take(self, conninfo: str) -> Session:
        """Return the session, once it is open; a new one where it leads elsewhere, or was taken already.

        Raises what opening it has raised.
        """
        if conninfo != self.conninfo or self._left:
            return connect(conninfo, application_name=self._name)
        self._thread.join()
        self._left = True
        if self._error is not None:
            raise self._error
        session, self._session = self._session, None
        return session or connect(conninfo, application_name=self._name)

    def leave(self) -> None:
        """Close the session if nobody has taken it, without waiting for it."""
        with self._lock:
            self._left = True
            if self._session is not None:
                self._session.close()
                self._session = None
