"""The database that each test gets a copy of: made once for all workers, and kept for the next session.

It is on a server of the user's, or on a private one that the workers share and that is stopped by the last of them. Its
name tells what it is made of, so one of that name is what is wanted.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sqlmigrate import connection as connections
from sqlmigrate import queries, server
from sqlmigrate.errors import ServerError
from sqlmigrate.server import locks
from sqlmigrate.server.account import server_account
from sqlmigrate.server.bootstrap import run_bootstrap
from sqlmigrate.server.places import make_guarded, make_state_dir
from sqlmigrate.server.throwaway import roomy_memory
from sqlmigrate.shadow.databases import Databases, drop, drop_leftovers
from sqlmigrate.target import OWNER, state_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.connection import Connection
    from sqlmigrate.testing.project import Project

PREFIX = "sqlmigrate_test_"
_SPACE = "sqlmigrate_memory"
_APPLICATION = "sqlmigrate: testing"
_MAKING_SECONDS = 3600.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_FIRST_WITH_OWNED_PUBLIC = 150000
_SETTINGS = {"autovacuum": "off", "jit": "off", "max_connections": "200"}
# Files that a server has written are whole as long as the machine has not been started anew.
_UNSAFE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


class Process(Protocol):
    """What is read of a process of pytest-postgresql, or of what stands for one."""

    host: str
    port: int
    user: str
    password: str | None


@dataclass(frozen=True, slots=True)
class Template:
    """The template by its name; `made` says that this session has made it, and nothing was kept."""

    name: str
    made: bool
    _databases: Databases

    @contextmanager
    def clone(self) -> Iterator[str]:
        """Make a copy for a block, and give its URL; it is dropped afterwards, with whatever sessions are in it."""
        with self._databases.made(self.name) as database:
            yield as_url(database.conninfo)


@contextmanager
def opened(project: Project, url: str | None, process: Process | None, *, fresh: bool = False) -> Iterator[Template]:
    """Open the server, and have the template on it, made under a file lock where it is not there.

    Raises what applying the migrations raises, ConnectionFailed and ServerError.
    """
    folder = make_state_dir(state_dir(project.config) / "testing", server_account())
    with ExitStack() as stack:
        admin, owner = stack.enter_context(_server(folder, url, process))
        session = stack.enter_context(connections.session(admin, application_name=_APPLICATION))
        prefix = f"{PREFIX}{project.place()}_"
        name = prefix + project.key()
        with locks.exclusive(folder / "template.lock", _MAKING_SECONDS):
            drop_leftovers(session)
            space = _in_memory(session) if owner is not None else None
            if fresh:
                drop(session, name, force=True)
            made = not _is_there(session, name, owner)
            _ask(session, "hold", name=name)
            if made:
                _drop_others(session, prefix, name)
                _make(session, admin, owner, project, name)
        databases = Databases(session, admin, owner=owner, login=owner, tester=owner, tablespace=space)
        stack.callback(databases.close)
        yield Template(name, made, databases)


@contextmanager
def _server(folder: Path, url: str | None, process: Process | None) -> Iterator[tuple[str, str | None]]:
    """Yield the connection string of who makes databases, and who owns them where that is somebody else."""
    if url is not None:
        yield make_conninfo(**connections.parse_conninfo(url, source="--sqlmigrate-url")), None
    elif process is not None:
        password = {"password": process.password} if process.password else {}
        yield (
            make_conninfo(host=process.host, port=process.port, user=process.user, dbname="postgres", **password),
            None,
        )
    else:
        state, settings = _state(folder)
        with server.shared(state, settings=settings) as private:
            yield private.conninfo(), OWNER


def _state(folder: Path) -> tuple[Path, dict[str, str]]:
    """Return the folder of the private server and its settings: it need not wait for the disk, until the next boot."""
    try:
        boot = _BOOT_ID.read_text(encoding="ascii").strip().replace("-", "")[:12]
    except OSError:
        return folder / "durable", _SETTINGS
    for old in folder.glob("boot-*"):
        if old.name != f"boot-{boot}":
            with suppress(ServerError):
                server.destroy(old)
    return folder / f"boot-{boot}", _SETTINGS | _UNSAFE


def _in_memory(session: Connection) -> str | None:
    """Return a tablespace in memory for the copies, where there is room: a disk that is busy takes seconds for one.

    The template is on disk, so that nothing stays in memory when the copies are dropped.
    """
    found = _ask(session, "tablespace", name=_SPACE)
    if found:
        return _SPACE if Path(found[0][0]).is_dir() else None
    memory = roomy_memory()
    if memory is None or not _BOOT_ID.exists():
        return None
    account = server_account()
    base = Path(tempfile.mkdtemp(prefix="sqlm-", dir=memory))
    base.chmod(0o711 if account.switch else 0o700)
    make_guarded(base / "copies", 0o700, account)
    text = sql.SQL("CREATE TABLESPACE {} LOCATION {}").format(sql.Identifier(_SPACE), sql.Literal(str(base / "copies")))
    session.execute(text)
    return _SPACE


def _ask(session: Connection, query: str, **values: str) -> list[tuple[Any, ...]]:
    return session.execute(queries.load("testing")[query], values).fetchall()


def _is_there(session: Connection, name: str, owner: str | None) -> bool:
    """Tell whether the template is there; raises ServerError where it is another role's, whose code it could hold."""
    for whose, trusted in _ask(session, "database", name=name, owner=owner or ""):
        if not trusted:
            hint = "find out what role that is, and drop the database; or name a server of your own"
            raise ServerError(f"database {name}, of the name of this template, belongs to role {whose}", hint=hint)
        return True
    return False


