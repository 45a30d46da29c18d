"""Find what pruning takes, and take it: rows of a table that no file names, if its schema asks for that."""

from __future__ import annotations

import graphlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from sqlmigrate.connection import undisturbed
from sqlmigrate.errors import Error, Place, Problem, SeedError
from sqlmigrate.seeds import parts
from sqlmigrate.seeds.failure import seed_error
from sqlmigrate.seeds.model import Change
from sqlmigrate.seeds.problems import SHOWN, refusal, refuse
from sqlmigrate.seeds.pruning import referring
from sqlmigrate.seeds.pruning.model import PrunedRow, PrunedTable, Pruning, Referring
from sqlmigrate.seeds.pruning.named import SHOWN_MAX, Named
from sqlmigrate.seeds.writing import statements

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from sqlmigrate.seeds.model import Row, SeedFile, TableName
    from sqlmigrate.seeds.pruning.named import Condition
    from sqlmigrate.seeds.pruning.referring import ForeignKey

_SET = sql.SQL(
    "(SELECT seed.{column} FROM pg_catalog.json_populate_record(NULL::{table}, %s::pg_catalog.json) AS seed)"
)
_WANTED = sql.SQL("""EXISTS (
    SELECT FROM pg_catalog.json_populate_record(NULL::{table}, %s::pg_catalog.json) AS seed WHERE {seed_differs}
)""")
_CHANGES = sql.SQL("""
SELECT ARRAY[{key}]::pg_catalog.text[], {differs}, {old}, {new}
FROM {table} AS present
CROSS JOIN pg_catalog.json_populate_record(NULL::{table}, %s::pg_catalog.json) AS seed
WHERE {conditions}
ORDER BY {order}
LIMIT %s::pg_catalog.int8
""")
_DELETE = sql.SQL("{name} AS (DELETE FROM {table} AS present WHERE {conditions} RETURNING 1)")
_UPDATE = sql.SQL("{name} AS (UPDATE {table} AS present SET {assignments} WHERE {conditions} RETURNING 1)")
_RUN = sql.SQL("WITH {changes} SELECT {counts}")
_COUNTED = sql.SQL("(SELECT pg_catalog.count(*) FROM {name})")


@dataclass(frozen=True, slots=True)
class Took:
    """How many rows of a table were pruned, and how many are still there as they were."""

    pruned: int
    kept: int


