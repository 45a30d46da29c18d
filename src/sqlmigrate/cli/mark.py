"""`sqlmigrate mark`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sqlmigrate.cli._options import App, writing

if TYPE_CHECKING:
    from sqlmigrate.connection import ServerInfo
    from sqlmigrate.history import History

EPILOG = """\b
Examples:
  sqlmigrate mark 20260301_agent_baseline    this database has it already
  sqlmigrate mark --from yoyo                what yoyo has applied
  sqlmigrate mark --to yoyo                  tell yoyo what we have applied
"""
_YOYO = click.Choice(["yoyo"])


@click.command(epilog=EPILOG)
@click.argument("ids", nargs=-1, metavar="[ID...]")
@click.option("--from", "source", type=_YOYO, help="Mark what this tool's tables say is applied.")
@click.option("--to", "destination", type=_YOYO, help="Copy what is applied to this tool's tables.")
@click.option("--schema", metavar="NAME", help="The schema of yoyo's tables, where it is not to be found by itself.")
@click.option("--migration-table", metavar="NAME", help="The name of yoyo's table [_yoyo_migration].")
@writing
def command(
    app: App,
    *,
    ids: tuple[str, ...],
    source: str | None,
    destination: str | None,
    schema: str | None,
    migration_table: str | None,
) -> None:
    """Record migrations as applied without running them: to adopt a database that has them already.

    A marked migration is a floor that `rollback` does not pass unless its id is given. With --from yoyo all that yoyo
    has applied is marked; with --to yoyo its tables are brought up to date, for the way back.
    """
    if bool(ids) + bool(source) + bool(destination) != 1:
        raise click.UsageError("give either ids, or --from yoyo, or --to yoyo")
    if ids and (schema or migration_table):
        raise click.UsageError("--schema and --migration-table belong to --from yoyo and --to yoyo")
    if ids:
        _ids(app, ids)
        return
    from sqlmigrate.cli._yoyo import from_yoyo, to_yoyo  # noqa: PLC0415  few calls need it

    (from_yoyo if source else to_yoyo)(app, schema, migration_table)


def _ids(app: App, ids: tuple[str, ...]) -> None:
    from sqlmigrate import engine, migrations  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.cli._progress import drawer  # noqa: PLC0415  same

    found = migrations.load(app.config.migrations)
    with app.target() as target:

        def gate(info: ServerInfo, _: History) -> None:
            app.announce(target, info)
            app.confirm(f"Mark {', '.join(ids)} in {info.database}?", database=info.database, always=False)

        done = engine.mark(target.conninfo, found, ids, app.options(), gate=gate, observer=drawer(app.output))
    app.output.result(marked=done, already_applied=[name for name in ids if name not in done])
    for name in ids:
        app.output.line(f"marked {name}" if name in done else f"{name} is applied already")
