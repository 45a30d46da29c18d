"""Count what is lost, within a time limit and without waiting for a lock; where that ends, estimate and say why.

Only tables and materialized views are read, one at a time, by `count`: no view, no function, no policy and no
generated column of anybody's runs for it. Planning alone would run what indexes and statistics call, so tables of which
that is somebody else's are not counted.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg import sql

from sqlmigrate import connection as connections
from sqlmigrate.engine.losses.names import ask
from sqlmigrate.errors import Error, redact
from sqlmigrate.usage.counted import OURS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlmigrate.connection import Connection
    from sqlmigrate.engine.losses.finding import Found
    from sqlmigrate.plan.losses import Loss

T = TypeVar("T")

COUNTING = 3.0
"""Seconds that a run spends on counting; what comes after is estimated. So long may an ALTER TABLE wait behind us."""
LOCK_TIMEOUT = 50
"""Milliseconds for which a count waits for a lock: whoever holds the table, or waits for it, comes first."""
_LOOKING = 30_000  # milliseconds, for the catalogs
_TOO_LONG = f"counting takes more than {COUNTING:.0f} s"
_SMALL, _TOGETHER = 10_000, 50  # rows of a table that is counted together with others, and how many such tables
_Key = tuple[str | None, int, str]


@dataclass(frozen=True, slots=True)
class _Amount:
    """Rows and values, None where that is not known; `why` says why they are estimated."""

    rows: int | None
    values: int | None
    why: str | None = None


@dataclass(slots=True)
class _Table:
    """A table with what is known of it, and of its columns, without reading it."""

    row: dict[str, Any]
    columns: dict[str, dict[str, Any]]

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of its primary key."""
        return tuple(self.row["key"])

    def unreadable(self, column: str) -> str:
        """Say why it cannot be counted; "" where it can."""
        if self.row["filtered"]:
            return "row security hides rows from this role"
        if self.row["strange"]:
            return f"its indexes or statistics call functions of role {self.row['strange']}, with your privileges"
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


@dataclass(frozen=True, slots=True)
class _Job:
    """A table, or one of its columns, that is to be counted."""

    table: _Table
    column: str

    @property
    def part(self) -> tuple[int, str]:
        """What is counted: the table's OID, and the column or ""."""
        return self.table.row["oid"], self.column

    @property
    def _columns(self) -> list[str]:
        return [self.column] if self.column in self.table.columns else list(self.table.columns)

    @property
    def _nullable(self) -> list[str]:
        return [name for name in self._columns if not self.table.columns[name]["filled"]]

    def query(self, number: int) -> sql.Composed:
        """Return what counts it; what is never NULL is as many as there are rows.

        It is read as a sample of all of it, since PostgreSQL counts no scan for that (initscan in heapam.c): to count
        what is lost must not be a use of it, which `unused-for` would find.
        """
        counts: list[sql.Composable] = [sql.SQL("pg_catalog.count(*)")]
        counts += [sql.SQL("pg_catalog.count({})").format(sql.Identifier(name)) for name in self._nullable]
        return sql.SQL(
            "(SELECT {}::pg_catalog.int4 {}, ARRAY[{}] FROM ONLY {} TABLESAMPLE pg_catalog.system(100))"
        ).format(
            sql.Literal(number),
            sql.SQL(OURS),
            sql.SQL(", ").join(counts),
            sql.Identifier(self.table.row["schema"], self.table.row["name"]),
        )

    def amount(self, counts: Sequence[int]) -> _Amount:
        """Return the amount that the query found."""
        rows, *values = counts
        return _Amount(rows, sum(values) + rows * (len(self._columns) - len(self._nullable)))


def count(connection: Connection, losses: Sequence[Found]) -> list[Loss]:
    """Return losses with how much each one is; the smaller tables are counted first, many at a time."""
    until = monotonic() + COUNTING
    known: dict[_Key, _Amount] = {}
    keys: dict[int, tuple[str, ...]] = {}
    for role in dict.fromkeys(item.role for item in losses):
        wanted = dict.fromkeys(part for item in losses if item.role == role for part in item.parts)
        try:
            oids = sorted({oid for oid, _ in wanted})
            tables = look(connection, partial(_tables, connection, oids), role) if oids else {}
        except (psycopg.Error, Error) as error:
            known |= {(role, *part): _Amount(None, None, reason(error)) for part in wanted}
            continue
        keys |= {oid: table.key for oid, table in tables.items()}
        jobs = [_Job(tables[oid], column) for oid, column in wanted if oid in tables]
        known |= {(role, *job.part): amount for job, amount in _amounts(connection, role, jobs, until)}
    return [_counted(connection, item, known, keys) for item in losses]


