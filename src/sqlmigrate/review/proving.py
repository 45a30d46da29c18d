"""Prove the rollbacks of a review, on a copy of the ground where its migrations are traced."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from sqlmigrate.errors import Error, ScriptError
from sqlmigrate.events import BugMet, ScriptStarted
from sqlmigrate.review import model
from sqlmigrate.review.single import copies_for, is_elsewhere
from sqlmigrate.roundtrip import PROVEN, before_first, find_samples, proofs, round_trips, way_to, with_seeds
from sqlmigrate.schema.diff import as_text
from sqlmigrate.sql.statement.needs import cluster_wide

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from contextlib import ExitStack

    from sqlmigrate.events import Observer
    from sqlmigrate.migrations import Migration
    from sqlmigrate.review.model import Proof
    from sqlmigrate.review.question import Question
    from sqlmigrate.roundtrip import Ground, RoundTrip, Runner
    from sqlmigrate.shadow import Shadow


def announced(operation: str, names: Sequence[str], observer: Observer) -> Iterator[str]:
    """Yield names, each once the observer has heard that its turn has come."""
    for number, name in enumerate(names, 1):
        observer(ScriptStarted(name, operation, number, len(names)))
        yield name


def prove(question: Question, runner: Runner, stack: ExitStack, observer: Observer) -> tuple[dict[str, Proof], Ground]:
    """Return the proof of every wanted pair, the recorded one where it counts, and the ground on which to trace them.

    What stands before the first of them is applied once: the round trips go on from there on a copy, unless they ran
    into another order than that of the target.
    """
    found = {item.migration_id: _recorded(question, item, runner.shadow) for item in question.wanted}
    known = {name: proof for name, proof in found.items() if proof is not None}
    missing = [name for name in found if name not in known]
    before = way(question, missing)
    copies = _copies(question, before, runner.shadow, fork=bool(missing))
    ground = runner.ground(stack, before, question.base, give_away=True, copies=copies)
    if not missing:
        return known, ground
    roles = runner.shadow.roles()
    made = _made_now(question, missing, runner, ground, observer)
    if not roles <= runner.shadow.roles():  # what the ground holds may be of a role that a pair has dropped
        ground = runner.ground(stack, before, question.base, give_away=True)
    return known | made, ground


def _copies(question: Question, before: Sequence[Migration], shadow: Shadow, *, fork: bool) -> int:
    """Return how many copies of the ground will surely be made as it is: for the round trips, and for the first trace.

    A workload is asked on the ground itself.
    """
    first = next(iter(question.steps()[len(before) :]), None)
    if first is None or question.workload is not None:
        return 0
    if first.migration_id not in question.ids:
        return int(fork)
    try:
        if any(cluster_wide(script, blocks=True) for script in first.scripts()):
            return 0
    except ScriptError:  # it says so when it is its turn
        return 0
    traced = copies_for(first.forward())
    return fork + (min(traced, 1) if is_elsewhere(shadow, first) else traced)


def _made_now(
    question: Question, missing: Sequence[str], runner: Runner, ground: Ground, observer: Observer
) -> dict[str, Proof]:
    made = {}
    own, _ = find_samples(question.migrations)
    trips = round_trips(
        question.migrations,
        missing,
        runner.shadow,
        runner.options,
        samples=with_seeds(own, question.migrations, question.seeds),
        base=question.base,
        ground=ground,
        fingerprints=False,
    )
    for _, trip in zip(announced("roundtrip", missing, observer), trips, strict=True):
        made[trip.migration_id] = _proof(
            trip, with_data=trip.migration_id in own or bool(trip.seeded and trip.seeded.rows)
        )
        if trip.bug is not None:
            observer(BugMet(trip.migration_id, trip.bug.report))
    return made


def way(question: Question, missing: Collection[str]) -> list[Migration]:
    """Return what comes before all that is wanted, in round trips of those whose proof is `missing` too."""
    before = before_first(question.steps(), question.ids)
    if not missing:
        return before
    other = before_first(way_to(question.migrations, missing, question.base), missing)
    pairs = zip(before, other, strict=False)
    return [one for one, _ in takewhile(lambda pair: pair[0].migration_id == pair[1].migration_id, pairs)]


def _recorded(question: Question, migration: Migration, shadow: Shadow) -> Proof | None:
    """Return the recorded proof of a pair if it is a good one of these very files, made under these settings.

    None was made with the seed data, so where that is wanted, each pair is tried now.
    """
    if question.seeds is not None:
        return None
    migrations = question.migrations
    try:
        notes = proofs.require(migrations, [migration], major=shadow.major)
    except Error:  # also of a file that cannot be read as a proof
        return None
    path = proofs.path_of(migrations, migration.migration_id)
    found = proofs.read(path)
    if found is None or dict(found.settings) != shadow.settings.unusual:
        return None
    return model.Proof(found.verdict, tuple(notes), bool(found.samples), str(path))


def _proof(trip: RoundTrip, *, with_data: bool) -> Proof:
    lines = [f"tried without {name}, which could not be applied" for name in trip.without]
    if trip.seeded is not None and not trip.seeded.rows:
        lines.append("no row of the seed data fits the tables before it")
    lines += [f"found in time zone {trip.zone}; the target's is not known"] if trip.zone else []
    lines += [*as_text(trip.differences), *map(str, trip.data), *as_text(trip.again), *map(str, trip.data_again)]
    lines += [f"no sample row shows that this comes back: {name}" for name in trip.lost]
    lines += [str(problem) for problem in (*trip.expectations, *trip.not_tried)]
    if trip.failure is not None:
        lines.append(f"{trip.failure.step} failed: {trip.failure.error}")
    return model.Proof(trip.verdict.value, tuple(lines), with_data and trip.verdict in PROVEN)
