"""`sqlmigrate fleet worker`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.fleet.call import serving, theirs
from sqlmigrate.cli.foreign_text import printable
from sqlmigrate.cli.options import fleet_working

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App
    from sqlmigrate.fleet.fleet import Fleet

EPILOG = """\b
Examples:
  sqlmigrate fleet worker --scheduler tls://hub.example.com:8786
  sqlmigrate fleet worker --resources region=eu --concurrency 8
"""


@click.command(name="worker", epilog=EPILOG)
@click.option("--scheduler", metavar="URL", help="The scheduler: tls://HOST:PORT, or tcp://127.0.0.1:PORT.")
@click.option(
    "--resources",
    multiple=True,
    metavar="KEY=VALUE",
    help="Take the targets that have this as a tag, such as region=eu, beside those without one [none].",
)
@click.option(
    "--concurrency",
    "threads",
    type=click.IntRange(1, 1000),
    default=16,
    metavar="N",
    help="Work on N targets at a time [16].",
)
@fleet_working
def command(app: App, *, resources: tuple[str, ...], threads: int) -> None:
    """Carry out the orders of a scheduler, until a signal comes.

    A worker has the same migrations and the same list of targets as the coordinator, and finds by itself where each
    target is: the variables that the list names have to be set here. The first signal lets what is under way end.
    """
    from sqlmigrate.fleet import project  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.fleet.machines.needs import read_resources  # noqa: PLC0415  same

    has = read_resources(resources)
    address, patience = serving(app)
    from sqlmigrate.fleet.machines.worker import Works  # noqa: PLC0415  slow

    def read() -> Fleet:
        anew = replace(app, _config=None)
        return project.read(anew.config, anew.options(), say=theirs(app))

    read()  # what is wrong here is said at once
    works = Works(address, has, threads, patience, lambda text: app.output.always(printable(text)), read)
    works.run(verbose=app.output.verbose)
