"""A balancer before several servers, as a TCP proxy or a name server makes one: each session goes to the next one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import cycle

from sqlmigrate.server import PrivateServer


@contextmanager
def balancer(servers: Sequence[PrivateServer]) -> Iterator[int]:
    """Share out sessions among servers on Unix sockets, in turn; gives the port on 127.0.0.1."""
    with ExitStack() as ends:
        listener = ends.enter_context(socket.create_server(("127.0.0.1", 0)))
        accepting = threading.Thread(target=_accept, args=(listener, servers, ends))
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()


def _accept(listener: socket.socket, servers: Sequence[PrivateServer], ends: ExitStack) -> None:
    turn, threads = cycle(servers), []
    with suppress(OSError):
        while True:
            client = ends.enter_context(listener.accept()[0])
            server = next(turn)
            there = ends.enter_context(socket.socket(socket.AF_UNIX))
            there.connect(f"{server.host}/.s.PGSQL.{server.port}")
            for pair in ((client, there), (there, client)):
                threads.append(threading.Thread(target=_pass_on, args=pair))
                threads[-1].start()
    for thread in threads:
        thread.join()


def _pass_on(source: socket.socket, goal: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            goal.sendall(data)
    for end in (source, goal):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
