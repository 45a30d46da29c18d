"""Compare a database with its files, and say what differs: for `drift`, and before and after `apply`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sqlmigrate import drift
from sqlmigrate.cli.foreign_text import printable
from sqlmigrate.cli.progress import drawer
from sqlmigrate.cli.reporting import FINDINGS
from sqlmigrate.connection import allow
from sqlmigrate.errors import Error, ExecutionError
from sqlmigrate.schema.diff import as_json as changes_as_json
from sqlmigrate.schema.diff import as_text

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlmigrate.cli.call import App
    from sqlmigrate.cli.output import Output
    from sqlmigrate.connection import Gate
    from sqlmigrate.drift import Drift
    from sqlmigrate.engine import Result
    from sqlmigrate.migrations import Migrations

_GROUPS = {
    "extra": "extra: in the database, but not in the files",
    "missing": "missing: in the files, but not in the database",
    "different": "different: first what the files say, then what is in the database",
}
_COLORS = {"+": "green", "-": "red", "~": "yellow", "@": "cyan"}


def compared(
    app: App,
    conninfo: str,
    found: Migrations,
    *,
    ignore: Collection[str] = (),
    gate: Gate[Migrations] = allow,
) -> Drift:
    """Compare, and say on stderr what has to be said about it."""
    made = drift.find(app.config, conninfo, found, ignore=ignore, gate=gate, observer=drawer(app.output))
    for note in made.notes:
        app.output.progress(printable(f"note: {note}"))
    return made


class Check:
    """The comparisons before and after what `apply` does."""

    def __init__(self, app: App, conninfo: str, found: Migrations) -> None:
        self._app = app
        self._conninfo = conninfo
        self._found = found
        self._last: Drift | None = None

    def before(self) -> None:
        """End the command with exit status 3 where the database has drifted, before anything is written.

        What a script that stopped half way has done would be drift, so the comparison is left to the end then.
        """
        made = compared(self._app, self._conninfo, self._found)
        if made.half_way:
            names = ", ".join(made.half_way)
            self._app.output.warning(f"{names} stopped half way, so only the result is compared")
        elif made.changes:
            self._app.output.result(
                operation="apply", migrations=[], notes=[], drift={"when": "before", **as_json(made)}
            )
            self._app.output.prose("nothing was applied, since the database is not what its files say:")
            self._last = made
            self.end()

    def after(self, result: Result) -> dict[str, Any]:
        """Compare again where something was applied, which stays whatever comes out; gives what JSON says of it."""
        if not result.ran:
            return {}
        try:
            self._last = compared(self._app, self._conninfo, self._found)
        except Error as error:
            message = f"{len(result.ran)} applied, but the comparison afterwards failed: {error.message}"
            done = tuple(ran.migration_id for ran in result.ran) if isinstance(error, ExecutionError) else error.done
            raise error.replaced(message=message, done=done) from None
        return {"drift": {"when": "after", **as_json(self._last)}}

    def end(self) -> None:
        """Show what was found last; exit status 3 where the database has drifted."""
        if self._last is None:
            return
        show(self._app.output, self._last)
        if self._last.changes:
            click.get_current_context().exit(FINDINGS)


def as_json(made: Drift) -> dict[str, Any]:
    """Return it as plain values."""
    return {
        "drift": bool(made.changes),
        "changes": changes_as_json(made.changes),
        "ignored": made.ignored,
        "notes": list(made.notes),
    }


def show(output: Output, made: Drift) -> None:
    """Print the differences like a diff, in groups, and one line that sums them up."""
    for group, title in _GROUPS.items():
        changes = getattr(made, group)
        if changes:
            output.line(click.style(title, bold=True))
            for line in as_text(changes):
                output.line("  " + click.style(printable(line), fg=_COLORS.get(line.strip()[:1])))
            output.line()
    output.prose(_summary(made))


def _summary(made: Drift) -> str:
    ignored = f" ({made.ignored} ignored)" if made.ignored else ""
    if not made.changes:
        count = f"{made.migrations} applied migration{'' if made.migrations == 1 else 's'}"
        return f"no drift: the database is what {count} make{'s' if made.migrations == 1 else ''} of it{ignored}"
    counts = ", ".join(f"{len(found)} {group}" for group in _GROUPS if (found := getattr(made, group)))
    return f"drift: {counts}{ignored}"
