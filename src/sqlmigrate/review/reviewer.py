"""Review migrations: trace both directions on a shadow, look for hazards, prove the rollback, and report."""

from __future__ import annotations

from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate import __version__
from sqlmigrate import connection as connections
from sqlmigrate.config import API_ROLES
from sqlmigrate.errors import Error, ScriptError, as_bug
from sqlmigrate.events import BugMet, ignore
from sqlmigrate.migrations.preflight import preflight
from sqlmigrate.review import assemble, model, statistics
from sqlmigrate.review.advice import Advice
from sqlmigrate.review.answers import rules_by_statement
from sqlmigrate.review.asking import Source, not_known
from sqlmigrate.review.dependents import broken_bodies
from sqlmigrate.review.hazards import Context, check, rules_for
from sqlmigrate.review.headline import headline
from sqlmigrate.review.known import Limits
from sqlmigrate.review.lineage import Lineage
from sqlmigrate.review.order.out_of_order import answer
from sqlmigrate.review.phases import proposed
from sqlmigrate.review.proving import announced, prove
from sqlmigrate.review.shares import Together
from sqlmigrate.review.squawk import lint
from sqlmigrate.review.squawk_design import DESIGN
from sqlmigrate.review.times import timed
from sqlmigrate.review.trace.readings import read_unbound
from sqlmigrate.review.trace.tracer import Trace, trace
from sqlmigrate.review.whereabouts import asks_where
from sqlmigrate.review.work import Asked
from sqlmigrate.review.workload.watch import Watch, told
from sqlmigrate.roundtrip import (
    ORDINARY,
    Ground,
    Runner,
    before_first,
    lacks_rights,
    shared_out,
    stretches,
)
from sqlmigrate.schema.diff import as_json, as_text, compare
from sqlmigrate.shadow import OTHER_ZONE
from sqlmigrate.sql.zones import depends_on_zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlmigrate.connection import ServerInfo
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.migrations import Migration, Migrations, ScriptRun
    from sqlmigrate.review.model import Finding, Proof, Report
    from sqlmigrate.review.squawk import Lint
    from sqlmigrate.review.workload.queries import Workload
    from sqlmigrate.review.workload.watch import Live, Start
    from sqlmigrate.roundtrip import Base, LeftOut
    from sqlmigrate.schema.read import Snapshot
    from sqlmigrate.shadow import Shadow, ShadowDatabase

_MOVING = ("DO", "CALL")
_ELSEWHERE = f"run in time zone {OTHER_ZONE}, since the target's is not known; in UTC it may rewrite less"


@dataclass(frozen=True, slots=True)
class Question:
    """What to review: the `wanted` migrations, on top of those that are `applied`, in the order in which they were.

    Without a target, `applied` is None: everything that stands before a wanted one is applied first. `base` is a dump
    to begin with instead. `target` holds the figures of the database that it is for, `settings_from` says where its
    settings come from, `api_roles` are the roles behind which an API puts everybody, `limits` say what is large, and
    `source` is who is asked what the statements of a script work on. `workload` is what the application sends, its
    names looked up under `paths`, None for what each role finds.
    """

    migrations: Migrations
    wanted: tuple[Migration, ...]
    applied: tuple[str, ...] | None = None
    base: Base | None = None
    target: model.Target | None = None
    settings_from: str = "assumed"
    notes: tuple[str, ...] = ()
    api_roles: tuple[str, ...] = API_ROLES
    workload: Workload | None = None
    paths: tuple[str | None, ...] = (None,)
    design: bool = True
    limits: Limits = field(default_factory=Limits)
    source: Source = field(default_factory=Source)

    @property
    def ids(self) -> frozenset[str]:
        """The ids of the wanted ones."""
        return frozenset(item.migration_id for item in self.wanted)

    def steps(self) -> list[Migration]:
        """Return what is applied already, as it was applied, and what comes behind it up to the last wanted one.

        What the base holds is left out. Raises UsageError where something is applied that has no file.
        """
        applied = () if self.base is not None or self.applied is None else self.applied
        ordered = self.migrations.ordered
        last = max((at for at, item in enumerate(ordered) if item.migration_id in self.ids), default=-1)
        done = set(self.applied or ()) | (self.base.applied if self.base else set())
        pending = [item for item in ordered[: last + 1] if item.migration_id not in done - self.ids]
        return [*map(self.migrations.named, applied), *pending]


