"""Compose the statements of seeding; every name goes through psycopg.sql, every value is a parameter.

Rows travel as one JSON array and become rows by `json_populate_recordset` over the table's own row type: the server
casts each value to its column's type, and text that is too long is an error (a cast to varchar(n) would cut it).

What the tables' triggers do is looked up by the search_path of the session, so each name and operator here says its
schema: no operator that somebody else has made is meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql

from sqlmigrate.seeds import parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlmigrate.seeds.model import Reference, TableMapping
    from sqlmigrate.seeds.tables import Table

# Rows that are already as the file says never reach the INSERT: ON CONFLICT would lock them (a write of its own)
# and draw numbers from their sequences. The last condition is for a session that writes the row at the same time.
_UPSERT = sql.SQL("""
WITH seed AS {source},
wanted AS MATERIALIZED (
    SELECT {position}, {columns}
    FROM seed
    WHERE NOT EXISTS (SELECT FROM {table} AS present WHERE {present_is_seed} AND NOT {seed_differs})
),
written AS (
    INSERT INTO {table} AS present ({columns}) {overriding}
    SELECT {columns}
    FROM wanted
    ON CONFLICT ({key}) {action}
    RETURNING {present_key}
),
counted AS (
    SELECT pg_catalog.count(*) AS rows, pg_catalog.count({present_first}) AS known
    FROM written
    LEFT JOIN {table} AS present ON {present_is_written}
)
SELECT counted.rows OPERATOR(pg_catalog.-) counted.known, counted.known, ARRAY(
    SELECT wanted.{position}
    FROM wanted
    WHERE NOT EXISTS (SELECT FROM written WHERE {wanted_is_written})
)
FROM counted
""")
_GIVEN = sql.SQL("""MATERIALIZED (
    SELECT given.position AS {position}, {columns_of_seed}
    FROM pg_catalog.json_array_elements(%s::pg_catalog.json) WITH ORDINALITY AS given (value, position)
    CROSS JOIN LATERAL pg_catalog.json_populate_record(NULL::{table}, given.value) AS seed
)""")
# What the table makes of rows: the statement sees the keys that it writes in the table as it was before.
_ELSEWHERE = sql.SQL("""
WITH written AS (
    INSERT INTO {table} AS present ({columns}) {overriding}
    SELECT {columns}
    FROM pg_catalog.json_populate_recordset(NULL::{table}, %s::pg_catalog.json)
    ON CONFLICT ({key}) {action}
    RETURNING {present_key}
)
SELECT pg_catalog.count(*)
FROM written
WHERE EXISTS (SELECT FROM {table} AS present WHERE {present_is_written})
""")
_ABSENT = sql.SQL("""
SELECT given.position
FROM pg_catalog.json_array_elements(%s::pg_catalog.json) WITH ORDINALITY AS given (value, position)
CROSS JOIN LATERAL pg_catalog.json_populate_record(NULL::{table}, given.value) AS seed
WHERE NOT EXISTS (SELECT FROM {table} AS present WHERE {present_is_seed})
ORDER BY given.position
""")
_ABSENT_STAGED = sql.SQL("""
SELECT {position}
FROM ({source}) AS seed
WHERE NOT EXISTS (SELECT FROM {table} AS present WHERE {present_is_seed})
ORDER BY {position}
""")
_DIFFERENT = sql.SQL("""
WITH seed AS {source}
SELECT {position}
FROM seed
WHERE EXISTS (SELECT FROM {table} AS present WHERE {present_is_seed} AND {seed_differs})
ORDER BY {position}
""")
_COMPARED = sql.SQL("""
SELECT given.position, {there}, {differs}, {old}, {new}
FROM pg_catalog.json_array_elements(%s::pg_catalog.json) WITH ORDINALITY AS given (value, position)
CROSS JOIN LATERAL pg_catalog.json_populate_record(NULL::{table}, given.value) AS seed
LEFT JOIN {table} AS present ON {present_is_seed}
WHERE NOT ({there}) OR {seed_differs}
""")
_RENUMBERED = sql.SQL("""
WITH seed AS {source}
SELECT {position}, {number}
FROM seed
JOIN {table} AS present ON {present_is_seed}
WHERE {seed_differs}
ORDER BY {position}
""")
_UPDATE = sql.SQL("DO UPDATE SET {assignments}")
_WHERE = sql.SQL(" WHERE {differs}")
_LOOKUP = sql.SQL("""
SELECT given.position, found.{select}::pg_catalog.text
FROM pg_catalog.json_array_elements(%s::pg_catalog.json) WITH ORDINALITY AS given (value, position)
CROSS JOIN LATERAL pg_catalog.json_populate_record(
    NULL::{table}, pg_catalog.json_build_object(%s::pg_catalog.text, given.value)
) AS wanted
JOIN {table} AS found ON {same}
""")
_SAME = sql.SQL("""
SELECT pg_catalog.array_agg(given.position ORDER BY given.position)
FROM pg_catalog.json_array_elements(%s::pg_catalog.json) WITH ORDINALITY AS given (value, position)
CROSS JOIN LATERAL pg_catalog.json_populate_record(NULL::{table}, given.value) AS seed
GROUP BY {key}
HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1::pg_catalog.int8
""")

# Columns of a stage have names of ours: no other name has to be written into COPY.
_STAGE = sql.SQL(
    "CREATE TEMPORARY TABLE {stage} AS SELECT 0::pg_catalog.int8 AS p, {columns} FROM {table} WITH NO DATA"
)
_COPY = sql.SQL("COPY {stage} FROM STDIN (FORMAT text, ENCODING 'UTF8')")
_ANY_SAME_STAGED = sql.SQL("""
SELECT EXISTS (
    SELECT
    FROM ({rows}) AS seed
    GROUP BY {key}
    HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1::pg_catalog.int8
)
""")
_SAME_STAGED = sql.SQL("""
SELECT pg_catalog.array_agg({position} ORDER BY {position})
FROM ({rows}) AS seed
GROUP BY {key}
HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1::pg_catalog.int8
ORDER BY pg_catalog.min({position})
LIMIT {limit}
""")


@dataclass(frozen=True, slots=True)
class Stage:
    """A temporary table that holds rows with these columns of a table, and their positions."""

    name: str
    columns: tuple[str, ...]


def create(stage: Stage, mapping: TableMapping) -> sql.Composed:
    """Compose the making of a stage, whose columns have the types of the table's and no constraints."""
    columns = (
        sql.SQL("target.{} AS {}").format(parts.name(column), sql.Identifier(f"c{number}"))
        for number, column in enumerate(stage.columns)
    )
    return _STAGE.format(
        stage=_stage(stage),
        columns=sql.SQL(", ").join(columns),
        table=sql.SQL("{} AS target").format(parts.relation(mapping.table)),
    )


