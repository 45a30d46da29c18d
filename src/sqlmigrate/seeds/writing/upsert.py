"""Write a seed set into its tables: all of it in one transaction, and only what differs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import pq
from psycopg.rows import tuple_row

from sqlmigrate.connection import undisturbed
from sqlmigrate.errors import Error, Place, SeedError
from sqlmigrate.seeds import order
from sqlmigrate.seeds.failure import is_of_a_row, locate, seed_error
from sqlmigrate.seeds.model import SeedResult, StreamedRows, TableResult
from sqlmigrate.seeds.problems import SHOWN, refuse, shown
from sqlmigrate.seeds.progress import tell
from sqlmigrate.seeds.pruning.model import require_accepted
from sqlmigrate.seeds.pruning.named import Named
from sqlmigrate.seeds.pruning.taking import Prunes, Took
from sqlmigrate.seeds.pruning.taking import kept as told_of_unpruned
from sqlmigrate.seeds.references import resolve
from sqlmigrate.seeds.tables import read_tables, told_of_hidden
from sqlmigrate.seeds.writing import statements
from sqlmigrate.seeds.writing.arrived import Arrivals
from sqlmigrate.seeds.writing.arrived import kept as told_of_kept
from sqlmigrate.seeds.writing.batches import array, batches
from sqlmigrate.seeds.writing.numbers import require_same_numbers, require_same_staged_numbers
from sqlmigrate.seeds.writing.same_row import Keys, problems
from sqlmigrate.seeds.writing.sequences import move_behind
from sqlmigrate.seeds.writing.staging import NotPlainError, Staged, is_large, may_stage
from sqlmigrate.seeds.writing.values import written_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlmigrate.seeds.model import Row, SeedFile, SeedSet, TableName
    from sqlmigrate.seeds.pruning.model import Pruning
    from sqlmigrate.seeds.tables import Table

_PART = 10_000
_CONSTRAINTS = "SET CONSTRAINTS ALL IMMEDIATE"


@dataclass(frozen=True, slots=True)
class Written:
    """What was written, and what looks, behind the COMMIT, whether it is there."""

    result: SeedResult
    arrivals: Arrivals


@dataclass(slots=True)
class _Count:
    """What became of the rows of a file; `left` are those that the table should have taken and did not."""

    inserted: int = 0
    updated: int = 0
    left: dict[Row, Mapping[str, Any]] = field(default_factory=dict)
    staged: Staged | None = None


class _RefusedError(Exception):
    """Something is wrong with rows that were written all at once; `error` tells it of the file."""

    def __init__(self, error: Error) -> None:
        super().__init__(str(error))
        self.error = error


def apply(
    conn: psycopg.Connection[Any], seeds: SeedSet, *, prune: bool = False, accept_loss: int | bool = False
) -> SeedResult:
    """Insert and update what differs, in one transaction (the caller's own if one is open), and count the rows.

    Triggers and defaults of the tables find what the session's search_path gives them. Raises SeedError when the
    tables, the references or the server refuse a row, or a row is not in its table in the end; nothing is written then.
    In a transaction of the caller's own, what is deferred to its COMMIT runs after that look.

    With `prune`, rows that no file names are deleted or changed in tables whose schema asks for it; raises
    LossNotAccepted where that takes more, or a file has no rows, unless `accept_loss` is the count of rows (or True,
    but not for a file without rows).
    """
    is_ours = conn.info.transaction_status == pq.TransactionStatus.IDLE
    accept = partial(require_accepted, accepted=accept_loss, option="accept_loss={}") if prune else None
    written = write(conn, seeds, settle=_CONSTRAINTS if is_ours else None, accept=accept)
    try:
        if is_ours:
            look_again(conn, written)
    finally:
        written.arrivals.discard()
    return written.result


def write(
    conn: psycopg.Connection[Any],
    seeds: SeedSet,
    *,
    settle: str | None,
    accept: Callable[[Pruning], object] | None = None,
) -> Written:
    """Write as `apply` does; `settle` is what runs before the look whether all rows are there.

    With `accept`, rows that no file names are pruned; it is called with what that takes, and raises to stop.
    """
    try:
        with conn.transaction():
            keys = Keys(conn)
            with undisturbed(conn):
                tables = read_tables(conn, seeds)
            counts = [_apply_file(conn, seeds, file, tables, keys) for file in seeds.files]
            keys.require_different()
            with undisturbed(conn):
                moves = [
                    move
                    for file, count in zip(seeds.files, counts, strict=True)
                    for move in move_behind(conn, file, tables[file.mapping.table], count.staged)
                ]
                warnings = [move.text for move in moves if move.warning]
            arrivals = Arrivals(conn, keys, tables, [count.staged for count in counts if count.staged])
            is_written = any(count.inserted or count.updated or count.left for count in counts)
            prunes = Prunes(conn, _named(seeds, tables, keys, counts), seeds.files)
            if accept is not None:
                if is_written:
                    arrivals.require_there()
                prunes.take(accept, arrivals.elsewhere)
            if settle:
                conn.execute(settle)
            took = prunes.took()
            if is_written or took:
                warnings += arrivals.require_there(pruned=bool(took))
            kept = [arrivals.different(file, count.left) for file, count in zip(seeds.files, counts, strict=True)]
            if is_written and any(table.has_triggers for table in tables.values()):
                warnings += arrivals.rewritten({row for rows in kept for row in rows})
    except psycopg.Error as error:
        raise seed_error(conn, error) from error
    results = tuple(map(_result, seeds.files, counts, kept, _of_first(seeds, took)))
    warnings += told_of_unpruned(took)
    warnings += [note for file, rows in zip(seeds.files, kept, strict=True) for note in told_of_kept(file, rows)]
    notes = [move.text for move in moves if not move.warning]
    notes += [told_of_hidden(name) for name, table in sorted(tables.items()) if table.hides_rows]
    return Written(SeedResult(results, tuple(warnings), tuple(notes)), arrivals)


def look_again(conn: psycopg.Connection[Any], written: Written) -> None:
    """Look behind the COMMIT whether code that ran there has taken rows away; raises SeedError."""
    if not written.result.written and not written.result.pruned:
        return
    try:
        with conn.transaction():
            written.arrivals.require_kept()
    except psycopg.Error as error:
        raise seed_error(conn, error) from error


def _named(
    seeds: SeedSet, tables: Mapping[TableName, Table], keys: Keys, counts: Sequence[_Count]
) -> dict[TableName, Named]:
    """Return the keys that the files name of each table."""
    named: dict[TableName, Named] = {}
    for file, count in zip(seeds.files, counts, strict=True):
        found = named.setdefault(file.mapping.table, Named(file.mapping, tables[file.mapping.table]))
        if count.staged is not None:
            found.staged.append(count.staged)
    for rows in keys.by_table():
        mapping = rows[0].row.mapping
        named[mapping.table].keys.append((mapping, [row.key for row in rows]))
    return named


def _of_first(seeds: SeedSet, took: Mapping[TableName, Took]) -> Iterator[Took]:
    """Yield what was pruned of the table of each file; only once, where several files are for it."""
    left = dict(took)
    for file in seeds.files:
        yield left.pop(file.mapping.table, Took(0, 0))


def _result(file: SeedFile, count: _Count, kept: Sequence[Row], took: Took) -> TableResult:
    unchanged = len(file.rows) - count.inserted - count.updated - len(kept)
    return TableResult(
        table=file.mapping.table,
        file=file.path,
        inserted=count.inserted,
        updated=count.updated,
        unchanged=unchanged,
        kept=len(kept),
        pruned=took.pruned,
        prune_kept=took.kept,
    )


def _apply_file(
    conn: psycopg.Connection[Any], seeds: SeedSet, file: SeedFile, tables: Mapping[TableName, Table], keys: Keys
) -> _Count:
    """Write the rows of one file, those that others refer to first."""
    remembered: Keys | None = keys
    if is_large(seeds, file) and may_stage(conn):
        try:
            return _apply_large(conn, seeds, file, tables)
        except NotPlainError:
            pass
        except _RefusedError as refused:  # batches say which row it is
            remembered = None if file.is_streamed else keys
            found = _apply_batches(conn, seeds, file, tables, remembered)
            if remembered is None:
                raise refused.error from refused
            return found
    return _apply_batches(conn, seeds, file, tables, keys)


def _apply_batches(
    conn: psycopg.Connection[Any], seeds: SeedSet, file: SeedFile, tables: Mapping[TableName, Table], keys: Keys | None
) -> _Count:
    """Write the rows of one file batch by batch; without `keys`, only to find the one that is refused."""
    count, table = _Count(), tables[file.mapping.table]
    upsert = partial(statements.upsert, file.mapping, table)
    sent = 0
    for wave in chain.from_iterable(map(_parts, order.waves(file))):
        try:
            values = dict(written_rows(wave, resolve(conn, seeds, file, wave, tables)))
            if keys is not None:
                keys.add(file, values)
        except psycopg.Error as error:
            raise seed_error(conn, error, Place(file.path)) from error
        for columns, batch in batches(values):
            require_same_numbers(conn, file, table, columns, batch)
            new, changed, left = _write(conn, file, table, upsert(columns), batch)
            count.inserted += new
            count.updated += changed
            count.left |= {row: values[row] for row in left}
            sent += len(batch)
            tell(str(file.mapping.table), sent, len(file.rows))
    return count


def _parts(wave: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Cut rows that are read from their file; those in memory are one part."""
    if not isinstance(wave, StreamedRows) or wave.are_kept:
        yield wave
        return
    rows = iter(wave)
    while part := list(islice(rows, _PART)):
        yield part


def _apply_large(
    conn: psycopg.Connection[Any], seeds: SeedSet, file: SeedFile, tables: Mapping[TableName, Table]
) -> _Count:
    """Write the rows of one file all at once; raises _RefusedError where something is wrong with a row."""
    staged = Staged(conn, file, tables[file.mapping.table], partial(resolve, conn, seeds, file, tables=tables))
    try:
        with conn.transaction():
            staged.fill()
            groups = [file.at(positions) for positions in staged.same_rows(SHOWN + 1)]
            refuse(list(shown(problems(groups), file.path)))
            require_same_staged_numbers(staged)
            inserted, updated, left = staged.write()
            return _Count(inserted, updated, dict(staged.written(left)), staged)
    except SeedError as error:
        if file.is_streamed:
            raise
        raise _RefusedError(error) from error
    except psycopg.Error as error:
        at_file = seed_error(conn, error, Place(file.path))
        if conn.closed or not is_of_a_row(error):
            raise at_file from error
        raise _RefusedError(at_file) from error


def _write(
    conn: psycopg.Connection[Any],
    file: SeedFile,
    table: Table,
    statement: psycopg.sql.Composed,
    batch: Mapping[Row, str],
) -> tuple[int, int, list[Row]]:
    """Send one batch and give the counts of inserted and updated rows, and those left; when it fails, name the row."""

    def send(rows: Sequence[Row]) -> tuple[int, int, list[Row]]:
        values = array({row: batch[row] for row in rows})
        # The savepoint keeps the transaction usable for the search of the row when the statement fails.
        with conn.transaction(), conn.cursor(row_factory=tuple_row) as cursor:
            inserted, updated, left = cursor.execute(statement, [values], prepare=False).fetchone() or (0, 0, [])
        return inserted, updated, [rows[position - 1] for position in left]

    try:
        return send(list(batch))
    except psycopg.Error as error:
        raise locate(conn, file, table, batch, send, error) from error
