"""Where each migration stands, by the files and the history."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, Problem
from sqlmigrate.migrations import SQUASHED, in_order
from sqlmigrate.plan.model import State, Status
from sqlmigrate.plan.order import ahead
from sqlmigrate.plan.order import late as late_ones

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlmigrate.history.model import Applied, History
    from sqlmigrate.migrations import Migration, Migrations


def status(migrations: Migrations, history: History) -> list[Status]:
    """List every migration: the applied ones as they were applied, then the pending ones as they will run.

    The history holds the recorded scripts of those that `edited` names, so that an edit of comments alone is seen.
    """
    theirs = set(ahead(migrations, history))
    applied = [_applied_status(row, migrations, history, theirs) for row in history.applied]
    done = {row.migration_id for row in history.applied}
    begun = [item for item in history.half_way if item.operation == "apply" and item.migration_id not in done]
    half_way = [
        Status(
            item.migration_id,
            State.HALF_WAY,
            migrations.get(item.migration_id),
            stopped=history.half_way_of(item.migration_id),
        )
        for item in begun
    ]
    done |= {item.migration_id for item in begun}
    done |= {item.migration_id for item in migrations.ordered if item.replaces and done.issuperset(item.replaces)}
    pending = in_order((item for item in migrations.ordered if item.migration_id not in done), migrations.order)
    late = {item.migration_id: newer[0] for item, newer in late_ones(migrations, history, pending)}
    return [
        *applied,
        *half_way,
        *(Status(name := item.migration_id, State.PENDING, item, late=late.get(name)) for item in pending),
    ]


def half_replaced(migrations: Migrations, history: History) -> list[Problem]:
    """Find migrations that have taken the place of others of which only some are applied: neither way leads on."""
    done = {row.migration_id for row in history.applied}
    problems = []
    for item in migrations.ordered:
        there = [name for name in item.replaces if name in done]
        if item.migration_id in done or not there or len(there) == len(item.replaces):
            continue
        left = next(name for name in item.replaces if name not in done)
        message = f"replaces {len(item.replaces)} migrations, of which {len(there)} are applied here, but not {left}"
        hint = (
            f"apply the rest of them first: sqlmigrate apply --migrations {quote(str(migrations.directory / SQUASHED))}"
        )
        problems.append(Problem(message, Place(item.script.path), hint))
    return problems


def edited(migrations: Migrations, history: History) -> frozenset[str]:
    """Name the applied migrations whose script is not the one that was recorded."""
    return frozenset(
        row.migration_id for row in history.applied if (item := migrations.get(row.migration_id)) and _edited(row, item)
    )


def _edited(row: Applied, migration: Migration) -> bool:
    # a row that yoyo made has no checksums, and so nothing to compare
    return row.checksum is not None and row.checksum != migration.script.checksum


def needs_attention(item: Status) -> bool:
    """Tell whether a check must fail on a migration: it is pending, or its script is not what was applied.

    What a newer release has applied is no reason.
    """
    not_done = item.state in {State.PENDING, State.HALF_WAY, State.RUNNING} or item.stopped is not None
    return not_done or (item.missing and not item.ahead) or (item.edited and not item.comments_only)


def _applied_status(row: Applied, migrations: Migrations, history: History, newer: Collection[str]) -> Status:
    name = row.migration_id
    stopped = history.half_way_of(name) if history.half_way else None
    state = State.HALF_WAY if stopped else State.MARKED if row.marked else State.APPLIED
    migration, replaced = migrations.get(name), migrations.replaced.get(name)
    if migration is None:
        return Status(name, state, None, row, stopped=stopped, ahead=name in newer, replaced=replaced)
    changed = _edited(row, migration)
    rollback = migration.rollback.checksum if migration.rollback else None
    rollback_edited = row.checksum is not None and row.rollback_checksum != rollback
    return Status(
        name,
        state,
        migration,
        row,
        edited=changed,
        rollback_edited=rollback_edited,
        stopped=stopped,
        comments_only=changed and _same_statements(history.text_of(name).script, migration.script.text),
        replaced=replaced,
    )


def _same_statements(recorded: str | None, text: str | None) -> bool:
    if recorded is None or text is None:
        return False
    from sqlmigrate.sql.difference import same_statements  # noqa: PLC0415  only where a file was edited

    return same_statements(recorded, text)
