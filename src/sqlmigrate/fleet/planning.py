"""What a run would do, once for all targets that stand in the same place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate import engine
from sqlmigrate.errors import Error
from sqlmigrate.fleet.bringing import request_of
from sqlmigrate.fleet.standing import Kind
from sqlmigrate.fleet.tenants import options_of

if TYPE_CHECKING:
    from sqlmigrate.fleet.bringing import Workshop
    from sqlmigrate.fleet.model import Wanted
    from sqlmigrate.fleet.standing import Group
    from sqlmigrate.plan import Plan


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """The plan of a group, as its first target gives it; `refused` says why there is none."""

    group: Group
    plan: Plan | None = None
    refused: str | None = None


def plan_of(group: Group, wanted: Wanted, workshop: Workshop) -> GroupPlan:
    """Make the plan of a group after the same checks as `bring`, and change nothing; no error of it is raised."""
    first = group.first
    if first.kind is Kind.UNREACHABLE:
        return GroupPlan(group, refused=first.why[0])
    try:
        place = workshop.place(first.target)
        options = options_of(place.target.schema, workshop.options)
        request = request_of(wanted, workshop.migrations)
        return GroupPlan(group, engine.preview(place.conninfo, request, options).plan)
    except Error as error:
        problems = [str(problem) for problem in getattr(error, "problems", ())][:1]
        return GroupPlan(group, refused=": ".join([error.message, *problems]))
