"""`sqlmigrate baseline`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.options import App, baselining

if TYPE_CHECKING:
    from sqlmigrate.importing.baseline import Baseline

EPILOG = """\b
Examples:
  sqlmigrate baseline 0001_baseline             of the database, marked there
  sqlmigrate baseline 0001_baseline --dry-run   prove it, and write nothing
"""


@click.command(epilog=EPILOG)
@click.argument("migration_id", metavar="ID")
@click.option("--dry-run", is_flag=True, help="Prove it on throwaway databases, and write nothing.")
@baselining
@click.pass_context
def command(context: click.Context, app: App, *, migration_id: str, dry_run: bool) -> None:
    """Create a first migration from the schema of the database, with its rollback, and mark it there.

    The pair is tried on throwaway databases first: nothing is written unless a fresh database has no drift after it.
    Exit status 3 if it has.
    """
    from sqlmigrate.cli import comparing  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.cli.progress import drawer  # noqa: PLC0415  same
    from sqlmigrate.cli.status import FINDINGS  # noqa: PLC0415  same
    from sqlmigrate.importing import baseline  # noqa: PLC0415  same

    with app.target() as target:
        gate = app.asking(target, lambda info, _: None if dry_run else f"Mark {migration_id} in {info.database}?")
        made = baseline.from_live(
            app.config, target.conninfo, migration_id, app.options(), gate=gate, observer=drawer(app.output)
        )
        for note in made.notes:
            app.output.progress(f"note: {note}")
        if made.drift.changes:
            app.output.result(migration_id=migration_id, written=[], marked=False, **comparing.as_json(made.drift))
            app.output.line("nothing was written, since a fresh database would not be what is there:")
            comparing.show(app.output, made.drift)
            context.exit(FINDINGS)
        _say_of_rollback(app, made)
        written = [] if dry_run else [str(path) for path in baseline.write(made.migration)]
        if not dry_run:
            _mark(app, target.conninfo, migration_id)
    app.output.result(
        migration_id=migration_id,
        written=written,
        marked=not dry_run,
        rollback=made.trip.verdict.value,
        roles=list(made.roles),
        extensions=list(made.extensions),
        **comparing.as_json(made.drift),
    )
    for path in written:
        app.output.line(f"wrote {path}")
    proven = "a fresh database would have no drift; nothing was written"
    app.output.line(proven if dry_run else f"marked {migration_id}")


def _mark(app: App, conninfo: str, migration_id: str) -> None:
    from sqlmigrate import engine, migrations  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.cli.progress import drawer  # noqa: PLC0415  same

    found = migrations.of_project(app.config)
    engine.mark(conninfo, found, [migration_id], app.options(), observer=app.observer(drawer(app.output)))


def _say_of_rollback(app: App, made: Baseline) -> None:
    from sqlmigrate.roundtrip import PROVEN  # noqa: PLC0415  --help needs none of it

    if made.trip.verdict not in PROVEN:
        why = f": {made.trip.failure.error.message}" if made.trip.failure else ""
        app.output.warning(f"its rollback does not restore an empty database ({made.trip.verdict.value}){why}")
