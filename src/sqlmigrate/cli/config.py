"""`sqlmigrate config`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.cli.options import common
from sqlmigrate.cli.output import is_terminal
from sqlmigrate.errors import Error, ServerError, redact
from sqlmigrate.sql.directives import format_duration

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App
    from sqlmigrate.config import Config

EPILOG = """\b
Examples:
  sqlmigrate config
  sqlmigrate config --env production --json
"""
_URLS = frozenset({"control_database_url", "database_url", "shadow_url"})
_TIMES = frozenset(
    {
        "wait_for_server",
        "lock_timeout",
        "lock_budget",
        "statement_timeout",
        "wait_lock",
        "max_block",
        "max_lag",
        "scheduler_patience",
    }
)


@click.command(epilog=EPILOG)
@common
def command(app: App) -> None:
    """Show which database is meant, and each setting with where it came from; passwords are hidden."""
    from sqlmigrate.config import SETTINGS  # noqa: PLC0415  --help needs none of it

    config = app.config
    values = {name: getattr(config, name) for name in SETTINGS} | {"state_dir": _state_dir(config)}
    rows = [(name, _shown(name, value), config.source(name)) for name, value in values.items()]
    app.output.result(
        file=str(config.file) if config.file else None,
        found_above=config.found_above,
        passed_over=config.passed_over,
        env=config.env,
        target=(target := _target(app)),
        settings={name: {"value": _value(name, values[name]), "source": source} for name, _, source in rows},
    )
    above = ", found above the working directory" if config.found_above else ""
    env = f", environment {config.env}" if config.env else ""
    app.output.line(f"file: {config.file or 'none'}{above}{env}")
    app.output.line(f"target: {target}")
    app.output.line()
    app.output.table(("setting", "value", "from"), rows)


def _target(app: App) -> str:
    """Say which database a command would work on now, and who says so; nobody connects to it."""
    from sqlmigrate.connection.address import meant  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.target import choose  # noqa: PLC0415  same

    try:
        choice = choose(app.config, interactive=is_terminal(sys.stderr))
    except Error as error:
        return error.message
    if choice.conninfo is None:
        return f"the private server of this project ({choice.source})"
    return f"{meant(choice.conninfo)} (named by {choice.source})"


def _state_dir(config: Config) -> Path | None:
    """Return where the private server's data is, or would be; None where no server can run here."""
    from sqlmigrate.target import state_dir  # noqa: PLC0415  --help needs none of it

    try:
        return state_dir(config)
    except ServerError:
        return None


def _value(name: str, value: Any) -> Any:
    if name in _URLS and value is not None:
        from sqlmigrate.connection import shown_conninfo  # noqa: PLC0415  only where there is a URL

        return shown_conninfo(value)
    if isinstance(value, tuple):
        return tuple(_value(name, item) for item in value)
    return redact(str(value)) if isinstance(value, (str, Path)) else value


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(_value(name, value)) or "-"
    return format_duration(value) if name in _TIMES else str(_value(name, value))
