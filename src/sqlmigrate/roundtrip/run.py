"""Run every pair up, down and up again, each on a copy of the database that holds what comes before it."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate.connection import server_message, session
from sqlmigrate.errors import Error, ExecutionError, Problem, ScriptError, as_bug
from sqlmigrate.events import ignore
from sqlmigrate.roundtrip.comparison import Comparison
from sqlmigrate.roundtrip.contents import Contents, compare_contents, read_contents
from sqlmigrate.roundtrip.loss import Holder, find_lost, read_holders
from sqlmigrate.roundtrip.model import PROVEN, Failure, RoundTrip, Verdict
from sqlmigrate.roundtrip.runner import NOT_OURS, Runner
from sqlmigrate.roundtrip.samples import Samples, explain_rights, unmet
from sqlmigrate.schema.diff import is_order, is_text
from sqlmigrate.shadow import OTHER_ZONE
from sqlmigrate.sql.statement.needs import cluster_wide
from sqlmigrate.sql.zones import depends_on_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from sqlmigrate.connection import Connection
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.migrations import Migration, Migrations
    from sqlmigrate.roundtrip.ground import Base, Ground
    from sqlmigrate.schema.read import Snapshot
    from sqlmigrate.shadow import Shadow, ShadowDatabase
    from sqlmigrate.sql.script import Script


def chosen(migrations: Migrations, ids: Collection[str]) -> list[Migration]:
    """Return the migrations of these ids in order, all where none is named; raises UsageError for an unknown id."""
    wanted = {migrations.named(name).migration_id for name in ids}
    return [item for item in migrations.ordered if not ids or item.migration_id in wanted]


def scripts_of(migrations: Migrations, samples: Mapping[str, Samples]) -> list[Script]:
    """Return every script that a round trip may run, so that the shadow can have what they need."""
    own = [script for migration in migrations.ordered for script in migration.scripts()]
    return [*own, *(script for item in samples.values() for script in item.scripts())]


def round_trips(
    migrations: Migrations,
    wanted: Collection[str],
    shadow: Shadow,
    options: Options,
    *,
    samples: Mapping[str, Samples] | None = None,
    base: Base | None = None,
    ground: Ground | None = None,
    fingerprints: bool = True,
    observer: Observer = ignore,
) -> Iterator[RoundTrip]:
    """Try the wanted migrations in order, and give what was found of each; no error of a script ends the pass.

    Migrations in between are only applied; nothing behind the last wanted one is. A `ground` that is behind the first
    of them is begun with, on a copy. `fingerprints` of the schemas cost time that only proofs need.
    """
    runner = Runner(shadow, replace(options, versions=shadow.versions), observer)
    steps = way_to(migrations, wanted, base)
    with ExitStack() as stack:
        first = before_first(steps, wanted)
        here = runner.ground(stack, first, base) if ground is None else ground.fork(stack)
        pairs = _Pairs(runner, fingerprints)
        for before, migration in stretches(steps[len(here.behind) :], wanted):
            runner.replay_all(before, here)
            yield pairs.pair(migration, here, (samples or {}).get(migration.migration_id, Samples()))


def way_to(migrations: Migrations, wanted: Collection[str], base: Base | None) -> list[Migration]:
    """Return what a round trip runs in order: what is not in the base, up to the last wanted one."""
    last = max((at for at, item in enumerate(migrations.ordered) if item.migration_id in wanted), default=-1)
    there = base.applied if base else frozenset()
    return [item for item in migrations.ordered[: last + 1] if item.migration_id not in there]


def stretches(steps: Iterable[Migration], wanted: Collection[str]) -> Iterator[tuple[list[Migration], Migration]]:
    """Yield each wanted migration with those before it that are only applied; the last one is the end."""
    before: list[Migration] = []
    for migration in steps:
        if migration.migration_id in wanted:
            yield before, migration
            before = []
        else:
            before.append(migration)


def before_first(steps: Iterable[Migration], wanted: Collection[str]) -> list[Migration]:
    """Return what is only applied before the first wanted migration."""
    return next((before for before, _ in stretches(steps, wanted)), [])


@dataclass(slots=True)
class _Pairs:
    """Tries pairs on the databases of a shadow; a mistake of ours in one ends no other."""

    runner: Runner
    fingerprints: bool

    def pair(self, migration: Migration, ground: Ground, samples: Samples) -> RoundTrip:
        """Try one migration, and bring the ground behind it."""
        started, left_out = time.monotonic(), tuple(ground.left_out)
        shadow = self.runner.shadow
        shared = [place for script in migration.scripts() for place in _cluster_wide(script)]
        if shared and not shadow.private:
            found = RoundTrip(migration.migration_id, Verdict.NOT_TRIED, not_tried=tuple(shared))
            ground.leave_out(migration, Error(f"it {NOT_OURS}"))
        else:
            found = self._tried(migration, ground, samples, cluster=bool(shared))
        seconds = time.monotonic() - started
        settings = shadow.settings.unusual
        return replace(found, postgresql=shadow.major, seconds=seconds, left_out=left_out, settings=settings)

    def _tried(self, migration: Migration, ground: Ground, samples: Samples, *, cluster: bool) -> RoundTrip:
        """Try a pair on a copy; one that changes the cluster is not applied a second time elsewhere.

        But where there are samples, which the next migrations must not see, it is taken back first.
        """
        trial = self._trial(migration, samples, ground, cluster=cluster)
        try:
            found = self._on_a_copy(trial, ground)
            if not cluster:
                found = self._in_another_zone(found, migration, ground, samples)
            if samples.after or samples.expect:
                found = self._with_expectations(found, migration, ground, samples)
        except ScriptError as error:
            return self._failed(migration, ground, error)
        except (Error, psycopg.OperationalError, MemoryError):
            raise  # of the shadow's server or of our process, without which nothing goes on
        except Exception as error:  # noqa: BLE001  it is this migration's verdict
            return self._failed(migration, ground, as_bug(error))
        if trial.reached is not None or samples.before:
            ground.known = trial.reached or ground.known
            if not (cluster and trial.applied):
                self.runner.advance(migration, ground, cluster=cluster)
        else:
            ground.leave_out(migration, found.failure.error if found.failure else None)
        return found

    def _failed(self, migration: Migration, ground: Ground, error: Error) -> RoundTrip:
        """Return the verdict of a pair that could not be tried to its end, and go on behind it as far as that goes."""
        self.runner.replay(migration, ground)
        failure = Failure("the round trip", error)
        return RoundTrip(migration.migration_id, Verdict.FAILS, failure=failure)

    def _trial(self, migration: Migration, samples: Samples, ground: Ground, *, cluster: bool) -> _Trial:
        return _Trial(self.runner, migration, samples, ground, cluster=cluster, fingerprints=self.fingerprints)

    def _on_a_copy(self, trial: _Trial, ground: Ground) -> RoundTrip:
        cluster = trial.cluster
        with ground.copy(keep=lambda: cluster and trial.applied, cluster=cluster) as copy:
            found = trial.go(copy)
            if cluster and trial.samples.scripts():
                trial.take_back(copy)
        if cluster and not trial.applied:
            self._forget_roles(found)
        return found

    def _in_another_zone(self, found: RoundTrip, migration: Migration, ground: Ground, samples: Samples) -> RoundTrip:
        """Try a pair in a time zone that is not UTC, too, and give what was found there where it is worse.

        That is for one that may depend on the zone, where the target's is not known.
        """
        shadow = self.runner.shadow
        if not (shadow.assumed and found.verdict in PROVEN and depends_on_zone(migration.scripts())):
            return found
        with ground.copy() as copy, shadow.elsewhere(copy):
            there = self._trial(migration, samples, ground, cluster=False).go(copy)
        order = list(Verdict)
        return replace(there, zone=OTHER_ZONE) if order.index(there.verdict) > order.index(found.verdict) else found

    def _with_expectations(self, found: RoundTrip, migration: Migration, ground: Ground, samples: Samples) -> RoundTrip:
        """Write rows between applying and rolling back, and ask what must be true afterwards, apart from the rest."""
        if found.failure is not None or migration.rollback is None:
            return found
        with ground.copy() as copy:
            failure, unmet_ = self._expected(migration, copy, samples)
        self._forget_roles(found)
        if failure is not None:
            return replace(found, verdict=Verdict.FAILS, failure=failure)
        verdict = Verdict.NOT_RESTORED if unmet_ else found.verdict
        return replace(found, verdict=verdict, expectations=unmet_)

    def _expected(
        self, migration: Migration, database: ShadowDatabase, samples: Samples
    ) -> tuple[Failure | None, tuple[Problem, ...]]:
        with session(database.conninfo) as connection, _tester(database) as tester:
            steps = {
                "samples": samples.load_before(migration),
                "apply": migration.forward(),
                "samples after": samples.write_after(migration),
                "rollback": migration.back(),
            }
            for step, script_run in steps.items():
                on = tester() if script_run and script_run.operation == "samples" else connection
                if script_run and (failure := self.runner.attempt(on, script_run, step)):
                    return failure, ()
            if samples.expect is None:
                return None, ()
            try:
                return None, tuple(unmet(tester(), samples.expect, self.runner.options))
            except Error as error:
                return Failure("expectations", error), ()
            except psycopg.Error as error:
                return _failed_query("expectations", migration, error), ()

    def _forget_roles(self, found: RoundTrip) -> None:
        """Drop the roles that a rollback has forgotten: they would keep the migration from being applied once more."""
        changes = ((change.kind, change.object) for change in found.differences)
        left = [object_.name for kind, object_ in changes if (kind, object_.kind) == ("added", "role")]
        self.runner.shadow.drop_roles(left)


@contextmanager
def _tester(database: ShadowDatabase) -> Iterator[Callable[[], Connection]]:
    """Yield a way to the tester's session, which is opened anew where a script has ended it."""
    with ExitStack() as stack:
        sessions = [stack.enter_context(session(database.tester_conninfo))]

        def tester() -> Connection:
            try:
                sessions[-1].execute("SELECT")
            except psycopg.OperationalError:
                sessions.append(stack.enter_context(session(database.tester_conninfo)))
            return sessions[-1]

        yield tester


