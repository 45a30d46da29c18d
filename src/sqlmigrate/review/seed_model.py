"""The part of a report that says what the seed data would do on the target."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  the JSON Schema is made from the types
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SeedChange:
    """A column that would change, with its values as PostgreSQL prints them.

    `pending` names the new row that the value would come from, where nobody knows it yet.
    """

    column: str
    old: str | None
    new: str | None
    pending: str | None = None


@dataclass(frozen=True, slots=True)
class SeedRow:
    """A row that would be written: its name by its key, and its line in the file."""

    action: Literal["insert", "update"]
    row: str
    line: int | None
    changes: tuple[SeedChange, ...] = ()


@dataclass(frozen=True, slots=True)
class SeedTable:
    """What a seed file would do to its table; `rows` are the first that would be written.

    `unnamed` counts the rows of the table that no file names, None where that was not looked for; `unnamed_rows` has
    the keys of the first, and `pruned` counts those that `seed --prune` would delete or change. `hides_rows` says that
    row level security hides rows.
    """

    table: str
    file: str
    inserted: int
    updated: int
    unchanged: int
    unnamed: int | None
    pruned: int
    rows: tuple[SeedRow, ...] = ()
    unnamed_rows: tuple[Mapping[str, str | None], ...] = ()
    hides_rows: bool = False

    @property
    def counts(self) -> str:
        """Say how many rows of each kind there are."""
        words = [f"{self.inserted} to insert", f"{self.updated} to update", f"{self.unchanged} unchanged"]
        if self.unnamed:
            pruned = f" (--prune: {self.pruned})" if self.pruned else ""
            words.append(f"{self.unnamed} in no file{pruned}")
        return ", ".join(words)


@dataclass(frozen=True, slots=True)
class Seeds:
    """What the seed data would do on the target as it is now, before the migrations.

    `problems` say why files are not among `tables`: mostly, their tables are only made by the migrations.
    """

    headline: str
    tables: tuple[SeedTable, ...] = ()
    problems: tuple[str, ...] = ()
