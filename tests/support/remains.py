"""All that a run has left in a database, as a value: equal where a next run finds the same."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

_TABLES = """
SELECT class.oid::regclass::text,
       ARRAY(SELECT attname::text FROM pg_attribute
             WHERE attrelid = class.oid AND attnum > 0 AND NOT attisdropped
               AND (atttypid = ANY ('{uuid,timestamp,timestamptz,interval}'::regtype[]) OR attname LIKE '%%\\_ms')),
       ARRAY(SELECT attname::text FROM pg_attribute
             WHERE attrelid = class.oid AND attnum > 0 AND NOT attisdropped AND attidentity <> '')
FROM pg_class AS class
WHERE class.relkind = 'r' AND class.relnamespace = ANY (%s::regnamespace[])
ORDER BY 1
"""
_CATALOG = """
SELECT class.oid::regclass::text || ' ' || class.relkind::text || ' '
       || coalesce((SELECT concat_ws(',', index.indrelid::regclass, indisvalid, indisready, indislive, indisunique)
                    FROM pg_index AS index WHERE index.indexrelid = class.oid), '')
FROM pg_class AS class
WHERE class.relnamespace = ANY (%s::regnamespace[])
UNION ALL
SELECT contype::text || ' ' || conrelid::regclass || ' ' || pg_get_constraintdef(oid) || convalidated::text
FROM pg_constraint WHERE connamespace = ANY (%s::regnamespace[])
UNION ALL
SELECT 'prepared' FROM pg_prepared_xacts WHERE database = current_database()
ORDER BY 1
"""
_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_SCHEMAS = "SELECT oid::regnamespace::text FROM pg_namespace WHERE nspname IN ('public', %s) ORDER BY 1"


def remains(session: psycopg.Connection[Any], schema: str) -> tuple[Any, ...]:
    """Give every row of the tables in `public` and a schema, and what else is there, in an order of their own.

    Of times, durations and random ids only whether they are there, and of an identity only the order: they are others
    in each run.
    """
    names = [name for (name,) in session.execute(_SCHEMAS, [schema])]
    found = tuple(session.execute(_CATALOG, [names, names]).fetchall())
    parts = [_rows(*row) for row in session.execute(_TABLES, [names])]
    rows = session.execute(sql.SQL(" UNION ALL ").join(parts)).fetchall() if parts else []
    return found, tuple(sorted(rows))


def _rows(table: str, other: list[str], numbers: list[str]) -> sql.Composed:
    facts = [sql.SQL("(t.{} IS NULL)::int").format(sql.Identifier(name)) for name in other]
    facts += [sql.SQL("rank() OVER (ORDER BY t.{})").format(sql.Identifier(name)) for name in numbers]
    query = sql.SQL(
        "SELECT {}, regexp_replace((to_jsonb(t) - {}::text[])::text, {}, 'id', 'g'), ARRAY[{}]::bigint[]::text "
        "FROM {} AS t"
    )
    return query.format(table, [*other, *numbers], _UUID, sql.SQL(", ").join(facts), sql.SQL(table))