class _Trial:
    """One pair on one database: up, down and up again.

    `applied` says that it is applied as things are, `reached` is the schema of when it was applied last.
    """

    def __init__(
        self,
        runner: Runner,
        migration: Migration,
        samples: Samples,
        ground: Ground,
        *,
        cluster: bool,
        fingerprints: bool,
    ) -> None:
        self.runner = runner
        self.fingerprints = fingerprints
        self.migration = migration
        self.samples = samples
        self.cluster = cluster
        self.applied = False
        self.reached: Snapshot | None = None
        self._ground = ground

    def go(self, database: ShadowDatabase) -> RoundTrip:
        """Try the pair; all that it needs are sessions of its own, which end with it."""
        comparison = self._comparison(database)
        with session(database.conninfo) as connection, _tester(database) as tester:
            try:
                return self._go(database, comparison, connection, tester)
            except psycopg.Error as error:
                failure = _failed_query("comparison", self.migration, error)
                return RoundTrip(self.migration.migration_id, Verdict.FAILS, failure=failure)

    def take_back(self, database: ShadowDatabase) -> None:
        """Roll back what is applied, as far as that can be done."""
        if self.applied and (down := self.migration.back()):
            with session(database.conninfo) as connection:
                self.applied = self.runner.attempt(connection, down) is not None

    def _go(
        self,
        database: ShadowDatabase,
        comparison: Comparison,
        connection: Connection,
        tester: Callable[[], Connection],
    ) -> RoundTrip:
        up, down = self.migration.forward(), self.migration.back()
        found = RoundTrip(up.migration_id, Verdict.IRREVERSIBLE)
        if failure := self._load(database):
            return replace(found, verdict=Verdict.FAILS, failure=failure)
        s0 = comparison.look(tester())
        rows = read_contents(tester()) if self.samples.before else None
        found = replace(found, base=s0.snapshot.schema.fingerprint() if self.fingerprints else None)
        if failure := self.runner.attempt(connection, up):
            return replace(found, verdict=Verdict.FAILS, failure=failure)
        self.applied = True
        s1 = comparison.look(tester())
        self.reached = s1.snapshot
        between = None if s1.snapshot.keeps(s0.snapshot) else read_holders(tester())
        rows_applied = read_contents(tester()) if self.samples.before else None
        found = replace(found, makes=comparison.made(s0, s1))
        if down is None:
            return found
        if failure := self.runner.attempt(connection, down):
            return replace(found, verdict=Verdict.FAILS, failure=failure)
        self.applied = False
        s2 = comparison.look(tester())
        data = tuple(compare_contents(rows, read_contents(tester()))) if rows else ()
        found = replace(found, differences=comparison.differences(s0, s2), data=data)
        if between is not None or not s2.snapshot.keeps(s0.snapshot):
            found = replace(found, lost=tuple(self._lost(tester(), between, None if data else rows)))
        if failure := self.runner.attempt(connection, up, "apply again"):
            # what the rollback left behind is mostly the reason, and says more
            verdict = Verdict.NOT_RESTORED if _judge(found) is Verdict.NOT_RESTORED else Verdict.FAILS
            return replace(found, verdict=verdict, failure=failure)
        self.applied = True
        s3 = comparison.look(tester())
        self.reached = s3.snapshot
        found = replace(found, again=comparison.differences(s1, s3))
        if rows_applied:
            data = tuple(compare_contents(rows_applied, read_contents(tester()), values=False))
            found = replace(found, data_again=data)
        return replace(found, verdict=_judge(found))

    def _lost(
        self, tester: Connection, between: Mapping[str, Holder] | None, contents: Contents | None
    ) -> Iterator[str]:
        """Name what was made anew; what was there before can still be seen in the database that this is a copy of."""
        with session(self._ground.database.tester_conninfo) as ground:
            before = read_holders(ground)
        after = read_holders(tester)
        return find_lost(tester, self.migration, before, between or before, after, contents=contents)

    def _load(self, database: ShadowDatabase) -> Failure | None:
        """Load the samples, in a session that ends with them: what they set must not change what is read."""
        if (samples := self.samples.load_before(self.migration)) is None:
            return None
        with session(database.tester_conninfo) as connection:
            return self.runner.attempt(connection, samples)

    def _comparison(self, database: ShadowDatabase) -> Comparison:
        return Comparison(
            self._ground.known,
            database.conninfo,
            self._ground.database.tester_conninfo,
            cluster=self.cluster,
            privileged=self.runner.shadow.privileged,
        )


def _judge(found: RoundTrip) -> Verdict:
    """Return the worst that is to be said of a pair that ran to its end."""
    moved = [change for change in (*found.differences, *found.again) if not is_text(change)]
    if found.data or found.data_again or not all(map(is_order, moved)):
        return Verdict.NOT_RESTORED
    if found.lost:
        return Verdict.LOSSY
    if moved:
        return Verdict.ORDER_ONLY
    return Verdict.TEXT_ONLY if found.differences or found.again else Verdict.EXACT


def _cluster_wide(script: Script) -> Iterator[Problem]:
    for statement in cluster_wide(script, blocks=True):
        yield Problem(NOT_OURS, script.place(statement))


def _failed_query(step: str, migration: Migration, error: psycopg.Error) -> Failure:
    said = server_message(error.diag, str(error))
    failed = ExecutionError(said.message, migration_id=migration.migration_id, server=said)
    return Failure(step, explain_rights(failed))
