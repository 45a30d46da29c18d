"""A small process that ends a private server when its last user is gone, however that user ended.

It needs nothing beyond the standard library and this package, and runs in a session of its own: neither a
closed terminal nor Ctrl-C reaches it.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sqlmigrate.server import locks, postmaster
from sqlmigrate.server.locks import Locks
from sqlmigrate.server.places import remove_socket_dir

if TYPE_CHECKING:
    from sqlmigrate.server.account import Command

CHECK_INTERVAL = 0.5
# A starter that was killed may leave a server that has not written its pid file yet.
IDLE_CHECKS = 4

# The package's place is passed, since the watchdog runs without site-packages and PYTHONPATH.
START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from sqlmigrate.server.watchdog import main; main()"


def command(kind: str, *arguments: str | Path) -> Command:
    """Return the command that runs a watchdog."""
    return [sys.executable, "-I", "-S", "-c", START, Path(__file__).parents[2], kind, *arguments]


def main() -> None:
    """Run the watchdog that the command line names."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    kind, *arguments = sys.argv[1:]
    if kind in {"pipe", "sandbox"}:
        watch_pipe(Path(arguments[0]), alone=kind == "sandbox")
    elif kind == "users":
        watch_users(Path(arguments[0]), int(arguments[1]))


def watch_pipe(base: Path, *, alone: bool) -> None:
    """Wait for the end of standard input, which is the end of our user; then remove the server and its data.

    A sandbox ends `alone` when its user does.
    """
    while os.read(0, 1024):
        pass
    if not alone:
        postmaster.stop(base / "data")
    for _ in range(5):
        # A server or initdb that was just starting may write once more before it notices.
        shutil.rmtree(base, ignore_errors=True)
        time.sleep(0.2)
        if not base.exists():
            return


def watch_users(data_dir: Path, watch: int) -> None:
    """Stop a server that nobody uses or keeps, and end; `watch` is our lock, inherited from who started us.

    It looks at intervals: a watchdog that waited for the lock of the users would take it from the last one,
    who wants to stop the server himself.
    """
    idle = 0
    while idle < IDLE_CHECKS and locks.is_current(watch, Locks(data_dir).watch):
        time.sleep(CHECK_INTERVAL)
        try:
            idle = _check(data_dir, watch, idle)
        except FileNotFoundError:
            return  # somebody deleted the state directory; the server notices that by itself


def _check(data_dir: Path, watch: int, idle: int) -> int:
    """Look once, and count for how many looks there was nothing to watch."""
    ours = Locks(data_dir)
    with locks.attempted(ours.start, create=False) as quiet:
        if not quiet or ours.in_use():
            return 0
        if ours.keep.exists() and postmaster.running(data_dir):
            idle = IDLE_CHECKS
        elif postmaster.running(data_dir):
            postmaster.stop(data_dir)
            remove_socket_dir(data_dir)
        else:
            idle += 1
        if idle >= IDLE_CHECKS:
            # Given up while `start` is held: the next user sees that there is no watchdog, and starts one.
            os.close(watch)
        return idle
