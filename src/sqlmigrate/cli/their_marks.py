"""`sqlmigrate mark --from TOOL`, for all tools but yoyo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate import migrations
from sqlmigrate.cli.progress import drawer
from sqlmigrate.importing import marking
from sqlmigrate.importing.tables import Where
from sqlmigrate.importing.tools import named

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlmigrate.cli.call import App
    from sqlmigrate.connection import ServerInfo
    from sqlmigrate.importing.marking import Adoption


def from_tool(app: App, name: str, schema: str | None, table: str | None, files: Path | None) -> None:
    """Mark what another tool has applied, and say what differs and what is left."""
    found = migrations.of_project(app.config)
    with app.target() as target:
        done = marking.adopt(
            target.conninfo,
            named(name),
            found,
            app.options(),
            files=files,
            where=Where(schema, table),
            gate=app.asking(target, _to_mark),
            observer=app.observer(drawer(app.output)),
        )
    _show(app, done)


def _to_mark(info: ServerInfo, planned: Adoption) -> str | None:
    if not planned.changes:
        return None
    return f"Mark what {planned.place} says is applied ({len(planned.new)}) in {info.database}?"


def _show(app: App, done: Adoption) -> None:
    app.output.result(
        source=str(done.place),
        marked=done.marked,
        already_applied=done.already,
        pending=done.pending,
        without_file=done.without_file,
        edited=done.edited,
        skipped=done.skipped,
        not_there=done.not_there,
        notes=done.notes,
    )
    for text in _warnings(done):
        app.output.warning(text)
    for note in done.notes:
        app.output.progress(f"note: {done.tool}: {note}")
    for name in done.marked:
        app.output.line(f"marked {name}")
    for name in done.pending:
        app.output.line(f"pending {name}")
    counts = f"{len(done.marked)} marked, {len(done.already)} applied already, {len(done.pending)} pending"
    app.output.line(f"{done.place}: {counts}")


def _warnings(done: Adoption) -> Iterator[str]:
    """Yield what their history and the files say differently."""
    for name in done.without_file:
        yield f"{done.tool} has applied {name}, but there is no such file here; it was left out"
    for name in done.edited:
        yield f"{name} was edited since {done.tool} applied it: its checksum is another one; `drift` shows what differs"
    for name in done.skipped:
        yield f"{name} was passed over by {done.tool} in silence, since a newer one was applied before; it never ran"
    for name in done.not_there:
        yield f"{name} is marked here, but {done.tool} does not have it; `sqlmigrate unmark {name}` forgets it"
