"""Put migrations in order, and say what is wrong with their `-- depends:`.

The order is that of the file names as text, as in yoyo, or natural: by the numbers that the names begin with.

The graph and the order are yoyo's (https://ollycope.com/software/yoyo/): of all that could come next, the first by name
does. Nothing is sorted but by name where no file has `-- depends:`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import MigrationsError, Place, Problem
from sqlmigrate.migrations.model import near
from sqlmigrate.migrations.numbering import natural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlmigrate.config import Order
    from sqlmigrate.migrations.model import Migration

_UNKNOWN_SHOWN = 20  # names of a script that are shown where they do not exist


def sort_key(migration_id: str, order: Order) -> Any:
    """Return what ids are sorted by."""
    # yoyo sorts paths, not ids: `1-a.sql` comes before `1.sql`
    return natural(migration_id) if order == "natural" else f"{migration_id}.sql"


def in_order(migrations: Iterable[Migration], order: Order) -> list[Migration]:
    """Put migrations in the order in which they run: by name, except where `-- depends:` says otherwise.

    Only dependencies among the given ones count, as in yoyo, which sorts the pending ones alone; none of a script that
    is refused. Raises MigrationsError where they depend on each other in a circle.
    """
    by_name = sorted(migrations, key=lambda migration: sort_key(migration.migration_id, order))
    if not any(migration.depends for migration in by_name):
        return by_name
    from graphlib import CycleError, TopologicalSorter  # noqa: PLC0415  only where it is needed
    from heapq import heapify, heappop, heappush  # noqa: PLC0415  same

    known = {migration.migration_id: migration for migration in by_name}
    graph = {
        key: [name for name in migration.depends if name in known and migration.script.refused is None]
        for key, migration in known.items()
    }
    names, sorter = list(known), TopologicalSorter(graph)
    place = {name: at for at, name in enumerate(names)}
    try:
        sorter.prepare()
    except CycleError as error:
        circle = sorted(set(error.args[1]), key=place.__getitem__)
        message = f"these migrations depend on each other: {', '.join(circle)}"
        problem = Problem(message, Place(known[circle[0]].script.path))
        raise MigrationsError("the migrations cannot be put in order", [problem]) from None
    ready = [place[name] for name in sorter.get_ready()]
    heapify(ready)
    ordered = []
    while ready:
        name = names[heappop(ready)]
        ordered.append(known[name])
        sorter.done(name)
        for after in sorter.get_ready():
            heappush(ready, place[after])
    return ordered


def dependency_problems(migration: Migration, found: Mapping[str, Migration], refused: set[str]) -> list[Problem]:
    """Find what is wrong with the `-- depends:` of a migration; what is wrong with `refused` ids is known already."""
    problems = []
    unknown = [name for name in dict.fromkeys(migration.depends) if name not in found and name not in refused]
    for name in unknown[:_UNKNOWN_SHOWN]:
        likely = near(name, found, n=1)
        hint = f"did you mean {likely[0]}?" if likely else None
        place = migration.script.directive_place("depends", name)
        problems.append(Problem(f"depends on {name}, which does not exist in this directory", place, hint))
    if (left := len(unknown) - _UNKNOWN_SHOWN) > 0:
        message = f"depends on {left} more that do not exist in this directory"
        problems.append(Problem(message, Place(migration.script.path)))
    return problems


def without_replaced(found: Mapping[str, Migration]) -> tuple[dict[str, Migration], dict[str, str]]:
    """Leave out the migrations whose place another one has taken; who depends on them depends on that one.

    Gives for each replaced id, of a file or not, the id that stands for it now. Raises MigrationsError where two
    replace each other.
    """
    replaced = {old: item.migration_id for item in found.values() for old in item.replaces if old != item.migration_id}

    def now(name: str) -> str:
        seen = [name]
        while (after := replaced.get(seen[-1])) is not None:
            if after in seen:
                problem = Problem(f"{seen[-1]} and {after} replace each other", Place(found[after].script.path))
                raise MigrationsError("the migrations cannot be put in order", [problem])
            seen.append(after)
        return seen[-1]

    kept = {}
    for key, item in found.items():
        if key in replaced:
            continue
        depends = tuple(dict.fromkeys(now(name) for name in item.depends if name not in replaced or now(name) != key))
        if depends != item.depends:
            directives = replace(item.script.directives, depends=depends)
            item = replace(item, script=replace(item.script, directives=directives))  # noqa: PLW2901  as it counts
        kept[key] = item
    return kept, {old: now(old) for old in replaced}


def without_wrong_dependencies(found: Mapping[str, Migration], refused: set[str]) -> dict[str, Migration]:
    """Refuse each script that depends on what does not exist, or that stands in a circle, and no other one."""
    kept = dict(found)
    for item in found.values():
        if problem := next(iter(dependency_problems(item, found, refused)), None):
            kept[item.migration_id] = _refused(item, problem)
        elif item.migration_id in needed(item, found):
            place = item.script.directive_place("depends", item.depends[0])
            kept[item.migration_id] = _refused(item, Problem("depends on itself, in the end", place))
    return kept


def needed(migration: Migration, known: Mapping[str, Migration]) -> set[str]:
    """Return the ids that must be applied before a migration."""
    found: set[str] = set()
    waiting = [*migration.depends]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += known[name].depends if name in known else ()
    return found


def _refused(migration: Migration, problem: Problem) -> Migration:
    """Return a migration whose script cannot run; the first reason counts."""
    script = migration.script
    return migration if script.refused else replace(migration, script=replace(script, refused=problem))
