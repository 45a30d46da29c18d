"""The proxy that the fault tests and the benchmarks rely on, between two plain sockets."""

from __future__ import annotations

import socket
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from select import select

import pytest

from support.proxy import AFTER, BEFORE, TO_CLIENT, TO_SERVER, Message, Proxy, Then
from support.waiting import LONG, stretched, wait_until

STARTUP = struct.pack("!II", 8, 196608)
CANCEL = struct.pack("!IIII", 16, 80877102, 7, 8)
TLS = struct.pack("!II", 8, 80877103)


def message(kind: str, body: bytes = b"") -> bytes:
    return kind.encode() + struct.pack("!I", 4 + len(body)) + body


@dataclass
class Pair:
    """The two ends of a session through the proxy."""

    client: socket.socket
    server: socket.socket


@dataclass
class Line:
    """A proxy before a socket that nobody answers on but the test."""

    proxy: Proxy
    listener: socket.socket
    stack: ExitStack

    def dial(self) -> Pair:
        client = self.stack.enter_context(socket.socket(self.listener.family if self.proxy.port == 5432 else 2))
        client.settimeout(LONG)
        host = self.proxy.host
        client.connect(f"{host}/.s.PGSQL.5432" if host.startswith("/") else (host, self.proxy.port))
        server, _ = self.listener.accept()
        self.stack.enter_context(server).settimeout(LONG)
        return Pair(client, server)

    def session(self) -> Pair:
        """Open a session whose startup message has come through."""
        pair = self.dial()
        pair.client.sendall(STARTUP)
        assert pair.server.recv(8) == STARTUP
        return pair


@pytest.fixture
def line(tmp_path_factory) -> Iterator[Callable[..., Line]]:
    with ExitStack() as stack:

        def make(**options) -> Line:
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            folder = Path(stack.enter_context(_short_folder()))
            listener.bind(f"{folder}/.s.PGSQL.5432")
            listener.listen()
            listener.settimeout(LONG)
            return Line(stack.enter_context(Proxy(str(folder), **options)), listener, stack)

        yield make


def _short_folder():
    """Paths of sockets end at 107 bytes, and pytest's are longer."""
    return tempfile.TemporaryDirectory(prefix="proxied-", dir="/tmp")


def everything(end: socket.socket) -> bytes:
    """Read until the other side has closed."""
    parts = []
    while part := end.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def test_bytes_pass_unchanged_in_both_directions(line):
    pair = line().session()
    pair.client.sendall(message("Q", b"SELECT 1\0"))
    pair.server.sendall(message("Z", b"I"))

    assert pair.server.recv(100) == message("Q", b"SELECT 1\0")
    assert pair.client.recv(100) == message("Z", b"I")


def test_tcp_works_as_well(line):
    pair = line(tcp=True).session()
    pair.client.sendall(message("Q"))

    assert pair.server.recv(100) == message("Q")


def test_messages_are_counted_however_they_are_cut_into_packets(line):
    made = line(record=True)
    pair = made.session()
    stream = message("P", b"x" * 300) + message("B") + message("Q", b"y")
    for byte in stream:
        pair.client.sendall(bytes([byte]))
    received = b""
    while len(received) < len(stream):
        received += pair.server.recv(100)

    assert received == stream
    assert [(item.number, item.kind) for item in made.proxy.trace] == [(1, "startup"), (2, "P"), (3, "B"), (4, "Q")]
    assert made.proxy.messages == {TO_SERVER: 4, TO_CLIENT: 0}


def test_a_message_larger_than_every_buffer_passes(line):
    pair = line().session()
    large = message("d", b"z" * (8 << 20))
    sender = threading.Thread(target=lambda: (pair.client.sendall(large), pair.client.close()))
    sender.start()

    assert everything(pair.server) == large
    sender.join()


def test_round_trips_are_answers_after_questions(line):
    made = line()
    pair = made.session()
    for _ in range(3):
        pair.client.sendall(message("P") + message("S"))
        assert len(pair.server.recv(100)) == 10
        pair.server.sendall(message("1") + message("Z"))
        assert len(pair.client.recv(100)) == 10
    pair.server.sendall(message("N"))
    assert pair.client.recv(100)

    assert made.proxy.round_trips == 3
    assert made.proxy.messages == {TO_SERVER: 7, TO_CLIENT: 7}


def test_encryption_is_refused_and_the_session_goes_on(line):
    made = line(record=True)
    pair = made.dial()
    pair.client.sendall(TLS)
    assert pair.client.recv(10) == b"N"
    pair.client.sendall(STARTUP)

    assert pair.server.recv(100) == STARTUP
    assert [item.kind for item in made.proxy.trace] == ["startup"]


def test_a_cancel_request_passes(line):
    made = line(record=True)
    pair = made.dial()
    pair.client.sendall(CANCEL)
    pair.client.close()

    assert everything(pair.server) == CANCEL
    assert [item.kind for item in made.proxy.trace] == ["cancel"]


