"""The server process of a data directory: is it there, and make it end; standard library only."""

from __future__ import annotations

import os
import signal
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

POLL_INTERVAL = 0.02
FAST_STOP_SECONDS = 60.0
IMMEDIATE_STOP_SECONDS = 15.0
REAPER_SECONDS = 2.0
PROCESSES = Path("/proc")
_PID_FILE_MAX = 4096  # bytes; eight short lines, one of them a path
_PID_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What a running server wrote into its `postmaster.pid`; `ready` says that it accepts connections."""

    pid: int
    socket_dir: str
    ready: bool


def running(data_dir: Path) -> Postmaster | None:
    """Return the running server of a data directory; a pid file that a crash left behind counts as none."""
    lines = _pid_file(data_dir)
    pid = _number(lines[0])
    # A negative number is a single-user backend: initdb's, never ours.
    if pid <= 0 or not _serves(pid, data_dir):
        return None
    return Postmaster(pid=pid, socket_dir=lines[4], ready=lines[7].strip() == "ready")


def is_ready(data_dir: Path) -> bool:
    """Tell whether a server runs there that accepts connections."""
    found = running(data_dir)
    return found is not None and found.ready


def says_ready(data_dir: Path) -> bool:
    """Tell whether the server of a new data directory accepts connections, whatever number its process has there."""
    return _pid_file(data_dir)[7].strip() == "ready"


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie (containers without an init keep them) does not."""
    if not _has_number(pid):
        return False
    try:
        status = (PROCESSES / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return not (PROCESSES / "self").exists()
    return status.rpartition(") ")[2][:1] != "Z"


def bury(data_dir: Path) -> None:
    """Deal with a killed server whose process is a zombie: PostgreSQL would take it for a running one.

    Init is given a moment to reap it; a container without init never does, and then the pid file is removed.
    Should a backend of the old server still live, PostgreSQL notices its shared memory without that file too.
    """
    deadline = time.monotonic() + REAPER_SECONDS
    while _is_zombie(_number(_pid_file(data_dir)[0])):
        if time.monotonic() > deadline:
            (data_dir / "postmaster.pid").unlink(missing_ok=True)
        time.sleep(POLL_INTERVAL)


def stop(data_dir: Path) -> bool:
    """Stop the server of a data directory: sessions are ended, what is committed stays; True when none is left."""
    return _signal_and_wait(data_dir, signal.SIGINT, FAST_STOP_SECONDS) or kill(data_dir)


def kill(data_dir: Path) -> bool:
    """Stop the server of a data directory at once, as `pg_ctl stop -m immediate`; True when none is left."""
    return _signal_and_wait(data_dir, signal.SIGQUIT, IMMEDIATE_STOP_SECONDS)


def _signal_and_wait(data_dir: Path, number: signal.Signals, seconds: float) -> bool:
    server = running(data_dir)
    if server is None:
        return True
    with suppress(ProcessLookupError):
        os.kill(server.pid, number)
    deadline = time.monotonic() + seconds
    # The pid file goes a moment before the process.
    while running(data_dir) is not None or is_alive(server.pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_INTERVAL)
    return True


def _pid_file(data_dir: Path) -> list[str]:
    """Return the eight lines of `postmaster.pid`; those not written yet are empty.

    A superuser's script may put something else there: we neither wait for a pipe nor read a device, and we are root.
    """
    lines: list[str] = []
    with suppress(OSError):
        descriptor = os.open(data_dir / "postmaster.pid", _PID_FILE_FLAGS)
        with os.fdopen(descriptor, "rb") as file:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                lines = file.read(_PID_FILE_MAX).decode(errors="replace").splitlines()
    return lines + [""] * (8 - len(lines))


def _number(line: str) -> int:
    try:
        return int(line)
    except ValueError:
        return 0


def _is_zombie(pid: int) -> bool:
    return pid > 0 and _has_number(pid) and not is_alive(pid)


def _has_number(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _serves(pid: int, data_dir: Path) -> bool:
    """Guard against a number that the system gave to another program: we may be root and about to signal it."""
    if not is_alive(pid):
        return False
    process = PROCESSES / str(pid)
    try:
        if process.stat().st_uid != data_dir.stat().st_uid:
            return False
        # A server's working directory is its data directory.
        return (process / "cwd").samefile(data_dir)
    except PermissionError:
        # Root in a container often lacks CAP_SYS_PTRACE and cannot see the directory: owner and name must do.
        return (process / "comm").read_text(encoding="utf-8").strip() in {"postgres", "postmaster"}
    except OSError:
        return not (PROCESSES / "self").exists()
