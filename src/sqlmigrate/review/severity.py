"""How bad a hazard is for the tables that the target has: one mechanism that raises and lowers severities.

A rule says by its `scale` what its harm grows with. Everything that is known of the target's tables comes from one
value, `Known`; a table of which nothing is known changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlmigrate.review.figures import in_words
from sqlmigrate.review.hazards import scale_of
from sqlmigrate.review.known import Known, Limits
from sqlmigrate.review.statistics import described, reads

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlmigrate.review.hazards.records import Scale
    from sqlmigrate.review.model import Hazard, Severity, TableSize

__all__ = ["Known", "Limits", "weighed"]

_WORSE: dict[Severity, Severity] = {"note": "warning", "warning": "danger", "danger": "danger"}


def weighed(hazards: Iterable[Hazard], known: Known, *, rollback: bool = False) -> list[Hazard]:
    """Raise and lower the severities of hazards by what is known of their tables, and say why.

    Objects that only a rollback takes away are no reason to raise anything: the application of then does not use them.
    """
    return [_weighed(hazard, scale_of(hazard.code), known, rollback=rollback) for hazard in hazards]


def _weighed(hazard: Hazard, scale: Scale | None, known: Known, *, rollback: bool) -> Hazard:
    if scale is None or not hazard.relations or (rollback and scale == "use"):
        return hazard
    if scale == "work" and hazard.rows is not None:
        return _by_rows(hazard, hazard.rows, known.limits)
    sizes = [known.sizes[name] for name in hazard.relations if name in known.sizes]
    if worst := _worst(scale, sizes, known.limits):
        return replace(hazard, severity=_WORSE[hazard.severity], raised=f"{worst.name} has {described(worst)}")
    if all(name in known.new or name in known.sizes for name in hazard.relations):
        return _lowered(hazard, scale, sizes, known)
    return hazard


def _by_rows(hazard: Hazard, rows: int, limits: Limits) -> Hazard:
    """Raise a hazard whose work is known by its rows, and not only by those of its tables."""
    if hazard.at_most or rows < limits.large_rows or hazard.severity == "note":
        return hazard
    return replace(hazard, severity=_WORSE[hazard.severity], raised=f"it works on about {in_words(rows)} rows")


def _worst(scale: Scale, tables: list[TableSize], limits: Limits) -> TableSize | None:
    """Return the table that makes it worse: the largest of the large ones, else the busiest."""
    large = [table for table in tables if scale in ("work", "use") and limits.is_large(table)]
    busy = [table for table in tables if scale in ("work", "lock", "use") and limits.is_busy(table)]
    if scale == "work" and all(map(limits.is_small, busy)):
        busy = []  # the work is done at once, however many wait for it
    return max(large, key=lambda table: table.size, default=None) or max(
        busy, key=lambda table: (table.writes or 0, reads(table)), default=None
    )


def _lowered(hazard: Hazard, scale: Scale, sizes: list[TableSize], known: Known) -> Hazard:
    if hazard.severity == "note" or not all(_is_harmless(scale, table, known.limits) for table in sizes):
        return hazard
    busy = [table for table in sizes if known.limits.is_busy(table)]
    severity: Severity = "warning" if busy else "note"
    if severity == hazard.severity:
        return hazard
    if sizes:
        largest = max(sizes, key=lambda table: table.size)
        why = f"{largest.name} has {described(largest)}"
    else:
        why = f"the target does not have {hazard.relations[0]} yet"
    return replace(hazard, severity=severity, lowered=why)


def _is_harmless(scale: Scale, table: TableSize, limits: Limits) -> bool:
    if scale == "work":
        return limits.is_small(table)
    if scale == "lock":
        return limits.is_small(table) and limits.is_quiet(table)
    empty = table.rows == 0 and limits.is_small(table)
    idle = table.writes == 0 and (scale == "rows" or reads(table) == 0)
    return empty and idle
