"""A proxy for PostgreSQL's protocol, for tests and benchmarks: it counts, delays, holds back and cuts.

It stands between clients and one server and reads message frames, nothing more; a request for TLS is answered with no.
One thread does the work. Messages are counted from 1 for each session and direction, sessions from 1 as they come:

    with Proxy(server.host, server.port) as proxy:
        proxy.at(2, TO_SERVER, 7, lambda message: Then.CUT)
        psycopg.connect(host=proxy.host, port=proxy.port, ...)
"""

from __future__ import annotations

import select
import shutil
import socket
import struct
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Self

TO_SERVER, TO_CLIENT = "to server", "to client"
BEFORE, AFTER = "before", "after"

_LENGTH, _UNTYPED_HEADER, _TYPED_HEADER = struct.Struct("!I"), 8, 5
_CANCEL, _TLS, _GSS = 80877102, 80877103, 80877104
_BLOCK, _QUEUE_MAX = 1 << 16, 1 << 20


class Then(Enum):
    """What becomes of a session after something was done at one of its messages."""

    GO_ON = "go on"
    CUT = "cut this session"
    STALL = "let nothing more of this session through, and keep it open"
    DOWN = "cut every session, and refuse new ones"


@dataclass(frozen=True, slots=True)
class Message:
    """One message: `kind` is its letter (`startup` and `cancel` have none), `burst` counts the turns of direction."""

    session: int
    direction: str
    number: int
    kind: str
    burst: int

    def __str__(self) -> str:
        return f"message {self.number} {self.direction} ({self.kind}) of session {self.session}"


Action = Callable[[Message], Then]


class _Flow:
    """One direction of a session: what is read and not whole yet, and what waits to be sent (with the time for it)."""

    __slots__ = ("buffer", "count", "direction", "ended", "queue", "session", "sink", "source", "typed")

    def __init__(self, session: _Session, direction: str, source: socket.socket, sink: socket.socket) -> None:
        self.session, self.direction, self.source, self.sink = session, direction, source, sink
        self.buffer = bytearray()
        self.queue: deque[tuple[float, bytes]] = deque()
        self.count = 0
        self.ended = False
        self.typed = direction == TO_CLIENT  # the first message of a client has no letter

    def waiting(self) -> int:
        """Give how many bytes are still to be sent."""
        return sum(len(part) for _, part in self.queue) if self.queue else 0

    def messages(self) -> Iterator[tuple[str, int]]:
        """Give each whole message in the buffer as its kind and the place where it ends."""
        buffer, at = self.buffer, 0
        while len(buffer) - at >= (_TYPED_HEADER if self.typed else _UNTYPED_HEADER):
            end = at + self.typed + _LENGTH.unpack_from(buffer, at + self.typed)[0]
            if end > len(buffer):
                return
            kind = chr(buffer[at]) if self.typed else self._first(_LENGTH.unpack_from(buffer, at + 4)[0])
            yield kind, end
            at = end

    def _first(self, code: int) -> str:
        if code in (_TLS, _GSS):
            return "encryption"
        self.typed = True
        return "cancel" if code == _CANCEL else "startup"


class _Session:
    """A client and its own connection to the server."""

    def __init__(self, number: int, client: socket.socket, server: socket.socket) -> None:
        self.number, self.client, self.server = number, client, server
        self.flows = (_Flow(self, TO_SERVER, client, server), _Flow(self, TO_CLIENT, server, client))
        self.turned: str | None = None
        self.burst = 0
        self.open, self.stalled = True, False


