"""Look up what became of a statement that runs outside a transaction."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg import pq, sql
from psycopg.rows import class_row, tuple_row

from sqlmigrate import queries
from sqlmigrate.connection import Command, ours_locally, relations, undisturbed
from sqlmigrate.sql.statement.names import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.connection import Connection
    from sqlmigrate.sql.statement.subject import Subject

_CHOSEN_NAME = re.compile(r"_idx\d*")  # how PostgreSQL names an index that has no name
_PLACE = re.compile(r"%\((\w+)\)s")
_KEPT = "sqlmigrate.{}"  # the settings in which psql keeps an oid, an empty text standing for none
_REBUILT_NAME = re.compile(r"_cc(new|old)\d*")
_INDEXES = frozenset({"create index", "reindex"})

ANY_INVALID = Command("SELECT FROM pg_catalog.pg_index WHERE NOT (indisvalid AND indisready) LIMIT 1")
"""Has a row where any index of the database is INVALID; it names no operator, so it may run under any search_path."""

T = TypeVar("T")


class Outcome(Enum):
    """What is known of a statement whose answer never came."""

    DONE = "done"
    NOT_DONE = "not done"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Index:
    """An index as the catalog shows it; `valid` says that queries use it."""

    oid: int
    schema: str
    name: str
    valid: bool

    @property
    def drop(self) -> str:
        """The statement that removes it without blocking anybody."""
        return f"DROP INDEX CONCURRENTLY {quote(self.schema, self.name)}"


@dataclass(frozen=True, slots=True)
class _Partition:
    """A partition of a table; `pending` says that a DETACH ... CONCURRENTLY of it was interrupted."""

    pending: bool


@dataclass(frozen=True, slots=True)
class Look:
    """A look at what a statement makes or takes away.

    `table` and `thing` are the oids of its names, None where the script finds nothing of that name.
    """

    connection: Connection
    subject: Subject
    table: int | None
    thing: int | None

    def before(self) -> dict[str, Any]:
        """Note what is there before the statement runs, so that a look afterwards can tell what it has changed."""
        if self.subject.action in _INDEXES:
            indexes = [item.oid for item in self._indexes()]
            return {"indexes": indexes, "invalid": [item.oid for item in self._ask("invalid_indexes", Index)]}
        return {"there": self._is_there()} if self.subject.action in _QUERIES else {}

    def happened(self, found: dict[str, Any]) -> Outcome:
        """Tell whether the statement happened; `found` is what `before` noted."""
        action = self.subject.action
        if action in {"reindex", "alter system"}:
            return Outcome.NOT_DONE  # to do it again gives the same
        if action == "create index":
            done = self._is_built(found)
        elif action in _QUERIES:
            creates = action.startswith("create")
            done = found.get("there", not creates) != creates and self._is_there() == creates
        else:
            return Outcome.UNKNOWN
        return Outcome.DONE if done else Outcome.NOT_DONE

    def leftovers(self, found: dict[str, Any]) -> list[Index]:
        """Return the INVALID indexes that the statement left behind: they were not there before, or not INVALID."""
        subject = self.subject
        if subject.action not in _INDEXES:
            return []
        old = set(found.get("invalid", ()))
        old |= set(found.get("indexes", ())) if subject.action == "create index" else set()
        mine = {index.oid for index in self._indexes()} if subject.relation else None
        return [
            item
            for item in self._ask("invalid_indexes", Index)
            if item.oid not in old and (mine is None or item.oid in mine) and _is_made_by(item, subject)
        ]

    def skipped_over(self) -> Index | None:
        """Return the INVALID index that CREATE INDEX ... IF NOT EXISTS took for a good one (NOTICE 42P07)."""
        if self.subject.action != "create index" or self.subject.name is None:
            return None
        found = (item for item in self._indexes() if _is_made_by(item, self.subject) and not item.valid)
        return next(found, None)

    def finalize(self) -> str | None:
        """Return what ends a DETACH PARTITION CONCURRENTLY that was interrupted between its two transactions."""
        if self.subject.action != "detach partition":
            return None
        if not any(partition.pending for partition in self._ask("partition", _Partition)):
            return None
        return f"ALTER TABLE {self.subject.relation} DETACH PARTITION {self.subject.name} FINALIZE"

    def _is_built(self, found: dict[str, Any]) -> bool:
        old = set(found.get("indexes", ()))
        new = [item for item in self._indexes() if item.oid not in old and _is_made_by(item, self.subject)]
        return bool(new) and all(item.valid for item in new)

    def _is_there(self) -> bool:
        query = queries.load("outcome")[_QUERIES[self.subject.action]]
        return self.connection.execute(query, self._names()).fetchone() is not None

    def _indexes(self) -> list[Index]:
        return self._ask("indexes", Index)

    def _ask(self, query: str, kind: type[T]) -> list[T]:
        with self.connection.cursor(row_factory=class_row(kind)) as cursor:
            return cursor.execute(queries.load("outcome")[query], self._names()).fetchall()

    def _names(self) -> dict[str, Any]:
        return {"table": self.table, "thing": self.thing, "name": self.subject.name}


def before(connection: Connection, subject: Subject) -> dict[str, Any]:
    """Note what is there before a statement runs: of indexes, in one round trip where none is INVALID."""
    if subject.action not in _INDEXES and subject.action not in _QUERIES:
        return {}
    if _may_glance(connection):
        if subject.action == "drop index":
            return {"there": relations(connection, subject.name) != [None]}
        if subject.action in _INDEXES and (found := _glance(connection, subject)) is not None:
            return {"indexes": found, "invalid": []}
    with looking(connection, subject) as look:
        return look.before()


def is_told_by_catalog(subject: Subject) -> bool:
    """Tell whether the catalog shows that a statement happened, so that the journal need not say it at once."""
    return subject.concurrently and (subject.action == "create index" or subject.action in _QUERIES)


def leaves_indexes(subject: Subject) -> bool:
    """Tell whether a statement may leave an INVALID index behind, or pass over one."""
    return subject.action in _INDEXES


def _glance(connection: Connection, subject: Subject) -> list[int] | None:
    """Return the oids of a table's indexes; None where any index is INVALID, or names cannot be looked up like this.

    Names are looked up as the script does, and then all runs under our own settings, which end with the transaction.
    """
    parts = [
        _look_names_up(subject).sql,
        "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY",
        ours_locally(),
        _filled("indexes", subject).as_string(),
        ANY_INVALID.sql,
        "COMMIT",
    ]
    try:
        *_, indexes, invalid, _ = _answers(connection, "; ".join(parts))
    except psycopg.Error:
        if connection.closed:
            raise
        connection.rollback()
        return None
    return None if invalid else [row[0] for row in indexes]


def _may_glance(connection: Connection) -> bool:
    """Tell whether psycopg can read text as the session is, and no transaction of the script's is open."""
    is_utf8 = connection.pgconn.parameter_status(b"client_encoding") == b"UTF8"
    return is_utf8 and connection.info.transaction_status == pq.TransactionStatus.IDLE


