"""Ask the target how many rows the statements of a script would work on, without running anything of the script.

Planning calls functions, with the rights of whoever plans. So only what `equivalent` makes is planned: it names nothing
but PostgreSQL's own functions, operators and types, found under our own search_path, and tables whose indexes,
constraints, keys and types need none but PostgreSQL's own either. It happens in one transaction that reads only and is
rolled back, with short timeouts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import tuple_row

from sqlmigrate import connection as connections
from sqlmigrate import queries
from sqlmigrate.errors import Error
from sqlmigrate.review.columns import read_columns
from sqlmigrate.review.hazards.failing import checks
from sqlmigrate.review.hazards.records import listed, ranges
from sqlmigrate.review.model import NotChecked
from sqlmigrate.review.work import Asked, is_called
from sqlmigrate.sql.statement.equivalent import equivalent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlmigrate.connection import Connection
    from sqlmigrate.review.columns import Columns
    from sqlmigrate.review.hazards import Context
    from sqlmigrate.review.known import Known
    from sqlmigrate.review.trace.tracer import Trace, Traced
    from sqlmigrate.sql.statement.names import Named

_LOCK_TIMEOUT, _STATEMENT_TIMEOUT = 200, 2_000  # milliseconds
_PLANNED_MAX = 50  # statements of one script
_PLANNED = frozenset({"UPDATE", "DELETE", "INSERT", "MERGE", "SELECT", "CREATE TABLE AS", "CREATE MATERIALIZED VIEW"})


@dataclass(frozen=True, slots=True)
class Source:
    """Who can answer: a file, whose figures of `columns` these are, or with `conninfo` the target itself."""

    columns: Columns = field(default_factory=dict)
    conninfo: str | None = field(default=None, repr=False)

    def ask(self, trace: Trace, known: Known) -> Asked:
        """Return what is known of the tables and statements of a script; what the target refuses is not known."""
        names = sorted({lock.name for one in trace.statements for lock in one.locks})
        if self.conninfo is None or not names:
            return Asked(columns=self.columns, known=known)
        try:
            with connections.session(self.conninfo) as connection:
                rows, columns = _asked(connection, trace, names)
        except (psycopg.Error, Error):
            return Asked(known=known)
        return Asked(rows, columns or self.columns, known)


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
        select = equivalent(one.statement.text, partial(_full, one, plain)) if one.command in _PLANNED else None
        if select is not None:
            yield one.statement.number, select


def _full(one: Traced, plain: set[str], named: Named) -> str | None:
    """Return the full name of a relation that a statement locks, if its planning runs no code of others."""
    found = {lock.name for lock in one.locks if is_called(lock.name, named)}
    return found.pop() if len(found) == 1 and found <= plain else None


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


def not_known(context: Context, source: Source) -> Iterator[NotChecked]:
    """Yield what nobody could say of the rows that a script works on."""
    script = context.trace.script_run.script.path.name
    limits = context.asked.known.limits
    numbers = [
        number
        for number, work in context.work.items()
        if not work.only_reads and (work.rows is None or (work.by_size and not work.is_small(limits)))
    ]
    if numbers:
        of_target = (
            "it calls functions that are not PostgreSQL's own, or what it needs is not there yet: look at its rows"
        )
        elsewhere = "name the target, whose planner is asked then (EXPLAIN); figures in a file say at most how many"
        words = f"how many rows {ranges(numbers)} of {script} {'work' if len(numbers) > 1 else 'works'} on"
        yield NotChecked(words, of_target if source.conninfo else elsewhere)
    unproven = [check for check in checks(context) if not check.known]
    if unproven:
        words = listed(f"{check.what} ({', '.join(check.columns)}) of {check.table.name}" for check in unproven)
        why = "nothing is known of their values; ANALYZE the table, and name the target or a file of `sqlmigrate stats`"
        yield NotChecked(f"whether the rows that are there pass {words} ({script})", why)
