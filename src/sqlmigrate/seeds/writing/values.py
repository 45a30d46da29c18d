"""Rows of the files with their values by the names of their columns, as they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlmigrate.seeds.model import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlmigrate.seeds.model import Column, Row, TableMapping
    from sqlmigrate.seeds.references import Resolved


def written_rows(rows: Iterable[Row], found: Resolved) -> Iterator[tuple[Row, dict[str, Any]]]:
    """Yield rows with their values by the names of their columns, in the order of these names."""
    known: dict[tuple[str, ...], list[tuple[str, str, Column | None]]] = {}
    for row in rows:
        shape = tuple(row.values)
        columns = known.get(shape)
        if columns is None:
            columns = known[shape] = columns_of(row.mapping, shape)
        values = row.values
        yield (
            row,
            {
                name: values[key] if column is None or values[key] is None else found[column][canonical(values[key])]
                for name, key, column in columns
            },
        )


def columns_of(mapping: TableMapping, keys: Iterable[str]) -> list[tuple[str, str, Column | None]]:
    """Return the columns that a row with these keys fills, each with its key and, where it is looked up, its column."""
    found = {
        column.name: (column.name, key, column if column.reference else None)
        for key in keys
        for column in mapping.columns_of(key)
    }
    return [found[name] for name in sorted(found)]
