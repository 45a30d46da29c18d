"""`seed check --show`: all rows as they are seeded, each with where it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.errors import Place
    from sqlmigrate.seeds import SeedFile, SeedSet
    from sqlmigrate.seeds.model import Row, Source


def lines(found: SeedSet) -> Iterator[str]:
    """Yield each table and its rows: their values, their places, and those of the rows whose place they take."""
    from sqlmigrate.seeds.model import quoted  # noqa: PLC0415  --help needs none of it

    for file in found.files:
        yield ""
        yield f"{file.mapping.table}: {len(file.rows)} row{'s' * (len(file.rows) != 1)}"
        for row in file.rows:
            below = file.overridden.get(row)
            over = f", over {below.place()}" if below is not None else ""
            values = ", ".join(f"{name} {quoted(value)}" for name, value in row.values.items())
            yield f"  {values}  ({row.place()}{over})"


def as_json(found: SeedSet) -> list[dict[str, Any]]:
    """Return each table with its rows as plain values."""
    return [{"table": str(file.mapping.table), "rows": [_row(file, row) for row in file.rows]} for file in found.files]


def source_as_json(source: Source) -> dict[str, Any]:
    """Return a file as plain values: how many rows it has, and how many take the place of others."""
    return {"file": str(source.path), "rows": source.rows, "overriding": source.overriding}


def _row(file: SeedFile, row: Row) -> dict[str, Any]:
    below = file.overridden.get(row)
    return {
        "row": row.label,
        "values": dict(row.values),
        **_place(row.place()),
        "overrides": None if below is None else _place(below.place()),
    }


def _place(place: Place) -> dict[str, Any]:
    return {"file": str(place.path), "line": place.line}
