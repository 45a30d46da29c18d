"""Review one migration after the other: trace both directions on copies of the ground, and look for hazards."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate.errors import Error, ScriptError, as_bug
from sqlmigrate.events import BugMet
from sqlmigrate.migrations.preflight import preflight
from sqlmigrate.review import assemble, model
from sqlmigrate.review.advice import Advice
from sqlmigrate.review.answers import rules_by_statement
from sqlmigrate.review.asking import not_known
from sqlmigrate.review.dependents import broken_bodies
from sqlmigrate.review.hazards import Context, check, rules_for
from sqlmigrate.review.lineage import Lineage
from sqlmigrate.review.order.out_of_order import answer
from sqlmigrate.review.phases import proposed
from sqlmigrate.review.times import timed
from sqlmigrate.review.trace.tracer import Trace, has_pass_b, trace
from sqlmigrate.review.whereabouts import asks_where
from sqlmigrate.review.work import Asked
from sqlmigrate.review.workload.watch import Watch
from sqlmigrate.roundtrip import before_first, stretches
from sqlmigrate.schema.diff import as_json, as_text, compare
from sqlmigrate.shadow import OTHER_ZONE
from sqlmigrate.sql.zones import depends_on_zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlmigrate.connection import ServerInfo
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.migrations import Migration, ScriptRun
    from sqlmigrate.review.model import Finding, Proof
    from sqlmigrate.review.question import Question
    from sqlmigrate.review.trace.follow import Catalog
    from sqlmigrate.review.workload.watch import Live, Start
    from sqlmigrate.roundtrip import Ground, LeftOut, Runner
    from sqlmigrate.shadow import Shadow, ShadowDatabase

_ELSEWHERE = f"run in time zone {OTHER_ZONE}, since the target's is not known; in UTC it may rewrite less"


def is_elsewhere(shadow: Shadow, migration: Migration) -> bool:
    """Tell whether a migration is traced in another time zone than the ground's, since the target's is not known."""
    try:
        return shadow.assumed and depends_on_zone(migration.scripts())
    except Error:  # a script that cannot be read says so when it is its turn
        return False


def copies_for(script_run: ScriptRun) -> int:
    """Return how many copies of a database it takes to trace a script on it, not counting those for its hazards."""
    try:
        return 0 if preflight(script_run) else 1 + has_pass_b(script_run)
    except Error:  # as above
        return 0


def _lineage(question: Question) -> Lineage:
    applied = None if question.applied is None else frozenset(question.applied)
    before = before_first(question.steps(), question.ids)
    return Lineage(tuple(before), applied, question.target, question.limits)


@dataclass(slots=True)
class Reviewer:
    """Brings the ground forward, migration by migration, and traces the wanted ones on copies of it.

    `known` is the ground's catalog, where it is known.
    """

    question: Question
    runner: Runner
    ground: Ground
    observer: Observer
    findings: Mapping[ScriptRun, tuple[Finding, ...]]
    proofs: dict[str, Proof]
    left_out: tuple[LeftOut, ...] = ()
    unknown: dict[str, list[model.NotChecked]] = field(default_factory=dict)
    shadow: Shadow = field(init=False)
    options: Options = field(init=False)
    lineage: Lineage = field(init=False)
    info: ServerInfo = field(init=False)
    watch: Watch | None = field(init=False, default=None)
    known: Catalog | None = field(init=False, default=None)
    unbound: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Find out where it works."""
        self.shadow, self.options = self.runner.shadow, self.runner.options
        self.lineage = _lineage(self.question)
        self.info = self.runner.info or self.shadow.probed()
        self.unbound = self.shadow.unbound()
        if self.question.workload is not None:
            self.watch = Watch(self.question.workload, self.shadow, self.options, self.info, self.question.paths)

    def reviewed(self) -> Iterable[model.Migration]:
        """Return the wanted migrations, reviewed, in order; what fails before one is left out, and said."""
        steps = self.question.steps()[len(self.ground.behind) :]
        for before, migration in stretches(steps, self.question.ids):
            if before:
                self.known = None
            self.runner.replay_all(before, self.ground)
            yield self._guarded(migration)
            self.left_out = tuple(self.ground.left_out)

    def _guarded(self, migration: Migration) -> model.Migration:
        """Review one migration; a mistake of ours is its verdict, and the others are reviewed all the same."""
        ground, runner = self.ground, self.runner
        left_out = tuple(ground.left_out)
        try:
            found = self._one(migration, ground)
        except ScriptError as error:  # it is this migration's verdict, like a mistake of ours
            found = assemble.failed(migration, str(error))
            runner.replay(migration, ground)
        except (Error, psycopg.OperationalError, MemoryError):
            raise  # of the shadow's server or of our process, without which nothing goes on
        except Exception as error:  # noqa: BLE001  it is this migration's verdict
            bug = as_bug(error)
            self.observer(BugMet(migration.migration_id, bug.report))
            found = assemble.failed(migration, bug.message, bug=bug.message)
            runner.replay(migration, ground)
        notes = [f"tried without {item.migration_id}, which could not be applied before it" for item in left_out]
        return replace(found, notes=(*found.notes, *notes), without=tuple(item.migration_id for item in left_out))

    def _one(self, migration: Migration, ground: Ground) -> model.Migration:
        reached = False
        known, self.known = self.known, None
        elsewhere = is_elsewhere(self.shadow, migration)
        start = self.watch.before(ground.database) if self.watch else None
        with ground.copy(keep=lambda: reached) as copy:
            with self.shadow.elsewhere(copy) if elsewhere else nullcontext():
                source = None if elsewhere else ground.database
                applied = self._traced(migration.forward(), copy, known, source)
                self._copy_ahead(migration, copy, applied)
                up = self._direction(migration.forward(), applied, (ground.database, copy), start)
                down = self._rollback(migration, copy, applied, start)
            changes = compare(applied.before.schema, applied.after.schema) if isinstance(applied, Trace) else ()
            reached = up.error is None
        if isinstance(applied, Trace) and reached:
            ground.known = applied.after
            self.known = None if elsewhere else applied.left
        else:
            ground.leave_out(migration, None if isinstance(applied, str) else applied.error)
        proof = self.proofs.get(migration.migration_id, model.Proof("unknown", ("it was not tried",)))
        late = self._out_of_order(migration)
        phase, why = proposed(migration, up)
        return model.Migration(
            migration_id=migration.migration_id,
            apply=up,
            rollback=down,
            proof=proof,
            changes=tuple(as_json(changes)),
            change_lines=tuple(as_text(changes)),
            depends=migration.depends,
            out_of_order=late,
            verdict=assemble.verdict(up, down, proof, late),
            phase=migration.phase,
            proposed_phase=phase,
            notes=(
                *((why,) if why else ()),
                *((_ELSEWHERE,) if elsewhere else ()),
                *(note for script in migration.scripts() for note in asks_where(script)),
            ),
        )

    def _live(
        self,
        script_run: ScriptRun,
        traced: Trace,
        way: tuple[ShadowDatabase, ShadowDatabase],
        start: Start | None,
    ) -> Live:
        """Ask the workload behind a script, which has led the `way` from one database to another."""
        if self.watch is None or start is None or traced.error is not None:
            return {}
        return self.watch.behind(script_run, way, start)

    def _rollback(
        self,
        migration: Migration,
        database: ShadowDatabase,
        applied: Trace | str,
        start: Start | None,
    ) -> model.Direction | None:
        if (script_run := migration.back()) is None:
            return None
        if isinstance(applied, str) or applied.error is not None:
            error = "was not tried, since the migration could not be applied"
            return assemble.not_run(script_run, error)
        with self.shadow.clone(database) as copy:
            down = self._traced(script_run, copy, applied.left, database)
            return self._direction(script_run, down, (database, copy), start)

    def _copy_ahead(self, migration: Migration, database: ShadowDatabase, applied: Trace | str) -> None:
        """Have the copies made in which the rollback will be traced, while it is described how the migration ran."""
        script_run = migration.back()
        if script_run is not None and isinstance(applied, Trace) and applied.error is None and self.watch is None:
            self.shadow.copy_ahead(database, copies_for(script_run))

    def _traced(
        self, script_run: ScriptRun, database: ShadowDatabase, found: Catalog | None, source: ShadowDatabase | None
    ) -> Trace | str:
        """Trace a script, or say why it must not run, in a database that was just copied from the `source`.

        What is known of that is known of the copy. Without a `source`, the two have other settings.
        """
        problems = preflight(script_run)
        if problems:
            return f"{problems[0]}" + (f" ({problems[0].hint})" if problems[0].hint else "")
        since = found.snapshot if found else self.ground.known
        if not self.shadow.private:  # a copy does not have all that is said of the database itself
            found = None
        return trace(
            self.shadow,
            database,
            script_run,
            options=self.options,
            info=self.info,
            since=since,
            found=found,
            source=source,
            unchanged=source is not None and since is self.ground.known and self.ground.is_as_kept,
        )

    def _direction(
        self,
        script_run: ScriptRun,
        traced: Trace | str,
        way: tuple[ShadowDatabase, ShadowDatabase],
        start: Start | None,
    ) -> model.Direction:
        """Describe a script, which has led the `way` from one database to another, a copy of the first."""
        if isinstance(traced, str):
            return assemble.not_run(script_run, traced)
        role = script_run.script.directives.role or self.options.role or self.shadow.owner
        known = self.lineage.known(traced, rollback=script_run.operation == "rollback")
        forward = script_run.operation == "apply"
        context = Context(
            trace=traced,
            role=role,
            exposed=self.question.api_roles,
            new=known.new,
            asked=self.question.source.ask(traced, known) if forward else Asked(known=known),
            live=self._live(script_run, traced, way, start),
            broken=broken_bodies(self.shadow, traced, *way, search_path=self.options.search_path),
            unbound=self.unbound,
            linted=rules_by_statement(self.findings.get(script_run, ()), list(script_run.script.statements())),
        )
        if forward:
            self.unknown[script_run.migration_id] = list(not_known(context, self.question.source))
        advice = Advice(self.shadow, way[0], context, options=self.options, info=self.info)
        hazards = check(context, rules_for(design=self.question.design), judged=advice.judged)
        made = assemble.direction(context, hazards, self.findings.get(script_run, ()), known)
        return timed(made, self.question.target, known.sizes, known.new)

    def _out_of_order(self, migration: Migration) -> model.OutOfOrder | None:
        """Answer for a migration that comes behind others which stand after it."""
        if self.question.applied is None:
            return None
        order = [item.migration_id for item in self.question.migrations.ordered]
        place = order.index(migration.migration_id)
        applied = [self.question.migrations.get(name) for name in self.question.applied]
        present = [item for item in applied if item is not None]
        later = [item for item in present if order.index(item.migration_id) > place]
        if not later:
            return None
        if self.question.base is not None:
            ids = tuple(item.migration_id for item in later)
            return model.OutOfOrder("unknown", ids, lines=("a dump cannot be rolled back to before them",))
        earlier = [item for item in present if item not in later]
        return answer(self.shadow, migration, earlier, later, self.runner.schema_behind)