@pytest.mark.parametrize(("when", "passed"), [(BEFORE, ["P"]), (AFTER, ["P", "B"])])
def test_a_cut_delivers_exactly_what_came_before_it(line, when, passed):
    made = line()
    made.proxy.at(1, TO_SERVER, 3, lambda _: Then.CUT, when)
    pair = made.session()
    pair.client.sendall(message("P") + message("B") + message("E"))

    assert everything(pair.server) == b"".join(map(message, passed))
    assert everything(pair.client) == b""


def test_a_cut_on_the_way_back_delivers_what_came_before_it(line):
    made = line()
    made.proxy.at(1, TO_CLIENT, 2, lambda _: Then.CUT)
    pair = made.session()
    pair.server.sendall(message("C") + message("Z"))

    assert everything(pair.client) == message("C")


def test_a_fault_is_for_one_session_and_one_time(line):
    made = line()
    made.proxy.at(1, TO_SERVER, 2, lambda _: Then.CUT)
    first, second = made.session(), made.session()
    second.client.sendall(message("Q"))
    assert second.server.recv(100) == message("Q")
    first.client.sendall(message("Q"))

    assert everything(first.server) == b""
    third = made.session()
    third.client.sendall(message("Q"))
    assert third.server.recv(100) == message("Q")


def test_the_message_waits_until_the_action_is_done(line):
    made = line()
    seen: list[Message] = []
    done = threading.Event()

    def look(at: Message) -> Then:
        seen.append(at)
        done.wait(LONG)
        return Then.GO_ON

    made.proxy.at(1, TO_SERVER, 2, look)
    pair = made.session()
    pair.client.sendall(message("Q"))
    wait_until(lambda: seen)
    assert select([pair.server], [], [], 0) == ([], [], [])
    done.set()

    assert pair.server.recv(100) == message("Q")
    assert seen == [Message(1, TO_SERVER, 2, "Q", 1)]
    assert str(seen[0]) == "message 2 to server (Q) of session 1"


def test_a_stalled_session_stays_open_and_others_go_on(line):
    made = line()
    made.proxy.at(1, TO_SERVER, 2, lambda _: Then.STALL)
    stalled, other = made.session(), made.session()
    stalled.client.sendall(message("Q"))
    other.client.sendall(message("Q"))

    assert other.server.recv(100) == message("Q")
    assert select([stalled.client, stalled.server], [], [], 0) == ([], [], [])


def test_a_network_that_is_down_cuts_all_and_refuses_new_sessions(line):
    made = line()
    made.proxy.at(2, TO_SERVER, 2, lambda _: Then.DOWN)
    first, second = made.session(), made.session()
    second.client.sendall(message("Q"))

    assert everything(first.client) == everything(second.client) == b""
    late = socket.socket(socket.AF_UNIX)
    late.connect(f"{made.proxy.host}/.s.PGSQL.5432")
    assert late.recv(1) == b""
    late.close()
    made.proxy.reset()
    assert made.session().client.fileno() > 0


def test_a_delay_counts_for_each_direction(line):
    made = line(delay=0.05)
    started = time.monotonic()
    pair = made.session()
    half = time.monotonic()
    pair.server.sendall(message("Z"))
    assert pair.client.recv(100) == message("Z")

    assert half - started >= 0.05
    assert time.monotonic() - half >= 0.05


def test_what_is_under_way_is_delayed_together(line):
    made = line(delay=0.3)  # one after the other they would take half a minute
    pair = made.session()
    started = time.monotonic()
    for _ in range(100):
        pair.client.sendall(message("Q"))
    received = 0
    while received < 500:
        received += len(pair.server.recv(1000))

    assert 0.3 <= time.monotonic() - started < stretched(15)


def test_the_end_of_one_side_is_passed_on_after_the_last_message(line):
    pair = line(delay=0.02).session()
    pair.client.sendall(message("X"))
    pair.client.close()

    assert everything(pair.server) == message("X")


def test_the_last_word_of_a_client_that_leaves_before_an_answer_comes_still_counts(line):
    place = line()
    pair = place.session()

    def leave(_: Message) -> Then:
        pair.client.sendall(message("X"))
        pair.client.close()
        return Then.GO_ON

    place.proxy.at(1, TO_CLIENT, 1, leave)
    pair.server.sendall(message("Z"))

    assert everything(pair.server) == message("X")
    assert place.proxy.messages == {TO_SERVER: 2, TO_CLIENT: 1}
    wait_until(lambda: not place.proxy.busy)


def test_a_server_that_is_not_there_ends_the_session(line):
    made = line()
    made.listener.close()
    client = made.stack.enter_context(socket.socket(socket.AF_UNIX))
    client.connect(f"{made.proxy.host}/.s.PGSQL.5432")

    assert client.recv(1) == b""


def test_nothing_is_left_behind(line):
    made = line()
    pair = made.session()
    made.proxy.__exit__()

    assert everything(pair.client) == everything(pair.server) == b""
    assert not Path(made.proxy.host).exists()
    wait_until(lambda: not any(thread.name == "proxy" and thread.is_alive() for thread in threading.enumerate()))
    made.proxy.__enter__()  # for the fixture, which ends it again
