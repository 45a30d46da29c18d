"""`sqlmigrate fleet runs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.cli.fleet.call import counted, opened
from sqlmigrate.cli.foreign_text import printable
from sqlmigrate.cli.options import fleet_reading

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App
    from sqlmigrate.fleet.ledger import RunRecord


@click.command(name="runs")
@click.option("--rebuild", is_flag=True, help="First add the runs that only the histories of the targets know.")
@fleet_reading
def command(app: App, *, rebuild: bool, concurrency: int) -> None:
    """List the runs of this project, the newest first.

    They are read from what was written down while they ran. Where that was lost, --rebuild makes it anew.
    """
    from sqlmigrate.fleet import project  # noqa: PLC0415  --help needs none of it

    if rebuild:
        new, unread = project.rebuild(app.config, opened(app), concurrency)
        app.output.progress(f"{counted(len(new), 'run')} added from the histories of the targets")
        for name, why in unread.items():
            app.output.warning(f"{name} has not been asked: {why}")
    found = project.ledger_of(app.config).runs()
    app.output.result(runs=[_as_json(record) for record in found])
    if not found:
        app.output.line("there is no run yet")
        return
    rows = [_row(record) for record in found]
    app.output.table(("run", "began (UTC)", "by", "operation", "targets", ""), rows)


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
