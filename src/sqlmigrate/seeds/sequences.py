"""Move sequences behind the numbers that the files give, so that the next row of an application gets a free one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.rows import tuple_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from sqlmigrate.seeds.model import SeedFile
    from sqlmigrate.seeds.tables import Table

# The sequence of an identity or serial column that counts upwards.
_SEQUENCE = """
SELECT
    s.seqrelid::pg_catalog.regclass::pg_catalog.text,
    s.seqmax,
    pg_catalog.has_sequence_privilege(s.seqrelid, 'UPDATE'),
    CASE
        WHEN pg_catalog.has_sequence_privilege(s.seqrelid, 'USAGE, SELECT')
        THEN coalesce(
            pg_catalog.pg_sequence_last_value(s.seqrelid::pg_catalog.regclass), s.seqstart - 1::pg_catalog.int8
        )
    END,
    s.seqrelid::pg_catalog.int8
FROM pg_catalog.pg_depend AS d
JOIN pg_catalog.pg_sequence AS s ON s.seqrelid = d.objid
WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
AND d.deptype IN ('a'::pg_catalog."char", 'i'::pg_catalog."char") AND s.seqincrement > 0::pg_catalog.int8
AND d.refobjid = %s::pg_catalog.oid AND d.refobjsubid = %s::pg_catalog.int4
"""
# Asked once more, since another session may have drawn a number. A rollback does not undo setval: it leaves a gap.
_MOVE = """
SELECT pg_catalog.setval(%(sequence)s::pg_catalog.oid::pg_catalog.regclass, %(value)s::pg_catalog.int8)
WHERE coalesce(
    pg_catalog.pg_sequence_last_value(%(sequence)s::pg_catalog.oid::pg_catalog.regclass) < %(value)s::pg_catalog.int8,
    true
)
"""


def move_behind(conn: psycopg.Connection[Any], file: SeedFile, table: Table) -> Iterator[str]:
    """Move the sequences of the columns that a file numbers itself; gives a warning where that is not allowed."""
    for column in table.columns & _filled(file):
        highest = _highest(file, column)
        if highest is None:
            continue
        with conn.cursor(row_factory=tuple_row) as cursor:
            found = cursor.execute(_SEQUENCE, [table.oid, table.numbers[column]], prepare=False).fetchone()
            if found is None or highest > found[1] or (found[3] is not None and found[3] >= highest):
                continue
            sequence, _, may_move, last, oid = found
            if may_move and last is not None:
                cursor.execute(_MOVE, {"sequence": oid, "value": highest}, prepare=False)
                continue
        yield (
            f"the sequence {sequence} of {file.mapping.table}.{column} may give numbers that {file.path.name} uses; "
            f"the role may not move it: run SELECT setval('{sequence}', {highest}) as its owner"
        )


def _filled(file: SeedFile) -> set[str]:
    keys = {key for shape in file.shapes() for key in shape}
    return {column.name for key in keys for column in file.mapping.columns_of(key) if column.reference is None}


def _highest(file: SeedFile, column: str) -> int | None:
    """Return the highest number that the rows give a column, None where they give none."""
    source = file.mapping.source_of(column)
    values: list[Any] = [row.values.get(source) for row in file.rows]
    numbers = [int(value) for value in values if _is_number(value)]
    return max(numbers, default=None)


def _is_number(value: Any) -> bool:
    """Tell whether a value is a whole number, or a text that PostgreSQL reads as one."""
    if isinstance(value, str):
        return value.isascii() and value.isdigit() and len(value) < 20  # noqa: PLR2004  digits of a bigint, and one
    return isinstance(value, int) and not isinstance(value, bool)
