"""Make, clone and drop the databases of one shadow server."""

from __future__ import annotations

import itertools
import secrets
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sqlmigrate import connection as connections
from sqlmigrate import queries
from sqlmigrate.errors import Error, ServerError, redact
from sqlmigrate.shadow.ahead import Ahead
from sqlmigrate.shadow.model import ShadowDatabase
from sqlmigrate.shadow.restoring import quiet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlmigrate.connection import Connection
    from sqlmigrate.shadow.adopted import Adopted
    from sqlmigrate.shadow.settings import Locale

APPLICATION = "sqlmigrate: shadow"
PREFIX = "sqlmigrate_shadow_"
_PATTERN = rf"^{PREFIX}([0-9]+)_([0-9]+)_[0-9a-f]+_[0-9]+$"
_EMPTY = "template0"
_WRITES = "SET default_transaction_read_only TO off"
_FIRST_WITH_STRATEGY = 150000
FIRST_WITH_LOGIN_TRIGGERS = 170000
"""The first version in which connecting runs code of a database: event triggers ON login, which a setting stops."""

_CLOSE = "close every session in it first"
# Seconds. A session that was just closed is soon gone, but on a busy machine not at once.
_CLONE_WAIT, _DROP_WAIT, _LOOK_INTERVAL = 10.0, 0.05, 0.002
_LEFT_MAX = 6  # databases of a server that ends soon: what a review of one migration uses
# Whoever sends the changes hears nothing of it: a slot that another server keeps for us is that server's matter.
# What the server says of an encoding or a locale that it does not have, or that do not go together.
_LACKING = (
    psycopg.errors.WrongObjectType,
    psycopg.errors.InvalidParameterValue,
    psycopg.errors.InvalidObjectDefinition,
    psycopg.errors.FeatureNotSupported,
    psycopg.errors.UndefinedObject,
    psycopg.errors.SyntaxError,
    psycopg.errors.InternalError_,  # what ICU says
)
_FORGET = ("ALTER SUBSCRIPTION {} DISABLE", "ALTER SUBSCRIPTION {} SET (slot_name = NONE)", "DROP SUBSCRIPTION {}")


