"""Whose word is taken: a history is trusted only from owners that the login trusts, and only as plain tables.

Whoever owns a table decides what runs when it is read or written: triggers, rules, policies, defaults and views run
with the rights of the session that touches it. So the owner must be the login, a role that it is a member of, a
superuser (who needs no trick), or a role that the configuration names.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import ClientCursor, pq, sql
from psycopg.rows import class_row, tuple_row

from sqlmigrate import queries
from sqlmigrate.connection import Command, Purpose
from sqlmigrate.errors import HistoryError
from sqlmigrate.history.model import Standing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from psycopg.rows import RowFactory

    from sqlmigrate.connection import Connection

REMARKS = ("shared", "subscribed", "unlogged")
"""What is found out about tables, and is no reason to refuse them."""
_WRITTEN_ONLY = ("reference", "default", "check")
"""What runs only where a row is written: tables of other tools, which we only read, have it in many ways."""
READ, WRITE = "ACCESS SHARE", "ROW EXCLUSIVE"
_AGAINST = {
    READ: ["AccessExclusiveLock"],
    WRITE: ["ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"],
}
_HELD = "sqlmigrate_held"
PATIENCE = 10_000
"""How long, in milliseconds, a reader or writer waits for tables that somebody holds against all others.

A limit that the login has of its own counts instead.
"""
_LIMIT = (
    "SELECT pg_catalog.set_config('lock_timeout', '{}', true) WHERE pg_catalog.current_setting('lock_timeout') = '0'"
)
_PLAIN = {
    "kind": "is not a plain table",
    "tree": "inherits, or is inherited from",
    "rule": "has a rule",
    "trigger": "has a trigger",
    "reference": "has a foreign key from or to a table of others",
    "policy": "has a row level security policy",
    "hidden": "hides rows from this role by row level security",
    "column": "has a generated column, or one of a type that is not PostgreSQL's own",
    "default": "has a default that calls a function",
    "check": "has a CHECK constraint",
    "check that calls": "has a CHECK constraint that uses what is not PostgreSQL's own",
    "index": "has an index over an expression or a part of its rows",
    "statistics": "has extended statistics over an expression",
}
_PLAIN_HINT = (
    "triggers, rules and the like of a table run with your privileges; find out who created them, and drop them"
)


@dataclass(frozen=True, slots=True)
class Tables:
    """Tables of a history in a schema; `owners` are the roles that the configuration trusts with them.

    `own_schema` says that the schema is the history's own, so that its owner and who may CREATE in it count too.
    `only_read` says that we never write them, so that what runs only then does not count.
    """

    schema: str
    names: tuple[str, ...]
    owners: tuple[str, ...] = ()
    own_schema: bool = False
    only_read: bool = False

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is no reason to refuse them."""
        return (*REMARKS, *_WRITTEN_ONLY) if self.only_read else REMARKS

    def only(self, *names: str) -> Tables:
        """Return some of them."""
        return replace(self, names=names)


