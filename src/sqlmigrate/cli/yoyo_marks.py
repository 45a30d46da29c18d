"""`sqlmigrate mark --from yoyo` and `--to yoyo`."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from sqlmigrate import migrations
from sqlmigrate.cli.progress import drawer
from sqlmigrate.history.yoyo_tables import TABLE, Where
from sqlmigrate.importing.yoyo import exchange as yoyo_exchange

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App
    from sqlmigrate.connection import ServerInfo
    from sqlmigrate.importing.yoyo.exchange import Adoption, Copy


def from_yoyo(app: App, schema: str | None, table: str | None) -> None:
    """Mark what yoyo has applied, and say what is left."""
    found = migrations.of_project(app.config)
    with app.target() as target:
        done = yoyo_exchange.adopt(
            target.conninfo,
            found,
            app.options(),
            where=Where(schema, table or TABLE),
            gate=app.asking(target, _to_mark),
            observer=app.observer(drawer(app.output)),
        )
    _show_adoption(app, done)


def _to_mark(info: ServerInfo, planned: Adoption) -> str | None:
    if not planned.changes:
        return None
    return f"Mark what {planned.place} says is applied ({len(planned.new)}) in {info.database}?"


def _show_adoption(app: App, done: Adoption) -> None:
    app.output.result(
        source=str(done.place),
        marked=done.marked,
        already_applied=done.already,
        pending=done.pending,
        without_file=done.without_file,
        not_in_yoyo=done.not_in_yoyo,
    )
    for name in done.without_file:
        app.output.warning(f"yoyo has applied {name}, but there is no such file here; it was left out")
    for name in done.not_in_yoyo:
        app.output.warning(
            f"{name} is marked here, but yoyo does not have it; `sqlmigrate unmark {quote(name)}` forgets it"
        )
    for name in done.marked:
        app.output.line(f"marked {name}")
    for name in done.pending:
        app.output.line(f"pending {name}")
    counts = f"{len(done.marked)} marked, {len(done.already)} applied already, {len(done.pending)} pending"
    app.output.line(f"{done.place}: {counts}")


def to_yoyo(app: App, schema: str | None, table: str | None) -> None:
    """Copy what is applied to yoyo's tables, and say what was changed there."""
    with app.target() as target:
        done = yoyo_exchange.copy_back(
            target.conninfo,
            app.options(),
            where=Where(schema, table or TABLE),
            gate=app.asking(target, _to_copy),
            observer=app.observer(drawer(app.output)),
        )
    _show_copy(app, done)


def _to_copy(info: ServerInfo, planned: Copy) -> str | None:
    return f"Copy what is applied to {planned.place} in {info.database}?" if planned.changes else None


def _show_copy(app: App, done: Copy) -> None:
    added = [row.migration_id for row, _ in done.added]
    removed = [str(row) for row in done.removed]
    there = done.unchanged + len(done.times)
    app.output.result(
        destination=str(done.place),
        created=not done.place.exists,
        added=added,
        removed=removed,
        there_already=there,
        only_in_yoyo=done.only_yoyo,
    )
    for name in done.only_yoyo:
        app.output.warning(
            f"yoyo has applied {name}, sqlmigrate has not; it stays there (`mark --from yoyo` adopts it)"
        )
    for name in added:
        app.output.line(f"added {name}")
    for name in removed:
        app.output.line(f"removed {name}")
    counts = f"{len(added)} added, {len(removed)} removed, {there} there already"
    app.output.line(f"{done.place}: {counts}{'' if done.place.exists else ' (table created)'}")
