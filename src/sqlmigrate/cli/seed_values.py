"""How values of rows are shown: as PostgreSQL prints them, long ones cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlmigrate.seeds.model import Change

_VALUE = 60  # characters
_BEFORE = 15  # of them, before the first difference


def both(change: Change) -> tuple[str, str]:
    """Show the old value and the new one; of long ones the part around their first difference."""
    old, new = change.old, change.new
    if change.pending:
        return shown(old), change.pending
    if old is None or new is None or max(len(old), len(new)) <= _VALUE:
        return shown(old), shown(new)
    first = (at for at, (before, after) in enumerate(zip(old, new, strict=False)) if before != after)
    start = max(next(first, min(len(old), len(new))) - _BEFORE, 0)
    cut = "..." if start else ""
    return shown(cut + old[start:]), shown(cut + new[start:])


def shown(value: str | None) -> str:
    """Show a value as PostgreSQL prints it, long ones cut."""
    if value is None:
        return "NULL"
    text = value if len(value) <= _VALUE else f"{value[: _VALUE - 3]}..."
    return f"'{text}'"


def key(values: dict[str, str | None]) -> str:
    """Show the key of a row."""
    return ", ".join(f"{name} {shown(value)}" for name, value in values.items())
