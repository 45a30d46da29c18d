"""Move sequences behind the numbers that the files give, so that the next row of an application gets a free one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.rows import tuple_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from sqlmigrate.seeds.model import SeedFile
    from sqlmigrate.seeds.tables import Table
    from sqlmigrate.seeds.writing.staging import Staged

# The sequences of identity and serial columns that count upwards.
_SEQUENCES = """
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
    s.seqrelid::pg_catalog.int8,
    d.refobjsubid
FROM pg_catalog.pg_depend AS d
JOIN pg_catalog.pg_sequence AS s ON s.seqrelid = d.objid
WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
AND d.deptype IN ('a'::pg_catalog."char", 'i'::pg_catalog."char") AND s.seqincrement > 0::pg_catalog.int8
AND d.refobjid = %s::pg_catalog.oid AND d.refobjsubid = ANY (%s::pg_catalog.int4[])
ORDER BY d.refobjsubid, s.seqrelid
"""
# Asked once more, since another session may have drawn a number. A rollback does not undo setval: it leaves a gap.
_MOVE = """
SELECT pg_catalog.setval(%(sequence)s::pg_catalog.oid::pg_catalog.regclass, %(value)s::pg_catalog.int8)
WHERE coalesce(
    pg_catalog.pg_sequence_last_value(%(sequence)s::pg_catalog.oid::pg_catalog.regclass) < %(value)s::pg_catalog.int8,
    true
)
"""


@dataclass(frozen=True, slots=True)
class Moved:
    """What is to be said of a sequence; a warning where it could not be moved."""

    text: str
    warning: bool = False


def move_behind(
    conn: psycopg.Connection[Any], file: SeedFile, table: Table, staged: Staged | None = None
) -> Iterator[Moved]:
    """Move the sequences of the columns that a file numbers itself; gives a warning where that is not allowed."""
    filled = {table.numbers[column]: column for column in table.columns & _filled(file)}
    with conn.cursor(row_factory=tuple_row) as cursor:
        owned = cursor.execute(_SEQUENCES, [table.oid, list(filled)], prepare=False).fetchall()
        for sequence, most, may_move, last, oid, number in owned:
            column = filled[number]
            highest = staged.highest(column) if staged and column in table.whole else _highest(file, column)
            if highest is None or highest > most or (last is not None and last >= highest):
                continue
            if may_move and last is not None:
                cursor.execute(_MOVE, {"sequence": oid, "value": highest}, prepare=False)
                text = f"the sequence {sequence} of {file.mapping.table}.{column} was moved to {highest}"
                yield Moved(f"{text}, the highest number of {file.path.name}")
                continue
            move = sql.SQL("SELECT pg_catalog.setval({}, {})")
            setval = move.format(sql.Literal(sequence), sql.SQL(str(highest))).as_string(conn)
            text = (
                f"the sequence {sequence} of {file.mapping.table}.{filled[number]} may give numbers that "
                f"{file.path.name} uses; the role may not move it: run {setval} as its owner"
            )
            yield Moved(text, warning=True)


def _filled(file: SeedFile) -> set[str]:
    keys = {key for shape in file.shapes() for key in shape}
    return {column.name for key in keys for column in file.mapping.columns_of(key) if column.reference is None}


def _highest(file: SeedFile, column: str) -> int | None:
    """Return the highest number that the rows give a column, None where they give none."""
    source = file.mapping.source_of(column)
    values: Iterator[Any] = (row.values.get(source) for row in file.rows)
    numbers = (int(value) for value in values if _is_number(value))
    return max(numbers, default=None)


def _is_number(value: Any) -> bool:
    """Tell whether a value is a whole number, or a text that PostgreSQL reads as one."""
    if isinstance(value, str):
        return value.isascii() and value.isdigit() and len(value) < 20  # noqa: PLR2004  digits of a bigint, and one
    return isinstance(value, int) and not isinstance(value, bool)
