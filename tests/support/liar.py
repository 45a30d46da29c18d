"""A server of PostgreSQL's protocol that nobody made with care: it passes on what a real one says, and alters it.

It stands on a Unix socket of its own before a real server, so that everything up to the altered answer is true:

    with Liar(server.host, server.port, Lie(answer=2, how="nulls")) as liar:
        psycopg.connect(host=liar.host, ...)

Answers are counted from 1 over all sessions, in the order in which their first message comes.
"""

from __future__ import annotations

import shutil
import socket
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Self

_BLOCK = 1 << 16
_TEXT_OID = 25
_NULL = struct.pack("!i", -1)


@dataclass(frozen=True)
class Lie:
    """Which answer is altered, and how: one of `HOW`; from 0 on all are."""

    answer: int
    how: str


def _values(payload: bytes) -> list[bytes | None]:
    at, values = 2, []
    for _ in range(struct.unpack_from("!H", payload)[0]):
        size = struct.unpack_from("!i", payload, at)[0]
        at += 4
        values.append(None if size < 0 else payload[at : at + size])
        at += max(size, 0)
    return values


def _row(values: list[bytes | None]) -> bytes:
    parts = (_NULL if value is None else struct.pack("!i", len(value)) + value for value in values)
    return _message(b"D", struct.pack("!H", len(values)) + b"".join(parts))


def _columns(payload: bytes) -> list[tuple[bytes, bytes]]:
    """Give the columns of a RowDescription: their names, and what is said of each."""
    at, columns = 2, []
    for _ in range(struct.unpack_from("!H", payload)[0]):
        end = payload.index(b"\0", at)
        columns.append((payload[at:end], payload[end + 1 : end + 19]))
        at = end + 19
    return columns


def _description(columns: list[tuple[bytes, bytes]]) -> bytes:
    told = b"".join(name + b"\0" + rest for name, rest in columns)
    return _message(b"T", struct.pack("!H", len(columns)) + told)


def _message(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack("!I", len(payload) + 4) + payload


def _as_text(rest: bytes) -> bytes:
    return rest[:6] + struct.pack("!I", _TEXT_OID) + rest[10:]


def _valued(change: Callable[[bytes | None], bytes | None]) -> Callable[[bytes, bytes], bytes]:
    def altered(kind: bytes, payload: bytes) -> bytes:
        return _row([change(value) for value in _values(payload)]) if kind == b"D" else _message(kind, payload)

    return altered


def _texts(kind: bytes, payload: bytes) -> bytes:
    if kind == b"D":
        return _row([b"garbage" for _ in _values(payload)])
    return _description([(name, _as_text(rest)) for name, rest in _columns(payload)])


def _renamed(kind: bytes, payload: bytes) -> bytes:
    if kind == b"D":
        return _message(kind, payload)
    return _description([(b"\xffx", rest) for _, rest in _columns(payload)])


def _longer(kind: bytes, payload: bytes) -> bytes:
    if kind == b"D":
        return _row([*_values(payload), b"1"])
    return _description([*_columns(payload), (b"more", (_columns(payload) or [(b"", bytes(18))])[0][1])])


def _shorter(kind: bytes, payload: bytes) -> bytes:
    return _row(_values(payload)[:-1]) if kind == b"D" else _description(_columns(payload)[:-1])


HOW: dict[str, Callable[[bytes, bytes], bytes]] = {
    "nulls": _valued(lambda _: None),
    "garbage": _valued(lambda _: b"\xff\xfe{garbage"),
    "numbers": _valued(lambda _: b"99999999999999999999"),
    "texts": _texts,
    "other names": _renamed,
    "a column more": _longer,
    "a column less": _shorter,
    "no rows": lambda kind, payload: b"" if kind == b"D" else _message(kind, payload),
    "each row twice": lambda kind, payload: _message(kind, payload) * (2 if kind == b"D" else 1),
    "a copy": lambda kind, _: b"" if kind == b"D" else _message(b"G", b"\0\0\0"),
    "bare errors": lambda kind, _: b"" if kind == b"D" else _message(b"E", b"p9x\0P-\0\0"),
}
"""What becomes of the description and of the rows of an answer."""


class Liar:
    """Listens at `host` (and `port`) while its block lasts; `answers` is how many have come so far."""

    def __init__(self, server_host: str, server_port: int, lie: Lie) -> None:
        self.port = server_port
        self.answers = 0
        self._lie = lie
        self._server = f"{server_host}/.s.PGSQL.{server_port}"
        self._numbers = count(1)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="liar-", dir="/tmp"))
        self._folder.chmod(0o711)
        self.host = str(self._folder)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{self.host}/.s.PGSQL.{self.port}")
        self._listener.listen(128)
        self._thread = threading.Thread(target=self._accept, name="liar", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        shutil.rmtree(self._folder)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            for work in (self._ask, self._answer):
                threading.Thread(target=work, args=(client, server), name="liar", daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(_BLOCK):
                server.sendall(data)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _answer(self, client: socket.socket, server: socket.socket) -> None:
        number = 0
        with suppress(OSError), server, client:
            for kind, payload in _messages(server):
                if kind == b"T":
                    with self._lock:
                        number = self.answers = next(self._numbers)
                told = _message(kind, payload)
                if kind in (b"T", b"D") and self._lie.answer in (0, number):
                    told = HOW[self._lie.how](kind, payload)
                client.sendall(told)


def _messages(server: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    buffer = b""
    while data := server.recv(_BLOCK):
        buffer += data
        while len(buffer) >= 5 and len(buffer) > (size := struct.unpack_from("!I", buffer, 1)[0]):
            yield buffer[:1], buffer[5 : size + 1]
            buffer = buffer[size + 1 :]
