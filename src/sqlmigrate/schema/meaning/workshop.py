"""Make definitions anew in a transaction that is rolled back, and let PostgreSQL print them.

Nothing is executed: expressions become those of views, which nobody reads, and routines are only made. It is done on a
throwaway server, as the role that scripts run as there, so that a definition can do no more than they could.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from sqlmigrate import queries
from sqlmigrate.connection import execute_one, session
from sqlmigrate.errors import ConnectionFailed
from sqlmigrate.schema.meaning.definition import Definition, Query, Rule, cut
from sqlmigrate.schema.session import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlmigrate.connection import Connection
    from sqlmigrate.schema.diff import Change
    from sqlmigrate.schema.meaning.definition import Part
    from sqlmigrate.schema.model import Schema

_APPLICATION = "sqlmigrate: shadow"
_ROUNDS = 3
"""How often a definition is printed and read: `IN` becomes ANY with casts, which are then written out, which stays."""
_LIMITS = "SET LOCAL check_function_bodies TO off; SET LOCAL lock_timeout TO '5s'; SET LOCAL statement_timeout TO '30s'"


def without_equal(conninfo: str, before: Schema, after: Schema, changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return the changes without those that are only written differently.

    The database must hold the tables that the definitions are about, as one of the schemas has them; a definition that
    cannot be made there stays different. It is opened only where there is something to be made, and all stay different
    where a script has seen to it that nobody gets in or can make anything.
    """
    changes = tuple(changes)
    pairs = {
        number: (one, other)
        for number, change in enumerate(changes)
        if change.kind == "changed"
        and change.property is not None
        and (one := cut(before, change.object, change.property)) is not None
        and (other := cut(after, change.object, change.property)) is not None
        and _comparable(one, other)
    }
    if not pairs:
        return changes
    equal: set[int] = set()
    with suppress(psycopg.Error, ConnectionFailed), _opened(conninfo) as workshop:
        equal.update(number for number, (one, other) in pairs.items() if workshop.are_equal(one, other))
    return tuple(change for number, change in enumerate(changes) if number not in equal)


def _comparable(one: Definition, other: Definition) -> bool:
    return one.frame == other.frame and len(one.parts) == len(other.parts)


@contextmanager
def _opened(conninfo: str) -> Iterator[_Workshop]:
    with session(conninfo, application_name=_APPLICATION) as connection, connection.transaction(force_rollback=True):
        connection.execute("SET TRANSACTION READ WRITE")
        connection.execute(_LIMITS)
        with reading(connection):
            yield _Workshop(connection)


class _Workshop:
    """A schema of its own in an open transaction, where definitions are made and printed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._schema = f"sqlmigrate_{secrets.token_hex(8)}"
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self._schema)))

    def are_equal(self, one: Definition, other: Definition) -> bool:
        """Tell whether each part of two definitions has a printed form that the other one has too."""
        return all(
            mine == theirs or not set(self._forms(mine)).isdisjoint(self._forms(theirs))
            for mine, theirs in zip(one.parts, other.parts, strict=True)
        )

    def _forms(self, piece: Part) -> Iterator[Part]:
        """Print a piece, make it from what was printed, and so on; nothing where it cannot be made."""
        for _ in range(_ROUNDS):
            try:
                with self._connection.transaction(force_rollback=True):
                    printed = self._printed(piece)
            except psycopg.Error:
                if self._connection.closed:
                    raise
                return
            yield printed
            if printed == piece:
                return
            piece = printed

    def _printed(self, piece: Part) -> Part:
        if isinstance(piece, Query):
            self._make(f"CREATE VIEW {self._schema}.v AS {piece.text}")
            return Query(self._ask("view"))
        if isinstance(piece, Rule):
            made = f"{self._schema}.t"
            self._make(f"CREATE TABLE {made} (LIKE {piece.relation})")
            self._make(f"CREATE RULE r AS {piece.head}{made}{piece.text}")
            return replace(piece, text=self._ask("rule").partition(f"{piece.head}{made}")[2])
        start = f"{piece.kind} {self._schema}.f"
        self._make(f"CREATE {start}{piece.text}")
        return replace(piece, text=self._ask("routine").partition(start)[2])

    def _make(self, statement: str) -> None:
        """Run one statement, and no second one that a definition might hold."""
        execute_one(self._connection, statement.encode())

    def _ask(self, name: str) -> str:
        row = self._connection.execute(queries.load("normalform")[name], {"schema": self._schema}).fetchone()
        return str(row[0]) if row else ""
