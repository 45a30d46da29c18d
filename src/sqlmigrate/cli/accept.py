"""`sqlmigrate accept`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.options import writing

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App

EPILOG = """\b
Examples:
  sqlmigrate accept 20260301_base --reason "typing error, reviewed by Ann"
"""


@click.command(epilog=EPILOG)
@click.argument("migration_id", metavar="ID")
@click.option("--reason", required=True, help="Why the edit is right; it is kept in the history.")
@writing
def command(app: App, *, migration_id: str, reason: str) -> None:
    """Record the files of an applied migration as they are now, with the reason; nothing runs."""
    from sqlmigrate import engine, migrations  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.cli.progress import drawer  # noqa: PLC0415  same

    if not reason.strip():
        raise click.UsageError("--reason is empty")
    found = migrations.of_project(app.config)
    with app.target() as target:
        gate = app.asking(target, lambda info, _: f"Accept {migration_id} in {info.database}?")
        observer = app.observer(drawer(app.output))
        done = engine.accept(target.conninfo, found, migration_id, reason, app.options(), gate=gate, observer=observer)
    app.output.result(accepted=migration_id if done else None, reason=reason)
    nothing = f"nothing to accept: {migration_id} is recorded as its files are already"
    app.output.line(f"accepted {migration_id} as its files are now" if done else nothing)
