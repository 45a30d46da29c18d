"""Open sessions, and look at the server behind them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import pq, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import tuple_row
from psycopg.waiting import Ready, Wait

from sqlmigrate import queries
from sqlmigrate.connection import silence
from sqlmigrate.connection.address import is_starting, require_endable_files, shown_host
from sqlmigrate.connection.answers import Cursor, careful, odd_answer, typed_row
from sqlmigrate.connection.conninfo import UNTOLD, as_option
from sqlmigrate.connection.times import take_all_times
from sqlmigrate.errors import ConnectionFailed, redact

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from psycopg.pq.abc import PGconn

    from sqlmigrate.connection.early import Early

Connection = psycopg.Connection[tuple[Any, ...]]
OLDEST_SERVER = 140000
_SHORT = 3
_SAID = ":  "
"""What libpq writes behind the severity of an error that a server has sent, in any language, and nowhere else."""
_STARTING = "the server is starting up or shutting down: wait until it accepts connections, then run the command again"

_PATH = "pg_catalog, pg_temp"
OWN_PATH = f"SET search_path TO {_PATH}"
"""What our own SQL runs under: no object that anybody has made takes part in it.

Without `pg_temp` at its end, temporary tables and types would be found first, an empty path included.
https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-SEARCH-PATH
"""
_OURS = {
    "search_path": _PATH,
    "row_security": "off",  # a policy that would apply is an error then, and its functions do not run as us
    # how values and definitions are written, and literals of ours read
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "quote_all_identifiers": "off",
    "standard_conforming_strings": "on",
    "xmlbinary": "base64",
}
# a limit of the login's or the database's is for its own statements: a script may have set it a moment ago
_UNHURRIED = {"statement_timeout": "0"}
WITH_TRANSACTION_TIMEOUT = 170000
"""The first version of PostgreSQL that has `transaction_timeout`, as in `server_version_num`."""
# a pooler may give out a session in which another client has taken on a role
_READ = b"BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL SESSION AUTHORIZATION DEFAULT; SET LOCAL role TO DEFAULT; "


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a session found on the other side; `version_number` is as in `server_version_num` (150004 is 15.4).

    `deadlock_timeout` is in milliseconds; `synchronous_commit` is the login's, and `may_flush` says that the login may
    write a message into the WAL (`pg_logical_emit_message`), so that a COMMIT flushes it; `pooled` says that a pooler
    stands between; `psql` holds the options of psql that lead to the same place, without any password. `identity` is
    the same for all addresses that lead to this database, and another one once its server has been started again.
    """

    database: str
    role: str
    version: str
    version_number: int
    standby: bool
    read_only: bool
    backend_pid: int
    deadlock_timeout: int = 1000
    synchronous_commit: str = "on"
    may_flush: bool = True
    host: str = ""
    pooled: bool = False
    psql: tuple[str, ...] = ()
    identity: str = ""

    @property
    def major(self) -> int:
        """The major version, such as 15."""
        return self.version_number // 10_000


def connect(conninfo: str, *, application_name: str = "sqlmigrate", seconds: int | None = None) -> silence.Session:
    """Open a session in autocommit; raises ConnectionFailed in libpq's words, without any password.

    It gives up a server that says nothing as `silence` tells, unless the connection string says otherwise; `seconds`
    is for a look at one that has been silent already.
    """
    given = conninfo_to_dict(conninfo)
    require_endable_files(conninfo)
    options = client_limits(given)
    if seconds is not None:
        options["connect_timeout"] = str(seconds)
    try:
        # None: server-side prepared statements clash behind poolers, and nothing here runs often enough to gain
        connection = silence.Session.connect(
            conninfo,
            autocommit=True,
            prepare_threshold=None,
            application_name=application_name,
            client_encoding="UTF8",
            cursor_factory=Cursor,
            **options,  # type: ignore[arg-type]
        )
    except psycopg.OperationalError as error:
        reason = _first_reason(error, given).removeprefix("connection failed: ")
        hint = _STARTING if _SAID in reason and is_starting(conninfo) else None
        failed = ConnectionFailed(f"cannot connect to PostgreSQL: {reason}", hint=hint)
        failed.silent = isinstance(error, psycopg.errors.ConnectionTimeout)
        raise failed from None
    except UnicodeError:
        raise ConnectionFailed("cannot connect to PostgreSQL: a part of the connection string is not valid") from None
    take_all_times(connection)
    begin_again(connection)
    return connection


