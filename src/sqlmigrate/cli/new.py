"""`sqlmigrate new`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.options import common

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App

EPILOG = """\b
Examples:
  sqlmigrate new add_orders
  sqlmigrate new "orders get a status"
"""


@click.command(epilog=EPILOG)
@click.argument("name")
@common
def command(app: App, *, name: str) -> None:
    """Create the two files of a migration, with the time in UTC in front of its name."""
    from sqlmigrate.migrations.scaffold import new_pair  # noqa: PLC0415  --help needs none of it

    paths = new_pair(app.config.migrations, name)
    app.output.result(migration_id=paths[0].stem, files=[str(path) for path in paths])
    for path in paths:
        app.output.line(str(path))
