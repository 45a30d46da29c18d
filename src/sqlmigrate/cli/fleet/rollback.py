"""`sqlmigrate fleet rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.cli.fleet.call import counted, named, opened, run_of
from sqlmigrate.cli.fleet.plan import show
from sqlmigrate.cli.fleet.refusing import OF_ROLLBACK, refusing
from sqlmigrate.cli.fleet.running import Asked, carry_out
from sqlmigrate.cli.options import fleet_running

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App


@click.command(name="rollback")
@click.argument("run")
@click.option("--dry-run", is_flag=True, help="Show what would run, in groups, and run nothing.")
@click.option("--recorded", is_flag=True, help="Run a missing or edited rollback script as it was recorded at apply.")
@refusing(OF_ROLLBACK)
@fleet_running
@click.pass_context
def command(context: click.Context, /, app: App, *, run: str, dry_run: bool, recorded: bool, **pace: Any) -> None:
    """Take back what a run has applied, and only that.

    RUN is its id, the beginning of it, or `last`. Each target's own history says what that is. A target in which
    another run has applied something since is refused. It is a run of its own, over the targets of the other one in
    reverse.
    """
    from sqlmigrate.fleet import project  # noqa: PLC0415  --help needs none of it

    fleet = opened(app)
    taken = run_of(app, run, fleet)
    wanted, waves, gone = project.taking_back(fleet, taken, recorded=recorded, accept_loss=app.accept_loss)
    if gone:
        app.output.warning(f"{named(gone)} {'is' if len(gone) == 1 else 'are'} no target any more")
    names = [name for wave in waves for name in wave.targets]
    if dry_run:
        show(app, fleet, wanted, pace["concurrency"], names)
        return
    question = f"Roll back what run {taken.head.run_id[:8]} has applied in {counted(len(names), 'target')}?"
    asked = Asked("rollback", question, always=True, whole=False)
    carry_out(context, app, fleet, asked, pace, lambda call: project.begin(app.config, fleet, wanted, waves, call))
