"""Read what a table of a database is made of, as far as a schema of seed rows can say it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row, tuple_row

from sqlmigrate.errors import SeedError
from sqlmigrate.seeds import parts
from sqlmigrate.seeds.model import TableName
from sqlmigrate.seeds.tables import read_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlmigrate.seeds.tables import Table

# `kind` is that of the type below all domains: base, enum, composite, range or multirange.
_COLUMNS = """
SELECT a.attname AS name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       base.typname AS base,
       space.nspname AS space,
       base.typtype AS kind,
       CASE
           WHEN of.oid IS NULL THEN ''
           WHEN of.typnamespace = 'pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid THEN of.typname
           ELSE '?'
       END AS element,
       coalesce(of.typtype, 'b'::pg_catalog."char") AS element_kind,
       chain.modifier AS modifier,
       (a.attnotnull AND NOT EXISTS (
           SELECT
           FROM pg_catalog.pg_constraint AS n
           WHERE n.conrelid = a.attrelid
           AND n.contype = 'n'
           AND n.conkey = ARRAY[a.attnum]
           AND NOT n.convalidated
       )) OR chain.required AS required,
       a.attidentity <> ''::pg_catalog."char" AS identity,
       a.attgenerated <> ''::pg_catalog."char" AS generated,
       pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS default,
       coalesce(l.collisdeterministic, true) AS plain_text,
       a.attcollation <> 0::pg_catalog.oid AS collatable,
       pg_catalog.col_description(a.attrelid, a.attnum) AS comment,
       ARRAY(
           SELECT e.enumlabel::pg_catalog.text
           FROM pg_catalog.pg_enum AS e
           WHERE e.enumtypid IN (base.oid, of.oid)
           ORDER BY e.enumsortorder
       ) AS labels,
       ARRAY(
           SELECT pg_catalog.pg_get_constraintdef(c.oid)
           FROM pg_catalog.pg_constraint AS c
           WHERE c.contypid = ANY(chain.domains)
           AND c.contype = 'c'
           AND c.convalidated
           ORDER BY c.conname
       ) AS checks
FROM pg_catalog.pg_attribute AS a
CROSS JOIN LATERAL (
    WITH RECURSIVE step AS (
        SELECT t.oid, t.typtype, t.typbasetype, a.atttypmod AS modifier, t.typtypmod, t.typnotnull,
               0::pg_catalog.int4 AS depth
        FROM pg_catalog.pg_type AS t
        WHERE t.oid = a.atttypid
        UNION ALL
        SELECT t.oid, t.typtype, t.typbasetype, step.typtypmod, t.typtypmod, t.typnotnull, step.depth + 1
        FROM step
        JOIN pg_catalog.pg_type AS t ON t.oid = step.typbasetype
        WHERE step.typtype = 'd'
    )
    SELECT (pg_catalog.array_agg(step.oid ORDER BY step.depth DESC))[1] AS oid,
           (pg_catalog.array_agg(step.modifier ORDER BY step.depth DESC))[1] AS modifier,
           pg_catalog.bool_or(step.typtype = 'd' AND step.typnotnull) AS required,
           coalesce(pg_catalog.array_agg(step.oid) FILTER (WHERE step.typtype = 'd'), '{}') AS domains
    FROM step
) AS chain
JOIN pg_catalog.pg_type AS base ON base.oid = chain.oid
JOIN pg_catalog.pg_namespace AS space ON space.oid = base.typnamespace
LEFT JOIN pg_catalog.pg_type AS of ON of.oid = base.typelem AND of.typarray = base.oid AND of.typdelim = ','
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = a.attcollation
WHERE a.attrelid = %s::pg_catalog.oid
AND a.attnum > 0
AND NOT a.attisdropped
ORDER BY a.attnum
"""
_CHECKS = """
SELECT pg_catalog.pg_get_constraintdef(c.oid)
FROM pg_catalog.pg_constraint AS c
WHERE c.conrelid = %s::pg_catalog.oid
AND c.contype = 'c'
AND c.convalidated
ORDER BY c.conname
"""
_FOREIGN = """
SELECT own.attname, n.nspname, r.relname, other.attname, pg_catalog.cardinality(c.conkey), c.confrelid::pg_catalog.int8
FROM pg_catalog.pg_constraint AS c
JOIN pg_catalog.pg_class AS r ON r.oid = c.confrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = r.relnamespace
JOIN pg_catalog.pg_attribute AS own ON own.attrelid = c.conrelid AND own.attnum = c.conkey[1]
JOIN pg_catalog.pg_attribute AS other ON other.attrelid = c.confrelid AND other.attnum = c.confkey[1]
WHERE c.conrelid = %s::pg_catalog.oid
AND c.contype = 'f'
AND c.convalidated
ORDER BY own.attnum, c.conname
"""
_UNIQUE = """
SELECT ARRAY(
           SELECT a.attname::pg_catalog.text
           FROM pg_catalog.generate_subscripts(i.indkey, 1) AS k
           JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k]
           WHERE k < i.indnkeyatts
           ORDER BY k
       ),
       i.indisprimary
