"""Look, once triggers and deferred constraints have run, whether each row of the files is in its table.

A trigger may keep a row out, take it away again, or write it under another key; a policy may hide it. PostgreSQL says
nothing of that to whoever writes the row, so the table is asked.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import tuple_row

from sqlmigrate.errors import Problem, SeedError
from sqlmigrate.seeds.failure import is_of_a_row
from sqlmigrate.seeds.problems import refuse, shown
from sqlmigrate.seeds.writing import statements
from sqlmigrate.seeds.writing.batches import array, batches
from sqlmigrate.seeds.writing.same_row import WrittenRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlmigrate.seeds.model import Row, SeedFile, TableMapping, TableName
    from sqlmigrate.seeds.tables import Table
    from sqlmigrate.seeds.writing.same_row import Keys
    from sqlmigrate.seeds.writing.staging import Staged


@dataclass(slots=True)
class Arrivals:
    """The rows that were written, and the tables that they should be in."""

    conn: psycopg.Connection[Any]
    keys: Keys
    tables: Mapping[TableName, Table]
    staged: Sequence[Staged] = ()
    _elsewhere: set[Row] = field(default_factory=set)

    @property
    def elsewhere(self) -> Collection[Row]:
        """The rows that stand under another key, as the last look has found."""
        return self._elsewhere

    def require_there(self, *, pruned: bool = False) -> list[str]:
        """Raise SeedError for rows that are not in their table; a warning tells of those that have another key.

        A trigger that writes keys its own way, such as in lower case, is no fault of the table. With `pruned`, rows
        were there before others were deleted.
        """
        missing = list(self._missing())
        problems: list[Problem] = []
        for path, rows in groupby(missing, key=lambda written: written.row.document.path):
            problems += shown(map(_pruned_away if pruned else _kept_out, self._nowhere(list(rows))), path)
        refuse(problems)
        self._elsewhere = {written.row for written in missing}
        return list(_other_keys(written.row for written in missing))

    def require_kept(self) -> None:
        """Raise SeedError, behind the COMMIT, for rows that code which ran there has taken away."""
        gone = [written.row for written in self._missing() if written.row not in self._elsewhere]
        if gone:
            problems = list(shown(map(_taken_away, gone), gone[0].document.path))
            raise SeedError(problems[0].message, problems, hint=problems[0].hint, place=problems[0].place, kept=True)

    def different(self, file: SeedFile, rows: Mapping[Row, Mapping[str, Any]]) -> list[Row]:
        """Return those of the rows that are there with other values than these."""
        return sorted(self._different(file.mapping, rows), key=lambda row: row.index)

    def rewritten(self, known: Collection[Row]) -> Iterator[str]:
        """Tell, file by file, of rows beside the `known` ones that are there with other values than were written."""
        found: dict[Path, list[Row]] = {}
        told = {(row.document.path, row.index) for row in known}  # a row that is read again is another object
        for row in self._rewritten():
            if (row.document.path, row.index) not in told:
                found.setdefault(row.document.path, []).append(row)
        for path, rows in found.items():
            yield _rewritten(path, sorted(rows, key=lambda row: row.index))

    def _rewritten(self) -> Iterator[Row]:
        for rows in self.keys.by_table():
            mapping, values = rows[0].row.mapping, {written.row: written.values for written in rows}
            yield from self._different(mapping, values)
        for staged in self.staged:
            yield from staged.file.at(list(staged.different()))

    def _different(self, mapping: TableMapping, rows: Mapping[Row, Mapping[str, Any]]) -> Iterator[Row]:
        for columns, batch in batches(rows):
            query = statements.different(mapping, self.tables[mapping.table], columns)
            at = list(batch)
            yield from (at[position - 1] for position in _positions(self.conn, query, array(batch)))

    def _missing(self) -> Iterator[WrittenRow]:
        """Ask each table which keys no row has."""
        for rows in self.keys.by_table():
            mapping = rows[0].row.mapping
            query = statements.absent(mapping, self.tables[mapping.table])
            keys = json.dumps([row.key for row in rows], ensure_ascii=False)
            yield from (rows[position - 1] for position in _positions(self.conn, query, keys))
        for staged in self.staged:
            yield from (WrittenRow(row, values) for row, values in staged.written(staged.missing()).items())

    def discard(self) -> None:
        """Drop what was made for the look; it ends with the session anyway."""
        if any(self.staged) and not self.conn.closed:
            with suppress(psycopg.Error), self.conn.transaction():
                for staged in self.staged:
                    staged.discard()

    def _nowhere(self, rows: Sequence[WrittenRow]) -> Iterator[Row]:
        """Yield those of the missing rows of a file that are not there under another key either."""
        mapping = rows[0].row.mapping
        for columns, batch in batches({at: row.values for at, row in enumerate(rows)}):
            query = statements.elsewhere(mapping, self.tables[mapping.table], columns)
            yield from (rows[at].row for at in self._not_found(query, batch))

    def _not_found(self, query: psycopg.sql.Composed, batch: Mapping[int, str]) -> Iterator[int]:
        """Search by halves, since the table does not say which row it has made another one of."""
        if self._all_elsewhere(query, batch):
            return
        if len(batch) == 1:
            yield from batch
            return
        items = list(batch.items())
        middle = len(items) // 2
        yield from self._not_found(query, dict(items[:middle]))
        yield from self._not_found(query, dict(items[middle:]))

    def _all_elsewhere(self, query: psycopg.sql.Composed, batch: Mapping[int, str]) -> bool:
        """Write rows once more, look which keys the table makes of theirs, and undo it."""
        try:
            with self.conn.transaction(force_rollback=True), self.conn.cursor(row_factory=tuple_row) as cursor:
                (count,) = cursor.execute(query, [array(batch)], prepare=False).fetchone() or (0,)
        except psycopg.Error as error:
            if self.conn.closed or not is_of_a_row(error):
                raise
            return False
        return bool(count == len(batch))


def _positions(conn: psycopg.Connection[Any], query: psycopg.sql.Composed, rows: str) -> list[int]:
    with conn.cursor(row_factory=tuple_row) as cursor:
        return [position for (position,) in cursor.execute(query, [rows], prepare=False)]


def kept(file: SeedFile, rows: Sequence[Row]) -> Iterator[str]:
    """Tell of rows that a trigger has left as they were."""
    if rows:
        count = (
            f"{len(rows)} rows of {file.path.name} differ" if len(rows) > 1 else f"1 row of {file.path.name} differs"
        )
        yield (
            f"{count} from {file.mapping.table} and could not be updated: a trigger of the table keeps "
            f"{rows[0].label} ({rows[0].place()}) as it is"
        )


def _rewritten(path: Path, rows: Sequence[Row]) -> str:
    table = rows[0].mapping.table
    count = f"{len(rows)} rows of {path.name} differ" if len(rows) > 1 else f"1 row of {path.name} differs"
    return (
        f"{count} from {table} after all rows are written: a trigger changes what is written of {rows[0].label} "
        f"({rows[0].place()}); write it as the table has it, or change the trigger"
    )


def _other_keys(rows: Iterable[Row]) -> Iterator[str]:
    """Tell, file by file, of rows whose keys a trigger writes another way."""
    rows = list(rows)
    first = {row.document.path: row for row in reversed(rows)}
    counts = Counter(row.document.path for row in rows)
    for key, row in reversed(first.items()):
        count = (
            f"{counts[key]} rows of {row.document.path.name} stand"
            if counts[key] > 1
            else f"1 row of {row.document.path.name} stands"
        )
        yield (
            f"{count} in {row.mapping.table} under another key: a trigger of the table changes that of "
            f"{row.label} ({row.place()}); write it as the table has it"
        )


def _kept_out(row: Row) -> Problem:
    table = row.mapping.table
    message = (
        f"{row.label} is not in {table} after all rows are written: a trigger, a rule or a policy "
        "keeps it out, removes it or hides it"
    )
    return Problem(message, row.place(), _look_at(table))


def _pruned_away(row: Row) -> Problem:
    table = row.mapping.table
    message = (
        f"{row.label} is no longer in {table} after rows that no file names were pruned: a foreign key takes it along "
        "(ON DELETE CASCADE), or a trigger removes it"
    )
    return Problem(message, row.place(), f"name the row that it refers to in a file; else {_look_at(table)}")


def _taken_away(row: Row) -> Problem:
    table = row.mapping.table
    message = (
        f"{row.label} was committed, but is no longer in {table}: code that ran at COMMIT, such "
        "as a deferred trigger, or another session has removed it"
    )
    return Problem(message, row.place(), f"the other rows are written; {_look_at(table)}")


def _look_at(table: TableName) -> str:
    return f"look at the triggers and policies of {table}, and of the tables whose triggers write to it"