def _drop_others(session: Connection, prefix: str, name: str) -> None:
    """Drop the templates of what the files were before, but for those that somebody still uses."""
    for other, free in _ask(session, "others", prefix=prefix):
        if free and other != name:
            with suppress(psycopg.Error):
                drop(session, other, force=True)
        if free:
            _ask(session, "release", name=other)


def _make(session: Connection, admin: str, owner: str | None, project: Project, name: str) -> None:
    """Make the template under another name, so that one of its name is whole."""
    new = f"{name}_new"
    drop(session, new, force=True)
    if owner is not None:
        _ensure_role(session, owner)
    clause = sql.SQL(" OWNER {}").format(sql.Identifier(owner)) if owner else sql.SQL("")
    session.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(new)) + clause)
    superuser = make_conninfo(admin, dbname=new)
    login = make_conninfo(superuser, user=owner) if owner else superuser
    if owner is not None and session.info.server_version < _FIRST_WITH_OWNED_PUBLIC:
        with connections.session(superuser, application_name=_APPLICATION) as inside:
            inside.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(sql.Identifier(owner)))
    run_bootstrap(superuser, project.migrations)
    _fill(login, project)
    session.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(new), sql.Identifier(name)))


def _ensure_role(session: Connection, role: str) -> None:
    if not _ask(session, "role", name=role):
        text = "CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE"
        session.execute(sql.SQL(text).format(sql.Identifier(role)))


def _fill(login: str, project: Project) -> None:
    from sqlmigrate import api  # noqa: PLC0415  mostly the template is there

    config = project.config
    found = api.read(project.migrations, order=config.order)
    options: dict[str, Any] = {"role": config.role, "history_schema": config.history_schema}
    api.apply(login, found, search_path=config.search_path, lock_timeout="1min", **options)
    if project.has_seeds:
        api.seed(login, project.data, **options)


def as_url(conninfo: str) -> str:
    """Write a connection string as a `postgresql://` URL, as libpq and other drivers read it."""
    parts = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
    user, password = (quote(parts.pop(name, ""), safe="") for name in ("user", "password"))
    host, port = parts.pop("host", ""), parts.pop("port", "")
    name = quote(parts.pop("dbname", ""), safe="")
    who = f"{user}:{password}@" if password else f"{user}@" if user else ""
    if host.startswith("/") or "," in host or ":" in host:  # of a socket, of several, or IPv6
        parts = {"host": host, **({"port": port} if port else {}), **parts}
        host = port = ""
    where = f"{host}:{port}" if port else host
    more = f"?{urlencode(parts, quote_via=quote)}" if parts else ""
    return f"postgresql://{who}{where}/{name}{more}"
