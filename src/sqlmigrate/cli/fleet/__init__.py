"""`sqlmigrate fleet`: the same change over many databases; a file for each of its commands."""

from __future__ import annotations

import click

from sqlmigrate.cli.fleet import apply, drift, plan, report, resume, rollback, runs, scheduler, status, worker

EPILOG = """\b
Examples:
  sqlmigrate fleet status --targets tenants.yaml
  sqlmigrate fleet apply --wave canary=5 --wave 10% --wave rest
  sqlmigrate fleet runs                  what was run, the newest first
  sqlmigrate fleet report last           what became of each target
  sqlmigrate fleet resume last           go on with what is left
  sqlmigrate fleet rollback last --yes   take back what that run did
  sqlmigrate fleet worker --scheduler tls://hub:8786 --resources region=eu
"""


@click.group(epilog=EPILOG)
def command() -> None:
    """Bring many databases, or many schemas, to the same state.

    Each target's own history says what is applied there, so that everything may be repeated. A run is kept with what
    became of each target.
    """


for _module in (status, plan, apply, runs, report, resume, rollback, drift, scheduler, worker):
    command.add_command(_module.command)
