"""The roles of a private server: who administers it, owns databases, tests what is in them, and whom scripts name."""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.conninfo import make_conninfo

from sqlmigrate import queries
from sqlmigrate.connection import session as open_session
from sqlmigrate.errors import ConnectionFailed, ServerError
from sqlmigrate.server import let_in
from sqlmigrate.server.model import SUPERUSER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlmigrate.connection import Connection
    from sqlmigrate.server import PrivateServer
    from sqlmigrate.shadow.model import Wanted

DEFAULT_OWNER = "migrator"
STAND_IN = "sqlmigrate_superuser"
TESTER = "sqlmigrate_tester"
_RENAMER = "sqlmigrate_renamer"
_FIRST_WITH_OWNED_PUBLIC = 150000
_LOOK_INTERVAL, _READ_SECONDS = 0.002, 30.0
_FIRST_WITH_CHECKED_GRANTS = 160000
# Whoever is one of them reaches the files and programs of the server's account, or other servers.
_REACHES_OUT = ["pg_execute_server_program", "pg_read_server_files", "pg_write_server_files", "pg_create_subscription"]


def owner_name(wanted: Wanted) -> str:
    """Return the name of the ordinary role that owns the databases of a private server."""
    login = wanted.target.login if wanted.target else None
    return wanted.owner or login or DEFAULT_OWNER


def prepare(server: PrivateServer, wanted: Wanted) -> str:
    """Make the owner, with the rights that the target's login has short of superuser; give the superuser's name.

    Where scripts know an ordinary role by the superuser's name (`OWNER TO postgres`), or a dump may, the superuser gets
    another one. Raises ServerError where they name the tester.
    """
    owner, admin = owner_name(wanted), server.user
    member_of = wanted.target.member_of if wanted.target else frozenset()
    named = {owner, *wanted.roles, *wanted.owners, *member_of}
    if TESTER in named:
        raise ServerError(
            f"a script, the settings or the target's login name the role {TESTER}, which has a meaning of its own on "
            "throwaway servers",
            hint="give the role another name",
        )
    if not wanted.superuser and (wanted.dumped or admin in named):
        admin = _rename_superuser(server)
    with open_session(server.conninfo(user=admin)) as session:
        make(session, [server.user, owner])
        if owner != admin:
            execute(session, f"ALTER ROLE {{}} LOGIN {_rights(wanted)}", owner)
        execute(session, "CREATE ROLE {} LOGIN BYPASSRLS IN ROLE pg_read_all_data, pg_write_all_data", TESTER)
        if session.info.server_version < _FIRST_WITH_CHECKED_GRANTS:
            # CREATEROLE is enough to grant these there, and so to run programs, unless they count as superusers.
            session.execute(queries.load("shadow")["guard"], {"names": _REACHES_OUT})
    return admin


def lock_out(server: PrivateServer, conninfo: str, *, but: Iterable[str]) -> str:
    """Let a superuser in with a password only, as everybody but some roles, and give his connection string with it.

    A function of a script that opens connections, such as dblink_connect_u(), comes from inside the server, as we do.
    Raises ServerError where the server does not read its settings.
    """
    password = secrets.token_hex(16)
    with open_session(conninfo) as session:
        session.execute(sql.SQL("ALTER ROLE CURRENT_USER PASSWORD {}").format(sql.Literal(password)))
        let_in(server, but)
        session.execute("SELECT pg_catalog.pg_reload_conf()")
    _await_locked_out(conninfo)
    return make_conninfo(conninfo, password=password)


def _await_locked_out(conninfo: str) -> None:
    """Wait until the server has read its settings, a moment later, and a password is asked for."""
    end = time.monotonic() + _READ_SECONDS
    with suppress(ConnectionFailed):
        while time.monotonic() < end:
            with open_session(conninfo):
                time.sleep(_LOOK_INTERVAL)
        raise ServerError("the throwaway server does not read its settings, so its superuser is open to scripts")


def _rename_superuser(server: PrivateServer) -> str:
    """Rename the first superuser, which no role can do to itself."""
    with open_session(server.conninfo()) as session:
        execute(session, "CREATE ROLE {} SUPERUSER LOGIN", _RENAMER)
    with open_session(server.conninfo(user=_RENAMER)) as session:
        execute(session, "ALTER ROLE {} RENAME TO {}", server.user, STAND_IN)
    with open_session(server.conninfo(user=STAND_IN)) as session:
        execute(session, "DROP ROLE {}", _RENAMER)
    return STAND_IN


def _rights(wanted: Wanted) -> str:
    target = wanted.target
    rights = {
        "CREATEDB": target is not None and target.creates_databases,
        "CREATEROLE": target is not None and target.creates_roles,
    }
    return " ".join(name if given else f"NO{name}" for name, given in rights.items())


def adopt(session: Connection, wanted: Wanted) -> None:
    """Make the roles that the scripts name and that `bootstrap/` has not made, in a database of the owner.

    The owner becomes a member of those made here, since OWNER TO and SET ROLE need it. What a role of `bootstrap/` may
    do is said there.
    """
    owner = owner_name(wanted)
    named = wanted.roles | wanted.owners
    made = {*make(session, named)}
    if session.info.user == STAND_IN:
        made |= {SUPERUSER} & named - {owner}
    owns_public = session.info.server_version >= _FIRST_WITH_OWNED_PUBLIC
    if not owns_public:
        execute(session, "GRANT CREATE ON SCHEMA public TO {}", owner)
    for name in sorted(made):
        if not wanted.superuser:
            execute(session, "GRANT {} TO {}", name, owner)
        if owns_public and name in wanted.owners:
            execute(session, "GRANT CREATE ON SCHEMA public TO {}", name)
    _let_test(session, {owner, *wanted.roles})


def _let_test(session: Connection, names: Iterable[str]) -> None:
    """Let the tester act as the owner and as those that samples name, but as nobody who can become a superuser.

    Only `bootstrap/` can have made somebody who can.
    """
    for name in _harmless(session, names):
        execute(session, f"GRANT {{}} TO {TESTER}", name)


def _harmless(session: Connection, names: Iterable[str]) -> list[str]:
    asked = {"names": sorted(names), "reach_out": _REACHES_OUT}
    return [name for (name,) in session.execute(queries.load("shadow")["harmless"], asked).fetchall()]


def adopt_dumped(session: Connection, wanted: Wanted, names: Iterable[str]) -> None:
    """Make the roles that a dump names: the tester restores it as all of them.

    The owner may act as those that the target's login may act as, but for those that reach out of the server: what it
    may do on the target's machine, it may not do on this one.
    """
    make(session, names := set(names))
    if wanted.superuser:
        return
    _let_test(session, names)
    if wanted.target is None:
        return
    owner = owner_name(wanted)
    for name in _harmless(session, wanted.target.member_of - {owner}):
        execute(session, "GRANT {} TO {}", name, owner)


def missing(session: Connection, names: Iterable[str]) -> list[str]:
    """List those roles that the server does not have, sorted."""
    wanted = sorted(set(names))
    found = session.execute(queries.load("shadow")["roles"], {"names": wanted}).fetchall()
    return [name for name in wanted if (name,) not in found]


def make(session: Connection, names: Iterable[str]) -> list[str]:
    """Make those roles that the server does not have, without a login, and give their names."""
    made = missing(session, names)
    for name in made:
        execute(session, "CREATE ROLE {} NOLOGIN", name)
    return made


def execute(session: Connection, statement: str, *names: str) -> None:
    """Run a statement with names filled in."""
    session.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
