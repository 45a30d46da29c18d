"""Run every pair up, down and up again, each on a copy of the database that holds what comes before it."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate.connection import probe, server_message, session
from sqlmigrate.engine.alone import run_script
from sqlmigrate.errors import Error, ExecutionError, Problem
from sqlmigrate.events import ignore
from sqlmigrate.roundtrip.comparison import Comparison
from sqlmigrate.roundtrip.contents import Contents, compare_contents, read_contents
from sqlmigrate.roundtrip.ground import Ground
from sqlmigrate.roundtrip.loss import Holder, find_lost, read_holders
from sqlmigrate.roundtrip.model import PROVEN, Failure, RoundTrip, Verdict
from sqlmigrate.roundtrip.samples import Samples, unmet
from sqlmigrate.schemadiff import is_order, is_text
from sqlmigrate.shadow import OTHER_ZONE
from sqlmigrate.sql.needs import cluster_wide
from sqlmigrate.sql.zones import depends_on_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from sqlmigrate.catalog import Snapshot
    from sqlmigrate.connection import Connection, ServerInfo
    from sqlmigrate.engine.session import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.migrations import Migration, Migrations
    from sqlmigrate.shadow import Shadow, ShadowDatabase
    from sqlmigrate.sql.script import Script

_NOT_OURS = "would change the whole cluster, which is not ours; leave out the shadow's URL for a private server"


@dataclass(frozen=True, slots=True)
class Base:
    """What is in the shadow before the first migration: a dump of the target, which has these applied."""

    dump: Script
    applied: frozenset[str]


def chosen(migrations: Migrations, ids: Collection[str]) -> list[Migration]:
    """Give the migrations of these ids in order, all of them where none is named; raises UsageError for an unknown."""
    wanted = {migrations.named(name).migration_id for name in ids}
    return [item for item in migrations.ordered if not ids or item.migration_id in wanted]


def scripts_of(migrations: Migrations, samples: Mapping[str, Samples]) -> list[Script]:
    """Give every script that a round trip may run, so that the shadow can have what they need."""
    own = [script for migration in migrations.ordered for script, _ in migration.scripts()]
    return [*own, *(script for item in samples.values() for script in item.scripts())]


def round_trips(
    migrations: Migrations,
    wanted: Collection[str],
    shadow: Shadow,
    options: Options,
    *,
    samples: Mapping[str, Samples] | None = None,
    base: Base | None = None,
    fingerprints: bool = True,
    observer: Observer = ignore,
) -> Iterator[RoundTrip]:
    """Try the wanted migrations in order, and give what was found of each; no error of a script ends the pass.

    Migrations in between are only applied; nothing behind the last wanted one is. `fingerprints` of the schemas cost
    time that only proofs need.
    """
    last = max((at for at, item in enumerate(migrations.ordered) if item.migration_id in wanted), default=-1)
    with ExitStack() as stack:
        ground = Ground(shadow, stack)
        if base is not None:
            shadow.restore(ground.database, base.dump)
        runner = _Runner(shadow, replace(options, versions=shadow.versions), observer, fingerprints)
        for migration in migrations.ordered[: last + 1]:
            if base is not None and migration.migration_id in base.applied:
                continue
            if migration.migration_id in wanted:
                yield runner.pair(migration, ground, (samples or {}).get(migration.migration_id, Samples()))
            else:
                runner.replay(migration, ground)


@dataclass(frozen=True, slots=True)
class _Way:
    """One script of a pair, as it runs: its step's name, and in a transaction or not."""

    step: str
    operation: str
    script: Script
    transactional: bool


