"""Look at a database that others work in: one state of it, read again where something of it was dropped meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from psycopg import errors

from sqlmigrate.connection.sessions import Connection, limit

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# Catalogs are read as they were when the transaction began, but functions that print a definition or look at a relation
# read them as they are now: "cache lookup failed", "could not open relation with OID", "role with OID does not exist".
_GONE = (
    errors.InternalError_,
    errors.UndefinedObject,
    errors.UndefinedTable,
    errors.UndefinedColumn,
    errors.UndefinedFunction,
    errors.InvalidSchemaName,
    errors.InvalidCatalogName,
)
_TRIES = 20


def look(connection: Connection, read: Callable[[], T], *, limits: tuple[int, int] | None = None) -> T:
    """Read in one transaction that writes nothing and is rolled back; `read` may be called several times.

    `limits` are how long a lock and a statement are waited for, in milliseconds. Raises what `read` raises: psycopg's
    error of an object that is gone, too, where that happens each time.
    """
    for _ in range(_TRIES - 1):
        try:
            return _once(connection, read, limits)
        except _GONE:
            continue
    return _once(connection, read, limits)


def _once(connection: Connection, read: Callable[[], T], limits: tuple[int, int] | None) -> T:
    with connection.transaction(force_rollback=True):
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        # the login's limit is for those who keep locks; what was read is gone through in between
        connection.execute("SET LOCAL idle_in_transaction_session_timeout TO '15min'")
        if limits is not None:
            lock, statement = limits
            limit(connection, lock_timeout=lock, statement_timeout=statement)
        return read()
