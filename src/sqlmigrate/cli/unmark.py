"""`sqlmigrate unmark`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sqlmigrate.cli._options import App, writing

if TYPE_CHECKING:
    from sqlmigrate.connection import ServerInfo

EPILOG = """\b
Examples:
  sqlmigrate unmark 20260301_agent_baseline
"""


@click.command(epilog=EPILOG)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@writing
def command(app: App, *, ids: tuple[str, ...]) -> None:
    """Take migrations out of the history without running anything: what they did stays in the database."""
    from sqlmigrate import engine  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.cli._progress import drawer  # noqa: PLC0415  same

    with app.target() as target:

        def gate(info: ServerInfo) -> None:
            app.announce(target, info)
            app.confirm(f"Unmark {', '.join(ids)} in {info.database}?", database=info.database, always=False)

        done = engine.unmark(target.conninfo, ids, app.options(), gate=gate, observer=drawer(app.output))
    app.output.result(unmarked=done)
    for name in done:
        app.output.line(f"unmarked {name}")
