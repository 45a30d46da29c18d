"""Whose word is taken: a history is believed only from owners that the login trusts, and only as plain tables.

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
from psycopg.rows import tuple_row

from sqlmigrate import queries
from sqlmigrate.connection import Command
from sqlmigrate.errors import HistoryError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from psycopg.rows import RowFactory

    from sqlmigrate.connection import Connection

NOTHING_DONE = "22012"
"""The SQLSTATE of the second command of `held`: the tables are not to be believed."""
READ, WRITE = "ACCESS SHARE", "ROW EXCLUSIVE"
_PLAIN = {
    "kind": "is no plain table",
    "tree": "inherits, or is inherited from",
    "rule": "has a rule",
    "trigger": "has a trigger",
    "policy": "has a row level security policy",
    "hidden": "hides rows from this role by row level security",
    "column": "has a generated column, or one of a type that is not PostgreSQL's own",
    "default": "has a default that calls a function",
    "check": "has a CHECK constraint",
    "index": "has an index over an expression or a part of its rows",
}
_PLAIN_HINT = "what hangs on a table runs with your rights; see who made it, and drop it"


@dataclass(frozen=True, slots=True)
class Tables:
    """Tables of a history in a schema; `owners` are the roles that the configuration trusts with them.

    `alone` says that the schema is the history's own, so that its owner and who may CREATE in it count too.
    """

    schema: str
    names: tuple[str, ...]
    owners: tuple[str, ...] = ()
    alone: bool = False

    def only(self, *names: str) -> Tables:
        """Give some of them."""
        return replace(self, names=names)


def require(connection: Connection, tables: Tables) -> None:
    """Raise HistoryError where a table that is there, or the schema, is not to be believed."""
    _refuse(connection, tables, _first_doubt(connection, tables))


def as_remark(connection: Connection, tables: Tables) -> str:
    """Give, as a comment behind SQL that helps otherwise, what is to be set where the tables belong to another role."""
    match _first_doubt(connection, tables):
        case (_, "owner" | "schema owner", role):
            return f" -- and, where you trust role {role}: {_setting(tables, role)}"
    return ""


def _first_doubt(connection: Connection, tables: Tables) -> tuple[Any, ...] | None:
    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(doubts(tables).encode()).fetchone()


def hold(connection: Connection, tables: Tables, locked: Collection[str]) -> None:
    """Raise the same under a lock that keeps the tables as they are until the transaction of the caller ends."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(f"{_lock(tables.schema, locked, WRITE)}; {doubts(tables)}".encode())
        cursor.nextset()
        _refuse(connection, tables, cursor.fetchone())


def held(tables: Tables, locked: Collection[str]) -> tuple[Command, Command]:
    """Give the same as commands for a pipeline; the second one fails (22012) where the tables are not believed."""
    return Command(_lock(tables.schema, locked, WRITE)), Command(_guard(tables))


def read(
    connection: Connection,
    tables: Tables,
    query: sql.Composed,
    values: Sequence[Any] | Mapping[str, Any] | None = None,
    *,
    locked: Collection[str],
    row_factory: RowFactory[Any] = tuple_row,
) -> list[Any]:
    """Ask a query of tables that are looked at before, under the same lock and in the same round trip.

    Raises HistoryError where they are not to be believed, and psycopg's errors.
    """
    if connection.info.transaction_status != pq.TransactionStatus.IDLE:
        require(connection, tables)  # nothing could be asked behind the error of the guard
    # several commands in one message can have no parameters
    asked = query.as_string() if values is None else ClientCursor(connection).mogrify(query, values)
    parts = (_lock(tables.schema, locked, READ), _guard(tables), asked)
    with connection.cursor(row_factory=row_factory) as cursor:
        try:
            cursor.execute("; ".join(parts).encode())
        except psycopg.errors.DivisionByZero:
            if connection.info.transaction_status == pq.TransactionStatus.IDLE:
                require(connection, tables)
            raise changed(tables) from None
        while cursor.nextset():
            pass
        return cursor.fetchall()


def there(connection: Connection, schema: str, names: Collection[str]) -> list[str]:
    """Give those of these relations that there are in a schema."""
    rows = connection.execute(queries.load("trust")["there"], [schema, list(names)]).fetchall()
    return [row[0] for row in rows]


def changed(tables: Tables) -> HistoryError:
    """Give the error for tables that were believed a moment ago."""
    message = f"the tables in schema {tables.schema} are not to be trusted any more; nothing was done"
    return HistoryError(message, hint="`sqlmigrate status` says why")


@cache
def doubts(tables: Tables) -> str:
    """Give a query with a row for each reason against the tables."""
    values = {"space": tables.schema, "owners": list(tables.owners), "tables": list(tables.names)}
    text = sql.SQL(queries.load("trust")["doubts"])
    return text.format(alone=sql.Literal(tables.alone), **{key: _array(value) for key, value in values.items()}).as_string()


def _array(value: str | list[str]) -> sql.Composable:
    if isinstance(value, str):
        return sql.Literal(value)
    return sql.SQL("ARRAY[{}]").format(sql.SQL(", ").join(map(sql.Literal, value)))


@cache
def _guard(tables: Tables) -> str:
    return f"SELECT 1 / (CASE WHEN EXISTS (\n{doubts(tables)}\n) THEN 0 ELSE 1 END)"


def _lock(schema: str, names: Collection[str], mode: str) -> str:
    tables = sql.SQL(", ").join(sql.Identifier(schema, name) for name in names)
    return sql.SQL("LOCK TABLE {} IN {} MODE").format(tables, sql.SQL(mode)).as_string()


def _refuse(connection: Connection, tables: Tables, found: tuple[Any, ...] | None) -> None:
    if found is None:
        return
    name, doubt, role = found
    what = f"schema {tables.schema}" if name is None else f"{tables.schema}.{name}"
    login = connection.info.user
    quoted = sql.Identifier(login).as_string()
    space = sql.Identifier(tables.schema).as_string()
    if doubt == "schema create":
        whose = "everybody" if role is None else f"role {role}"
        grantee = "PUBLIC" if role is None else sql.Identifier(role).as_string()
        reason = f"{whose} may create tables in it"
        hint = f"REVOKE CREATE ON SCHEMA {space} FROM {grantee}"
        hint += "" if role is None else f"; or, where you trust it: {_setting(tables, role)}"
    elif doubt in {"owner", "schema owner"}:
        reason = f"it belongs to role {role}, which {login} is not a member of"
        thing = f"SCHEMA {space}" if name is None else f"TABLE {sql.Identifier(tables.schema, name).as_string()}"
        hint = f"where you trust that role: {_setting(tables, role)}; else ALTER {thing} OWNER TO {quoted}"
    else:
        reason, hint = f"it {_PLAIN[doubt]}", _PLAIN_HINT
    raise HistoryError(f"{what} is not to be trusted as a history: {reason}", hint=hint)


def _setting(tables: Tables, role: str) -> str:
    names = ", ".join(f'"{name}"' for name in (*tables.owners, role))
    return f"history_owners = [{names}] in the configuration"
