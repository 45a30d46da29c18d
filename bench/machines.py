"""Many machines: what a scheduler and workers cost beside threads, over targets that are done at once.

The processes are real ones, on this machine, without TLS; only what is done at a target is left out.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from clock import cost
from comparing import tell
from contestants import BIN, environment

if TYPE_CHECKING:
    from collections.abc import Sequence

_ADDRESS = "tcp://127.0.0.1:18787"
_WORKERS = 3
_SECONDS = 120
_PROGRAM = """
import sys
from sqlmigrate.fleet.model import Outcome, Verdict

def done(order, workshop):
    return Outcome(order.target, Verdict.DONE, ("1_a", "2_b"), 0.02, worker="here:1")

if "worker" in sys.argv:
    from sqlmigrate.fleet.machines import tasks
    tasks.bring = done
else:
    from sqlmigrate.fleet import project
    project.bring = done
from sqlmigrate.__main__ import run
sys.exit(run())
"""


@dataclass(frozen=True, slots=True)
class Fleeting:
    """A run over so many simulated targets: `wall` and `cpu` of the coordinator in seconds, memory in MB.

    `handed_out` is the CPU time of the scheduler.
    """

    what: str
    targets: int
    wall: float
    cpu: float
    coordinator: float
    scheduler: float | None = None
    handed_out: float | None = None

    @property
    def each(self) -> float:
        """Milliseconds a target."""
        return self.wall / self.targets * 1000


def machines(place: Path, targets: int) -> list[Fleeting]:
    """Measure the same run by threads and by workers."""
    tell(f"{targets} simulated targets by threads and by workers")
    folder = _project(place / "machines", targets)
    apply = ["fleet", "apply", "--quiet", "--concurrency", "64", "--per-cluster", "0"]
    env = environment(place)
    threads = cost([[*_python(), *apply]], cwd=folder, env=env)
    with ExitStack() as stack:
        scheduler = stack.enter_context(_Process(folder, env, "scheduler", "--listen", _ADDRESS))
        for _ in range(_WORKERS):
            stack.enter_context(_Process(folder, env, "worker", "--scheduler", _ADDRESS))
        before = scheduler.cpu()
        workers = cost([[*_python(), *apply, "--scheduler", _ADDRESS]], cwd=folder, env=env)
        memory, handed_out = scheduler.peak(), scheduler.cpu() - before
    by = f"a scheduler and {_WORKERS} workers"
    return [
        Fleeting("threads", targets, threads.wall, threads.cpu, threads.peak / 1e6),
        Fleeting(by, targets, workers.wall, workers.cpu, workers.peak / 1e6, memory, handed_out),
    ]


class _Process:
    """A process of the fleet for a block, once it is ready."""

    def __init__(self, folder: Path, env: dict[str, str], *words: str) -> None:
        self.output = folder / f"output{time.monotonic_ns()}"
        with self.output.open("wb") as file:
            self.process = subprocess.Popen([*_python(), "fleet", *words], cwd=folder, env=env, stderr=file)

    def __enter__(self) -> Self:
        end = time.monotonic() + _SECONDS
        while not any(word in self.output.read_text() for word in ("scheduler at", "at work for")):
            if time.monotonic() > end or self.process.poll() is not None:
                raise SystemExit(self.output.read_text())
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def cpu(self) -> float:
        """Return the CPU time that it has taken, in seconds."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime of proc(5)

    def peak(self) -> float:
        """Return the most memory that it has had, in MB."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        [kilobytes] = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
        return kilobytes * 1024 / 1e6


def _python() -> Sequence[str]:
    return [str(BIN / "python"), "-c", _PROGRAM]


def _project(folder: Path, targets: int) -> Path:
    """Write a project with so many targets, none of which anybody connects to."""
    (folder / "sql").mkdir(parents=True)
    names = [f"tenant{number:06}" for number in range(targets)]
    lines = [f"{name},postgresql://127.0.0.1:1/{name},cluster{at % 200}" for at, name in enumerate(names)]
    (folder / "tenants.csv").write_text("\n".join(["name,url,cluster", *lines, ""]))
    (folder / "sqlmigrate.toml").write_text('targets = "tenants.csv"\nstate_dir = "state"\n')
    for number in (1, 2):
        (folder / "sql" / f"{number}_t.sql").write_text(f"CREATE TABLE t{number} ();\n")
        (folder / "sql" / f"{number}_t.rollback.sql").write_text(f"DROP TABLE t{number};\n")
    return folder
