"""Run every pair up, down and up again, each on a copy of the database that holds what comes before it."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate.connection import session
from sqlmigrate.errors import Error, Problem, ScriptError, as_bug
from sqlmigrate.events import ignore
from sqlmigrate.roundtrip.model import PROVEN, Failure, RoundTrip, Verdict, Way
from sqlmigrate.roundtrip.runner import NOT_OURS, Runner
from sqlmigrate.roundtrip.samples import Samples, unmet
from sqlmigrate.roundtrip.staying import Watch
from sqlmigrate.roundtrip.tester import tested_by
from sqlmigrate.roundtrip.trial import Trial, failed_query
from sqlmigrate.schema import built_in
from sqlmigrate.shadow import OTHER_ZONE
from sqlmigrate.sql.statement.lasting import asks_for_numbers
from sqlmigrate.sql.statement.needs import cluster_wide
from sqlmigrate.sql.zones import depends_on_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.migrations import Migration, Migrations
    from sqlmigrate.roundtrip.ground import Base, Ground
    from sqlmigrate.schema.diff import Change
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
    in_place: bool = True,
    observer: Observer = ignore,
) -> Iterator[RoundTrip]:
    """Try the wanted migrations in order, and give what was found of each; no error of a script ends the pass.

    Migrations in between are only applied; nothing behind the last wanted one is. A `ground` that is behind the first
    of them is begun with, on a copy. `fingerprints` of the schemas cost time that only proofs need. Without `in_place`
    every pair is tried on a copy, which takes longer and finds the same.
    """
    runner = Runner(shadow, replace(options, versions=shadow.versions), observer)
    steps = way_to(migrations, wanted, base)
    with ExitStack() as stack:
        first = before_first(steps, wanted)
        here = runner.ground(stack, first, base, give_away=len(wanted) == 1) if ground is None else ground.fork(stack)
        numbers = not in_place or asks_for_numbers(scripts_of(migrations, {}))
        pairs = _Pairs(runner, fingerprints=fingerprints, in_place=in_place, numbers=numbers)
        left = list(stretches(steps[len(here.behind) :], wanted))
        for at, (before, migration) in enumerate(left, 1):
            pairs.settle()
            runner.replay_all(before, here)
            found = (samples or {}).get(migration.migration_id, Samples())
            yield pairs.pair(migration, here, found, is_last=at == len(left))
            if ground is not None:
                ground.learn(here)


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
    """Tries pairs on the databases of a shadow; a mistake of ours in one ends no other.

    `settle` brings the ground behind the last one, where that is still to be done.
    """

    runner: Runner
    fingerprints: bool
    in_place: bool
    numbers: bool
    _rest: Callable[[], None] | None = None

    def pair(self, migration: Migration, ground: Ground, samples: Samples, *, is_last: bool) -> RoundTrip:
        """Try one migration, and bring the ground behind it, at the latest when `settle` is called."""
        started, left_out = time.monotonic(), tuple(ground.left_out)
        shadow = self.runner.shadow
        shared = [place for script in migration.scripts() for place in _cluster_wide(script)]
        if shared and not shadow.private:
            found = RoundTrip(migration.migration_id, Verdict.NOT_TRIED, not_tried=tuple(shared))
            ground.leave_out(migration, Error(f"it {NOT_OURS}"))
        elif not shared and self._may_stay(migration, samples):
            if not is_last:
                ground.secure()
            found = self._tried_in_place(migration, ground)
        else:
            found = self._tried(migration, ground, samples, cluster=bool(shared))
        seconds = time.monotonic() - started
        settings = shadow.settings.unusual
        return replace(found, postgresql=shadow.major, seconds=seconds, left_out=left_out, settings=settings)

    def settle(self) -> None:
        """Do what is left to be done to the ground before it is used again."""
        rest, self._rest = self._rest, None
        if rest is not None:
            rest()

    def _may_stay(self, migration: Migration, samples: Samples) -> bool:
        """Tell whether a pair may be tried on the ground itself: it can be told what it has left there."""
        shadow = self.runner.shadow
        if not self.in_place or shadow.privileged or shadow.asked is None or samples.has_rows or samples.scripts():
            return False
        runs = (migration.forward(), migration.back())
        if any(run is not None and not run.transactional for run in runs):
            return False
        return not (shadow.assumed and depends_on_zone(migration.scripts()))

    def _tried_in_place(self, migration: Migration, ground: Ground) -> RoundTrip:
        """Try a pair on the ground; where it is not as if the pair had only been applied, it is made anew later."""
        asked = bool(self.runner.shadow.asked)
        watch = Watch(numbers=self.numbers, settings=asked, is_as_kept=ground.is_as_kept)
        ground.changing()
        with ground.tested() as tester:
            on_a_copy = built_in.has_own_members(tester())
        if on_a_copy:  # what is in no snapshot is compared with the ground
            return self._tried(migration, ground, Samples(), cluster=False)
        trial = self._trial(migration, Samples(), ground, cluster=False, watch=watch)
        try:
            found = trial.go(ground.database)
        except Exception as error:  # noqa: BLE001  it may be this migration's verdict
            found = self._without_trial(migration, error)
            self._rest = partial(self._again, ground, lambda: self._replay(migration, ground))
            return found
        if trial.stays:
            ground.went([migration])
            ground.known = ground.now = trial.reached
            return replace(found, way=Way.IN_PLACE)
        self._rest = partial(self._again, ground, lambda: self._behind(trial, found, ground))
        return replace(found, way=Way.MADE_ANEW)

    def _again(self, ground: Ground, then: Callable[[], None]) -> None:
        ground.fall_back(self.runner.replay_all)
        then()

    def _tried(self, migration: Migration, ground: Ground, samples: Samples, *, cluster: bool) -> RoundTrip:
        """Try a pair on copies; one that changes the cluster is not applied a second time elsewhere.

        But where there are samples, which the next migrations must not see, it is taken back first.
        """
        trial = self._trial(migration, samples, ground, cluster=cluster)
        if cluster:
            ground.changed()
        try:
            found = self._on_a_copy(trial, ground)
            if not cluster:
                found = self._in_another_zone(found, migration, ground, samples)
            if samples.after or samples.expect:
                found = self._with_expectations(found, migration, ground, samples)
        except Exception as error:  # noqa: BLE001  it may be this migration's verdict
            found = self._without_trial(migration, error)
            self._replay(migration, ground)
            return found
        self._behind(trial, found, ground)
        return replace(found, way=Way.COPIES)

    def _behind(self, trial: Trial, found: RoundTrip, ground: Ground) -> None:
        """Bring the ground behind a pair that was tried elsewhere, or leave it out where it cannot be applied."""
        migration = trial.migration
        if trial.reached is None and not trial.samples.has_rows:
            ground.leave_out(migration, found.failure.error if found.failure else None)
            return
        ground.known = trial.reached or ground.known
        if not (trial.cluster and trial.applied):
            if not trial.cluster:
                self._forget_roles([*found.differences, *found.makes])
            self.runner.advance(migration, ground, cluster=trial.cluster)
        ground.went([migration])

    def _without_trial(self, migration: Migration, error: Exception) -> RoundTrip:
        """Return the verdict of a pair that could not be tried to its end; raises what nothing goes on without."""
        if not isinstance(error, ScriptError):
            if isinstance(error, (Error, psycopg.OperationalError, MemoryError)):
                raise error  # of the shadow's server or of our process
            error = as_bug(error)  # it is this migration's verdict
        return RoundTrip(migration.migration_id, Verdict.FAILS, failure=Failure("the round trip", error))

    def _replay(self, migration: Migration, ground: Ground) -> None:
        """Go on behind a pair that could not be tried to its end as far as that goes."""
        self.runner.replay(migration, ground)
        ground.went([migration])

    def _trial(
        self, migration: Migration, samples: Samples, ground: Ground, *, cluster: bool, watch: Watch | None = None
    ) -> Trial:
        return Trial(
            self.runner, migration, samples, ground, cluster=cluster, fingerprints=self.fingerprints, watch=watch
        )

    def _on_a_copy(self, trial: Trial, ground: Ground) -> RoundTrip:
        cluster = trial.cluster
        with ground.copy(keep=lambda: cluster and trial.applied, cluster=cluster) as copy:
            found = trial.go(copy)
            if cluster and (trial.samples.has_rows or trial.samples.scripts()):
                trial.take_back(copy)
        if cluster and not trial.applied:
            self._forget_roles(found.differences)
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
        self._forget_roles(found.differences)
        if failure is not None:
            return replace(found, verdict=Verdict.FAILS, failure=failure)
        verdict = Verdict.NOT_RESTORED if unmet_ else found.verdict
        return replace(found, verdict=verdict, expectations=unmet_)

    def _expected(
        self, migration: Migration, database: ShadowDatabase, samples: Samples
    ) -> tuple[Failure | None, tuple[Problem, ...]]:
        with session(database.conninfo) as connection, tested_by(database) as tester:
            samples.load_seeds(tester())
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
                return failed_query("expectations", migration, error), ()

    def _forget_roles(self, differences: Iterable[Change]) -> None:
        """Drop the roles that a pair has left: they would keep the migration from being applied once more."""
        changes = ((change.kind, change.object) for change in differences)
        left = {object_.name for kind, object_ in changes if (kind, object_.kind) == ("added", "role")}
        self.runner.shadow.drop_roles(sorted(left))


def _cluster_wide(script: Script) -> Iterator[Problem]:
    for statement in cluster_wide(script, blocks=True):
        yield Problem(NOT_OURS, script.place(statement))
