"""A network of two hosts whose link can vanish: Linux network namespaces with a switch between them.

    with network() as net:
        with net.inside(net.server): ...   # what starts there listens at SERVER
        with net.inside(net.client): ...   # what connects there comes from CLIENT
        net.down()                         # nothing gets through any more, and nobody is told

A namespace belongs to a thread, and to the programs that it starts. Nothing outside the namespaces is touched.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.processes import PROCESSES, sockets

SERVER, CLIENT = "192.0.2.1", "192.0.2.2"  # of TEST-NET-1, which is nobody's (RFC 5737)

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET of sched.h
_FOLDER = Path("/run/netns")
_CONNECTING = {"01", "02"}  # ESTABLISHED, SYN_SENT
_LIBRARY = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Network:
    """Two hosts by the names of their namespaces, and the switch between them."""

    client: str
    switch: str
    server: str

    def down(self) -> None:
        """Let the switch swallow everything: both hosts keep a link, and hear nothing any more."""
        _ip("-n", self.switch, "link", "set", "switch", "down")

    def up(self) -> None:
        _ip("-n", self.switch, "link", "set", "switch", "up")

    @contextmanager
    def inside(self, host: str) -> Iterator[None]:
        """Put this thread, and the programs that it starts, into a host for a block."""
        with Path("/proc/thread-self/ns/net").open("rb") as home:
            enter(host)
            try:
                yield
            finally:
                _enter(home.fileno())


def enter(host: str) -> None:
    """Put this thread into a host."""
    with (_FOLDER / host).open("rb") as file:
        _enter(file.fileno())


def connects(pid: int) -> bool:
    """Tell whether a process has a TCP connection, or is making one (Linux: Documentation/networking/proc_net_tcp)."""
    lines = (PROCESSES / str(pid) / "net" / "tcp").read_text(encoding="ascii").splitlines()[1:]
    mine = sockets(pid)
    return any(inode in mine and state in _CONNECTING for _, _, _, state, *_, inode in map(_head, lines))


def _head(line: str) -> list[str]:
    """Give a line's words up to the socket's inode."""
    return line.split()[:10]


def why_not() -> str | None:
    """Say why no such network can be made here, or nothing where one can."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return "network namespaces need root and the program ip (Debian package iproute2)"
    try:
        with network():
            return None
    except subprocess.CalledProcessError as error:
        return f"network namespaces cannot be made here: {error.stderr.strip()}"


@contextmanager
def network() -> Iterator[Network]:
    """Make the two hosts and the switch, with both links up; all of it is gone after the block."""
    names = [f"sqlm-{os.getpid()}-{part}" for part in ("client", "switch", "server")]
    net = Network(*names)
    with ExitStack() as stack:
        for name in names:
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "delete", name)
        _ip("-n", net.switch, "link", "add", "switch", "type", "bridge")
        for host, port, address in ((net.client, "client", CLIENT), (net.server, "server", SERVER)):
            peer = ("peer", "name", port, "netns", net.switch)
            _ip("link", "add", "link0", "netns", host, "type", "veth", *peer)
            _ip("-n", net.switch, "link", "set", port, "master", "switch", "up")
            _ip("-n", host, "address", "add", f"{address}/24", "dev", "link0")
            _ip("-n", host, "link", "set", "link0", "up")
            _ip("-n", host, "link", "set", "lo", "up")
        net.up()
        yield net


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, encoding="utf-8")


def _enter(namespace: int) -> None:
    if _LIBRARY.setns(namespace, _NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "setns")
