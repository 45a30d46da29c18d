"""Look at a statement that runs in batches, on the throwaway database and before it runs: plans, HOT, WAL, what fires.

Where the table has no rows, some are made up, without its checks and foreign keys; all of it is taken back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from sqlmigrate import queries
from sqlmigrate.connection import relations
from sqlmigrate.engine.backfill.aside import aside, ours
from sqlmigrate.review.measured import Batching
from sqlmigrate.sql.statement.batching import assigned, wanted_values
from sqlmigrate.sql.statement.names import name_of
from sqlmigrate.sql.statement.parse import node_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlmigrate.connection import Connection
    from sqlmigrate.engine.backfill.key import Bounds
    from sqlmigrate.engine.backfill.prepared import Prepared
    from sqlmigrate.sql.batches import Batched

_ROWS, _PAGE = 1_000, 8_192
_NAMED = "SELECT %s::pg_catalog.oid::pg_catalog.regclass::pg_catalog.text"
_BITS = {"insert_stmt": 4, "delete_stmt": 8, "update_stmt": 16}
"""What pg_trigger.tgtype has for these commands."""
_MADE_UP = {
    "N": "g",
    "B": "g % 2 = 0",
    "S": "g::pg_catalog.text || ' of a thousand rows'",
    "D": "'2026-01-01 00:00'::pg_catalog.timestamp + g * '1 minute'::pg_catalog.interval",
    "T": "g * '1 minute'::pg_catalog.interval",
    "E": "(pg_catalog.enum_range(NULL::{type}))[1]",
    "A": "'{{}}'",
    "I": "'10.0.0.0'::pg_catalog.inet + g",
}
_BY_NAME = {
    "uuid": "pg_catalog.md5(g::pg_catalog.text)",
    "json": "pg_catalog.json_build_object('n', g)",
    "jsonb": "pg_catalog.jsonb_build_object('n', g)",
    "bytea": "pg_catalog.decode(pg_catalog.md5(g::pg_catalog.text), 'hex')",
}
"""Values of types by their category in pg_type, or by their name: those of row `g` of a thousand."""


def look_at_batches(prepared: Prepared, batched: Batched) -> Batching:
    """Return what can be seen of a statement in batches; what cannot be measured is left out."""
    connection, key = prepared.sender.connection, prepared.key
    text = prepared.statement.text
    kind, node = node_of(text)
    with aside(connection):
        (changed,) = relations(connection, name_of(node.relation).quoted)
    values = {
        "table": changed,
        "tables": list(key.oids),
        "bit": _BITS.get(kind, 0),
        "names": sorted(assigned(text)),
    }
    with ours(connection):
        ((table,),) = connection.execute(_NAMED, [key.oid]).fetchall()
        fires = _fires(connection, values)
    found = Batching(
        table, batched.key, (), _plan(prepared), batched.time, *batched.rows,
        triggers=fires["triggers"], foreign_keys=fires["foreign_keys"], indexes=fires["indexes"],
    )  # fmt: skip
    measured = _measured(prepared, values, made_up=False) or _measured(prepared, values, made_up=True)
    return replace(found, **({"boundary": _boundary(prepared, None)} | measured))


def _plan(prepared: Prepared) -> tuple[str, ...]:
    with aside(prepared.sender.connection):
        rows = prepared.sender.connection.execute(prepared.explained("COSTS OFF")).fetchall()
    return tuple(row[0] for row in rows)


def _boundary(prepared: Prepared, bounds: Bounds | None) -> tuple[str, ...]:
    connection = prepared.sender.connection
    query = prepared.key.boundary(bounds.first if bounds else None, _ROWS)
    with ours(connection):
        rows = connection.execute(sql.SQL("EXPLAIN (COSTS OFF) {}").format(query)).fetchall()
    return tuple(row[0] for row in rows)


def _fires(connection: Connection, values: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    triggers = _ask(connection, "batched_triggers", values)
    keys = _ask(connection, "batched_keys", values)
    indexes = _ask(connection, "batched_indexes", values) if values["bit"] == _BITS["update_stmt"] else []
    return {
        "triggers": tuple(
            f"{row['name']} ({row['when']}, for each {'row' if row['for_each_row'] else 'statement'})"
            for row in triggers
        ),
        "foreign_keys": tuple(map(_key_in_words, keys)),
        "indexes": tuple(next(iter(row.values())) for row in indexes),
    }


def _key_in_words(row: Mapping[str, Any]) -> str:
    if row["own"]:
        return f"{row['name']} (looks into {row['other']})"
    slow = "" if row["indexed"] else ", which has no index for it and is read whole for each row"
    return f"{row['name']} (looks into {row['table']}{slow})"


def _measured(prepared: Prepared, values: Mapping[str, Any], *, made_up: bool) -> dict[str, Any]:
    """Run one batch of a thousand rows, and take it back; nothing where there are no rows, or PostgreSQL refuses it."""
    connection, key = prepared.sender.connection, prepared.key
    try:
        with aside(connection):
            if made_up:
                wanted = dict.fromkeys(values["names"], "NULL") | wanted_values(prepared.statement.text)
                _make_up(connection, key.oid, key.table, wanted)
            bounds = key.next_bounds(connection, None, _ROWS)
            if bounds is None:
                return {}
            boundary = _boundary(prepared, bounds)
            before = _counts(connection, values)
            options = "ANALYZE, WAL, BUFFERS OFF, TIMING OFF, SUMMARY OFF, FORMAT JSON"
            ((plan,),) = connection.execute(prepared.explained(options, bounds)).fetchall()
            after = _counts(connection, values)
    except psycopg.Error:
        if connection.closed:
            raise
        return {}
    changed, hot = after[0] - before[0], after[1] - before[1]
    is_update = values["bit"] == _BITS["update_stmt"]
    wal = int(plan[0]["Plan"].get("WAL Bytes", 0)) - int(plan[0]["Plan"].get("WAL FPI", 0)) * _PAGE
    return {
        "boundary": boundary,
        "rows": bounds.rows,
        "made_up": made_up,
        "changed": changed,
        "hot": round(hot / changed, 3) if changed and is_update else None,
        "wal": wal * _ROWS // changed if changed and wal > 0 else None,
    }


def _make_up(connection: Connection, oid: int, table: sql.Composable, wanted: Mapping[str, str]) -> None:
    """Fill a table with a thousand rows that have the values that the statement wants, where they may have them."""
    with ours(connection):
        columns = _ask(connection, "batched_columns", {"table": oid})
        checks = [next(iter(row.values())) for row in _ask(connection, "batched_checks", {"table": oid})]
    drops = [sql.SQL("DROP CONSTRAINT {}").format(sql.Identifier(name)) for name in checks]
    actions = [sql.SQL("DISABLE TRIGGER USER"), *drops]
    connection.execute(sql.SQL("ALTER TABLE {} {}").format(table, sql.SQL(", ").join(actions)))
    names = sql.SQL(", ").join(sql.Identifier(column["name"]) for column in columns)
    made = sql.SQL(", ").join(sql.SQL(_made(column, wanted)) for column in columns)
    connection.execute(
        sql.SQL(
            "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM pg_catalog.generate_series(1, {}) AS g"
        ).format(table, names, made, sql.Literal(_ROWS))
    )
    connection.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(table))


def _made(column: Mapping[str, Any], wanted: Mapping[str, str]) -> str:
    value = wanted.get(column["name"])
    if value is not None and not (value == "NULL" and column["not_null"]):
        return f"CAST({value} AS {column['type']})"
    value = _BY_NAME.get(column["type_name"]) or _MADE_UP.get(column["category"], "NULL")
    return f"CAST({value.format(type=column['type'])} AS {column['type']})"


def _counts(connection: Connection, values: Mapping[str, Any]) -> tuple[int, int]:
    with ours(connection):
        (row,) = _ask(connection, "batched_counts", {"tables": sorted({*values["tables"], values["table"] or 0})})
    return int(row["changed"]), int(row["hot"])


def _ask(connection: Connection, name: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(queries.load("review")[name], values).fetchall()
