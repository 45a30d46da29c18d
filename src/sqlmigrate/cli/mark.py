"""`sqlmigrate mark`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sqlmigrate.cli._options import App, writing

if TYPE_CHECKING:
    from sqlmigrate.connection import ServerInfo

EPILOG = """\b
Examples:
  sqlmigrate mark 20260301_agent_baseline    this database has it already
"""


@click.command(epilog=EPILOG)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@writing
def command(app: App, *, ids: tuple[str, ...]) -> None:
    """Record migrations as applied without running them: to adopt a database that has them already.

    A marked migration is a floor that `rollback` does not pass unless its id is given.
    """
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
