"""What would run, in which order, and why not; pure functions over the files and the history."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from sqlmigrate.errors import HistoryError, MigrationsError, Place, Problem, UsageError
from sqlmigrate.history import Applied
from sqlmigrate.migrations import in_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlmigrate.history import HalfWay, History
    from sqlmigrate.migrations import Migration, Migrations


_NAMED = 3  # newer migrations that are named where there are many


class State(Enum):
    """Where a migration stands."""

    APPLIED = "applied"
    MARKED = "marked"
    PENDING = "pending"
    HALF_WAY = "half way"


@dataclass(frozen=True, slots=True)
class Status:
    """One migration as files and history see it.

    `edited` and `rollback_edited` say that a file is not what was recorded, `missing` that the script is gone.
    """

    migration_id: str
    state: State
    migration: Migration | None = None
    recorded: Applied | None = None
    edited: bool = False
    rollback_edited: bool = False
    stopped: HalfWay | None = None

    @property
    def missing(self) -> bool:
        """Whether the history knows it but its script is not there."""
        return self.migration is None


@dataclass(frozen=True, slots=True)
class Plan:
    """The migrations to run, in order; `notes` are for the person who asked."""

    operation: str
    steps: tuple[Migration, ...]
    notes: tuple[str, ...] = ()


def status(migrations: Migrations, history: History) -> list[Status]:
    """List every migration: the applied ones as they were applied, then the pending ones as they will run."""
    applied = [
        _applied_status(row, migrations.get(row.migration_id), history.stopped(row.migration_id))
        for row in history.applied
    ]
    done = {row.migration_id for row in history.applied}
    begun = [item for item in history.half_way if item.operation == "apply" and item.migration_id not in done]
    half_way = [
        Status(
            item.migration_id,
            State.HALF_WAY,
            migrations.get(item.migration_id),
            stopped=history.stopped(item.migration_id),
        )
        for item in begun
    ]
    done |= {item.migration_id for item in begun}
    pending = in_order(item for item in migrations.ordered if item.migration_id not in done)
    return applied + half_way + [Status(item.migration_id, State.PENDING, item) for item in pending]


def needs_attention(item: Status) -> bool:
    """Tell whether a check must fail on a migration: it is pending, or its files are not what was applied."""
    return item.state in {State.PENDING, State.HALF_WAY} or item.stopped is not None or item.edited or item.missing


def _applied_status(row: Applied, migration: Migration | None, stopped: HalfWay | None) -> Status:
    state = State.HALF_WAY if stopped else State.MARKED if row.marked else State.APPLIED
    if migration is None:
        return Status(row.migration_id, state, None, row, stopped=stopped)
    edited = row.checksum is not None and row.checksum != migration.script.checksum
    rollback = migration.rollback.checksum if migration.rollback else None
    # a row that yoyo made has no checksums, and so nothing to compare
    rollback_edited = row.checksum is not None and row.rollback_checksum != rollback
    return Status(
        row.migration_id, state, migration, row, edited=edited, rollback_edited=rollback_edited, stopped=stopped
    )


def contradictions(states: Iterable[Status]) -> tuple[list[Problem], list[Problem]]:
    """Find applied migrations whose files are gone or edited: errors, and warnings for rollback scripts."""
    errors, warnings = [], []
    for item in states:
        if item.recorded is None:
            continue
        if item.migration is None:
            hint = f"restore the file, or forget the migration with `sqlmigrate unmark {item.migration_id}`"
            errors.append(Problem(f"{item.migration_id} is applied, but its script is missing", hint=hint))
        elif item.edited:
            hint = "restore the file as it was, and make the change in a new migration"
            place = Place(item.migration.script.path)
            errors.append(Problem("was edited after it was applied", place, hint))
        if item.migration is not None and item.rollback_edited:
            place = Place(item.migration.script.path.with_suffix(".rollback.sql"))
            warnings.append(Problem("is not the rollback script that was recorded at apply", place, warning=True))
    return errors, warnings


def plan_apply(
    migrations: Migrations,
    history: History,
    *,
    to: str | None = None,
    steps: int | None = None,
    resume: bool = False,
    allow_out_of_order: bool = False,
) -> Plan:
    """Plan to apply what is pending: all of it, up to and with `to`, or the next `steps`; a half-way script first.

    Raises MigrationsError where an applied script was edited or is missing, or where a pending one is older than an
    applied one and `allow_out_of_order` does not say that this is meant; UsageError for an unknown id.
    """
    states = status(migrations, history)
    errors, warnings = contradictions(states)
    if errors:
        raise MigrationsError("nothing was applied, since the files contradict the history", errors)
    _require_resumable(states)
    if resume and not any(item.stopped for item in states):
        raise UsageError("no script stopped half way, so there is none to resume")
    pending = [item.migration for item in states if item.recorded is None and item.migration]
    if to is not None:
        migrations.named(to)
        ids = [item.migration_id for item in pending]
        pending = pending[: ids.index(to) + 1] if to in ids else _before(migrations, pending, to)
    if steps is not None:
        pending = pending[:steps]
    begun = {item.migration_id for item in history.half_way}
    late = out_of_order(migrations, history, (item for item in pending if item.migration_id not in begun))
    if late and not allow_out_of_order:
        raise MigrationsError("nothing was applied, since the order would not be that of the files", late)
    return Plan("apply", tuple(pending), tuple(str(warning) for warning in warnings))


def out_of_order(migrations: Migrations, history: History, pending: Iterable[Migration]) -> list[Problem]:
    """Find pending migrations that stand before an applied one: merged late, they would run on what came after them."""
    place = {item.migration_id: at for at, item in enumerate(migrations.ordered)}
    applied = [row.migration_id for row in history.applied if row.migration_id in place]
    problems = []
    for item in pending:
        newer = sorted((name for name in applied if place[name] > place[item.migration_id]), key=place.__getitem__)
        if newer:
            more = f" and {len(newer) - _NAMED} more" if len(newer) > _NAMED else ""
            names = ", ".join(newer[:_NAMED]) + more
            hint = "give it a newer name, or apply it all the same with --allow-out-of-order"
            problems.append(Problem(f"is pending, but newer ones are applied: {names}", Place(item.script.path), hint))
    return problems


def _require_resumable(states: Iterable[Status]) -> None:
    """Refuse to apply anything while a script stands half way that cannot go on."""
    for item in states:
        if item.stopped is None:
            continue
        name = item.migration_id
        if item.stopped.operation == "rollback":
            hint = "finish it with `sqlmigrate rollback`"
            raise HistoryError(f"{name} is rolled back half way, so nothing can be applied", hint=hint)
        if item.migration is None:
            raise HistoryError(f"{name} stopped half way, and its script is missing", hint="restore the file")
        if item.migration.transactional:
            hint = "put the `-- transactional: false` back that it was begun with"
            raise HistoryError(f"{name} stopped half way outside a transaction and cannot go on inside one", hint=hint)


def _before(migrations: Migrations, pending: Sequence[Migration], to: str) -> list[Migration]:
    """Give what is pending before an id that is applied already."""
    order = [item.migration_id for item in migrations.ordered]
    return [item for item in pending if order.index(item.migration_id) < order.index(to)]


def plan_rollback(
    migrations: Migrations,
    history: History,
    *,
    steps: int | None = None,
    to: str | None = None,
    everything: bool = False,
    include_marked: Iterable[str] = (),
    resume: bool = False,
) -> Plan:
    """Plan to roll back in the reverse order of application: one step unless told otherwise.

    A marked migration is a floor: nothing at or below it is rolled back unless its id is in `include_marked`.
    Raises MigrationsError where a rollback script is missing or an applied migration depends on one of the plan,
    UsageError for an id that is not applied.
    """
    if resume and not any(item.operation == "rollback" for item in history.half_way):
        raise UsageError("no rollback script stopped half way, so there is none to resume")
    wanted = _wanted(history, steps=steps, to=to, everything=everything)
    allowed = set(include_marked)
    for name in sorted(allowed):
        _require_applied(history, name)
    above, notes = _above_floor(wanted, allowed)
    if wanted and not above and not everything:
        raise HistoryError(
            f"{wanted[0].migration_id} was marked as applied, not applied by sqlmigrate, so it is not rolled back",
            hint=f"to run its rollback script all the same: --include-marked {wanted[0].migration_id}",
        )
    chosen = [migration for row in above if (migration := migrations.get(row.migration_id))]
    problems = _rollback_problems(migrations, above, history)
    if problems:
        raise MigrationsError("nothing was rolled back", problems)
    return Plan("rollback", tuple(chosen), tuple(notes))


def _wanted(history: History, *, steps: int | None, to: str | None, everything: bool) -> list[Applied]:
    done = {row.migration_id for row in history.applied}
    begun = dict.fromkeys(item.migration_id for item in history.half_way if item.migration_id not in done)
    newest_first = [*(Applied(name, "") for name in begun), *reversed(history.applied)]
    if everything:
        return newest_first
    if to is not None:
        _require_applied(history, to)
        ids = [row.migration_id for row in newest_first]
        return newest_first[: ids.index(to)]
    return newest_first[: 1 if steps is None else steps]


def _require_applied(history: History, migration_id: str) -> None:
    if history.get(migration_id) is None:
        raise UsageError(
            f"{migration_id} is not applied, so it cannot be a point to go back to",
            hint="`sqlmigrate status` lists what is applied",
        )


def _above_floor(wanted: Sequence[Applied], allowed: set[str]) -> tuple[list[Applied], list[str]]:
    for index, row in enumerate(wanted):
        if row.marked and row.migration_id not in allowed:
            note = f"stops above {row.migration_id}, which was marked, not applied (--include-marked goes below it)"
            return list(wanted[:index]), [note]
    return list(wanted), []


def _rollback_problems(migrations: Migrations, rows: Sequence[Applied], history: History) -> list[Problem]:
    problems = []
    gone = {row.migration_id for row in rows}
    for row in rows:
        migration = migrations.get(row.migration_id)
        if migration is None:
            hint = "restore both files of the migration"
            problems.append(Problem(f"{row.migration_id}: its files are missing", hint=hint))
        elif migration.rollback is None:
            path = migration.script.path.with_suffix(".rollback.sql")
            problems.append(Problem("this rollback script does not exist", Place(path), "write it, then run again"))
    for row in history.applied:
        migration = migrations.get(row.migration_id)
        if row.migration_id in gone or migration is None:
            continue
        place = Place(migration.script.path)
        problems += [
            Problem(f"{row.migration_id} is applied and depends on {name}", place)
            for name in sorted(gone & set(migration.depends))
        ]
    return problems
