"""`sqlmigrate fleet report`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.fleet.drawing import as_json, said_of, summary
from sqlmigrate.cli.options import fleet_recalling

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App


@click.command(name="report")
@click.argument("run")
@click.option("--all", "everything", is_flag=True, help="Show all targets, not only those with an error.")
@fleet_recalling
def command(app: App, *, run: str, everything: bool) -> None:
    """Show what became of each target of a run.

    RUN is its id, the beginning of it, or `last`.
    """
    from sqlmigrate.fleet import project  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.fleet.model import State  # noqa: PLC0415  same

    record = project.ledger_of(app.config).find(run)
    app.output.result(**as_json(record))
    head = record.head
    app.output.line(f"{head.wanted.operation} by {head.username}@{head.hostname}, begun {head.began}")
    for entry in record.all_entries():
        if everything or entry.failure is not None or entry.state in {State.RUNNING, State.INTERRUPTED}:
            app.output.line(*said_of(entry, head.wanted.operation))
    summary(app.output, record, [])
