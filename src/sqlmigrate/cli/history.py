"""`sqlmigrate history`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.options import common

if TYPE_CHECKING:
    from datetime import datetime

    from sqlmigrate.cli.call import App
    from sqlmigrate.history import LogRow

OPERATIONS = ("apply", "rollback", "mark", "unmark", "accept", "resume", "seed")
_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]
EPILOG = """\b
Examples:
  sqlmigrate history                          everything, oldest first
  sqlmigrate history --last 20
  sqlmigrate history --id 20260301_base --json
  sqlmigrate history --operation rollback --since 2026-11-01
  sqlmigrate history --since '2026-11-01 22:00:00'
"""


@click.command(epilog=EPILOG)
@click.option("--id", "migration_id", metavar="ID", help="Only this migration.")
@click.option("--operation", type=click.Choice(OPERATIONS), help="Only this operation.")
@click.option("--since", type=click.DateTime(_TIMES), metavar="TIME", help="From this time on (UTC).")
@click.option("--until", type=click.DateTime(_TIMES), metavar="TIME", help="Before this time (UTC).")
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="Only the last N.")
@common
def command(
    app: App,
    *,
    migration_id: str | None,
    operation: str | None,
    since: datetime | None,
    until: datetime | None,
    last: int | None,
) -> None:
    """Show who did what: when, how long, from which host, as which role, and why. Times are in UTC."""
    from sqlmigrate import connection, history  # noqa: PLC0415  --help needs none of it

    wanted = history.LogFilter(
        migration_id, operation, since.isoformat() if since else None, until.isoformat() if until else None, last
    )
    with app.target() as target, connection.session(target.conninfo) as session:
        app.announce(target, connection.probe(session))
        rows = history.read_log(session, app.config.history_schema, wanted, owners=app.config.history_owners)
    app.output.result(history=[{**asdict(row), "at": row.at.isoformat() + "Z"} for row in rows])
    if rows:
        app.output.table(("when (UTC)", "operation", "migration", "role", "by", "took", "reason"), map(_row, rows))
        app.output.line()
    app.output.line("1 operation" if len(rows) == 1 else f"{len(rows)} operations")


def _row(row: LogRow) -> tuple[str, ...]:
    role = row.login_role or ""
    if row.script_role:
        role += f" as {row.script_role}"
    return (
        row.at.strftime("%Y-%m-%d %H:%M:%S"),
        row.operation,
        row.migration_id or "",
        role,
        f"{row.username or '?'}@{row.hostname or '?'}",
        f"{row.duration_ms / 1000:.2f} s" if row.duration_ms is not None else "",
        row.reason or "",
    )
