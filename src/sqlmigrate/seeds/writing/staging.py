"""Write very many rows: COPY into temporary tables, one for each set of columns, and one statement from each.

What comes of it is what comes of batches; where the server refuses anything, batches say which row it is.
"""

from __future__ import annotations

import json
import re
import secrets
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from psycopg.rows import tuple_row

from sqlmigrate.connection import undisturbed
from sqlmigrate.seeds.model import StreamedRows
from sqlmigrate.seeds.progress import tell
from sqlmigrate.seeds.references import Pending
from sqlmigrate.seeds.writing import statements
from sqlmigrate.seeds.writing.values import columns_of, written_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import psycopg

    from sqlmigrate.seeds.model import Row, SeedFile, SeedSet
    from sqlmigrate.seeds.references import Resolved
    from sqlmigrate.seeds.tables import Table
    from sqlmigrate.seeds.writing.statements import Stage

ROWS_MIN = 10_000
"""So many rows of a file make it large: below, a temporary table costs more than it saves."""

_CHUNK = 10_000  # rows whose references are looked up at once
_LINES = 500
_BLOCKS = 20  # of columns, that one COPY sends: libpq may hold all of them
_SHAPES_MAX = 20
_MAY_STAGE = """
SELECT pg_catalog.has_database_privilege(d.oid, 'TEMPORARY')
FROM pg_catalog.pg_database AS d
WHERE d.datname = pg_catalog.current_database()
"""
_SPECIAL = re.compile(r"[\\\t\n\r]")
_ESCAPED = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_NULL = "\\N"
_WORDS = {None: _NULL, True: "true", False: "false"}
_encode = json.JSONEncoder(ensure_ascii=False).encode


class NotPlainError(ValueError):
    """A value is a list or a mapping, and its column is neither json nor jsonb: JSON has to carry it."""


def is_large(seeds: SeedSet, file: SeedFile) -> bool:
    """Tell whether a file is one of very many rows, that nothing binds to the rows of another file."""
    return (
        len(file.rows) >= ROWS_MIN
        and all(reference.table != file.mapping.table for reference in file.mapping.references)
        and sum(other.mapping.table == file.mapping.table for other in seeds.files) == 1
        and len(file.shapes()) <= _SHAPES_MAX
    )


def may_stage(conn: psycopg.Connection[Any]) -> bool:
    """Tell whether the role may make temporary tables."""
    with undisturbed(conn), conn.cursor(row_factory=tuple_row) as cursor:
        found = cursor.execute(_MAY_STAGE, prepare=False).fetchone()
    return bool(found and found[0])


