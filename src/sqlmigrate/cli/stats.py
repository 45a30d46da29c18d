"""`sqlmigrate stats`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.options import common
from sqlmigrate.files import write_text

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App
    from sqlmigrate.connection import Connection
    from sqlmigrate.review.workload.queries import Workload

EPILOG = """\b
Examples:
  sqlmigrate stats                      what is large and busy in the target
  sqlmigrate stats --output stats.json  for `review --stats` elsewhere
  sqlmigrate stats --workload --output workload.json
                                        also for `review --workload-file`
"""
_SHOWN = 20


@click.command(epilog=EPILOG)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the report to a file."
)
@click.option("--workload", is_flag=True, default=None, help="Also read the statements in pg_stat_statements.")
@common
def command(app: App, *, output: Path | None, workload: bool | None) -> None:
    """Read how large and how busy the tables of the target are, and its settings; nothing is written there.

    The file holds names of tables and columns, sizes and rates, how many values of a column are null and how many
    differ, the settings that decide what scripts do, and no rows and no values. With --workload it also holds the
    statements that the application sends, without the values in them.
    """
    from sqlmigrate import connection, shadow  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.review import statistics  # noqa: PLC0415  same
    from sqlmigrate.review.columns import read_columns  # noqa: PLC0415  same

    with app.target() as target, connection.session(target.conninfo) as session:
        app.announce(target, connection.probe(session))
        found = statistics.read_statistics(
            session, name=connection.database_of(session), history_schema=app.config.history_schema
        )
        settings, columns = shadow.read_settings(session), read_columns(session)
        asked = _workload(app, session) if workload else None
    data = statistics.as_json(found, settings, columns, asked)
    if output is not None:
        write_text(output, json.dumps(data, indent=2) + "\n")
        app.output.progress(f"wrote {output}")
    app.output.result(**{key: data[key] for key in ("target", "settings", "workload") if key in data})
    rows = [(table.name, statistics.described(table)) for table in found.tables[:_SHOWN]]
    if rows:
        app.output.table(("table", "holds"), rows)
    left = len(found.tables) - len(rows)
    app.output.line(f"and {left} smaller ones" if left else f"{len(rows)} table{'' if len(rows) == 1 else 's'}")
    app.output.line(f"settings: {settings}")
    if asked is not None:
        app.output.line(f"workload: {asked}")


def _workload(app: App, session: Connection) -> Workload:
    from sqlmigrate import connection  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.review.workload.server import read_workload  # noqa: PLC0415  same

    return read_workload(
        session,
        name=connection.database_of(session),
        history_schema=app.config.history_schema,
        hidden=app.config.workload_hide,
    )