def begin_again(connection: silence.Session) -> None:
    """Set what our own SQL runs under, in the first round trip; RESET gives the login's settings back.

    A pooler may hand its session to others after each transaction. Through one, all is read in one transaction, which
    `poolers.refuse_transaction_pooler` ends.
    """
    try:
        is_pooled = f"pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.<>) {connection.info.backend_pid}"
        settled = silence.settled(silence.NETWORK, is_pooled)
        own = _own(connection)
        ours = _set_all(own, is_pooled) + f", {settled}, {is_pooled}".encode()
        with silence.limited(connection, silence.SECONDS):
            row = _unhurried(connection, ours).fetchone() or ()
        if row[: len(own)] != tuple(own.values()) or not isinstance(row[-1], bool):
            raise odd_answer("it does not make the settings that it was asked to make")
        if row[-1]:
            connection.pooled, connection.lent = True, False
            connection.execute(_READ + _set_all(own, "true"))
    except ConnectionFailed:
        connection.close()
        raise
    except psycopg.Error as error:
        connection.close()
        raise ConnectionFailed(f"cannot connect to PostgreSQL: {redact(str(error).strip())}") from None


def _unhurried(connection: Connection, command: bytes) -> psycopg.Cursor[tuple[Any, ...]]:
    """Run our first command, which lifts the login's time limit; if that is too short for it, lift it alone first."""
    try:
        return connection.execute(command)
    except psycopg.errors.QueryCanceled:
        connection.execute(b"SET statement_timeout TO 0")
        return connection.execute(command)


def _own(connection: Connection) -> dict[str, str]:
    """Return all that our own SQL runs under, of what this server knows."""
    limits = {"transaction_timeout": "0"} if connection.info.server_version >= WITH_TRANSACTION_TIMEOUT else {}
    return _OURS | _UNHURRIED | silence.IDLE | limits


def in_haste(conninfo: str) -> str:
    """Return a connection string with which a server that has been silent is not waited for long once more."""
    return make_conninfo(conninfo, connect_timeout=str(int(silence.LOOK_UP_SECONDS)))


def client_limits(given: Mapping[str, Any]) -> dict[str, str]:
    """Return libpq's parameters for giving up a silent server that a connection string leaves open."""
    return {key: value for key, value in silence.CLIENT.items() if key not in given and not _set_outside(key)}


def _set_outside(key: str) -> bool:
    return key == "connect_timeout" and "PGCONNECT_TIMEOUT" in os.environ


def _first_reason(error: psycopg.Error, given: dict[str, Any]) -> str:
    reason = redact(str(error).strip())
    shown = [str(value) for key, value in given.items() if key not in UNTOLD]
    for key in UNTOLD:
        secret = str(given.get(key) or "")
        # blanking a short one, or one that is the user's name too, would only point it out
        if len(secret) > _SHORT and not any(secret in value for value in shown):
            reason = reason.replace(secret, "***")
    return reason


@contextmanager
def session(
    conninfo: str, *, application_name: str = "sqlmigrate", early: Early | None = None
) -> Iterator[silence.Session]:
    """Keep a session open for a block; raises ConnectionFailed where the block ends because it was lost.

    An `early` one is taken where it leads to the same place.
    """
    connection = early.take(conninfo) if early else connect(conninfo, application_name=application_name)
    try:
        yield connection
        if connection.info.transaction_status == pq.TransactionStatus.INTRANS:
            connection.rollback()  # a pooler closes the session of a client that leaves in a transaction
    except KeyboardInterrupt as stop:
        silence.roll_back(connection, stop)
        raise
    except psycopg.OperationalError as error:
        if not connection.closed:
            raise
        reason = redact(str(error).strip().partition("\n")[0])
        message = f"the connection to PostgreSQL was lost: {reason}"
        raise ConnectionFailed(message, hint="run the command again") from None
    finally:
        connection.give_back()
        connection.close()


