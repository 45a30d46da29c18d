"""What a run would do, once for all targets that stand in the same place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlmigrate import connection, engine
from sqlmigrate.errors import Error
from sqlmigrate.fleet.bringing import in_a_line, request_of, require_fitting
from sqlmigrate.fleet.standing import Kind
from sqlmigrate.fleet.tenants import options_of
from sqlmigrate.plan import open_losses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlmigrate.fleet.bringing import Workshop
    from sqlmigrate.fleet.model import Wanted
    from sqlmigrate.fleet.standing import Group
    from sqlmigrate.plan import Loss, Plan


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """The plan of a group, as its first target gives it; `refused` says why there is none.

    `losing` are the targets in which data would be lost, each with what that is: unlike the plan, it differs.
    """

    group: Group
    plan: Plan | None = None
    refused: str | None = None
    losing: tuple[tuple[str, tuple[Loss, ...]], ...] = ()


def plans_of(
    groups: Sequence[Group],
    wanted: Wanted,
    workshop: Workshop,
    each: Callable[[Callable[[str], GroupPlan], Iterable[str]], Iterable[GroupPlan]] = map,
) -> list[GroupPlan]:
    """Make the plan of each group after the same checks as `bring`, and change nothing; no error of it is raised.

    Where the scripts of a plan may take data away, all targets of the group are asked; `each` calls a function for
    each of some names, at the same time if it likes.
    """
    by_first = {group.first.target: group for group in groups}

    def plan_of(name: str) -> GroupPlan:
        group = by_first[name]
        return GroupPlan(group, refused=group.first.why[0]) if _is_away(group) else _planned(group, wanted, workshop)

    made = list(each(plan_of, by_first))
    return [_with_losses(item, wanted, workshop, each) for item in made]


def _is_away(group: Group) -> bool:
    return group.first.kind is Kind.UNREACHABLE


def _with_losses(
    made: GroupPlan,
    wanted: Wanted,
    workshop: Workshop,
    each: Callable[[Callable[[str], GroupPlan], Iterable[str]], Iterable[GroupPlan]],
) -> GroupPlan:
    """Ask the other targets of a group, too, what would be lost in them; one that does not answer is left out."""
    if made.plan is None or not made.plan.losses:
        return made

    def plan_of(name: str) -> GroupPlan:
        first = replace(made.group.first, target=name)
        return _planned(replace(made.group, first=first), wanted, workshop)

    found = [made, *each(plan_of, made.group.targets[1:])]
    losing = (
        (item.group.first.target, lost)
        for item in found
        if item.plan and (lost := tuple(open_losses(item.plan.losses)))
    )
    return replace(made, losing=tuple(losing))


def _planned(group: Group, wanted: Wanted, workshop: Workshop) -> GroupPlan:
    try:
        place = workshop.place(group.first.target)
        options = options_of(place.target.schema, workshop.options)
        request = request_of(wanted, workshop.migrations)
        found = engine.preview(place.conninfo, request, options)
        require_fitting(wanted, workshop, place, found.info, found.plan)
    except Error as error:
        problems = [str(problem) for problem in getattr(error, "problems", ())][:1]
        return GroupPlan(group, refused=": ".join([error.message, *problems]))
    except Exception as error:  # noqa: BLE001  one target's bug is no reason to be silent on the others
        return GroupPlan(group, refused=in_a_line(connection.in_words(error).message))
    return GroupPlan(group, found.plan)
