"""The foreign keys that lead to rows which are pruned, and what becomes of the rows that they come from."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from sqlmigrate.seeds import parts
from sqlmigrate.seeds.model import TableName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlmigrate.seeds.pruning.named import Condition, Named

_ACTIONS = {"a": "no action", "r": "restrict", "c": "cascade", "n": "set null", "d": "set default"}
# A foreign key is told of the table that it was made for; PostgreSQL makes another one for each partition on either
# side. One that was made for a partition alone is told, too.
_KEYS = """
WITH RECURSIVE reached (oid) AS (
    SELECT given.oid
    FROM pg_catalog.unnest(%s::pg_catalog.oid[]) AS given (oid)
    UNION
    SELECT k.conrelid
    FROM reached
    CROSS JOIN LATERAL (
        SELECT reached.oid AS part
        UNION
        SELECT tree.relid::pg_catalog.oid
        FROM pg_catalog.pg_partition_tree(reached.oid::pg_catalog.regclass) AS tree
    ) AS covered
    JOIN pg_catalog.pg_constraint AS k ON k.confrelid = covered.part
    WHERE k.contype = 'f'::pg_catalog."char" AND k.confdeltype = 'c'::pg_catalog."char"
)
SELECT
    reached.oid::pg_catalog.int8,
    k.conrelid::pg_catalog.int8,
    k.conname::pg_catalog.text,
    k.confdeltype::pg_catalog.text,
    ARRAY[ps.nspname::pg_catalog.text, p.relname::pg_catalog.text],
    p.relkind = 'p'::pg_catalog."char",
    ARRAY[cs.nspname::pg_catalog.text, c.relname::pg_catalog.text],
    c.relkind = 'p'::pg_catalog."char",
    pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE')
    AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
    AND NOT pg_catalog.row_security_active(c.oid)
    AND pg_catalog.has_schema_privilege(p.relnamespace, 'USAGE')
    AND pg_catalog.has_table_privilege(p.oid, 'SELECT'),
    pairs.pairs
FROM reached
CROSS JOIN LATERAL (
    SELECT reached.oid AS part
    UNION
    SELECT tree.relid::pg_catalog.oid
    FROM pg_catalog.pg_partition_tree(reached.oid::pg_catalog.regclass) AS tree
) AS covered
JOIN pg_catalog.pg_constraint AS k ON k.confrelid = covered.part AND k.contype = 'f'::pg_catalog."char"
JOIN pg_catalog.pg_class AS p ON p.oid = k.confrelid
JOIN pg_catalog.pg_namespace AS ps ON ps.oid = p.relnamespace
JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace AS cs ON cs.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT pg_catalog.json_agg(
        pg_catalog.json_build_array(
            pa.attname, ca.attname, opspace.nspname, operator.oprname, colspace.nspname, coll.collname
        )
        ORDER BY pair.position
    ) AS pairs
    FROM ROWS FROM (
        pg_catalog.unnest(k.confkey), pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.conpfeqop)
    ) WITH ORDINALITY AS pair (referred, referring, operator, position)
    JOIN pg_catalog.pg_attribute AS pa ON pa.attrelid = k.confrelid AND pa.attnum = pair.referred
    JOIN pg_catalog.pg_attribute AS ca ON ca.attrelid = k.conrelid AND ca.attnum = pair.referring
    JOIN pg_catalog.pg_operator AS operator ON operator.oid = pair.operator
    JOIN pg_catalog.pg_namespace AS opspace ON opspace.oid = operator.oprnamespace
    LEFT JOIN pg_catalog.pg_collation AS coll ON coll.oid = pa.attcollation
    LEFT JOIN pg_catalog.pg_namespace AS colspace ON colspace.oid = coll.collnamespace
) AS pairs
WHERE NOT EXISTS (
    SELECT
    FROM pg_catalog.pg_constraint AS made_for
    WHERE made_for.oid = k.conparentid
    AND (
        made_for.confrelid = reached.oid
        OR made_for.confrelid IN (
            SELECT tree.relid::pg_catalog.oid
            FROM pg_catalog.pg_partition_tree(reached.oid::pg_catalog.regclass) AS tree
        )
    )
)
ORDER BY cs.nspname, c.relname, k.conname
"""
# Rows by their place: those that pruning deletes, and those that go with them, each once whatever leads to it.
_UNNAMED = sql.SQL("unnamed (part, at) AS MATERIALIZED ({bases})")
_BASE = sql.SQL("SELECT present.tableoid, present.ctid FROM {table} AS present WHERE {conditions}")
_GONE = sql.SQL("""
gone (part, at) AS (
    SELECT unnamed.part, unnamed.at FROM unnamed
    UNION
    SELECT edge.part, edge.at
    FROM gone
    JOIN ({edges}) AS edge (from_part, from_at, part, at)
      ON edge.from_part OPERATOR(pg_catalog.=) gone.part AND edge.from_at OPERATOR(pg_catalog.=) gone.at
)""")
_SAME_GONE = sql.SQL("gone (part, at) AS (SELECT unnamed.part, unnamed.at FROM unnamed)")
_EDGE = sql.SQL("""
SELECT referred.tableoid, referred.ctid, referring.tableoid, referring.ctid
FROM {referred} AS referred
JOIN {referring} AS referring ON {same}
""")
_CLOSURE = sql.SQL("""
WITH RECURSIVE {unnamed}, {gone}
SELECT NULL::pg_catalog.int4, space.nspname::pg_catalog.text, relation.relname::pg_catalog.text, pg_catalog.count(*)
FROM gone
JOIN pg_catalog.pg_class AS relation
  ON relation.oid OPERATOR(pg_catalog.=)
     coalesce(pg_catalog.pg_partition_root(gone.part::pg_catalog.regclass)::pg_catalog.oid, gone.part)