def settle(connection: Connection) -> None:
    """Make the session ours, and patient as `be_patient` does; what another client of a pooler has left in it goes."""
    settings = _OURS
    is_free = connection.info.transaction_status == pq.TransactionStatus.IDLE
    if isinstance(connection, silence.Session) and connection.pooled and is_free:
        give_back(connection)
        connection.lent = True
        connection.execute("SET client_encoding TO 'UTF8'")
        settings = _own(connection)
    connection.execute(_set_all(settings, "false") + f", {silence.settled()}".encode())


def be_patient(connection: Connection) -> None:
    """Make the server notice soon when we are gone, and let it wait for us where we are not."""
    connection.execute(f"SELECT {silence.settled()}".encode())


def limit(connection: Connection, *, lock_timeout: int, statement_timeout: int) -> None:
    """Set how long this session waits for a lock and for a statement, in milliseconds."""
    connection.execute(
        queries.load("connection")["limit"], {"lock": str(lock_timeout), "statement": str(statement_timeout)}
    )


def execute_one(connection: Connection, statement: sql.Composed | bytes) -> None:
    """Run a statement that others have written a part of; a second one in it is an error, and nothing runs.

    Only PostgreSQL's extended protocol is so strict. psycopg speaks it for binary results; `prepare` does nothing here.
    """
    connection.execute(statement, binary=True)


def set_role(connection: Connection, role: str) -> None:
    """Work as another role from here on; raises ConnectionFailed where the login role may not."""
    try:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
    except psycopg.Error as error:
        raise ConnectionFailed(f"cannot work as role {role}: {error.diag.message_primary}") from None


def probe(connection: Connection) -> ServerInfo:
    """Ask who and where we are; raises ConnectionFailed where the server is older than we support."""
    with connection.cursor(row_factory=typed_row(ServerInfo)) as cursor:
        answered = cursor.execute(queries.load("connection")["probe"]).fetchall()
    if len(answered) != 1:
        raise odd_answer("it does not say who and where we are")
    info = answered[0]
    if info.version_number < OLDEST_SERVER:
        raise ConnectionFailed(f"PostgreSQL {info.version} is too old", hint="sqlmigrate needs PostgreSQL 14 or later")
    pooled = info.backend_pid != connection.info.backend_pid
    host, port = _address(connection)
    psql = ("-h", host, "-p", port, "-U", connection.info.user, "-d", as_option(info.database))
    return replace(info, host=shown_host(host, port), pooled=pooled, psql=psql)


def database_of(connection: Connection) -> str:
    """Name the database of a session and its host, for a report."""
    return f"{connection.info.dbname} on {shown_host(*_address(connection))}"


def _address(connection: Connection) -> tuple[str, str]:
    return connection.info.host or connection.info.hostaddr, str(connection.info.port)


def require_writable(info: ServerInfo) -> None:
    """Refuse a standby or a server that is set to read only, before anything runs."""
    if info.standby:
        raise ConnectionFailed(
            f"database {info.database} is on a standby, which cannot be written to",
            hint="connect to the primary server",
        )
    if info.read_only:
        raise ConnectionFailed(
            f"database {info.database} is read only (transaction_read_only is on)",
            hint="Supabase does this when the disk is full; "
            "see also default_transaction_read_only of the role or of the database",
        )


