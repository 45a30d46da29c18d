"""`sqlmigrate fleet report`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.fleet.call import run_of
from sqlmigrate.cli.fleet.drawing import said_of, summary
from sqlmigrate.cli.foreign_text import page
from sqlmigrate.cli.options import fleet_recalling

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App
    from sqlmigrate.fleet.ledger import RunRecord

_FORMATS = ("terminal", "markdown", "html", "json", "junit")


@click.command(name="report")
@click.argument("run")
@click.option("--all", "everything", is_flag=True, help="Show all targets, not only those with an error.")
@click.option("--format", "form", type=click.Choice(_FORMATS), help="Print the report in this format [terminal].")
@fleet_recalling
def command(app: App, *, run: str, everything: bool, form: str | None) -> None:
    """Show what became of each target of a run.

    RUN is its id, the beginning of it, or `last`. To keep the report in a file, redirect it: the format html is one
    page, without scripts.
    """
    from sqlmigrate.fleet.report.sums import as_json  # noqa: PLC0415  --help needs none of it

    record = run_of(app, run)
    output = replace(app.output, as_json=app.output.as_json or form == "json")
    output.result(**as_json(record))
    if output.as_json:
        return
    if form in {"markdown", "html", "junit"}:
        click.echo(page(_written(record, str(form))).encode(), nl=False)  # UTF-8 in every locale
        return
    _show(app, record, everything=everything)


def _written(record: RunRecord, form: str) -> str:
    from sqlmigrate import __version__  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.fleet.report import html, issues, markdown  # noqa: PLC0415  same
    from sqlmigrate.reports import junit  # noqa: PLC0415  same

    if form == "markdown":
        return markdown.render(record)
    if form == "html":
        return html.render(record, __version__)
    return junit.render(issues.of_run(record, __version__), "danger")


def _show(app: App, record: RunRecord, *, everything: bool) -> None:
    from sqlmigrate.fleet.model import State  # noqa: PLC0415  --help needs none of it

    head = record.head
    app.output.line(f"{head.wanted.operation} by {head.username}@{head.hostname}, begun {head.began}")
    for entry in record.all_entries():
        if everything or entry.failure is not None or entry.state in {State.RUNNING, State.INTERRUPTED}:
            app.output.line(*said_of(entry, head.wanted.operation))
    summary(app.output, record, [])
