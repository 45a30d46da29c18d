"""How bad a hazard is for the tables that the target has: one mechanism that raises and lowers severities.

A rule says by its `scale` what its harm grows with. Everything that is known of the target's tables comes from one
value, `Known`; a table of which nothing is known changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

from sqlmigrate.review.hazards import scale_of
from sqlmigrate.review.statistics import described, reads

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlmigrate.config import Config
    from sqlmigrate.review.hazards.records import Scale
    from sqlmigrate.review.model import Hazard, Severity, TableSize

_WORSE: dict[Severity, Severity] = {"note": "warning", "warning": "danger", "danger": "danger"}
_QUIET = 100  # a table is quiet below this fraction of what counts as busy


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a table is large or busy, and up to where it is small: rows, bytes, and rates per second."""

    large_rows: int = 1_000_000
    large_size: int = 1 << 30
    small_rows: int = 10_000
    small_size: int = 10 << 20
    busy_writes: int = 100
    busy_reads: int = 1_000

    @classmethod
    def of(cls, config: Config) -> Limits:
        """Take the limits from the settings, which have the same names."""
        return cls(**{item.name: getattr(config, item.name) for item in fields(cls)})

    def is_large(self, table: TableSize) -> bool:
        """Whether one of the two says so."""
        return (table.rows or 0) >= self.large_rows or table.size >= self.large_size

    def is_small(self, table: TableSize) -> bool:
        """Whether both say so; without an estimate of the rows, the size alone."""
        return (table.rows or 0) <= self.small_rows and table.size <= self.small_size

    def is_busy(self, table: TableSize) -> bool:
        """Whether it is written or read often."""
        return (table.writes or 0) >= self.busy_writes or reads(table) >= self.busy_reads

    def is_quiet(self, table: TableSize) -> bool:
        """Whether it is known to be hardly written or read."""
        return (
            table.writes is not None
            and table.writes * _QUIET < self.busy_writes
            and reads(table) * _QUIET < self.busy_reads
        )


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the target's tables, by the names that they have when a script begins.

    `new` are those that the target does not have yet: migrations that are not applied there make them.
    """

    sizes: Mapping[str, TableSize] = field(default_factory=dict)
    new: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)


def weighed(hazards: Iterable[Hazard], known: Known, *, rollback: bool = False) -> list[Hazard]:
    """Raise and lower the severities of hazards by what is known of their tables, and say why.

    Objects that only a rollback takes away are no reason to raise anything: the application of then does not use them.
    """
    return [_weighed(hazard, scale_of(hazard.code), known, rollback=rollback) for hazard in hazards]


def _weighed(hazard: Hazard, scale: Scale | None, known: Known, *, rollback: bool) -> Hazard:
    if scale is None or not hazard.relations or (rollback and scale == "use"):
        return hazard
    sizes = [known.sizes[name] for name in hazard.relations if name in known.sizes]
    if worst := _worst(scale, sizes, known.limits):
        return replace(hazard, severity=_WORSE[hazard.severity], raised=f"{worst.name} has {described(worst)}")
    if all(name in known.new or name in known.sizes for name in hazard.relations):
        return _lowered(hazard, scale, sizes, known)
    return hazard


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
