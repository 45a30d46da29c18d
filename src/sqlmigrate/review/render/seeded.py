"""The words for what the seed data would do, for all renderers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.review.render import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.review.seed_model import SeedChange, SeedTable

HEADING = "what the seed data would do"
HIDDEN = "row level security hides rows of this table"
_VALUE = 60  # characters


def rows(table: SeedTable) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield what is said of each row, with a line for each column that changes; then how many more there are."""
    for row in table.rows:
        yield f"{row.action} {row.row} (line {row.line})", tuple(map(_change, row.changes))
    if left := table.inserted + table.updated - len(table.rows):
        yield f"and {left} more", ()
    for key in table.unnamed_rows:
        yield f"in no file: {', '.join(f'{name} {_value(value)}' for name, value in key.items())}", ()
    if left := (table.unnamed or 0) - len(table.unnamed_rows):
        yield f"and {left} more that no file names", ()


def _change(change: SeedChange) -> str:
    return f"{change.column}: {_value(change.old)} -> {change.pending or _value(change.new)}"


def _value(text: str | None) -> str:
    return "NULL" if text is None else f"'{words.brief(text, _VALUE)}'"
