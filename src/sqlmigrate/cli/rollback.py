"""`sqlmigrate rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.options import running

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App
    from sqlmigrate.connection import ServerInfo
    from sqlmigrate.plan import Plan

EPILOG = """\b
Examples:
  sqlmigrate rollback                     the migration that was applied last
  sqlmigrate rollback --steps 3           the last three
  sqlmigrate rollback --to 20260301_base  what was applied after it; it stays
  sqlmigrate rollback --all --dry-run     only show what would run
  sqlmigrate rollback --yes               without asking, as scripts must
  sqlmigrate rollback --accept-loss       the same, even where data is lost
"""
_NAMED = 10


@click.command(epilog=EPILOG)
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Roll back the last N migrations.")
@click.option("--to", metavar="ID", help="Roll back what was applied after this migration; it stays applied.")
@click.option("--all", "everything", is_flag=True, help="Roll back everything that was applied.")
@click.option("--dry-run", is_flag=True, help="Show what would run, and run nothing.")
@click.option(
    "--resume-at", type=click.IntRange(min=1), metavar="N", help="Resume a script that stopped half way at statement N."
)
@click.option("--recorded", is_flag=True, help="Run a missing or edited rollback script as it was recorded at apply.")
@click.option("--include-marked", multiple=True, metavar="ID", help="Roll back this marked migration too.")
@running
def command(
    app: App,
    *,
    steps: int | None,
    to: str | None,
    everything: bool,
    dry_run: bool,
    include_marked: tuple[str, ...],
    resume_at: int | None,
    recorded: bool,
) -> None:
    """Roll back applied migrations in the reverse order of their application: one, unless you say otherwise.

    It asks before it runs, and says which data is lost; where some is, --yes is not enough, but --accept-loss is.
    A migration that was marked, not applied, is a floor: it and what lies below it stay, unless its id is given with
    --include-marked.
    """
    from sqlmigrate import (  # noqa: PLC0415  --help needs none of it
        engine,
        migrations,
        plan,
    )
    from sqlmigrate.cli.progress import drawer, result_as_json  # noqa: PLC0415  same
    from sqlmigrate.cli.questions import confirm_plan, losses_as_json  # noqa: PLC0415  same

    if sum((steps is not None, to is not None, everything)) > 1:
        raise click.UsageError("give only one of --steps, --to and --all")
    early = app.connecting()
    if early is not None and not dry_run:
        engine.look(early, app.options())
    request = plan.RollbackRequest(
        migrations=migrations.of_project(app.config),
        to=to,
        steps=steps,
        everything=everything,
        include_marked=include_marked,
        recorded=recorded,
        resume_at=resume_at,
    )
    with app.target() as target:

        def gate(info: ServerInfo, planned: Plan) -> None:
            app.announce(target, info)
            app.warn(info)
            for note in planned.notes:
                app.output.warning(note)
            if planned.steps:
                question = _question(planned, info.database)
                confirm_plan(app, question, planned, request.migrations, database=info.database, always=True)
                app.output.recorder.begins(info, (item.migration_id for item in planned.steps))

        if dry_run:
            from sqlmigrate.cli.plan import show_dry_run  # noqa: PLC0415  only for a dry run

            preview = engine.preview(target.conninfo, request, app.options(), gate=app.announcing(target))
            show_dry_run(app, preview, "nothing to roll back", request.migrations, resume_at)
            return
        observer = app.observer(drawer(app.output), hooks=True)
        result = engine.run(target.conninfo, request, app.options(), gate=gate, observer=observer, early=early)
    app.output.result(**result_as_json(result), losses=losses_as_json(result.plan, request.migrations))
    app.output.line(f"{len(result.ran)} rolled back" if result.ran else "nothing to roll back")


def _question(planned: Plan, database: str) -> str:
    """Name the migrations that go, or the first and the last where there are too many to read."""
    ids = [
        f"{item.migration_id} (half way)" if item.migration_id in planned.half_way else item.migration_id
        for item in planned.steps
    ]
    if len(ids) > _NAMED:
        return f"Roll back {len(ids)} migrations in {database}, from {ids[0]} down to {ids[-1]}?"
    return f"Roll back {', '.join(ids)} in {database}?"