@dataclass(slots=True)
class _Aside:
    """What is said beside the reports: what could not be applied, by the last id of a share, and what nobody knows.

    `watches` hold what the workload met, one for each share.
    """

    missing: dict[str, tuple[LeftOut, ...]] = field(default_factory=dict)
    unknown: dict[str, list[model.NotChecked]] = field(default_factory=dict)
    watches: list[Watch] = field(default_factory=list)


def review(
    question: Question, shadow: Shadow, options: Options, observer: Observer = ignore, *, beside: Sequence[Shadow] = ()
) -> Report:
    """Review migrations on a shadow that has what they need; see `shadow.wanted`.

    Other servers `beside` it take their shares of the migrations; the report is the same.
    `observer` hears which migration is begun, first of those whose undo is to be proven, then of all.
    A script that fails is a verdict and no error; where one of those before the wanted ones fails, these are reviewed
    without it. So is a mistake of ours in the review of one migration: see `model.Migration.bug`.
    """
    runs = [run for migration in question.wanted for run in migration.runs()]
    linted = lint(runs, major=shadow.major, without=() if question.design else DESIGN)
    observer = Together(observer) if beside else observer
    aside = _Aside()

    def on_one(shadow: Shadow, share: Sequence[str]) -> Iterator[model.Migration]:
        asked = replace(question, wanted=tuple(item for item in question.wanted if item.migration_id in share))
        yield from _share(asked, shadow, options, observer, linted, aside)

    order = [item.migration_id for item in question.wanted]
    with closing(shared_out(order, [shadow, *beside], on_one)) as reviewed:
        found = tuple(reviewed)
    notes = tuple(_left_out(aside.missing[order[-1]], found, private=shadow.private)) if order else ()
    unknown = [item for name in order for item in aside.unknown.get(name, ())]
    report = _report(replace(question, notes=(*question.notes, *notes)), shadow, linted, found, unknown)
    return replace(report, workload=told(aside.watches, order))


def _share(
    question: Question,
    shadow: Shadow,
    options: Options,
    observer: Observer,
    linted: Lint,
    aside: _Aside,
) -> Iterator[model.Migration]:
    """Review migrations on one server; `aside` takes what is said of all of them."""
    runner = Runner(shadow, replace(options, versions=shadow.versions))
    with ExitStack() as stack:
        proven, ground = prove(question, runner, stack, observer)
        reviewer = _Reviewer(
            question=question,
            runner=runner,
            ground=ground,
            observer=observer,
            findings=linted.findings,
            proofs=proven,
            unknown=aside.unknown,
        )
        ids = [item.migration_id for item in question.wanted]
        for _, one in zip(announced("review", ids, observer), reviewer.reviewed(), strict=True):
            yield one
        aside.missing |= dict.fromkeys(ids[-1:], reviewer.left_out)
        aside.watches += [reviewer.watch] if reviewer.watch else []


def _left_out(missing: Sequence[LeftOut], found: Sequence[model.Migration], *, private: bool) -> Iterator[str]:
    """Say what could not be applied before something that was reviewed, and where a right was missing, what to do."""
    reviewed = {item.migration_id for item in found}
    for item in missing:
        why = f": {item.error}" if item.error else ""
        if item.migration_id not in reviewed:
            yield (
                f"{item.migration_id} could not be applied on the throwaway database, so what follows was tried "
                f"without it{why}"
            )
    if private and any(lacks_rights(item.error) for item in missing):
        yield ORDINARY


def _report(
    question: Question,
    shadow: Shadow,
    linted: Lint,
    found: tuple[model.Migration, ...],
    unknown: Iterable[model.NotChecked],
) -> Report:
    target = question.target
    touched = {name for item in found for name in _tables(item)}
    return model.Report(
        verdict=model.worst(tuple(item.verdict for item in found)),
        headline=headline(found),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=model.Versions(__version__, shadow.version, target.version if target else None, linted.version),
        migrations=found,
        target=statistics.relevant(target, touched) if target else None,
        notes=(*question.notes, *shadow.notes),
        not_checked=(*_not_checked(question, shadow, linted, found), *unknown),
        settings=_settings(question, shadow),
        isolation=shadow.isolation,
    )


