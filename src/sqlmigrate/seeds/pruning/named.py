"""The keys that all files of a table name, and the rows of the table that none of them does."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from sqlmigrate.connection import careful, undisturbed
from sqlmigrate.seeds import parts
from sqlmigrate.seeds.failure import seed_error
from sqlmigrate.seeds.references import resolve
from sqlmigrate.seeds.tables import read_tables
from sqlmigrate.seeds.writing import statements
from sqlmigrate.seeds.writing.staging import NotPlainError, Staged, may_stage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlmigrate.seeds.model import Prune, SeedSet, TableMapping
    from sqlmigrate.seeds.tables import Table

SHOWN_MAX = 20
"""Rows of a table that no file names, that are told one by one."""

_NOT_GIVEN = sql.SQL("""NOT EXISTS (
    SELECT FROM pg_catalog.json_populate_recordset(NULL::{table}, %s::pg_catalog.json) AS seed WHERE {present_is_seed}
)""")
_NOT_STAGED = sql.SQL("NOT EXISTS (SELECT FROM ({keys}) AS seed WHERE {present_is_seed})")
_COUNT = sql.SQL("SELECT pg_catalog.count(*) FROM {table} AS present WHERE {conditions}")
_FIRST = sql.SQL("""
SELECT ARRAY[{key}]::pg_catalog.text[]
FROM {table} AS present
WHERE {conditions}
ORDER BY {order}
LIMIT %s::pg_catalog.int8
""")


_READ_ONLY = "SELECT pg_catalog.current_setting('transaction_read_only')"


@dataclass(frozen=True, slots=True)
class Condition:
    """What is true of a row that no file names, called `present`, and the parameters of that."""

    text: sql.Composable
    given: tuple[str, ...] = ()

    def also(self, text: sql.Composable, *given: str) -> Condition:
        """Return it together with another one."""
        return Condition(sql.SQL("{} AND {}").format(self.text, text), (*self.given, *given))


@dataclass(slots=True)
class Named:
    """The keys that the files of one table name: some as JSON, those of large files in temporary tables."""

    mapping: TableMapping
    table: Table
    keys: list[tuple[TableMapping, Sequence[dict[str, Any]]]] = field(default_factory=list)
    staged: list[Staged] = field(default_factory=list)

    @property
    def prune(self) -> Prune:
        """What is to become of rows that no file names; only of a table whose schema says so."""
        assert self.mapping.prune is not None  # noqa: S101  for mypy
        return self.mapping.prune

    def condition(self) -> Condition:
        """Compose what is true of a row that no file names; a row without a key has NULL there, and no file has."""
        texts: list[sql.Composable] = []
        given: list[str] = []
        for mapping, keys in self.keys:
            if keys:
                same = parts.same(mapping.conflict, self.table, "present", "seed")
                texts.append(_NOT_GIVEN.format(table=parts.relation(mapping.table), present_is_seed=same))
                given.append(json.dumps(keys, ensure_ascii=False))
        for staged in self.staged:
            conflict = staged.file.mapping.conflict
            same = parts.same(conflict, self.table, "present", "seed")
            texts += [
                _NOT_STAGED.format(keys=statements.staged(stage, conflict, None), present_is_seed=same)
                for stage in staged.stages
            ]
        return Condition(sql.SQL(" AND ").join(texts) if texts else sql.SQL("true"), tuple(given))

    @careful()
    def count(self, conn: psycopg.Connection[Any], condition: Condition) -> int:
        """Count the rows of the table for which a condition is true, as far as the role sees them."""
        query = _COUNT.format(table=parts.relation(self.mapping.table), conditions=condition.text)
        with conn.cursor(row_factory=tuple_row) as cursor:
            (count,) = cursor.execute(query, condition.given, prepare=False).fetchone() or (0,)
        return int(count)

    def first(self, conn: psycopg.Connection[Any], condition: Condition) -> list[dict[str, str | None]]:
        """Return the keys of the first rows for which a condition is true, as PostgreSQL prints them."""
        query = _FIRST.format(
            table=parts.relation(self.mapping.table),
            conditions=condition.text,
            key=sql.SQL(", ").join(self.key()),
            order=self.order(),
        )
        with conn.cursor(row_factory=tuple_row) as cursor:
            rows = cursor.execute(query, [*condition.given, SHOWN_MAX], prepare=False).fetchall()
        return [dict(zip(self.mapping.conflict, keys, strict=True)) for (keys,) in rows]

    def key(self) -> list[sql.Composed]:
        """Compose the key of a row as text, column by column."""
        return [parts.as_text(column, "present") for column in self.mapping.conflict]

    def order(self) -> sql.Composed:
        """Compose the order in which rows are told."""
        return sql.SQL(", ").join(sql.SQL('{} COLLATE pg_catalog."C"').format(part) for part in self.key())


def stage_keys(conn: psycopg.Connection[Any], seeds: SeedSet) -> dict[Path, Staged]:
    """Send the keys of files that are not held in memory to temporary tables, where pruning is asked for.

    Where the role may not make any, or on a standby, nobody says which rows no file names.
    """
    large = [file for file in seeds.files if file.is_streamed and file.mapping.prune]
    if not large or not may_stage(conn):
        return {}
    found: dict[Path, Staged] = {}
    try:
        with conn.transaction(), conn.cursor(row_factory=tuple_row) as cursor:
            if cursor.execute(_READ_ONLY, prepare=False).fetchone() == ("on",):
                return {}
            with undisturbed(conn):
                tables = read_tables(conn, seeds)
            for file in large:
                look_up = partial(resolve, conn, seeds, file, tables=tables, pending=True)
                staged = Staged(conn, file, tables[file.mapping.table], look_up, file.mapping.conflict)
                staged.fill()
                found[file.path] = staged
    except NotPlainError:
        return {}
    except psycopg.Error as error:
        raise seed_error(conn, error) from error
    return found
