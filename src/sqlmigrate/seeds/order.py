"""Put files and rows into the order that their references need."""

from __future__ import annotations

import graphlib
from typing import TYPE_CHECKING

from sqlmigrate.errors import Problem
from sqlmigrate.seeds.model import canonical, quoted
from sqlmigrate.seeds.problems import refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlmigrate.seeds.model import Column, Reference, Row, SeedFile


def in_order(files: Sequence[SeedFile]) -> tuple[SeedFile, ...]:
    """Sort files so that each comes behind those whose rows it refers to, otherwise by name; refuse a cycle."""
    files = sorted(files, key=lambda file: file.path)
    sorter: graphlib.TopologicalSorter[int] = graphlib.TopologicalSorter()
    for index, file in enumerate(files):
        needed = {reference.table for reference in file.mapping.references} - {file.mapping.table}
        sorter.add(index, *(other for other, seed in enumerate(files) if seed.mapping.table in needed))
    try:
        return tuple(files[index] for batch in _batches(sorter) for index in batch)
    except graphlib.CycleError as error:
        names = " -> ".join(files[index].path.name for index in reversed(error.args[1]))
        first = files[error.args[1][0]]
        hint = "one of these references must go: each file needs the rows of the next one first"
        message = f"the seed files refer to each other in a circle: {names}"
        raise refusal(Problem(message, first.document.place(), hint)) from error


def waves(file: SeedFile) -> list[Sequence[Row]]:
    """Group a file's rows so that rows which refer to rows of the same table come after those."""
    mapping = file.mapping
    own = [special for special in mapping.columns if special.reference and special.reference.table == mapping.table]
    if not own:
        return [file.rows]
    sorter: graphlib.TopologicalSorter[int] = graphlib.TopologicalSorter()
    for row in file.rows:
        sorter.add(row.index)
    for column in own:
        for row, needed in _own_references(file, column):
            sorter.add(row.index, needed.index)
    try:
        rows = list(file.rows)
        return [[rows[index] for index in batch] for batch in _batches(sorter)]
    except graphlib.CycleError as error:
        circle = [file.rows[index] for index in error.args[1]]
        labels = " -> ".join(row.label for row in reversed(circle))
        raise refusal(Problem(f"rows refer to each other in a circle: {labels}", circle[0].place())) from error


def unknown_references(files: Sequence[SeedFile]) -> Iterator[Problem]:
    """Find references to a table that has seed files, none of which holds the value."""
    for file in files:
        for column in file.mapping.columns:
            known = _known_values(files, column.reference)
            if not column.reference or known is None or file.is_streamed:
                continue
            for row in file.rows:
                value = row.values.get(column.source)
                if value is not None and canonical(value) not in known:
                    message = f"{column.source} {quoted(value)} of {row.label} is in none of the seed files"
                    hint = f"correct it, unless {column.reference.table} has such a row already"
                    yield Problem(message, row.place(column.source), hint, warning=True)


def _known_values(files: Sequence[SeedFile], reference: Reference | None) -> set[str] | None:
    """Return the values that seed files hold for what is referred to, or None if no file is for that table."""
    found = [file for file in files if reference and file.mapping.table == reference.table]
    if not found or not reference or any(other.is_streamed for other in found):
        return None
    return {canonical(row.values.get(file.mapping.source_of(reference.match))) for file in found for row in file.rows}


def _own_references(file: SeedFile, column: Column) -> Iterator[tuple[Row, Row]]:
    """Yield pairs of rows of one file: the first refers to the second."""
    assert column.reference  # noqa: S101  for mypy: only such columns come here
    source = file.mapping.source_of(column.reference.match)
    by_value = {canonical(row.values[source]): row for row in file.rows if source in row.values}
    for row in file.rows:
        needed = by_value.get(canonical(row.values.get(column.source)))
        if needed is not None and row.values.get(column.source) is not None:
            yield row, needed


def _batches(sorter: graphlib.TopologicalSorter[int]) -> Iterator[list[int]]:
    """Yield what is free of open references, batch by batch, in stable order."""
    sorter.prepare()
    while sorter.is_active():
        batch = sorted(sorter.get_ready())
        yield batch
        sorter.done(*batch)