@dataclass(slots=True)
class _Runner:
    """Runs scripts on the databases of a shadow."""

    shadow: Shadow
    options: Options
    observer: Observer
    fingerprints: bool
    info: ServerInfo | None = None

    def replay(self, migration: Migration, ground: Ground) -> None:
        """Apply a migration that is not tried itself; where it fails, what follows is tried without it."""
        shared = bool(cluster_wide(migration.script, blocks=True))
        if shared and not self.shadow.private:
            ground.without.append(migration.migration_id)
        elif migration.transactional:
            self._advance(migration, ground, cluster=shared)
        else:
            self._advance_whole(migration, ground, cluster=shared)

    def pair(self, migration: Migration, ground: Ground, samples: Samples) -> RoundTrip:
        """Try one migration, and bring the ground behind it."""
        started, without = time.monotonic(), tuple(ground.without)
        shared = [place for script, _ in migration.scripts() for place in _cluster_wide(script)]
        if shared and not self.shadow.private:
            found = RoundTrip(migration.migration_id, Verdict.NOT_TRIED, not_tried=tuple(shared))
            ground.without.append(migration.migration_id)
        else:
            found = self._tried(migration, ground, samples, cluster=bool(shared))
        seconds = time.monotonic() - started
        settings = self.shadow.settings.unusual
        return replace(found, postgresql=self.shadow.major, seconds=seconds, without=without, settings=settings)

    def _tried(self, migration: Migration, ground: Ground, samples: Samples, *, cluster: bool) -> RoundTrip:
        """Try a pair on a copy; one that changes the cluster is not applied a second time elsewhere.

        But where there are samples, which the next migrations must not see, it is taken back first.
        """
        trial = _Trial(self, migration, samples, ground, cluster=cluster)
        with ground.copy(keep=lambda: cluster and trial.applied, cluster=cluster) as copy:
            found = trial.go(copy)
            if cluster and samples.scripts():
                trial.take_back(copy)
        if cluster and not trial.applied:
            _forget_roles(found, ground)
        if self.shadow.assumed and not cluster and found.verdict in PROVEN and depends_on_zone(migration.scripts()):
            found = self._tried_elsewhere(found, migration, ground, samples)
        if samples.after or samples.expect:
            found = self._with_expectations(found, migration, ground, samples)
        if trial.reached is not None or samples.before:
            ground.known = trial.reached or ground.known
            if not (cluster and trial.applied):
                self._advance(migration, ground, cluster=cluster)
        else:
            ground.without.append(migration.migration_id)
        return found

    def _tried_elsewhere(self, found: RoundTrip, migration: Migration, ground: Ground, samples: Samples) -> RoundTrip:
        """Try a pair in a time zone that is not UTC, and give what was found there where it is worse."""
        with ground.copy() as copy, self.shadow.elsewhere(copy):
            there = _Trial(self, migration, samples, ground, cluster=False).go(copy)
        order = list(Verdict)
        return replace(there, zone=OTHER_ZONE) if order.index(there.verdict) > order.index(found.verdict) else found

    def _advance(self, migration: Migration, ground: Ground, *, cluster: bool) -> None:
        with ground.alone(cluster=cluster), session(ground.database.conninfo) as connection:
            try:
                self.run(connection, migration, _forward(migration))
            except Error:  # of a script in a transaction nothing is left
                ground.without.append(migration.migration_id)

    def _advance_whole(self, migration: Migration, ground: Ground, *, cluster: bool) -> None:
        """Apply a script that may stop half way on a copy, which is the ground where it did not."""
        failure: Failure | None = None
        kept = ground.copy(keep=lambda: failure is None, cluster=cluster)
        with kept as copy, session(copy.conninfo) as connection:
            failure = self.attempt(connection, migration, _forward(migration))
        if failure is not None:
            ground.without.append(migration.migration_id)

    def _with_expectations(self, found: RoundTrip, migration: Migration, ground: Ground, samples: Samples) -> RoundTrip:
        """Write rows between applying and rolling back, and ask what must be true afterwards, apart from the rest."""
        if found.failure is not None or migration.rollback is None:
            return found
        with ground.copy() as copy:
            failure, unmet_ = self._expected(migration, copy, samples)
        _forget_roles(found, ground)
        if failure is not None:
            return replace(found, verdict=Verdict.FAILS, failure=failure)
        verdict = Verdict.NOT_RESTORED if unmet_ else found.verdict
        return replace(found, verdict=verdict, expectations=unmet_)

    def _expected(
        self, migration: Migration, database: ShadowDatabase, samples: Samples
    ) -> tuple[Failure | None, tuple[Problem, ...]]:
        with session(database.conninfo) as connection, _administered(database) as admin:
            steps = [_sample("samples", samples.before), _forward(migration), _sample("samples after", samples.after)]
            for way in (*steps, _back(migration)):
                on = admin() if way and way.operation == "samples" else connection
                if way and (failure := self.attempt(on, migration, way)):
                    return failure, ()
            if samples.expect is None:
                return None, ()
            try:
                return None, tuple(unmet(admin(), samples.expect, self.options))
            except psycopg.Error as error:
                return _failed_query("expectations", migration, error), ()

    def attempt(self, connection: Connection, migration: Migration, way: _Way) -> Failure | None:
        """Run a script; gives the error that it stopped with."""
        try:
            self.run(connection, migration, way)
        except Error as error:
            return Failure(way.step, error)
        return None

    def run(self, connection: Connection, migration: Migration, way: _Way) -> None:
        """Run a script as the engine does."""
        if self.info is None:
            self.info = probe(connection)
        run_script(
            connection,
            migration.migration_id,
            way.operation,
            way.script,
            transactional=way.transactional,
            options=self.options if way.operation != "samples" else replace(self.options, role=None),
            info=self.info,
            observer=self.observer,
        )


