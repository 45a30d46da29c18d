"""Say what seeding would do, and which rows no file names: the database is only read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import tuple_row

from sqlmigrate.connection import as_login, limit, look, probe, session, set_role, undisturbed
from sqlmigrate.seeds import statements
from sqlmigrate.seeds.batches import array, batches
from sqlmigrate.seeds.failure import locate, seed_error
from sqlmigrate.seeds.references import Pending, resolve
from sqlmigrate.seeds.same_row import Keys
from sqlmigrate.seeds.tables import read_tables
from sqlmigrate.seeds.values import written_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlmigrate.connection import Connection, ServerInfo
    from sqlmigrate.seeds.model import Row, SeedFile, SeedSet, TableName
    from sqlmigrate.seeds.tables import Table

ROWS_MAX = 1000
"""Rows of a file that are told one by one; more are only counted."""

UNNAMED_MAX = 20
"""Rows of a table that no file names, that are told one by one."""

_PART = 10_000


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
) -> list[TableDifference]:
    """Compare the files with a database, in a session that reads only; times are in milliseconds."""
    with session(conninfo, application_name="sqlmigrate: seed diff") as connection:
        announce(probe(connection))
        limit(connection, lock_timeout=lock_timeout, statement_timeout=statement_timeout)
        if role:
            set_role(connection, role)
        return look(connection, partial(compare_as_login, connection, seeds))


def compare_as_login(connection: Connection, seeds: SeedSet) -> list[TableDifference]:
    """Compare under the settings of the login, as seeding reads the values, and with row level security."""
    with as_login(connection):
        return compare(connection, seeds)


def compare(conn: Connection, seeds: SeedSet) -> list[TableDifference]:
    """Compare the files with the tables, in the caller's transaction; raises SeedError where seeding would."""
    try:
        with undisturbed(conn):
            tables = read_tables(conn, seeds)
        keys = Keys(conn)
        named: dict[TableName, list[tuple[SeedFile, list[dict[str, Any]]]]] = {}
        found = []
        for file in seeds.files:
            table = tables[file.mapping.table]
            compared = _File(conn, seeds, file, table, tables, keys)
            found.append(compared.difference())
            named.setdefault(file.mapping.table, []).append((file, compared.named))
        keys.require_different()
        for item in found:
            _add_unnamed(conn, item, named.pop(item.table, []), tables[item.table])
    except psycopg.Error as error:
        raise seed_error(conn, error) from error
    return found


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
        found = TableDifference(self.file.mapping.table, self.file, hides_rows=self.table.hides_rows)
        rows = iter(self.file.rows)
        while part := list(islice(rows, _PART)):
            for different in sorted(self._part(part), key=lambda one: one.row.index):
                found.inserted += different.inserted
                found.updated += not different.inserted
                if len(found.rows) < ROWS_MAX:
                    found.rows.append(different)
        found.unchanged = len(self.file.rows) - found.inserted - found.updated
        return found

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
        others = [column for column in columns if column not in self.file.mapping.conflict]

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


def _add_unnamed(
    conn: Connection,
    found: TableDifference,
    named: Sequence[tuple[SeedFile, list[dict[str, Any]]]],
    table: Table,
) -> None:
    """Count the rows of a table that none of its files names; told with the first of these files."""
    if any(file.is_streamed for file, _ in named):
        found.unnamed = None
    elif named:
        query = statements.unnamed([file.mapping for file, _ in named], table)
        given = [json.dumps(keys, ensure_ascii=False) for _, keys in named]
        with conn.cursor(row_factory=tuple_row) as cursor:
            rows = cursor.execute(query, [*given, UNNAMED_MAX], prepare=False).fetchall()
        found.unnamed = rows[0][1] if rows else 0
        found.unnamed_rows = [dict(zip(found.file.mapping.conflict, keys, strict=True)) for keys, _ in rows]
