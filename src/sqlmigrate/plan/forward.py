"""What `apply` would run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.errors import HistoryError, MigrationsError, UsageError
from sqlmigrate.plan.edits import contradictions
from sqlmigrate.plan.model import Plan
from sqlmigrate.plan.order import out_of_order
from sqlmigrate.plan.states import half_replaced, status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlmigrate.history.model import History
    from sqlmigrate.migrations import Migration, Migrations
    from sqlmigrate.plan.model import Status
    from sqlmigrate.plan.requests import ApplyRequest


def plan_apply(request: ApplyRequest, history: History) -> Plan:
    """Plan to apply what is pending: see `ApplyRequest`.

    Raises MigrationsError where an applied script was edited, or is missing and not just of a newer release, or where a
    pending one is older than an applied one and the request does not say that this is meant; UsageError for an unknown
    id.
    """
    migrations, outcome = request.migrations, request.outcome
    states = status(migrations, history)
    if half := half_replaced(migrations, history):
        raise MigrationsError(f"{outcome}, since the history is half way through migrations that were squashed", half)
    errors, warnings = contradictions(states, history, exact=request.exact, developing=request.developing)
    if errors:
        raise MigrationsError(f"{outcome}, since the files contradict the history", errors)
    _require_resumable(states)
    if request.resume_at is not None and not any(item.stopped for item in states):
        raise UsageError("no script stopped half way, so there is none to resume")
    pending = [item.migration for item in states if item.recorded is None and item.migration]
    chosen = _chosen(request, pending)
    begun = {item.migration_id for item in history.half_way}
    late = out_of_order(migrations, history, (item for item in chosen if item.migration_id not in begun))
    if late and not request.allow_out_of_order:
        raise MigrationsError(f"{outcome}, since the order would not be that of the files", late)
    waits = next((item for item in chosen if request.phase not in (None, item.phase)), None)
    chosen = chosen[: chosen.index(waits)] if waits else chosen
    return Plan("apply", tuple(chosen), tuple(map(str, warnings)), left=len(pending) - len(chosen), waits=waits)


def _chosen(request: ApplyRequest, pending: Sequence[Migration]) -> list[Migration]:
    """Return those of the pending migrations that are asked for."""
    chosen = list(pending)
    if (to := request.to) is not None:
        request.migrations.named(to)
        ids = [item.migration_id for item in pending]
        chosen = chosen[: ids.index(to) + 1] if to in ids else _before(request.migrations, pending, to)
    if request.steps is not None:
        chosen = chosen[: request.steps]
    return [item for item in chosen if request.only is None or item.migration_id in request.only]


def _require_resumable(states: Iterable[Status]) -> None:
    """Refuse to apply anything while a script stands half way that cannot go on."""
    for item in states:
        if item.stopped is None:
            continue
        name = item.migration_id
        if item.stopped.operation == "rollback":
            hint = "finish it with `sqlmigrate rollback`"
            raise HistoryError(f"{name} is rolled back half way, so nothing can be applied", hint=hint)
        if item.migration is None:
            raise HistoryError(f"{name} stopped half way, and its script is missing", hint="restore the file")
        if item.migration.forward().transactional:
            hint = "put back the `-- transactional: false` that it started with"
            raise HistoryError(f"{name} stopped half way outside a transaction and cannot go on inside one", hint=hint)


def _before(migrations: Migrations, pending: Sequence[Migration], to: str) -> list[Migration]:
    """Return what is pending before an id that is applied already."""
    order = [item.migration_id for item in migrations.ordered]
    return [item for item in pending if order.index(item.migration_id) < order.index(to)]
