"""`sqlmigrate fleet apply`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.cli.fleet.call import counted, opened, part_of
from sqlmigrate.cli.fleet.plan import show
from sqlmigrate.cli.fleet.refusing import OF_APPLY, refusing
from sqlmigrate.cli.fleet.running import Asked, carry_out
from sqlmigrate.cli.options import fleet_running
from sqlmigrate.sql.directives import PHASES

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App
    from sqlmigrate.fleet.fleet import Fleet
    from sqlmigrate.fleet.model import Wave


@click.command(name="apply")
@click.option("--to", metavar="ID", help="Apply up to and including this migration.")
@click.option("--phase", type=click.Choice(PHASES), help="Stop before the first migration of the other phase.")
@click.option("--dry-run", is_flag=True, help="Show what would run, as `fleet plan` does, and run nothing.")
@click.option(
    "--allow-out-of-order", is_flag=True, default=None, help="Also apply migrations that are older than applied ones."
)
@click.option("--single-transaction", is_flag=True, help="Apply all of a target in one transaction, or nothing.")
@click.option("--exact", is_flag=True, help="Refuse a target that is ahead of the files.")
@click.option(
    "--require-proof", is_flag=True, default=None, help="Apply only migrations whose rollback is proven by `roundtrip`."
)
@click.option(
    "--wave",
    "wishes",
    multiple=True,
    metavar="[NAME=]WHAT",
    help="Open these targets together: N, P%, tag:TAG or rest; several waves follow each other [all at once].",
)
@click.option("--part", type=click.IntRange(min=1), metavar="I", help="Work on the I-th of N shares of the targets.")
@click.option("--of", type=click.IntRange(min=1), metavar="N", help="See --part.")
@refusing(OF_APPLY)
@fleet_running
@click.pass_context
def command(
    context: click.Context,
    /,
    app: App,
    *,
    to: str | None,
    phase: str | None,
    dry_run: bool,
    single_transaction: bool,
    exact: bool,
    wishes: tuple[str, ...],
    part: int | None,
    of: int | None,
    **pace: Any,
) -> None:
    """Apply pending migrations to all targets, wave by wave.

    No more targets are opened once the same error has come back on three of them. A target that others block is
    left for the end of its wave. Ctrl-C opens no more targets, and lets those end that are under way.
    """
    from sqlmigrate.fleet import project  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.fleet.model import Wanted  # noqa: PLC0415  same

    fleet = opened(app, part_of(part, of))
    if to is not None:
        fleet.workshop.migrations.named(to)
    waves = _waves(fleet, wishes)
    wanted = Wanted(
        to=to,
        phase=phase,
        allow_out_of_order=app.config.allow_out_of_order,
        single_transaction=single_transaction,
        exact=exact,
        accept_loss=app.accept_loss,
    )
    if dry_run:
        show(app, fleet, wanted, pace["concurrency"])
        return
    asked = Asked("apply", _question(waves), whole=part is None)
    carry_out(context, app, fleet, asked, pace, lambda call: project.begin(app.config, fleet, wanted, waves, call))


def _waves(fleet: Fleet, wishes: tuple[str, ...]) -> tuple[Wave, ...]:
    from sqlmigrate.fleet.waves import read_wish, share_out  # noqa: PLC0415  --help needs none of it

    return share_out(fleet.tags(), [read_wish(text) for text in wishes])


def _question(waves: tuple[Wave, ...]) -> str:
    targets = counted(sum(len(wave.targets) for wave in waves), "target")
    return f"Apply the pending migrations to {targets}{f' in {len(waves)} waves' if len(waves) > 1 else ''}?"