def _answers(connection: Connection, commands: str) -> list[list[tuple[Any, ...]]]:
    """Send commands in one go, and return the rows of each."""
    cursor = connection.cursor(row_factory=tuple_row).execute(commands.encode())
    found = []
    while True:
        found.append(cursor.fetchall() if cursor.description is not None else [])
        if not cursor.nextset():
            return found


@contextmanager
def looking(connection: Connection, subject: Subject) -> Iterator[Look]:
    """Look around a statement under our own settings; its names are looked up as the script does."""
    with undisturbed(connection, subject.relation, _relation(subject)) as oids:
        yield Look(connection, subject, *oids)


def _relation(subject: Subject) -> str | None:
    """Return the name that a statement makes or takes away, where it is that of a relation."""
    return subject.name if subject.action in {"drop index", "detach partition"} else None


def before_in_sql(subject: Subject) -> tuple[list[Command], sql.Composable | None]:
    """Return `Look.before` for where psql runs the statement: what looks its names up, and then an SQL expression.

    The names are looked up under the search_path of the script, and the expression is our own SQL. It is None where
    nothing is to be noted.
    """
    name = _QUERIES.get(subject.action)
    if subject.action in _INDEXES:
        oids = "(SELECT coalesce(pg_catalog.jsonb_agg(oid), '[]') FROM ({}) AS found)"
        noted = "pg_catalog.jsonb_build_object('indexes', {}, 'invalid', {})"
        lists = (sql.SQL(oids).format(_filled(query, subject)) for query in ("indexes", "invalid_indexes"))
        return [_look_names_up(subject)], sql.SQL(noted).format(*lists)
    if name is None:
        return [], None
    noted = "pg_catalog.jsonb_build_object('there', EXISTS ({}))"
    return [_look_names_up(subject)], sql.SQL(noted).format(_filled(name, subject))


def _look_names_up(subject: Subject) -> Command:
    keep = "pg_catalog.set_config({}, pg_catalog.to_regclass({})::pg_catalog.oid::pg_catalog.text, false)"
    names = {"table": subject.relation, "thing": _relation(subject)}
    calls = (sql.SQL(keep).format(_KEPT.format(key), name) for key, name in names.items())
    return Command(sql.SQL("SELECT {}").format(sql.SQL(", ").join(calls)).as_string())


def _filled(query: str, subject: Subject) -> sql.Composable:
    """Return a query with its parameters written into it."""
    kept = "nullif(pg_catalog.current_setting({}), '')"
    values = {key: sql.SQL(kept).format(_KEPT.format(key)) for key in ("table", "thing")}
    parts = _PLACE.split(queries.load("outcome")[query])
    named = values | {"name": sql.Literal(subject.name)}
    return sql.Composed([named[part] if at % 2 else sql.SQL(part) for at, part in enumerate(parts)])


def predecessor(connection: Connection, schema: str, *, seconds: float) -> int | None:
    """Wait until the session of an earlier run has ended: its client is gone, but its statement may still run.

    It may write the history in `schema`. Gives its process id where it is still there when the time is over.
    """
    deadline = time.monotonic() + seconds
    asked = queries.load("outcome")["predecessor"], {"schema": schema}
    with undisturbed(connection):
        while (row := connection.execute(*asked).fetchone()) is not None:
            if time.monotonic() > deadline:
                return int(row[0])
            time.sleep(0.1)
    return None


def _is_made_by(index: Index, subject: Subject) -> bool:
    """Tell by its name whether an index can be the work of a statement; others may be at work on the same table."""
    if subject.action == "reindex":
        return bool(_REBUILT_NAME.search(index.name))
    if subject.name is None:
        return bool(_CHOSEN_NAME.search(index.name))
    return subject.name in {quote(index.name), quote(index.schema, index.name)}


# the query that tells whether what a statement makes or takes away is there
_QUERIES = {
    "drop index": "exists",
    "detach partition": "partition",
    "create database": "database",
    "drop database": "database",
    "create tablespace": "tablespace",
    "drop tablespace": "tablespace",
}