@dataclass(slots=True)
class Prunes:
    """The tables whose schemas ask for pruning, each with what the files name, in the order of the files."""

    conn: psycopg.Connection[Any]
    named: Mapping[TableName, Named]
    files: Sequence[SeedFile]
    _keys: list[ForeignKey] = field(default_factory=list)
    _found: Pruning | None = None
    _taken: dict[TableName, int] = field(default_factory=dict)

    def find(self, *, hold: bool = False) -> Pruning:
        """Look what would be pruned in the tables as they are now; nothing is written.

        With `hold`, other sessions can refer to no more of it until the transaction ends.
        """
        for one in self._asked():
            self._require_values(one)
        deleted = [one for one in self._asked() if one.prune.deletes]
        with undisturbed(self.conn):
            self._keys = referring.foreign_keys(self.conn, [one.table.oid for one in deleted]) if deleted else []
        counts = self._counts()
        if hold and self._is_referred_to(counts):
            self._hold()
            counts = self._counts()
        gone, rows = self._refer(counts)
        referrings = {key: _referring(key, rows.get(key)) for key in self._keys if not key.readable or rows.get(key)}
        if not any(counts.values()):
            referrings = {}
        return Pruning(
            tuple(self._table(one, counts[one.mapping.table], referrings) for one in self._asked()),
            tuple(sorted(gone.items())),
            tuple(referrings.values()),
        )

    def take(self, accept: Callable[[Pruning], object], elsewhere: Collection[Row]) -> None:
        """Delete or change the rows that no file names, once `accept` has been called with what that takes.

        Raises SeedError where the server refuses to delete a row, and for rows that stand `elsewhere`, under keys that
        a trigger has written: these would count as rows that no file names.
        """
        self._require_known_keys(elsewhere)
        found = self.find(hold=True)
        accept(found)
        for together in self._order(one for one in self._asked() if _count(found, one)):
            try:
                self._taken |= self._run(together)
            except psycopg.Error as error:
                raise self._refused(error, found, together) from error
        for table, count in self._taken.items():
            planned = found.of(table)
            if planned and count > planned.count:
                message = f"{count} rows of {table} would be pruned by now, and not {planned.count}"
                raise refusal(Problem(message, hint="another session writes to the table; run it again"))
        self._found = found

    def took(self) -> dict[TableName, Took]:
        """Look which rows are still there, once triggers have run: those were not pruned, whatever was counted."""
        result = {}
        for one in self._asked():
            table = one.mapping.table
            if self._found and (planned := _count(self._found, one)):
                kept = one.count(self.conn, self._condition(one))
                count = self._taken.get(table, 0)
                back = max(kept - (planned - count), 0)  # written again by a trigger
                result[table] = Took(max(count - back, 0), kept)
        return result

    def _require_known_keys(self, elsewhere: Collection[Row]) -> None:
        tables = {one.mapping.table for one in self._asked()}
        refuse([_other_key(row) for row in elsewhere if row.mapping.table in tables][:SHOWN])

    def _require_values(self, one: Named) -> None:
        """Raise SeedError where a column does not take the value that pruning sets."""
        query = statements.taken(one.mapping)
        for column, value in (one.prune.values or {}).items():
            try:
                with self.conn.transaction():
                    self.conn.execute(query, [json.dumps({column: value}, ensure_ascii=False)], prepare=False)
            except psycopg.DataError as error:
                path = next(file.path for file in self.files if file.mapping.table == one.mapping.table)
                of_column = (column, one.table.types[column])
                raise seed_error(self.conn, error, Place(path), "prune", of_column) from error

    def _refused(self, error: psycopg.Error, found: Pruning, together: Sequence[Named]) -> Error:
        """Name the file of what the server refuses, and say what keeps rows from being deleted."""
        tables = {one.mapping.table for one in together}
        path = next(file.path for file in self.files if file.mapping.table in tables)
        refused = seed_error(self.conn, error, Place(path))
        hint = None
        if isinstance(error, psycopg.errors.ForeignKeyViolation | psycopg.errors.RestrictViolation):
            of_these = [one for table in found.tables if table.table in tables for one in table.referring]
            hint = "; ".join(one.to("them") for one in of_these if one.on_delete in {"no action", "restrict"})
        elif isinstance(error, psycopg.errors.InsufficientPrivilege):
            hint = "connect as the owner of the table, or grant DELETE (or UPDATE, to set columns) on it"
        if not hint or not isinstance(refused, SeedError):
            return refused
        problem = Problem(refused.message, refused.place, hint)
        return SeedError(refused.message, [problem], hint=hint, place=refused.place)

    def _asked(self) -> list[Named]:
        return [one for one in self.named.values() if one.mapping.prune]

    def _condition(self, one: Named) -> Condition:
        """Return what is true of a row that is to be pruned; one that has the values already is not."""
        condition = one.condition()
        values = one.prune.values
        if values is None:
            return condition
        table = parts.relation(one.mapping.table)
        differs = parts.differs(sorted(values), one.table, "seed")
        return condition.also(_WANTED.format(table=table, seed_differs=differs), json.dumps(values, ensure_ascii=False))

    def _bases(self) -> list[tuple[Named, Condition]]:
        return [(one, one.condition()) for one in self._asked() if one.prune.deletes]

    def _counts(self) -> dict[TableName, int]:
        return {one.mapping.table: one.count(self.conn, self._condition(one)) for one in self._asked()}

    def _hold(self) -> None:
        """Lock the rows that go until there are no more of them: what was waited for may lead to others."""
        held = -1
        while (now := referring.hold(self.conn, self._bases(), self._keys)) != held:
            held = now

    def _is_referred_to(self, counts: Mapping[TableName, int]) -> bool:
        """Whether any rows are deleted, and anything can refer to them."""
        return any(counts[one.mapping.table] for one, _ in self._bases()) and any(key.readable for key in self._keys)

    def _refer(self, counts: Mapping[TableName, int]) -> tuple[dict[TableName, int], dict[ForeignKey, int]]:
        """Count what refers to the rows that are deleted."""
        return referring.counts(self.conn, self._bases(), self._keys) if self._is_referred_to(counts) else ({}, {})

    def _table(self, one: Named, count: int, referrings: Mapping[ForeignKey, Referring]) -> PrunedTable:
        table = one.mapping.table
        sources = (source for file in self.files if file.mapping.table == table for source in file.sources)
        empty = tuple(source.path for source in sources if not source.rows)
        mine = tuple(found for key, found in referrings.items() if key.reached == one.table.oid)
        return PrunedTable(table, one.prune, count, tuple(self._rows(one)) if count else (), mine, empty)

    def _rows(self, one: Named) -> Iterator[PrunedRow]:
        """Yield the first rows."""
        if one.prune.values is not None:
            yield from self._changed_rows(one)
            return
        condition = one.condition()
        if not any(key.readable and key.reached == one.table.oid for key in self._keys):
            yield from (PrunedRow(key) for key in one.first(self.conn, condition))
            return
        for key, counts in referring.first(self.conn, self._bases(), (one, condition), self._keys, SHOWN_MAX):
            yield PrunedRow(key, referring=tuple(_referring(of, rows) for of, rows in counts.items() if rows))

    def _changed_rows(self, one: Named) -> Iterator[PrunedRow]:
        """Yield the first rows whose columns are set, with the old values and the new ones."""
        values = one.prune.values or {}
        columns, condition = sorted(values), self._condition(one)
        query = _CHANGES.format(
            key=sql.SQL(", ").join(one.key()),
            differs=parts.array((parts.differs([column], one.table, "seed") for column in columns), "bool"),
            old=parts.array((parts.as_text(column, "present") for column in columns), "text"),
            new=parts.array((parts.as_text(column, "seed") for column in columns), "text"),
            table=parts.relation(one.mapping.table),
            conditions=condition.text,
            order=one.order(),
        )
        given = [json.dumps(values, ensure_ascii=False), *condition.given, SHOWN_MAX]
        with self.conn.cursor(row_factory=tuple_row) as cursor:
            rows = cursor.execute(query, given, prepare=False).fetchall()
        for key, differs, old, new in rows:
            sides = zip(columns, differs, old, new, strict=True)
            changes = tuple(Change(column, before, after) for column, other, before, after in sides if other)
            yield PrunedRow(dict(zip(one.mapping.conflict, key, strict=True)), changes)

    def _order(self, asked: Iterable[Named]) -> list[list[Named]]:
        """Put rows before those that they refer to, otherwise in the reverse order of the files; a circle goes at once.

        PostgreSQL asks at the end of a statement whether anything still refers to what it has deleted.
        """
        tables = list(reversed(list(asked)))
        changed = [[one] for one in tables if not one.prune.deletes]
        deleted = [one for one in tables if one.prune.deletes]
        at = {one.table.oid: number for number, one in enumerate(deleted)}
        sorter: graphlib.TopologicalSorter[int] = graphlib.TopologicalSorter(dict.fromkeys(at.values(), ()))
        for key in self._keys:
            if key.reached in at and key.oid in at and key.reached != key.oid:
                sorter.add(at[key.reached], at[key.oid])
        try:
            sorter.prepare()
        except graphlib.CycleError:
            return [*changed, deleted]
        found = []
        while sorter.is_active():
            ready = sorted(sorter.get_ready())
            found += [[deleted[number]] for number in ready]
            sorter.done(*ready)
        return [*changed, *found]

    def _run(self, together: Sequence[Named]) -> dict[TableName, int]:
        """Prune tables in one statement."""
        changes, given = [], []
        for number, one in enumerate(together):
            condition = self._condition(one)
            values = one.prune.values
            table = parts.relation(one.mapping.table)
            wanted: dict[str, sql.Composable] = {
                "name": sql.Identifier(f"pruned{number}"),
                "table": table,
                "conditions": condition.text,
            }
            if values is None:
                changes.append(_DELETE.format(**wanted))
            else:
                changes.append(_UPDATE.format(assignments=_assignments(one), **wanted))
                given += [json.dumps(values, ensure_ascii=False)] * len(values)
            given += condition.given
        counts = (_COUNTED.format(name=sql.Identifier(f"pruned{number}")) for number in range(len(together)))
        query = _RUN.format(changes=sql.SQL(", ").join(changes), counts=sql.SQL(", ").join(counts))
        with self.conn.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(query, given, prepare=False).fetchone() or ()
        return {one.mapping.table: count for one, count in zip(together, row, strict=True)}


