"""What would run, in which order, and why not; pure functions over the files and the history."""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from sqlmigrate.errors import HistoryError, MigrationsError, Place, Problem, UsageError
from sqlmigrate.history import Applied
from sqlmigrate.migrations import Migration, in_order
from sqlmigrate.sql.script import script_from_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from sqlmigrate.history import HalfWay, History, Texts
    from sqlmigrate.migrations import Migrations, ScriptRun


NO_PLAN = "no plan was made"
"""The `outcome` for those who only want to know."""
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

    `edited` and `rollback_edited` say that a file is not what was recorded, `comments_only` that an edited script holds
    the same statements, and `missing` that the script is gone. `late` is the first applied one that a pending one
    stands before, so that `apply` refuses it.
    """

    migration_id: str
    state: State
    migration: Migration | None = None
    recorded: Applied | None = None
    edited: bool = False
    rollback_edited: bool = False
    stopped: HalfWay | None = None
    comments_only: bool = False
    late: str | None = None

    @property
    def missing(self) -> bool:
        """Whether the history knows it but its script is not there."""
        return self.migration is None


@dataclass(frozen=True, slots=True)
class Plan:
    """The migrations to run, in order; `notes` are for the person who asked, `left` is how many more are pending.

    `half_way` holds those ids of a rollback that stopped half way.
    """

    operation: str
    steps: tuple[Migration, ...]
    notes: tuple[str, ...] = ()
    left: int = 0
    half_way: frozenset[str] = frozenset()

    def runs(self) -> list[ScriptRun]:
        """Return how the script of each step runs, in order."""
        ways = (step.forward() if self.operation == "apply" else step.back() for step in self.steps)
        return [run for run in ways if run is not None]


def status(migrations: Migrations, history: History) -> list[Status]:
    """List every migration: the applied ones as they were applied, then the pending ones as they will run."""
    applied = [_applied_status(row, migrations.get(row.migration_id), history) for row in history.applied]
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
    late = {item.migration_id: newer[0] for item, newer in _late(migrations, history, pending)}
    return [
        *applied,
        *half_way,
        *(Status(name := item.migration_id, State.PENDING, item, late=late.get(name)) for item in pending),
    ]


def needs_attention(item: Status) -> bool:
    """Tell whether a check must fail on a migration: it is pending, or its script is not what was applied."""
    not_done = item.state in {State.PENDING, State.HALF_WAY} or item.stopped is not None
    return not_done or item.missing or (item.edited and not item.comments_only)


def _applied_status(row: Applied, migration: Migration | None, history: History) -> Status:
    stopped = history.stopped(row.migration_id)
    state = State.HALF_WAY if stopped else State.MARKED if row.marked else State.APPLIED
    if migration is None:
        return Status(row.migration_id, state, None, row, stopped=stopped)
    edited = row.checksum is not None and row.checksum != migration.script.checksum
    rollback = migration.rollback.checksum if migration.rollback else None
    # a row that yoyo made has no checksums, and so nothing to compare
    rollback_edited = row.checksum is not None and row.rollback_checksum != rollback
    return Status(
        row.migration_id,
        state,
        migration,
        row,
        edited=edited,
        rollback_edited=rollback_edited,
        stopped=stopped,
        comments_only=edited and _same_statements(history.texts(row.migration_id).script, migration.script.text),
    )


def _same_statements(recorded: str | None, text: str | None) -> bool:
    if recorded is None or text is None:
        return False
    from sqlmigrate.sql.difference import same_statements  # noqa: PLC0415  only where a file was edited

    return same_statements(recorded, text)


def contradictions(states: Iterable[Status], history: History) -> tuple[list[Problem], list[Problem]]:
    """Find applied migrations whose files are gone or edited: errors, and warnings for rollback scripts.

    An edit of comments and white space alone is a warning too.
    """
    errors: list[Problem] = []
    warnings: list[Problem] = []
    for item in states:
        if item.recorded is None:
            continue
        if item.migration is None:
            hint = f"restore the file, or forget the migration with `sqlmigrate unmark {item.migration_id}`"
            errors.append(Problem(f"{item.migration_id} is applied, but its script is missing", hint=hint))
        elif item.edited:
            recorded = history.texts(item.migration_id).script
            problem = _edited(item.migration, recorded, comments_only=item.comments_only)
            (warnings if problem.warning else errors).append(problem)
        if item.migration is not None and item.rollback_edited:
            place = Place(item.migration.script.path.with_suffix(".rollback.sql"))
            warnings.append(Problem("is not the rollback script that was recorded at apply", place, warning=True))
    return errors, warnings


def _edited(migration: Migration, recorded: str | None, *, comments_only: bool) -> Problem:
    """Report an applied script that was edited, with the difference to what was applied."""
    script, place = migration.script, Place(migration.script.path)
    accept = f"`sqlmigrate accept {migration.migration_id} --reason ...` records it as it is now"
    if recorded is None or script.text is None:
        hint = f"restore the file as it was, and make the change in a new migration; {accept}"
        unknown = ("(its text was not recorded, so no difference can be shown)",)
        return Problem("was edited after it was applied", place, hint, detail=unknown)
    from sqlmigrate.sql.difference import unified  # noqa: PLC0415  only where a file was edited

    detail = tuple(unified(recorded, script.text, script.path.name))
    if comments_only:
        message = "was edited after it was applied, in comments and white space only"
        return Problem(message, place, accept, warning=True, detail=detail)
    hint = f"restore the file as it was, and make the change in a new migration; {accept}"
    return Problem("was edited after it was applied", place, hint, detail=detail)


def plan_apply(
    migrations: Migrations,
    history: History,
    *,
    to: str | None = None,
    steps: int | None = None,
    resume: bool = False,
    allow_out_of_order: bool = False,
    outcome: str = "nothing was applied",
) -> Plan:
    """Plan to apply what is pending: all of it, up to and with `to`, or the next `steps`; a half-way script first.

    `outcome` says in an error what did not happen.

    Raises MigrationsError where an applied script was edited or is missing, or where a pending one is older than an
    applied one and `allow_out_of_order` does not say that this is meant; UsageError for an unknown id.
    """
    states = status(migrations, history)
    errors, warnings = contradictions(states, history)
    if errors:
        raise MigrationsError(f"{outcome}, since the files contradict the history", errors)
    _require_resumable(states)
    if resume and not any(item.stopped for item in states):
        raise UsageError("no script stopped half way, so there is none to resume")
    pending = [item.migration for item in states if item.recorded is None and item.migration]
    count = len(pending)
    if to is not None:
        migrations.named(to)
        ids = [item.migration_id for item in pending]
        pending = pending[: ids.index(to) + 1] if to in ids else _before(migrations, pending, to)
    if steps is not None:
        pending = pending[:steps]
    begun = {item.migration_id for item in history.half_way}
    late = out_of_order(migrations, history, (item for item in pending if item.migration_id not in begun))
    if late and not allow_out_of_order:
        raise MigrationsError(f"{outcome}, since the order would not be that of the files", late)
    return Plan("apply", tuple(pending), tuple(str(warning) for warning in warnings), left=count - len(pending))


def out_of_order(migrations: Migrations, history: History, pending: Iterable[Migration]) -> list[Problem]:
    """Find pending migrations that stand before an applied one: merged late, they would run on what came after them."""
    problems = []
    for item, newer in _late(migrations, history, pending):
        more = f" and {len(newer) - _NAMED} more" if len(newer) > _NAMED else ""
        names = ", ".join(newer[:_NAMED]) + more
        hint = "give it a newer name, or apply it all the same with --allow-out-of-order"
        problems.append(Problem(f"is pending, but newer ones are applied: {names}", Place(item.script.path), hint))
    return problems


def _late(
    migrations: Migrations, history: History, pending: Iterable[Migration]
) -> Iterator[tuple[Migration, list[str]]]:
    """Yield the pending migrations that stand before applied ones, each with these in the order of the files."""
    names = [item.migration_id for item in migrations.ordered]
    place = {name: at for at, name in enumerate(names)}
    applied = sorted(place[row.migration_id] for row in history.applied if row.migration_id in place)
    for item in pending:
        if newer := applied[bisect(applied, place[item.migration_id]) :]:
            yield item, [names[at] for at in newer]


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
        if item.migration.forward().transactional:
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
    recorded: bool = False,
    resume: bool = False,
    outcome: str = "nothing was rolled back",
) -> Plan:
    """Plan to roll back in the reverse order of application: one step unless told otherwise.

    A marked migration is a floor: nothing at or below it is rolled back unless its id is in `include_marked`.
    With `recorded`, a rollback script that is missing or was edited is taken as it was recorded at apply.
    `outcome` says in an error what did not happen. Raises MigrationsError where a rollback script is missing or an
    applied migration depends on one of the plan, UsageError for an id that is not applied.
    """
    if resume and not any(item.operation == "rollback" for item in history.half_way):
        raise UsageError("no rollback script stopped half way, so there is none to resume")
    wanted = _wanted(history, steps=steps, to=to, everything=everything)
    allowed = set(include_marked)
    for name in sorted(allowed):
        _require_applied(history, name, "it cannot be rolled back")
    above, notes = _above_floor(wanted, allowed)
    if wanted and not above and not everything:
        raise HistoryError(
            f"{wanted[0].migration_id} was marked as applied, not applied by sqlmigrate, so it is not rolled back",
            hint=f"to run its rollback script all the same: --include-marked {wanted[0].migration_id}",
        )
    chosen, problems = _rollbacks(migrations, above, history, recorded=recorded)
    problems += dependents(migrations, above, history)
    if problems:
        raise MigrationsError(outcome, problems)
    half_way = frozenset(item.migration_id for item in chosen if history.stopped(item.migration_id))
    return Plan("rollback", tuple(chosen), tuple(notes), half_way=half_way)


def _wanted(history: History, *, steps: int | None, to: str | None, everything: bool) -> list[Applied]:
    done = {row.migration_id for row in history.applied}
    begun = dict.fromkeys(item.migration_id for item in history.half_way if item.migration_id not in done)
    newest_first = [*(Applied(name, "") for name in begun), *reversed(history.applied)]
    if everything:
        return newest_first
    if to is not None:
        _require_applied(history, to, "it cannot be a point to go back to")
        ids = [row.migration_id for row in newest_first]
        return newest_first[: ids.index(to)]
    return newest_first[: 1 if steps is None else steps]


def _require_applied(history: History, migration_id: str, consequence: str) -> None:
    if history.get(migration_id) is None:
        hint = "`sqlmigrate status` lists what is applied"
        raise UsageError(f"{migration_id} is not applied, so {consequence}", hint=hint)


def _above_floor(wanted: Sequence[Applied], allowed: set[str]) -> tuple[list[Applied], list[str]]:
    for index, row in enumerate(wanted):
        if row.marked and row.migration_id not in allowed:
            note = f"stops above {row.migration_id}, which was marked, not applied (--include-marked goes below it)"
            return list(wanted[:index]), [note]
    return list(wanted), []


def _rollbacks(
    migrations: Migrations, rows: Sequence[Applied], history: History, *, recorded: bool
) -> tuple[list[Migration], list[Problem]]:
    """Give each migration with the rollback script that is to run, and why some have none."""
    chosen: list[Migration] = []
    problems: list[Problem] = []
    for row in rows:
        migration = migrations.get(row.migration_id)
        problem = _rollback_problem(row, migration, migrations.directory)
        if problem is None and migration is not None:
            chosen.append(migration)
        elif recorded and (found := _as_recorded(row, migrations, history.texts(row.migration_id))):
            chosen.append(found)
        elif problem is not None:
            problems.append(problem)
    return chosen, problems


def _rollback_problem(row: Applied, migration: Migration | None, directory: Path) -> Problem | None:
    place = Place(directory / f"{row.migration_id}.rollback.sql")
    has_text = row.rollback_checksum is not None
    recorded = "run it as it was recorded at apply with --recorded"
    hint = f"restore it, or {recorded}"
    if migration is None:
        message = f"{row.migration_id}: its files are missing"
        restore = "restore both files of the migration"
        return Problem(message, hint=f"{restore}, or {recorded}" if has_text else restore)
    if migration.rollback is None:
        return Problem("this rollback script does not exist", place, hint if has_text else "write it, then run again")
    if has_text and row.rollback_checksum != migration.rollback.checksum:
        accept = f"`sqlmigrate accept {row.migration_id} --reason ...` takes it as it is now"
        return Problem("is not the rollback script that was recorded at apply", place, f"{hint}; {accept}")
    return None


def _as_recorded(row: Applied, migrations: Migrations, texts: Texts) -> Migration | None:
    """Give a migration with its rollback script as the history has it; None where that was too large to be recorded."""
    if texts.rollback is None:
        return None
    path = migrations.directory / f"{row.migration_id}.sql"
    migration = migrations.get(row.migration_id)
    script = migration.script if migration else script_from_text(path, texts.script or "")
    return Migration(row.migration_id, script, script_from_text(path.with_suffix(".rollback.sql"), texts.rollback))


def dependents(migrations: Migrations, rows: Sequence[Applied], history: History) -> list[Problem]:
    """Find what is applied and depends on one of these rows, which are to go."""
    problems: list[Problem] = []
    gone = {row.migration_id for row in rows}
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
