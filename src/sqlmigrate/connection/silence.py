"""The other side says nothing: how long each side believes in it, and sessions that never wait for it for ever.

A host or a network that vanishes sends no farewell. Three limits of the system notice that, and each of them sees only
its own case: keepalives a connection on which nothing is under way, `tcp_user_timeout` data that nobody acknowledges,
and `connect_timeout` a connection that is only being made. With these values each of them gives up after `SECONDS`.
https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-KEEPALIVES
"""

from __future__ import annotations

import select
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import capabilities, pq, waiting

from sqlmigrate.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGconn, PGresult
    from psycopg.waiting import Ready, Wait

SECONDS = 20.0
"""How long the other side may be silent where it should say something."""

CLIENT = {
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "2",
    "tcp_user_timeout": "20000",
    "connect_timeout": "15",
}
"""libpq's parameters for it. Linux takes the user timeout for an idle connection too, so both must say the same."""

NETWORK = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "2",
    "tcp_user_timeout": "20s",
}
"""Settings of the server that say the same of us: any role may make them, and a Unix socket takes no notice."""

IDLE = {"idle_session_timeout": "0", "idle_in_transaction_session_timeout": "15min"}
SERVER = IDLE | NETWORK
"""All for a session that keeps locks: the server waits while we ask somebody, or are suspended, but not for ever.

The 15 minutes are for what the others cannot see, such as a proxy that lives on when its client is gone.
"""

LOOK_UP_SECONDS = 3.0
"""How long a look at a server that has been silent may take: it has been waited for already."""

NOT_KNOWN = (
    "whether it was rolled back is not known: the server may still hold the transaction; run `sqlmigrate status` "
    "when you can reach it again"
)

OPTIONS = " ".join(f"-c {name}={value}" for name, value in NETWORK.items())
"""The same as an option of the connection, for programs whose session we cannot ask for it."""

# while a statement runs, the server looks every second whether the connection still is one: only Linux can do that
_WATCH = """CASE WHEN pg_catalog.version() OPERATOR(pg_catalog.~~) '%linux%'
     THEN pg_catalog.set_config('client_connection_check_interval', '1s', {}) END"""

_COPIES = frozenset({pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH})
_INTERVAL, _AT_LEAST = 0.1, 1.0
_CANCEL_SECONDS, _END_SECONDS = 3.0, 3.0  # Ctrl-C is to end us within eight seconds


def settled(values: dict[str, str] = SERVER, local: str = "false") -> str:
    """Return the expressions of a SELECT that make these settings under any search_path; DISCARD ALL ends them.

    `local` is an SQL expression: whether they end with the transaction.
    """
    calls = (f"pg_catalog.set_config('{name}', '{value}', {local})" for name, value in values.items())
    return ", ".join([*calls, _WATCH.format(local)])


class Session(psycopg.Connection[tuple[Any, ...]]):
    """A session whose waiting ends: at its `deadline` (of time.monotonic) where it has one, and soon after Ctrl-C.

    `meanwhile` is called every tenth of a second while the server is silent, and each second while it is not; what it
    raises ends the waiting.
    `pooled` says that a pooler has lent it, `lent` that it is to be given back to it as it should have come.
    `moved` counts how often something has come, or could be sent.
    """

    deadline: float | None = None
    pooled: bool = False
    lent: bool = False
    meanwhile: Callable[[], None] | None = None
    moved: int = 0

    def wait(self, gen: PQGen[Any], interval: float = _INTERVAL, timeout: float | None = None) -> Any:
        """Wait for an answer; after Ctrl-C the running statement is cancelled, and its end is waited for, not longer.

        psycopg allows ten seconds for that, and from an old libpq as long as the network takes.
        """
        limits = {} if timeout is None else {"timeout": timeout}
        is_plain = self.deadline is None and self.meanwhile is None
        try:
            return waiting.wait(
                gen if is_plain else self._watched(gen), self.pgconn.socket, interval=interval, **limits
            )
        except KeyboardInterrupt as stop:
            self._end(gen, stop)
            raise

    def give_back(self) -> None:
        """Leave no lock and no setting of ours in a session that is `lent`: a pooler need not make it pristine."""
        if not self.lent or self.closed:
            return
        with suppress(psycopg.Error), limited(self, SECONDS):
            if self.info.transaction_status in {pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR}:
                self.rollback()
            if self.info.transaction_status == pq.TransactionStatus.IDLE:
                self.execute(b"DISCARD ALL")

    def _end(self, gen: PQGen[Any], stop: KeyboardInterrupt) -> None:
        """End the running statement; raises Interrupted where the server does not confirm that, or somebody hurries."""
        if self.pgconn.transaction_status != pq.TransactionStatus.ACTIVE:
            return
        try:
            with suppress(psycopg.Error):
                _cancel(self)
            self.deadline = time.monotonic() + _END_SECONDS
            waiting.wait(self._watched(gen), self.pgconn.socket, interval=_INTERVAL)
        except BaseException as error:
            if getattr(error, "sqlstate", None) is not None:
                return  # the server has answered: the statement is cancelled, or failed by itself
            self.close()
            if isinstance(error, (Exception, KeyboardInterrupt)):
                raise Interrupted.leaving(NOT_KNOWN, stop) from error
            raise

    def _watched(self, gen: PQGen[Any]) -> Generator[Wait, Ready | int, Any]:
        """Go on with a generator of psycopg until the deadline, when the session is closed."""
        looked = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                self.moved += bool(ready)
                if not ready or time.monotonic() > looked + _AT_LEAST:
                    self._look_round()
                    looked = time.monotonic()
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value

    def _look_round(self) -> None:
        if self.deadline is None:
            if self.meanwhile is not None:
                self.meanwhile()
        elif time.monotonic() > self.deadline:
            self.close()
            raise psycopg.OperationalError("the server does not answer")