def copy(stage: Stage) -> sql.Composed:
    """Compose the COPY into a stage, in the order of its position and its columns."""
    return _COPY.format(stage=_stage(stage))


def analyze(stage: Stage, mapping: TableMapping) -> sql.Composed:
    """Compose the look at the keys in a stage, without which the planner takes it for a table of a few keys."""
    keys = (sql.Identifier(f"c{stage.columns.index(column)}") for column in mapping.conflict)
    return sql.SQL("ANALYZE {} ({})").format(_stage(stage), sql.SQL(", ").join(keys))


def highest(stage: Stage, column: str) -> sql.Composed:
    """Compose the highest number in a column of a stage, which is one of whole numbers."""
    name = sql.Identifier(f"c{stage.columns.index(column)}")
    return sql.SQL("SELECT pg_catalog.max(staged.{}::pg_catalog.int8) FROM {} AS staged").format(name, _stage(stage))


def drop(stage: Stage) -> sql.Composed:
    """Compose the end of a stage, which may be gone with its transaction."""
    return sql.SQL("DROP TABLE IF EXISTS {}").format(_stage(stage))


def any_same_staged(mapping: TableMapping, stages: Sequence[Stage]) -> sql.Composed:
    """Compose whether rows in stages are the same by the conflict target, for which they need not be sorted."""
    return _ANY_SAME_STAGED.format(
        rows=sql.SQL(" UNION ALL ").join(staged(stage, mapping.conflict, None) for stage in stages),
        key=parts.names(mapping.conflict, "seed"),
    )


