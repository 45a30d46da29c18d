"""The values that seeding works with: mappings from files to tables, files, results."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from sqlmigrate.errors import Place, Problem

_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A table with its schema, both exactly as the catalog spells them."""

    schema: str
    name: str

    def __str__(self) -> str:
        """Return `schema.table`."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Reference:
    """A look-up: the row of `table` whose column `match` has the value of the file gives its column `select`."""

    table: TableName
    match: str
    select: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table and the key of the file's rows that fills it."""

    name: str
    source: str
    reference: Reference | None = None


@dataclass(frozen=True, slots=True)
class Csv:
    """How a CSV file is read: whether its first line names the keys, what separates cells, and which text is NULL."""

    header: bool = True
    delimiter: str = ","
    null: str = ""


@dataclass(frozen=True, slots=True)
class Prune:
    """What pruning does with the rows that no file names: it sets columns to `values`, or deletes the rows."""

    values: Mapping[str, Any] | None = None

    @property
    def deletes(self) -> bool:
        """Whether the rows go."""
        return self.values is None

    def __str__(self) -> str:
        """Return what the schema says."""
        return "delete" if self.values is None else f"set {', '.join(self.values)}"


@dataclass(frozen=True, slots=True)
class TableMapping:
    """How the rows of one file become rows of one table; `columns` holds what is not simply a key's own name.

    `prune` says what becomes of rows that no file names, where that is asked for.
    """

    list: str
    table: TableName
    conflict: tuple[str, ...]
    columns: tuple[Column, ...] = ()
    default_on_update: tuple[str, ...] = ()
    csv: Csv = Csv()
    prune: Prune | None = None

    def columns_of(self, key: str) -> tuple[Column, ...]:
        """Return the columns that a key of a row fills."""
        return tuple(column for column in self.columns if column.source == key) or (Column(key, key),)

    def source_of(self, column: str) -> str:
        """Return the key of a row that fills a column."""
        return next((special.source for special in self.columns if special.name == column), column)

    @property
    def references(self) -> tuple[Reference, ...]:
        """The look-ups that this file needs."""
        return tuple(column.reference for column in self.columns if column.reference)


class Located(Protocol):
    """A file whose values have places."""

    @property
    def path(self) -> Path:
        """The file."""

    def place(self, where: Sequence[str | int] = (), *, key: str | None = None) -> Place:
        """Return the place of a value, or of the key `key` in it; of the nearest one around it if it is not there."""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One row of a seed file, the `index`-th from 0: the values of its keys, its label in messages, and its place.

    A row is equal to itself alone, so that it can be a key.
    """

    index: int
    values: Mapping[str, Any]
    mapping: TableMapping = field(repr=False)
    document: Located = field(repr=False)

    @property
    def label(self) -> str:
        """The row's name by its conflict target, as in `agent_type 'TASK_EXECUTION'`."""
        keys = dict.fromkeys(self.mapping.source_of(column) for column in self.mapping.conflict)
        return ", ".join(f"{key} {quoted(self.values.get(key))}" for key in keys)

    def place(self, key: str | None = None) -> Place:
        """Return the place of the row, or of the value of one of its keys."""
        where = (self.mapping.list, self.index)
        return self.document.place(where if key is None else (*where, key))

    def place_of_key(self, key: str) -> Place:
        """Return the place of a key itself."""
        return self.document.place((self.mapping.list, self.index), key=key)


class StreamedRows(Sequence[Row]):
    """Rows that are read from their file each time, unless there are few; `shapes` has the first row of each shape."""

    shapes: dict[tuple[str, ...], Row]

    def columns(self) -> Iterator[tuple[int, Mapping[str, Sequence[Any]]]] | None:
        """Return None, or where all rows have the same keys, some rows at a time as columns of values by these keys.

        Before the columns stands the index of their first row.
        """
        return None

    @property
    @abstractmethod
    def are_kept(self) -> bool:
        """Whether all of them are in memory."""

    @abstractmethod
    def at(self, indexes: Collection[int]) -> list[Row]:
        """Return rows by their indexes, in their order."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file that rows come from, and how many; `overriding` are in the place of rows of a file below."""

    path: Path
    rows: int
    overriding: int = 0