def _cancel(session: Session) -> None:
    """Ask the server to cancel; an old libpq would wait for a silent one as long as the system does."""
    if capabilities.has_cancel_safe():
        session.cancel_safe(timeout=_CANCEL_SECONDS)
        return
    thread = threading.Thread(target=session.cancel, daemon=True)
    thread.start()
    thread.join(_CANCEL_SECONDS)


@contextmanager
def limited(session: Session, seconds: float) -> Iterator[None]:
    """Limit a session to so long for a block; it is of no use after psycopg.OperationalError."""
    session.deadline = time.monotonic() + seconds
    try:
        yield
    finally:
        session.deadline = None


def roll_back(session: Session, stop: KeyboardInterrupt) -> None:
    """End a transaction that is open when Ctrl-C comes; raises Interrupted where the server has not confirmed that."""
    open_ones = {pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR}
    if session.closed or session.pgconn.transaction_status not in open_ones:
        return
    try:
        with limited(session, _END_SECONDS):
            session.execute(b"ROLLBACK")
    except psycopg.Error:
        raise Interrupted.leaving(NOT_KNOWN, stop) from stop


def set_user_timeout(pgconn: PGconn, milliseconds: int) -> int:
    """Say how long data may go unacknowledged, and give what was said before; 0 leaves it to the system.

    Linux counts it, too, while a busy server just takes no more (tcp_probe_timer in net/ipv4/tcp_timer.c). So it must
    be 0 while more is sent than what a socket takes in unread. Where there is no such limit, nothing is done.
    """
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is None or pgconn.status != pq.ConnStatus.OK:
        return 0
    try:
        with socket.fromfd(pgconn.socket, socket.AF_INET, socket.SOCK_STREAM) as end:
            before = end.getsockopt(socket.IPPROTO_TCP, option)
            end.setsockopt(socket.IPPROTO_TCP, option, milliseconds)
    except OSError:  # a Unix socket
        return 0
    return before


@contextmanager
def without_user_timeout(pgconn: PGconn) -> Iterator[None]:
    """Let the server take its time to read what is sent in a block; somebody else must watch the network."""
    before = set_user_timeout(pgconn, 0)
    try:
        yield
    finally:
        if before:
            set_user_timeout(pgconn, before)


def is_reachable(address: tuple[str, int] | None) -> bool:
    """Tell whether anything answers at an IP address and port; without one it is this machine, which does.

    No name is looked up: that takes long where there is no network, and Ctrl-C does not end it.
    """
    if address is None:
        return True
    try:
        socket.create_connection(address, LOOK_UP_SECONDS).close()
    except ConnectionRefusedError:
        return True  # the host answers; what ran there is gone, and its sockets with it
    except OSError:
        return False
    return True


def address_of(session: psycopg.Connection[Any]) -> tuple[str, int] | None:
    """Return the IP address and port of a session's server; None for a Unix socket."""
    host = session.info.hostaddr
    return (host, session.info.port) if host and not host.startswith("/") else None


def is_readable(session: psycopg.Connection[Any], seconds: float = 0.0) -> bool:
    """Tell whether something has come, or comes within `seconds`; raises OSError or ValueError on a closed socket."""
    if hasattr(select, "poll"):  # select() fails from the 1,025th open file on
        poller = select.poll()
        poller.register(session.fileno(), select.POLLIN)
        return bool(poller.poll(seconds * 1000))
    return bool(select.select([session.fileno()], [], [], seconds)[0])


def is_usable(session: psycopg.Connection[Any]) -> bool:
    """Tell whether a session is there, and waits for a command."""
    if session.closed or session.pgconn.pipeline_status != pq.PipelineStatus.OFF:
        return False
    return session.pgconn.transaction_status != pq.TransactionStatus.ACTIVE


def is_farewell(result: PGresult) -> bool:
    """Tell whether a result is the last that its session says, or that can be read: libpq gives COPY's for ever."""
    if result.status in _COPIES:
        return True
    severity = result.error_field(pq.DiagnosticField.SEVERITY_NONLOCALIZED)
    return severity in {b"FATAL", b"PANIC"}
