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
from sqlmigrate.seeds import statements
from sqlmigrate.seeds.problems import refuse, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlmigrate.seeds.model import SeedFile, TableName

    Target = tuple[TableName, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file and its values as they are written, by the names of their columns."""

    file: SeedFile
    index: int
    values: Mapping[str, Any]

    @property
    def key(self) -> dict[str, Any]:
        """The values of its conflict target."""
        return {name: self.values[name] for name in self.file.mapping.conflict}


@dataclass(slots=True)
class Keys:
    """The keys of all rows so far, by their table and its conflict target."""

    conn: psycopg.Connection[Any]
    _seen: dict[Target, list[Row]] = field(default_factory=dict)
    _parts: dict[Target, int] = field(default_factory=dict)

    def add(self, file: SeedFile, rows: Mapping[int, Mapping[str, Any]]) -> None:
        """Take rows that are written next; raises SeedError where two of them are one row."""
        keys = [Row(file, index, row) for index, row in rows.items()]
        self._require_different(keys)
        target = (file.mapping.table, file.mapping.conflict)
        self._seen.setdefault(target, []).extend(keys)
        self._parts[target] = self._parts.get(target, 0) + 1

    def require_different(self) -> None:
        """Raise SeedError where rows that were not written together are one row."""
        for target, count in self._parts.items():
            if count > 1:
                self._require_different(self._seen[target])

    def by_table(self) -> Iterable[Sequence[Row]]:
        """Give the rows of each table and conflict target, where there are any."""
        return filter(None, self._seen.values())

    def _require_different(self, keys: Sequence[Row]) -> None:
        if len(keys) > 1:
            refuse(list(shown(_problems(keys, self._same(keys)), keys[0].file.path)))

    def _same(self, keys: Sequence[Row]) -> list[list[int]]:
        """Ask which are the same, each group by their positions from 1; a bad value is told when it is written."""
        values = json.dumps([key.key for key in keys], ensure_ascii=False)
        try:
            with self.conn.transaction(), self.conn.cursor(row_factory=tuple_row) as cursor:
                query = statements.same_rows(keys[0].file.mapping)
                return [positions for (positions,) in cursor.execute(query, [values], prepare=False)]
        except psycopg.DataError:
            return []


def _problems(keys: Sequence[Row], groups: Sequence[list[int]]) -> Iterator[Problem]:
    for positions in sorted(groups):
        first, *others = (keys[position - 1] for position in positions)
        for other in others:
            message = f"{other.file.label(other.index)} is there twice, first at {first.file.place(first.index)}"
            known = first.file.label(first.index)
            if known != other.file.label(other.index):
                message += f" as {known}: they are the same to PostgreSQL"
            yield Problem(message, other.file.place(other.index), "keep one of the two rows")
