"""`sqlmigrate mark`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.options import writing
from sqlmigrate.importing.tools import NAMES, WRITTEN

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App

EPILOG = """\b
Examples:
  sqlmigrate mark 20260301_agent_baseline    this database has it already
  sqlmigrate mark --through 20260301_agent   it has all up to this one
  sqlmigrate mark --all                      it has all that is pending
  sqlmigrate mark --from yoyo                what yoyo has applied
  sqlmigrate mark --from flyway              the same, after an import
  sqlmigrate mark --to yoyo                  tell yoyo what we have applied
  sqlmigrate mark --to dbmate                or dbmate, or the Supabase CLI
"""
_NAMED = 5  # more are counted
_YOYO = "yoyo"


@click.command(epilog=EPILOG)
@click.argument("ids", nargs=-1, metavar="[ID...]")
@click.option("--all", "everything", is_flag=True, help="Mark every migration that is pending.")
@click.option("--through", metavar="ID", help="Mark every migration up to and including this one.")
@click.option(
    "--from",
    "source",
    metavar="TOOL",
    type=click.Choice([_YOYO, *NAMES]),
    help="Mark what this tool's tables say is applied: yoyo, or one that `import` knows.",
)
@click.option(
    "--to",
    "destination",
    metavar="TOOL",
    type=click.Choice([_YOYO, *WRITTEN]),
    help=f"Copy what is applied to this tool's tables: {', '.join([_YOYO, *WRITTEN])}.",
)
@click.option("--schema", metavar="NAME", help="The schema of that tool's tables, if it is not found by itself.")
@click.option("--migration-table", metavar="NAME", help="The name of that tool's table, if it is not the usual one.")
@click.option(
    "--files",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The folder of that tool's own files, if it is not the usual one: its checksums are compared.",
)
@click.option(
    "--write-missing",
    is_flag=True,
    help="First write the files that are missing here and that the tool's history still has (supabase).",
)
@writing
def command(
    app: App,
    *,
    ids: tuple[str, ...],
    everything: bool,
    through: str | None,
    source: str | None,
    destination: str | None,
    schema: str | None,
    migration_table: str | None,
    files: Path | None,
    write_missing: bool,
) -> None:
    """Record migrations as applied without running them: to adopt a database that has them already.

    A marked migration is a floor that `rollback` does not pass unless its id is given. With --from all that another
    tool has applied is marked, with its times; with --to its tables are told what is applied, for the way back.
    """
    here = bool(ids) + everything + bool(through)
    if here + bool(source) + bool(destination) != 1:
        raise click.UsageError("give either ids, or one of --all, --through ID, --from TOOL and --to TOOL")
    if here and (schema or migration_table):
        raise click.UsageError("--schema and --migration-table belong to --from TOOL and --to TOOL")
    if files and source in {None, _YOYO}:
        raise click.UsageError("--files belongs to --from, with another tool than yoyo")
    if write_missing and source != "supabase":
        raise click.UsageError("--write-missing belongs to --from supabase, whose history keeps the SQL")
    if here:
        _ids(app, ids, through)
        return
    if source and source != _YOYO:
        from sqlmigrate.cli.their_marks import from_tool  # noqa: PLC0415  few calls need it
        from sqlmigrate.importing.tables import Where  # noqa: PLC0415  same

        from_tool(app, source, Where(schema, migration_table), files, write_missing=write_missing)
        return
    if destination and destination != _YOYO:
        from sqlmigrate.cli.their_marks import to_tool  # noqa: PLC0415  few calls need it

        to_tool(app, destination, schema, migration_table)
        return
    from sqlmigrate.cli.yoyo_marks import from_yoyo, to_yoyo  # noqa: PLC0415  few calls need it

    (from_yoyo if source else to_yoyo)(app, schema, migration_table)


def _ids(app: App, ids: tuple[str, ...], through: str | None) -> None:
    """Mark these; without ids all of them, up to the one that is named."""
    from sqlmigrate import engine, migrations  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.cli.progress import drawer  # noqa: PLC0415  same

    found = migrations.of_project(app.config)
    several = not ids
    if several:
        names = [migration.migration_id for migration in found.ordered]
        last = names.index(found.named(through).migration_id) if through is not None else len(names) - 1
        ids = tuple(names[: last + 1])
    what = f"{len(ids)} migrations, {ids[0]} to {ids[-1]}," if len(ids) > _NAMED else ", ".join(ids)
    with app.target() as target:
        gate = app.asking(target, lambda info, _: f"Mark {what} in {info.database}?")
        done = engine.mark(
            target.conninfo, found, ids, app.options(), gate=gate, observer=app.observer(drawer(app.output))
        )
    app.output.result(marked=done, already_applied=[name for name in ids if name not in done])
    for name in done if several else ids:
        app.output.prose(f"marked {name}" if name in done else f"{name} is applied already")
    if several:
        app.output.line(f"{len(done)} marked, {len(ids) - len(done)} applied already")
