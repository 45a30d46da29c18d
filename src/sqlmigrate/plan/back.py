"""What `rollback` would run."""

from __future__ import annotations

from dataclasses import replace
from shlex import quote
from typing import TYPE_CHECKING

from sqlmigrate.errors import HistoryError, MigrationsError, Place, Problem, UsageError
from sqlmigrate.history.model import Applied
from sqlmigrate.migrations import Migration
from sqlmigrate.plan.forward import plan_apply
from sqlmigrate.plan.model import Plan
from sqlmigrate.plan.requests import ApplyRequest
from sqlmigrate.plan.states import edited
from sqlmigrate.sql.script import script_from_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlmigrate.history.model import History, Texts
    from sqlmigrate.migrations import Migrations
    from sqlmigrate.plan.requests import RollbackRequest


def plan_rollback(request: RollbackRequest, history: History) -> Plan:
    """Plan to roll back in the reverse order of application: see `RollbackRequest`.

    Raises MigrationsError where a rollback script is missing or an applied migration depends on one of the plan,
    HistoryError where a marked migration is in the way, and UsageError for an id that is not applied.
    """
    rows, notes = _rows(request, history)
    chosen, problems = _rollbacks(request, rows, history)
    problems += dependents(request.migrations, rows, history)
    if problems:
        raise MigrationsError(request.outcome, problems)
    if request.again:
        plan_apply(_again(request), _without(history, chosen))
    notes += [_as_it_was(item) for item in chosen if item is not request.migrations.get(item.migration_id)]
    half_way = frozenset(item.migration_id for item in chosen if history.half_way_of(item.migration_id))
    return Plan("rollback", tuple(chosen), (*map(str, history.standing.remarks()), *notes), half_way=half_way)


def _as_it_was(item: Migration) -> str:
    return f"the rollback script of {item.migration_id} runs as it was recorded at apply, not as the file is now"


def recorded_needed(request: RollbackRequest, history: History) -> frozenset[str]:
    """Name the migrations whose recorded scripts the plan looks at."""
    needed: frozenset[str] = edited(request.migrations, history) if request.again else frozenset()
    if not (request.recorded or request.again):
        return needed
    rows, _ = _rows(request, history)
    return needed | {row.migration_id for row in rows if _from_record(request, row)}


def _require_not_marked(history: History) -> None:
    if history.applied and history.applied[-1].marked and not history.half_way:
        name = history.applied[-1].migration_id
        hint = (
            f"to run both its scripts all the same: `sqlmigrate rollback --include-marked {quote(name)}`, then `apply`"
        )
        raise HistoryError(f"{name} was marked as applied, not applied by sqlmigrate, so it is not redone", hint=hint)


def _again(request: RollbackRequest) -> ApplyRequest:
    """Ask for what has to be possible afterwards: that applying again is not refused."""
    return ApplyRequest(migrations=request.migrations, allow_out_of_order=True, outcome=request.outcome)


def _without(history: History, gone: Iterable[Migration]) -> History:
    """Return the history as it will be when these are rolled back."""
    ids = {item.migration_id for item in gone}
    return replace(
        history,
        applied=tuple(row for row in history.applied if row.migration_id not in ids),
        half_way=tuple(item for item in history.half_way if item.migration_id not in ids),
    )


def _rows(request: RollbackRequest, history: History) -> tuple[list[Applied], list[str]]:
    """Return what is to be rolled back, above the floor, and what has to be said about that."""
    if request.again:
        _require_not_marked(history)
    if request.resume_at is not None and not any(item.operation == "rollback" for item in history.half_way):
        raise UsageError("no rollback script stopped half way, so there is none to resume")
    wanted = _wanted(request, history)
    allowed = set(request.include_marked)
    for name in sorted(allowed):
        _require_applied(history, name, "it cannot be rolled back")
    above, notes = _above_floor(wanted, allowed)
    if wanted and not above and not request.everything:
        raise HistoryError(
            f"{wanted[0].migration_id} was marked as applied, not applied by sqlmigrate, so it is not rolled back",
            hint=f"to run its rollback script all the same: --include-marked {quote(wanted[0].migration_id)}",
        )
    return above, notes


def _wanted(request: RollbackRequest, history: History) -> list[Applied]:
    done = {row.migration_id for row in history.applied}
    begun = {item.migration_id: item.run_id for item in history.half_way if item.migration_id not in done}
    stopped = [Applied(name, "", run_id=run_id) for name, run_id in begun.items()]
    newest_first = [*stopped, *reversed(history.applied)]
    if request.everything:
        return newest_first
    if request.of_run is not None:
        return _of_run(newest_first, request.of_run)
    if (to := request.to) is not None:
        _require_applied(history, to, "you cannot roll back to it")
        ids = [row.migration_id for row in newest_first]
        return newest_first[: ids.index(to)]
    return newest_first[: 1 if request.steps is None else request.steps]


def _of_run(newest_first: Sequence[Applied], run_id: str) -> list[Applied]:
    """Return what a run has applied; raises HistoryError where another run has applied something after it."""
    wanted = [row for row in newest_first if row.run_id == run_id and not row.marked]
    if wanted and newest_first[: len(wanted)] != wanted:
        above = next(row for row in newest_first if row.run_id != run_id or row.marked)
        message = f"{above.migration_id} was applied after what this run did, by another one"
        raise HistoryError(message, hint=f"roll back {above.migration_id} first")
    return wanted


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
    request: RollbackRequest, rows: Sequence[Applied], history: History
) -> tuple[list[Migration], list[Problem]]:
    """Return each migration with the rollback script that is to run, and why some have none."""
    chosen: list[Migration] = []
    problems: list[Problem] = []
    for row in rows:
        migration = request.migrations.get(row.migration_id)
        problem = _rollback_problem(row, request.migrations)
        if problem is None and migration is not None:
            chosen.append(migration)
        elif _from_record(request, row) and (
            found := _as_recorded(row, request.migrations, history.text_of(row.migration_id))
        ):
            chosen.append(found)
        elif problem is not None:
            problems.append(problem)
    return chosen, problems


def _from_record(request: RollbackRequest, row: Applied) -> bool:
    """Tell whether a rollback script is taken as it was recorded; what is done again undoes what was applied."""
    if _rollback_problem(row, request.migrations) is None:
        return False
    migration = request.migrations.get(row.migration_id)
    return request.recorded or (request.again and migration is not None and migration.rollback is not None)


def _rollback_problem(row: Applied, migrations: Migrations) -> Problem | None:
    """Say why a migration has no rollback script that can run; None where it has one."""
    migration = migrations.get(row.migration_id)
    place = Place(migrations.directory / f"{row.migration_id}.rollback.sql")
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
        accept = f"`sqlmigrate accept {quote(row.migration_id)} --reason ...` takes it as it is now"
        return Problem("is not the rollback script that was recorded at apply", place, f"{hint}; {accept}")
    return None


def _as_recorded(row: Applied, migrations: Migrations, texts: Texts) -> Migration | None:
    """Return a migration with its rollback script as the history has it; None where it was too large to record."""
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
