"""`sqlmigrate plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.options import planning
from sqlmigrate.cli.questions import losses_as_json, show_losses
from sqlmigrate.sql.directives import PHASES

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App
    from sqlmigrate.engine import Preview
    from sqlmigrate.migrations import Migrations
    from sqlmigrate.plan import Plan, Request

EPILOG = """\b
Examples:
  sqlmigrate plan > change.sql  what `apply` does, for psql -X -f change.sql
  sqlmigrate plan --rollback    the way back
  sqlmigrate plan --json        the steps with both digests
"""


@click.command(epilog=EPILOG)
@click.option("--rollback", "back", is_flag=True, help="Plan the rollback instead.")
@click.option("--to", metavar="ID", help="Plan up to this migration, as `apply --to` and `rollback --to` do.")
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Plan N migrations.")
@click.option("--phase", type=click.Choice(PHASES), help="Stop before the first migration of the other phase.")
@click.option("--all", "everything", is_flag=True, help="With --rollback: plan to roll back everything.")
@click.option("--include-marked", multiple=True, metavar="ID", help="With --rollback: this marked migration too.")
@click.option("--recorded", is_flag=True, help="With --rollback: run missing or edited scripts as they were recorded.")
@planning
def command(
    app: App,
    *,
    back: bool,
    to: str | None,
    steps: int | None,
    phase: str | None,
    everything: bool,
    include_marked: tuple[str, ...],
    recorded: bool,
) -> None:
    """Print the exact SQL that `apply` or `rollback` would run now, as one script for psql.

    It leaves the same database and the same history, and refuses to run if the history has changed meanwhile.
    """
    from sqlmigrate import (  # noqa: PLC0415  --help needs none of it
        engine,
        migrations,
        plan,
    )

    if sum((to is not None, steps is not None, everything)) > 1:
        raise click.UsageError("give only one of --to, --steps and --all")
    if not back and (everything or include_marked or recorded):
        raise click.UsageError("--all, --include-marked and --recorded belong to --rollback")
    if back and phase:
        raise click.UsageError("--phase is about what is applied, not about a rollback")
    early = app.connecting()
    if early is not None:
        engine.look(early, app.options())
    found = migrations.of_project(app.config)
    request: Request = plan.ApplyRequest(
        migrations=found, to=to, steps=steps, phase=phase, allow_out_of_order=app.config.allow_out_of_order
    )
    if back:
        request = plan.RollbackRequest(
            migrations=found,
            to=to,
            steps=steps,
            everything=everything,
            include_marked=include_marked,
            recorded=recorded,
        )
    with app.target() as target:
        made = engine.preview(target.conninfo, request, app.options(), gate=app.announcing(target), early=early)
        if not back:
            app.require_proofs(found, made.info, made.plan, outcome=plan.NO_PLAN)
    for note in made.plan.notes:
        app.output.warning(note)
    show_losses(app.output, made.plan, found)
    say_what_waits(app, made.plan, progress=True)
    losses = losses_as_json(made.plan, found)
    app.output.result(operation=made.plan.operation, migrations=steps_as_json(made.plan), losses=losses)
    if not app.output.as_json:
        from sqlmigrate.engine.as_psql.plan import written  # noqa: PLC0415  only where it is printed

        for part in written(made, app.options()):
            click.echo(part.encode(), nl=False)


def show_dry_run(
    app: App, preview: Preview, nothing: str, found: Migrations, resume_at: int | None = None, **more: object
) -> None:
    """Say what `apply` or `rollback` would run, in order, and where it would go on; `nothing` where there is none.

    `more` is what JSON has beside it.
    """
    planned = preview.plan
    would, done = ("roll back", "rolled back") if planned.operation == "rollback" else ("apply", "applied")
    for note in planned.notes:
        app.output.warning(note)
    steps = steps_as_json(planned)
    show_losses(app.output, planned, found)
    app.output.result(dry_run=True, migrations=steps, losses=losses_as_json(planned, found), **more)
    for step in steps:
        stopped = preview.found.half_way_of(str(step["migration_id"]))
        goes_on = stopped is not None and stopped.operation == planned.operation
        at = f" at statement {resume_at or stopped.done + 1}" if stopped and goes_on else ""
        app.output.line(f"would {'go on with' if goes_on else would} {step['migration_id']}{at} ({step['file']})")
    app.output.line(f"{len(steps)} would be {done}; nothing was run" if steps else nothing)


def say_what_waits(app: App, planned: Plan, *, progress: bool = False) -> None:
    """Say before which migration of another phase a plan ends, and how many wait with it."""
    if planned.waits is None:
        return
    others = f" and {planned.left - 1} after it" if planned.left > 1 else ""
    text = f"{planned.waits.migration_id}{others} waits: it is {planned.waits.phase}"
    (app.output.progress if progress else app.output.line)(text)


def steps_as_json(planned: Plan) -> list[dict[str, object]]:
    """Return the steps of a plan with both digests of the script that runs."""
    return [
        {
            "migration_id": run.migration_id,
            "file": str(run.script.path),
            "checksum": run.script.checksum,
            "sha256": run.script.sha256,
            "transactional": run.transactional,
            "phase": step.phase,
        }
        for step, run in zip(planned.steps, planned.runs(), strict=True)
    ]
