"""`sqlmigrate seed schema` and `seed export`: seed files from tables that are there."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.cli.options import reading_as

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.cli.call import App
    from sqlmigrate.seeds import Access, Export
    from sqlmigrate.target import Target

_SCHEMA_EPILOG = """\b
Examples:
  sqlmigrate seed schema countries                  print it
  sqlmigrate seed schema countries --output data/   write a new file there
"""
_EXPORT_EPILOG = """\b
Examples:
  sqlmigrate seed export countries                  print the rows
  sqlmigrate seed export countries currencies --output data/
  sqlmigrate seed export plans --where "id < 9" --output data/plans.csv
"""
_ENDINGS = (".yaml", ".yml", ".json", ".jsonl", ".csv")  # of rows, of which one schema describes one file
_SUFFIXES = {".yaml": "yaml", ".yml": "yaml", ".csv": "csv"}
_DATA = click.option("--data", type=click.Path(path_type=Path), help="The folder of the seed files.")
_KEY = click.option(
    "--key", multiple=True, metavar="COLUMN", help="The unique constraint that says which row is which; once a column."
)
_WITHOUT = click.option("--without", multiple=True, metavar="COLUMN", help="Leave a column out.")


@click.command(epilog=_SCHEMA_EPILOG)
@click.argument("table", metavar="TABLE")
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="PATH", help="Write this new file, or one in this folder."
)
@_KEY
@_WITHOUT
@reading_as
def schema(app: App, *, table: str, output: Path | None, key: tuple[str, ...], without: tuple[str, ...]) -> None:
    """Make a JSON Schema and mapping of a table that is there.

    It is printed, or written to a new file. It has types, lengths, enumerations, simple CHECKs and the natural key.
    Foreign keys become references by the other table's natural key; identity and generated columns are left out.
    """
    from sqlmigrate import seeds  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.files import make_folder, write_new  # noqa: PLC0415  same
    from sqlmigrate.seeds.exporting.texts import schema_text  # noqa: PLC0415  same

    with app.target() as target:
        made = seeds.described(target.conninfo, table, seeds.Choice(key, without), _access(app, target))
    path = output = _named(output)
    if output is not None and _is_folder(output):
        path = output / f"{made.stem}.schema.json"
    if path is not None:
        if path != output:
            make_folder(path.parent)
        with _telling(path):
            write_new(path, schema_text(made.schema))
    _say_notes(app, made.notes)
    app.output.result(
        table=str(made.table), file=None if path is None else str(path), schema=made.schema, notes=made.notes
    )
    if path is not None:
        app.output.line(f"wrote {path}")
    elif not app.output.as_json:
        _print(schema_text(made.schema))


@click.command(epilog=_EXPORT_EPILOG)
@click.argument("tables", metavar="TABLE...", nargs=-1, required=True)
@click.option("--where", metavar="SQL", help="Only the rows for which this condition is true.")
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="PATH", help="Write this new file, or new ones in this folder."
)
@click.option("--format", "form", type=click.Choice(["yaml", "csv"]), help="How to write rows [yaml].")
@_KEY
@_WITHOUT
@_DATA
@reading_as
def export(
    app: App,
    *,
    tables: tuple[str, ...],
    where: str | None,
    output: Path | None,
    form: str | None,
    key: tuple[str, ...],
    without: tuple[str, ...],
) -> None:
    """Write rows of tables that are there as seed files.

    They are printed, or written to new files, and change nothing when they are seeded. A schema in the data folder that
    is for the table says how its rows are written. Where there is none, one is made as `seed schema` does, and written
    beside the rows. All tables are read as of one moment, and only read.
    """
    from sqlmigrate import seeds  # noqa: PLC0415  --help needs none of it

    output = _named(output)
    _require_sensible(app, tables, where, output, key or without)
    form = _form(output, form)
    files = _Files(output, form)
    folders = [app.config.data, *([_folder(output)] if output else [])]
    with app.target() as target:
        seeds.export(
            target.conninfo,
            tables,
            files.write,
            folders=folders,
            choice=seeds.Choice(key, without, where),
            access=_access(app, target),
            csv=form == "csv",
        )
    for one in files.written:
        _say_notes(app, one["notes"])
    app.output.result(tables=files.written)
    for one in files.written if output else ():
        rows = "1 row" if one["rows"] == 1 else f"{one['rows']} rows"
        if one["schema"]:
            app.output.line(f"wrote {one['schema']}")
        app.output.line(f"wrote {one['file']}: {rows} of {one['table']}")


@dataclass(slots=True)
class _Files:
    """Where rows go: to stdout, to a file, or to files of a folder; `written` says of each table what was written."""

    output: Path | None
    form: str
    written: list[dict[str, Any]] = field(default_factory=list)

    def write(self, one: Export) -> None:
        """Write the rows of a table, and the schema that was made for them."""
        path = schema_path = None
        if self.output is None:
            for text in self._texts(one, one.schema.path.name if one.scaffold is None else None):
                _print(text)
        else:
            path, schema_path = self._write_files(one, self.output)
        self.written.append(
            {
                "table": str(one.table),
                "file": None if path is None else str(path),
                "schema": None if schema_path is None else str(schema_path),
                "rows": one.count,
                "notes": one.notes,
            }
        )

    def _write_files(self, one: Export, output: Path) -> tuple[Path, Path | None]:
        """Write new files, the rows first: what stands in the way of either is found before anything is written."""
        from sqlmigrate.files import make_folder, require_new, write_new, write_new_parts  # noqa: PLC0415  as above
        from sqlmigrate.seeds.exporting.texts import schema_text  # noqa: PLC0415  same

        path = output
        if _is_folder(output):
            make_folder(output)
            path = output / f"{one.schema.path.name.removesuffix('.schema.json')}.{self.form}"
        beside = path.with_suffix(".schema.json")
        for taken in (path, *(path.with_suffix(ending) for ending in _ENDINGS), *([beside] if one.scaffold else [])):
            with _telling(taken):
                require_new(taken)
        schema = beside if one.scaffold else one.schema.path
        with _telling(path):
            write_new_parts(path, self._texts(one, os.path.relpath(schema, path.parent)))
        if one.scaffold is None:
            return path, None
        with _telling(beside):
            write_new(beside, schema_text(one.scaffold.schema))
        return path, beside

    def _texts(self, one: Export, schema: str | None) -> Iterator[str]:
        from sqlmigrate.seeds.exporting.texts import as_csv, as_yaml  # noqa: PLC0415  as above

        mapping = one.schema.mapping
        if self.form == "csv":
            return as_csv(one.rows, one.keys, mapping.csv)
        return as_yaml(one.rows, mapping.list, schema)


def _require_sensible(
    app: App, tables: tuple[str, ...], where: str | None, output: Path | None, chosen: tuple[str, ...]
) -> None:
    """Refuse options that do not go together."""
    if output is None and app.output.as_json:
        raise click.UsageError("--json says what was written: name the file or the folder with --output")
    if len(tables) == 1:
        return
    if where is not None or chosen:
        raise click.UsageError("--where, --key and --without are for one TABLE")
    if output is None or not _is_folder(output):
        raise click.UsageError(
            "several tables go to several files: name a folder with --output, such as --output data/"
        )


def _form(output: Path | None, form: str | None) -> str:
    """Return the format that was asked for, by name or by the ending of a file."""
    if output is None or _is_folder(output):
        return form or "yaml"
    ending = _SUFFIXES.get(output.suffix)
    if ending is None or form not in {None, ending}:
        raise click.UsageError(f"{output} must end with .yaml, .yml or .csv, as the format says")
    return ending


def _named(output: Path | None) -> Path | None:
    """Return the path that was named; `-` is none, as for other commands."""
    return None if output == Path("-") else output


def _is_folder(output: Path) -> bool:
    return output.is_dir() or not output.suffix


def _folder(output: Path) -> Path:
    return output if _is_folder(output) else output.parent


def _access(app: App, target: Target) -> Access:
    from sqlmigrate.seeds import Access  # noqa: PLC0415  as above

    config = app.config
    return Access(config.role, config.lock_timeout, config.statement_timeout, lambda info: app.announce(target, info))


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """Say of a file that is there already that it stays."""
    from sqlmigrate.errors import Error, Place  # noqa: PLC0415  --help needs none of it

    try:
        yield
    except FileExistsError:
        hint = "remove it, or name another file; to write it anew, print the rows and send them there"
        raise Error("exists already, and is not overwritten", place=Place(path), hint=hint) from None


def _say_notes(app: App, notes: list[str]) -> None:
    for note in notes:
        app.output.progress(f"note: {note}")


def _print(text: str) -> None:
    click.echo(text.encode(), nl=False)
