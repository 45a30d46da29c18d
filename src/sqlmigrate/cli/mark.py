"""`sqlmigrate mark`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sqlmigrate.cli._options import App, writing

if TYPE_CHECKING:
    from sqlmigrate.connection import ServerInfo
    from sqlmigrate.yoyo_exchange import Adoption, Copy

EPILOG = """\b
Examples:
  sqlmigrate mark 20260301_agent_baseline    this database has it already
  sqlmigrate mark --from yoyo                what yoyo has applied
  sqlmigrate mark --to yoyo                  tell yoyo what sqlmigrate has applied
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
    if source:
        _from_yoyo(app, schema, migration_table)
    elif destination:
        _to_yoyo(app, schema, migration_table)
    else:
        _ids(app, ids)


def _ids(app: App, ids: tuple[str, ...]) -> None:
    from sqlmigrate import engine, migrations  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.cli._progress import drawer  # noqa: PLC0415  same

    found = migrations.load(app.config.migrations)
    with app.target() as target:

        def gate(info: ServerInfo) -> None:
            app.announce(target, info)
            app.confirm(f"Mark {', '.join(ids)} in {info.database}?", database=info.database, always=False)

        done = engine.mark(target.conninfo, found, ids, app.options(), gate=gate, observer=drawer(app.output))
    app.output.result(marked=done, already_applied=[name for name in ids if name not in done])
    for name in ids:
        app.output.line(f"marked {name}" if name in done else f"{name} is applied already")


def _from_yoyo(app: App, schema: str | None, table: str | None) -> None:
    from sqlmigrate import migrations, yoyo_exchange  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.cli._progress import drawer  # noqa: PLC0415  same
    from sqlmigrate.yoyo_tables import TABLE, Where  # noqa: PLC0415  same

    found = migrations.load(app.config.migrations)
    with app.target() as target:

        def gate(info: ServerInfo, planned: Adoption) -> None:
            app.announce(target, info)
            if planned.changes:
                question = f"Mark what {planned.place} says is applied ({len(planned.new)}) in {info.database}?"
                app.confirm(question, database=info.database, always=False)

        done = yoyo_exchange.adopt(
            target.conninfo,
            found,
            app.options(),
            where=Where(schema, table or TABLE),
            gate=gate,
            observer=drawer(app.output),
        )
    _show_adoption(app, done)


def _show_adoption(app: App, done: Adoption) -> None:
    app.output.result(
        source=str(done.place),
        marked=done.marked,
        already_applied=done.already,
        pending=done.pending,
        without_file=done.without_file,
        not_in_yoyo=done.not_in_yoyo,
    )
    for name in done.without_file:
        app.output.warning(f"yoyo has applied {name}, but there is no such file here; it was left out")
    for name in done.not_in_yoyo:
        app.output.warning(f"{name} is marked here, but yoyo does not have it; `sqlmigrate unmark {name}` forgets it")
    for name in done.marked:
        app.output.line(f"marked {name}")
    for name in done.pending:
        app.output.line(f"pending {name}")
    counts = f"{len(done.marked)} marked, {len(done.already)} applied already, {len(done.pending)} pending"
    app.output.line(f"{done.place}: {counts}")


def _to_yoyo(app: App, schema: str | None, table: str | None) -> None:
    from sqlmigrate import yoyo_exchange  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.cli._progress import drawer  # noqa: PLC0415  same
    from sqlmigrate.yoyo_tables import TABLE, Where  # noqa: PLC0415  same

    with app.target() as target:

        def gate(info: ServerInfo, planned: Copy) -> None:
            app.announce(target, info)
            if planned.changes:
                question = f"Copy what is applied to {planned.place} in {info.database}?"
                app.confirm(question, database=info.database, always=False)

        done = yoyo_exchange.copy_back(
            target.conninfo,
            app.options(),
            where=Where(schema, table or TABLE),
            gate=gate,
            observer=drawer(app.output),
        )
    _show_copy(app, done)


def _show_copy(app: App, done: Copy) -> None:
    added = [row.migration_id for row, _ in done.added]
    removed = [str(row) for row in done.removed]
    there = done.unchanged + len(done.times)
    app.output.result(
        destination=str(done.place),
        created=not done.place.exists,
        added=added,
        removed=removed,
        there_already=there,
        only_in_yoyo=done.only_yoyo,
    )
    for name in done.only_yoyo:
        app.output.warning(
            f"yoyo has applied {name}, sqlmigrate has not; it stays there (`mark --from yoyo` adopts it)"
        )
    for name in added:
        app.output.line(f"added {name}")
    for name in removed:
        app.output.line(f"removed {name}")
    counts = f"{len(added)} added, {len(removed)} removed, {there} there already"
    app.output.line(f"{done.place}: {counts}{'' if done.place.exists else ' (table created)'}")
