"""Cut CSV into cells as PostgreSQL's COPY does, and take them for the values that a schema wants.

As in COPY, a cell without quotes that is the text for NULL is NULL, and one in quotes never is.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from sqlmigrate.seeds.reading.document import exact
from sqlmigrate.seeds.reading.json_text import is_too_deep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlmigrate.seeds.model import Csv

    Convert = Callable[[str], Any]

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_INTEGERS = re.compile(r"(?:-?(?:0|[1-9][0-9]{0,30})\n)*")
_NUMBERS = re.compile(r"(?:-?(?:0|[1-9][0-9]{0,30})(?:\.[0-9]{1,30})?\n)*")
_DIGITS = 4000  # Python refuses to read more than 4,300
_BOOLEANS = {"true": True, "false": False, "t": True, "f": False}


class CellError(ValueError):
    """A line is no CSV; `offset` says where in it."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


def split(text: str, csv: Csv) -> list[str | None]:
    """Return the cells of a record without its line end; raises CellError."""
    if '"' not in text:
        cells: list[str | None] = list(text.split(csv.delimiter))
        return [None if cell == csv.null else cell for cell in cells] if csv.null in cells else cells
    return [cell for cell, _ in _cells(text, csv)]


def columns(texts: Sequence[str], count: int, csv: Csv) -> list[list[str | None]] | None:
    """Return the cells of records column by column, or None where not each record has so many."""
    whole = csv.delimiter.join(texts)
    if '"' in whole:
        try:
            cut = [split(text, csv) for text in texts]
        except CellError:
            return None
        return [*map(list, zip(*cut, strict=True))] if {*map(len, cut)} == {count} else None
    if any(text.count(csv.delimiter) != count - 1 for text in texts):
        return None
    flat: list[str | None] = [*whole.split(csv.delimiter)]
    if csv.null in flat:
        flat = [None if cell == csv.null else cell for cell in flat]
    return [flat[at::count] for at in range(count)]


def offsets(text: str, csv: Csv) -> list[int]:
    """Return where each cell of a record begins."""
    return [offset for _, offset in _cells(text, csv)]


def is_whole(text: str) -> bool:
    """Tell whether a record ends with its line: no quotes are open."""
    return text.count('"') % 2 == 0


def _cells(text: str, csv: Csv) -> Iterator[tuple[str | None, int]]:
    start = 0
    while True:
        if text.startswith('"', start):
            end = start + 1
            while (end := text.find('"', end)) >= 0 and text.startswith('"', end + 1):
                end += 2
            cell: str | None = text[start + 1 : end].replace('""', '"')
            end += 1
        else:
            end = found if (found := text.find(csv.delimiter, start)) >= 0 else len(text)
            cell = text[start:end]
            if '"' in cell:
                raise CellError("a cell with quotes must begin with one; double those within it", start)
            cell = None if cell == csv.null else cell
        if end < len(text) and text[end] != csv.delimiter:
            raise CellError("a cell goes on behind its closing quote; double the quotes within a cell", end)
        yield cell, start
        if end >= len(text):
            return
        start = end + 1


def converters(keys: Sequence[str], properties: Mapping[str, set[str]]) -> dict[str, Convert]:
    """Return what makes values of the cells of those keys whose schema wants no text, by the types that it wants."""
    return {key: _converter(types) for key in keys if (types := properties.get(key)) and "string" not in types}


def converted(column: Sequence[str | None], convert: Convert) -> list[Any]:
    """Make values of a column of cells; NULL stays what it is."""
    if convert is _number and (numbers := _plain_numbers(column)) is not None:
        return numbers
    return [None if cell is None else convert(cell) for cell in column]


def _plain_numbers(column: Sequence[str | None]) -> list[Any] | None:
    """Return the numbers of cells that are written as Python writes them, if all of them are of one kind."""
    texts = [cell for cell in column if cell is not None]
    lines = "\n".join(texts) + "\n"
    if len(texts) < len(column) or lines.count("\n") > len(column):  # there is NULL, or a line end in a cell
        return None
    if _INTEGERS.fullmatch(lines):
        return list(map(int, texts))
    if _NUMBERS.fullmatch(lines):
        floats = list(map(float, texts))
        return floats if list(map(repr, floats)) == texts else None
    return None


def _converter(types: set[str]) -> Convert:
    """Return what a text becomes; one that is no such value stays text, which the schema then refuses."""
    if types <= {"number", "integer", "null"}:
        return _number
    if types <= {"boolean", "null"}:
        return lambda text: _BOOLEANS.get(text, text)

    def convert(text: str) -> Any:
        for name, make in _MAKERS.items():
            if name in types and (value := make(text)) is not text:
                return value
        return text

    return convert


def _number(text: str) -> Any:
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) < _DIGITS else text
    try:
        return exact(text) if _NUMBER.fullmatch(text) else text
    except (ValueError, ArithmeticError):
        return text


def _json(text: str) -> Any:
    try:
        found = json.loads(text, parse_float=exact, parse_constant=_refused)
        return text if is_too_deep(text, found) else found
    except (ValueError, ArithmeticError, RecursionError):
        return text


def _refused(constant: str) -> Any:
    raise ValueError(constant)


_MAKERS: dict[str, Convert] = {
    **dict.fromkeys(("number", "integer"), _number),
    "boolean": lambda text: _BOOLEANS.get(text, text),
    **dict.fromkeys(("object", "array"), _json),
}
