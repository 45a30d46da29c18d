"""What ANALYZE has found of the columns of the target: how many values are NULL, and how many differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import tuple_row

from sqlmigrate import queries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlmigrate.connection import Connection

    Columns = Mapping[str, Mapping[str, "ColumnFigures"]]
    """By the names of tables and of columns, quoted."""


@dataclass(frozen=True, slots=True)
class ColumnFigures:
    """How many values are NULL, and how many differ, as pg_stats writes it.

    `nulls` is from 0 to 1; `distinct` a number of values, or below zero their share of all rows.
    """

    nulls: float
    distinct: float


NOTHING: Columns = {}
"""What is known where ANALYZE never ran, or nobody was asked."""


def read_columns(connection: Connection, names: list[str] | None = None) -> Columns:
    """Read the figures of the columns of some tables, or of all that we may read; raises psycopg's errors."""
    found: dict[str, dict[str, ColumnFigures]] = {}
    with connection.cursor(row_factory=tuple_row) as cursor:
        for table, column, nulls, distinct in cursor.execute(queries.load("review")["columns"], {"names": names}):
            found.setdefault(table, {})[column] = ColumnFigures(nulls, distinct)
    return found
