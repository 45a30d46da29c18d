"""A server for shadow databases: the one that the user named, or a private one that is gone afterwards."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlmigrate import connection as connections
from sqlmigrate import queries
from sqlmigrate.errors import ServerError
from sqlmigrate.schema.as_data import kept
from sqlmigrate.schema.read import read_schema
from sqlmigrate.server import kill
from sqlmigrate.server.bootstrap import read_scripts, run_statement
from sqlmigrate.shadow import adopted, dumps, roles, tablespaces, written
from sqlmigrate.shadow.bases import State
from sqlmigrate.shadow.databases import APPLICATION, FIRST_WITH_LOGIN_TRIGGERS, Databases
from sqlmigrate.shadow.settings import OTHER_ZONE, Settings, differences, read_settings
from sqlmigrate.sql.statement.lasting import settings_asked
from sqlmigrate.sql.statement.needs import cluster_wide, needs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlmigrate.connection import Connection, ServerInfo
    from sqlmigrate.schema.read import Snapshot
    from sqlmigrate.server import PrivateServer, Throwaway
    from sqlmigrate.server.account import Account
    from sqlmigrate.shadow.bases import Bases
    from sqlmigrate.shadow.model import ShadowDatabase, TargetFacts, Wanted
    from sqlmigrate.sql.script import Script

_SCRIPTS_WORTH = 10  # and so many seconds: to keep a state takes about half a one
_SECONDS_WORTH = 0.3


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
        databases: Databases,
        facts: TargetFacts,
        wanted: Wanted,
        *,
        owner: str,
        server: Throwaway | None = None,
        bases: Bases | None = None,
    ) -> None:
        self.private = server is not None
        self.version, self.major = facts.version, facts.major
        self.owner = owner
        self.notes: tuple[str, ...] = ()
        self.isolation = _isolation(server.server if server else None, wanted, owner)
        self.settings = Settings()
        self.assumed = wanted.settings is None
        self.versions: dict[str, str] = {}
        self.privileged = True
        self.asked = wanted.asked
        self._databases = databases
        self._wanted = wanted
        self._server = server
        self._bases = bases
        self._template = "template0"
        self._said: tuple[str, ...] = ()
        self._known: Snapshot | None = None
        self._gave_away = False
        self._roles_then: frozenset[tuple[str, str]] = frozenset()

    @property
    def _session(self) -> Connection:
        return self._databases.live()

    def kill(self) -> None:
        """End a private server at once, with whatever runs there: who works on it gets an error of his session."""
        if self._server is not None:
            self._databases.gone = True
            kill(self._server.server)

    def database(self) -> AbstractContextManager[ShadowDatabase]:
        """Make a database that holds what `bootstrap/` makes, and nothing else; it is dropped behind the block."""
        return self._databases.made(self._template)

    def clone(self, source: ShadowDatabase) -> AbstractContextManager[ShadowDatabase]:
        """Make a copy of a database, in which no session may be open: raises ServerError after 5 s where one is.

        Settings and rights of the database itself (ALTER DATABASE, GRANT ON DATABASE) and its subscriptions are copied
        on a private server.
        """
        return self._databases.made(source.name)

    def copy_ahead(self, source: ShadowDatabase, count: int) -> None:
        """Begin to make copies of a database, aside, for as many calls of `clone` which will surely come.

        Until then it must stay as it is, with no session in it: whoever changes it says so by `changes`. On a server
        that is not ours, or has little room, nothing is made before it is needed.
        """
        self._databases.make_ahead(source.name, count)

    def changes(self, database: ShadowDatabase) -> None:
        """Note that a database is about to change: what was copied from it ahead is given to nobody any more."""
        self._databases.forget_copies(database.name)

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

    def probed(self) -> ServerInfo:
        """Return what the login of the scripts finds, asked in the database that all others are copied from."""
        with connections.session(self._databases.named(self._template).conninfo) as own:
            return connections.probe(own)

    def unbound(self) -> frozenset[str]:
        """Return the roles for which row level security does not count: superusers, and those with BYPASSRLS."""
        return frozenset(name for (name,) in self._session.execute(queries.load("shadow")["unbound"]).fetchall())

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
        self.changes(database)
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

    def dumped(self, database: ShadowDatabase, more: Sequence[str] = ("--schema-only",)) -> list[str]:
        """Return the statements that make the schema of a database, as `pg_dump` writes them for people.

        `more` are options of it: without --schema-only there are rows, too, which need --inserts to be statements.

        What belongs to the role that scripts run as belongs to whoever runs them. The tester reads, so no code of the
        database runs as a superuser. Raises ServerError where there is no `pg_dump` that fits, or in its own words.
        """
        binaries = self._server.server.binaries if self._server else None
        found = dumps.dump_of_shadow(database.tester_conninfo, self.major, binaries, more)
        return written.statements(found, self.owner)

    def base(self, ids: Sequence[str], *, give_away: bool = False) -> tuple[ShadowDatabase, int] | None:
        """Return the database that was kept behind the first of these migrations, and behind how many, if there is one.

        Whoever copies it must open no session in it; one to whom it is given away may do what he wants, and it is not
        given again. A role that a script has dropped since then may be missing in it, so it is not given any more.
        """
        state = self._bases.state if self._bases else None
        if self._bases is None or state is None or self._gave_away or not self._roles_then <= self.roles():
            return None
        self._bases.require_begun(ids)
        self._gave_away = give_away
        return self._databases.named(state.base), self._bases.done

    def known(self) -> Snapshot | None:
        """Return the schema of what was kept, where it is known: what has not changed since then need not be read."""
        if self._known is None and self._bases is not None:
            self._known = self._bases.schema()
        return self._known

    def keep(self, database: ShadowDatabase, ids: Sequence[str], seconds: float) -> None:
        """Keep for other runs what these migrations have made of a database, if they are those that come before.

        It took these seconds. No session may be open on the server: all are ended. What keeps it from being kept is
        told to the observer, and no error. Its schema is `known` then.
        """
        bases, server, done = self._bases, self._server, len(ids)
        if bases is None or server is None or not (server.may_pause and bases.may_keep(ids)):
            return
        if done - bases.done <= _SCRIPTS_WORTH and seconds < _SECONDS_WORTH:
            return
        with connections.session(database.tester_conninfo, application_name=APPLICATION) as tester:
            day_only = bases.day_only(tester, done)
            schema = kept(read_schema(tester, since=self.known()))
        told = bases.told(self._session)
        if day_only is None or told is None:
            return
        state = State(self._template, database.name, self._databases.superuser, told, self._said)
        record = replace(state, versions=self.versions, privileged=self.privileged)
        self._databases.clear()

        def keep(data: Path, account: Account) -> None:
            bases.keep(data, account, done, record, self._known, day_only=day_only)

        self._known = schema if schema.is_for_all else None
        server.paused(self._databases.conninfo, keep)

    @contextmanager
    def grounded(self) -> Iterator[None]:
        """Have a database that all others are copied from: what is kept, or what `ground` prepares."""
        state = self._bases.state if self._bases else None
        if state is not None:
            self._template, self._said = state.template, state.notes
            self.settings = self._look(self._databases.named(state.template))
            self.notes += state.notes
            self._ask(read_scripts(self._wanted.bootstrap) if self._wanted.bootstrap else [])
            self._roles_then = self.roles()
            self.versions, self.privileged = dict(state.versions), state.privileged
            yield
            return
        with self.database() as ground:
            before = self.notes
            self.ground(ground)
            self._said = self.notes[len(before) :]
            yield

    @contextmanager
    def elsewhere(self, database: ShadowDatabase) -> Iterator[None]:
        """Put a database, and the copies made of it, into a time zone that is not UTC for a block.

        No session may be open in it that shall notice.
        """
        self.changes(database)
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
        """Bring into the database what the target decides beside the scripts; says what could not be had."""
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


def _isolation(server: PrivateServer | None, wanted: Wanted, login: str) -> str:
    if server is None:
        return f"the server of --shadow-url is not ours: scripts run there with the privileges of its role {login}"
    as_superuser = {
        "the scripts": wanted.superuser,
        "bootstrap/": wanted.bootstrap is not None and any(wanted.bootstrap.glob("*.sql")),
    }
    which = [name for name, did in as_superuser.items() if did]
    return server.isolation + (f"; run as superuser: {', '.join(which)}" if which else "")


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
