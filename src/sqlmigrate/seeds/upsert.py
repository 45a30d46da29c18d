"""Write a seed set into its tables: all of it in one transaction, and only what differs."""

from __future__ import annotations

import json
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import tuple_row

from sqlmigrate.connection import undisturbed
from sqlmigrate.errors import Place
from sqlmigrate.seeds import order, statements
from sqlmigrate.seeds.failure import locate, seed_error
from sqlmigrate.seeds.model import SeedResult, TableResult, canonical
from sqlmigrate.seeds.references import resolve
from sqlmigrate.seeds.same_row import Keys
from sqlmigrate.seeds.sequences import move_behind
from sqlmigrate.seeds.tables import read_tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlmigrate.seeds.model import Row, SeedFile, SeedSet, TableName
    from sqlmigrate.seeds.references import Resolved
    from sqlmigrate.seeds.tables import Table

# One statement for so many rows: a round trip is then nothing beside the work, and memory stays small.
_BATCH_ROWS = 1000
_BATCH_CHARACTERS = 4_000_000


def apply(conn: psycopg.Connection[Any], seeds: SeedSet) -> SeedResult:
    """Insert and update what differs, in one transaction (the caller's own if one is open), and count the rows.

    Triggers and defaults of the tables find what the session's search_path gives them. Raises SeedError when the
    tables, the references or the server refuse a row; nothing is written then.
    """
    try:
        with conn.transaction():
            keys = Keys(conn)
            with undisturbed(conn):
                tables = read_tables(conn, seeds)
            results = [_apply_file(conn, seeds, file, tables, keys) for file in seeds.files]
            keys.require_different()
            with undisturbed(conn):
                warnings = [
                    note for file in seeds.files for note in move_behind(conn, file, tables[file.mapping.table])
                ]
    except psycopg.Error as error:
        raise seed_error(conn, error) from error
    return SeedResult(tuple(results), tuple(warnings))


def _apply_file(
    conn: psycopg.Connection[Any], seeds: SeedSet, file: SeedFile, tables: Mapping[TableName, Table], keys: Keys
) -> TableResult:
    """Write the rows of one file, those that others refer to first."""
    inserted = updated = 0
    upsert = partial(statements.upsert, file.mapping, tables[file.mapping.table])
    for wave in order.waves(file):
        try:
            found = resolve(conn, seeds, file, wave, tables)
        except psycopg.Error as error:
            raise seed_error(conn, error, Place(file.path)) from error
        values = {row: _values(row, found) for row in wave}
        keys.add(file, values)
        for batch in _batches({row: (tuple(written), _json(written)) for row, written in values.items()}):
            columns = tuple(values[next(iter(batch))])
            new, changed = _write(conn, file, upsert(columns), batch)
            inserted, updated = inserted + new, updated + changed
    unchanged = len(file.rows) - inserted - updated
    return TableResult(
        table=file.mapping.table, file=file.path, inserted=inserted, updated=updated, unchanged=unchanged
    )


def _values(row: Row, found: Resolved) -> dict[str, Any]:
    """Give the values of a row by the names of their columns, in the order of these names."""
    values = {
        column.name: found[column][canonical(value)] if column.reference and value is not None else value
        for key, value in row.values.items()
        for column in row.mapping.columns_of(key)
    }
    return dict(sorted(values.items()))


def _batches(rows: Mapping[Row, tuple[tuple[str, ...], str]]) -> Iterator[dict[Row, str]]:
    """Cut rows (their columns and their JSON) into batches of the same columns, neither too many nor too large."""
    by_columns = sorted(rows, key=lambda row: rows[row][0])
    for _, same in groupby(by_columns, key=lambda row: rows[row][0]):
        batch: dict[Row, str] = {}
        size = 0
        for row in same:
            text = rows[row][1]
            if batch and (len(batch) >= _BATCH_ROWS or size + len(text) > _BATCH_CHARACTERS):
                yield batch
                batch, size = {}, 0
            batch[row] = text
            size += len(text)
        yield batch


def _write(
    conn: psycopg.Connection[Any], file: SeedFile, statement: psycopg.sql.Composed, batch: Mapping[Row, str]
) -> tuple[int, int]:
    """Send one batch and give the counts of inserted and updated rows; when it fails, name the row."""

    def send(rows: Sequence[Row]) -> tuple[int, int]:
        values = f"[{','.join(batch[row] for row in rows)}]"
        # The savepoint keeps the transaction usable for the search of the row when the statement fails.
        with conn.transaction(), conn.cursor(row_factory=tuple_row) as cursor:
            inserted, updated = cursor.execute(statement, [values], prepare=False).fetchone() or (0, 0)
        return inserted, updated

    try:
        return send(list(batch))
    except psycopg.Error as error:
        raise locate(conn, file, list(batch), send, error) from error


def _json(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False)