def kept(took: Mapping[TableName, Took]) -> Iterator[str]:
    """Tell of rows that should have been pruned and are still there."""
    for table, one in took.items():
        if one.kept:
            count = "1 row" if one.kept == 1 else f"{one.kept} rows"
            verb = "is" if one.kept == 1 else "are"
            yield (
                f"{count} of {table} that no file names {verb} still there: a trigger, a rule or a policy keeps "
                f"{'it' if one.kept == 1 else 'them'}, or another session has added {'it' if one.kept == 1 else 'them'}"
            )


def _other_key(row: Row) -> Problem:
    message = (
        f"{row.label} is in {row.mapping.table} under another key, which a trigger writes: pruning would take it for a "
        "row that no file names"
    )
    return Problem(message, row.place(), "write the key as the table has it")


def _count(found: Pruning, one: Named) -> int:
    table = found.of(one.mapping.table)
    return table.count if table else 0


def _assignments(one: Named) -> sql.Composed:
    table = parts.relation(one.mapping.table)
    values = sorted(one.prune.values or ())
    found = [
        sql.SQL("{} = {}").format(parts.name(column), _SET.format(column=parts.name(column), table=table))
        for column in values
    ]
    found += [sql.SQL("{} = DEFAULT").format(parts.name(column)) for column in one.mapping.default_on_update]
    return sql.SQL(", ").join(found)


def _referring(key: ForeignKey, rows: int | None) -> Referring:
    return Referring(key.table, key.name, key.columns, key.on_delete, rows if key.readable else None)
