"""A small process that ends a private server when its last user is gone, however that user ended.

It imports nothing beyond the standard library and `postmaster`, and runs in a session of its own: neither a
closed terminal nor Ctrl-C reaches it.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path

from sqlmigrate.server import postmaster

# The package's place is passed, since the watchdog runs without site-packages and PYTHONPATH.
START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from sqlmigrate.server.watchdog import main; main()"


def command(kind: str, *arguments: str | Path) -> list[str | Path]:
    """Give the command that runs a watchdog."""
    return [sys.executable, "-I", "-S", "-c", START, Path(__file__).parents[2], kind, *arguments]


def main() -> None:
    """Run the watchdog that the command line names."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    kind, *arguments = sys.argv[1:]
    if kind == "pipe":
        watch_pipe(Path(arguments[0]))


def watch_pipe(base: Path) -> None:
    """Wait for the end of standard input, which is the end of our user; then remove the server and its data."""
    while os.read(0, 1024):
        pass
    postmaster.stop(base / "data")
    for _ in range(5):
        # A server or initdb that was just starting may write once more before it notices.
        shutil.rmtree(base, ignore_errors=True)
        time.sleep(0.2)
        if not base.exists():
            return