FROM pg_catalog.pg_index AS i
WHERE i.indrelid = %s::pg_catalog.oid
AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
"""
_KIND = """
SELECT c.oid::pg_catalog.int8, c.relkind, pg_catalog.obj_description(c.oid, 'pg_class'),
       pg_catalog.row_security_active(c.oid)
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %s::pg_catalog.text
AND c.relname = %s::pg_catalog.text
AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
_NAMED_SO = """
SELECT n.nspname
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relname = %s::pg_catalog.text
AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
AND n.nspname <> 'information_schema'
AND n.nspname NOT LIKE 'pg\\_%%'::pg_catalog.text
ORDER BY n.nspname
"""
# record_ne looks for the equality of each column before it looks at the values
_COMPARE = """
SELECT pg_catalog.record_ne(ROW({nulls}), ROW({nulls}))
FROM (SELECT) AS nothing
LEFT JOIN {table} AS present ON false
"""
_TYPES_OF_JSON = """
SELECT DISTINCT pg_catalog.{function}({column})
FROM {table} AS present
WHERE {column} IS DISTINCT FROM NULL
"""
_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}
_MADE_UP = ("nextval(", "gen_random_uuid(", "uuid_generate_v", "uuidv4(", "uuidv7(")
_BY_NAME = ("regclass", "regcollation", "regconfig", "regdictionary", "regnamespace", "regoper", "regoperator",
            "regproc", "regprocedure", "regrole", "regtype")  # fmt: skip


@dataclass(frozen=True, slots=True)
class LiveColumn:
    """A column; `base` is its type below all domains, `element` that of an array's elements, `checks` a domain's."""

    name: str
    type: str
    base: str
    space: str
    kind: str
    element: str
    element_kind: str
    modifier: int
    required: bool
    identity: bool
    generated: bool
    default: str | None
    plain_text: bool
    collatable: bool
    comment: str | None
    labels: list[str]
    checks: list[str]

    @property
    def is_made_up(self) -> bool:
        """Whether the database makes up its value: a number of a sequence, or a random UUID."""
        return self.identity or any(word in (self.default or "") for word in _MADE_UP)

    @property
    def own(self) -> str:
        """Its type below all domains if that is PostgreSQL's own, else nothing."""
        return self.base if self.space == "pg_catalog" and self.kind == "b" else ""

    @property
    def refused(self) -> str | None:
        """Why no file can hold its values, if none can."""
        if "money" in (self.own, self.element):
            return "what money means depends on lc_monetary"
        if self.own in _BY_NAME or self.element in _BY_NAME:
            return "names of objects depend on the search_path"
        return None


@dataclass(frozen=True, slots=True)
class Foreign:
    """A foreign key from a column to a column of another table, with its oid; `width` columns belong to it."""

    column: str
    table: TableName
    referenced: str
    width: int
    oid: int


@dataclass(frozen=True, slots=True)
class LiveTable:
    """A table; `filtered` says that policies may hide rows of it from the role."""

    name: TableName
    oid: int
    comment: str | None
    filtered: bool
    columns: dict[str, LiveColumn]
    unique: list[tuple[list[str], bool]]
    foreign: list[Foreign]
    checks: list[str]
    known: Table = field(repr=False)

    def candidates(self) -> list[list[str]]:
        """Return the unique constraints that can say which row is which, the best first; none may be NULL."""
        usable = [key for key in self.unique if all(self._may_identify(name) for name in key[0])]
        return [key for key, _ in sorted(usable, key=self._rank)]

    def natural_key(self) -> list[str] | None:
        """Return the best of the keys that the database does not make up."""
        natural = (key for key in self.candidates() if not any(self.columns[name].is_made_up for name in key))
        return next(natural, None)

    def _may_identify(self, name: str) -> bool:
        column = self.columns[name]
        return column.required and not column.generated and not column.refused

    def _rank(self, key: tuple[list[str], bool]) -> tuple[int, bool, list[str]]:
        names, is_primary = key
        return len(names), not is_primary, names


