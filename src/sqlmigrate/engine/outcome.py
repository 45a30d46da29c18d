"""Look up what became of a statement that runs outside a transaction."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row

from sqlmigrate import queries
from sqlmigrate.sql.subject import quote

if TYPE_CHECKING:
    from sqlmigrate.connection import Connection
    from sqlmigrate.sql.subject import Subject


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
    """Note what is there before a statement runs: the indexes of its table, and which of all are INVALID."""
    if subject.action not in {"create index", "reindex"}:
        return {}
    oids = [index.oid for index in _indexes(connection, subject)]
    return {"indexes": oids, "invalid": [index.oid for index in _invalid(connection)]}


def look_up(connection: Connection, subject: Subject, found: dict[str, Any]) -> Outcome:
    """Tell whether a statement happened; `found` is what `before` noted."""
    known = _LOOK_UPS.get(subject.action)
    return known(connection, subject, found) if known else Outcome.UNKNOWN


def leftovers(connection: Connection, subject: Subject, found: dict[str, Any]) -> list[Index]:
    """Give the INVALID indexes that a statement of ours left behind: they were not there before, or not INVALID."""
    if subject.action not in {"create index", "reindex"}:
        return []
    old = set(found.get("invalid", ())) | (set(found.get("indexes", ())) if subject.action == "create index" else set())
    mine = {index.oid for index in _indexes(connection, subject)} if subject.relation else None
    return [item for item in _invalid(connection) if item.oid not in old and (mine is None or item.oid in mine)]


def skipped_over(connection: Connection, subject: Subject) -> Index | None:
    """Give the INVALID index that CREATE INDEX ... IF NOT EXISTS took for a good one (NOTICE 42P07)."""
    if subject.action != "create index" or subject.name is None:
        return None
    return next((item for item in _indexes(connection, subject) if _named(item, subject) and not item.valid), None)


def detach_pending(connection: Connection, subject: Subject) -> bool:
    """Tell whether a DETACH PARTITION CONCURRENTLY was interrupted between its two transactions."""
    return subject.action == "detach partition" and _partition(connection, subject) is True


def _named(index: Index, subject: Subject) -> bool:
    return subject.name is not None and subject.name.endswith(quote(index.name))


def _indexes(connection: Connection, subject: Subject) -> list[Index]:
    with connection.cursor(row_factory=class_row(Index)) as cursor:
        return cursor.execute(queries.load("outcome")["indexes"], {"table": subject.relation}).fetchall()


def _invalid(connection: Connection) -> list[Index]:
    with connection.cursor(row_factory=class_row(Index)) as cursor:
        return cursor.execute(queries.load("outcome")["invalid_indexes"]).fetchall()


def _created_index(connection: Connection, subject: Subject, found: dict[str, Any]) -> Outcome:
    old = set(found.get("indexes", ()))
    new = [item for item in _indexes(connection, subject) if item.oid not in old]
    if subject.name is not None:
        new = [item for item in new if _named(item, subject)]
    return Outcome.DONE if new and all(item.valid for item in new) else Outcome.NOT_DONE


def _dropped_index(connection: Connection, subject: Subject, _: dict[str, Any]) -> Outcome:
    return Outcome.NOT_DONE if _answer(connection, "exists", subject.name) else Outcome.DONE


def _detached(connection: Connection, subject: Subject, _: dict[str, Any]) -> Outcome:
    return Outcome.DONE if _partition(connection, subject) is None else Outcome.NOT_DONE


def _partition(connection: Connection, subject: Subject) -> bool | None:
    names = {"parent": subject.relation, "partition": subject.name}
    row = connection.execute(queries.load("outcome")["partition"], names).fetchone()
    return None if row is None else bool(row[0])


def _created(query: str) -> Any:
    def outcome(connection: Connection, subject: Subject, _: dict[str, Any]) -> Outcome:
        return Outcome.DONE if _answer(connection, query, subject.name) else Outcome.NOT_DONE

    return outcome


def _dropped(query: str) -> Any:
    def outcome(connection: Connection, subject: Subject, _: dict[str, Any]) -> Outcome:
        return Outcome.NOT_DONE if _answer(connection, query, subject.name) else Outcome.DONE

    return outcome


def _repeatable(*_: Any) -> Outcome:
    """Doing it again gives the same: REINDEX, ALTER SYSTEM."""
    return Outcome.NOT_DONE


def _answer(connection: Connection, query: str, name: str | None) -> bool:
    row = connection.execute(queries.load("outcome")[query], [name]).fetchone()
    return bool(row and row[0])


_LOOK_UPS = {
    "create index": _created_index,
    "drop index": _dropped_index,
    "detach partition": _detached,
    "reindex": _repeatable,
    "alter system": _repeatable,
    "create database": _created("database"),
    "drop database": _dropped("database"),
    "create tablespace": _created("tablespace"),
    "drop tablespace": _dropped("tablespace"),
}
