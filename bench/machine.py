"""What was measured where: the machine, its load and the versions."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contestants import Contestant
    from sqlmigrate.server import PrivateServer

_BUSY = 0.25  # of each core
_PACKAGES = ("psycopg", "click", "sqlalchemy", "postgast")


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine; `load` is the load average over one minute when the run began.

    `first` says that the run went before everything else on the machine (as with `chrt -r 1 make bench`).
    """

    began: str
    cpu: str
    cores: int
    system: str
    load: float
    first: bool = False

    @property
    def noisy(self) -> bool:
        """Whether others were at work when the run began."""
        return self.load > _BUSY * self.cores


def machine() -> Machine:
    """Describe this machine as it is now."""
    began = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    first = hasattr(os, "SCHED_OTHER") and os.sched_getscheduler(0) != os.SCHED_OTHER
    return Machine(began, _cpu(), os.cpu_count() or 0, system, round(os.getloadavg()[0], 2), first)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # macOS
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def versions(server: PrivateServer, tools: Sequence[Contestant]) -> dict[str, str]:
    """Give the versions of everything that takes part."""
    found = {"PostgreSQL": server.version, "Python": platform.python_version()}
    found |= {tool.name: tool.version for tool in tools}
    return found | {name: version(name) for name in _PACKAGES}
