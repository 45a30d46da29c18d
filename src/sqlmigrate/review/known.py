"""What is known of the target's tables, and what counts as large or busy there."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  a default of a dataclass
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from sqlmigrate.review.statistics import reads

if TYPE_CHECKING:
    from sqlmigrate.config import Config
    from sqlmigrate.review.model import TableSize

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
        return self.is_written(table) or reads(table) >= self.busy_reads

    def is_written(self, table: TableSize) -> bool:
        """Whether it is written often."""
        return (table.writes or 0) >= self.busy_writes

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