@dataclass(slots=True)
class Staged:
    """The rows of one file in temporary tables of the session, or these columns of them alone.

    A row whose key is not known yet, since what it refers to is new, is in no table, and is left out.
    """

    conn: psycopg.Connection[Any]
    file: SeedFile
    table: Table
    resolve: Callable[[Sequence[Row]], Resolved]
    only: tuple[str, ...] | None = None
    _stages: dict[tuple[str, ...], Stage] = field(default_factory=dict)

    def fill(self) -> None:
        """Send all rows; raises NotPlainError, or what the server says of a value."""
        if not self._fill_by_columns():
            self._fill_row_by_row()
        for stage in self._stages.values():
            self._run(statements.analyze(stage, self.file.mapping))

    def _fill_by_columns(self) -> bool:
        """Send all rows by the columns of their values, unless there are none, or something is to be looked up."""
        rows = self.file.rows
        parts = rows.columns() if isinstance(rows, StreamedRows) else None
        filled = [item for keys in self.file.shapes() for item in columns_of(self.file.mapping, keys)] if parts else []
        if parts is None or any(column for _, _, column in filled):
            return False
        keys = {name: key for name, key, _ in filled}
        names = self.only or tuple(keys)
        for part in parts:
            with self._copying(self._stage(names)) as copy:  # the server reads lines while the next ones are written
                for first, columns in chain([part], islice(parts, _BLOCKS - 1)):
                    copy.write(_lines(first, [(columns[keys[name]], name in self.table.json) for name in names]))
                    tell(f"sending rows for {self.file.mapping.table}", first, len(rows))
        return True

    def _fill_row_by_row(self) -> None:
        rows, sent = iter(self.file.rows), 0
        while chunk := list(islice(rows, _CHUNK)):
            by_columns: dict[tuple[str, ...], list[str]] = {}
            for row, values in written_rows(chunk, self.resolve(chunk)):
                kept = values if self.only is None else {name: values[name] for name in self.only}
                if self.only is None or not any(isinstance(value, Pending) for value in kept.values()):
                    by_columns.setdefault(tuple(kept), []).append(_line(row, kept, self.table.json))
            for columns, lines in by_columns.items():
                self._copy(self._stage(columns), lines)
            sent += len(chunk)
            tell(f"sending rows for {self.file.mapping.table}", sent, len(self.file.rows))

    @property
    def stages(self) -> list[Stage]:
        """The temporary tables."""
        return list(self._stages.values())

    def write(self) -> tuple[int, int, list[int]]:
        """Write what differs; gives the counts of inserted and updated rows, and the positions of those left."""
        inserted, updated, left = 0, 0, []
        for columns in sorted(self._stages):
            statement = statements.upsert(self.file.mapping, self.table, columns, self._stages[columns])
            ((new, changed, positions),) = self._run(statement)
            inserted, updated = inserted + new, updated + changed
            left += positions
        return inserted, updated, left

    def same_rows(self, limit: int) -> list[list[int]]:
        """Return groups of rows that are one to PostgreSQL, each by their positions from 1."""
        ((are_some,),) = self._run(statements.any_same_staged(self.file.mapping, self.stages))
        if not are_some:
            return []
        query = statements.same_staged(self.file.mapping, self.stages, limit)
        return [positions for (positions,) in self._run(query)]

    def missing(self) -> Iterator[int]:
        """Yield the positions of rows whose keys no row of the table has."""
        for stage in self._stages.values():
            yield from (position for (position,) in self._run(statements.absent(self.file.mapping, self.table, stage)))

    def different(self) -> Iterator[int]:
        """Yield the positions of rows that are there with other values."""
        for columns, stage in self._stages.items():
            query = statements.different(self.file.mapping, self.table, columns, stage)
            yield from (position for (position,) in self._run(query))

    def written(self, positions: Iterable[int]) -> dict[Row, dict[str, Any]]:
        """Return rows by their positions, with their values by the names of their columns."""
        rows = self.file.at(list(positions))
        return dict(written_rows(rows, self.resolve(rows)))

    def renumbered(self, stage: Stage, column: str) -> list[tuple[int, str]]:
        """Return the positions of rows that are there with another number in a column, and that number."""
        query = statements.renumbered(self.file.mapping, self.table, column, stage.columns, stage)
        return [(position, number) for position, number in self._run(query)]

    def highest(self, column: str) -> int | None:
        """Return the highest number that rows give a column of whole numbers."""
        stages = [stage for stage in self._stages.values() if column in stage.columns]
        found = [row[0] for stage in stages for row in self._run(statements.highest(stage, column))]
        return max((number for number in found if number is not None), default=None)

    def discard(self) -> None:
        """Drop the tables, unless the session is gone and they with it."""
        while self._stages and not self.conn.closed:
            self._run(statements.drop(self._stages.popitem()[1]))

    def _stage(self, columns: tuple[str, ...]) -> Stage:
        if columns not in self._stages:
            stage = statements.Stage(f"sqlmigrate_seed_{secrets.token_hex(8)}", columns)
            self._run(statements.create(stage, self.file.mapping))
            self._stages[columns] = stage
        return self._stages[columns]

    def _copy(self, stage: Stage, lines: Sequence[str]) -> None:
        with self._copying(stage) as copy:
            for start in range(0, len(lines), _LINES):
                copy.write("".join(lines[start : start + _LINES]))

    @contextmanager
    def _copying(self, stage: Stage) -> Iterator[psycopg.Copy]:
        with self.conn.cursor() as cursor, cursor.copy(statements.copy(stage)) as copy:
            yield copy

    def _run(self, statement: psycopg.sql.Composed) -> list[tuple[Any, ...]]:
        with self.conn.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(statement, [], prepare=False)
            return cursor.fetchall() if cursor.description else []


def _line(row: Row, values: Mapping[str, Any], json_columns: frozenset[str]) -> str:
    """Write a row in COPY's text format: each value as the server would take it out of JSON."""
    texts = [str(row.index + 1)]
    for name, value in values.items():
        if value.__class__ is str and name not in json_columns:
            texts.append(value)
        else:
            texts.append(_text(value, name in json_columns))
    line = "\t".join(texts)
    if "\\" in line or "\n" in line or "\r" in line or line.count("\t") >= len(texts):
        texts = [text if text is _NULL else _SPECIAL.sub(_escaped, text) for text in texts]
        line = "\t".join(texts)
    return line + "\n"


def _lines(first: int, columns: Sequence[tuple[Sequence[Any], bool]]) -> str:
    """Write rows as `_line` does, by the columns of their values; with each is said whether it holds JSON."""
    texts = [_texts(values, is_json) for values, is_json in columns]
    count, nulls = len(texts[0]), sum(values.count(None) for values, _ in columns)
    lines = _joined(first, texts)
    marks = [lines.count(mark) for mark in "\\\t\n\r"]
    if marks == [nulls, count * len(texts), count, 0]:
        return lines
    return _joined(first, [[text if text is _NULL else _SPECIAL.sub(_escaped, text) for text in at] for at in texts])


def _joined(first: int, texts: Sequence[Sequence[str]]) -> str:
    positions = map(str, range(first + 1, first + 1 + len(texts[0])))
    return "\n".join(map("\t".join, zip(positions, *texts, strict=True))) + "\n"


def _texts(values: Sequence[Any], is_json: bool) -> Sequence[str]:  # noqa: FBT001  as below
    kinds = set() if is_json else {*map(type, values)}
    if kinds == {str}:
        return values
    if kinds and kinds <= {int, float}:
        return list(map(repr, values))
    if kinds and kinds <= {bool, type(None)}:
        return [_WORDS[value] for value in values]
    return [value if value.__class__ is str and not is_json else _text(value, is_json) for value in values]


def _text(value: Any, is_json: bool) -> str:  # noqa: FBT001  called for each value
    if value is None:
        return _NULL
    if not is_json and (value.__class__ is list or value.__class__ is dict):
        raise NotPlainError
    return _encode(value)


def _escaped(found: re.Match[str]) -> str:
    return _ESCAPED[found[0]]
