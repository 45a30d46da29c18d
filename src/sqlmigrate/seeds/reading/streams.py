"""Rows of CSV and JSON Lines files: read one by one, however many there are, and anew when they are needed again."""

from __future__ import annotations

import os
from array import array
from collections import Counter
from dataclasses import dataclass, field
from io import StringIO
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from sqlmigrate.errors import Place, Problem, SeedError
from sqlmigrate.files import open_file
from sqlmigrate.seeds.model import Row, StreamedRows
from sqlmigrate.seeds.problems import refusal
from sqlmigrate.seeds.reading import cells, json_text
from sqlmigrate.seeds.reading.blocks import Block

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlmigrate.seeds.model import Csv, TableMapping
    from sqlmigrate.seeds.reading.cells import Convert

KEPT_MAX = 100_000
"""Rows of a file that are kept in memory; those of a larger one are read anew whenever they are needed."""

_LINE_MAX = 64 << 20  # bytes
_MARK_EACH = 1000  # rows that are read at once; the place in the file after them is kept
_FEW = 20


class Format(Protocol):
    """How records stand in a file, and what their values are."""

    def records(self, path: Path, file: BinaryIO, line: int) -> Iterator[tuple[int, str]]:
        """Yield each record from here on, with the number of its line; `line` is that of the line before."""

    def values(self, path: Path, number: int, text: str) -> dict[str, Any]:
        """Return the values of the record at a line; raises SeedError."""

    def columns(self, texts: Sequence[str]) -> dict[str, list[Any]] | None:
        """Return the values of records as columns by their keys, or None where there are none, or one is no record."""

    def offset(self, path: Path, text: str, where: Sequence[str | int], key: str | None) -> int:
        """Return where in a record a value or a key is."""


@dataclass(slots=True)
class Lines:
    """JSON Lines: each line is an object, blank lines are none."""

    def records(self, path: Path, file: BinaryIO, line: int) -> Iterator[tuple[int, str]]:
        """Yield the lines that are not blank."""
        for number, text in _lines(path, file, line):
            if not text.isspace():
                yield number, text.rstrip("\r\n")

    def values(self, path: Path, number: int, text: str) -> dict[str, Any]:
        """Read the object of a line."""
        try:
            value = json_text.read_line(path, text)
        except SeedError as error:
            raise refusal(*(_moved(problem, number) for problem in error.problems)) from error
        if not isinstance(value, dict):
            raise refusal(Problem("must be an object: a row for each line", Place(path, number, 1, text)))
        return value

    def columns(self, texts: Sequence[str]) -> None:
        """Return None: each row may have other keys."""

    def offset(self, path: Path, text: str, where: Sequence[str | int], key: str | None) -> int:
        """Return where a value or a key is in the line."""
        return json_text.Places(path, text).offset(where, key) or 0


@dataclass(slots=True)
class Table:
    """CSV: each record has a cell for each of the keys."""

    csv: Csv
    keys: list[str]
    converters: Mapping[str, Convert]

    def records(self, path: Path, file: BinaryIO, line: int) -> Iterator[tuple[int, str]]:
        """Yield the records, which may have line ends in cells with quotes, without their own line end."""
        lines = _lines(path, file, line)
        for number, text in lines:
            whole = text if '"' not in text or cells.is_whole(text) else _closed(path, number, text, lines)
            if record := whole.removesuffix("\n").removesuffix("\r"):
                yield number, record

    def values(self, path: Path, number: int, text: str) -> dict[str, Any]:
        """Return the values of a record by their keys."""
        found = _cells(path, number, text, self.csv)
        if len(found) != len(self.keys):
            message = f"the line has {len(found)} cells, but there are {len(self.keys)} keys"
            raise refusal(Problem(message, Place(path, number), "put a cell with separators into quotes"))
        values: dict[str, Any] = dict(zip(self.keys, found, strict=True))
        for key, convert in self.converters.items():
            if (value := values[key]) is not None:
                values[key] = convert(value)
        return values

    def columns(self, texts: Sequence[str]) -> dict[str, list[Any]] | None:
        """Return the values of the records as columns."""
        cut = cells.columns(texts, len(self.keys), self.csv)
        if cut is None:
            return None
        columns: dict[str, list[Any]] = dict(zip(self.keys, cut, strict=True))
        for key, convert in self.converters.items():
            columns[key] = cells.converted(columns[key], convert)
        return columns

    def offset(self, path: Path, text: str, where: Sequence[str | int], key: str | None) -> int:  # noqa: ARG002
        """Return where a cell is in the record."""
        name = where[0] if where else key
        return cells.offsets(text, self.csv)[self.keys.index(name)] if name in self.keys else 0


