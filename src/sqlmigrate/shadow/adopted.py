"""Write the settings of a target into a database: ALTER DATABASE, and for a login that has its own, ALTER ROLE."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from sqlmigrate import queries
from sqlmigrate.errors import redact
from sqlmigrate.shadow.settings import USUAL, same

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlmigrate.connection import Connection
    from sqlmigrate.shadow.settings import Settings

_LET = sql.SQL("SELECT pg_catalog.set_config({}, {}, true)")
_DATABASE = sql.SQL("ALTER DATABASE {} SET {} FROM CURRENT")
_ROLE = sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} FROM CURRENT")


@dataclass(slots=True)
class Adopted:
    """Settings that databases of a server get; those of `roles` have to be said for this login too."""

    login: str
    values: dict[str, str] = field(default_factory=dict)
    roles: set[str] = field(default_factory=set)

    def write(self, session: Connection, database: str, names: Iterable[str] | None = None) -> None:
        """Write them for a database, all of them or only these; raises psycopg's errors."""
        chosen = [name for name in self.values if names is None or name in names]
        if chosen:
            session.execute(sql.SQL("; ").join(self._commands(database, chosen)))

    def take_back(self, session: Connection, database: str) -> None:
        """Forget them for a database again."""
        for name in self.values:
            where, setting = sql.Identifier(database), sql.SQL(".").join(map(sql.Identifier, name.split(".")))
            session.execute(sql.SQL("ALTER DATABASE {} RESET {}").format(where, setting))
            if name in self.roles:
                reset = sql.SQL("ALTER ROLE {} IN DATABASE {} RESET {}")
                session.execute(reset.format(sql.Identifier(self.login), where, setting))

    def _commands(self, database: str, names: Iterable[str]) -> Iterator[sql.Composed]:
        """Yield commands of one implicit transaction; FROM CURRENT, since SET cannot read a value as it is shown."""
        where = sql.Identifier(database)
        for name in names:
            setting = sql.SQL(".").join(map(sql.Identifier, name.split(".")))
            yield _LET.format(sql.Literal(name), sql.Literal(self.values[name]))
            yield _DATABASE.format(where, setting)
            if name in self.roles:
                yield _ROLE.format(sql.Identifier(self.login), where, setting)


def adopt(
    wanted: Settings, found: Settings, session: Connection, database: str, login: str
) -> tuple[Adopted, dict[str, str]]:
    """Write what a database does not have yet of the wanted settings; says of those that are refused why.

    The session is in the database, as one who may change it.
    """
    refused = {}
    adopted = Adopted(login)
    for name, value in wanted.values.items():
        if same(name, value, found.values.get(name, USUAL[name])):  # an older server may not know it
            continue
        adopted.values[name] = value
        try:
            adopted.write(session, database, [name])
        except psycopg.Error as error:
            del adopted.values[name]
            refused[name] = f"the target's {name} could not be set on the throwaway database: {_reason(error)}"
    return adopted, refused


def insist(adopted: Adopted, wanted: Mapping[str, str], found: Settings, session: Connection, database: str) -> None:
    """Write for the login what it finds otherwise all the same, since the server has settings for it."""
    adopted.roles |= {name for name in adopted.values if not same(name, wanted[name], found.values.get(name, ""))}
    adopted.write(session, database, adopted.roles)


def adopt_own(wanted: Settings, session: Connection, database: str, login: str) -> list[str]:
    """Write the settings of the user's own making, as superuser of a private server; says which were left out.

    One that a library of this machine may know by that name could make it load or run something.
    """
    if not wanted.own:
        return []
    rows = session.execute(queries.load("shadow")["libraries"]).fetchall()
    known = {"plpgsql", *(_class(name) for (name,) in rows)}
    left_out = []
    for name, value in wanted.own.items():
        try:
            if name.partition(".")[0] in known:
                left_out.append(name)
            else:
                Adopted(login, {name: value}).write(session, database)
        except psycopg.Error:  # whose text may hold the value
            left_out.append(name)
    return left_out


def _class(library: str) -> str:
    """Return the class that a library's settings have: `timescaledb-2.17.so` knows `timescaledb.restoring`."""
    return library.lower().removeprefix("lib").partition(".")[0].partition("-")[0]


def _reason(error: psycopg.Error) -> str:
    return redact(error.diag.message_primary or str(error).strip())
