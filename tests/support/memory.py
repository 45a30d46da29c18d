"""How much memory a call of the command takes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from support.command import SOURCE

# VmHWM, since ru_maxrss counts what the test's own process holds too: it is kept over exec
_PROGRAM = r"""
import re, sys
from pathlib import Path
from sqlmigrate.cli.app import main

def peak():
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024

before = peak()
status = main(sys.argv[1:])
print(before, peak())
sys.exit(status)
"""


@dataclass(frozen=True)
class Memory:
    """The peak of a call in MB, and how far it had come before the call; `stderr` is what it said."""

    peak: int
    before: int
    stderr: str


def memory(*arguments: str | Path) -> Memory:
    """Call the command line in a process of its own; it must succeed."""
    command = [sys.executable, "-c", _PROGRAM, *map(str, arguments)]
    done = subprocess.run(command, env={"PYTHONPATH": str(SOURCE)}, capture_output=True, encoding="utf-8", check=False)

    assert done.returncode == 0, done.stderr
    before, peak = done.stdout.splitlines()[-1].split()
    return Memory(int(peak), int(before), done.stderr)
