"""`sqlmigrate cache`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.cli.foreign_text import printable
from sqlmigrate.cli.options import common
from sqlmigrate.cli.progress import megabytes

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App
    from sqlmigrate.server.kept import Entry

EPILOG = """\b
Examples:
  sqlmigrate cache          what is kept, and how large it is
  sqlmigrate cache --clear  throw it away; the next run makes it anew
"""


@click.command(epilog=EPILOG)
@click.option("--clear", is_flag=True, help="Throw all of it away.")
@common
def command(app: App, *, clear: bool) -> None:
    """Show what review, roundtrip and drift keep between runs, or clear it.

    That is what the migrations before make of an empty server, so that the next run need not apply them again. It is
    the user's own, and never needed.
    """
    from sqlmigrate.server import kept  # noqa: PLC0415  --help needs none of it

    place = kept.folder()
    entries: list[Entry] = []
    if place is not None and place.exists():
        store = kept.Store(place, app.config.cache_size)
        try:
            entries = store.entries()
            if clear:
                store.clear()
        except kept.NotKept as error:
            app.output.warning(f"the cache is not used: {error}")
    size = sum(entry.size for entry in entries)
    app.output.result(
        folder=None if place is None else str(place),
        limit=app.config.cache_size,
        size=size,
        cleared=clear,
        entries=[_as_json(entry) for entry in entries],
    )
    for entry in () if clear else entries:
        used = datetime.fromtimestamp(entry.used, UTC).astimezone()
        app.output.line(printable(f"{megabytes(entry.size):>8}  {used:%Y-%m-%d %H:%M}  {_words(entry)}"))
    word = "cleared" if clear else "kept"
    app.output.line(f"{word}: {len(entries)} in {megabytes(size)} of {megabytes(app.config.cache_size)}, {place}")


def _words(entry: Entry) -> str:
    """Say what an entry is."""
    if entry.manifest is None:
        return f"cannot be used: {entry.problem}"
    record = entry.manifest.record
    if "state" not in record:
        return f"PostgreSQL {record.get('version')}, empty"
    day = " (for one day)" if entry.manifest.day else ""
    done = record.get("done")
    count = f"{done} migration{'' if done == 1 else 's'}"
    return f"PostgreSQL {record.get('version')} after {count}, up to {record.get('last')}{day}"


def _as_json(entry: Entry) -> dict[str, Any]:
    record = entry.manifest.record if entry.manifest else {}
    return {
        "key": entry.key,
        "size": entry.size,
        "used": datetime.fromtimestamp(entry.used, UTC).isoformat(timespec="seconds"),
        "postgresql": record.get("version"),
        "migrations": record.get("done"),
        "last": record.get("last"),
        "day": entry.manifest.day if entry.manifest else None,
        "problem": entry.problem or None,
    }
