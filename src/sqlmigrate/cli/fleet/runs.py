"""`sqlmigrate fleet runs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.cli.fleet.call import LAST, is_called, knows_no_run, opened, rebuild
from sqlmigrate.cli.foreign_text import printable
from sqlmigrate.cli.options import fleet_recalling

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App
    from sqlmigrate.fleet.ledger import RunRecord


@click.command(name="runs")
@click.option(
    "--rebuild", "everything", is_flag=True, help="First add all runs that only the histories of the targets know."
)
@fleet_recalling
def command(app: App, *, everything: bool) -> None:
    """List the runs of this project, the newest first.

    They are read from what was written down while they ran. Where there is nothing, the histories of the targets are
    asked for runs of several; --rebuild asks them for all runs.
    """
    from sqlmigrate.fleet import project  # noqa: PLC0415  --help needs none of it

    if everything or knows_no_run(app):
        rebuild(app, opened(app), lambda record: everything or is_called(record, LAST))
    found = project.ledger_of(app.config, app.output.warning).runs()
    app.output.result(runs=[_as_json(record) for record in found])
    if not found:
        app.output.line("there is no run yet")
        return
    rows = [_row(record) for record in found]
    app.output.table(("run", "began (UTC)", "by", "operation", "targets", "outcome"), rows, words=True)


def _row(record: RunRecord) -> tuple[str, ...]:
    head = record.head
    words = ", ".join(f"{count:,} {state.value}" for state, count in record.counts().items())
    end = f" ({record.why})" if record.why else "" if record.ended else " (not ended)"
    count = sum(len(wave.targets) for wave in head.waves)
    by = printable(f"{head.username}@{head.hostname}")
    return head.run_id[:8], head.began[:19].replace("T", " "), by, head.wanted.operation, f"{count:,}", words + end


def _as_json(record: RunRecord) -> dict[str, Any]:
    head = record.head.as_json()
    return {
        "run_id": record.head.run_id,
        "operation": record.head.wanted.operation,
        "began": head["began"],
        "ended": record.ended,
        "stopped": record.why,
        "username": head["username"],
        "hostname": head["hostname"],
        "env": head["env"],
        "wanted": head["wanted"],
        "targets": sum(len(wave.targets) for wave in record.head.waves),
        "counts": {state.value: count for state, count in record.counts().items()},
    }
