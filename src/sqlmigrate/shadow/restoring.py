"""Run a dump so that no code of the target runs as superuser.

PostgreSQL runs functions while it makes objects: it computes what it can of a CHECK, a default or an index beforehand.
So the tester makes everything, as a member of the roles that the dump names. Only what needs a superuser and runs no
code, such as CREATE EXTENSION, is done by one.
"""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate import queries
from sqlmigrate.connection import give_back, session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.connection import Connection
    from sqlmigrate.shadow.model import ShadowDatabase

_APPLICATION = "sqlmigrate: shadow"
_NAME = r'"(?:[^"]|"")*"'
_SETS = re.compile(r"SET |RESET |SELECT pg_catalog\.set_config\(", re.IGNORECASE)
_ACTS = re.compile(r"^(SET|RESET) SESSION AUTHORIZATION")
# Of commands that pg_dump writes, those that no function of the database takes part in: function bodies are not checked
# (check_function_bodies), and an owner is changed by a command of its own.
_RUNS_NOTHING = re.compile(
    r"""
    CREATE\ (?:OR\ REPLACE\ )?(?:TRUSTED\ |PROCEDURAL\ )*
        (?:ACCESS\ METHOD|AGGREGATE|CAST|COLLATION|CONVERSION|EVENT\ TRIGGER|EXTENSION|FOREIGN\ DATA\ WRAPPER|FUNCTION
          |LANGUAGE|OPERATOR|PROCEDURE|PUBLICATION|SCHEMA|SERVER|TEXT\ SEARCH|TRANSFORM|TYPE|USER\ MAPPING)\ .*
    | ALTER\ (?:DEFAULT\ PRIVILEGES|EVENT\ TRIGGER|EXTENSION|OPERATOR\ FAMILY|PUBLICATION|SCHEMA)\ .*
    | (?:COMMENT\ ON|GRANT|REVOKE)\ .*
    | ALTER\ [A-Z\ ]+\ (?:NAME\.?)+(?:\ ?\([^()']*\))?(?:\ USING\ NAME)?\ OWNER\ TO\ NAME
    """.replace("NAME", _NAME),
    re.VERBOSE | re.DOTALL,
)

# A library of this machine would be loaded, and do whatever it likes; extensions are what somebody has installed here.
_LOADS = re.compile(r'^\s*LANGUAGE "?c"?\b', re.IGNORECASE | re.MULTILINE)
# What may give somebody a function that reaches out of the server.
_MAY_REACH_OUT = re.compile(
    r"(?:GRANT .* ON (?:FUNCTION|PROCEDURE|ROUTINE)|CREATE (?:OR REPLACE )?FUNCTION) ", re.DOTALL
)
_GIVEN_TO_SUPERUSERS = re.compile(rf"ALTER (?:EVENT TRIGGER|FOREIGN DATA WRAPPER) {_NAME} OWNER TO ({_NAME})")


_UNCHANGED = {"01006", "01007"}  # privilege_not_revoked, privilege_not_granted


class ReachesOut(Exception):
    """A command of the dump was not run: it would give a right that only superusers have on this machine."""


@dataclass(frozen=True, slots=True)
class Restorer:
    """Two sessions in one database; without an `admin`, the other does everything."""

    tester: Connection
    admin: Connection | None

    def prepare(self, command: str) -> None:
        """Run a command of our own by whoever may more; a right that nobody here may change stays as it is."""
        (self.admin or self.tester).execute(command.encode())

    def execute(self, command: str | bytes) -> None:
        """Run one command; raises psycopg.Error, and ReachesOut for one that is to be left out."""
        text = command if isinstance(command, str) else command.decode()
        if self.admin is None:
            self.tester.execute(text.encode())
        elif _SETS.match(text):
            self.admin.execute(text.encode())
            self.tester.execute(_ACTS.sub(r"\1 ROLE", text).encode())
        else:
            self._attempt(text, self.admin)

    def _attempt(self, text: str, admin: Connection) -> None:
        try:
            _strictly(self.tester, text)
        except psycopg.errors.InsufficientPrivilege as refusal:
            if _LOADS.search(text) or not _RUNS_NOTHING.fullmatch(text):
                raise
            try:
                _as_superuser(admin, text)
            except ReachesOut:
                if text.startswith("GRANT"):
                    raise
                raise refusal from None


def _strictly(session: Connection, text: str) -> None:
    """Run a command; raises InsufficientPrivilege, too, where PostgreSQL only warns that a right stayed as it was.

    It refuses GRANT and REVOKE only to those who have no right at all to the object.
    """
    warned: list[str | None] = []

    def note(found: psycopg.errors.Diagnostic) -> None:
        warned.append(found.sqlstate)

    session.add_notice_handler(note)
    try:
        session.execute(text.encode())
    finally:
        session.remove_notice_handler(note)
    if not _UNCHANGED.isdisjoint(warned):
        raise psycopg.errors.InsufficientPrivilege


def _as_superuser(admin: Connection, text: str) -> None:
    """Run a command as superuser, and let a role that is none here own what only superusers may be given."""
    owned = _GIVEN_TO_SUPERUSERS.fullmatch(text)
    if _MAY_REACH_OUT.match(text):
        _within_the_server(admin, text)
        return
    if owned is None:
        admin.execute(text.encode())
        return
    with suppress(psycopg.errors.InsufficientPrivilege):
        admin.execute(text.encode())
        return
    with admin.transaction():  # nobody else ever sees it
        admin.execute(f"ALTER ROLE {owned[1]} SUPERUSER".encode())
        admin.execute(text.encode())
        admin.execute(f"ALTER ROLE {owned[1]} NOSUPERUSER".encode())


def _within_the_server(admin: Connection, text: str) -> None:
    """Run a command, unless it gives somebody a function that reaches out of the server: raises ReachesOut."""
    with admin.transaction():
        admin.execute(text.encode())
        row = admin.execute(queries.load("shadow")["reaches_out"]).fetchone()
        if row is None or row[0]:
            raise ReachesOut


@contextmanager
def opened(database: ShadowDatabase) -> Iterator[Restorer]:
    """Open what `Restorer` works on."""
    with session(database.tester_conninfo, application_name=_APPLICATION) as tester:
        give_back(tester)
        if database.tester_conninfo == database.admin_conninfo:
            yield Restorer(tester, None)
            return
        with session(database.admin_conninfo, application_name=_APPLICATION) as admin:
            quiet(admin)
            yield Restorer(tester, admin)


def quiet(admin: Connection) -> None:
    """Let no event trigger run for what a superuser does in a database, but for those that are ENABLE ALWAYS."""
    if admin.info.parameter_status("is_superuser") == "on":
        admin.execute("SET session_replication_role TO replica")
