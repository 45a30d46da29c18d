"""`sqlmigrate fleet resume`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.cli.fleet.call import counted, named, opened, run_of
from sqlmigrate.cli.fleet.running import Asked, carry_out
from sqlmigrate.cli.options import fleet_running

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App


@click.command(name="resume")
@click.argument("run")
@fleet_running
@click.pass_context
def command(context: click.Context, /, app: App, *, run: str, **pace: Any) -> None:
    """Go on with what is left of a run, under its id.

    RUN is that id, the beginning of it, or `last`. What was wanted is what the run was begun with. Targets that
    failed are tried again.
    """
    from sqlmigrate.fleet import project  # noqa: PLC0415  --help needs none of it

    fleet = opened(app)
    record = run_of(app, run, fleet)
    left = [name for wave in record.left() for name in wave.targets]
    gone = [name for name in left if name not in fleet.places]
    if gone:
        app.output.warning(f"{named(gone)} {'is' if len(gone) == 1 else 'are'} no target any more")
    if record.head.wanted.files != fleet.workshop.files:
        app.output.warning("the migrations are not those that this run was begun with; it goes on with those of now")
    wanted = record.head.wanted
    if app.accept_loss:
        record = replace(record, head=replace(record.head, wanted=replace(wanted, accept_loss=True)))
    operation = wanted.operation
    question = f"Go on with the {operation} of run {record.head.run_id[:8]} in {counted(len(left), 'target')}?"
    asked = Asked(operation, question, always=operation == "rollback")
    carry_out(context, app, fleet, asked, pace, lambda call: project.resume(app.config, fleet, record, call))