def require(connection: Connection, tables: Tables) -> Standing:
    """Raise HistoryError where a table that is there, or the schema, is not to be trusted; tells how they stand."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        return _refuse(connection, tables, cursor.execute(doubts(tables).encode()).fetchall())


def hold(connection: Connection, tables: Tables, locked: Collection[str]) -> None:
    """Raise the same under a lock that keeps the tables as they are until the transaction of the caller ends."""
    parts = (f"SAVEPOINT {_HELD}", _LIMIT.format(PATIENCE), _lock(tables.schema, locked, WRITE), doubts(tables))
    with connection.cursor(row_factory=tuple_row) as cursor:
        try:
            cursor.execute("; ".join(parts).encode())
        except psycopg.errors.LockNotAvailable as error:
            cursor.execute(f"ROLLBACK TO SAVEPOINT {_HELD}".encode())
            [(own,)] = cursor.execute("SELECT pg_catalog.current_setting('lock_timeout')").fetchall()
            if own != "0":
                raise
            raise _locked(connection, tables, locked, error.diag.message_primary or str(error), mode=WRITE) from error
        for _ in parts[1:]:
            cursor.nextset()
        _refuse(connection, tables, cursor.fetchall())


def unchanged(schema: str, names: Collection[str]) -> tuple[Command, Command]:
    """Return commands that take the same lock on tables that were looked at, and look at them again.

    The second one fails (22012) where something was hung on a table since.
    """
    found = (sql.Literal(sql.Identifier(schema, name).as_string()).as_string() for name in names)
    oids = ", ".join(f"{name}::pg_catalog.regclass::pg_catalog.oid" for name in found)
    text = sql.SQL(queries.load("trust")["unchanged"]).format(oids=sql.SQL(f"ARRAY[{oids}]")).as_string()
    lock = Command(_lock(schema, names, WRITE), purpose=Purpose.TRUST)
    return lock, Command(text, purpose=Purpose.TRUST)


def read(
    connection: Connection,
    tables: Tables,
    query: sql.Composed,
    values: Sequence[Any] | Mapping[str, Any] | None = None,
    *,
    locked: Collection[str],
    row_factory: RowFactory[Any] = tuple_row,
) -> tuple[list[Any], Standing]:
    """Ask a query of tables that are looked at before, under the same lock and in the same round trip.

    Gives its rows, and what `require` tells. Raises HistoryError where the tables are not to be trusted, and psycopg's
    errors.
    """
    alone = connection.info.transaction_status == pq.TransactionStatus.IDLE
    if not alone:
        require(connection, tables)  # nothing could be asked behind the error of the guard
    # several commands in one message can have no parameters
    asked = query.as_string() if values is None else ClientCursor(connection).mogrify(query, values)
    # in a transaction of the caller, its own limit counts
    limit = [_LIMIT.format(PATIENCE)] if alone else []
    parts = (*limit, guarded(tables, locked, READ), asked)
    with connection.cursor(row_factory=tuple_row) as cursor:
        try:
            cursor.execute("; ".join(parts).encode())
        except psycopg.errors.DivisionByZero:
            if connection.info.transaction_status == pq.TransactionStatus.IDLE:
                require(connection, tables)
            raise _changed(tables) from None
        except psycopg.errors.LockNotAvailable as error:
            if not alone:
                raise
            raise _locked(connection, tables, locked, error.diag.message_primary or str(error)) from error
        for _ in (*limit, "the lock"):
            cursor.nextset()
        [(_, *stands)] = cursor.fetchall()
        cursor.row_factory = row_factory
        cursor.nextset()
        return cursor.fetchall(), Standing(*stands)


def _locked(
    connection: Connection, tables: Tables, names: Collection[str], why: str, *, mode: str = READ
) -> HistoryError:
    """Return the error for tables that somebody keeps from everybody for too long, with who that is."""
    from sqlmigrate.events import Blocker  # noqa: PLC0415  slow, and nearly always nobody does

    with connection.cursor(row_factory=class_row(Blocker)) as cursor:
        blockers = cursor.execute(
            queries.load("trust")["locked_by"], [_AGAINST[mode], tables.schema, list(names)]
        ).fetchall()
    who = "".join(f"; blocked by {blocker}" for blocker in blockers)
    sessions = [f"pg_terminate_backend({blocker.pid})" for blocker in blockers if blocker.pid]
    hint = "run the command again when that has ended"
    done = "read" if mode == READ else "written"
    return HistoryError(
        f"the tables in schema {tables.schema} are locked, and could not be {done}: {why}{who}",
        hint=f"{hint}; or end it, if you may, by {' and '.join(sessions)}" if sessions else hint,
    )


def guarded(tables: Tables, locked: Collection[str], mode: str) -> str:
    """Return two commands: the lock that keeps tables as they are, and the look that fails (22012) for a doubt."""
    return f"{_lock(tables.schema, locked, mode)}; {_guard(tables)}"


def as_remark(connection: Connection, tables: Tables) -> str:
    """Give, as a comment behind SQL that helps otherwise, what is to be set where the tables belong to another role."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        for _, doubt, role in cursor.execute(doubts(tables).encode()):
            if doubt in {"owner", "schema owner"}:
                return f" -- and, where you trust role {role}: {_setting(tables, role)}"
    return ""


