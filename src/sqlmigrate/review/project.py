"""From the settings of a project to its report: read the target, if there is one, then open a shadow and review."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import psycopg

from sqlmigrate import connection as connections
from sqlmigrate import history, roundtrip, shadow
from sqlmigrate.engine.takeover import of_other_tools
from sqlmigrate.errors import UsageError, redact
from sqlmigrate.events import ignore
from sqlmigrate.migrations import NO_ROLLBACK, of_project
from sqlmigrate.review import model, statistics
from sqlmigrate.review.asking import Source
from sqlmigrate.review.columns import NOTHING
from sqlmigrate.review.known import Limits
from sqlmigrate.review.last_use import looked
from sqlmigrate.review.origin import origin, placed
from sqlmigrate.review.proving import way
from sqlmigrate.review.question import Question
from sqlmigrate.review.reviewer import review
from sqlmigrate.review.seeding import proposed
from sqlmigrate.review.selection import Asked, Selection, select
from sqlmigrate.review.workload.files import read_files
from sqlmigrate.review.workload.queries import joined
from sqlmigrate.review.workload.server import read_workload
from sqlmigrate.review.workload.sizes import read_sizes
from sqlmigrate.roundtrip import Base

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from sqlmigrate.config import Config
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.errors import Problem
    from sqlmigrate.events import Observer
    from sqlmigrate.migrations import Migrations
    from sqlmigrate.review.model import Report
    from sqlmigrate.review.workload.queries import Workload
    from sqlmigrate.review.workload.sizes import Sizes
    from sqlmigrate.seeds import SeedSet
    from sqlmigrate.shadow import TargetFacts
    from sqlmigrate.target import Target


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the target has told, before the shadow is opened."""

    facts: TargetFacts | None = None
    applied: tuple[str, ...] | None = None
    base: Base | None = None
    figures: model.Target | None = None
    notes: tuple[str, ...] = ()


def review_project(
    config: Config,
    options: Options,
    ids: Collection[str] = (),
    *,
    since: str | None = None,
    everything: bool = False,
    target: Target | None = None,
    stats: Path | None = None,
    base: str = "replay",
    superuser: bool = False,
    workload: bool = False,
    workload_files: Sequence[Path] = (),
    seeds: SeedSet | None = None,
    jobs: int | None = None,
    observer: Observer = ignore,
) -> Report:
    """Review the migrations that are asked for (see `Asked`), or those pending; without a target, the last one.

    The target is only read: its history, its schema for the base `dump`, and its figures; `stats` gives the figures
    instead, from a file. `workload` asks it for the statements of the application too, `workload_files` hold some.
    What fits of `seeds` is loaded as sample rows for the round trips. `jobs` is on how many servers to work side by
    side, None for as many as the migrations are worth; `observer` hears how far it is. Raises what `select` raises, and
    what opening the shadow raises.
    """
    asked = Asked(tuple(ids), since, everything)
    found = of_project(config, one_by_one=True)
    seen = _look(config, target, base) if target is not None else _Seen()
    settings, columns = None, NOTHING
    if stats is not None:
        figures = statistics.from_file(stats)
        settings = None if seen.facts else figures.settings
        seen = replace(seen, figures=figures.target)
        columns = figures.columns
    asking = [_workload(config, target)] if workload else []
    sent = joined([*map(read_files, workload_files), *asking])
    if sent is not None and sent.sizes is None and target is not None:
        sent = replace(sent, sizes=_sizes(target))
    selection = select(found, asked, seen.applied, target.variable if target else None)
    wanted = selection.wanted
    scripts = [script for migration in found.ordered for script in migration.scripts()]
    question = Question(
        migrations=found,
        wanted=wanted,
        applied=selection.applied,
        base=seen.base,
        target=seen.figures,
        api_roles=config.api_roles,
        design=config.design_notes,
        workload=sent,
        paths=config.workload_search_path or (config.search_path,),
        limits=Limits.of(config),
        source=Source(columns, target.conninfo if target else None),
        seeds=seeds,
    )
    needed = shadow.wanted(
        config,
        scripts,
        target=seen.facts,
        settings=settings,
        base=base,
        superuser=superuser,
        before=roundtrip.before(way(question, question.ids), options),
    )
    with ExitStack() as stack:
        opened, *beside = [
            stack.enter_context(shadow.opened(needed, observer))
            for _ in range(roundtrip.servers_for(config, jobs, len(wanted)))
        ]
        notes = [*seen.notes, *selection.notes, *_warnings(found, selection)]
        if missing := opened.missing_extensions(needed.extensions):
            notes.append(f"the throwaway database has no extension {', '.join(missing)}, so what needs it fails there")
        known_by = stats.name if settings and stats else "the target"
        question = replace(question, settings_from=known_by, notes=tuple(notes))
        report = review(question, opened, options, observer, beside=beside)
    conninfo = target.conninfo if target else None
    report = looked(report, conninfo, wanted, config, options, asked=workload, workload=question.workload)
    would = proposed(config, target, seeds) if seeds is not None and target is not None else None
    report = replace(report, branch=tuple(_of_branch(selection.problems)), seeds=would)
    return placed(report, origin(config.project, found.directory))