def same_staged(mapping: TableMapping, stages: Sequence[Stage], limit: int) -> sql.Composed:
    """Compose the search for rows in stages that are the same by the conflict target; it gives their positions."""
    position = _free_name(mapping.conflict)
    return _SAME_STAGED.format(
        position=parts.name(position, "seed"),
        rows=sql.SQL(" UNION ALL ").join(staged(stage, mapping.conflict, position) for stage in stages),
        key=parts.names(mapping.conflict, "seed"),
        limit=sql.Literal(limit),
    )


def staged(stage: Stage, columns: Sequence[str], position: str | None) -> sql.Composed:
    """Compose a query of these columns of a stage, and of the positions where they are given a name."""
    named = (
        sql.SQL("staged.{} AS {}").format(sql.Identifier(f"c{stage.columns.index(column)}"), parts.name(column))
        for column in columns
    )
    at = sql.SQL("staged.p AS {}, ").format(parts.name(position)) if position is not None else sql.SQL("")
    return sql.SQL("SELECT {}{} FROM {} AS staged").format(at, sql.SQL(", ").join(named), _stage(stage))


def _stage(stage: Stage) -> sql.Identifier:
    return sql.Identifier("pg_temp", stage.name)


def upsert(mapping: TableMapping, table: Table, columns: Sequence[str], stage: Stage | None = None) -> sql.Composed:
    """Compose the upsert of rows that have these columns: of those in a stage, or of a JSON array.

    It gives the counts of inserted and of updated rows, and the positions (from 1) of those that differed from the
    table, or were not there, and of whose keys none was written.
    """
    others = _others(mapping, table, columns)
    position = _free_name(columns)
    return _UPSERT.format(
        source=_source(mapping, columns, position, stage),
        position=parts.name(position),
        present_is_seed=parts.same(mapping.conflict, table, "present", "seed"),
        wanted_is_written=parts.same(mapping.conflict, table, "wanted", "written"),
        seed_differs=parts.differs(others, table, "seed"),
        action=_action(mapping, others, parts.differs(others, table, "excluded")),
        present_first=parts.name(mapping.conflict[0], "present"),
        **_writing(mapping, table, columns),
    )


def renumbered(
    mapping: TableMapping, table: Table, column: str, columns: Sequence[str], stage: Stage | None = None
) -> sql.Composed:
    """Compose the search for rows (of a JSON array, or in a stage) that are there with another number in a column.

    It gives their positions, and the numbers that are there as text.
    """
    position = _free_name(columns)
    return _RENUMBERED.format(
        source=_source(mapping, columns, position, stage),
        position=parts.name(position, "seed"),
        number=parts.as_text(column, "present"),
        table=parts.relation(mapping.table),
        present_is_seed=parts.same(mapping.conflict, table, "present", "seed"),
        seed_differs=parts.differs([column], table, "seed"),
    )


def taken(mapping: TableMapping) -> sql.Composed:
    """Compose the reading of a JSON object as a row of the table, without the row."""
    return sql.SQL("SELECT 1 FROM pg_catalog.json_populate_record(NULL::{}, %s::pg_catalog.json) AS seed").format(
        parts.relation(mapping.table)
    )


def elsewhere(mapping: TableMapping, table: Table, columns: Sequence[str]) -> sql.Composed:
    """Compose the count of rows that a trigger gives a key which was in the table before; it writes them anew."""
    others = _others(mapping, table, columns)
    action = _action(mapping, others) if others else _keep(mapping.conflict)
    return _ELSEWHERE.format(action=action, **_writing(mapping, table, columns))


def absent(mapping: TableMapping, table: Table, stage: Stage | None = None) -> sql.Composed:
    """Compose the search for keys (of a JSON array, or in a stage) that no row has, as far as the role sees.

    It gives their positions.
    """
    same = parts.same(mapping.conflict, table, "present", "seed")
    if stage is None:
        return _ABSENT.format(table=parts.relation(mapping.table), present_is_seed=same)
    position = _free_name(mapping.conflict)
    return _ABSENT_STAGED.format(
        source=staged(stage, mapping.conflict, position),
        position=parts.name(position, "seed"),
        table=parts.relation(mapping.table),
        present_is_seed=same,
    )


