"""`sqlmigrate unmark`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.options import forgetting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlmigrate.cli.call import App
    from sqlmigrate.connection import ServerInfo
    from sqlmigrate.history import Applied, History

EPILOG = """\b
Examples:
  sqlmigrate unmark 20260301_agent_baseline
"""
_SHOWN = 10


@click.command(epilog=EPILOG)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@forgetting
def command(app: App, *, ids: tuple[str, ...]) -> None:
    """Remove migrations from the history without running anything: what they did stays in the database.

    If one was applied, not marked, it asks first, since `apply` would run it again; and it refuses one that another
    applied migration depends on.
    """
    from sqlmigrate import engine, migrations  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.cli.progress import drawer  # noqa: PLC0415  same

    found = migrations.of_project(app.config)
    with app.target() as target:

        def gate(info: ServerInfo, known: History) -> None:
            app.announce(target, info)
            really = [row for row in known.applied if row.migration_id in ids and not row.marked]
            again = any(found.get(row.migration_id) for row in really)
            question = _question(really, again=again) if really else f"Unmark {', '.join(ids)} in {info.database}?"
            app.confirm(question, database=info.database, always=bool(really))

        done = engine.unmark(
            target.conninfo, found, ids, app.options(), gate=gate, observer=app.observer(drawer(app.output))
        )
    app.output.result(unmarked=done)
    for name in done:
        app.output.line(f"unmarked {name}")


def _question(rows: Sequence[Applied], *, again: bool) -> str:
    """Say what was applied here and when, and what becomes of it; `again` where a script is there to run again."""
    what = [f"{row.migration_id} was applied here{_when(row)}." for row in rows[:_SHOWN]]
    what += [f"So were {len(rows) - _SHOWN} more."] if len(rows) > _SHOWN else []
    it, its = ("it", "Its") if len(rows) == 1 else ("them", "Their")
    and_then = f", and the next apply runs {it} again" if again else ""
    return " ".join([*what, f"Forget {it}? {its} recorded scripts go too{and_then}."])


def _when(row: Applied) -> str:
    return f" at {row.applied_at:%Y-%m-%d %H:%M:%S} UTC" if row.applied_at else ""