JOIN pg_catalog.pg_namespace AS space ON space.oid OPERATOR(pg_catalog.=) relation.relnamespace
WHERE NOT EXISTS (
    SELECT FROM unnamed
    WHERE unnamed.part OPERATOR(pg_catalog.=) gone.part AND unnamed.at OPERATOR(pg_catalog.=) gone.at
)
GROUP BY 2, 3
{counts}
""")
_HELD = sql.SQL("""
WITH RECURSIVE {unnamed}, {gone}
SELECT pg_catalog.count(*)
FROM (
    SELECT FROM {table} AS present
    JOIN gone
      ON gone.part OPERATOR(pg_catalog.=) present.tableoid AND gone.at OPERATOR(pg_catalog.=) present.ctid
    FOR UPDATE OF present
) AS held
""")
_COUNT = sql.SQL("""
UNION ALL
SELECT {number}::pg_catalog.int4, NULL, NULL, pg_catalog.count(*)
FROM {referring} AS referring
WHERE EXISTS (
    SELECT
    FROM {referred} AS referred
    JOIN gone
      ON gone.part OPERATOR(pg_catalog.=) referred.tableoid AND gone.at OPERATOR(pg_catalog.=) referred.ctid
    WHERE {same}
)
AND NOT EXISTS (
    SELECT FROM {left_out} AS other
    WHERE other.part OPERATOR(pg_catalog.=) referring.tableoid AND other.at OPERATOR(pg_catalog.=) referring.ctid
)
""")
_FIRST = sql.SQL("""
WITH {unnamed}
SELECT ARRAY[{key}]::pg_catalog.text[], ARRAY[{counts}]::pg_catalog.int8[]
FROM {table} AS present
WHERE {conditions}
ORDER BY {order}
LIMIT %s::pg_catalog.int8
""")
_OF_ROW = sql.SQL("""(
    SELECT pg_catalog.count(*)
    FROM {referred} AS referred
    JOIN {referring} AS referring ON {same}
    WHERE referred.tableoid OPERATOR(pg_catalog.=) present.tableoid
    AND referred.ctid OPERATOR(pg_catalog.=) present.ctid
    AND NOT EXISTS (
        SELECT FROM unnamed
        WHERE unnamed.part OPERATOR(pg_catalog.=) referring.tableoid
        AND unnamed.at OPERATOR(pg_catalog.=) referring.ctid
    )
)""")


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key to a table of which rows go; `reached` and `oid` are the tables on both sides.

    `readable` says whether the role sees all rows on both sides.
    """

    reached: int
    oid: int
    name: str
    on_delete: str
    referred: tuple[TableName, bool]
    referring: tuple[TableName, bool]
    readable: bool
    pairs: tuple[tuple[str, str, str, str, str | None, str | None], ...]

    @property
    def table(self) -> TableName:
        """The table whose rows refer to the others."""
        return self.referring[0]

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns that do."""
        return tuple(pair[1] for pair in self.pairs)


def foreign_keys(conn: psycopg.Connection[Any], tables: Sequence[int]) -> list[ForeignKey]:
    """Read the foreign keys that lead to tables, and to those whose rows go with theirs (ON DELETE CASCADE)."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute(_KEYS, [list(tables)], prepare=False).fetchall()
    return [
        ForeignKey(
            reached=row[0],
            oid=row[1],
            name=row[2],
            on_delete=_ACTIONS[row[3]],
            referred=(TableName(*row[4]), row[5]),
            referring=(TableName(*row[6]), row[7]),
            readable=row[8],
            pairs=tuple(map(tuple, row[9])),
        )
        for row in rows
    ]