def different(mapping: TableMapping, table: Table, columns: Sequence[str], stage: Stage | None = None) -> sql.Composed:
    """Compose the search for rows (of a JSON array, or in a stage) that are there, but differ in these columns.

    It gives their positions.
    """
    others, position = _others(mapping, table, columns), _free_name(columns)
    return _DIFFERENT.format(
        source=_source(mapping, columns, position, stage),
        position=parts.name(position, "seed"),
        table=parts.relation(mapping.table),
        present_is_seed=parts.same(mapping.conflict, table, "present", "seed"),
        seed_differs=parts.differs(others, table, "seed"),
    )


def compared(mapping: TableMapping, table: Table, columns: Sequence[str]) -> sql.Composed:
    """Compose the search for rows of a JSON array that are not there, or are there with other values.

    It gives their positions, whether they are there, and of each column beside the key whether it differs, its value
    and the new one as text.
    """
    others = _others(mapping, table, columns)
    present = parts.name(mapping.conflict[0], "present")
    return _COMPARED.format(
        there=sql.SQL("{} IS DISTINCT FROM NULL").format(present),
        differs=parts.array((parts.differs([column], table, "seed") for column in others), "bool"),
        old=parts.array((parts.as_text(column, "present") for column in others), "text"),
        new=parts.array((parts.as_text(column, "seed") for column in others), "text"),
        table=parts.relation(mapping.table),
        present_is_seed=parts.same(mapping.conflict, table, "present", "seed"),
        seed_differs=parts.differs(others, table, "seed"),
    )


def _source(mapping: TableMapping, columns: Sequence[str], position: str, stage: Stage | None) -> sql.Composed:
    """Compose rows with these columns and their positions: those in a stage, or of a JSON array."""
    if stage is not None:
        return sql.SQL("({})").format(staged(stage, columns, position))
    return _GIVEN.format(
        position=parts.name(position), columns_of_seed=parts.names(columns, "seed"), table=parts.relation(mapping.table)
    )


def _others(mapping: TableMapping, table: Table, columns: Sequence[str]) -> list[str]:
    """Return the columns that a row which is there may get: neither its key, nor what nobody can change."""
    return [column for column in columns if column not in mapping.conflict and column not in table.always]


def _writing(mapping: TableMapping, table: Table, columns: Sequence[str]) -> dict[str, sql.Composable]:
    """Compose the parts of an INSERT."""
    return {
        "table": parts.relation(mapping.table),
        "columns": parts.names(columns),
        "overriding": sql.SQL("OVERRIDING SYSTEM VALUE" if table.always.intersection(columns) else ""),
        "key": parts.names(mapping.conflict),
        "present_key": parts.names(mapping.conflict, "present"),
        "present_is_written": parts.same(mapping.conflict, table, "present", "written"),
    }


def _free_name(columns: Sequence[str]) -> str:
    """Return a name that none of the columns has."""
    name = "position"
    while name in columns:
        name += "_"
    return name


def lookup(reference: Reference, table: Table) -> sql.Composed:
    """Compose the look-up of a JSON array of values; it gives each one's position (from 1) and what was found."""
    same = parts.same([reference.match], table, "found", "wanted")
    return _LOOKUP.format(table=parts.relation(reference.table), same=same, select=parts.name(reference.select))


def same_rows(mapping: TableMapping) -> sql.Composed:
    """Compose the search for rows of a JSON array that are the same by the conflict target; it gives their positions.

    GROUP BY takes the type's own idea of equal, as a unique index does.
    """
    return _SAME.format(table=parts.relation(mapping.table), key=parts.names(mapping.conflict, "seed"))


def _action(mapping: TableMapping, others: Sequence[str], differs: sql.Composable | None = None) -> sql.Composable:
    """Compose what happens to a row that is there already: all of them are updated, or those that differ."""
    if not others:
        return sql.SQL("DO NOTHING")
    assignments = [sql.SQL("{} = {}").format(parts.name(column), parts.name(column, "excluded")) for column in others]
    assignments += [sql.SQL("{} = DEFAULT").format(parts.name(column)) for column in mapping.default_on_update]
    update = _UPDATE.format(assignments=sql.SQL(", ").join(assignments))
    return update + _WHERE.format(differs=differs) if differs is not None else update


def _keep(key: Sequence[str]) -> sql.Composed:
    """Compose an update that changes nothing, for rows of nothing but their key."""
    return _UPDATE.format(assignments=sql.SQL("{} = {}").format(parts.name(key[0]), parts.name(key[0], "present")))
