"""Lay the files of an environment over those below: a row takes the place of the one with its key, or comes to it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import Place, Problem, SeedError
from sqlmigrate.seeds.model import Csv, Row, SeedFile, Source, StreamedRows, canonical
from sqlmigrate.seeds.problems import refusal, refuse

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlmigrate.seeds.model import Located, TableMapping

    Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Moved:
    """A row of a file that has another index among the rows that it was laid with."""

    document: Located
    index: int

    @property
    def path(self) -> Path:
        """The file."""
        return self.document.path

    def place(self, where: Sequence[str | int] = (), *, key: str | None = None) -> Place:
        """Return the place of the row, or of a value in it."""
        return self.document.place((*where[:1], self.index, *where[2:]) if len(where) > 1 else where, key=key)


@dataclass(eq=False)
class Layered(StreamedRows):
    """Rows that are read from their file each time, with others in the place of some, and behind them."""

    base: StreamedRows
    over: Mapping[int, Row]
    added: Sequence[Row]
    shapes: dict[tuple[str, ...], Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Find the shapes of all rows."""
        self.shapes = dict(self.base.shapes)
        for row in (*self.over.values(), *self.added):
            self.shapes.setdefault(tuple(row.values), row)

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.base) + len(self.added)

    def __iter__(self) -> Iterator[Row]:
        """Read all rows."""
        for row in self.base:
            yield self.over.get(row.index, row)
        yield from self.added

    def __getitem__(self, index: Any) -> Any:
        """Read the row with an index."""
        if not isinstance(index, int):
            return list(self)[index]
        index = range(len(self))[index]
        if index in self.over:
            return self.over[index]
        return self.base[index] if index < len(self.base) else self.added[index - len(self.base)]

    @property
    def are_kept(self) -> bool:
        """Whether all rows are in memory."""
        return False

    def at(self, indexes: Collection[int]) -> list[Row]:
        """Read some rows."""
        read = self.base.at({index for index in indexes if index < len(self.base) and index not in self.over})
        others = [self[index] for index in indexes if index >= len(self.base) or index in self.over]
        return sorted((*read, *others), key=lambda row: row.index)


@dataclass(slots=True)
class _Below:
    """A file below, and what is laid over it."""

    file: SeedFile
    over: dict[int, Row] = field(default_factory=dict)
    added: list[Row] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    overridden: dict[Row, Row] = field(default_factory=dict)

    def laid(self) -> SeedFile:
        """Return the file with what is laid over it."""
        if not self.sources:
            return self.file
        base = self.file.rows
        rows: Sequence[Row]
        if isinstance(base, StreamedRows) and not base.are_kept:
            rows = Layered(base, self.over, self.added)
        else:
            rows = (*(self.over.get(row.index, row) for row in base), *self.added)
        return replace(self.file, rows=rows, overridden=self.overridden, of=(*self.file.sources, *self.sources))

    def take(self, row: Row, lower: Row) -> None:
        """Put a row into the place of one that is there."""
        self.over[lower.index] = moved = _moved(row, lower.index)
        self.overridden[moved] = lower

    def add(self, row: Row) -> None:
        """Put a row behind the others."""
        self.added.append(_moved(row, len(self.file.rows) + len(self.added)))


def lay(below: Sequence[SeedFile], above: Sequence[SeedFile]) -> list[SeedFile]:
    """Return the files with those of an environment over them; raises SeedError where that cannot be done.

    Files for the same table become one, so that their rows may refer to each other.
    """
    lower = [_Below(file) for file in below]
    alone: list[SeedFile] = []
    problems: list[Problem] = []
    for upper in above:
        under = [one for one in lower if one.file.mapping.table == upper.mapping.table]
        if not under:
            alone.append(upper)
            continue
        try:
            _lay_one(under, upper)
        except SeedError as error:
            problems += error.problems
    refuse(problems)
    return [*(one.laid() for one in lower), *alone]


def _lay_one(under: Sequence[_Below], upper: SeedFile) -> None:
    """Lay one file over those for the same table."""
    place = Place(upper.path)
    names = " or ".join(str(one.file.path) for one in under)
    if upper.is_streamed:
        hint = "let it have only the rows that differ"
        raise refusal(Problem(f"the file has too many rows to be laid over {names}", place, hint))
    same = [one for one in under if _meant(one.file.mapping) == _meant(upper.mapping)]
    if not same:
        message = f"its mapping to {upper.mapping.table} is not that of {names}, so the rows cannot be laid over them"
        raise refusal(Problem(message, place, "leave its schema out: that of the file below is taken then"))
    left = {_key(row): row for row in upper.rows}
    for one in under:
        for lower in _overridden(one.file, left):
            if one not in same:
                message = f"{lower.label} is in {one.file.path} too, whose mapping is another one"
                raise refusal(Problem(message, left[_key(lower)].place(), "give both schemas the same mapping"))
            one.take(left.pop(_key(lower)), lower)
    same.sort(key=lambda one: one.file.path.stem != upper.path.stem)
    for row in left.values():
        same[0].add(row)
    same[0].sources.append(Source(upper.path, len(upper.rows), len(upper.rows) - len(left)))


def _overridden(file: SeedFile, keys: Mapping[Key, Row]) -> Iterator[Row]:
    """Yield the rows of a file that have one of these keys; the keys may become fewer meanwhile."""
    if keys:
        yield from (row for row in file.rows if _key(row) in keys)


def _key(row: Row) -> Key:
    """Return what says which row it is, as the file writes it."""
    mapping = row.mapping
    return tuple(canonical(row.values[mapping.source_of(column)]) for column in sorted(mapping.conflict))


def _meant(mapping: TableMapping) -> TableMapping:
    """Return a mapping without what is said of the file alone."""
    return replace(mapping, list="", csv=Csv())


def _moved(row: Row, index: int) -> Row:
    if row.index == index:
        return row
    return Row(index, row.values, row.mapping, Moved(row.document, row.index))
