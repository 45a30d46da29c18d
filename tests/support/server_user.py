"""A process of its own that uses a private server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.waiting import LONG

# Says who it is on standard output, and leaves when its standard input ends.
USE = """
import sys
from pathlib import Path
from sqlmigrate.server import shared
from sqlmigrate.server.postmaster import running
from support.waiting import LONG
with shared(Path(sys.argv[1])) as server:
    print(running(server.data_dir).pid, server.data_dir, flush=True)
    sys.stdin.read()
"""


@contextmanager
def python(script: str, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Run a script in a process group of its own; what still runs at the end is killed."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    """Give the next line of a process; an empty one means that it ended."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def leave(process: subprocess.Popen[str]) -> int:
    """Let a process end by itself, and give its exit status."""
    assert process.stdin is not None
    process.stdin.close()
    return process.wait(LONG)