def counts(
    conn: psycopg.Connection[Any], bases: Sequence[tuple[Named, Condition]], keys: Sequence[ForeignKey]
) -> tuple[dict[TableName, int], dict[ForeignKey, int]]:
    """Count the rows that go with those that pruning deletes, by table, and the rows that refer to any, by key.

    Rows that pruning deletes itself are in neither. Of the keys, only those that can be read are there.
    """
    known = [key for key in keys if key.readable]
    query = _CLOSURE.format(
        unnamed=_unnamed(bases),
        gone=_gone(known),
        counts=sql.SQL("").join(_count(number, key) for number, key in enumerate(known)),
    )
    with conn.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute(query, _given(bases), prepare=False).fetchall()
    gone = {TableName(schema, name): count for number, schema, name, count in rows if number is None}
    return gone, {known[number]: count for number, _, _, count in rows if number is not None}


def hold(conn: psycopg.Connection[Any], bases: Sequence[tuple[Named, Condition]], keys: Sequence[ForeignKey]) -> int:
    """Lock the rows that go and may be referred to, until the transaction ends; gives how many they are.

    A row that refers to one of them can no longer be added by another session; what another session has added and not
    committed yet is waited for. Rows of tables in which the role may not UPDATE anything are left as they are
    (https://www.postgresql.org/docs/current/sql-select.html#SQL-FOR-UPDATE-SHARE).
    """
    known = [key for key in keys if key.readable]
    held = 0
    for referred in dict.fromkeys(key.referred for key in known):
        query = _HELD.format(unnamed=_unnamed(bases), gone=_gone(known), table=_relation(*referred))
        with (
            suppress(psycopg.errors.InsufficientPrivilege),
            conn.transaction(),
            conn.cursor(row_factory=tuple_row) as cursor,
        ):
            (count,) = cursor.execute(query, _given(bases), prepare=False).fetchone() or (0,)
            held += count
    return held


def first(
    conn: psycopg.Connection[Any],
    bases: Sequence[tuple[Named, Condition]],
    base: tuple[Named, Condition],
    keys: Sequence[ForeignKey],
    limit: int,
) -> list[tuple[dict[str, str | None], dict[ForeignKey, int]]]:
    """Return the keys of the first rows of a table that are deleted, each with how many rows refer to it."""
    named, condition = base
    known = [key for key in keys if key.readable and key.reached == named.table.oid]
    query = _FIRST.format(
        unnamed=_unnamed(bases),
        key=sql.SQL(", ").join(named.key()),
        counts=sql.SQL(", ").join(_OF_ROW.format(**_sides(key)) for key in known),
        table=parts.relation(named.mapping.table),
        conditions=condition.text,
        order=named.order(),
    )
    with conn.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute(query, [*_given(bases), *condition.given, limit], prepare=False).fetchall()
    return [
        (dict(zip(named.mapping.conflict, row, strict=True)), dict(zip(known, found, strict=True)))
        for row, found in rows
    ]


def _unnamed(bases: Sequence[tuple[Named, Condition]]) -> sql.Composed:
    texts = (
        _BASE.format(table=parts.relation(named.mapping.table), conditions=condition.text) for named, condition in bases
    )
    return _UNNAMED.format(bases=sql.SQL(" UNION ALL ").join(texts))


def _gone(known: Sequence[ForeignKey]) -> sql.Composable:
    edges = [_edge(key) for key in known if key.on_delete == "cascade"]
    return _GONE.format(edges=sql.SQL(" UNION ALL ").join(edges)) if edges else _SAME_GONE


def _given(bases: Sequence[tuple[Named, Condition]]) -> list[str]:
    return [text for _, condition in bases for text in condition.given]


def _edge(key: ForeignKey) -> sql.Composed:
    return _EDGE.format(**_sides(key))


def _count(number: int, key: ForeignKey) -> sql.Composed:
    left_out = sql.SQL("unnamed" if key.on_delete == "cascade" else "gone")
    return _COUNT.format(number=sql.Literal(number), left_out=left_out, **_sides(key))


def _sides(key: ForeignKey) -> dict[str, sql.Composable]:
    return {
        "referred": _relation(*key.referred),
        "referring": _relation(*key.referring),
        "same": sql.SQL(" AND ").join(_equal(*pair) for pair in key.pairs),
    }


def _relation(table: TableName, partitioned: bool) -> sql.Composed:  # noqa: FBT001  as it is kept
    """Compose a table without its children, which a foreign key says nothing of; partitions are no children."""
    return sql.SQL("{}{}").format(sql.SQL("" if partitioned else "ONLY "), parts.relation(table))


def _equal(referred: str, referring: str, space: str, operator: str, of: str | None, name: str | None) -> sql.Composed:
    """Compose that two values are equal, as the foreign key finds it: by its operator, and the referred collation."""
    collation = sql.SQL(" COLLATE {}").format(parts.name(name, of)) if name is not None else sql.SQL("")
    return sql.SQL("{}{} OPERATOR({}.{}) {}").format(
        parts.name(referred, "referred"),
        collation,
        parts.name(space),
        sql.SQL(operator.replace("%", "%%")),
        parts.name(referring, "referring"),
    )
