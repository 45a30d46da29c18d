"""`sqlmigrate db`: the private server, for people who want to look."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.options import common, confirming
from sqlmigrate.errors import ServerError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlmigrate.cli.call import App
    from sqlmigrate.server import PrivateServer, Status

EPILOG = """\b
Examples:
  sqlmigrate db start          start it, and let it run until `db stop`
  sqlmigrate db psql           look around in the project's database
  sqlmigrate db url            the URL for other programs
  sqlmigrate db reset          delete its data and start afresh
"""


@click.group(epilog=EPILOG)
def command() -> None:
    """Start, stop and look at the private PostgreSQL server of this project.

    Other commands start it when they need it, and stop it when they were its last user.
    """


@command.command()
@common
def start(app: App) -> None:
    """Start the private server and keep it until `db stop`."""
    from sqlmigrate import server, target  # noqa: PLC0415  --help needs none of it

    running = server.start(_state(app))
    prepared = target.prepared(running, app.config)
    for note in prepared.notes:
        app.output.warning(note)
    url = running.url(target.DATABASE, target.OWNER)
    app.output.result(running=True, url=url, version=running.version, data_dir=str(running.data_dir))
    app.output.line(f"running: PostgreSQL {running.version} ({running.binaries.source}), {running.data_dir}")
    app.output.line(url)


@command.command()
@common
def stop(app: App) -> None:
    """Stop the private server. One that is in use stops with its last user."""
    from sqlmigrate import server  # noqa: PLC0415  --help needs none of it

    found = server.stop(_state(app))
    app.output.result(servers=[_as_json(item) for item in found])
    if not found:
        app.output.line("there is no private server")
    for item in found:
        word = "in use, stops with its last user" if item.running else "stopped"
        app.output.line(f"{word}: {item.data_dir}")


@command.command()
@common
def status(app: App) -> None:
    """Show whether the private server runs, and where its data is."""
    from sqlmigrate import server  # noqa: PLC0415  --help needs none of it

    found = server.status(_state(app))
    app.output.result(servers=[_as_json(item) for item in found])
    if not found:
        app.output.line(f"there is no private server in {_state(app)}")
    for item in found:
        words = "running" if item.running else "not running"
        words += ", kept until `db stop`" if item.kept else ", in use" if item.in_use and item.running else ""
        app.output.line(f"PostgreSQL {item.major} is {words}: {item.data_dir}")


@command.command()
@common
def url(app: App) -> None:
    """Print the URL of the project's database on the private server."""
    from sqlmigrate.target import DATABASE, OWNER  # noqa: PLC0415  --help needs none of it

    running = _running(_state(app))
    text = running.url(DATABASE, OWNER)
    app.output.result(url=text)
    app.output.line(text)


@command.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- PSQL OPTION...]")
@common
@click.pass_context
def psql(context: click.Context, app: App, *, arguments: tuple[str, ...]) -> None:
    """Open psql in the project's database, as the role that owns it."""
    from sqlmigrate import server, target  # noqa: PLC0415  --help needs none of it

    with server.shared(_state(app)) as running:
        prepared = target.prepared(running, app.config)
        program = server.find_program("psql", running.binaries)
        if program is None:
            raise ServerError(
                "psql is not installed", hint="apt install postgresql-client; `sqlmigrate db url` has the URL"
            )
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is psql's while it runs
        try:
            status_ = subprocess.run([program, "-d", prepared.conninfo, *arguments], check=False).returncode
        finally:
            signal.signal(signal.SIGINT, before)
    context.exit(status_)


@command.command()
@confirming
def reset(app: App) -> None:
    """Delete the private server's data, after asking. The next command starts afresh."""
    from sqlmigrate import server  # noqa: PLC0415  --help needs none of it

    state = _state(app)
    found = server.status(state)
    if found:
        names = ", ".join(str(item.data_dir) for item in found)
        app.confirm(f"Delete the private server's databases in {names}?", database="reset", always=True)
    gone = server.destroy(state)
    app.output.result(deleted=[str(path) for path in gone])
    for path in gone:
        app.output.line(f"deleted {path}")
    if not gone:
        app.output.line("there is no private server, so there is nothing to delete")


def _state(app: App) -> Path:
    from sqlmigrate.target import state_dir  # noqa: PLC0415  --help needs none of it

    if app.given.get("database_url"):
        raise UsageError("`db` works on the private server; it takes no --database-url")
    return state_dir(app.config)


def _running(state: Path) -> PrivateServer:
    from sqlmigrate import server  # noqa: PLC0415  --help needs none of it

    for item in server.status(state):
        if item.server is not None:
            return item.server
    sys.stdout.flush()
    raise ServerError("the private server is not running, so no URL works", hint="start it with `sqlmigrate db start`")


def _as_json(item: Status) -> dict[str, object]:
    return {
        "major": item.major,
        "running": item.running,
        "kept": item.kept,
        "in_use": item.in_use,
        "data_dir": str(item.data_dir),
    }
