"""Open a server for shadow databases: the one that the user named, or a private one that is gone afterwards."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager, nullcontext
from typing import TYPE_CHECKING

from psycopg.conninfo import make_conninfo

from sqlmigrate import connection as connections
from sqlmigrate import queries
from sqlmigrate.connection.poolers import settle_writer
from sqlmigrate.errors import ConnectionFailed, ServerError, UsageError
from sqlmigrate.files import leads_out
from sqlmigrate.server import ephemeral, find_binaries, kill
from sqlmigrate.server.binaries import NEXT_STEP
from sqlmigrate.server.bootstrap import read_scripts, run_statement
from sqlmigrate.shadow import adopted, dumps, roles, tablespaces
from sqlmigrate.shadow.databases import APPLICATION, FIRST_WITH_LOGIN_TRIGGERS, Databases, drop_leftovers
from sqlmigrate.shadow.facts import Kinship, kinship, read_facts
from sqlmigrate.shadow.settings import OTHER_ZONE, Settings, differences, read_settings
from sqlmigrate.sql.statement.lasting import settings_asked
from sqlmigrate.sql.statement.needs import cluster_wide, needs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from sqlmigrate.connection import Connection
    from sqlmigrate.server import Binaries, PrivateServer
    from sqlmigrate.shadow.model import ShadowDatabase, TargetFacts, Wanted
    from sqlmigrate.shadow.settings import Locale
    from sqlmigrate.sql.script import Script

SETTINGS = {
    "autovacuum": "off",  # it would take locks and rewrite statistics in between
    "timezone": "UTC",  # initdb takes the machine's
    "jit": "off",  # compiling a query over an empty catalog takes longer than the query
    "max_locks_per_transaction": "256",
    "max_logical_replication_workers": "0",  # no subscription of a script reaches out
    "max_prepared_transactions": "10",
}
_SOURCE = "the URL of the server for throwaway databases (--shadow-url or SQLMIGRATE_SHADOW_URL)"
_HINT = "name a server for it with --shadow-url, or pip install 'pg-sqlmigrate[embedded]'"


class Shadow:
    """A server where throwaway databases are made.

    `private` says that it is gone afterwards, so that it may be changed as a whole. `owner` is the role that scripts
    run as, `notes` are sentences that the user should see, and `isolation` says in one what scripts could reach on the
    machine. `settings` are what scripts find there, and `assumed` says that those of the target are not known.
    `versions` are of extensions that CREATE EXTENSION would give another one. `privileged` says that a script may get
    at PostgreSQL's own objects: its role is or may become a superuser, or something was made as one. `asked` are the
    settings that scripts ask for by name, None where scripts that share a session could find more of each other.
    """

    def __init__(
        self,
        session: Connection,
        databases: Databases,
        facts: TargetFacts,
        wanted: Wanted,
        *,
        owner: str,
        server: PrivateServer | None = None,
    ) -> None:
        self.private = server is not None
        self.version, self.major = facts.version, facts.major
        self.owner = owner
        self.notes: tuple[str, ...] = ()
        self.isolation = _isolation(server, wanted, owner)
        self.settings = Settings()
        self.assumed = wanted.settings is None
        self.versions: dict[str, str] = {}
        self.privileged = True
        self.asked = wanted.asked
        self._session = session
        self._databases = databases
        self._wanted = wanted
        self._server = server
        self._template = "template0"

    def kill(self) -> None:
        """End a private server at once, with whatever runs there: who works on it gets an error of his session."""
        if self._server is not None:
            self._databases.gone = True
            kill(self._server)

    def database(self) -> AbstractContextManager[ShadowDatabase]:
        """Make a database that holds what `bootstrap/` makes, and nothing else; it is dropped behind the block."""
        return self._databases.made(self._template)

    def clone(self, source: ShadowDatabase) -> AbstractContextManager[ShadowDatabase]:
        """Make a copy of a database, in which no session may be open: raises ServerError after 5 s where one is.

        Settings and rights of the database itself (ALTER DATABASE, GRANT ON DATABASE) and its subscriptions are copied
        on a private server.
        """
        return self._databases.made(source.name)

    def exclusive(self, database: ShadowDatabase) -> AbstractContextManager[None]:
        """Let only this database keep roles from being dropped in a block, as if it were the only one of its server.

        That is for a private server; of others, the roles are not ours to drop.
        """
        return self._databases.exclusive(database) if self.private else nullcontext()

    def drop_roles(self, names: Iterable[str]) -> None:
        """Drop roles that scripts have left, given by their quoted names; those that something needs stay."""
        self._databases.drop_roles(names)

    def roles(self) -> frozenset[tuple[str, str]]:
        """Return the roles that this server has, by oid and name."""
        return frozenset(self._session.execute(queries.load("shadow")["role_names"]).fetchall())

    def missing_roles(self, names: Iterable[str]) -> tuple[str, ...]:
        """List the roles that this server does not have."""
        return tuple(roles.missing(self._session, names))

    def missing_extensions(self, names: Iterable[str]) -> tuple[str, ...]:
        """List the extensions that CREATE EXTENSION would not find on this server."""
        wanted = sorted(set(names))
        found = self._session.execute(queries.load("shadow")["extensions"], {"names": wanted}).fetchall()
        return tuple(name for name in wanted if (name,) not in found)

    def restore(self, database: ShadowDatabase, dump: Script) -> None:
        """Run what `dump` wrote in an empty database; raises ExecutionError with the place in the dump.

        On a private server this is done with the roles that the dump names, so that every object gets the owner that
        it has in the target. Raises ServerError, by their names, where extensions or roles are missing.
        """
        named = needs_of([dump])
        if self.private:
            roles.adopt_dumped(self._session, self._wanted, named.roles)
        elif missing := self.missing_roles(named.roles):
            raise ServerError(
                f"the server of the throwaway database has no role {', '.join(missing)}, which owns objects of "
                "the target",
                hint="create the roles there, or use --base replay",
            )
        if missing := self.missing_extensions(named.extensions):
            raise ServerError(
                f"the server of the throwaway database has no extension {', '.join(missing)}, which the target uses",
                hint="install it there, or name a server that has it with --shadow-url",
            )
        self._ask([dump])
        left_out = dumps.restore(database, dump, self.versions, whole=self.private)
        self.notes = tuple(dict.fromkeys((*self.notes, *left_out)))

    @contextmanager
    def elsewhere(self, database: ShadowDatabase) -> Iterator[None]:
        """Put a database, and the copies made of it, into a time zone that is not UTC for a block.

        No session may be open in it that shall notice.
        """
        before = self._databases.adopted
        there = adopted.Adopted(self.owner, {"timezone": OTHER_ZONE}, {"timezone"})
        with connections.session(database.admin_conninfo, application_name=APPLICATION) as admin:
            there.write(admin, database.name)
        self._databases.adopted = there
        try:
            yield
        finally:
            self._databases.adopted = before
            if not self._databases.gone:
                with connections.session(database.admin_conninfo, application_name=APPLICATION) as admin:
                    there.take_back(admin, database.name)

    def ground(self, database: ShadowDatabase) -> None:
        """Prepare the database that all others are copied from; what was left out is added to `notes`."""
        wanted = self._wanted
        scripts = read_scripts(wanted.bootstrap) if wanted.bootstrap else []
        self._ask(scripts)
        left_out = _run_bootstrap(database, scripts, private=self.private)
        if self.private:
            with connections.session(database.admin_conninfo, application_name=APPLICATION) as inside:
                roles.adopt(inside, wanted)
                tablespaces.make(inside, wanted.tablespaces)
        else:
            absent = {
                "role": self.missing_roles(wanted.roles | wanted.owners),
                "tablespace": tablespaces.missing(self._session, wanted.tablespaces),
            }
            left_out += [
                f"the server of the throwaway database has no {kind} {', '.join(names)}, which the scripts name"
                for kind, names in absent.items()
                if names
            ]
        self.notes += (*left_out, *self._adopt(database), *self._pin())
        row = self._session.execute(queries.load("shadow")["becomes_superuser"], {"name": self.owner}).fetchone()
        self.privileged = bool(scripts) or wanted.bootstrap is None or not row or bool(row[0])
        self._template = database.name

    def _ask(self, scripts: Iterable[Script]) -> None:
        """Add what functions of other scripts ask for, which those that are to be run may call."""
        more = settings_asked(scripts)
        self.asked = None if self.asked is None or more is None else self.asked | more

    def _adopt(self, database: ShadowDatabase) -> list[str]:
        """Return the database what the target decides beside the scripts; says what could not be had."""
        wanted = self._wanted.settings
        self.settings = self._look(database)
        if wanted is None:
            return []
        with connections.session(database.admin_conninfo, application_name=APPLICATION) as admin:
            login = self.owner
            found, refused = adopted.adopt(wanted, self.settings, admin, database.name, login)
            notes = []
            if self.private and (left := adopted.adopt_own(wanted, admin, database.name, login)):
                notes.append(f"not taken from the target: the settings {', '.join(left)}")
            elif not self.private and wanted.own:
                notes.append(
                    f"not taken from the target, since they may hold secrets: the settings {', '.join(wanted.own)}"
                )
            adopted.insist(found, wanted.values, self._look(database), admin, database.name)
        self._databases.adopted = found
        self.settings = self._look(database)
        said = dict(differences(wanted, self.settings)) | refused
        if "encoding" in said:
            said.pop("lc_monetary", None)  # mostly the same locale is missing, which is said once
        return [*said.values(), *notes]

    def _look(self, database: ShadowDatabase) -> Settings:
        with connections.session(database.conninfo, application_name=APPLICATION) as own:
            return read_settings(own)

    def _pin(self) -> Iterator[str]:
        """Find out which versions of extensions CREATE EXTENSION has to be asked for, and say which are not here."""
        wanted = dict(self._wanted.settings.extensions) if self._wanted.settings else {}
        if self._wanted.bootstrap is not None:  # else a dump makes all of them
            wanted = {name: version for name, version in wanted.items() if name in self._wanted.extensions}
        rows = self._session.execute(queries.load("shadow")["versions"], {"names": sorted(wanted)}).fetchall()
        usual = {name: default for name, _, default in rows}
        here = {(name, version) for name, version, _ in rows}
        for name, version in wanted.items():
            if name not in usual or usual[name] == version:
                continue
            if (name, version) in here:
                self.versions[name] = version
            else:
                yield (
                    f"extension {name} is {version} in the target; the server of the throwaway database does not "
                    f"have that version, so {usual[name]} is used"
                )


@contextmanager
def opened(wanted: Wanted) -> Iterator[Shadow]:
    """Open the server of `wanted.shadow_url`, or start a private one; all databases are dropped behind the block.

    A private server takes the user's `PG*` variables out of our environment while it runs: read the target before.
    Raises UsageError where the shadow is on the target's own cluster, ConnectionFailed or ServerError where there is
    no server to be had, and what `bootstrap/` raises.
    """
    with _named(wanted) if wanted.shadow_url is not None else _private(wanted) as shadow, shadow.database() as ground:
        shadow.ground(ground)
        yield shadow


@contextmanager
def _private(wanted: Wanted) -> Iterator[Shadow]:
    binaries = _binaries(wanted.target)
    folder = wanted.readable
    readable = [folder.resolve()] if folder and folder.is_dir() and leads_out(folder) is None else []
    with ephemeral(binaries=binaries, settings=SETTINGS, in_memory=True, readable=readable) as server:
        admin = roles.prepare(server, wanted)
        conninfo = server.conninfo(user=admin)
        owner = roles.owner_name(wanted)
        login, tester = (admin, admin) if wanted.superuser else (owner, roles.TESTER)
        if not wanted.superuser:
            conninfo = roles.lock_out(server, conninfo, but=[login, tester])
        with (
            connections.session(conninfo, application_name=APPLICATION) as session,
            closing(
                Databases(session, conninfo, owner=owner, login=login, tester=tester, locale=_locale(wanted))
            ) as databases,
        ):
            facts = read_facts(session)
            shadow = Shadow(session, databases, facts, wanted, owner=login, server=server)
            shadow.notes = tuple(_notes(facts, wanted, superuser=wanted.superuser))
            yield shadow


def _locale(wanted: Wanted) -> Locale | None:
    return wanted.settings.locale if wanted.settings else None


def _binaries(target: TargetFacts | None) -> Binaries:
    """Find the target's major version where there is one, else any."""
    if target is not None:
        try:
            return find_binaries(target.major)
        except ServerError:
            pass  # said loudly in the notes
    try:
        return find_binaries()
    except ServerError as error:
        # what is wrong with SQLMIGRATE_PG_BINDIR has a hint of its own
        hint = _HINT if error.hint == NEXT_STEP else f"{error.hint}, or name a server with --shadow-url"
        raise ServerError(error.message, hint=hint) from None


