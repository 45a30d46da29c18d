"""`sqlmigrate baseline`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.options import baselining

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App
    from sqlmigrate.roundtrip import RoundTrip

EPILOG = """\b
Examples:
  sqlmigrate baseline 0001_baseline             of the database, marked there
  sqlmigrate baseline 0001_baseline --dry-run   prove it, and write nothing
  sqlmigrate baseline --squash 0200_orders      one for all up to this one
"""


@click.command(epilog=EPILOG)
@click.argument("migration_id", metavar="[ID]", required=False)
@click.option("--squash", "upto", metavar="UPTO", help="Replace all migrations up to this one by one for all.")
@click.option("--dry-run", is_flag=True, help="Prove it on throwaway databases, and write nothing.")
@baselining
@click.pass_context
def command(context: click.Context, app: App, *, migration_id: str | None, upto: str | None, dry_run: bool) -> None:
    """Create a first migration from the schema of the database, with its rollback, and mark it there.

    The pair is tried on throwaway databases first: nothing is written unless a fresh database has no drift after it.
    Exit status 3 if it has. With --squash it is created from migrations, which it replaces; no database is needed.
    """
    if upto is not None:
        _squash(context, app, upto, migration_id or f"{upto}_squashed", dry_run=dry_run)
    elif migration_id is None:
        raise click.UsageError("give the id of the new migration, such as 0001_baseline")
    else:
        _from_live(context, app, migration_id, dry_run=dry_run)


def _from_live(context: click.Context, app: App, migration_id: str, *, dry_run: bool) -> None:
    from sqlmigrate.cli import comparing  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.cli.progress import drawer  # noqa: PLC0415  same
    from sqlmigrate.cli.reporting import FINDINGS  # noqa: PLC0415  same
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
            app.output.prose("nothing was written, since a fresh database would not be what is there:")
            comparing.show(app.output, made.drift)
            context.exit(FINDINGS)
        _say_of_rollback(app, made.trip)
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
    app.output.prose(proven if dry_run else f"marked {migration_id}")


def _squash(context: click.Context, app: App, upto: str, migration_id: str, *, dry_run: bool) -> None:
    from sqlmigrate import migrations  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.cli.foreign_text import printable  # noqa: PLC0415  same
    from sqlmigrate.cli.progress import draw_cache  # noqa: PLC0415  same
    from sqlmigrate.cli.reporting import FINDINGS  # noqa: PLC0415  same
    from sqlmigrate.importing import baseline  # noqa: PLC0415  same
    from sqlmigrate.schema.diff import as_json as changes_as_json  # noqa: PLC0415  same
    from sqlmigrate.schema.diff import as_text  # noqa: PLC0415  same

    found = migrations.of_project(app.config)
    if (there := found.get(migration_id)) is not None and upto in there.replaces:
        moved = baseline.finish(found.directory, there.replaces)
        app.output.result(migration_id=migration_id, replaced=list(there.replaces), written=[], moved=moved)
        app.output.prose(f"{migration_id} stands for it already; moved {len(moved)} files into squashed/")
        return
    cached = app.output.recorder.noting(partial(draw_cache, app.output), runs=False)
    made = baseline.squashed(app.config, found, upto, migration_id, app.options(), observer=cached)
    old = [item.migration_id for item in made.old]
    proven = {"changes": changes_as_json(made.changes), "rows_differ": made.rows_differ}
    if not made.proven:
        app.output.result(migration_id=migration_id, replaced=old, written=[], **proven)
        app.output.prose("nothing was written, since one migration would not make the same:")
        app.output.line(*map(printable, as_text(made.changes)))
        if made.rows_differ:
            app.output.line("the rows differ")
        context.exit(FINDINGS)
    _say_of_rollback(app, made.trip)
    written = [] if dry_run else [str(path) for path in baseline.replace_files(made)]
    rollback = made.trip.verdict.value
    app.output.result(migration_id=migration_id, replaced=old, written=written, rollback=rollback, **proven)
    for path in written:
        app.output.line(f"wrote {path}")
    app.output.prose(
        f"{migration_id} would make the same as {len(old)} migrations; nothing was written"
        if dry_run
        else f"{migration_id} replaces {len(old)} migrations; their files are in squashed/ now"
    )


def _mark(app: App, conninfo: str, migration_id: str) -> None:
    from sqlmigrate import engine, migrations  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.cli.progress import drawer  # noqa: PLC0415  same

    found = migrations.of_project(app.config)
    engine.mark(conninfo, found, [migration_id], app.options(), observer=app.observer(drawer(app.output)))


def _say_of_rollback(app: App, trip: RoundTrip) -> None:
    from sqlmigrate.roundtrip import PROVEN  # noqa: PLC0415  --help needs none of it

    if trip.verdict not in PROVEN:
        why = f": {trip.failure.error.message}" if trip.failure else ""
        app.output.warning(f"its rollback does not restore an empty database ({trip.verdict.value}){why}")
