"""How large a target is, as its planner knows it: figures of tables, indexes and columns, with no value of a row.

https://www.postgresql.org/docs/current/planner-stats.html. Most common values and histograms stay where they are: they
are data, and a plan for any value does without them.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import tuple_row

from sqlmigrate import queries
from sqlmigrate.files import record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg import Cursor

    from sqlmigrate.connection import Connection

SETTINGS = (
    "cpu_index_tuple_cost",
    "cpu_operator_cost",
    "cpu_tuple_cost",
    "effective_cache_size",
    "hash_mem_multiplier",
    "max_parallel_workers_per_gather",
    "min_parallel_index_scan_size",
    "min_parallel_table_scan_size",
    "parallel_setup_cost",
    "parallel_tuple_cost",
    "random_page_cost",
    "seq_page_cost",
    "work_mem",
)
"""What decides over plans beside statistics; no other setting is taken over."""
_MAJOR = 10_000
_MOST_PAGES = 2**32  # of 8 KiB: PostgreSQL's limit


@dataclass(frozen=True, slots=True)
class Spread:
    """How the values of a column are spread, as pg_stats says it: see there for `distinct` and `correlation`.

    `nulls` is the share of them, `width` are bytes, `inherited` counts the rows of partitions too.
    """

    name: str
    nulls: float
    width: int
    distinct: float
    correlation: float | None = None
    inherited: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or an index: its pages of 8 KiB, its rows, and how many of the pages are visible to everybody."""

    schema: str
    name: str
    pages: int
    rows: float
    visible: int
    columns: tuple[Spread, ...] = ()


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the planner of a server of this major version knows of one database."""

    major: int
    relations: tuple[Relation, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


def read_sizes(connection: Connection) -> Sizes | None:
    """Read them in a transaction, that which is open if there is one; no lock is taken on a table.

    None where the role may not. Raises psycopg's other errors.
    """
    with suppress(psycopg.errors.InsufficientPrivilege), connection.transaction():
        return _read(connection.cursor(row_factory=tuple_row), connection.info.server_version // _MAJOR)
    return None


def _read(cursor: Cursor[tuple[Any, ...]], major: int) -> Sizes:
    asked = queries.load("sized")
    columns: dict[tuple[str, str], list[Spread]] = {}
    for schema, table, *spread in cursor.execute(asked["columns"]).fetchall():
        columns.setdefault((schema, table), []).append(Spread(*spread))
    relations = tuple(
        Relation(schema, name, pages, rows, visible, tuple(columns.get((schema, name), ())))
        for schema, name, pages, rows, visible in cursor.execute(asked["relations"]).fetchall()
    )
    settings = dict(cursor.execute(asked["settings"], [list(SETTINGS)]).fetchall())
    return Sizes(major, relations, settings)


def from_json(found: dict[str, Any]) -> Sizes:
    """Read what `dataclasses.asdict` has made of sizes; raises what `queries.from_json` does."""
    relations = tuple(
        record(Relation, item | {"columns": tuple(record(Spread, column) for column in item["columns"])})
        for item in found["relations"]
    )
    if not all(0 <= item.pages <= _MOST_PAGES and 0 <= item.rows < math.inf for item in relations):
        raise ValueError("sizes that no relation has")
    settings = {name: str(value) for name, value in found["settings"].items() if name in SETTINGS}
    return Sizes(int(found["major"]), relations, settings)
