"""Run a process and take its time and memory; medians over several runs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

_PEAK_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took: `wall` and `cpu` in seconds (its own CPU, not the server's), `peak` memory in bytes."""

    wall: float
    cpu: float
    peak: int


def cost(commands: Sequence[Sequence[str]], *, cwd: Path, env: Mapping[str, str], findings: int = 0) -> Cost:
    """Run commands one after the other and add up what they take; a failing one ends the benchmark.

    `findings` is an exit status that is no failure either.
    """
    parts = [_one(command, cwd, env, {0, findings}) for command in commands]
    return Cost(sum(part.wall for part in parts), sum(part.cpu for part in parts), max(part.peak for part in parts))


def _one(command: Sequence[str], cwd: Path, env: Mapping[str, str], good: Collection[int]) -> Cost:
    with tempfile.TemporaryFile() as said:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)  # it was waited for behind the back of Popen
        if process.returncode not in good:
            said.seek(0)
            words = said.read().decode(errors="replace")[-4000:]
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{words}")
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * _PEAK_UNIT)


def middle(costs: Sequence[Cost]) -> Cost:
    """Give the median of each figure, and the highest memory."""
    return Cost(median(one.wall for one in costs), median(one.cpu for one in costs), max(one.peak for one in costs))
