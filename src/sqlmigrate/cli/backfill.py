"""`sqlmigrate backfill`: how far statements in batches are, and a pause for them."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.foreign_text import printable
from sqlmigrate.cli.options import common
from sqlmigrate.cli.status import backfill_as_json, progress_of
from sqlmigrate.cli.watching import batches, dot
from sqlmigrate.errors import redact

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App
    from sqlmigrate.plan import Status

EPILOG = """\b
Examples:
  sqlmigrate backfill status         what is half way, and what holds it
  sqlmigrate backfill pause 20261201_email_norm
  sqlmigrate backfill resume 20261201_email_norm
  sqlmigrate backfill cancel 20261201_email_norm
"""
_DONE = {
    "pause": "{} pauses before its next batch, until `sqlmigrate backfill resume {}`",
    "resume": "{} goes on",
    "cancel": "{} stops before its next batch; `sqlmigrate apply` goes on there",
}


@click.group(epilog=EPILOG)
def command() -> None:
    """Look at statements that run in batches, and steer them from another terminal.

    What is asked for happens at the end of the batch that runs. It needs no run lock.
    """


@command.command()
@click.argument("migration_id", metavar="[ID]", required=False)
@common
def status(app: App, *, migration_id: str | None) -> None:
    """Show how far statements in batches are: those that run, with what holds them, and those that stopped."""
    from sqlmigrate import connection, engine, migrations  # noqa: PLC0415  --help needs none of it

    found = migrations.of_project(app.config)
    with app.target() as target, connection.session(target.conninfo) as session:
        app.announce(target, connection.probe(session))
        states, _ = engine.states(session, found, app.options())
    shown = [
        item
        for item in states
        if item.stopped and progress_of(item.stopped) and migration_id in {None, item.migration_id}
    ]
    app.output.result(backfills=[_as_json(item) for item in shown])
    if not shown:
        whose = f" of {redact(migration_id)}" if migration_id else ""
        app.output.prose(printable(f"no statement{whose} is half way in batches"))
    for item in shown:
        app.output.prose(_line(item))


@command.command()
@click.argument("migration_id", metavar="ID")
@common
def pause(app: App, *, migration_id: str) -> None:
    """Hold the next batch back until `resume`, also where it is a later run that would begin it."""
    _steer(app, migration_id, "pause")


@command.command()
@click.argument("migration_id", metavar="ID")
@common
def resume(app: App, *, migration_id: str) -> None:
    """Let the batches go on."""
    _steer(app, migration_id, "resume")


@command.command()
@click.argument("migration_id", metavar="ID")
@common
def cancel(app: App, *, migration_id: str) -> None:
    """Stop the run before its next batch; what is done stays, and `apply` goes on there."""
    _steer(app, migration_id, "cancel")


def _steer(app: App, migration_id: str, action: str) -> None:
    from sqlmigrate.engine.backfill.steering import steer  # noqa: PLC0415  --help needs none of it

    with app.target() as target:
        steer(target.conninfo, migration_id, None if action == "resume" else action, app.options())
    app.output.result(migration_id=migration_id, action=action)
    app.output.line(printable(_DONE[action].format(migration_id, quote(migration_id))))


def _as_json(item: Status) -> dict[str, object]:
    return {
        "migration_id": item.migration_id,
        "state": _state(item),
        **(backfill_as_json(item) or {}),
    }


def _state(item: Status) -> str:
    done = item.stopped and progress_of(item.stopped)
    if done and done.wanted == "pause":
        return "paused"
    return "running" if item.running else "stopped"


def _line(item: Status) -> str:
    done = item.stopped and progress_of(item.stopped)
    if item.stopped is None or not done:  # pragma: no cover  only such ones come here
        return ""
    entry = item.stopped.stopped_at
    where = f"statement {entry.number} (line {entry.line}), {done.table}"
    waits = f" {dot()} the next batch waits: {done.held_by}" if item.running and done.held_by else ""
    return printable(f"{item.migration_id} {_state(item)}: {where} {dot()} {batches(done)}{waits}")
