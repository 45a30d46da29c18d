"""`sqlmigrate dump`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.cli.options import making

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App
    from sqlmigrate.engine import Result
    from sqlmigrate.migrations import Migrations

EPILOG = """\b
Examples:
  sqlmigrate dump                  write schema.sql
  sqlmigrate dump --check          in CI: exit status 3 if schema.sql is old
  sqlmigrate dump --output - | less
"""
_STDOUT = Path("-")


@click.command(epilog=EPILOG)
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write this file, or - to print [schema.sql]."
)
@click.option("--check", is_flag=True, help="Write nothing: exit with 3 if the file is not what would be written.")
@making
@click.pass_context
def command(context: click.Context, app: App, *, output: Path | None, check: bool, shadow_superuser: bool) -> None:
    """Write the schema that the migrations make of an empty database as one SQL file, to be read in a diff.

    They are applied on a throwaway database, so no other database is needed or asked. What bootstrap/ makes is left
    out. The text depends on the migrations and on the major version of PostgreSQL alone.
    """
    from sqlmigrate import migrations  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.cli.reporting import FINDINGS  # noqa: PLC0415  same

    if check and output == _STDOUT:
        raise click.UsageError("--check compares with a file, and - is none")
    found = migrations.of_project(app.config)
    path = output or _schema_file(app)
    values = _dumped(app, found, path, check=check, superuser=shadow_superuser)
    app.output.result(**values)
    if path == _STDOUT:
        return
    if not values["changed"]:
        app.output.prose(f"{path} is what the migrations make")
    elif check:
        app.output.line(*values["diff"])
        app.output.prose(f"{path} is not what the migrations make; `sqlmigrate dump` writes it anew")
        app.output.progress(f"(compared on PostgreSQL {values['postgresql']}; another major version may differ)")
        context.exit(FINDINGS)
    else:
        app.output.line(f"wrote {path}")


def after_apply(app: App, found: Migrations, result: Result) -> dict[str, Any]:
    """Write the file where the settings ask for it and something was applied; gives what JSON says of it.

    What was applied stays, whatever comes of it.
    """
    from sqlmigrate.errors import Error  # noqa: PLC0415  only where it was asked for

    if not app.config.dump_after_apply or not result.ran:
        return {}
    try:
        values = _dumped(app, found, _schema_file(app))
    except Error as error:
        message = f"{len(result.ran)} applied, but {app.config.schema_file} was not written: {error.message}"
        raise error.replaced(message=message, done=tuple(ran.migration_id for ran in result.ran)) from None
    if values["changed"]:
        app.output.progress(f"wrote {app.config.schema_file}")
    return {"dump": values}


def _schema_file(app: App) -> Path:
    """Return the file that the settings name; one that a file of the project names must be in its repository."""
    from sqlmigrate.config import OF_ENV_FILE  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.errors import Error  # noqa: PLC0415  same
    from sqlmigrate.files import require_in_repository  # noqa: PLC0415  same

    source = app.config.source("schema_file")
    if OF_ENV_FILE in source or not source.startswith("variable"):
        try:
            require_in_repository(app.config.schema_file, app.config.project)
        except Error as error:
            hint = "name it with the variable SQLMIGRATE_SCHEMA_FILE, if you mean it"
            raise error.replaced(message=f"schema_file: {error.message} ({source})", hint=hint) from None
    return app.config.schema_file


def _dumped(app: App, found: Migrations, path: Path, *, check: bool = False, superuser: bool = False) -> dict[str, Any]:
    """Compare what the migrations make with a file, and write it where it differs; gives what there is to be said."""
    from sqlmigrate import roundtrip  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.cli.progress import draw_cache  # noqa: PLC0415  same
    from sqlmigrate.files import write_text  # noqa: PLC0415  same

    cached = app.output.recorder.noting(partial(draw_cache, app.output), runs=False)
    made = roundtrip.dumped(app.config, found, app.options(), app.output.warning, superuser=superuser, observer=cached)
    if path == _STDOUT:
        if not app.output.as_json:
            click.echo(made.text.encode(), nl=False)
        return {"file": None, "changed": True, "written": False, "postgresql": made.version, "text": made.text}
    before = _before(path)
    changed = before != made.text
    if changed and not check:
        write_text(path, made.text)
    diff = _diff(before, made.text, path) if check else []
    return {
        "file": str(path),
        "changed": changed,
        "written": changed and not check,
        "postgresql": made.version,
        "diff": diff,
    }


def _before(path: Path) -> str | None:
    """Return what a file holds, with LF line ends; None where there is none, or no text."""
    from sqlmigrate.errors import Error, Place  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.files import read_bytes  # noqa: PLC0415  same

    try:
        return read_bytes(path).decode(errors="replace").replace("\r\n", "\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Error(f"cannot be read: {error.strerror or error}", place=Place(path)) from None


def _diff(before: str | None, after: str, path: Path) -> list[str]:
    from sqlmigrate.cli.foreign_text import printable  # noqa: PLC0415  only where they differ
    from sqlmigrate.sql.difference import cut_diff  # noqa: PLC0415  same

    if before is None:
        return [f"{path} does not exist"]
    return [printable(line) for line in cut_diff(before, after, str(path), "the migrations make")]
