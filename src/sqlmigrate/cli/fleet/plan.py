"""`sqlmigrate fleet plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.cli.fleet.call import counted, named, opened
from sqlmigrate.cli.foreign_text import printable
from sqlmigrate.cli.options import fleet_reading
from sqlmigrate.sql.directives import PHASES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlmigrate.cli.call import App
    from sqlmigrate.fleet.fleet import Fleet
    from sqlmigrate.fleet.model import Wanted
    from sqlmigrate.fleet.planning import GroupPlan

_PLANS, _STEPS, _LOSSES = 30, 10, 3  # on a screen, and migrations and losses of one
_REFUSED = 1


@click.command(name="plan")
@click.option("--to", metavar="ID", help="Up to and including this migration.")
@click.option("--phase", type=click.Choice(PHASES), help="Stop before the first migration of the other phase.")
@fleet_reading
def command(app: App, *, to: str | None, phase: str | None, concurrency: int) -> None:
    """Show what `fleet apply` would run, in groups.

    There is one plan for all targets that stand in the same place, made in the first of them after the same checks.
    Nothing is changed.
    """
    from sqlmigrate.fleet.model import Wanted  # noqa: PLC0415  --help needs none of it

    fleet = opened(app)
    if to is not None:
        fleet.workshop.migrations.named(to)
    wanted = Wanted(to=to, phase=phase, allow_out_of_order=app.config.allow_out_of_order)
    show(app, fleet, wanted, concurrency)


def show(app: App, fleet: Fleet, wanted: Wanted, concurrency: int, names: Sequence[str] | None = None) -> None:
    """Print what a run would do in the targets, or in those of the names, and change nothing.

    It ends the command: with the status of a failure where a target would be refused.
    """
    from sqlmigrate.fleet import project  # noqa: PLC0415  --help needs none of it

    plans = project.plan(app.config, fleet, wanted, concurrency, names)
    count = sum(len(item.group.targets) for item in plans)
    app.output.result(targets=count, plans=[_as_json(item) for item in plans])
    for item in plans[:_PLANS]:
        app.output.prose(*map(printable, _lines(item)))
    if len(plans) > _PLANS:
        app.output.line(f"and {len(plans) - _PLANS} more plans, which --json has")
    click.get_current_context().exit(_REFUSED if any(item.refused for item in plans) else 0)


def _lines(item: GroupPlan) -> Iterator[str]:
    names = item.group.targets
    at = f" at {item.group.first.at}" if item.group.first.at else ""
    yield f"{counted(len(names), 'target')}{at}: {named(names)}"
    if item.plan is None:
        yield f"  refused: {item.refused}"
        return
    steps = item.plan.steps
    yield from (f"  {step.migration_id}" for step in steps[:_STEPS])
    if len(steps) > _STEPS:
        yield f"  and {len(steps) - _STEPS:,} more, up to {steps[-1].migration_id}"
    if not steps:
        yield "  nothing to do"
    if item.losing:
        yield f"  data is lost in {counted(len(item.losing), 'target')}: {named([name for name, _ in item.losing])}"
        target, losses = item.losing[0]
        yield from (f"    {target}: {loss}" for loss in losses[:_LOSSES])
    yield from (f"  {note}" for note in item.plan.notes)


def _as_json(item: GroupPlan) -> dict[str, Any]:
    made = item.plan
    return {
        "count": len(item.group.targets),
        "targets": list(item.group.targets),
        "state": item.group.first.kind.value,
        "at": item.group.first.at,
        "migrations": [step.migration_id for step in made.steps] if made else [],
        "losses": [loss.as_json() for loss in made.losses] if made else [],
        "losing": [{"target": name, "losses": [loss.as_json() for loss in lost]} for name, lost in item.losing],
        "notes": list(made.notes) if made else [],
        "refused": item.refused,
    }