@contextmanager
def undisturbed(connection: Connection, *names: str | None) -> Iterator[list[int | None]]:
    """Ask under our own settings and without a time limit for a block, and give the script's settings back.

    Gives the oids of relations by their names as the script finds them: under its search_path and with its rights; None
    where there is none. psycopg reads no text under SQL_ASCII, so even this is asked in UTF-8.
    """
    in_transaction = connection.info.transaction_status == pq.TransactionStatus.INTRANS
    encoding = (connection.pgconn.parameter_status(b"client_encoding") or b"").decode()
    # SET, since psycopg could not read the row of a SELECT under every encoding
    encode = f"SET {'LOCAL ' if in_transaction else ''}client_encoding TO '{{}}'"
    if encoding != "UTF8":
        connection.execute(encode.format("UTF8").encode())
    found = relations(connection, *names)
    settings, local = _OURS | _UNHURRIED, str(in_transaction).lower()
    row = connection.cursor(row_factory=tuple_row).execute(_current(settings)).fetchone() or ()
    with careful():
        back = {name: value for name, value in zip(settings, row, strict=True) if value != settings[name]}
    if back:
        connection.execute(_set_all({name: settings[name] for name in back}, local))
    yield found
    if back:
        connection.execute(_set_all(back, local))
    if encoding != "UTF8":
        connection.execute(encode.format(encoding).encode())


def ours_locally() -> str:
    """Return the SELECT that makes all that our own SQL runs under, for the transaction that it is in."""
    return _set_all(_OURS | _UNHURRIED, "true").decode()


def give_back(connection: Connection) -> None:
    """Make the session what the login finds, for SQL of other people: nothing of ours may follow in it."""
    connection.execute("DISCARD ALL")


@contextmanager
def as_login(connection: Connection) -> Iterator[None]:
    """Work under the login's own settings for a block, in which no operator and no bare name of ours may be."""
    local = connection.info.transaction_status == pq.TransactionStatus.INTRANS
    words = "SET LOCAL {} TO DEFAULT" if local else "RESET {}"
    connection.execute("; ".join(map(words.format, _OURS)).encode())
    yield
    connection.execute(_set_all(_OURS, str(local).lower()))


def relations(connection: Connection, *names: str | None) -> list[int | None]:
    """Return the oids of relations by their names, as SQL writes them, under the search_path of now.

    None stands for one that is not there, or in a schema that the role may not use.
    """
    if not any(names):
        return [None] * len(names)
    asked = sql.SQL(", ").join(sql.SQL("pg_catalog.to_regclass({})::pg_catalog.oid").format(name) for name in names)
    try:
        row = connection.cursor(row_factory=tuple_row).execute(sql.SQL("SELECT {}").format(asked)).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        row = None
    return list(row or [None] * len(names))


def _current(names: Iterable[str]) -> bytes:
    return b"SELECT " + b", ".join(f"pg_catalog.current_setting('{name}')".encode() for name in names)


def _set_all(values: dict[str, str], local: str) -> bytes:
    """Return one command that makes settings; it names all in full, since it may run under any search_path."""
    calls = (sql.SQL("pg_catalog.set_config({}, {}, {})").format(*item, sql.SQL(local)) for item in values.items())
    return sql.SQL("SELECT {}").format(sql.SQL(", ").join(calls)).as_string().encode()


def copy_in(connection: Connection, command: str, parts: Iterable[str]) -> None:
    """Send the data of a COPY ... FROM STDIN, in memory that does not grow with it; raises psycopg's errors."""
    unhurried = silence.without_user_timeout(connection.pgconn)  # a trigger may take its time for a row
    with unhurried, connection.cursor() as cursor, cursor.copy(command.encode()) as copy:
        for part in parts:
            copy.write(part.encode())  # psycopg would recode text to the client_encoding of the script
            connection.wait(_sent(connection.pgconn))


def _sent(pgconn: PGconn) -> Generator[Wait, Ready | int, None]:
    """Wait until libpq has nothing left to send: else its buffer grows by all that the server has not taken yet."""
    while pgconn.flush():
        yield Wait.W
