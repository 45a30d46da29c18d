"""Tell which objects the open transaction of a session has changed, at a cost that does not grow with the others.

The server counts what a session writes to each catalog, so only those with another count are looked at, and of them
only the rows of this transaction: a row that is inserted or updated has its number. A row that is deleted leaves
nothing, so where that matters, or anything else is in doubt, the answer is that all stamps have to be read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from sqlmigrate.schema.blocks import block
from sqlmigrate.schema.rows import as_array

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import psycopg

    Written = Mapping[str, tuple[int, int, int]]

FOLLOWED = (
    *("pg_class", "pg_attribute", "pg_attrdef", "pg_index", "pg_trigger", "pg_rewrite", "pg_policy", "pg_sequence"),
    *("pg_inherits", "pg_partitioned_table", "pg_constraint", "pg_type", "pg_enum", "pg_proc"),
    *("pg_description", "pg_depend"),
)
"""The catalogs whose rows of this transaction are enough to know what has changed."""
_IN_NO_STAMP = frozenset({"pg_shdepend", "pg_statistic", "pg_statistic_ext_data", "pg_init_privs", "pg_largeobject"})
_DELETED_WITH_AN_UPDATE = frozenset({"pg_attrdef"})
"""Where a row goes, PostgreSQL updates that of its column too (`RemoveAttrDefaultById`), or deletes it."""


@dataclass(frozen=True, slots=True)
class _Moment:
    """What a transaction had written at one time; see `moment` in recent.sql."""

    transaction: str
    others: str
    own: str
    has_written: bool
    counts: bool
    written: Written


@dataclass(frozen=True, slots=True)
class _Rows:
    """The digests of this transaction's rows by catalog and object, and how many older rows of pg_depend there are."""

    own: Mapping[tuple[str, int], int]
    dependencies: int


@dataclass(slots=True)
class Recent:
    """The changes of one session from one call of `changed` to the next."""

    catalogs: Mapping[str, int]
    may_stop: bool
    _moment: _Moment | None = field(default=None, init=False)
    _rows: _Rows | None = field(default=None, init=False)

    def begin(self, connection: psycopg.Connection[Any]) -> None:
        """Look at a transaction that has just begun; nothing has changed since the last call of `changed`."""
        if self.may_stop:
            return
        now = _moment(connection)
        if self._moment is None or self._moment.others != now.others or now.has_written or not now.counts:
            return
        self._moment = now
        self._rows = _Rows({}, _dependencies(connection, now))

    def doubt(self) -> None:
        """Have the next call of `changed` say that all stamps have to be read, since a part of ours was taken back.

        The snapshot shows that only where nobody else's later transaction has ended meanwhile.
        """
        self._rows = None

    def changed(self, connection: psycopg.Connection[Any], leave_out: Collection[str]) -> dict[int, bool] | None:
        """Return the units of what has changed since the last call, and whether a schema shows each.

        None where that is not known, and all stamps have to be read, which nobody has to tell us.
        """
        if self.may_stop:
            return None
        before, known = self._moment, self._rows
        now = self._moment = _moment(connection)
        self._rows = None
        if connection.info.transaction_status != TransactionStatus.INTRANS:
            return None
        written = _written(before, now) if before and known else None
        if written is None or known is None:
            self._rows = _Rows(_rows(connection, FOLLOWED, now), _dependencies(connection, now))
            return None
        own = _rows(connection, written, now)
        old = {key: digest for key, digest in known.own.items() if key[0] in written}
        dependencies = _dependencies(connection, now) if "pg_depend" in written else known.dependencies
        self._rows = _Rows({key: known.own[key] for key in known.own.keys() - old.keys()} | own, dependencies)
        if dependencies != known.dependencies:
            return None
        return _homes(connection, {key for (_, key), _ in old.items() ^ own.items()}, leave_out)


def recent(connection: psycopg.Connection[Any]) -> Recent:
    """Begin to follow a session; where its roles could stop the server from counting, nothing will ever be known."""
    catalogs = {name: oid for name, oid, _ in _ask(connection, "catalogs", {}, file="stamps")}
    return Recent(catalogs, _ask(connection, "may_stop", {})[0][0])


def _ask(
    connection: psycopg.Connection[Any], name: str, arguments: dict[str, Any], *, file: str = "recent"
) -> list[tuple[Any, ...]]:
    query = block(file, name, connection.info.server_version // 10000)
    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(query, arguments).fetchall()


def _moment(connection: psycopg.Connection[Any]) -> _Moment:
    rows = _ask(connection, "moment", {})
    transaction, others, own, has_written, counts = rows[0][:5]
    written = {catalog: (inserted, updated, deleted) for *_, catalog, inserted, updated, deleted in rows}
    return _Moment(transaction, others, own, has_written, counts, written)


def _written(before: _Moment, now: _Moment) -> list[str] | None:
    """Return the catalogs that were written in between; None where their rows would not tell all of it."""
    same = before.transaction == now.transaction and before.others == now.others
    if not (same and before.counts and now.counts):
        return None
    written = []
    for catalog, counted in now.written.items():
        old = before.written[catalog]
        if counted == old or catalog in _IN_NO_STAMP:
            continue
        is_whole = counted[2] == old[2] or catalog in _DELETED_WITH_AN_UPDATE or catalog == "pg_depend"
        if catalog not in FOLLOWED or not is_whole:
            return None
        written.append(catalog)
    return written


def _rows(connection: psycopg.Connection[Any], written: Collection[str], now: _Moment) -> dict[tuple[str, int], int]:
    rows = _ask(connection, "rows", {"written": list(written), "own": now.own}) if written else []
    return {(catalog, key): digest for catalog, key, digest in rows}


def _dependencies(connection: psycopg.Connection[Any], now: _Moment) -> int:
    count: int = _ask(connection, "dependencies", {"own": now.own})[0][0]
    return count


def _homes(connection: psycopg.Connection[Any], keys: set[int], leave_out: Collection[str]) -> dict[int, bool] | None:
    if not keys:
        return {}
    rows = _ask(connection, "homes", {"keys": as_array(keys), "leave_out": list(leave_out)})
    if {row[0] for row in rows} != keys or any(unit is None or shown is None for _, unit, shown in rows):
        return None
    return {unit: shown for _, unit, shown in rows}
