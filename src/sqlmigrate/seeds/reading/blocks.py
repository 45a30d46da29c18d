"""Some rows of a file at once: those of CSV as columns, so that most is done for many values in one go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlmigrate.seeds.model import Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlmigrate.seeds.model import Located, TableMapping


@dataclass(slots=True)
class Block:
    """Rows that follow each other in a file, from the `first`-th on: their values row by row, or as columns by key."""

    first: int
    mapping: TableMapping
    document: Located
    count: int
    columns: Mapping[str, Sequence[Any]] | None = None
    each: Sequence[dict[str, Any]] = ()

    def values(self) -> Sequence[dict[str, Any]]:
        """Return the values of each row by their keys."""
        if self.columns is None:
            return self.each
        return [dict(zip(self.columns, cells, strict=True)) for cells in zip(*self.columns.values(), strict=True)]

    def rows(self) -> Iterator[Row]:
        """Make the rows."""
        for index, values in enumerate(self.values(), self.first):
            yield Row(index, values, self.mapping, self.document)

    def shapes(self) -> Iterator[tuple[tuple[str, ...], int]]:
        """Yield the keys of rows, in their order, and which row has them; once where all have the same."""
        if self.columns is not None:
            yield tuple(self.columns), 0
        for at, values in enumerate(self.each):
            yield tuple(values), at


def surely_differ(blocks: Iterable[Block], keys: Sequence[str]) -> bool:
    """Tell whether all rows are known to have other values of these keys than all others."""
    seen: set[tuple[Any, ...]] = set()
    count = 0
    for block in blocks:
        columns = [block.columns[key] for key in keys] if block.columns else []
        if not columns or any(not {*map(type, column)} <= {str, int} for column in columns):
            return False
        seen.update(zip(*columns, strict=True))
        count += block.count
    return len(seen) == count
