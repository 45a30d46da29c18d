"""The processes of this machine, as Linux lists them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

PROCESSES = Path("/proc")


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
