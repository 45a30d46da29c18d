"""Count what is lost, within a time limit and without waiting for a lock; where that ends, estimate and say why.

Only tables and materialized views are read, one at a time, by `count`: no view, no function, no policy and no
generated column of anybody's runs for it.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from sqlmigrate import connection as connections
from sqlmigrate.engine.losses.names import ask
from sqlmigrate.errors import Error, redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlmigrate.connection import Connection
    from sqlmigrate.engine.losses.finding import Found
    from sqlmigrate.plan.losses import Loss

COUNTING = 3.0
"""Seconds that a run spends on counting; what comes after is estimated. So long may an ALTER TABLE wait behind us."""
LOCK_TIMEOUT = 50
"""Milliseconds for which a count waits for a lock: whoever holds the table, or waits for it, comes first."""
_LOOKING = 30_000  # milliseconds, for the catalogs
_LEAST = 10  # milliseconds: 0 would be no limit


@dataclass(slots=True)
class _Table:
    """A table with what is known of it, and of its columns, without reading it."""

    row: dict[str, Any]
    columns: dict[str, dict[str, Any]]

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(self.row["key"])

    def unreadable(self, column: str) -> str:
        """Say why it cannot be counted; "" where it can."""
        if self.row["filtered"]:
            return "row security hides rows from this role"
        wanted = [self.columns[column]] if column in self.columns else list(self.columns.values())
        if not self.row["reachable"] or not all(item["readable"] for item in wanted):
            return "this role may not SELECT from it"
        return ""

    def estimate(self, column: str) -> tuple[int | None, int | None]:
        """Return about how many rows it has, and values in a column or in all."""
        if (rows := self.row["rows"]) < 0:
            return None, None
        wanted = [self.columns[column]] if column in self.columns else list(self.columns.values())
        if any(item["null_part"] is None and not item["filled"] for item in wanted):
            return round(rows), None
        return round(rows), round(sum(rows * (1 - (item["null_part"] or 0.0)) for item in wanted))


def count(connection: Connection, losses: Sequence[Found]) -> list[Loss]:
    """Return losses with how much each one is."""
    until = monotonic() + COUNTING
    return [_counted(connection, item, until) for item in losses]


@contextmanager
def reading(connection: Connection, role: str | None, statement_timeout: int) -> Iterator[None]:
    """Read as a role for a block, in a transaction of its own that writes nothing and waits for hardly anything."""
    with connection.transaction(force_rollback=True):
        connection.execute("SET TRANSACTION READ ONLY")
        connections.limit(connection, lock_timeout=LOCK_TIMEOUT, statement_timeout=statement_timeout)
        if role is not None:
            connections.set_role(connection, role)
        yield


def look(connection: Connection, role: str | None = None) -> Any:
    """Return a block in which the catalogs are read."""
    return reading(connection, role, _LOOKING)


def _counted(connection: Connection, item: Found, until: float) -> Loss:
    if item.loss.kind == "unknown":
        return item.loss
    if item.loss.kind == "sequence":
        return _stands(connection, item)
    try:
        with look(connection, item.role):
            tables = _tables(connection, [oid for oid, _ in item.parts])
    except (psycopg.Error, Error) as error:
        return replace(item.loss, why=reason(error))
    loss = replace(item.loss, rows=0, values=0, exact=True, key=next((table.key for table in tables.values()), ()))
    for oid, column in item.parts:
        if oid in tables:
            loss = _with_part(connection, loss, tables[oid], column, item.role, until)
    return loss


def _tables(connection: Connection, oids: list[int]) -> dict[int, _Table]:
    tables = {row["oid"]: _Table(row, {}) for row in ask(connection, "tables", oids=oids)}
    for row in ask(connection, "columns", oids=oids):
        tables[row["oid"]].columns[row["name"]] = row
    return tables


def _with_part(connection: Connection, loss: Loss, table: _Table, column: str, role: str | None, until: float) -> Loss:
    """Add one table to a loss: counted where that is possible, else estimated."""
    why = table.unreadable(column) or loss.why or ""
    rows: int | None
    values: int | None
    if not why:
        try:
            rows, values = _read(connection, table, column, role, until)
        except (psycopg.Error, Error) as error:
            why = reason(error)
    if why:
        rows, values = table.estimate(column)
    return replace(
        loss,
        rows=None if rows is None or loss.rows is None else loss.rows + rows,
        values=None if values is None or loss.values is None else loss.values + values,
        exact=loss.exact and not why,
        why=loss.why or why or None,
    )


def _read(connection: Connection, table: _Table, column: str, role: str | None, until: float) -> tuple[int, int]:
    """Count rows and values; what is never NULL is as many as there are rows, so that an index can do."""
    wanted = [column] if column in table.columns else list(table.columns)
    nullable = [name for name in wanted if not table.columns[name]["filled"]]
    counts: list[sql.Composable] = [sql.SQL("pg_catalog.count(*)")]
    counts += [sql.SQL("pg_catalog.count({})").format(sql.Identifier(name)) for name in nullable]
    asked = sql.SQL("SELECT {} FROM ONLY {}").format(
        sql.SQL(", ").join(counts), sql.Identifier(table.row["schema"], table.row["name"])
    )
    left = max(round((until - monotonic()) * 1000), _LEAST)
    with reading(connection, role, left):
        rows, *values = connection.execute(asked).fetchone() or (0,)
    return rows, sum(values) + rows * (len(wanted) - len(nullable))


def _stands(connection: Connection, item: Found) -> Loss:
    """Read where a sequence stands; one that was never asked has nothing to lose."""
    try:
        with look(connection, item.role):
            row = ask(connection, "stands", oid=item.oid)[0]
    except (psycopg.Error, Error) as error:
        return replace(item.loss, why=reason(error))
    if not row["readable"]:
        return replace(item.loss, why="this role may not read it")
    return replace(item.loss, values=row["value"] or 0, exact=True)


def reason(error: psycopg.Error | Error) -> str:
    """Say why something could not be counted."""
    if isinstance(error, psycopg.errors.QueryCanceled):
        return f"counting takes more than {COUNTING:.0f} s"
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return "another session has locked it"
    if isinstance(error, Error):
        return error.message
    return error.diag.message_primary or redact(str(error).strip())
