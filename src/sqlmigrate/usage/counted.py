"""What a server's pg_stat_statements has counted; nothing is written there.

https://www.postgresql.org/docs/current/pgstatstatements.html, from version 1.8 of the extension (PostgreSQL 13) on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from sqlmigrate import queries
from sqlmigrate.errors import Error

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from psycopg import Cursor

    from sqlmigrate.connection import Connection

LEAST = (1, 8)
OURS = "/* sqlmigrate */"
"""What a statement of ours says that counts rows of others' tables."""
_COUNTS = re.compile(rf"\(SELECT \S+::pg_catalog\.int4 {re.escape(OURS)}, ARRAY\[pg_catalog\.count\(\*\)")
_LONGEST = 1 << 18  # characters of a statement; whoever sends one decides how long it is
_MOST = 1 << 25  # characters of all, those with the most calls first
_UNREADABLE = "<insufficient privilege>"  # what PostgreSQL says in the place of a text


@dataclass(frozen=True, slots=True)
class Row:
    """A statement as one role has sent it, with `calls` and `total` milliseconds in them, since the last reset."""

    text: str
    role: str | None
    calls: int
    total: float


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted: `since` is the last reset, or None where it is not known.

    - `track` is pg_stat_statements.track, `utility` whether CALL and COPY are counted, `collects` whether anything is.
    - `evicted` is how often the server has thrown statements out to make room, None where that is not known.
    - `unread` are the statements whose text the role may not read.
    - `cut` are those of which there is only the beginning, or nothing since all together are too long; `beyond` are
      the latter, and their calls.
    """

    rows: tuple[Row, ...]
    read_at: datetime
    since: datetime | None
    track: str
    utility: bool
    collects: bool
    evicted: int | None
    unread: int
    cut: int = 0
    beyond: tuple[int, int] = (0, 0)


def read_counted(connection: Connection, *, longest: int = _LONGEST) -> Counted:
    """Read what is counted of the session's database, in the transaction that is open.

    Of each text there are at most `longest` characters, and of all together some 30 million.

    Raises Error where there is no pg_stat_statements that could be read, and psycopg's errors.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        extension = _extension(cursor)
        info, rows = _read(cursor, extension, longest)
    beyond = [row for row in rows if row["beyond"]]
    within = [row for row in rows if not row["beyond"]]
    readable = [row for row in within if row["query"] is not None and row["query"] != _UNREADABLE]
    cut = [row for row in readable if len(row["query"]) > longest]
    return Counted(
        rows=tuple(
            Row(row["query"][:longest], row["role"], row["calls"], row["total"])
            for row in readable
            if not _COUNTS.match(row["query"])  # that is nobody's use
        ),
        read_at=info["read_at"],
        since=info["since"],
        track=extension["track"],
        utility=extension["utility"] == "on",
        collects=extension["track"] != "none" and extension["computes"] != "off",
        evicted=info["evicted"],
        unread=_total(within) - _total(readable),
        cut=_total(cut) + _total(beyond),
        beyond=(_total(beyond), sum(row["calls"] for row in beyond)),
    )


def _total(rows: Iterable[dict[str, Any]]) -> int:
    return sum(row["statements"] for row in rows)


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


def _read(
    cursor: Cursor[dict[str, Any]], extension: dict[str, Any], longest: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    asked = queries.load("workload")
    schema = sql.Identifier(extension["schema"])
    info = sql.SQL("{}.pg_stat_statements_info()").format(schema)
    asks_when = sql.SQL(asked["info" if extension["has_info"] else "now"]).format(function=info)
    function = sql.SQL("{}.pg_stat_statements(true)").format(schema)
    try:
        found = cursor.execute(asks_when).fetchone() or {}
        return found, cursor.execute(
            sql.SQL(asked["statements"]).format(function=function), [_MOST, _MOST, longest + 1]
        ).fetchall()
    except psycopg.errors.InsufficientPrivilege as error:
        hint = f"GRANT USAGE ON SCHEMA {schema.as_string()}, and pg_read_all_stats for what other roles have sent"
        message = f"role {extension['role']} may not read pg_stat_statements: {error.diag.message_primary}"
        raise Error(message, hint=hint) from None
