"""`sqlmigrate drift`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.options import comparing
from sqlmigrate.cli.reporting import FINDINGS, publish, reporting, root_of

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App
    from sqlmigrate.cli.reporting import Wanted

EPILOG = """\b
Examples:
  sqlmigrate drift                                what differs, if anything
  sqlmigrate drift --env production --json
  sqlmigrate drift --ignore 'table public.tmp_*'  without trial objects
  sqlmigrate drift --output drift.xml             JUnit, for CI
  sqlmigrate drift --shadow-url postgresql://ci@build/postgres
"""


@click.command(epilog=EPILOG)
@click.option(
    "--ignore", multiple=True, metavar="PATTERN", help="Leave out objects of this name, as drift_ignore does."
)
@comparing
@reporting
@click.pass_context
def command(context: click.Context, app: App, *, ignore: tuple[str, ...], reports: Wanted) -> None:
    """Compare the database with what its applied migrations make of an empty one.

    They are replayed on a throwaway database. The database itself is only read, in one transaction. Exit status 3 if
    anything differs.
    """
    from sqlmigrate import __version__, migrations  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.cli import comparing as _drift  # noqa: PLC0415  same
    from sqlmigrate.reports.sources.drift import drifted  # noqa: PLC0415  same

    found = migrations.of_project(app.config)
    with app.target() as target:
        compared = _drift.compared(app, target.conninfo, found, ignore=ignore, gate=app.announcing(target))
    issues = drifted(compared, root_of(found.directory), found.directory, __version__)
    publish(app, reports, issues, app.output.document(**_drift.as_json(compared)))
    app.output.result(**_drift.as_json(compared))
    _drift.show(app.output, compared)
    context.exit(reports.status(issues, FINDINGS if compared.changes else 0))