@contextmanager
def _administered(database: ShadowDatabase) -> Iterator[Callable[[], Connection]]:
    """Give a way to an administrator's session, which is opened anew where a script has ended it."""
    with ExitStack() as stack:
        sessions = [stack.enter_context(session(database.admin_conninfo))]

        def admin() -> Connection:
            try:
                sessions[-1].execute("SELECT")
            except psycopg.OperationalError:
                sessions.append(stack.enter_context(session(database.admin_conninfo)))
            return sessions[-1]

        yield admin


class _Trial:
    """One pair on one database: up, down and up again.

    `applied` says that it is applied as things are, `reached` is the schema of when it was applied last.
    """

    def __init__(
        self, runner: _Runner, migration: Migration, samples: Samples, ground: Ground, *, cluster: bool
    ) -> None:
        self.runner = runner
        self.migration = migration
        self.samples = samples
        self.cluster = cluster
        self.applied = False
        self.reached: Snapshot | None = None
        self._ground = ground

    def go(self, database: ShadowDatabase) -> RoundTrip:
        """Try the pair; all that it needs are sessions of its own, which end with it."""
        comparison = self._comparison(database)
        with session(database.conninfo) as connection, _administered(database) as admin:
            try:
                return self._go(comparison, connection, admin)
            except psycopg.Error as error:
                failure = _failed_query("comparison", self.migration, error)
                return RoundTrip(self.migration.migration_id, Verdict.FAILS, failure=failure)

    def take_back(self, database: ShadowDatabase) -> None:
        """Roll back what is applied, as far as that can be done."""
        if self.applied and (back := _back(self.migration)):
            with session(database.conninfo) as connection:
                self.applied = self.runner.attempt(connection, self.migration, back) is not None

    def _go(self, comparison: Comparison, connection: Connection, admin: Callable[[], Connection]) -> RoundTrip:
        migration, forward, back = self.migration, _forward(self.migration), _back(self.migration)
        found = RoundTrip(migration.migration_id, Verdict.IRREVERSIBLE)
        if failure := self._load(admin()):
            return replace(found, verdict=Verdict.FAILS, failure=failure)
        s0 = comparison.look(admin())
        rows = read_contents(admin()) if self.samples.before else None
        found = replace(found, base=s0.snapshot.schema.fingerprint() if self.runner.fingerprints else None)
        if failure := self.runner.attempt(connection, migration, forward):
            return replace(found, verdict=Verdict.FAILS, failure=failure)
        self.applied = True
        s1 = comparison.look(admin())
        self.reached = s1.snapshot
        between = None if s1.snapshot.keeps(s0.snapshot) else read_holders(admin())
        rows_applied = read_contents(admin()) if self.samples.before else None
        found = replace(found, makes=comparison.made(s0, s1))
        if back is None:
            return found
        if failure := self.runner.attempt(connection, migration, back):
            return replace(found, verdict=Verdict.FAILS, failure=failure)
        self.applied = False
        s2 = comparison.look(admin())
        data = tuple(compare_contents(rows, read_contents(admin()))) if rows else ()
        found = replace(found, differences=comparison.differences(s0, s2), data=data)
        if between is not None or not s2.snapshot.keeps(s0.snapshot):
            found = replace(found, lost=tuple(self._lost(admin(), between, None if data else rows)))
        if failure := self.runner.attempt(connection, migration, replace(forward, step="apply again")):
            # what the rollback left behind is mostly the reason, and says more
            verdict = Verdict.NOT_RESTORED if _judge(found) is Verdict.NOT_RESTORED else Verdict.FAILS
            return replace(found, verdict=verdict, failure=failure)
        self.applied = True
        s3 = comparison.look(admin())
        self.reached = s3.snapshot
        found = replace(found, again=comparison.differences(s1, s3))
        if rows_applied:
            data = tuple(compare_contents(rows_applied, read_contents(admin()), values=False))
            found = replace(found, data_again=data)
        return replace(found, verdict=_judge(found))

    def _lost(
        self, admin: Connection, between: Mapping[str, Holder] | None, contents: Contents | None
    ) -> Iterator[str]:
        """Name what was made anew; what was there before can still be seen in the database that this is a copy of."""
        with session(self._ground.database.admin_conninfo) as ground:
            before = read_holders(ground)
        after = read_holders(admin)
        return find_lost(admin, self.migration, before, between or before, after, contents=contents)

    def _load(self, admin: Connection) -> Failure | None:
        way = _sample("samples", self.samples.before)
        return self.runner.attempt(admin, self.migration, way) if way else None

    def _comparison(self, database: ShadowDatabase) -> Comparison:
        return Comparison(
            self._ground.known,
            database.conninfo,
            self._ground.database.admin_conninfo,
            cluster=self.cluster,
            privileged=self.runner.shadow.privileged,
        )