@dataclass(frozen=True, slots=True)
class SeedFile:
    """One file of seed rows that fits its schema, and the table that they go to.

    Rows of an environment may be among them (`of` has the files then): `overridden` says which rows those are in the
    place of.
    """

    path: Path
    mapping: TableMapping
    rows: Sequence[Row]
    document: Located = field(repr=False, compare=False)
    overridden: Mapping[Row, Row] = field(default_factory=dict, repr=False, compare=False)
    of: tuple[Source, ...] = field(default=(), compare=False)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The files that the rows come from, the lowest first."""
        return self.of or (Source(self.path, len(self.rows)),)

    @property
    def is_streamed(self) -> bool:
        """Whether the rows are read anew each time that they are asked for, and are not in memory."""
        return isinstance(self.rows, StreamedRows) and not self.rows.are_kept

    def at(self, positions: Collection[int]) -> list[Row]:
        """Return rows by their positions (from 1), in the order in which the file has them."""
        if isinstance(self.rows, StreamedRows):
            return self.rows.at({position - 1 for position in positions})
        return [self.rows[position - 1] for position in sorted(positions)]

    def shapes(self) -> dict[tuple[str, ...], Row]:
        """Return each set of keys that rows have, in their order there, with the first row that has it."""
        if isinstance(self.rows, StreamedRows):
            return self.rows.shapes
        found: dict[tuple[str, ...], Row] = {}
        for row in self.rows:
            found.setdefault(tuple(row.values), row)
        return found


@dataclass(frozen=True, slots=True)
class Digest:
    """A seed file by its name in the data folder, the SHA-256 of its text and of its schema's, with LF line ends."""

    name: str
    checksum: str
    schema_checksum: str


@dataclass(frozen=True, slots=True)
class SeedSet:
    """All seed files of a directory, in the order that their references need.

    `warnings` names references that no file satisfies: their rows must already be in the database. `digests` has each
    file as it was when it was read.
    """

    directory: Path
    files: tuple[SeedFile, ...]
    warnings: tuple[Problem, ...] = ()
    digests: tuple[Digest, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """A column of a row with the value that it has, as PostgreSQL prints it, and the one that it would get.

    `pending` names the new row that the value will come from, where nobody knows it yet.
    """

    column: str
    old: str | None
    new: str | None
    pending: str | None = None


@dataclass(frozen=True, slots=True)
class TableResult:
    """What happened to the rows of one file.

    `kept` are rows that differ from the file all the same: a trigger of the table let no update of them through.
    `pruned` are rows that no file names and that were deleted or changed for it, `prune_kept` those that a trigger or
    a policy let stay as they were; they are told with the first file of their table.
    """

    table: TableName
    file: Path
    inserted: int
    updated: int
    unchanged: int
    kept: int = 0
    pruned: int = 0
    prune_kept: int = 0


@dataclass(frozen=True, slots=True)
class SeedResult:
    """What one run of the seed files did, file by file in the order in which they were applied.

    `warnings` says which sequences could not be moved behind the numbers that were written, and where triggers of a
    table have made something else of the rows than the files say; `notes` says which sequences were moved, and which
    tables have rows that policies (row level security) hide from the role.
    """

    tables: tuple[TableResult, ...]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def written(self) -> int:
        """How many rows were inserted or updated."""
        return sum(table.inserted + table.updated for table in self.tables)

    @property
    def pruned(self) -> int:
        """How many rows that no file names were deleted or changed."""
        return sum(table.pruned for table in self.tables)


def canonical(value: Any) -> str:
    """Return a text that is the same for equal values, whatever the order of their keys."""
    return _encode(value)


def quoted(value: Any, limit: int = 60) -> str:
    """Show a value in a message: text in single quotes, the rest as JSON, long ones cut."""
    text = f"'{value}'" if isinstance(value, str) else canonical(value)
    return text if len(text) <= limit else f"{text[: limit - 4]}...{text[-1]}"
