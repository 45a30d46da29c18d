"""What would run, in which order, and why not: pure functions of a request, the files and the history.

What is in the database is given to them: the history as it was read, and in it the recorded texts that `texts_needed`
names.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sqlmigrate.plan.edits import contradictions
from sqlmigrate.plan.make import make, texts_needed
from sqlmigrate.plan.model import Plan, Running, State, Status
from sqlmigrate.plan.order import out_of_order, said_of
from sqlmigrate.plan.requests import NO_PLAN, ApplyRequest, Request, RollbackRequest
from sqlmigrate.plan.states import edited, half_replaced, needs_attention, status

if TYPE_CHECKING:
    from sqlmigrate.plan.back import dependents
    from sqlmigrate.plan.losses import Loss, open_losses, require_none
else:

    def __getattr__(name: str) -> Any:
        """Import what few calls need when it is first asked for (PEP 562)."""
        if name not in __all__:
            raise AttributeError(name)
        module = import_module(f"{__name__}.{'back' if name == 'dependents' else 'losses'}")
        value = globals()[name] = getattr(module, name)
        return value


__all__ = [
    "NO_PLAN",
    "ApplyRequest",
    "Loss",
    "Plan",
    "Request",
    "RollbackRequest",
    "Running",
    "State",
    "Status",
    "contradictions",
    "dependents",
    "edited",
    "half_replaced",
    "make",
    "needs_attention",
    "open_losses",
    "out_of_order",
    "require_none",
    "said_of",
    "status",
    "texts_needed",
]