class Databases:
    """The databases of one run on one server, made and dropped through a session of its own.

    A name tells the run: `sqlmigrate_shadow_PID_MICROSECONDS_RANDOM_NUMBER`, the server's process of our session and
    when it began. As long as that process is there, the run may be too.
    """

    def __init__(
        self,
        session: Connection,
        conninfo: str,
        *,
        owner: str | None = None,
        login: str | None = None,
        tester: str | None = None,
        locale: Locale | None = None,
        tablespace: str | None = None,
        has_room: Callable[[int], bool] = lambda _: False,
    ) -> None:
        """Work through a session; `owner` gets the databases, `login` and `tester` use them, else its own role does.

        The session stays in the maintenance database, where nothing of any script is: it may be a superuser's. The
        databases get the `locale`, where the server has it, and lie in the `tablespace`, where one is named. `adopted`
        are settings that CREATE DATABASE does not copy, where we may not copy them ourselves. Once they are `gone` with
        their server, nothing is left to be dropped. Where the server ends soon and `has_room` for so many bytes more,
        some of them are left to its end, and copies are made ahead.
        """
        self._first = self._session = session
        self._conninfo = conninfo
        self._owner = owner
        self._login = login
        self._tester = tester
        self._locale = locale
        self._tablespace = tablespace
        self._has_room = has_room
        self._left: list[str] = []
        self._ahead: dict[str, Ahead] = {}
        self._beside: Connection | None = None
        self.gone = False
        self.adopted: Adopted | None = None
        self._numbers = itertools.count(1)
        row = session.execute(queries.load("shadow")["run"]).fetchone()
        process, self._copies_files = row or (0, False)
        self._run = f"{PREFIX}{process}_{secrets.token_hex(2)}"

    def close(self) -> None:
        """End what is made ahead, and close the sessions that are our own."""
        for ahead in self._ahead.values():
            ahead.leave()
        for own in (self._session, self._beside):
            if own is not None and own is not self._first:
                own.close()

    @property
    def superuser(self) -> str:
        """The role of our own session."""
        return self._first.info.user

    @property
    def conninfo(self) -> str:
        """Where our own session is."""
        return self._conninfo

    def live(self) -> Connection:
        """Return our session, or another one where a script has ended it by pg_terminate_backend()."""
        try:
            self._session.execute("SELECT")
        except psycopg.OperationalError:
            if self._session is not self._first:
                self._session.close()
            self._session = self._opened()
        return self._session

    def _opened(self) -> Connection:
        opened = connections.connect(self._conninfo, application_name=APPLICATION)
        opened.execute(_WRITES)  # a script may have said otherwise of our login
        return opened

    @contextmanager
    def made(self, template: str = _EMPTY) -> Iterator[ShadowDatabase]:
        """Return a copy of a database for a block; sessions in the copy do not keep it from being dropped."""
        ahead = self._ahead.get(template)
        made = ahead.take() if ahead else None
        name = made or self._next_name()
        try:
            self._create(name, template, is_made=made is not None)
            yield self.named(name)
        except BaseException:
            with suppress(psycopg.Error, Error):  # the first error counts; the next run finds what stayed
                self._drop(name)
            raise
        try:
            if not self._is_left(name):
                self._drop(name)
        except psycopg.Error as error:
            reason = error.diag.message_primary or redact(str(error).strip())
            raise ServerError(f"throwaway database {name} could not be dropped: {reason}") from None

    def make_ahead(self, template: str, count: int) -> None:
        """Begin to make copies of a database for the next calls of `made`, one if there is no room for so many.

        It must stay as it is until these have come, or `forget_copies` is called.
        """
        is_busy = not all(ahead.is_done for ahead in self._ahead.values())
        if count < 1 or is_busy or template in self._ahead or not self._has_room(0):
            return

        def is_room(session: Connection) -> bool:
            row = session.execute(queries.load("shadow")["size"], {"name": template}).fetchone()
            return row is not None and self._has_room((count - 1) * row[0])

        self.live()
        self._require_vacant(template)
        if self._beside is None or self._beside.closed:
            self._beside = self._opened()
        names = [self._next_name() for _ in range(count)]
        self._ahead[template] = Ahead(self._beside, {name: self._statement(name, template) for name in names}, is_room)

    def forget_copies(self, template: str) -> None:
        """Drop the copies that were made ahead of a database which is about to change or to go, and not taken."""
        if ahead := self._ahead.pop(template, None):
            for name in ahead.leave():
                self._drop(name)

    def _next_name(self) -> str:
        return f"{self._run}_{next(self._numbers)}"

    def _is_left(self, name: str) -> bool:
        """Leave a database to the end of its server, if nothing in it holds anything that others could miss."""
        if self.gone or len(self._left) == _LEFT_MAX or not self._has_room(0):
            return False
        self.forget_copies(name)
        asked, session = queries.load("shadow"), self.live()
        row = session.execute(asked["holds"], {"name": name}).fetchone()
        if row is None or row[0] or not self._vacant(name, _DROP_WAIT):
            return False
        session.execute(asked["let_go_of"], {"name": name})
        self._left.append(name)
        return True

    def clear(self) -> None:
        """Drop the databases that are only left, and those made ahead."""
        for template in list(self._ahead):
            self.forget_copies(template)
        while self._left:
            self._drop(self._left.pop())

    @contextmanager
    def exclusive(self, database: ShadowDatabase) -> Iterator[None]:
        """Let no other database keep roles from being dropped in a block; on a private server, as its superuser."""
        self.clear()  # the files of one keep a tablespace
        asked = queries.load("shadow")
        held = self.live().execute(asked["let_go"], {"name": database.name}).fetchall()
        try:
            yield
        finally:
            if not self.gone:
                with self.live().cursor() as cursor:
                    cursor.executemany(asked["hold_again"], [(*rest, kind, role) for *rest, role, kind in held])

    def drop_roles(self, names: Iterable[str]) -> None:
        """Drop the roles of these quoted names, but for those that are still needed."""
        for name in names:
            with suppress(psycopg.Error):  # another database of the script's needs it
                self.live().execute(f"DROP ROLE IF EXISTS {name}".encode())

    def named(self, name: str) -> ShadowDatabase:
        """Return the database of a name."""
        there = make_conninfo(self._conninfo, dbname=name)
        own, tester = (make_conninfo(there, user=user) if user else there for user in (self._login, self._tester))
        is_apart = self._first.info.user not in {self._login, self._tester} and self._owner is not None
        if is_apart and self._first.info.server_version >= FIRST_WITH_LOGIN_TRIGGERS:
            return ShadowDatabase(name, own, tester, make_conninfo(there, options="-c event_triggers=off"))
        return ShadowDatabase(name, own, tester, there)

    def _require_vacant(self, template: str) -> None:
        if not self._vacant(template, _CLONE_WAIT):
            raise ServerError(f"database {template} cannot be cloned: a session is open in it", hint=_CLOSE)

    def _statement(self, name: str, template: str) -> sql.Composed:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        if self._owner is not None:
            statement += sql.SQL(" OWNER {}").format(sql.Identifier(self._owner))
        if self._tablespace is not None:
            statement += sql.SQL(" TABLESPACE {}").format(sql.Identifier(self._tablespace))
        if self._copies_files and self._first.info.server_version >= _FIRST_WITH_STRATEGY:
            # Faster where a checkpoint costs nothing; elsewhere it would make the user's server write everything.
            statement += sql.SQL(" STRATEGY file_copy")
        return statement

    def _create(self, name: str, template: str, *, is_made: bool) -> None:
        """Make a copy, or where it `is_made`, what is still missing in it."""
        session = self.live()
        try:
            if not is_made:
                self._require_vacant(template)
                statement = self._statement(name, template)
                self._execute(session, statement, like=self._locale if template == _EMPTY else None)
            if self._owner is not None and template != _EMPTY:
                self._carry(session, template, name)
            elif self.adopted is not None:
                self.adopted.write(session, name)
        except psycopg.errors.ObjectInUse as error:
            reason = error.diag.message_detail or error.diag.message_primary
            raise ServerError(f"database {template} cannot be cloned: {reason}", hint=_CLOSE) from None
        except psycopg.Error as error:
            raise ServerError(
                f"no throwaway database could be created: {error.diag.message_primary or error}"
            ) from None

    def _execute(self, session: Connection, create: sql.Composed, like: Locale | None) -> None:
        """Make a database with the locale that is nearest to a wanted one; what became of it can be read there."""
        for clauses in like.clauses(session.info.server_version) if like else ():
            written = sql.SQL("").join(
                sql.SQL(" {} {}").format(sql.SQL(word), sql.Literal(value)) for word, value in clauses
            )
            with suppress(*_LACKING):
                session.execute(create + written)
                return
        session.execute(create)

    def _carry(self, session: Connection, template: str, name: str) -> None:
        """Carry over to a copy what CREATE DATABASE does not: what is said of the database, and its subscriptions."""
        asked = queries.load("shadow")
        session.execute(asked["carry"], {"template": template, "name": name})
        row = session.execute(asked["subscribes"], {"template": template}).fetchone()
        if row and row[0]:
            with connections.session(self.named(name).admin_conninfo, application_name=APPLICATION) as inside:
                inside.execute(asked["carry_subscriptions"], {"template": template})

    def _vacant(self, name: str, seconds: float) -> bool:
        """Wait a moment for sessions that were just closed: the server itself looks again only after 100 ms."""
        deadline = time.monotonic() + seconds
        while True:
            row = self._session.execute(queries.load("shadow")["sessions"], {"name": name}).fetchone()
            if row is None or not row[0]:
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_INTERVAL)

    def _drop(self, name: str) -> None:
        if self.gone:
            return
        self.forget_copies(name)
        session = self.live()
        self._vacant(name, _DROP_WAIT)
        try:
            _drop_forced(session, name)
        except psycopg.errors.ObjectInUse:
            _release(self.named(name).admin_conninfo)
            _drop_forced(session, name)


