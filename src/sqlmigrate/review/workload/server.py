"""Read what the target's pg_stat_statements knows of the application; nothing is written there.

https://www.postgresql.org/docs/current/pgstatstatements.html, from version 1.8 of the extension (PostgreSQL 13) on.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from sqlmigrate import connection as connections
from sqlmigrate import queries
from sqlmigrate.errors import Error
from sqlmigrate.review.workload.queries import LONGEST, LeftOut, Query, Use, Workload, busiest, is_asked
from sqlmigrate.sql.statement.names import relations_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from psycopg import Cursor

    from sqlmigrate.connection import Connection

LEAST = (1, 8)
_UNREADABLE = "<insufficient privilege>"  # what PostgreSQL says in the place of a text
_LOCK_TIMEOUT, _STATEMENT_TIMEOUT = 500, 30_000  # milliseconds
_MONITORING = "monitoring and tools (they read PostgreSQL's own catalogs alone)"
_CATALOGS = frozenset({"pg_catalog", "information_schema"})
_MAY_WATCH = re.compile(r"pg_|information_schema", re.IGNORECASE)


def read_workload(connection: Connection, *, name: str, history_schema: str, hidden: Collection[str] = ()) -> Workload:
    """Read the statements of a database; `name` is its description, `hidden` are patterns of what does not leave it.

    Left out are utility statements, those of monitoring (they read PostgreSQL's own catalogs alone) and our own. Raises
    Error where there is no pg_stat_statements that could be read, and psycopg's errors.
    """
    with connection.transaction(force_rollback=True), connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connections.limit(connection, lock_timeout=_LOCK_TIMEOUT, statement_timeout=_STATEMENT_TIMEOUT)
        extension = _extension(cursor)
        info, rows = _read(cursor, extension)
    unread = sum(row["statements"] for row in rows if row["query"] is None or row["query"] == _UNREADABLE)
    kept, left = _sorted_out(_gathered(rows), history_schema, [re.compile(pattern) for pattern in hidden])
    found, rest = busiest(kept)
    since = info["since"]
    return Workload(
        source=f"pg_stat_statements of {name}",
        queries=found,
        left_out=(*left, *rest),
        read_at=info["read_at"].isoformat(timespec="seconds"),
        since=since.isoformat(timespec="seconds") if since else None,
        seconds=max((info["read_at"] - since).total_seconds(), 1.0) if since else None,
        track=extension["track"],
        evicted=info["evicted"],
        unread=unread,
    )


def _extension(cursor: Cursor[dict[str, Any]]) -> dict[str, Any]:
    found = cursor.execute(queries.load("workload")["extension"]).fetchone()
    if found is None:
        hint = "CREATE EXTENSION pg_stat_statements there, or name files of the application's queries: --workload-file"
        raise Error("the target has no pg_stat_statements in this database, so its statements are not known", hint=hint)
    version = tuple(int(part) for part in re.findall(r"\d+", found["version"])[:2])
    if version < LEAST:
        hint = "ALTER EXTENSION pg_stat_statements UPDATE"
        raise Error(f"the target's pg_stat_statements is of version {found['version']}; 1.8 is needed", hint=hint)
    if found["track"] is None:
        hint = "add it to shared_preload_libraries, and restart the server"
        raise Error("the target's server does not load pg_stat_statements, so nothing is counted there", hint=hint)
    return found | {"has_info": version > LEAST}


def _read(cursor: Cursor[dict[str, Any]], extension: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    asked = queries.load("workload")
    schema = sql.Identifier(extension["schema"])
    info = sql.SQL("{}.pg_stat_statements_info()").format(schema)
    asks_when = sql.SQL(asked["info" if extension["has_info"] else "now"]).format(function=info)
    function = sql.SQL("{}.pg_stat_statements(true)").format(schema)
    try:
        found = cursor.execute(asks_when).fetchone() or {}
        return found, cursor.execute(sql.SQL(asked["statements"]).format(function=function), [LONGEST + 1]).fetchall()
    except psycopg.errors.InsufficientPrivilege as error:
        hint = f"GRANT USAGE ON SCHEMA {schema.as_string()}, and pg_read_all_stats for what other roles have sent"
        message = f"role {extension['role']} may not read pg_stat_statements: {error.diag.message_primary}"
        raise Error(message, hint=hint) from None


def _gathered(rows: Iterable[dict[str, Any]]) -> list[Query]:
    """Put the roles that have sent one text together."""
    uses: defaultdict[str, list[Use]] = defaultdict(list)
    for row in rows:
        if row["query"] is not None and row["query"] != _UNREADABLE:
            uses[row["query"]].append(Use(row["role"], row["calls"], row["total"]))
    return [Query(text, tuple(found), normalized=True) for text, found in uses.items()]


def _sorted_out(
    found: Iterable[Query], history_schema: str, hidden: Collection[re.Pattern[str]]
) -> tuple[list[Query], list[LeftOut]]:
    kept: list[Query] = []
    left: defaultdict[str, list[Query]] = defaultdict(list)
    for query in found:
        why = _why_not(query.text, history_schema, hidden)
        (left[why] if why else kept).append(query)
    return kept, [LeftOut(why, len(items), sum(item.calls for item in items)) for why, items in left.items()]


def _why_not(text: str, history_schema: str, hidden: Collection[re.Pattern[str]]) -> str | None:
    """Say why a statement is none of the application's, or must not leave the server."""
    if len(text) > LONGEST or not is_asked(text):
        return None  # whoever takes the busiest leaves it out
    if any(pattern.search(text) for pattern in hidden):
        return "hidden by workload_hide"
    if "pg_stat_statements" in text:
        return _MONITORING
    if not (_MAY_WATCH.search(text) or history_schema in text):
        return None
    read = relations_in(text)
    if all(item.schema == history_schema for item in read) and (read or "pg_catalog." in text):
        return "statements of sqlmigrate"
    if read and all(item.schema in _CATALOGS or (not item.schema and item.name.startswith("pg_")) for item in read):
        return _MONITORING
    return None