@contextmanager
def _named(wanted: Wanted) -> Iterator[Shadow]:
    conninfo = make_conninfo(**connections.parse_conninfo(wanted.shadow_url or "", source=_SOURCE))
    with ExitStack() as stack:
        try:
            session = stack.enter_context(connections.session(conninfo, application_name=APPLICATION))
        except ConnectionFailed as error:
            raise ConnectionFailed(f"the server of --shadow-url: {error.message}", hint=error.hint) from None
        info = connections.probe(session)
        connections.require_writable(info)
        settle_writer(conninfo, session, info)
        facts = read_facts(session)
        notes = [*_notes(facts, wanted, superuser=facts.superuser), *_checked(facts, wanted)]
        if left := drop_leftovers(session):
            notes.append(f"dropped what a killed run had left on the server of --shadow-url: {', '.join(left)}")
        databases = stack.enter_context(closing(Databases(session, conninfo, locale=_locale(wanted))))
        shadow = Shadow(session, databases, facts, wanted, owner=facts.login)
        shadow.notes = tuple(notes)
        yield shadow


def _isolation(server: PrivateServer | None, wanted: Wanted, login: str) -> str:
    if server is None:
        return f"the server of --shadow-url is not ours: scripts run there with the privileges of its role {login}"
    as_superuser = {
        "the scripts": wanted.superuser,
        "bootstrap/": wanted.bootstrap is not None and any(wanted.bootstrap.glob("*.sql")),
    }
    which = [name for name, did in as_superuser.items() if did]
    return server.isolation + (f"; run as superuser: {', '.join(which)}" if which else "")


