"""Where a connection string leads, as libpq will find it: service file, several hosts, environment and defaults."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sqlmigrate import queries
from sqlmigrate.connection.answers import careful
from sqlmigrate.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

# libpq refuses this value once it has resolved all else and before it connects.
_STOP = {"target_session_attrs": "-"}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,40}")
_PING_SECONDS = 2
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PASSFILE = ".pgpass"  # what libpq looks for by itself
_SSLMODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SEARCH_PATH = "the setting search_path does the same for the scripts"
_INSTEAD = {
    "schema": _SEARCH_PATH,
    "currentschema": _SEARCH_PATH,
    "search_path": _SEARCH_PATH,
    "pgbouncer": "through a pooler, use its session mode, or connect to PostgreSQL itself",
    "ssl": "sslmode=require asks for TLS",
    "sslaccept": "sslmode=require asks for TLS, and sslmode=verify-full checks the server's name too",
    "uselibpqcompat": "sslmode already means what libpq says",
    "statement_timeout": "the setting statement_timeout does the same for the scripts",
    "timezone": "options=-ctimezone%3DZONE sets it",
    **dict.fromkeys(("connection_limit", "pool_timeout", "pool_size", "max_overflow"), "there is no pool here"),
}
"""What to do instead of parameters that Prisma, JDBC, SQLAlchemy and node write into URLs."""


def resolved(conninfo: str) -> dict[str, str]:
    """Return every part of a connection string as libpq will take it; nobody connects, and nothing of it is a password.

    Raises ConfigError in libpq's words, such as for a service that no file defines.
    """
    require_endable_files(conninfo)
    begun = pq.PGconn.connect_start(make_conninfo(conninfo, **_STOP).encode())
    try:
        reason = begun.error_message.decode(errors="replace").strip()
        if "target_session_attrs" not in reason:
            raise ConfigError(f"it leads nowhere: {reason.partition(chr(10))[0]}")
        found = {item.keyword.decode(): item.val.decode(errors="replace") for item in begun.info if item.val}
    finally:
        begun.finish()
    return {name: value for name, value in found.items() if "password" not in name and "secret" not in name}


def require_endable_files(conninfo: str) -> None:
    """Raise ConfigError for a service file or passfile that libpq would read for ever, and no signal would end that.

    It opens a pipe before it looks what it is, and reads a service file that is a device to its end.
    """
    given = conninfo_to_dict(conninfo)
    services = os.environ.get("PGSERVICEFILE") or "~/.pg_service.conf"
    if given.get("service") or os.environ.get("PGSERVICE"):
        _require_endable(Path(services), "the service file", device=False)
    passfile = given.get("passfile") or os.environ.get("PGPASSFILE") or f"~/{_PASSFILE}"
    _require_endable(Path(str(passfile)), "the passfile", device=True)


def _require_endable(path: Path, what: str, *, device: bool) -> None:
    try:
        mode = path.expanduser().stat().st_mode
    except (OSError, ValueError, RuntimeError):  # libpq says it, or does without
        return
    is_endless = stat.S_ISCHR(mode) and not device and path != Path(os.devnull)
    if stat.S_ISFIFO(mode) or is_endless:
        message = f"{what} is a {'device' if is_endless else 'pipe'}, not a file: libpq might never come to its end"
        raise ConfigError(message, hint="write it to a file that nobody else can read (chmod 600)")


def at_server_of(conninfo: str, session: psycopg.Connection[Any]) -> str:
    """Return a connection string that leads where a session has led: of several hosts or addresses to the one of it.

    libpq chooses anew for each session, at random where that is asked for, and as the name server turns its answers.
    """
    info = session.info
    address = "" if info.host.startswith(("/", "@")) else info.hostaddr
    return make_conninfo(conninfo, host=info.host, hostaddr=address, port=info.port)


class Home(NamedTuple):
    """Where the data of a session are; a standby that takes the place of its primary has the same.

    `cluster` is its system identifier, None where the server does not tell it; `database` is the oid of the database,
    which keeps it under another name, and which another one of the same name does not have.
    """

    cluster: int | None
    database: int


@careful()
def home_of(session: psycopg.Connection[Any]) -> Home:
    """Ask where the data of a session are; it keeps an open transaction usable."""
    asked = queries.load("connection")
    allowed, database = session.execute(asked["identifiable"]).fetchone() or (False, 0)
    row = session.execute(asked["identifier"]).fetchone() if allowed else None
    return Home(row[0] if row else None, database)


def meant(conninfo: str) -> str:
    """Say which database a connection string means, before anybody connects."""
    try:
        found = resolved(conninfo)
    except ConfigError as error:
        return f"no database: {error.message}"
    role = found.get("user", "?")
    service = f", service {found['service']}" if "service" in found else ""
    where = " or ".join(_hosts(found))
    return f"database {found.get('dbname', role)} on {where} as {role}{service}{_passfile(found)}"


def is_local(conninfo: str) -> bool:
    """Tell whether a connection string leads only to servers of this machine."""
    found = resolved(conninfo)
    hosts = (found.get("hostaddr") or found.get("host") or "").split(",")
    return all(not host or host.startswith(("/", "@")) or host in _LOOPBACK for host in hosts)


def is_starting(conninfo: str) -> bool:
    """Ask a server that has refused us whether it is starting up or shutting down, in whichever language it speaks."""
    return _ping(conninfo) == pq.Ping.REJECT


def answers(conninfo: str) -> bool:
    """Ask whether a server accepts connections, or cannot be asked; it takes a few seconds where nobody answers."""
    return _ping(conninfo) not in {pq.Ping.REJECT, pq.Ping.NO_RESPONSE}


def _ping(conninfo: str) -> pq.Ping:
    return pq.Ping(pq.PGconn.ping(make_conninfo(conninfo, connect_timeout=_PING_SECONDS).encode()))


def shown_host(host: str, port: str) -> str:
    """Name a server as people do: a socket by its folder, another one with its port."""
    return f"socket {host}" if host.startswith(("/", "@")) else f"{host}:{port}"


def _hosts(found: dict[str, str]) -> list[str]:
    hosts = (found.get("host") or found.get("hostaddr") or "").split(",")
    ports = found.get("port", "5432").split(",")
    ports = ports if len(ports) == len(hosts) else ports[:1] * len(hosts)
    return [shown_host(host or "the local socket", port or "5432") for host, port in zip(hosts, ports, strict=True)]


def _passfile(found: dict[str, str]) -> str:
    """Say of a passfile that somebody has named whether libpq will read it; libpq passes over one that others can read.

    https://www.postgresql.org/docs/current/libpq-pgpass.html
    """
    path = Path(found.get("passfile", ""))
    if path.name in {"", _PASSFILE}:
        return ""
    try:
        mode = path.stat().st_mode
    except OSError:
        return ", with a passfile that does not exist"
    if not stat.S_ISREG(mode) or mode & (stat.S_IRWXG | stat.S_IRWXO):
        return ", with a passfile that libpq ignores, since others may read it (chmod 600 helps)"
    return ", with a passfile"


def unknown_parameters(text: str) -> list[str]:
    """Return the names of parameters that libpq does not know; none where a name might be a part of a password."""
    known = {item.keyword.decode() for item in pq.Conninfo.get_defaults()}
    url = re.match(r"[a-z]+://[^?]*\?(.*)", text, re.DOTALL)
    if url is None:
        names = re.findall(r"(?:^|\s)(\w+)\s*=", text)
        return [name for name in names if name not in known and name.lower() in _INSTEAD]
    pairs = [part.partition("=") for part in url[1].split("&")]
    if "@" in url[1]:
        return []
    unknown = [name for name, _, value in pairs if name not in known and (name, value) != ("ssl", "true")]
    return unknown if all(_NAME.fullmatch(name) for name in unknown) else []


def instead(names: list[str]) -> str:
    """Say what to do with parameters that libpq does not know."""
    ways = dict.fromkeys(way for name in names if (way := _INSTEAD.get(name.lower())))
    return "; ".join([f"remove {', '.join(names)}, which only other drivers know", *ways])


def require_known_sslmode(value: str | None, *, source: str) -> None:
    """Raise ConfigError for a value that only other drivers know, such as node's no-verify."""
    if value is None or value in _SSLMODES:
        return
    shown = f"sslmode={value}" if _NAME.fullmatch(value) else "an sslmode"
    way = "sslmode=require does the same" if value == "no-verify" else f"write one of {', '.join(_SSLMODES)}"
    raise ConfigError(f"{source} has {shown}, which libpq does not know", hint=way)


def require_only_connects(parts: Mapping[str, str], *, source: str) -> None:
    """Raise ConfigError for what would have libpq load a library, write a file, or print what looks like our output.

    Whoever wrote it may be nobody that is trusted with this machine, such as the author of a change that is reviewed.
    """
    if ":" in parts.get("sslkey", ""):  # https://www.postgresql.org/docs/current/libpq-connect.html, at sslkey
        message = f"{source} has the sslkey of an OpenSSL engine, for which libpq would load a library"
        raise ConfigError(message, hint="name the file of a key, or set the variable PGSSLKEY in your environment")
    if parts.get("sslkeylogfile"):
        message = f"{source} has sslkeylogfile, for which libpq would write the keys of the session to a file"
        raise ConfigError(message, hint="remove sslkeylogfile")
    if parts.get("servicefile"):  # libpq 19; what it holds is read by libpq alone
        message = f"{source} has servicefile, which may have libpq load a library"
        raise ConfigError(message, hint="set the variable PGSERVICEFILE in your environment")
    name = parts.get("passfile", "")
    if "##" in name or not name.isprintable():  # libpq prints it itself, where it warns that others may read the file
        raise ConfigError(f"{source} has a passfile whose name could forge a line of a log", hint="rename the file")