def find(conn: psycopg.Connection[Any], written: str, path: Sequence[str]) -> TableName:
    """Return the table that a name means: with its schema, or in the first schema of a path that has one.

    Raises SeedError where there is none.
    """
    schema, dot, name = written.partition(".")
    with conn.cursor(row_factory=tuple_row) as cursor:
        if dot:
            found = cursor.execute(_KIND, [schema, name], prepare=False).fetchall()
            if found:
                return TableName(schema, name)
            there = [row[0] for row in cursor.execute(_NAMED_SO, [name], prepare=False)]
            raise _missing(f"table {written} does not exist", there, name)
        there = [row[0] for row in cursor.execute(_NAMED_SO, [written], prepare=False)]
    for schema in path:
        if schema in there:
            return TableName(schema, written)
    raise _missing(f"table {written} does not exist in the search_path ({', '.join(path)})", there, written)


def _missing(message: str, there: Sequence[str], name: str) -> SeedError:
    if there:
        return SeedError(message, hint=f"there is {' and '.join(f'{schema}.{name}' for schema in there)}")
    hint = "write the name as the catalog has it, with its schema and its case, and without quotes: public.countries"
    return SeedError(message, hint=hint)


def read(conn: psycopg.Connection[Any], table: TableName) -> LiveTable:
    """Read a table; raises SeedError for what is none, and for one that cannot be seeded."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        found = cursor.execute(_KIND, [table.schema, table.name], prepare=False).fetchone()
        if found is None:
            raise SeedError(f"table {table} does not exist")
        oid, kind, comment, filtered = found
        _require_seedable(table, kind)
        unique = cursor.execute(_UNIQUE, [oid], prepare=False).fetchall()
        foreign = cursor.execute(_FOREIGN, [oid], prepare=False).fetchall()
        checks = [row[0] for row in cursor.execute(_CHECKS, [oid], prepare=False)]
    with conn.cursor(row_factory=class_row(LiveColumn)) as columns:
        of_table = columns.execute(_COLUMNS, [oid], prepare=False).fetchall()
    if not of_table:
        raise SeedError(f"{table} has no columns, so it cannot be seeded")
    known = read_named(conn, {table})[table]
    if known.inherited:
        raise SeedError(f"{table} has child tables (inheritance), so it cannot be seeded")
    return LiveTable(
        table,
        oid,
        comment,
        filtered,
        {column.name: column for column in of_table},
        [(key, primary) for key, primary in unique if key],
        [Foreign(own, TableName(schema, name), other, width, at) for own, schema, name, other, width, at in foreign],
        checks,
        known,
    )


def _require_seedable(table: TableName, kind: str) -> None:
    if table.schema.startswith("pg_") or table.schema == "information_schema":
        raise SeedError(f"{table} belongs to PostgreSQL itself, and cannot be seeded")
    if kind in _KINDS:
        raise SeedError(f"{table} is {_KINDS[kind]}, and only tables can be seeded")
    if "." in table.schema or "." in table.name:
        raise SeedError(f"{table} has a dot in its name, which no mapping can say", hint="rename it in a migration")


def incomparable(conn: psycopg.Connection[Any], table: LiveTable, columns: Sequence[LiveColumn]) -> set[str]:
    """Return the names of those columns of which PostgreSQL cannot say whether two values are equal."""
    doubtful = [column for column in columns if column.name not in table.known.compared_as]
    if _are_comparable(conn, table, doubtful):
        return set()
    return {column.name for column in doubtful if not _are_comparable(conn, table, [column])}


def _are_comparable(conn: psycopg.Connection[Any], table: LiveTable, columns: Sequence[LiveColumn]) -> bool:
    """Try to compare a row of NULLs with itself."""
    nulls = parts.names([column.name for column in columns], "present")
    try:
        with conn.transaction():
            query = sql.SQL(_COMPARE).format(nulls=nulls, table=parts.relation(table.name))
            conn.execute(query, [], prepare=False)
    except psycopg.errors.UndefinedFunction:
        return False
    return True


def types_of_json(conn: psycopg.Connection[Any], table: LiveTable, column: LiveColumn) -> set[str]:
    """Return the types of the JSON values that a column has now."""
    query = sql.SQL(_TYPES_OF_JSON).format(
        function=sql.Identifier(f"{column.own}_typeof"),
        column=parts.name(column.name, "present"),
        table=parts.relation(table.name),
    )
    with conn.cursor(row_factory=tuple_row) as cursor:
        return {row[0] for row in cursor.execute(query, [], prepare=False)}