@dataclass(eq=False)
class Streamed(StreamedRows):
    """The rows of a file; `read` is to be called once: it keeps them, or tells how many there are."""

    path: Path
    mapping: TableMapping
    format: Format
    start: int = 0
    line: int = 0
    shapes: dict[tuple[str, ...], Row] = field(default_factory=dict)
    _kept: list[Block] | None = field(default_factory=list)
    _made: list[Row] | None = None
    _count: int = 0
    _offsets: array[int] = field(default_factory=lambda: array("Q"))
    _numbers: array[int] = field(default_factory=lambda: array("Q"))
    _stamp: tuple[int, ...] = ()

    def read(self) -> Iterator[Block]:
        """Read the rows for the first time, some at a time; raises SeedError for what is no row."""
        with _open(self.path) as file:
            self._stamp = _stamp(file)
            file.seek(self.start)
            self._mark(self.start, self.line)
            for block, end in self._cut(self.format.records(self.path, file, self.line)):
                self._keep(block)
                if block.count == _MARK_EACH:
                    self._mark(file.tell(), end)
                yield block

    def blocks(self) -> Iterator[Block]:
        """Return all rows some at a time, or read them anew; raises SeedError where the file has become another one."""
        if self._kept is not None:
            yield from self._kept
            return
        count = 0
        for block, _ in self._cut(self._records(0)):
            count += block.count
            yield block
        if count < self._count:
            raise refusal(_changed(self.path))

    def columns(self) -> Iterator[tuple[int, Mapping[str, Sequence[Any]]]] | None:
        """Return the rows of CSV as columns."""
        if not isinstance(self.format, Table):
            return None
        return ((block.first, block.columns) for block in self.blocks() if block.columns)

    def read_so_far(self) -> tuple[int, int]:
        """Return how many kB of the file have been read for the first time, and how many it has."""
        return self._offsets[-1] >> 10, self._stamp[2] >> 10

    def __len__(self) -> int:
        """Return how many rows there are."""
        return self._count

    def __iter__(self) -> Iterator[Row]:
        """Return all rows, or read them anew; raises SeedError where the file has become another one."""
        return self._rows(0, self._count) if self._kept is None else iter(self._in_memory())

    def __getitem__(self, index: Any) -> Any:
        """Read the row with an index."""
        if not isinstance(index, int):
            return list(self)[index]
        return next(self._rows(range(self._count)[index], 1)) if self._kept is None else self._in_memory()[index]

    @property
    def are_kept(self) -> bool:
        """Whether all rows are in memory."""
        return self._kept is not None

    def at(self, indexes: Collection[int]) -> list[Row]:
        """Read some rows: few of them each by itself, many in one go."""
        if len(indexes) <= _FEW or self.are_kept:
            return [self[index] for index in sorted(indexes)]
        wanted = set(indexes)
        return [row for row in self if row.index in wanted]

    def place(self, where: Sequence[str | int] = (), *, key: str | None = None) -> Place:
        """Return the place of a row, or of a value in it."""
        if len(where) < 2 or not isinstance(index := where[1], int) or index > self._count:  # noqa: PLR2004
            return Place(self.path)
        try:
            number, text = next(self._records(index))
            offset = self.format.offset(self.path, text, where[2:], key)
        except (SeedError, StopIteration, cells.CellError):
            return Place(self.path)
        start = text.rfind("\n", 0, offset) + 1
        line = text[start:].split("\n", 1)[0].rstrip("\r")
        return Place(self.path, number + text.count("\n", 0, offset), offset - start + 1, line)

    def _cut(self, records: Iterator[tuple[int, str]]) -> Iterator[tuple[Block, int]]:
        """Yield the rows of all records some at a time, each time with the number of their last line."""
        first, error = 0, None
        while error is None:
            some: list[tuple[int, str]] = []
            try:
                some.extend(islice(records, _MARK_EACH))
            except SeedError as found:  # behind what is wrong with the records before
                error = found
            if not some:
                break
            block = self._block(first, some)
            if error is None:
                yield block, some[-1][0] + some[-1][1].count("\n")
            first += block.count
        if error is not None:
            raise error

    def _block(self, first: int, records: Sequence[tuple[int, str]]) -> Block:
        columns = self.format.columns([text for _, text in records])
        values = self.format.values
        each = [values(self.path, number, text) for number, text in records] if columns is None else ()
        return Block(first, self.mapping, self, len(records), columns, each)

    def _keep(self, block: Block) -> None:
        """Keep rows in memory, unless there are more than a YAML file would have."""
        for keys, at in block.shapes():
            if keys not in self.shapes:
                self.shapes[keys] = next(islice(block.rows(), at, None))
        self._count += block.count
        if self._count > KEPT_MAX:
            self._kept = None
        if self._kept is not None:
            self._kept.append(block)

    def _in_memory(self) -> list[Row]:
        """Make the rows that are kept, once somebody asks for them."""
        if self._made is None:
            self._made = [row for block in self.blocks() for row in block.rows()]
        return self._made

    def _rows(self, first: int, count: int) -> Iterator[Row]:
        found = 0
        for number, text in islice(self._records(first), count):
            yield self._row(first + found, number, text)
            found += 1
        if found < count:
            raise refusal(_changed(self.path))

    def _records(self, index: int) -> Iterator[tuple[int, str]]:
        """Yield the records from an index on."""
        mark = min(index // _MARK_EACH, len(self._offsets) - 1)
        with _open(self.path) as file:
            if _stamp(file) != self._stamp:
                raise refusal(_changed(self.path))
            file.seek(self._offsets[mark])
            records = self.format.records(self.path, file, self._numbers[mark])
            yield from islice(records, index - mark * _MARK_EACH, None)

    def _row(self, index: int, number: int, text: str) -> Row:
        return Row(index, self.format.values(self.path, number, text), self.mapping, self)

    def _mark(self, offset: int, number: int) -> None:
        self._offsets.append(offset)
        self._numbers.append(number)


def csv_rows(path: Path, mapping: TableMapping, keys: Sequence[str], types: Mapping[str, set[str]]) -> Streamed:
    """Return the rows of a CSV file, whose keys are in its first line or, without one, these; raises SeedError."""
    found, start, line = list(keys), 0, 0
    if mapping.csv.header:
        found, start, line = _header(path, mapping.csv)
    elif not found:
        message = "there is no header, and the schema does not say which keys a row has"
        raise refusal(Problem(message, Place(path), 'write the keys into "properties" of the rows'))
    table = Table(mapping.csv, found, cells.converters(found, types))
    return Streamed(path, mapping, table, start, line)


def _header(path: Path, csv: Csv) -> tuple[list[str], int, int]:
    """Read the keys from the first line; gives also where the next one begins, and how many lines there were."""
    with _open(path) as file:
        for number, text in Table(csv, [], {}).records(path, file, 0):
            place = Place(path, number, 1, text)
            keys = [key or "" for key in _cells(path, number, text, csv)]
            counts = Counter(keys)
            for key in keys:
                if not key or counts[key] > 1:
                    message = f"the key '{key}' appears twice" if key else "a cell of the header is empty"
                    raise refusal(Problem(message, place, "the first line names the key of each cell, each once"))
            return keys, file.tell(), number + text.count("\n")
    return [], 0, 0


def _closed(path: Path, number: int, text: str, lines: Iterator[tuple[int, str]]) -> str:
    """Return a record whose first line leaves a quote open, with the lines up to the one that closes it."""
    whole = StringIO(text)
    size = whole.seek(0, os.SEEK_END)
    while size <= _LINE_MAX and (more := next(lines, (0, ""))[1]):
        size += whole.write(more)
        if not cells.is_whole(more):
            return whole.getvalue()
    raise refusal(Problem("a quote is opened here and never closed", Place(path, number)))


def _cells(path: Path, number: int, text: str, csv: Csv) -> list[str | None]:
    try:
        return cells.split(text, csv)
    except cells.CellError as error:
        line, start = text.count("\n", 0, error.offset), text.rfind("\n", 0, error.offset) + 1
        shown = text[start:].split("\n", 1)[0]
        at = Place(path, number + line, error.offset - start + 1, shown)
        raise refusal(Problem(str(error), at)) from None


def _lines(path: Path, file: BinaryIO, line: int) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file as text, with their numbers; raises SeedError for what PostgreSQL could not store."""
    while data := file.readline(_LINE_MAX):
        line += 1
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            message = f"byte {data[error.start]:#04x} is not UTF-8"
            raise refusal(Problem(message, Place(path, line), "save the file as UTF-8")) from None
        if "\0" in text or len(data) == _LINE_MAX:
            message = "PostgreSQL cannot store NUL in a text" if "\0" in text else "the line is too long"
            raise refusal(Problem(message, Place(path, line)))
        yield line, text.removeprefix("\ufeff") if line == 1 else text


def _open(path: Path) -> BinaryIO:
    try:
        return open_file(path)
    except OSError as error:
        raise refusal(Problem(f"cannot be read: {error.strerror or error}", Place(path))) from error


def _stamp(file: BinaryIO) -> tuple[int, ...]:
    found = os.fstat(file.fileno())
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _changed(path: Path) -> Problem:
    return Problem("the file has changed since it was checked", Place(path), "run it again")


def _moved(problem: Problem, line: int) -> Problem:
    """Return a problem of a line at its place in the file."""
    place = problem.place
    moved = Place(place.path, line + (place.line or 1) - 1, place.column, place.text) if place else None
    return Problem(problem.message, moved, problem.hint)
