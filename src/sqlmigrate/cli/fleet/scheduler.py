"""`sqlmigrate fleet scheduler`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.fleet.call import serving
from sqlmigrate.cli.options import fleet_working

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App

EPILOG = """\b
Examples:
  sqlmigrate fleet scheduler --listen tls://0.0.0.0:8786
  sqlmigrate fleet scheduler --listen tcp://127.0.0.1:8786   for a trial
"""


@click.command(name="scheduler", epilog=EPILOG)
@click.option(
    "--listen",
    "scheduler",
    metavar="URL",
    help="Where: tls://HOST:PORT, or tcp://127.0.0.1:PORT [the setting scheduler].",
)
@fleet_working
def command(app: App) -> None:
    """Hand a fleet's orders out to workers, until a signal comes.

    It needs no database and no list of targets; for tls:// it needs a certificate.
    """
    address, patience = serving(app)
    from sqlmigrate.fleet.machines.scheduler import serve  # noqa: PLC0415  slow

    serve(address, patience, app.output.always, verbose=app.output.verbose)
