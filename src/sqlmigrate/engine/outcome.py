"""Look up what became of a statement that runs outside a transaction."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from sqlmigrate import queries
from sqlmigrate.sql.subject import quote

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlmigrate.connection import Connection
    from sqlmigrate.sql.subject import Subject

_CHOSEN_NAME = re.compile(r"_idx\d*")  # how PostgreSQL names an index that has no name
_PLACE = re.compile(r"%((?:\(\w+\))?)s")
_REBUILT_NAME = re.compile(r"_cc(new|old)\d*")


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


def before(connection: Connection, subject: Subject) -> dict[str, Any]:
    """Note what is there before a statement runs, so that a look afterwards can tell what it has changed."""
    if subject.action in {"create index", "reindex"}:
        indexes = _indexes(connection, subject)
        return {"indexes": [item.oid for item in indexes], "invalid": [item.oid for item in _invalid(connection)]}
    is_there = _IS_THERE.get(subject.action)
    return {"there": is_there(connection, subject)} if is_there else {}


def before_in_sql(subject: Subject) -> sql.Composable | None:
    """Give `before` as an SQL expression, for where psql runs the statement; None where nothing is to be noted."""
    name = _QUERIES.get(subject.action)
    names = {"": subject.name, "(table)": subject.relation, "(parent)": subject.relation, "(partition)": subject.name}
    if subject.action in {"create index", "reindex"}:
        oids = "(SELECT coalesce(pg_catalog.jsonb_agg(oid), '[]') FROM ({}) AS found)"
        noted = "pg_catalog.jsonb_build_object('indexes', {}, 'invalid', {})"
        lists = (sql.SQL(oids).format(_filled(query, names)) for query in ("indexes", "invalid_indexes"))
        return sql.SQL(noted).format(*lists)
    if name is None:
        return None
    is_there = "EXISTS ({})" if name == "partition" else "({})"
    noted = f"pg_catalog.jsonb_build_object('there', {is_there})"
    return sql.SQL(noted).format(_filled(name, names))


def _filled(query: str, names: dict[str, str | None]) -> sql.Composable:
    """Give a query with its parameters written into it."""
    parts = _PLACE.split(queries.load("outcome")[query])
    filled = [sql.Literal(names[part]) if at % 2 else sql.SQL(part) for at, part in enumerate(parts)]
    return sql.Composed(filled)


def look_up(connection: Connection, subject: Subject, found: dict[str, Any]) -> Outcome:
    """Tell whether a statement happened; `found` is what `before` noted."""
    if subject.action in {"reindex", "alter system"}:
        return Outcome.NOT_DONE  # to do it again gives the same
    if subject.action == "create index":
        done = _is_built(connection, subject, found)
    elif is_there := _IS_THERE.get(subject.action):
        creates = subject.action.startswith("create")
        changed = found.get("there", not creates) != creates
        done = changed and is_there(connection, subject) == creates
    else:
        return Outcome.UNKNOWN
    return Outcome.DONE if done else Outcome.NOT_DONE


def leftovers(connection: Connection, subject: Subject, found: dict[str, Any]) -> list[Index]:
    """Give the INVALID indexes that a statement of ours left behind: they were not there before, or not INVALID."""
    if subject.action not in {"create index", "reindex"}:
        return []
    old = set(found.get("invalid", ())) | (set(found.get("indexes", ())) if subject.action == "create index" else set())
    mine = {index.oid for index in _indexes(connection, subject)} if subject.relation else None
    return [
        item
        for item in _invalid(connection)
        if item.oid not in old and (mine is None or item.oid in mine) and _is_made_by(item, subject)
    ]


def skipped_over(connection: Connection, subject: Subject) -> Index | None:
    """Give the INVALID index that CREATE INDEX ... IF NOT EXISTS took for a good one (NOTICE 42P07)."""
    if subject.action != "create index" or subject.name is None:
        return None
    found = (item for item in _indexes(connection, subject) if _is_made_by(item, subject) and not item.valid)
    return next(found, None)


def finalize(connection: Connection, subject: Subject) -> str | None:
    """Give what ends a DETACH PARTITION CONCURRENTLY that was interrupted between its two transactions."""
    if subject.action != "detach partition" or _partition(connection, subject) is not True:
        return None
    return f"ALTER TABLE {subject.relation} DETACH PARTITION {subject.name} FINALIZE"


def predecessor(connection: Connection, *, seconds: float) -> int | None:
    """Wait until the session of an earlier run has ended: its client is gone, but its statement may still run.

    Gives its process id where it is still there when the time is over.
    """
    deadline = time.monotonic() + seconds
    while (row := connection.execute(queries.load("outcome")["predecessor"]).fetchone()) is not None:
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


def _is_built(connection: Connection, subject: Subject, found: dict[str, Any]) -> bool:
    old = set(found.get("indexes", ()))
    new = [item for item in _indexes(connection, subject) if item.oid not in old and _is_made_by(item, subject)]
    return bool(new) and all(item.valid for item in new)


def _indexes(connection: Connection, subject: Subject) -> list[Index]:
    try:
        with connection.cursor(row_factory=class_row(Index)) as cursor:
            return cursor.execute(queries.load("outcome")["indexes"], {"table": subject.relation}).fetchall()
    except psycopg.errors.InsufficientPrivilege:  # for the schema; the statement itself meets the same
        return []


def _invalid(connection: Connection) -> list[Index]:
    with connection.cursor(row_factory=class_row(Index)) as cursor:
        return cursor.execute(queries.load("outcome")["invalid_indexes"]).fetchall()


def _partition(connection: Connection, subject: Subject) -> bool | None:
    """Tell whether a partition is being detached; None where it is no partition of that table."""
    names = {"parent": subject.relation, "partition": subject.name}
    try:
        row = connection.execute(queries.load("outcome")["partition"], names).fetchone()
    except psycopg.errors.InsufficientPrivilege:  # as above
        return None
    return None if row is None else bool(row[0])


def _asked(query: str) -> Callable[[Connection, Subject], bool]:
    def is_there(connection: Connection, subject: Subject) -> bool:
        try:
            row = connection.execute(queries.load("outcome")[query], [subject.name]).fetchone()
        except psycopg.errors.InsufficientPrivilege:  # as above
            return False
        return bool(row and row[0])

    return is_there


# the query that tells whether what a statement makes or takes away is there
_QUERIES = {
    "drop index": "exists",
    "detach partition": "partition",
    "create database": "database",
    "drop database": "database",
    "create tablespace": "tablespace",
    "drop tablespace": "tablespace",
}
_IS_THERE: dict[str, Callable[[Connection, Subject], bool]] = {
    **{action: _asked(query) for action, query in _QUERIES.items()},
    "detach partition": lambda connection, subject: _partition(connection, subject) is not None,
}
