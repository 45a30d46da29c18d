"""What is asked before the first target: do scheduler and workers fit, and is there somebody for each target."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlmigrate.errors import InventoryError, Problem, UsageError
from sqlmigrate.fleet.machines import needs, versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlmigrate.engine import Options
    from sqlmigrate.fleet.machines.crew import Crew, Worker
    from sqlmigrate.fleet.machines.wire import Report

_NAMED = 5
_PACKAGE = "pg-sqlmigrate"
_SECONDS = 30.0  # for an answer, at least: nothing hangs on it yet


def require_fitting(crew: Crew, warn: Callable[[str], None]) -> None:
    """Refuse other versions, strange workers, and targets that no worker may have; raises UsageError."""
    found = crew.look(first=True)
    if (told := found.get(versions.KEY)) is None:
        told = _asked_of(crew)
        warn("the scheduler is Dask's own, which runs the code of whoever has a certificate: see Many machines")
    if not crew.workers:
        raise UsageError("the scheduler has no worker", hint="start some: `sqlmigrate fleet worker --scheduler ...`")
    if strange := [worker.name for worker in crew.workers.values() if not worker.versions]:
        raise UsageError(f"{_some(strange)}: not started by `sqlmigrate fleet worker`", hint="stop such workers")
    versions.require_same({"the scheduler": told} | {f"worker {w.name}": w.versions for w in crew.workers.values()})
    _require_reached(crew, [worker.resources for worker in crew.workers.values()])


def _asked_of(crew: Crew) -> dict[str, str]:
    """Return the versions of a scheduler that is Dask's own."""
    packages = crew.inquire(crew.client.scheduler.versions(packages=[_PACKAGE]), first=True)["packages"]
    python = ".".join(str(packages.get("python", "")).split(".")[:2])
    return {"sqlmigrate": packages.get(_PACKAGE), "dask": packages.get("distributed"), "python": python}


def _require_reached(crew: Crew, there: list[frozenset[str]]) -> None:
    unmet = needs.unmet(crew.needed, there)
    problems = [
        Problem(
            f"{_some(names)}: no worker has {needs.words(needed)}",
            hint="start one: `sqlmigrate fleet worker --resources`",
        )
        if needed
        else Problem(f"{_some(names)}: no worker answers")
        for needed, names in unmet.items()
    ]
    if problems:
        raise InventoryError("there are targets that no worker can have", problems)


def call_roll(crew: Crew, files: str, options: Options, warn: Callable[[str], None]) -> None:
    """Ask each worker whether it has the same files and settings, and knows the targets that it may get.

    Raises UsageError and InventoryError.
    """
    mine = {
        where: [name for name, needed in crew.needed.items() if needed <= worker.resources]
        for where, worker in crew.workers.items()
    }
    asked = crew.report_in(mine, options)
    problems: list[Problem] = []
    answered: list[Worker] = []
    end = time.monotonic() + max(crew.patience, _SECONDS)
    for where, future in asked.items():
        worker = crew.workers[where]
        try:
            told = future.result(max(end - time.monotonic(), 0.0))
        except Exception:  # noqa: BLE001  lost, too slow, or not to be understood
            warn(f"worker {worker.name} does not answer, and is not counted on")
            continue
        answered.append(worker)
        problems += _problems(worker.name, told, files)
    if problems:
        raise InventoryError("workers do not fit this run", problems)
    _require_reached(crew, [worker.resources for worker in answered])


def _problems(name: str, told: Report, files: str) -> Iterator[Problem]:
    if told.error:
        yield Problem(f"worker {name}: {told.error}")
        return
    if told.files != files:
        hint = "bring the same files to every machine that works on targets"
        yield Problem(f"worker {name} has other migrations than are here", hint=hint)
    if told.other:
        hint = "these are each worker's own settings: set them there, in its configuration or environment"
        yield Problem(f"worker {name} has another {' and '.join(told.other)} than is set here", hint=hint)
    yield from (Problem(f"worker {name} cannot work on {what}") for what in told.wrong)
    if more := told.count - len(told.wrong):
        yield Problem(f"worker {name} has {more:,} more reasons why it cannot work on targets")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
