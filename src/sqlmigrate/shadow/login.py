"""What a named server says of our login: scripts that we try there may change that, for all who come after us.

Any role may give itself settings, and they outlive the throwaway database: one script under review would decide what
the next review finds. So they are set back behind a run. A role's password it may change too, which nobody can.
https://www.postgresql.org/docs/current/sql-alterrole.html
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from sqlmigrate import queries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlmigrate.connection import Connection

Own = list[tuple[str | None, str, str]]
"""A database, or None for each, with the name of a setting and its value."""

_LET = sql.SQL("SELECT pg_catalog.set_config({}, {}, true)")


@contextmanager
def unchanged(live: Callable[[], Connection], names: Iterable[str]) -> Iterator[str | None]:
    """Set the settings of the login back behind a block; gives a note on those that it has, beside these `names`.

    `live` gives a session of the login.
    """
    before = _read(live())
    own = sorted({name for _, name, _ in before} - {*names})
    login = sql.Identifier(live().info.user).as_string()
    note = (
        f"role {login} has settings of its own on the server of --shadow-url ({', '.join(own)}), which decide what "
        f"scripts find there; if a script has left them: ALTER ROLE {login} RESET ALL"
    )
    try:
        yield note if own else None
    finally:
        with suppress(psycopg.Error):  # the server is gone; the next run says what is left
            _set_back(live(), before)


def _read(session: Connection) -> Own:
    return session.execute(queries.load("shadow")["login_settings"]).fetchall()


def _set_back(session: Connection, before: Own) -> None:
    """Set those back that were changed, database by database; none of them holds for the session that does it."""
    now = _read(session)
    if now == before:
        return
    for database in sorted({where for where, *_ in {*now, *before}}, key=str):
        if [item for item in before if item[0] == database] == [item for item in now if item[0] == database]:
            continue
        who: sql.Composable = sql.SQL("ALTER ROLE SESSION_USER ")
        if database is not None:
            who += sql.SQL("IN DATABASE {} ").format(sql.Identifier(database))
        with session.transaction():
            session.execute("SET TRANSACTION READ WRITE")
            session.execute(who + sql.SQL("RESET ALL"))  # but those that only a superuser may change
            left = _read(session)
            for item in before:
                if item[0] == database and item not in left:
                    _say(session, who, *item[1:])


def _say(session: Connection, who: sql.Composable, name: str, value: str) -> None:
    """Say a setting of the login; FROM CURRENT, since SET cannot read a value as it is shown."""
    setting = sql.SQL(".").join(map(sql.Identifier, name.split(".")))
    with suppress(psycopg.Error), session.transaction():
        session.execute(_LET.format(sql.Literal(name), sql.Literal(value)))
        session.execute(who + sql.SQL("SET {} FROM CURRENT").format(setting))
