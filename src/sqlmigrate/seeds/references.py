"""Look up what rows refer to, in the database as it is when their turn comes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import tuple_row

from sqlmigrate.errors import Problem
from sqlmigrate.seeds.model import canonical, quoted
from sqlmigrate.seeds.problems import refuse, shown
from sqlmigrate.seeds.writing import statements

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import psycopg
    from psycopg import sql

    from sqlmigrate.seeds.model import Column, Reference, Row, SeedFile, SeedSet, TableName
    from sqlmigrate.seeds.tables import Table

    Resolved = Mapping[Column, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Pending:
    """What a column will get from a row that the files hold and the table does not have yet."""

    reference: Reference
    value: Any

    def __str__(self) -> str:
        """Name the row."""
        return f"{self.reference.select} of the new row {self.reference.match} {quoted(self.value)}"


def resolve(
    conn: psycopg.Connection[Any],
    seeds: SeedSet,
    file: SeedFile,
    rows: Sequence[Row],
    tables: Mapping[TableName, Table],
    *,
    pending: bool = False,
) -> Resolved:
    """Look up every reference of these rows; raise one SeedError for all that lead nowhere.

    With `pending`, those that lead to a row of the files that is not there yet give a `Pending`. The result gives, by
    column and by the canonical text of a value, what the column gets, in text form.
    """
    found: dict[Column, dict[str, Any]] = {}
    problems: list[Problem] = []
    for column in file.mapping.columns:
        if column.reference:
            query = statements.lookup(column.reference, tables[column.reference.table])
            answers = _look_up(conn, query, column.reference, [row.values.get(column.source) for row in rows])
            missing = _missing(column, rows, answers)
            coming = _coming(seeds, column, missing) if pending and missing else {}
            found[column] = {value: ids[0] for value, ids in answers.items()} | coming
            answers |= {value: [""] for value in coming}
            problems += shown(_problems(seeds, column, rows, answers), file.path)
    refuse(problems)
    return found


def _missing(column: Column, rows: Sequence[Row], answers: Mapping[str, Sequence[str]]) -> set[str]:
    values = (row.values.get(column.source) for row in rows)
    return {canonical(value) for value in values if value is not None} - answers.keys()


def _coming(seeds: SeedSet, column: Column, missing: set[str]) -> dict[str, Any]:
    """Return those of the missing values that rows of the files have."""
    assert column.reference is not None  # noqa: S101  for mypy: only such columns come here
    reference = column.reference
    files = [file for file in seeds.files if file.mapping.table == reference.table]
    values = (row.values.get(file.mapping.source_of(reference.match)) for file in files for row in file.rows)
    return {text: Pending(reference, value) for value in values if (text := canonical(value)) in missing}


def _look_up(
    conn: psycopg.Connection[Any], query: sql.Composed, reference: Reference, values: Sequence[Any]
) -> dict[str, list[str]]:
    """Ask for all distinct values at once; each gets everything that matches."""
    distinct = {canonical(value): value for value in values if value is not None}
    if not distinct:
        return {}
    wanted = json.dumps(list(distinct.values()), ensure_ascii=False)
    with conn.cursor(row_factory=tuple_row) as cursor:
        answers = cursor.execute(query, [wanted, reference.match], prepare=False).fetchall()
    keys = list(distinct)
    found: dict[str, list[str]] = {}
    for position, answer in answers:
        found.setdefault(keys[position - 1], []).append(answer)
    return found


def _problems(
    seeds: SeedSet, column: Column, rows: Sequence[Row], answers: Mapping[str, Sequence[str]]
) -> Iterator[Problem]:
    """Yield the references that match no row, or more than one."""
    assert column.reference is not None  # noqa: S101  for mypy: only such columns come here
    reference = column.reference
    for row in rows:
        value = row.values.get(column.source)
        matches = len(answers.get(canonical(value), ()))
        is_key = column.name in row.mapping.conflict
        if value is None or (matches == 1 and not (is_key and answers[canonical(value)][0] is None)):
            continue
        what, place = f"{column.source} {quoted(value)} of {row.label}", row.place(column.source)
        if matches == 1:
            message = (
                f"{what} leads to a row of {reference.table} whose {reference.select} is null, and a key cannot be null"
            )
            yield Problem(message, place, f"refer to a row that has a {reference.select}")
        elif matches:
            message = f"{what} is in {matches} rows of {reference.table} ({reference.match})"
            yield Problem(message, place, f"make {reference.match} unique, or refer to another column")
        else:
            yield Problem(f"{what} is not in {reference.table} ({reference.match})", place, _advice(seeds, reference))


def _advice(seeds: SeedSet, reference: Reference) -> str:
    """Say where a missing row could come from."""
    names = [str(file.path) for file in seeds.files if file.mapping.table == reference.table]
    return f"correct it, or add it to {' or '.join(names) or reference.table}"