@contextmanager
def reading(connection: Connection, role: str | None, statement_timeout: int) -> Iterator[None]:
    """Read as a role for a block, in a transaction of its own that writes nothing and waits for hardly anything."""
    with connection.transaction(force_rollback=True):
        connection.execute("SET TRANSACTION READ ONLY")
        connections.limit(connection, lock_timeout=LOCK_TIMEOUT, statement_timeout=statement_timeout)
        if role is not None:
            connections.set_role(connection, role)
        yield


def look(connection: Connection, read: Callable[[], T], role: str | None = None) -> T:
    """Read the catalogs as a role; `read` may be called several times."""

    def as_role() -> T:
        if role is not None:
            connections.set_role(connection, role)
        return read()

    return connections.look(connection, as_role, limits=(LOCK_TIMEOUT, _LOOKING))


def _counted(
    connection: Connection, item: Found, known: Mapping[_Key, _Amount], keys: Mapping[int, tuple[str, ...]]
) -> Loss:
    if item.loss.kind == "unknown":
        return item.loss
    if item.loss.kind == "sequence":
        return _stands(connection, item)
    amounts = [known[key] for part in item.parts if (key := (item.role, *part)) in known]
    rows, values = [amount.rows for amount in amounts], [amount.values for amount in amounts]
    why = next((amount.why for amount in amounts if amount.why), None)
    return replace(
        item.loss,
        rows=None if None in rows else sum(filter(None, rows)),
        values=None if None in values else sum(filter(None, values)),
        exact=why is None,
        why=why,
        key=keys.get(item.parts[0][0], ()) if item.parts else (),
    )


def _tables(connection: Connection, oids: list[int]) -> dict[int, _Table]:
    tables = {row["oid"]: _Table(row, {}) for row in ask(connection, "tables", oids=oids)}
    for row in ask(connection, "columns", oids=oids):
        tables[row["oid"]].columns[row["name"]] = row
    return tables


def _amounts(
    connection: Connection, role: str | None, jobs: Sequence[_Job], until: float
) -> Iterator[tuple[_Job, _Amount]]:
    """Yield how much each one is: counted where that is possible, else estimated."""
    readable = []
    for job in jobs:
        if why := job.table.unreadable(job.column):
            yield job, _Amount(*job.table.estimate(job.column), why)
        else:
            readable.append(job)
    readable.sort(key=lambda job: job.table.row["rows"])
    small = [job for job in readable if job.table.row["rows"] <= _SMALL]
    large = [job for job in readable if job.table.row["rows"] > _SMALL]
    alone: list[_Job] = []
    for at in range(0, len(small), _TOGETHER):
        together = small[at : at + _TOGETHER]
        try:
            yield from zip(together, _read(connection, role, together, _left(until) // 2), strict=True)
        except (psycopg.Error, Error):
            alone += together  # one of them cannot be read now
    for job in [*alone, *large]:
        try:
            yield job, _read(connection, role, [job], _left(until))[0]
        except (psycopg.Error, Error) as error:
            yield job, _Amount(*job.table.estimate(job.column), reason(error))


def _left(until: float) -> int:
    """Return how many milliseconds are left for counting."""
    return max(round((until - monotonic()) * 1000), 0)


def _read(connection: Connection, role: str | None, jobs: Sequence[_Job], milliseconds: int) -> list[_Amount]:
    """Count rows and values of some tables in one statement; raises Error where no time is left."""
    if not milliseconds:
        raise Error(_TOO_LONG)
    asked = sql.SQL(" UNION ALL ").join(job.query(number) for number, job in enumerate(jobs))
    with reading(connection, role, milliseconds):
        rows: dict[int, list[int]] = dict(connection.execute(asked).fetchall())
    return [job.amount(rows[number]) for number, job in enumerate(jobs)]


def _stands(connection: Connection, item: Found) -> Loss:
    """Read where a sequence stands; one that was never asked has nothing to lose."""
    try:
        (row,) = look(connection, lambda: ask(connection, "stands", oid=item.oid), item.role)
    except (psycopg.Error, Error) as error:
        return replace(item.loss, why=reason(error))
    if not row["readable"]:
        return replace(item.loss, why="this role may not read it")
    return replace(item.loss, values=row["value"] or 0, exact=True)


def reason(error: psycopg.Error | Error) -> str:
    """Say why something could not be counted."""
    if isinstance(error, psycopg.errors.QueryCanceled):
        return _TOO_LONG
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return "another session has locked it"
    if isinstance(error, Error):
        return error.message
    return error.diag.message_primary or redact(str(error).strip())
