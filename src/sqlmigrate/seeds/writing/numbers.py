"""Refuse other numbers for rows that are there, in columns GENERATED ALWAYS AS IDENTITY: nobody can change those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import tuple_row

from sqlmigrate.errors import Problem
from sqlmigrate.seeds.problems import SHOWN, refuse, shown
from sqlmigrate.seeds.writing import statements
from sqlmigrate.seeds.writing.batches import array

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlmigrate.seeds.model import Row, SeedFile, TableMapping
    from sqlmigrate.seeds.tables import Table
    from sqlmigrate.seeds.writing.staging import Staged


def require_same_numbers(
    conn: psycopg.Connection[Any], file: SeedFile, table: Table, columns: Sequence[str], batch: Mapping[Row, str]
) -> None:
    """Raise SeedError for rows of a batch that are there with another number; a bad value is told when it is sent."""
    rows = list(batch)
    for column in _numbers(file.mapping, table, columns):
        query = statements.renumbered(file.mapping, table, column, columns)
        try:
            with conn.transaction(), conn.cursor(row_factory=tuple_row) as cursor:
                found = cursor.execute(query, [array(batch)], prepare=False).fetchall()
        except psycopg.DataError:
            return
        _refuse(file, column, ((rows[position - 1], number) for position, number in found))


def require_same_staged_numbers(staged: Staged) -> None:
    """Raise SeedError for rows of a large file that are there with another number."""
    file = staged.file
    for stage in staged.stages:
        for column in _numbers(file.mapping, staged.table, stage.columns):
            numbers = dict(staged.renumbered(stage, column)[: SHOWN + 1])
            _refuse(file, column, ((row, numbers[row.index + 1]) for row in file.at(list(numbers))))


def _numbers(mapping: TableMapping, table: Table, columns: Sequence[str]) -> list[str]:
    return [column for column in columns if column in table.always and column not in mapping.conflict]


def _refuse(file: SeedFile, column: str, found: Iterable[tuple[Row, str]]) -> None:
    refuse(list(shown((_problem(row, column, number) for row, number in found), file.path)))


def _problem(row: Row, column: str, number: str) -> Problem:
    source = row.mapping.source_of(column)
    message = (
        f"{row.label} has {column} {number} in {row.mapping.table}: the number of a row in a column GENERATED ALWAYS "
        "AS IDENTITY cannot be changed"
    )
    return Problem(message, row.place(source), f"write {number}, or leave {source} out")
