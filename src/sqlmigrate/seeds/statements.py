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

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlmigrate.seeds.model import Reference, TableMapping, TableName
    from sqlmigrate.seeds.tables import Equality, Table

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
SELECT given.position
FROM pg_catalog.json_array_elements(%s::pg_catalog.json) WITH ORDINALITY AS given (value, position)
CROSS JOIN LATERAL pg_catalog.json_populate_record(NULL::{table}, given.value) AS seed
WHERE EXISTS (SELECT FROM {table} AS present WHERE {present_is_seed} AND {seed_differs})
ORDER BY given.position
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
        sql.SQL("target.{} AS {}").format(_name(column), sql.Identifier(f"c{number}"))
        for number, column in enumerate(stage.columns)
    )
    return _STAGE.format(
        stage=_stage(stage),
        columns=sql.SQL(", ").join(columns),
        table=sql.SQL("{} AS target").format(_table(mapping.table)),
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


def same_staged(mapping: TableMapping, stages: Sequence[Stage], limit: int) -> sql.Composed:
    """Compose the search for rows in stages that are the same by the conflict target; it gives their positions."""
    position = _free_name(mapping.conflict)
    return _SAME_STAGED.format(
        position=_name(position, "seed"),
        rows=sql.SQL(" UNION ALL ").join(_staged(stage, mapping.conflict, position) for stage in stages),
        key=_names(mapping.conflict, "seed"),
        limit=sql.Literal(limit),
    )


def _staged(stage: Stage, columns: Sequence[str], position: str) -> sql.Composed:
    """Compose a query of these columns of a stage, and of the positions."""
    named = (
        sql.SQL("staged.{} AS {}").format(sql.Identifier(f"c{stage.columns.index(column)}"), _name(column))
        for column in columns
    )
    return sql.SQL("SELECT staged.p AS {}, {} FROM {} AS staged").format(
        _name(position), sql.SQL(", ").join(named), _stage(stage)
    )


def _stage(stage: Stage) -> sql.Identifier:
    return sql.Identifier("pg_temp", stage.name)


def upsert(mapping: TableMapping, table: Table, columns: Sequence[str], stage: Stage | None = None) -> sql.Composed:
    """Compose the upsert of rows that have these columns: of those in a stage, or of a JSON array.

    It gives the counts of inserted and of updated rows, and the positions (from 1) of those that differed from the
    table, or were not there, and of whose keys none was written.
    """
    others = [column for column in columns if column not in mapping.conflict]
    position = _free_name(columns)
    given = _GIVEN.format(
        position=_name(position), columns_of_seed=_names(columns, "seed"), table=_table(mapping.table)
    )
    return _UPSERT.format(
        source=given if stage is None else sql.SQL("({})").format(_staged(stage, columns, position)),
        position=_name(position),
        present_is_seed=_same(mapping.conflict, table, "present", "seed"),
        wanted_is_written=_same(mapping.conflict, table, "wanted", "written"),
        seed_differs=_differs(others, table, "seed"),
        action=_action(mapping, others, _differs(others, table, "excluded")),
        present_first=_name(mapping.conflict[0], "present"),
        **_writing(mapping, table, columns),
    )


def taken(mapping: TableMapping) -> sql.Composed:
    """Compose the reading of a JSON object as a row of the table, without the row."""
    return sql.SQL("SELECT 1 FROM pg_catalog.json_populate_record(NULL::{}, %s::pg_catalog.json) AS seed").format(
        _table(mapping.table)
    )


def elsewhere(mapping: TableMapping, table: Table, columns: Sequence[str]) -> sql.Composed:
    """Compose the count of rows that a trigger gives a key which was in the table before; it writes them anew."""
    others = [column for column in columns if column not in mapping.conflict]
    action = _action(mapping, others) if others else _keep(mapping.conflict)
    return _ELSEWHERE.format(action=action, **_writing(mapping, table, columns))


def absent(mapping: TableMapping, table: Table, stage: Stage | None = None) -> sql.Composed:
    """Compose the search for keys (of a JSON array, or in a stage) that no row has, as far as the role sees.

    It gives their positions.
    """
    same = _same(mapping.conflict, table, "present", "seed")
    if stage is None:
        return _ABSENT.format(table=_table(mapping.table), present_is_seed=same)
    position = _free_name(mapping.conflict)
    return _ABSENT_STAGED.format(
        source=_staged(stage, mapping.conflict, position),
        position=_name(position, "seed"),
        table=_table(mapping.table),
        present_is_seed=same,
    )


def different(mapping: TableMapping, table: Table, columns: Sequence[str]) -> sql.Composed:
    """Compose the search for rows that are there, but differ in these columns; it gives their positions."""
    others = [column for column in columns if column not in mapping.conflict]
    return _DIFFERENT.format(
        table=_table(mapping.table),
        present_is_seed=_same(mapping.conflict, table, "present", "seed"),
        seed_differs=_differs(others, table, "seed"),
    )


def _writing(mapping: TableMapping, table: Table, columns: Sequence[str]) -> dict[str, sql.Composable]:
    """Compose the parts of an INSERT."""
    return {
        "table": _table(mapping.table),
        "columns": _names(columns),
        "overriding": sql.SQL("OVERRIDING SYSTEM VALUE" if table.always.intersection(columns) else ""),
        "key": _names(mapping.conflict),
        "present_key": _names(mapping.conflict, "present"),
        "present_is_written": _same(mapping.conflict, table, "present", "written"),
    }


def _free_name(columns: Sequence[str]) -> str:
    """Return a name that none of the columns has."""
    name = "position"
    while name in columns:
        name += "_"
    return name


def lookup(reference: Reference, table: Table) -> sql.Composed:
    """Compose the look-up of a JSON array of values; it gives each one's position (from 1) and what was found."""
    same = _same([reference.match], table, "found", "wanted")
    return _LOOKUP.format(table=_table(reference.table), same=same, select=_name(reference.select))


def same_rows(mapping: TableMapping) -> sql.Composed:
    """Compose the search for rows of a JSON array that are the same by the conflict target; it gives their positions.

    GROUP BY takes the type's own idea of equal, as a unique index does.
    """
    return _SAME.format(table=_table(mapping.table), key=_names(mapping.conflict, "seed"))


def _action(mapping: TableMapping, others: Sequence[str], differs: sql.Composable | None = None) -> sql.Composable:
    """Compose what happens to a row that is there already: all of them are updated, or those that differ."""
    if not others:
        return sql.SQL("DO NOTHING")
    assignments = [sql.SQL("{} = {}").format(_name(column), _name(column, "excluded")) for column in others]
    assignments += [sql.SQL("{} = DEFAULT").format(_name(column)) for column in mapping.default_on_update]
    update = _UPDATE.format(assignments=sql.SQL(", ").join(assignments))
    return update + _WHERE.format(differs=differs) if differs is not None else update


def _keep(key: Sequence[str]) -> sql.Composed:
    """Compose an update that changes nothing, for rows of nothing but their key."""
    return _UPDATE.format(assignments=sql.SQL("{} = {}").format(_name(key[0]), _name(key[0], "present")))


def _differs(columns: Sequence[str], table: Table, other: str) -> sql.Composable:
    """Compose the comparison of a row that is there with another, where NULL is a value like any other.

    The function compares each column by its type's own operator class. As an operator between rows, PostgreSQL would
    look one up by name for each pair of columns.
    """
    if not columns:
        return sql.SQL("false")

    def side(relation: str) -> sql.Composed:
        return sql.SQL(", ").join(_name(name, relation) + _cast(table.compared_as.get(name)) for name in columns)

    return sql.SQL("pg_catalog.record_ne(ROW({}), ROW({}))").format(side("present"), side(other))


def _same(columns: Iterable[str], table: Table, left: str, right: str) -> sql.Composed:
    return sql.SQL(" AND ").join(_equal(column, table.equality.get(column), left, right) for column in columns)


def _equal(column: str, equality: Equality | None, left: str, right: str) -> sql.Composed:
    """Compose that two are equal, by the operator that a unique index of the column's type asks."""
    operator = equality.operator if equality else ("pg_catalog", "=")
    cast = _cast(equality.type if equality else None)
    words = sql.SQL(" OPERATOR({}.{}) ").format(_name(operator[0]), sql.SQL(operator[1].replace("%", "%%")))
    return _name(column, left) + cast + words + _name(column, right) + cast


def _cast(type_: tuple[str, str] | None) -> sql.Composable:
    return sql.SQL("") if type_ is None else sql.SQL("::{}").format(_name(type_[1], type_[0]))


def _table(table: TableName) -> sql.Identifier:
    return _name(table.name, table.schema)


def _names(columns: Iterable[str], relation: str | None = None) -> sql.Composed:
    return sql.SQL(", ").join(_name(column, relation) for column in columns)


def _name(name: str, qualifier: str | None = None) -> sql.Identifier:
    """Quote a name; psycopg takes a percent sign in it for a placeholder unless it is doubled."""
    parts = [part.replace("%", "%%") for part in (qualifier, name) if part is not None]
    return sql.Identifier(*parts)
