"""`sqlmigrate seed`: the bare call applies, `seed check` validates offline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from sqlmigrate.cli import seed_diff, seed_export, seed_prune, seed_rows
from sqlmigrate.cli.options import common, reading_as, seeding
from sqlmigrate.cli.seed_run import SeedRun, load, say_how_to_begin

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App

EPILOG = """\b
Examples:
  sqlmigrate seed        validate all files, then apply them at once
  sqlmigrate seed check  only validate, without a database
  sqlmigrate seed check --env staging --show   show all rows, and from where
  sqlmigrate seed diff   show what seed would do, and do nothing
  sqlmigrate seed diff --check   exit status 3 if anything differs
  sqlmigrate seed --prune        also remove rows that no file names
  sqlmigrate seed schema countries   print a schema for a table
  sqlmigrate seed export countries --output data/   write rows as a seed file
"""
_DATA = click.option("--data", type=click.Path(path_type=Path), help="The folder of the seed files.")


_CHECK = click.option("--check", is_flag=True, help="Exit with 3 if seeding would write anything.")


@click.group(invoke_without_command=True, epilog=EPILOG)
@_DATA
@click.option("--dry-run", is_flag=True, help="Show what would be written, as `seed diff` does, and write nothing.")
@click.option("--check", is_flag=True, help="With --dry-run: exit with 3 if anything would be written.")
@seed_prune.PRUNE
@seed_prune.ACCEPTING
@seeding
@click.pass_context
def command(
    context: click.Context,
    app: App,
    *,
    dry_run: bool,
    check: bool,
    prune: bool,
    accepted: int | bool | None,
) -> None:
    """Validate the seed data and apply it: rows are inserted or updated, and with --prune removed.

    Each file in the data folder has its JSON Schema beside it, which also says which table its rows go to.
    With --env NAME, the files in its folder NAME add rows, and take the place of rows with the same key.
    A second run writes nothing.
    """
    if (name := context.invoked_subcommand) is not None:
        if given := _given(context):
            raise click.UsageError(f"{', '.join(given)}: options of `seed {name}` come after `{name}`")
    elif dry_run:
        seed_diff.run(context, app, load(app), check=check, prune=prune)
    elif accepted is not None and not prune:
        raise click.UsageError("--accept-loss goes with --prune: nothing else of `seed` loses rows")
    elif check:
        raise click.UsageError("--check goes with --dry-run; to validate the files only, call `seed check`")
    else:
        _apply(app, seed_prune.Asked(app, False if accepted is None else accepted) if prune else None)


@command.command()
@_DATA
@_CHECK
@click.option("--prune", is_flag=True, help="With --check: rows that `seed --prune` would remove count, too.")
@click.option(
    "--format", "form", type=click.Choice(["text", "markdown"]), default="text", help="How to print it [text]."
)
@reading_as
@click.pass_context
def diff(context: click.Context, app: App, *, check: bool, prune: bool, form: str) -> None:
    """Show what `seed` would write, and write nothing.

    These are rows to insert and rows to update, with old and new values. Rows that no file names are shown, too, and
    what `seed --prune` would do with them.
    """
    seed_diff.run(context, app, load(app), check=check, prune=prune, form=form)


@command.command()
@_DATA
@click.option("--show", is_flag=True, help="Show all rows, each with where it comes from and what it overrides.")
@common
def check(app: App, *, show: bool) -> None:
    """Validate every file against its JSON Schema, without a database.

    With --env, the files of that environment are laid over the others.
    """
    found = load(app)
    sources = [(source, file) for file in found.files for source in file.sources]
    shown = {"tables": seed_rows.as_json(found)} if show else {}
    app.output.result(files=[seed_rows.source_as_json(source) for source, _ in sources], **shown)
    for source, file in sources:
        rows = "1 row" if source.rows == 1 else f"{source.rows} rows"
        over = f", {source.overriding} in the place of others" if source.overriding else ""
        app.output.line(f"{source.path}: {rows} for {file.mapping.table}{over}")
    app.output.line("1 file is valid" if len(sources) == 1 else f"{len(sources)} files are valid")
    if show:
        for line in seed_rows.lines(found):
            app.output.line(line)
    if not found.files:
        say_how_to_begin(app)


command.add_command(seed_export.schema)
command.add_command(seed_export.export)


def _given(context: click.Context) -> list[str]:
    """Name the options that were typed before a subcommand, which knows nothing of them."""
    typed = [option for option in context.command.params if option.name and _is_typed(context, option.name)]
    return [option.opts[-1] for option in typed]


def _is_typed(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _apply(app: App, pruning: seed_prune.Asked | None) -> None:
    from sqlmigrate.cli.progress import drawer  # noqa: PLC0415  --help needs none of it

    run = SeedRun(app, pruning)
    observer = app.observer(drawer(app.output), hooks=True)
    with app.target() as target:
        run.write(target, observer)
    app.output.result(**run.as_json())
    run.say()
