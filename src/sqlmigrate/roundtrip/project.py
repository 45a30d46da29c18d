"""From a project to its round trips: the one entry for the command and for programs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate import connection, history, shadow
from sqlmigrate.connection import allow
from sqlmigrate.events import ignore
from sqlmigrate.roundtrip.ground import Base
from sqlmigrate.roundtrip.model import ORDINARY, RoundTrip, lacks_rights
from sqlmigrate.roundtrip.run import before_first, chosen, scripts_of, way_to
from sqlmigrate.roundtrip.runner import before
from sqlmigrate.roundtrip.samples import find_samples, with_seeds
from sqlmigrate.roundtrip.side_by_side import servers_worth, side_by_side

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from sqlmigrate.config import Config
    from sqlmigrate.connection import Gate
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.migrations import Migrations
    from sqlmigrate.roundtrip.samples import Samples
    from sqlmigrate.seeds import SeedSet
    from sqlmigrate.shadow import Shadow, TargetFacts

Note = Callable[[str], None]
"""Called with each sentence that the user should know, as soon as it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTripRequest:
    """Which pairs to try, and how: those of the `ids`, or all of them.

    With `superuser`, scripts and samples run as superuser on a server of our own. `jobs` is on how many servers to work
    side by side; None for as many as the pairs are worth. What fits of `seeds` is loaded as sample rows.
    """

    migrations: Migrations
    ids: tuple[str, ...] = ()
    superuser: bool = False
    jobs: int | None = None
    seeds: SeedSet | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the database that the pairs are for.

    `facts` say what the throwaway server has to be like, `base` is a dump to begin with, instead of the migrations
    before.
    """

    facts: TargetFacts | None = None
    base: Base | None = None


@dataclass(frozen=True, slots=True)
class Trials:
    """Servers that are ready to try the `wanted` pairs, on top of the `base` where there is one."""

    request: RoundTripRequest
    wanted: tuple[str, ...]
    base: Base | None
    shadows: tuple[Shadow, ...]
    samples: Mapping[str, Samples]
    options: Options
    note: Note

    def run(self, *, fingerprints: bool = True) -> Generator[RoundTrip]:
        """Try the pairs, and give what was found of each in the order of the migrations: see `round_trips`."""
        lacking = False
        pairs = side_by_side(
            self.request.migrations,
            self.wanted,
            self.shadows,
            self.options,
            samples=self.samples,
            base=self.base,
            fingerprints=fingerprints,
        )
        with closing(pairs):
            for trip in pairs:
                lacking = lacking or _lacks_a_right(trip)
                yield trip
        if lacking and self.shadows[0].private and not self.request.superuser:
            self.note(ORDINARY)


@contextmanager
def opened(
    config: Config,
    options: Options,
    request: RoundTripRequest,
    note: Note,
    ask: Callable[[], Seen] = Seen,
    observer: Observer = ignore,
) -> Iterator[Trials]:
    """Open the servers for what is asked for.

    `ask` is called once, when the files have been looked at; `observer` hears what is taken from the cache, and kept.
    Raises UsageError for an id that is not there, and what `ask` and opening a shadow raise.
    """
    found = request.migrations
    asked = chosen(found, request.ids)
    samples, astray = find_samples(found)
    for problem in (*found.left_out(), *astray):
        note(str(problem))
    seen = ask()
    applied = seen.base.applied if seen.base else frozenset()
    for name in applied.intersection(request.ids):
        note(f"{name} is applied in the target, so the dump has it already, and it is not tried")
    scripts = scripts_of(found, samples)
    base = "dump" if seen.base else "replay"
    names = tuple(item.migration_id for item in asked if item.migration_id not in applied)
    first = before_first(way_to(found, names, seen.base), names)
    wanted = shadow.wanted(
        config, scripts, target=seen.facts, base=base, superuser=request.superuser, before=before(first, options)
    )
    with ExitStack() as stack:
        shadows = [
            stack.enter_context(shadow.opened(wanted, observer))
            for _ in range(servers_for(config, request.jobs, len(asked)))
        ]
        for words in notes_of(shadows[0], wanted.extensions):
            note(words)
        yield Trials(
            request, names, seen.base, tuple(shadows), with_seeds(samples, found, request.seeds), options, note
        )


def read_base(conninfo: str, config: Config, *, gate: Gate[Config] = allow) -> Seen:
    """Take a dump of a database, and what is applied in it.

    `gate` is called once with the server and the settings, before anything is read.
    """
    with connection.session(conninfo) as session:
        gate(connection.probe(session), config)
        applied = history.read(session, config.history_schema, owners=config.history_owners).applied
        facts = shadow.read_facts(session)
        dump = shadow.dump(conninfo, major=facts.major, history_schema=config.history_schema, pooled=session.pooled)
    return Seen(facts, Base(dump, frozenset(row.migration_id for row in applied)))


def read_server(conninfo: str) -> Seen:
    """Ask a database which server it is on: the shadow must be another one, of the same version."""
    with connection.session(conninfo) as session:
        return Seen(shadow.read_facts(session).of_server())


def servers_for(config: Config, jobs: int | None, migrations: int) -> int:
    """Return how many servers to open: one that is not ours works on one migration at a time."""
    return 1 if config.shadow_url is not None else jobs or servers_worth(migrations)


def notes_of(first: Shadow, extensions: Iterable[str]) -> Iterator[str]:
    """Say of the first server what is to be said of all."""
    yield from first.notes
    if missing := first.missing_extensions(extensions):
        yield (
            f"PostgreSQL {first.version} has no extension {', '.join(missing)} there, so what needs it fails; name a "
            "server that has it with --shadow-url, or one's programs with SQLMIGRATE_PG_BINDIR"
        )


def _lacks_a_right(trip: RoundTrip) -> bool:
    errors = [trip.failure.error if trip.failure else None, *(item.error for item in trip.left_out)]
    return any(map(lacks_rights, errors))