def _of_branch(problems: Iterable[Problem]) -> Iterator[model.BranchProblem]:
    for problem in problems:
        if problem.place is not None and problem.rule is not None:
            path = str(problem.place.path)
            severity: Literal["warning", "danger"] = "warning" if problem.warning else "danger"
            yield model.BranchProblem(problem.rule, severity, problem.message, path, hint=problem.hint)


def _warnings(found: Migrations, selection: Selection) -> Iterator[str]:
    """Yield the warnings of the files; of migrations that are not reviewed, only how many have no rollback script.

    What is told as a thing that the branch does is not told twice.
    """
    others = {item.script.path for item in found.ordered if item not in selection.wanted}
    told = {problem.rule for problem in selection.problems} & {"number-twice"}
    counted = 0
    for problem in found.warnings:
        if problem.message == NO_ROLLBACK and problem.place and problem.place.path in others:
            counted += 1
        elif problem.rule not in told:
            yield str(problem)
    if counted:
        have = "migration has" if counted == 1 else "migrations have"
        yield f"{counted} other {have} no rollback script, and cannot be rolled back"


def _workload(config: Config, target: Target | None) -> Workload:
    if target is None:
        raise UsageError(
            "--workload asks the target for its statements, and no target was named",
            hint="name one with --database-url, or give a file of them: --workload-file",
        )
    with connections.session(target.conninfo) as session:
        return read_workload(
            session,
            name=connections.database_of(session),
            history_schema=config.history_schema,
            hidden=config.workload_hide,
        )


def _sizes(target: Target) -> Sizes | None:
    with connections.session(target.conninfo) as session, session.transaction(force_rollback=True):
        session.execute("SET TRANSACTION READ ONLY")
        return read_sizes(session)


def _look(config: Config, target: Target, base: str) -> _Seen:
    with connections.session(target.conninfo) as session:
        facts = shadow.read_facts(session)
        known = history.read(session, config.history_schema, owners=config.history_owners)
        applied = tuple(row.migration_id for row in known.applied)
        notes = tuple(of_other_tools(session)) if known.version is None else ()
        figures = None
        try:
            figures = statistics.read_statistics(
                session, name=connections.database_of(session), history_schema=config.history_schema
            )
        except psycopg.Error as error:
            reason = error.diag.message_primary or redact(str(error).strip())
            notes = (*notes, f"the sizes and traffic of the target's tables could not be read: {reason}")
    start = None
    if base == "dump":
        dump = shadow.dump(
            target.conninfo, major=facts.major, history_schema=config.history_schema, pooled=session.pooled
        )
        start = Base(dump, frozenset(applied))
    return _Seen(facts=facts, applied=applied, base=start, figures=figures, notes=notes)
