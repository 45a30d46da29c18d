"""Review migrations: prove their rollbacks, review each of them, and report."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlmigrate import __version__
from sqlmigrate.events import ignore
from sqlmigrate.review import model, statistics
from sqlmigrate.review.headline import headline
from sqlmigrate.review.proving import announced, prove
from sqlmigrate.review.shares import Together
from sqlmigrate.review.single import Reviewer
from sqlmigrate.review.squawk import lint
from sqlmigrate.review.squawk_design import DESIGN
from sqlmigrate.review.workload.watch import told
from sqlmigrate.roundtrip import ORDINARY, Runner, lacks_rights, shared_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.review.model import Report
    from sqlmigrate.review.question import Question
    from sqlmigrate.review.squawk import Lint
    from sqlmigrate.review.workload.watch import Watch
    from sqlmigrate.roundtrip import LeftOut
    from sqlmigrate.shadow import Shadow

_MOVING = ("DO", "CALL")


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
        reviewer = Reviewer(
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