def there(connection: Connection, schema: str, names: Collection[str]) -> list[str]:
    """Return those of these relations that there are in a schema."""
    rows = connection.execute(queries.load("trust")["there"], [schema, list(names)]).fetchall()
    return [row[0] for row in rows]


def _changed(tables: Tables) -> HistoryError:
    """Return the error for tables that were trusted a moment ago."""
    message = f"the tables in schema {tables.schema} can no longer be trusted; nothing was done"
    return HistoryError(message, hint="`sqlmigrate status` says why")


@cache
def doubts(tables: Tables) -> str:
    """Return a query with a row for each reason against the tables."""
    values = {"owners": _array(tables.owners), "tables": _array(tables.names)}
    text = sql.SQL(queries.load("trust")["doubts"])
    return text.format(
        space=sql.Literal(tables.schema), own_schema=sql.Literal(tables.own_schema), **values
    ).as_string()


def refused(remarks: Iterable[str] = REMARKS) -> str:
    """Return the condition that a row of `doubts` is a reason to refuse the tables."""
    return f"doubt NOT IN ({', '.join(map(repr, remarks))})"


def _array(names: Iterable[str]) -> sql.Composed:
    return sql.SQL("ARRAY[{}]").format(sql.SQL(", ").join(map(sql.Literal, names)))


@cache
def _guard(tables: Tables) -> str:
    return (
        f"SELECT 1 / (CASE WHEN pg_catalog.bool_or({refused(tables.remarks)}) THEN 0 ELSE 1 END),\n"
        "       coalesce(pg_catalog.bool_or(doubt = 'shared'), false),\n"
        "       pg_catalog.max(role::pg_catalog.text) FILTER (WHERE doubt = 'subscribed'),\n"
        "       coalesce(pg_catalog.bool_or(doubt = 'unlogged'), false)\n"
        f"FROM (\n{doubts(tables)}\n) AS found"
    )


def _lock(schema: str, names: Collection[str], mode: str) -> str:
    tables = sql.SQL(", ").join(sql.Identifier(schema, name) for name in names)
    return sql.SQL("LOCK TABLE {} IN {} MODE").format(tables, sql.SQL(mode)).as_string()


def _refuse(connection: Connection, tables: Tables, found: list[tuple[Any, ...]]) -> Standing:
    """Raise for the first doubt; tells how the tables stand."""
    for name, doubt, role in found:
        if doubt not in tables.remarks:
            what = f"schema {tables.schema}" if name is None else f"{tables.schema}.{name}"
            reason, hint = _words(tables, connection.info.user, doubt, role)
            raise HistoryError(f"{what} cannot be trusted as a history: it {reason}", hint=hint)
    roles = {doubt: role for _, doubt, role in found}
    return Standing("shared" in roles, roles.get("subscribed"), "unlogged" in roles)


def _words(tables: Tables, login: str, doubt: str, role: str | None) -> tuple[str, str]:
    """Return what is wrong, and what to do about it."""
    if doubt == "schema create":
        grantee = "PUBLIC" if role is None else sql.Identifier(role).as_string()
        hint = f"REVOKE CREATE ON SCHEMA {sql.Identifier(tables.schema).as_string()} FROM {grantee}"
        hint += "" if role is None else f"; or, if you trust that role: {_setting(tables, role)}"
        return f"lets {'everybody' if role is None else f'role {role}'} create tables in it", hint
    if doubt in _PLAIN:
        return _PLAIN[doubt], _PLAIN_HINT
    hint = f"if you trust that role: {_setting(tables, str(role))}; otherwise find out who created it, and drop it"
    return f"belongs to role {role}, which {login} is not a member of", hint


def _setting(tables: Tables, role: str) -> str:
    names = ", ".join(f'"{name}"' for name in (*tables.owners, role))
    return f"history_owners = [{names}] in the configuration"