class Proxy:
    """Listens on a Unix socket of its own (or on loopback TCP) at `host` and `port` while its block lasts.

    `delay` is the time in seconds that every byte takes in each direction. `trace` holds the messages where `record`
    is on; `messages` counts them for each direction, `round_trips` how often a server's answer followed.
    """

    def __init__(
        self, server_host: str, server_port: int = 5432, *, tcp: bool = False, delay: float = 0.0, record: bool = False
    ) -> None:
        self.delay, self.record = delay, record
        self._server = _address(server_host, server_port)
        self._tcp = tcp
        self._sessions: list[_Session] = []
        self.reset()

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="proxy-", dir="/tmp"))
        self._folder.chmod(0o711)
        self.host, self.port = ("127.0.0.1", 0) if self._tcp else (str(self._folder), 5432)
        self._listener = socket.socket(socket.AF_INET if self._tcp else socket.AF_UNIX)
        self._listener.bind(_address(self.host, self.port))
        if self._tcp:
            self.port = self._listener.getsockname()[1]
        self._listener.listen(128)
        self._wake, self._waker = socket.socketpair()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="proxy", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._waker.send(b".")
        self._thread.join()
        for end in (self._listener, self._wake, self._waker):
            end.close()
        shutil.rmtree(self._folder)

    def reset(self) -> None:
        """Forget what was counted and what was to be done, and take new sessions; those that are open stay so."""
        self.trace: list[Message] = []
        self.messages = {TO_SERVER: 0, TO_CLIENT: 0}
        self.round_trips = self.sessions = 0
        self.down = self.silent = False
        self._heeded = threading.Event()
        self._actions: dict[tuple[int, str, int], tuple[str, Action]] = {}

    def swallow(self) -> None:
        """Let nothing more through; sessions stay open, and new ones are taken and hear nothing."""
        self.silent = True
        self._waker.send(b".")
        if threading.current_thread() is not self._thread:
            assert self._heeded.wait(60)  # what is sent from now on is not among what it had begun to read

    def stall(self, number: int) -> None:
        """Let nothing more of one session through, and keep it open."""
        for session in list(self._sessions):
            session.stalled = session.stalled or session.number == number
        self._waker.send(b".")

    def lead_to(self, server_host: str, server_port: int) -> None:
        """Cut every session, and lead new ones to another server; to be called at a message."""
        self._server = _address(server_host, server_port)
        for session in list(self._sessions):
            self._close(session)

    @property
    def busy(self) -> bool:
        """Whether a session is still open, so that more messages may come."""
        return bool(self._sessions)

    def at(self, session: int, direction: str, number: int, action: Action, when: str = BEFORE) -> None:
        """Do something at one message, before or after it is passed on; the proxy waits for it."""
        self._actions[session, direction, number] = (when, action)

    def _work(self) -> None:
        while not self._stopping:
            if self.silent:
                self._heeded.set()
            sessions = [] if self.silent else self._sessions
            flows = [flow for session in sessions if not session.stalled for flow in session.flows]
            now = time.monotonic()
            due = [flow.queue[0][0] for flow in flows if flow.queue and flow.queue[0][0] > now]
            reading = [flow.source for flow in flows if not flow.ended and flow.waiting() < _QUEUE_MAX]
            writing = [flow.sink for flow in flows if flow.queue and flow.queue[0][0] <= now]
            timeout = min(due) - now if due else None
            readable, writable, _ = select.select([self._wake, self._listener, *reading], writing, [], timeout)
            if self._wake in readable:
                self._wake.recv(1)
            self._move(flows, set(readable), set(writable))
        for session in list(self._sessions):
            self._close(session)

    def _move(self, flows: list[_Flow], readable: set[socket.socket], writable: set[socket.socket]) -> None:
        if self._listener in readable:
            self._accept()
        now = time.monotonic()
        for flow in flows:
            if flow.session.open and flow.source in readable:
                self._read(flow)
            if flow.session.open and flow.queue and (flow.sink in writable or flow.queue[0][0] <= now):
                self._send(flow)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        server = socket.socket(socket.AF_UNIX if isinstance(self._server, str) else socket.AF_INET)
        try:
            if self.down:
                raise ConnectionRefusedError
            server.connect(self._server)
        except OSError:
            client.close()
            server.close()
            return
        for end in (client, server):
            end.setblocking(False)
            if end.family == socket.AF_INET:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sessions += 1
        self._sessions.append(_Session(self.sessions, client, server))

    def _read(self, flow: _Flow) -> None:
        try:
            data = flow.source.recv(_BLOCK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            flow.buffer += data
            self._pass_on(flow)
        else:
            flow.ended = True
            self._send(flow, b"")  # the end travels behind the data

    def _pass_on(self, flow: _Flow) -> None:
        """Count the whole messages in the buffer and pass them on; stop where something is to be done."""
        passed = at = 0
        for kind, end in flow.messages():
            if kind == "encryption":
                flow.source.send(b"N")
                passed = at = end
                continue
            when, action, message = self._count(flow, kind)
            if action and message:
                split = at if when == BEFORE else end
                self._forward(flow, passed, split)
                passed = split
                if not self._go_on(flow.session, action(message)):
                    return
            at = end
        self._forward(flow, passed, at)
        del flow.buffer[:at]

    def _forward(self, flow: _Flow, start: int, end: int) -> None:
        if end > start:
            self._send(flow, bytes(flow.buffer[start:end]))

    def _count(self, flow: _Flow, kind: str) -> tuple[str, Action | None, Message | None]:
        session = flow.session
        flow.count += 1
        self.messages[flow.direction] += 1
        if session.turned != flow.direction:
            session.turned = flow.direction
            session.burst += 1
            self.round_trips += flow.direction == TO_CLIENT
        if not self._actions and not self.record:
            return BEFORE, None, None
        when, action = self._actions.pop((session.number, flow.direction, flow.count), (BEFORE, None))
        message = Message(session.number, flow.direction, flow.count, kind, session.burst)
        if self.record:
            self.trace.append(message)
        return when, action, message

    def _go_on(self, session: _Session, then: Then) -> bool:
        if then is Then.STALL:
            session.stalled = True
        elif then is not Then.GO_ON:
            self.down = self.down or then is Then.DOWN
            for each in list(self._sessions) if self.down else [session]:
                self._close(each)
        return then is Then.GO_ON

    def _send(self, flow: _Flow, part: bytes | None = None) -> None:
        """Send what is due, as far as the other side takes it; an empty part ends the session."""
        if part is not None:
            flow.queue.append((time.monotonic() + self.delay if self.delay else 0.0, part))
        try:
            while flow.queue and flow.queue[0][0] <= time.monotonic():
                due, first = flow.queue[0]
                if not first:
                    self._close(flow.session)
                    return
                sent = flow.sink.send(first)
                flow.queue.popleft()
                if sent < len(first):
                    flow.queue.appendleft((due, first[sent:]))
        except BlockingIOError:
            pass
        except OSError:
            self._lose(flow)

    def _lose(self, flow: _Flow) -> None:
        """End a session whose one side is gone; what that had said before it went, perhaps just now, still counts."""
        flow.ended = True
        back = next(other for other in flow.session.flows if other is not flow)
        if flow.session.open and not back.ended:
            self._read(back)
        self._close(flow.session)

    def _close(self, session: _Session) -> None:
        """End a session; what was passed on already is still delivered, whatever its delay."""
        if session.open:
            session.open = False
            self._sessions.remove(session)
            for flow in session.flows:
                with suppress(OSError):
                    flow.sink.settimeout(1)
                    flow.sink.sendall(b"".join(part for _, part in flow.queue))
            session.client.close()
            session.server.close()


class Wire(Proxy):
    """The same for what is no PostgreSQL: it reads no messages, and counts none."""

    def _pass_on(self, flow: _Flow) -> None:
        self._forward(flow, 0, len(flow.buffer))
        flow.buffer.clear()


def _address(host: str, port: int) -> str | tuple[str, int]:
    """Give the address of a server as libpq means host and port: a folder holds a Unix socket."""
    return f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)
