"""Find rows of the files that are one row to PostgreSQL, whose idea of equal is the one that counts.

`citext` takes `Ann` and `ann` for the same, `numeric` takes 1 and 1.0: the second row would undo the first at each run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import tuple_row

from sqlmigrate.errors import Problem
from sqlmigrate.seeds.problems import refuse, shown
from sqlmigrate.seeds.writing import statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlmigrate.seeds.model import Row, SeedFile, TableName

    Target = tuple[TableName, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class WrittenRow:
    """A row of a file and its values as they are written, by the names of their columns."""

    row: Row
    values: Mapping[str, Any]

    @property
    def key(self) -> dict[str, Any]:
        """The values of its conflict target."""
        return {name: self.values[name] for name in self.row.mapping.conflict}


@dataclass(slots=True)
class Keys:
    """The keys of all rows so far, by their table and its conflict target."""

    conn: psycopg.Connection[Any]
    _seen: dict[Target, list[WrittenRow]] = field(default_factory=dict)
    _parts: dict[Target, int] = field(default_factory=dict)

    def add(self, file: SeedFile, rows: Mapping[Row, Mapping[str, Any]]) -> None:
        """Take rows that are written next; raises SeedError where two of them are one row."""
        keys = [WrittenRow(row, written) for row, written in rows.items()]
        self._require_different(keys)
        target = (file.mapping.table, file.mapping.conflict)
        self._seen.setdefault(target, []).extend(keys)
        self._parts[target] = self._parts.get(target, 0) + 1

    def require_different(self) -> None:
        """Raise SeedError where rows that were not written together are one row."""
        for target, count in self._parts.items():
            if count > 1:
                self._require_different(self._seen[target])

    def by_table(self) -> Iterable[Sequence[WrittenRow]]:
        """Return the rows of each table and conflict target, where there are any."""
        return filter(None, self._seen.values())

    def _require_different(self, keys: Sequence[WrittenRow]) -> None:
        if len(keys) > 1:
            groups = [[keys[position - 1].row for position in positions] for positions in self._same(keys)]
            refuse(list(shown(problems(groups), keys[0].row.document.path)))

    def _same(self, keys: Sequence[WrittenRow]) -> list[list[int]]:
        """Ask which are the same, each group by their positions from 1; a bad value is told when it is written."""
        values = json.dumps([key.key for key in keys], ensure_ascii=False)
        try:
            with self.conn.transaction(), self.conn.cursor(row_factory=tuple_row) as cursor:
                query = statements.same_rows(keys[0].row.mapping)
                return [positions for (positions,) in cursor.execute(query, [values], prepare=False)]
        except psycopg.DataError:
            return []


def problems(groups: Iterable[Sequence[Row]]) -> Iterator[Problem]:
    """Yield a problem for each row that is the same as the first one of its group."""
    for first, *others in sorted(groups, key=lambda rows: rows[0].index):
        for other in others:
            message = f"{other.label} appears twice, first at {first.place()}"
            if first.label != other.label:
                message += f" as {first.label}: they are the same to PostgreSQL"
            yield Problem(message, other.place(), "keep one of the two rows")
