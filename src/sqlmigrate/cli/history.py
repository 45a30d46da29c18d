"""`sqlmigrate history`."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.cli.foreign_text import printable
from sqlmigrate.cli.options import common
from sqlmigrate.cli.watching import harm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlmigrate.cli.call import App
    from sqlmigrate.events import Blocker, Harm
    from sqlmigrate.history import AttemptRow, LogRow

OPERATIONS = ("apply", "rollback", "mark", "unmark", "accept", "resume", "seed")
_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]
EPILOG = """\b
Examples:
  sqlmigrate history                          everything, oldest first
  sqlmigrate history --last 20
  sqlmigrate history --id 20260301_base --json
  sqlmigrate history --operation rollback --since 2026-11-01
  sqlmigrate history --since '2026-11-01 22:00:00'
  sqlmigrate history --failed                 attempts that did not succeed
"""


@click.command(epilog=EPILOG)
@click.option("--id", "migration_id", metavar="ID", help="Only this migration.")
@click.option("--operation", type=click.Choice(OPERATIONS), help="Only this operation.")
@click.option("--since", type=click.DateTime(_TIMES), metavar="TIME", help="From this time on (UTC).")
@click.option("--until", type=click.DateTime(_TIMES), metavar="TIME", help="Before this time (UTC).")
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="Only the last N.")
@click.option("--failed", is_flag=True, help="The attempts that did not succeed, and why.")
@common
def command(
    app: App,
    *,
    migration_id: str | None,
    operation: str | None,
    since: datetime | None,
    until: datetime | None,
    last: int | None,
    failed: bool,
) -> None:
    """Show who did what: when, how long, from which host, as which role, and why. Times are in UTC."""
    from sqlmigrate import connection, history  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.errors import HistoryError  # noqa: PLC0415  same

    wanted = history.LogFilter(
        migration_id, operation, since.isoformat() if since else None, until.isoformat() if until else None, last
    )
    schema, owners = app.config.history_schema, app.config.history_owners
    with app.target() as target, connection.session(target.conninfo) as session:
        app.announce(target, connection.probe(session))
        rows = history.read_log(session, schema, wanted, owners=owners)
        try:
            attempts = history.read_attempts(session, schema, wanted, owners=owners)
        except HistoryError as error:
            if failed:
                raise
            attempts = []
            app.output.warning(f"attempts are not shown: {error.message}" + (f" ({error.hint})" if error.hint else ""))
    shown = [] if failed else rows
    app.output.result(history=[_as_json(row) for row in shown], attempts=[_attempt_as_json(row) for row in attempts])
    without = [row for row in attempts if row.state != "done"]
    if failed:
        _show_attempts(app, without)
    else:
        _show(app, rows, attempts, len(without))


def _as_json(row: LogRow) -> dict[str, Any]:
    return {**asdict(row), "at": row.at.isoformat() + "Z"}


def _attempt_as_json(row: AttemptRow) -> dict[str, Any]:
    return {**asdict(row), "at": row.at.isoformat() + "Z", "begun_at": row.begun_at.isoformat() + "Z"}


def _show(app: App, rows: list[LogRow], attempts: list[AttemptRow], failed: int) -> None:
    """Show the operations, and beside each whom it hurt."""
    hurt = {(row.run_id, row.migration_id, row.operation): row for row in attempts if row.state == "done"}
    if rows:
        shown = [_row(row, hurt.get((row.run_id or "", row.migration_id, row.operation))) for row in rows]
        app.output.table(("when (UTC)", "operation", "migration", "role", "by", "took", "reason"), shown, words=True)
        app.output.line()
    app.output.line("1 operation" if len(rows) == 1 else f"{len(rows)} operations")
    if failed:
        which = "it" if failed == 1 else "them"
        app.output.line(f"{_count(failed)} did not succeed: `sqlmigrate history --failed` shows {which}")


def _count(number: int) -> str:
    return "1 attempt" if number == 1 else f"{number} attempts"


def _show_attempts(app: App, rows: list[AttemptRow]) -> None:
    """Show attempts one below the other: their errors are longer than a column."""
    for row in rows:
        took = f"after {row.duration_ms / 1000:.2f} s" if row.duration_ms is not None else ""
        place = f"line {row.line}" if row.line else ""
        number = f"attempt {row.attempt}" if row.attempt and row.attempt > 1 else ""
        by = f"by {row.login_role} ({row.username or '?'}@{row.hostname or '?'})"
        what = f"{row.operation} {row.migration_id or '?'} {_STATES.get(row.state, row.state)}"
        head = ", ".join(part for part in (what, took, number, place, by) if part)
        app.output.prose(f"{row.at:%Y-%m-%d %H:%M:%S}  {printable(head)}")
        for line in _details(row):
            app.output.prose(f"    {printable(line)}")
    if rows:
        app.output.line()
    app.output.line(_count(len(rows)))


_STATES = {"retried": "tried again", "guarded": "stopped by a guard"}


def _details(row: AttemptRow) -> Iterator[str]:
    """Say why it failed, who was in its way, and in whose way it was."""
    if row.error:
        yield row.error
    for blocker in row.blockers or []:
        who = as_blocker(blocker)
        yield f"{'blocked by' if who.direct else 'behind that,'} {who}"
    if row.harm:
        yield harm(as_harm(row.harm))


def as_blocker(values: dict[str, Any]) -> Blocker:
    """Return a recorded blocker as the event had it."""
    from sqlmigrate.events import Blocker  # noqa: PLC0415  --help needs none of it

    return Blocker(**{item.name: values[item.name] for item in fields(Blocker) if item.name in values})


def as_harm(values: dict[str, Any]) -> Harm:
    """Return recorded harm as the event had it."""
    from sqlmigrate.events import Harm  # noqa: PLC0415  --help needs none of it

    return Harm(**{item.name: values[item.name] for item in fields(Harm) if item.name in values})


def _row(row: LogRow, hurt: AttemptRow | None) -> tuple[str, ...]:
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
        "; ".join(part for part in (row.reason or "", harm(as_harm(hurt.harm)) if hurt and hurt.harm else "") if part),
    )