def _settings(question: Question, shadow: Shadow) -> model.Settings:
    found = shadow.settings
    return model.Settings("assumed" if shadow.assumed else question.settings_from, str(found), **found.as_json())


def _tables(item: model.Migration) -> Iterable[str]:
    """Yield the tables that a migration locks, in either direction."""
    for direction in (item.apply, item.rollback):
        yield from (hold.lock.name for hold in direction.holds) if direction else ()


def _not_checked(
    question: Question, shadow: Shadow, linted: Lint, found: Sequence[model.Migration]
) -> Iterable[model.NotChecked]:
    kept = f"what kept them from this machine: {shadow.isolation}"
    yield model.NotChecked("what the scripts do outside PostgreSQL", kept)
    if linted.why_not:
        yield model.NotChecked("squawk's rules", linted.why_not)
    if question.target is None:
        yield model.NotChecked(
            "the size of the tables", "no target was named; name one, or give a file of `sqlmigrate stats` with --stats"
        )
    if shadow.assumed:
        yield model.NotChecked(
            "what the settings of the target change", f"they are not known; assumed: {shadow.settings}"
        )
    moving = [item.migration_id for item in found if any(part.kind in _MOVING for part in item.apply.statements)]
    if moving:
        yield model.NotChecked(
            f"what DO blocks and procedures do to other rows ({', '.join(moving)})",
            "they ran once, on the rows of the throwaway database; loops and conditions may do more on the target",
        )
    for item in found:
        for direction in (item.apply, item.rollback):
            if direction and direction.error:
                yield model.NotChecked(f"{direction.path} after its error", "what comes after it was not run")


def _depends_on_zone(migration: Migration) -> bool:
    try:
        return depends_on_zone(migration.scripts())
    except Error:  # a script that cannot be read says so when it is its turn
        return False


def _lineage(question: Question) -> Lineage:
    applied = None if question.applied is None else frozenset(question.applied)
    before = before_first(question.steps(), question.ids)
    return Lineage(tuple(before), applied, question.target, question.limits)


@dataclass(slots=True)
class _Reviewer:
    """Brings the ground forward, migration by migration, and traces the wanted ones on copies of it."""

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
    unbound: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Find out where it works."""
        self.shadow, self.options = self.runner.shadow, self.runner.options
        self.lineage = _lineage(self.question)
        with connections.session(self.ground.database.conninfo) as connection:
            self.info = self.runner.probed(connection)
            self.unbound = read_unbound(connection)
        if self.question.workload is not None:
            self.watch = Watch(self.question.workload, self.shadow, self.options, self.info, self.question.paths)

    def reviewed(self) -> Iterable[model.Migration]:
        """Return the wanted migrations, reviewed, in order; what fails before one is left out, and said."""
        steps = self.question.steps()[len(self.ground.behind) :]
        for before, migration in stretches(steps, self.question.ids):
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
        elsewhere = self.shadow.assumed and _depends_on_zone(migration)
        start = self.watch.before(ground.database) if self.watch else None
        with ground.copy(keep=lambda: reached) as copy:
            with self.shadow.elsewhere(copy) if elsewhere else nullcontext():
                applied = self._traced(migration.forward(), copy, ground.known)
                up = self._direction(migration.forward(), applied, (ground.database, copy), start)
                down = self._rollback(migration, copy, applied, start)
            changes = compare(applied.before.schema, applied.after.schema) if isinstance(applied, Trace) else ()
            reached = up.error is None
        if isinstance(applied, Trace) and reached:
            ground.known = applied.after
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
            down = self._traced(script_run, copy, applied.after)
            return self._direction(script_run, down, (database, copy), start)

    def _traced(self, script_run: ScriptRun, database: ShadowDatabase, known: Snapshot | None) -> Trace | str:
        """Trace a script, or say why it must not run."""
        problems = preflight(script_run)
        if problems:
            return f"{problems[0]}" + (f" ({problems[0].hint})" if problems[0].hint else "")
        return trace(self.shadow, database, script_run, options=self.options, info=self.info, since=known)

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