def drop(session: Connection, name: str, *, force: bool) -> None:
    """Drop a database, where it exists; `force` ends the sessions in it."""
    text = "DROP DATABASE IF EXISTS {} WITH (FORCE)" if force else "DROP DATABASE IF EXISTS {}"
    statement = sql.SQL(text).format(sql.Identifier(name))
    try:
        session.execute(statement)
    except psycopg.errors.WrongObjectType:  # whoever owns a database may make it a template, which cannot be dropped
        session.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(name)))
        session.execute(statement)


def _drop_forced(session: Connection, name: str) -> None:
    """Drop a database with the sessions in it, and with a process of autovacuum, which not everybody may end by FORCE.

    Without FORCE, DROP DATABASE ends those for everybody, and waits five seconds for sessions to leave.
    """
    try:
        drop(session, name, force=True)
    except psycopg.errors.InsufficientPrivilege:
        session.execute(queries.load("shadow")["end_sessions"], {"name": name})
        drop(session, name, force=False)


def drop_leftovers(session: Connection) -> list[str]:
    """Drop the databases of runs that were killed, as far as they are surely gone, and give the names."""
    found = session.execute(queries.load("shadow")["leftovers"], {"pattern": _PATTERN}).fetchall()
    dropped = []
    for (name,) in found:
        # Another run may be dropping it too, and whoever uses it now is right.
        with suppress(psycopg.Error):
            drop(session, name, force=False)
            dropped.append(name)
    return dropped


def _release(conninfo: str) -> None:
    """Undo what keeps a database from being dropped: prepared transactions and subscriptions in it.

    As superuser, since either may be anybody's; none of these commands runs code of the database.
    """
    with connections.session(conninfo) as inside:
        quiet(inside)
        asked = queries.load("shadow")
        if inside.info.parameter_status("is_superuser") == "on":
            for (name,) in inside.execute(asked["event_triggers"]).fetchall():
                inside.execute(sql.SQL("ALTER EVENT TRIGGER {} DISABLE").format(sql.Identifier(name)))
        for (gid,) in inside.execute(asked["prepared"]).fetchall():
            inside.execute(sql.SQL("ROLLBACK PREPARED {}").format(sql.Literal(gid)))
        for (name,) in inside.execute(asked["subscriptions"]).fetchall():
            for text in _FORGET:
                inside.execute(sql.SQL(text).format(sql.Identifier(name)))
