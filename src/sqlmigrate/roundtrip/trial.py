"""Try one pair on one database: up, down and up again, and compare."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate.connection import server_message, session
from sqlmigrate.errors import ExecutionError
from sqlmigrate.roundtrip.comparison import Comparison, State
from sqlmigrate.roundtrip.contents import Contents, compare_contents, read_contents
from sqlmigrate.roundtrip.loss import Holder, find_lost, read_holders
from sqlmigrate.roundtrip.model import Failure, RoundTrip, Verdict
from sqlmigrate.roundtrip.samples import Samples, explain_rights
from sqlmigrate.roundtrip.tester import tested_by
from sqlmigrate.schema.diff import is_order, is_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlmigrate.connection import Connection
    from sqlmigrate.migrations import Migration, ScriptRun
    from sqlmigrate.roundtrip.ground import Ground
    from sqlmigrate.roundtrip.runner import Runner
    from sqlmigrate.roundtrip.staying import Watch
    from sqlmigrate.roundtrip.tester import Tester
    from sqlmigrate.schema.read import Snapshot
    from sqlmigrate.seeds import Fitted
    from sqlmigrate.shadow import ShadowDatabase


class Trial:
    """One pair on one database: up, down and up again.

    `applied` says that it is applied as things are, `reached` is the schema of when it was applied last. With a `watch`
    it runs on the ground itself, and `stays` says in the end that this is as if the pair had only been applied.
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
        watch: Watch | None = None,
    ) -> None:
        self.runner = runner
        self.fingerprints = fingerprints
        self.migration = migration
        self.samples = samples
        self.cluster = cluster
        self.applied = False
        self.reached: Snapshot | None = None
        self.stays = False
        self._ground = ground
        self._watch = watch
        self._seeded: Fitted | None = None

    def go(self, database: ShadowDatabase) -> RoundTrip:
        """Try the pair; all that it needs are sessions of its own, which end with it."""
        comparison = self._comparison(database)
        tested = self._ground.tested() if self._watch else tested_by(database)
        with session(database.conninfo) as connection, tested as tester:
            try:
                return self._go(database, comparison, connection, tester)
            except psycopg.Error as error:
                failure = failed_query("comparison", self.migration, error)
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
        tester: Tester,
    ) -> RoundTrip:
        up, down = self.migration.forward(), self.migration.back()
        found = RoundTrip(up.migration_id, Verdict.IRREVERSIBLE)
        if failure := self._load(database):
            return replace(found, verdict=Verdict.FAILS, failure=failure, seeded=self._seeded)
        found = replace(found, seeded=self._seeded)
        if now := self._ground.now if self._watch else None:
            s0 = comparison.at(now, {})
        else:
            if self._watch is None:
                comparison.also_members(tester())
            as_kept = self._watch is not None and self._watch.is_as_kept
            s0 = self._look(comparison, tester(), unchanged=as_kept)
        rows = read_contents(tester()) if self.samples.has_rows else None
        found = replace(found, base=s0.snapshot.schema.fingerprint() if self.fingerprints else None)
        if self._watch:
            self._watch.before(tester(), s0.snapshot)
        if failure := self._attempt(connection, up):
            return replace(found, verdict=Verdict.FAILS, failure=failure)
        self.applied = True
        s1 = self._look(comparison, tester())
        self.reached = s1.snapshot
        self.stays = down is None and self._watch is not None
        between = None if s1.snapshot.keeps(s0.snapshot) else read_holders(tester())
        rows_applied = read_contents(tester()) if self.samples.has_rows else None
        found = replace(found, makes=comparison.made(s0, s1))
        if down is None:
            return found
        if self._watch:
            self._watch.once(tester(), s1.snapshot)
        if failure := self._attempt(connection, down):
            return replace(found, verdict=Verdict.FAILS, failure=failure)
        self.applied = False
        s2 = self._look(comparison, tester())
        data = tuple(compare_contents(rows, read_contents(tester()))) if rows else ()
        found = replace(found, differences=comparison.differences(s0, s2), data=data)
        if between is not None or not s2.snapshot.keeps(s0.snapshot):
            found = replace(found, lost=tuple(self._lost(tester(), between, None if data else rows)))
        if failure := self._attempt(connection, up, "apply again"):
            # what the rollback left behind is mostly the reason, and says more
            verdict = Verdict.NOT_RESTORED if _judge(found) is Verdict.NOT_RESTORED else Verdict.FAILS
            return replace(found, verdict=verdict, failure=failure)
        self.applied = True
        s3 = self._look(comparison, tester())
        self.reached = s3.snapshot
        found = replace(found, again=comparison.differences(s1, s3))
        self.stays = self._is_as_once(comparison, found, s1, s3, tester())
        if rows_applied:
            data = tuple(compare_contents(rows_applied, read_contents(tester()), values=False))
            found = replace(found, data_again=data)
        return replace(found, verdict=_judge(found))

    def _look(self, comparison: Comparison, tester: Connection, *, unchanged: bool = False) -> State:
        found = comparison.look(tester, unchanged=unchanged)
        self._ground.shared = comparison.shared
        return found

    def _attempt(self, connection: Connection, script_run: ScriptRun, step: str | None = None) -> Failure | None:
        return self.runner.attempt(connection, script_run, step, self._watch)

    def _is_as_once(
        self, comparison: Comparison, found: RoundTrip, once: State, again: State, tester: Connection
    ) -> bool:
        """Tell whether the database is as if the pair had only been applied: to the letter, whatever it may mean."""
        if self._watch is None or found.differences or comparison.made(once, again):
            return False
        return self._watch.stays(tester, again.snapshot)

    def _lost(
        self, tester: Connection, between: Mapping[str, Holder] | None, contents: Contents | None
    ) -> Iterator[str]:
        """Name what was made anew."""
        before, after = self._holders_before(), read_holders(tester)
        return find_lost(tester, self.migration, before, between or before, after, contents=contents)

    def _holders_before(self) -> Mapping[str, Holder]:
        """Return what was there before: it can still be seen in the database that this is a copy of, if it is one."""
        if self._watch:
            return self._watch.holders
        with session(self._ground.database.tester_conninfo) as ground:
            return read_holders(ground)

    def _load(self, database: ShadowDatabase) -> Failure | None:
        """Load the samples, in a session that ends with them: what they set must not change what is read."""
        if not self.samples.has_rows:
            return None
        samples = self.samples.load_before(self.migration)
        with session(database.tester_conninfo) as connection:
            self._seeded = self.samples.load_seeds(connection)
            return self.runner.attempt(connection, samples) if samples else None

    def _comparison(self, database: ShadowDatabase) -> Comparison:
        return Comparison(
            self._ground.known,
            database.conninfo,
            self._ground.database.tester_conninfo,
            cluster=self.cluster,
            privileged=self.runner.shadow.privileged,
            private=self.runner.shadow.private,
            shared=self._ground.shared,
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


def failed_query(step: str, migration: Migration, error: psycopg.Error) -> Failure:
    """Return what it means that a query of ours, about what scripts have made, failed in a step."""
    said = server_message(error.diag, str(error))
    failed = ExecutionError(said.message, migration_id=migration.migration_id, server=said)
    return Failure(step, explain_rights(failed))
