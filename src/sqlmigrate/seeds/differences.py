"""Say what seeding would do, and which rows no file names: the database is only read."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.rows import tuple_row

from sqlmigrate.connection import as_login, careful, limit, look, probe, session, set_role, undisturbed
from sqlmigrate.seeds.failure import locate, seed_error
from sqlmigrate.seeds.model import Change
from sqlmigrate.seeds.progress import tell
from sqlmigrate.seeds.pruning.named import Named, stage_keys
from sqlmigrate.seeds.pruning.taking import Prunes
from sqlmigrate.seeds.references import Pending, resolve
from sqlmigrate.seeds.tables import read_tables
from sqlmigrate.seeds.writing import statements
from sqlmigrate.seeds.writing.batches import array, batches
from sqlmigrate.seeds.writing.numbers import require_same_numbers
from sqlmigrate.seeds.writing.same_row import Keys
from sqlmigrate.seeds.writing.values import written_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlmigrate.connection import Connection, ServerInfo
    from sqlmigrate.seeds.model import Row, SeedFile, SeedSet, TableName
    from sqlmigrate.seeds.pruning.model import PrunedTable, Pruning
    from sqlmigrate.seeds.tables import Table
    from sqlmigrate.seeds.writing.staging import Staged

T = TypeVar("T")

ROWS_MAX = 1000
"""Rows of a file that are told one by one; more are only counted."""

_PART = 10_000


@dataclass(frozen=True, slots=True)
class RowDifference:
    """A row that would be inserted, or whose columns would change."""

    row: Row
    inserted: bool
    changes: tuple[Change, ...] = ()


@dataclass(slots=True)
class TableDifference:
    """What seeding a file would do; `rows` are the first ones that it would write.

    `unnamed` counts the rows of the table that no file names, as far as the role sees them: None where that was not
    looked for, since the rows of a file are too many to be held. `unnamed_rows` has the keys of the first ones.
    `hides_rows` says that policies (row level security) hide rows of the table from the role.
    `pruning` says what pruning would do, in all tables whose schema asks for it.
    """

    table: TableName
    file: SeedFile
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    rows: list[RowDifference] = field(default_factory=list)
    unnamed: int | None = 0
    unnamed_rows: list[dict[str, str | None]] = field(default_factory=list)
    hides_rows: bool = False
    pruning: Pruning | None = None

    @property
    def pruned(self) -> PrunedTable | None:
        """What pruning would do with the rows that no file names, where the schema asks for it."""
        return self.pruning.of(self.table) if self.pruning and self.unnamed is not None else None

    @property
    def differs(self) -> bool:
        """Whether seeding would write anything."""
        return bool(self.inserted or self.updated)


def difference(
    conninfo: str,
    seeds: SeedSet,
    *,
    role: str | None,
    lock_timeout: int,
    statement_timeout: int,
    announce: Callable[[ServerInfo], object] = lambda _: None,
    stages: bool = True,
) -> list[TableDifference]:
    """Compare the files with a database, in a session that reads only; times are in milliseconds.

    With `stages`, keys of files that are too large to be held may be sent to temporary tables.
    """
    with session(conninfo, application_name="sqlmigrate seed diff") as connection:
        announce(probe(connection))
        limit(connection, lock_timeout=lock_timeout, statement_timeout=statement_timeout)
        if role:
            set_role(connection, role)
        staged = stage_keys_as_login(connection, seeds) if stages else {}  # which end with the session
        return look(connection, partial(read_as_login, compare, connection, seeds, staged))


def read_as_login(
    read: Callable[[Connection, SeedSet, Mapping[Path, Staged]], T],
    connection: Connection,
    seeds: SeedSet,
    staged: Mapping[Path, Staged],
) -> T:
    """Compare, or foresee, under the settings of the login: values are read as seeding does, and policies apply."""
    with as_login(connection):
        return read(connection, seeds, staged)


def stage_keys_as_login(connection: Connection, seeds: SeedSet) -> dict[Path, Staged]:
    """Do what `stage_keys` does in the same way."""
    with as_login(connection):
        return stage_keys(connection, seeds)


def compare(conn: Connection, seeds: SeedSet, staged: Mapping[Path, Staged] | None = None) -> list[TableDifference]:
    """Compare the files with the tables, in the caller's transaction; raises SeedError where seeding would.

    `staged` has the keys of files that are not held in memory, as `stage_keys` gives them.
    """
    try:
        with undisturbed(conn):
            tables = read_tables(conn, seeds)
        keys = Keys(conn)
        files = [_File(conn, seeds, file, tables[file.mapping.table], tables, keys) for file in seeds.files]
        found = [file.difference() for file in files]
        keys.require_different()
        named = _named(files, staged or {})
        for item in {item.table: item for item in reversed(found)}.values():
            _add_unnamed(conn, item, named.get(item.table))
        pruning = Prunes(conn, named, seeds.files).find()
        for item in found:
            item.pruning = pruning
    except psycopg.Error as error:
        raise seed_error(conn, error) from error
    return found


def foresee(conn: Connection, seeds: SeedSet, staged: Mapping[Path, Staged]) -> Pruning:
    """Look what pruning would do, and at nothing else."""
    try:
        with undisturbed(conn):
            tables = read_tables(conn, seeds)
        wanted = [file for file in seeds.files if file.mapping.prune]
        files = [_File(conn, seeds, file, tables[file.mapping.table], tables, Keys(conn)) for file in wanted]
        for file in files:
            file.name()
        return Prunes(conn, _named(files, staged), seeds.files).find()
    except psycopg.Error as error:
        raise seed_error(conn, error) from error


@dataclass(slots=True)
class _File:
    """One file beside its table."""

    conn: Connection
    seeds: SeedSet
    file: SeedFile
    table: Table
    tables: Mapping[TableName, Table]
    keys: Keys
    named: list[dict[str, Any]] = field(default_factory=list)

    def difference(self) -> TableDifference:
        """Compare all rows of the file with the table, some at a time."""
        found = TableDifference(self.file.mapping.table, self.file, hides_rows=self.table.hides_rows)
        rows, seen = iter(self.file.rows), 0
        while part := list(islice(rows, _PART)):
            for different in sorted(self._part(part), key=lambda one: one.row.index):
                found.inserted += different.inserted
                found.updated += not different.inserted
                if len(found.rows) < ROWS_MAX:
                    found.rows.append(different)
            seen += len(part)
            tell(f"comparing {found.table}", seen, len(self.file.rows))
        found.unchanged = len(self.file.rows) - found.inserted - found.updated
        return found

    def name(self) -> None:
        """Find the keys alone, of a file that is held in memory."""
        rows = [] if self.file.is_streamed else self.file.rows
        found = resolve(self.conn, self.seeds, self.file, rows, self.tables, pending=True)
        for _, written in written_rows(rows, found):
            key = {name: written[name] for name in self.file.mapping.conflict}
            if not _pending(key):
                self.named.append(key)

    def _part(self, rows: Sequence[Row]) -> Iterator[RowDifference]:
        """Yield the rows that differ; what refers to a row that is not there yet gets a number nobody knows."""
        values = dict(written_rows(rows, resolve(self.conn, self.seeds, self.file, rows, self.tables, pending=True)))
        pending = {row: _pending(written) for row, written in values.items()}
        known = {
            row: {name: None if name in pending[row] else value for name, value in written.items()}
            for row, written in values.items()
        }
        new = [row for row in rows if pending[row].keys() & set(self.file.mapping.conflict)]
        for row in new:
            yield RowDifference(row, inserted=True)
            del known[row]
        if not self.file.is_streamed:
            self.keys.add(self.file, known)
            self.named += [{name: written[name] for name in self.file.mapping.conflict} for written in known.values()]
        different: dict[Row, RowDifference] = {}
        for columns, batch in batches(known):
            different |= {one.row: one for one in self._batch(columns, batch)}
        for row in known:
            yield from _with_pending(different.get(row), row, pending[row])

    def _batch(self, columns: tuple[str, ...], batch: Mapping[Row, str]) -> list[RowDifference]:
        query = statements.compared(self.file.mapping, self.table, columns)
        others = [name for name in columns if name not in self.file.mapping.conflict and name not in self.table.always]
        require_same_numbers(self.conn, self.file, self.table, columns, batch)

        @careful()
        def send(rows: Sequence[Row]) -> list[RowDifference]:
            with self.conn.transaction(), self.conn.cursor(row_factory=tuple_row) as cursor:
                answers = cursor.execute(query, [array({row: batch[row] for row in rows})], prepare=False).fetchall()
            return [
                RowDifference(
                    rows[position - 1], not there, tuple(_changes(others, differs, old, new)) if there else ()
                )
                for position, there, differs, old, new in answers
            ]

        try:
            return send(list(batch))
        except psycopg.Error as error:
            raise locate(self.conn, self.file, self.table, batch, send, error) from error


def _pending(values: Mapping[str, Any]) -> dict[str, Pending]:
    return {name: value for name, value in values.items() if isinstance(value, Pending)}


def _with_pending(found: RowDifference | None, row: Row, pending: Mapping[str, Pending]) -> Iterator[RowDifference]:
    """Add the columns that would refer to a new row: they differ, whatever they hold."""
    if found is not None and (found.inserted or not pending):
        yield found
    elif pending:
        changes = {change.column: change for change in found.changes} if found else {}
        for name, value in pending.items():
            changes[name] = Change(name, changes[name].old if name in changes else None, None, str(value))
        yield RowDifference(row, inserted=False, changes=tuple(changes.values()))


def _changes(
    columns: Sequence[str], differs: Sequence[bool], old: Sequence[str | None], new: Sequence[str | None]
) -> Iterator[Change]:
    for column, different, before, after in zip(columns, differs, old, new, strict=True):
        if different:
            yield Change(column, before, after)


def _named(files: Sequence[_File], staged: Mapping[Path, Staged]) -> dict[TableName, Named]:
    """Return what the files of each table name, where that is known of all of them."""
    named: dict[TableName, Named] = {}
    for one in files:
        mapping = one.file.mapping
        found = named.setdefault(mapping.table, Named(mapping, one.table))
        if one.file.path in staged:
            found.staged.append(staged[one.file.path])
        else:
            found.keys.append((mapping, one.named))
    for one in files:
        if one.file.is_streamed and one.file.path not in staged:
            named.pop(one.file.mapping.table, None)
    return named


def _add_unnamed(conn: Connection, found: TableDifference, named: Named | None) -> None:
    """Count the rows of a table that none of its files names; told with the first of these files."""
    if named is None:
        found.unnamed = None
    else:
        condition = named.condition()
        found.unnamed = named.count(conn, condition)
        found.unnamed_rows = named.first(conn, condition) if found.unnamed else []
