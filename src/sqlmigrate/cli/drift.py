"""`sqlmigrate drift`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.options import comparing

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App

EPILOG = """\b
Examples:
  sqlmigrate drift                                what differs, if anything
  sqlmigrate drift --env production --json
  sqlmigrate drift --ignore 'table public.tmp_*'  without trial objects
  sqlmigrate drift --shadow-url postgresql://ci@build/postgres
"""


@click.command(epilog=EPILOG)
@click.option(
    "--ignore", multiple=True, metavar="PATTERN", help="Leave out objects of this name, as drift_ignore does."
)
@comparing
@click.pass_context
def command(context: click.Context, app: App, *, ignore: tuple[str, ...]) -> None:
    """Compare the database with what its applied migrations make of an empty one.

    They are replayed on a throwaway database. The database itself is only read, in one transaction. Exit status 3 if
    anything differs.
    """
    from sqlmigrate import migrations  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.cli import comparing as _drift  # noqa: PLC0415  same
    from sqlmigrate.cli.status import FINDINGS  # noqa: PLC0415  same

    found = migrations.of_project(app.config)
    with app.target() as target:
        compared = _drift.compared(app, target.conninfo, found, ignore=ignore, gate=app.announcing(target))
    app.output.result(**_drift.as_json(compared))
    _drift.show(app.output, compared)
    if compared.changes:
        context.exit(FINDINGS)