def _checked(facts: TargetFacts, wanted: Wanted) -> Iterator[str]:
    """Refuse a server that must not or cannot be used; what cannot be told for sure is a note."""
    if not (facts.superuser or facts.creates_databases):
        raise ConnectionFailed(
            f"role {facts.login} may not create databases on the server of --shadow-url",
            hint=f"ALTER ROLE {facts.login} CREATEDB, or leave out --shadow-url to use a private server",
        )
    related = kinship(facts, wanted.target) if wanted.target else Kinship.OTHER
    if related is Kinship.SAME:
        raise UsageError(
            "the server of --shadow-url is the target's own cluster, or a physical copy of it",
            hint="name another server, or leave out --shadow-url to use a private one",
        )
    if related is Kinship.UNKNOWN:
        yield (
            "it is not certain that --shadow-url and the target are different clusters (pg_control_system() may not "
            "be called on both); the servers started at different times"
        )


def _notes(facts: TargetFacts, wanted: Wanted, *, superuser: bool) -> Iterator[str]:
    target = wanted.target
    if target is None:
        return
    if target.major != facts.major:
        yield (
            f"the throwaway server is PostgreSQL {facts.version}, the target {target.version}: what differs between "
            "them is not proven"
        )
    if target.superuser and not superuser:
        yield (
            f"role {target.login} is a superuser in the target; on the throwaway database scripts run as an ordinary "
            "role"
        )


def _run_bootstrap(database: ShadowDatabase, scripts: Sequence[Script], *, private: bool) -> list[str]:
    """Run the bootstrap, elsewhere without what changes the cluster; give what was left out."""
    if not scripts:
        return []
    notes = []
    with connections.session(database.admin_conninfo, application_name=APPLICATION) as inside:
        connections.give_back(inside)
        if private and inside.info.server_version >= FIRST_WITH_LOGIN_TRIGGERS:
            inside.execute("SET event_triggers TO on")  # which `ShadowDatabase` has off for a superuser
        for script in scripts:
            left_out = {} if private else {part.number: part for part in cluster_wide(script)}
            for statement in script.statements():
                if statement.number not in left_out:
                    run_statement(inside, script, statement)
            places = ", ".join(str(script.place(part)) for part in left_out.values())
            if places:
                notes.append(f"not run, since it would change the whole cluster of --shadow-url: {places}")
    return notes
