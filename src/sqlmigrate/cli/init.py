"""`sqlmigrate init`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.options import common

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App

EPILOG = """\b
Examples:
  sqlmigrate init
  sqlmigrate init --migrations db/migrations
"""


@click.command(epilog=EPILOG)
@common
def command(app: App) -> None:
    """Create the configuration (sqlmigrate.toml) and the folders of a new project; keep what exists already."""
    from sqlmigrate.migrations.scaffold import init_project  # noqa: PLC0415  --help needs none of it

    made, kept = init_project(Path.cwd(), app.given.get("migrations"), app.config_file)
    app.output.result(made=[str(path) for path in made], kept=[str(path) for path in kept])
    for path in made:
        app.output.line(f"created {path}")
    for path in kept:
        app.output.line(f"kept {path}, which exists already")
    app.output.progress("next: `sqlmigrate new NAME` creates a migration, `sqlmigrate apply` applies it")
