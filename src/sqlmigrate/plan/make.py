"""From a request to its plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.plan.forward import plan_apply
from sqlmigrate.plan.requests import ApplyRequest
from sqlmigrate.plan.states import edited

if TYPE_CHECKING:
    from sqlmigrate.history.model import History
    from sqlmigrate.plan.model import Plan
    from sqlmigrate.plan.requests import Request


def texts_needed(request: Request, history: History) -> frozenset[str]:
    """Name the migrations whose recorded scripts the plan looks at: mostly none, where no file was edited.

    Raises UsageError and HistoryError as `make` does.
    """
    if isinstance(request, ApplyRequest):
        return edited(request.migrations, history)
    from sqlmigrate.plan.back import recorded_needed  # noqa: PLC0415  most calls apply

    return recorded_needed(request, history)


def make(request: Request, history: History) -> Plan:
    """Plan what is asked for; the history holds the recorded scripts that `texts_needed` names.

    Raises MigrationsError where files and history do not fit, HistoryError where a script stands half way or is marked,
    and UsageError for an id that is not there, or not applied.
    """
    if isinstance(request, ApplyRequest):
        return plan_apply(request, history)
    from sqlmigrate.plan.back import plan_rollback  # noqa: PLC0415  most calls apply

    return plan_rollback(request, history)
