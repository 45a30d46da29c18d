"""`sqlmigrate mark --from TOOL` and `--to TOOL`, for all tools but yoyo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate import migrations
from sqlmigrate.cli.output import render_problem
from sqlmigrate.cli.progress import drawer
from sqlmigrate.importing import copying, marking, missing
from sqlmigrate.importing.tables import Where
from sqlmigrate.importing.tools import named

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlmigrate.cli.call import App
    from sqlmigrate.connection import ServerInfo
    from sqlmigrate.importing.copying import Copy
    from sqlmigrate.importing.marking import Adoption


def from_tool(app: App, name: str, where: Where, files: Path | None, *, write_missing: bool = False) -> None:
    """Mark what another tool has applied, and say what differs and what is left."""
    found = migrations.of_project(app.config)
    written = None
    with app.target() as target:
        if write_missing:
            written = missing.write(target.conninfo, named(name), found, app.options(), where)
            _show_written(app, written)
            found = migrations.of_project(app.config)
        done = marking.adopt(
            target.conninfo,
            named(name),
            found,
            app.options(),
            files=files,
            where=where,
            gate=app.asking(target, _to_mark),
            observer=app.observer(drawer(app.output)),
        )
    _show(app, done, written)


def _show_written(app: App, done: missing.Missing) -> None:
    for path in done.files:
        app.output.progress(f"wrote {path}")
    for problem in done.problems:
        first, *rest = render_problem(problem)
        app.output.progress("\n".join((f"not written: {first}", *rest)))


def _to_mark(info: ServerInfo, planned: Adoption) -> str | None:
    if not planned.changes:
        return None
    return f"Mark what {planned.place} says is applied ({len(planned.new)}) in {info.database}?"


def _show(app: App, done: Adoption, written: missing.Missing | None) -> None:
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
        written=[str(path) for path in written.files] if written else [],
    )
    for text in warnings(done, advise=done.texts and not written):
        app.output.warning(text)
    for note in done.notes:
        app.output.progress(f"note: {done.tool}: {note}")
    for name in done.marked:
        app.output.line(f"marked {name}")
    for name in done.pending:
        app.output.line(f"pending {name}")
    counts = f"{len(done.marked)} marked, {len(done.already)} applied already, {len(done.pending)} pending"
    app.output.prose(f"{done.place}: {counts}")


def warnings(done: Adoption, *, advise: bool) -> Iterator[str]:
    """Yield what their history and the files say differently."""
    for name in done.without_file:
        advice = "; `mark --from supabase --write-missing` writes those that its history still has" if advise else ""
        yield f"{done.tool} has applied {name}, but there is no such file here; it was left out{advice}"
    for name in done.edited:
        yield f"{name} was edited since {done.tool} applied it: its checksum is another one; `drift` shows what differs"
    for name in done.skipped:
        yield f"{name} was passed over by {done.tool} in silence, since a newer one was applied before; it never ran"
    for name in done.not_there:
        yield f"{name} is marked here, but {done.tool} does not have it; `sqlmigrate unmark {name}` forgets it"


def to_tool(app: App, name: str, schema: str | None, table: str | None) -> None:
    """Tell another tool what is applied, and say what it cannot be told."""
    found = migrations.of_project(app.config)
    with app.target() as target:
        done = copying.copy_to(
            target.conninfo,
            named(name),
            found,
            app.options(),
            where=Where(schema, table),
            gate=app.asking(target, _to_copy),
            observer=app.observer(drawer(app.output)),
        )
    _show_copy(app, done)


def _to_copy(info: ServerInfo, planned: Copy) -> str | None:
    return (
        f"Copy what is applied ({len(planned.rows)}) to {planned.place} in {info.database}?"
        if planned.changes
        else None
    )


def _show_copy(app: App, done: Copy) -> None:
    app.output.result(
        destination=str(done.place),
        created=done.created,
        added=done.added,
        there_already=done.already,
        left_out=[name for name, _ in done.left_out],
        only_there=done.only_there,
    )
    for name, reason in done.left_out:
        app.output.warning(f"{name} was left out: {reason}")
    for version in done.only_there:
        app.output.warning(
            f"{done.tool} has {version}, which is not applied here; it stays there (`mark --from` adopts it; if it was "
            "rolled back here, delete its row)"
        )
    for name in done.added:
        app.output.line(f"added {name}")
    counts = f"{len(done.added)} added, {len(done.already)} there already, {len(done.left_out)} left out"
    app.output.prose(f"{done.place}: {counts}{' (table created)' if done.created else ''}")
