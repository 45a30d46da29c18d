"""Check that the tables of a seed set exist and can take its rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg.rows import tuple_row

from sqlmigrate.connection import careful
from sqlmigrate.errors import Place, Problem
from sqlmigrate.seeds.problems import refuse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import psycopg

    from sqlmigrate.seeds.model import Column, SeedFile, SeedSet, TableName

# Of a type that is not PostgreSQL's own (below a domain, too) also the operator by which its values are equal: that of
# its default operator class.
_TABLES = """
SELECT n.nspname, c.relname, a.attname, a.atthasdef, a.atttypid::pg_catalog.regtype::pg_catalog.text,
       own.type_schema, own.type, own.operator_schema, own.operator,
       a.attidentity = 'a'::pg_catalog."char", a.attgenerated <> ''::pg_catalog."char", c.oid::pg_catalog.int8,
       a.attnum, pg_catalog.format_type(a.atttypid, a.atttypmod),
       json.is_json,
       c.relkind = 'r'::pg_catalog."char"
       AND EXISTS (SELECT FROM pg_catalog.pg_inherits AS h WHERE h.inhparent = c.oid),
       policies.hide,
       EXISTS (
           SELECT
           FROM pg_catalog.pg_trigger AS t
           WHERE (t.tgrelid = c.oid OR t.tgrelid IN (
               SELECT part.relid::pg_catalog.oid
               FROM pg_catalog.pg_partition_tree(c.oid::pg_catalog.regclass) AS part
           ))
           AND NOT t.tgisinternal
           AND t.tgenabled <> 'D'::pg_catalog."char"
       )
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN LATERAL (
    WITH RECURSIVE base AS (
        SELECT t.oid, t.typname, t.typnamespace, t.typtype, t.typbasetype
        FROM pg_catalog.pg_type AS t
        WHERE t.oid = a.atttypid
        UNION ALL
        SELECT t.oid, t.typname, t.typnamespace, t.typtype, t.typbasetype
        FROM base
        JOIN pg_catalog.pg_type AS t ON t.oid = base.typbasetype
    )
    SELECT type_space.nspname AS type_schema, base.typname AS type, space.nspname AS operator_schema,
           operator.oprname AS operator
    FROM base
    JOIN pg_catalog.pg_namespace AS type_space ON type_space.oid = base.typnamespace
    JOIN pg_catalog.pg_opclass AS class ON class.opcintype = base.oid AND class.opcdefault
    JOIN pg_catalog.pg_am AS method ON method.oid = class.opcmethod
    JOIN pg_catalog.pg_amop AS member
        ON member.amopfamily = class.opcfamily
       AND member.amoplefttype = base.oid
       AND member.amoprighttype = base.oid
       AND (method.amname = 'btree' AND member.amopstrategy = 3 OR method.amname = 'hash' AND member.amopstrategy = 1)
    JOIN pg_catalog.pg_operator AS operator ON operator.oid = member.amopopr
    JOIN pg_catalog.pg_namespace AS space ON space.oid = operator.oprnamespace
    WHERE base.typtype = 'b'
    AND type_space.nspname <> 'pg_catalog'
    ORDER BY method.amname
    LIMIT 1
) AS own ON true
CROSS JOIN LATERAL (
    WITH RECURSIVE base AS (
        SELECT t.oid, t.typbasetype
        FROM pg_catalog.pg_type AS t
        WHERE t.oid = a.atttypid
        UNION ALL
        SELECT t.oid, t.typbasetype
        FROM base
        JOIN pg_catalog.pg_type AS t ON t.oid = base.typbasetype
    )
    SELECT pg_catalog.bool_or(
        base.oid IN (
            'pg_catalog.json'::pg_catalog.regtype::pg_catalog.oid,
            'pg_catalog.jsonb'::pg_catalog.regtype::pg_catalog.oid
        )
    ) AS is_json
    FROM base
) AS json
CROSS JOIN LATERAL (
    SELECT pg_catalog.row_security_active(c.oid)
           AND coalesce(NOT pg_catalog.bool_or(given.polpermissive AND given.shows_all)
                        OR pg_catalog.bool_or(NOT given.polpermissive AND NOT given.shows_all), true) AS hide
    FROM (
        SELECT p.polpermissive, pg_catalog.pg_get_expr(p.polqual, p.polrelid) = 'true'::pg_catalog.text AS shows_all
        FROM pg_catalog.pg_policy AS p
        WHERE p.polrelid = c.oid
          AND p.polcmd IN ('r'::pg_catalog."char", '*'::pg_catalog."char")
          AND EXISTS (
              SELECT FROM pg_catalog.unnest(p.polroles) AS r (oid)
              WHERE r.oid = 0::pg_catalog.oid OR pg_catalog.pg_has_role(r.oid, 'USAGE')
          )
    ) AS given
) AS policies
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
AND (n.nspname, c.relname) IN (
    SELECT * FROM ROWS FROM (pg_catalog.unnest(%s::pg_catalog.text[]), pg_catalog.unnest(%s::pg_catalog.text[]))
)
"""
# What ON CONFLICT (columns) can infer: unique, valid, checked at once, without expressions and without a WHERE.
_UNIQUE = """
SELECT n.nspname, c.relname, pg_catalog.array_agg(a.attname::pg_catalog.text)
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k (attnum, position)
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
AND k.position <= i.indnkeyatts
AND (n.nspname, c.relname) IN (
    SELECT * FROM ROWS FROM (pg_catalog.unnest(%s::pg_catalog.text[]), pg_catalog.unnest(%s::pg_catalog.text[]))
)
GROUP BY i.indexrelid, n.nspname, c.relname
"""
_APPLY_FIRST = "apply the migrations first: sqlmigrate apply"


# Types without an equality are compared as what has it and holds the same, whatever settings print of their values.
_SENT = {"polygon": "poly_send"}
_COMPARED_AS = (
    {"json": "{}::pg_catalog.jsonb"}
    | dict.fromkeys(("xml", "jsonpath"), "{}::pg_catalog.text")
    | {
        name: f"pg_catalog.{_SENT.get(name, f'{name}_send')}({{}})"
        for name in ("point", "line", "lseg", "box", "path", "polygon", "circle")
    }
)


@dataclass(frozen=True, slots=True)
class Equality:
    """The type that a column is compared as, and the operator that says whether two are equal, with their schemas."""

    type: tuple[str, str]
    operator: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """What seeding has to know of a table: columns, those with a default, unique indexes.

    `compared_as` has the columns whose type has no equality, with the SQL of what is compared in their place,
    `equality` those whose type is not PostgreSQL's own. `always` are the columns that are GENERATED ALWAYS AS IDENTITY,
    `generated` those that are computed, `json` those that hold JSON, `whole` those of whole numbers; `numbers` and
    `types` have the number and the type of each column. `inherited` says that other tables inherit from it: a query
    finds their rows, and an INSERT does not. `hides_rows` says that policies (row level security) let the role see only
    some of its rows, and `has_triggers` that triggers of it, or of a partition, may change what is written.
    """

    columns: frozenset[str]
    with_default: frozenset[str]
    unique: frozenset[frozenset[str]]
    oid: int
    numbers: Mapping[str, int]
    inherited: bool = False
    hides_rows: bool = False
    has_triggers: bool = False
    always: frozenset[str] = frozenset()
    generated: frozenset[str] = frozenset()
    json: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()
    types: Mapping[str, str] = field(default_factory=dict)
    compared_as: Mapping[str, str] = field(default_factory=dict)
    equality: Mapping[str, Equality] = field(default_factory=dict)


def read_tables(conn: psycopg.Connection[Any], seeds: SeedSet) -> dict[TableName, Table]:
    """Read the tables that a seed set writes and refers to; raise one SeedError for all that do not fit."""
    names = {file.mapping.table for file in seeds.files}
    names |= {reference.table for file in seeds.files for reference in file.mapping.references}
    tables = read_named(conn, names)
    refuse([problem for file in seeds.files for problem in _problems(file, tables)])
    return tables


def told_of_hidden(name: TableName) -> str:
    """Say of a table that policies hide some of its rows."""
    return (
        f"row level security: policies of {name} hide rows from the role that seeds; only the rows that it sees are "
        "compared and counted"
    )


@careful()
def read_named(conn: psycopg.Connection[Any], names: set[TableName]) -> dict[TableName, Table]:
    """Read tables by their names; those that do not exist are left out."""
    keys = [[name.schema for name in names], [name.name for name in names]]
    with conn.cursor(row_factory=tuple_row) as cursor:
        columns = cursor.execute(_TABLES, keys, prepare=False).fetchall()
        indexes = cursor.execute(_UNIQUE, keys, prepare=False).fetchall()
    return {
        name: Table(
            columns=frozenset(row[2] for row in mine),
            with_default=frozenset(row[2] for row in mine if row[3]),
            always=frozenset(row[2] for row in mine if row[9]),
            generated=frozenset(row[2] for row in mine if row[10]),
            whole=frozenset(row[2] for row in mine if row[4] in {"smallint", "integer", "bigint"}),
            oid=mine[0][11],
            json=frozenset(row[2] for row in mine if row[14]),
            inherited=mine[0][15],
            hides_rows=mine[0][16],
            has_triggers=mine[0][17],
            numbers={row[2]: row[12] for row in mine},
            types={row[2]: row[13] for row in mine},
            unique=frozenset(frozenset(row[2]) for row in indexes if row[:2] == (name.schema, name.name)),
            compared_as={row[2]: _COMPARED_AS[row[4]] for row in mine if row[4] in _COMPARED_AS},
            equality={row[2]: Equality(row[5:7], row[7:9]) for row in mine if row[5] is not None},
        )
        for name in names
        if (mine := [row for row in columns if row[:2] == (name.schema, name.name)])
    }


def _problems(file: SeedFile, tables: Mapping[TableName, Table]) -> Iterator[Problem]:
    """Yield what a file needs and its tables do not have."""
    mapping, place = file.mapping, Place(file.path)
    table = tables.get(mapping.table)
    if table is None:
        yield Problem(f"table {mapping.table} does not exist", place, _APPLY_FIRST)
        return
    if table.inherited:
        message = f"{mapping.table} has child tables (inheritance), in which its unique constraint does not count"
        yield Problem(message, place, "partitions can be seeded; child tables cannot")
    yield from _missing_columns(file, table)
    yield from _not_to_be_set(file, table)
    for column in mapping.default_on_update:
        if column in table.columns and column not in table.with_default:
            yield Problem(f"column {column} of {mapping.table} has no default to be set to on update", place)
    if table.columns.issuperset(mapping.conflict) and frozenset(mapping.conflict) not in table.unique:
        target = ", ".join(mapping.conflict)
        hint = "add a unique constraint in a migration; one that is partial or deferrable cannot be used"
        yield Problem(f"{mapping.table} has no unique constraint on ({target})", place, hint)
    for special in mapping.columns:
        yield from _missing_reference(file, special, tables)
    yield from _not_to_be_pruned(file, table)


def _missing_columns(file: SeedFile, table: Table) -> Iterator[Problem]:
    """Yield the columns that the mapping or a row names and the table does not have, each once."""
    mapping = file.mapping
    special = [column.name for column in mapping.columns]
    places = dict.fromkeys((*mapping.conflict, *special, *mapping.default_on_update), Place(file.path))
    for row in file.shapes().values():
        for key in row.values:
            for column in mapping.columns_of(key):
                if column.name not in places and column.name not in table.columns:
                    places[column.name] = row.place_of_key(key)
    for name, place in places.items():
        if name not in table.columns:
            yield Problem(f"table {mapping.table} has no column {name}", place, _APPLY_FIRST)


def _not_to_be_set(file: SeedFile, table: Table) -> Iterator[Problem]:
    """Yield the columns that a row sets and PostgreSQL lets nobody set, each once."""
    mapping = file.mapping
    computed = set(table.generated)
    for row in file.shapes().values() if computed else ():
        for key in row.values:
            for column in mapping.columns_of(key):
                if column.name in computed:
                    computed.discard(column.name)
                    message = f"column {column.name} of {mapping.table} is computed by PostgreSQL"
                    yield Problem(message, row.place_of_key(key), "leave it out of the rows")


def _not_to_be_pruned(file: SeedFile, table: Table) -> Iterator[Problem]:
    """Yield the columns that pruning would set and cannot."""
    mapping, place = file.mapping, Place(file.path)
    for column in mapping.prune.values or () if mapping.prune else ():
        if column not in table.columns:
            yield Problem(f"prune: table {mapping.table} has no column {column}", place, _APPLY_FIRST)
        elif column in table.generated or column in table.always:
            yield Problem(f"prune: column {column} of {mapping.table} gets its value from PostgreSQL", place)


def _missing_reference(file: SeedFile, column: Column, tables: Mapping[TableName, Table]) -> Iterator[Problem]:
    if not (reference := column.reference):
        return
    place, table = Place(file.path), tables.get(reference.table)
    if table is None:
        yield Problem(f"table {reference.table}, which {column.source} refers to, does not exist", place, _APPLY_FIRST)
        return
    for name in dict.fromkeys((reference.match, reference.select)):
        if name not in table.columns:
            message = f"table {reference.table}, which {column.source} refers to, has no column {name}"
            yield Problem(message, place, _APPLY_FIRST)
