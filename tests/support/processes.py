"""The processes of this machine, as Linux lists them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

PROCESSES = Path("/proc")


def sockets(pid: int) -> set[str]:
    """Give the inodes of the sockets that a process has open, as /proc/net lists them; none once it has ended."""
    found = set()
    with suppress(OSError):
        for link in (PROCESSES / str(pid) / "fd").iterdir():
            with suppress(OSError):  # it may be closed while we look
                found.add(str(link.readlink()))
    return {name.removeprefix("socket:[").removesuffix("]") for name in found if name.startswith("socket:[")}


def family(pid: int) -> dict[int, str]:
    """Give the processes that a process has started, and those that they have, by number, with their titles."""
    parents, titles = {}, {}
    for process in PROCESSES.glob("[0-9]*"):
        with suppress(OSError):  # it may end while we look
            titles[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            parents[int(process.name)] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return {child: titles[child] for child in found - {pid}}


def servers_in(data_dir: Path) -> set[int]:
    """Give the processes that work in a data directory, by their numbers here: in a sandbox they know others."""
    found = set()
    for process in PROCESSES.glob("[0-9]*"):
        with suppress(OSError):  # it may end, or be somebody else's
            if (process / "cwd").samefile(data_dir):
                found.add(int(process.name))
    return found


def postmaster_in(data_dir: Path) -> int:
    """Give the server's first process in a data directory, by its number here."""
    parents = {}
    for pid in servers_in(data_dir):
        with suppress(OSError):
            parents[pid] = int((PROCESSES / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    [first] = [pid for pid, parent in parents.items() if parent not in parents]
    return first
