"""Pending migrations that stand before applied ones, and applied ones of a newer release."""

from __future__ import annotations

from bisect import bisect
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import Place, Problem
from sqlmigrate.migrations.order import sort_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlmigrate.history.model import History
    from sqlmigrate.migrations import Migration, Migrations

_NAMED = 3  # newer migrations that are named where there are many


def ahead(migrations: Migrations, history: History) -> list[str]:
    """Name what is applied and has no file here, but stands after every file that is here: a newer release applied it.

    They come in the order of their names, which alone decides, since what they depend on is not known. Where there
    is no file at all, the folder is more likely the wrong one.
    """
    if not migrations.ordered:
        return []

    def key(name: str) -> Any:
        return sort_key(name, migrations.order)

    gone = [
        row.migration_id
        for row in history.applied
        if migrations.get(row.migration_id) is None and row.migration_id not in migrations.replaced
    ]
    if not gone:
        return []
    last = max(key(item.migration_id) for item in migrations.ordered)
    return sorted((name for name in gone if key(name) > last), key=key)


def said_of(newer: Sequence[str]) -> str:
    """Say by which migrations the database is ahead."""
    more = f" and {len(newer) - _NAMED} more" if len(newer) > _NAMED else ""
    return f"the database is ahead by {len(newer)}: {', '.join(newer[:_NAMED])}{more}"


def out_of_order(migrations: Migrations, history: History, pending: Iterable[Migration]) -> list[Problem]:
    """Find pending migrations that stand before an applied one: merged late, they would run on what came after them."""
    problems = []
    for item, newer in late(migrations, history, pending):
        more = f" and {len(newer) - _NAMED} more" if len(newer) > _NAMED else ""
        names = ", ".join(newer[:_NAMED]) + more
        hint = "give it a newer name, or apply it all the same with --allow-out-of-order"
        problems.append(Problem(f"is pending, but newer ones are applied: {names}", Place(item.script.path), hint))
    return problems


def late(
    migrations: Migrations, history: History, pending: Iterable[Migration]
) -> Iterator[tuple[Migration, list[str]]]:
    """Yield the pending migrations that stand before applied ones, each with these in the order of the files."""
    names = [*(item.migration_id for item in migrations.ordered), *ahead(migrations, history)]
    place = {name: at for at, name in enumerate(names)}
    applied = sorted(place[row.migration_id] for row in history.applied if row.migration_id in place)
    for item in pending:
        if newer := applied[bisect(applied, place[item.migration_id]) :]:
            yield item, [names[at] for at in newer]
