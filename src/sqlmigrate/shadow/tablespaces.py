"""The tablespaces that scripts name: on a private server they are folders inside of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from sqlmigrate import queries

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlmigrate.connection import Connection

_IN_PLACE = "SET allow_in_place_tablespaces TO on"
_MAKE = sql.SQL("CREATE TABLESPACE {} LOCATION ''")
_FOR_ALL = sql.SQL("GRANT CREATE ON TABLESPACE {} TO PUBLIC")


def missing(session: Connection, names: Collection[str]) -> list[str]:
    """List those tablespaces that the server does not have, sorted."""
    wanted = sorted(names)
    found = session.execute(queries.load("shadow")["tablespaces"], {"names": wanted}).fetchall()
    return [name for name in wanted if (name,) not in found]


def make(session: Connection, names: Collection[str]) -> None:
    """Make those that are missing, where everybody may create; a superuser's session outside of a transaction does it.

    Servers before 14.5 have no tablespaces without a folder elsewhere: scripts that name some fail there.
    """
    if not names:
        return
    try:
        session.execute(_IN_PLACE)
    except psycopg.errors.UndefinedObject:
        return
    for name in missing(session, names):
        session.execute(_MAKE.format(sql.Identifier(name)))
        session.execute(_FOR_ALL.format(sql.Identifier(name)))
