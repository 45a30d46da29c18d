"""Answer whether a late migration may still run: what it shares with those that ran, and both orders tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sqlmigrate.errors import Error
from sqlmigrate.review.model import Conflict, OutOfOrder
from sqlmigrate.schema.diff import as_text, compare
from sqlmigrate.sql.statement.names import accesses_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlmigrate.migrations import Migration
    from sqlmigrate.schema import Schema
    from sqlmigrate.shadow import Shadow, ShadowDatabase
    from sqlmigrate.sql.statement.names import Accesses, Named

    Replay = Callable[[ShadowDatabase, Sequence[Migration]], Schema]
    """Apply migrations in a database, and read its schema."""

_SHOWN = 20  # lines of a difference


def answer(
    shadow: Shadow, migration: Migration, earlier: Sequence[Migration], later: Sequence[Migration], replay: Replay
) -> OutOfOrder:
    """Compare a late migration with the `later` ones that are applied already; `earlier` are those applied before it.

    The scripts tell which objects both touch. Both orders are tried, on copies of a database that the earlier ones
    have made.
    """
    ids = tuple(item.migration_id for item in later)
    try:
        with shadow.database() as base:
            ground = replay(base, earlier)
            functions = [name.name.partition("(")[0].rpartition(".")[2] for name in ground.objects if "(" in name.name]
            conflicts, lines = _shared(migration, later, functions)
            with shadow.clone(base) as late, shadow.clone(base) as on_time:
                changes = compare(replay(on_time, [migration, *later]), replay(late, [*later, migration]))
    except Error as error:
        return OutOfOrder("unknown", ids, lines=(f"one of the orders fails on the throwaway database: {error}",))
    found: Literal["independent", "conflicting", "different"] = "independent"
    if changes:
        found = "different"
        difference = as_text(changes)
        lines = [*lines, "run late, it leaves a different schema than in its place:", *difference[:_SHOWN]]
    else:
        found = "conflicting" if lines else "independent"
        lines = [*lines, "both orders give the same schema on the throwaway database"]
    return OutOfOrder(found, ids, tuple(conflicts), tuple(lines))


def _shared(migration: Migration, later: Iterable[Migration], functions: list[str]) -> tuple[list[Conflict], list[str]]:
    """Return what a migration shares with others, as values and in words."""
    here = accesses_of(migration.script, functions)
    conflicts, lines = [], [f"{migration.migration_id} may touch anything: {why}" for why in here.all_of_it]
    for other in later:
        there = accesses_of(other.script, functions)
        lines += [f"{other.migration_id} may touch anything: {why}" for why in there.all_of_it]
        for name, mine, theirs in _conflicts(here, there):
            conflicts.append(Conflict(name, mine, other.migration_id, theirs))
            lines.append(f"{name}: {migration.migration_id} {mine} it, {other.migration_id} {theirs} it")
    return conflicts, lines


def _conflicts(here: Accesses, there: Accesses) -> list[tuple[str, str, str]]:
    """Return what both touch and at least one writes, with what each does."""
    found: dict[str, tuple[str, str]] = {}
    for mine, do_i, theirs, do_they in (
        (here.reads, "reads", there.writes, "writes"),
        (here.writes, "writes", there.reads, "reads"),
        (here.writes, "writes", there.writes, "writes"),
    ):
        for name in sorted(mine):
            for other in theirs:
                if name.may_be(other):
                    found[str(max(name, other))] = (do_i, do_they)
    for schema in sorted(here.schemas & there.schemas):
        found[f"schema {schema}"] = ("writes", "writes")
    for schemas, touched, words in (
        (here.schemas, there, lambda verb: ("writes all of", verb)),
        (there.schemas, here, lambda verb: (verb, "writes all of")),
    ):
        for schema in sorted(schemas):
            if verb := _within(schema, touched):
                found.setdefault(f"schema {schema}", words(verb))
    return [(name, *verbs) for name, verbs in found.items()]


def _within(schema: str, touched: Accesses) -> str | None:
    """Say what is done to something in a schema; a name without a schema may lie in any."""

    def inside(names: set[Named]) -> bool:
        return any(name.schema in ("", schema) for name in names)

    return "writes" if inside(touched.writes) else "reads" if inside(touched.reads) else None
