"""`sqlmigrate import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.options import making
from sqlmigrate.importing.tools import NAMES

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App
    from sqlmigrate.errors import Problem
    from sqlmigrate.importing.convert import Conversion, Imported

FINDINGS = 3
EPILOG = """\b
Examples:
  sqlmigrate import --from dbmate db/migrations --into sql
  sqlmigrate import --from alembic up.sql down.sql   what --sql of it prints
  sqlmigrate import --from dbmate db/migrations --check     is it right?
  sqlmigrate mark --from dbmate                      then: what is applied

\b
Exit status: 3 if something could not be converted, or --check finds anything.
"""


@click.command(name="import", epilog=EPILOG)
@click.argument("paths", nargs=-1, metavar="[DIR]", type=click.Path(path_type=Path))
@click.option(
    "--from",
    "source",
    metavar="TOOL",
    type=click.Choice(NAMES),
    required=True,
    help=f"The tool whose files these are: {', '.join(NAMES)}.",
)
@click.option("--into", type=click.Path(path_type=Path), help="The folder to write to [the project's migrations].")
@click.option("--dry-run", is_flag=True, help="Write nothing; say what would be written.")
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing: run the tool's files and ours on throwaway databases and compare; compare the database, too.",
)
@click.option(
    "--since",
    "revision",
    metavar="REV",
    help="With --check: also what this branch does to the tool's files of a revision of git (merge base).",
)
@click.option("--schema", metavar="NAME", help="The schema of the tool's table, if it is not found by itself.")
@click.option("--migration-table", metavar="NAME", help="The name of the tool's table, if it is not the usual one.")
@making
@click.pass_context
def command(
    context: click.Context,
    app: App,
    *,
    paths: tuple[Path, ...],
    source: str,
    into: Path | None,
    dry_run: bool,
    check: bool,
    revision: str | None,
    schema: str | None,
    migration_table: str | None,
    shadow_superuser: bool,
) -> None:
    """Convert another tool's migrations: each becomes ID.sql, and its undo ID.rollback.sql.

    The SQL stays as it is, character by character; only the tool's markers and its own BEGIN and COMMIT go. Nothing of
    the tool's is changed and no file is overwritten, so the command can be run again for what is new.
    """
    from sqlmigrate.importing import convert, setting  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.importing.tools import named  # noqa: PLC0415  same

    folder = into or app.config.migrations
    plan = convert.planned(named(source), paths, folder, app.config.order)
    if check:
        from sqlmigrate.cli import import_checks  # noqa: PLC0415  --help needs none of it
        from sqlmigrate.importing.tables import Where  # noqa: PLC0415  same

        where = Where(schema, migration_table)
        found = import_checks.checked(app, plan, where, revision, superuser=shadow_superuser)
        context.exit(FINDINGS if found else 0)
    if revision or schema or migration_table or shadow_superuser:
        raise click.UsageError("--since, --schema, --migration-table and --shadow-superuser belong to --check")
    done = convert.carried_out(plan, write=not dry_run)
    told = setting.settle(app.config, done.order, folder, write=not dry_run)
    _show(app, plan, done, told, dry_run=dry_run)
    if done.refused or any(not problem.warning for problem in done.problems):
        context.exit(FINDINGS)


def _show(app: App, plan: Conversion, done: Imported, told: tuple[str, ...], *, dry_run: bool) -> None:
    from sqlmigrate.cli.output import problem_as_json, render_problem  # noqa: PLC0415  --help needs none of it

    app.output.result(
        source=str(done.source),
        into=str(done.into),
        imported=done.new,
        unchanged=done.unchanged,
        not_converted=done.refused,
        without_rollback=done.without_rollback,
        problems=[problem_as_json(problem) for problem in done.problems],
        notes=[*done.notes, *told],
        order=done.order,
        files=[str(path) for path in done.files],
        written=not dry_run,
    )
    verb = "would import" if dry_run else "imported"
    for name in done.new:
        lacking = " (it has no undo)" if name in done.without_rollback else ""
        app.output.line(f"{verb} {name}{lacking}")
    for problem in done.problems:
        first, *rest = render_problem(problem)
        app.output.prose(f"{_word(problem)} {first}", *rest)
    for note in (*done.notes, *told):
        app.output.prose(f"note: {note}")
    counts = f"{len(done.new)} imported, {len(done.unchanged)} there already, {_left(plan, done)} not converted"
    app.output.prose(f"{done.tool}, {done.source}: {counts}{' (nothing was written)' if dry_run else ''}")


def _left(plan: Conversion, done: Imported) -> int:
    """Count the migrations that are not converted, or not as a whole, and the files that are no migrations here."""
    in_part = {item.migration_id for item in plan.entries if any(not problem.warning for problem in item.problems)}
    files = {problem.place.path if problem.place else None for problem in plan.problems if not problem.warning}
    return len({*done.refused, *in_part}) + len(files - {item.item.path for item in plan.entries})


def _word(problem: Problem) -> str:
    word, color = ("warning:", "yellow") if problem.warning else ("not converted:", "red")
    return click.style(word, fg=color, bold=True)
