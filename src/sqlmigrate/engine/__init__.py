"""Running plans: apply, rollback, mark and unmark, each with its history row in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlmigrate.engine.apply import Result, apply, preview, rollback
from sqlmigrate.engine.session import Options

if TYPE_CHECKING:
    from sqlmigrate.engine.marks import mark, unmark

__all__ = ["Options", "Result", "apply", "mark", "preview", "rollback", "unmark"]


def __getattr__(name: str) -> Any:
    """Import `mark` and `unmark` when they are asked for: few calls need them (PEP 562)."""
    if name in {"mark", "unmark"}:
        from sqlmigrate.engine import marks  # noqa: PLC0415  see above

        return getattr(marks, name)
    raise AttributeError(name)
