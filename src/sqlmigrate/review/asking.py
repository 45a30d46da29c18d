"""Ask the target how many rows the statements of a script would work on, without running anything of the script.

Planning calls functions, with the rights of whoever plans. So only what `equivalent` makes is planned: it names nothing
but PostgreSQL's own functions, operators and types, found under our own search_path, and tables whose indexes,
constraints, keys and types need none but PostgreSQL's own either. It happens in one transaction that reads only and is
rolled back, with short timeouts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import tuple_row

from sqlmigrate import connection as connections
from sqlmigrate import queries
from sqlmigrate.errors import Error
from sqlmigrate.review.work import Asked, ColumnFigures
from sqlmigrate.sql.statement.equivalent import equivalent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlmigrate.connection import Connection
    from sqlmigrate.review import model
    from sqlmigrate.review.trace.tracer import Trace, Traced
    from sqlmigrate.sql.statement.names import Named

    Columns = Mapping[str, Mapping[str, ColumnFigures]]

_LOCK_TIMEOUT, _STATEMENT_TIMEOUT = 200, 2_000  # milliseconds
_PLANNED_MAX = 50  # statements of one script
_PLANNED = frozenset({"UPDATE", "DELETE", "INSERT", "MERGE", "SELECT", "CREATE TABLE AS", "CREATE MATERIALIZED VIEW"})


@dataclass(frozen=True, slots=True)
class Source:
    """Who can answer: the figures that are there already, and with `conninfo` the target itself.

    `columns` are those of a file. `role` is whom to be there, by SET ROLE, None for the login.
    """

    figures: model.Target | None = None
    columns: Columns = field(default_factory=dict)
    conninfo: str | None = None

    def ask(self, trace: Trace) -> Asked:
        """Return what is known of the tables and statements of a script; what the target refuses is not known."""
        sizes = {table.name: table for table in self.figures.tables} if self.figures else None
        if self.conninfo is None:
            return Asked(columns=self.columns, sizes=sizes)
        names = sorted({lock.name for one in trace.statements for lock in one.locks})
        if not names:
            return Asked(sizes=sizes)
        try:
            with connections.session(self.conninfo) as connection:
                rows, columns = _asked(connection, trace, names)
        except (psycopg.Error, Error):
            return Asked(sizes=sizes)
        return Asked(rows, columns, sizes)


def _asked(connection: Connection, trace: Trace, names: list[str]) -> tuple[dict[int, int], Columns]:
    with connection.transaction(force_rollback=True):
        connection.execute("SET TRANSACTION READ ONLY")
        connections.limit(connection, lock_timeout=_LOCK_TIMEOUT, statement_timeout=_STATEMENT_TIMEOUT)
        columns = read_columns(connection, names)
        cursor = connection.cursor(row_factory=tuple_row)
        plain = {row[0] for row in cursor.execute(queries.load("review")["plannable"], {"names": names})}
        selects = list(_selects(trace, plain))[:_PLANNED_MAX]
        found = {number: _planned(connection, select) for number, select in selects}
        return {number: rows for number, rows in found.items() if rows is not None}, columns


def _selects(trace: Trace, plain: set[str]) -> Iterable[tuple[int, str]]:
    """Yield what to plan: the SELECTs that are as good as statements of the script, by their numbers."""
    for one in trace.statements:
        if one.command in _PLANNED and (select := equivalent(one.statement.text, lambda named, one=one: _full(one, named, plain))):
            yield one.statement.number, select


def _full(one: Traced, named: Named, plain: set[str]) -> str | None:
    """Return the full name of a relation that a statement locks, if its planning runs no code of others."""
    locked = {lock.name for lock in one.locks}
    found = [name for name in locked if name == named.quoted or (not named.schema and name.endswith(f".{named.quoted}"))]
    return found[0] if len(found) == 1 and found[0] in plain else None


def _planned(connection: Connection, select: str) -> int | None:
    """Return how many rows PostgreSQL expects of a SELECT, None where it refuses to plan it, or takes too long."""
    try:
        with connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(f"EXPLAIN (FORMAT JSON) {select}".encode()).fetchone()
    except psycopg.Error:
        return None
    return _rows(row[0]) if row else None


def _rows(plan: Any) -> int:
    return int(plan[0]["Plan"]["Plan Rows"])


def read_columns(connection: Connection, names: list[str] | None = None) -> Columns:
    """Read what ANALYZE has found of the columns of tables, or of all tables; raises psycopg's errors."""
    found: dict[str, dict[str, ColumnFigures]] = {}
    with connection.cursor(row_factory=tuple_row) as cursor:
        for table, column, nulls, distinct in cursor.execute(queries.load("review")["columns"], {"names": names}):
            found.setdefault(table, {})[column] = ColumnFigures(nulls, distinct)
    return found