def _forget_roles(found: RoundTrip, ground: Ground) -> None:
    """Drop the roles that a rollback has forgotten, and that would keep the migration from being applied once more."""
    left = [
        change.object.name for change in found.differences if (change.kind, change.object.kind) == ("added", "role")
    ]
    if not left:
        return
    with session(ground.database.admin_conninfo) as admin:
        for name in left:
            with suppress(psycopg.Error):  # another database of the script's needs it
                admin.execute(f"DROP ROLE IF EXISTS {name}".encode())


def _judge(found: RoundTrip) -> Verdict:
    """Give the worst that is to be said of a pair that ran to its end."""
    moved = [change for change in (*found.differences, *found.again) if not is_text(change)]
    if found.data or found.data_again or not all(map(is_order, moved)):
        return Verdict.NOT_RESTORED
    if found.lost:
        return Verdict.LOSSY
    if moved:
        return Verdict.ORDER_ONLY
    return Verdict.TEXT_ONLY if found.differences or found.again else Verdict.EXACT


def _forward(migration: Migration) -> _Way:
    return _Way("apply", "apply", migration.script, migration.transactional)


def _back(migration: Migration) -> _Way | None:
    if migration.rollback is None:
        return None
    return _Way("rollback", "rollback", migration.rollback, migration.rollback_transactional)


def _sample(step: str, script: Script | None) -> _Way | None:
    return _Way(step, "samples", script, script.directives.transactional is not False) if script else None


def _cluster_wide(script: Script) -> Iterator[Problem]:
    for statement in cluster_wide(script, blocks=True):
        yield Problem(_NOT_OURS, script.place(statement))


def _failed_query(step: str, migration: Migration, error: psycopg.Error) -> Failure:
    said = server_message(error.diag, str(error))
    return Failure(step, ExecutionError(said.message, migration_id=migration.migration_id, server=said))
