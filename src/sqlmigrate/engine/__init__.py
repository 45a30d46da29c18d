"""Running plans: apply, rollback, mark and unmark, each with its history row in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlmigrate.engine.apply import Preview, Result, elsewhere, look, preview, run, states
from sqlmigrate.engine.wire.session import Options

if TYPE_CHECKING:
    from sqlmigrate.engine.marks import accept, mark, unmark

__all__ = ["Options", "Preview", "Result", "accept", "elsewhere", "look", "mark", "preview", "run", "states", "unmark"]


def __getattr__(name: str) -> Any:
    """Import `mark`, `unmark` and `accept` when they are asked for: few calls need them (PEP 562)."""
    if name in {"accept", "mark", "unmark"}:
        from sqlmigrate.engine import marks  # noqa: PLC0415  see above

        return getattr(marks, name)
    raise AttributeError(name)
