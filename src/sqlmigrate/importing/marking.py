"""`mark --from TOOL`: take over what another tool has applied, in its order and with its times."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sqlmigrate import history
from sqlmigrate.connection import allow
from sqlmigrate.engine.adopting import carry_out, record
from sqlmigrate.errors import HistoryError, UsageError
from sqlmigrate.events import ignore
from sqlmigrate.history import yoyo_tables
from sqlmigrate.importing import ids, tables
from sqlmigrate.importing.folder import opened
from sqlmigrate.importing.tool import Known

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from sqlmigrate.connection import Connection, Gate
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.history import History
    from sqlmigrate.importing.model import Layout
    from sqlmigrate.importing.tables import Place, Where
    from sqlmigrate.importing.tool import Recorded, Told, Tool
    from sqlmigrate.migrations import Migration, Migrations

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Adoption:
    """What their history says, against the files and our history.

    `new` are to be marked, in their order of application; `already` we had; `pending` nobody has applied. What differs:
    `without_file` only they have applied, `edited` have a file that is another one than they recorded, `skipped` were
    passed over by them in silence, `not_there` are marked here, and they have them no more. `texts` says that their
    history keeps the SQL, too.
    """

    tool: str
    place: Place
    new: tuple[tuple[Migration, Recorded], ...]
    already: tuple[str, ...]
    pending: tuple[str, ...]
    without_file: tuple[str, ...]
    edited: tuple[str, ...]
    skipped: tuple[str, ...]
    not_there: tuple[str, ...]
    notes: tuple[str, ...]
    texts: bool = False

    @property
    def changes(self) -> bool:
        """Whether anything is to be written."""
        return bool(self.new)

    @property
    def marked(self) -> tuple[str, ...]:
        """The ids that are marked by this adoption."""
        return tuple(migration.migration_id for migration, _ in self.new)


def adopt(
    conninfo: str,
    tool: Tool,
    migrations: Migrations,
    options: Options,
    *,
    files: Path | None = None,
    where: Where,
    gate: Gate[Adoption] = allow,
    observer: Observer = ignore,
) -> Adoption:
    """Mark what another tool has applied; nothing of its own is changed.

    `files` is the folder of its files, by which its checksums are compared; None looks where it keeps them. `gate` gets
    what would be done before anything is written; it raises to stop. Raises HistoryError where its table is not there
    or not to be trusted, or records a migration that failed half way.
    """
    layout = _layout(tool, files, migrations.directory)
    known = known_of(tool, migrations, layout)

    def look(connection: Connection, found: History) -> Adoption:
        place = tables.find(connection, tool, where)
        rows = tables.read(connection, tool, place, options.history_owners)
        told = tool.history.told(rows, known)
        if told.failed:
            hint = f"finish or undo it with {tool.label}, or repair its history; then run the command again"
            raise HistoryError(f"{told.failed[0]} failed half way, says {place}; nothing was marked", hint=hint)
        return adoption(tool, place, told, known, found)

    def write(connection: Connection, planned: Adoption) -> None:
        run = history.Run()
        for migration, row in planned.new:
            reason = f"{_applied(tool, row)}, says {planned.place}"
            commands = record(options.schema, migration, run, applied_at=row.applied_at, reason=reason)
            yoyo_tables.execute(connection, commands)

    return carry_out(conninfo, options, gate, observer, look, write)


def _applied(tool: Tool, row: Recorded) -> str:
    """Say what was recorded, for the log: it is written now, and this is about then."""
    at = f" at {row.applied_at:%Y-%m-%d %H:%M:%S} UTC" if row.applied_at else ""
    return f"applied by {tool.label}{at} as {row.label}"


def _layout(tool: Tool, files: Path | None, ours: Path) -> Layout | None:
    """Read the tool's own files where they are there; a named folder must be. `ours` holds none of them."""
    if tool.streams:
        if files is not None:
            raise UsageError(f"--files has no use for {tool.label}: its history has no checksums")
        return None
    try:
        usual = [name for name in tool.folders if Path(name).absolute() != ours.absolute()]
        folder = opened([files] if files else [], usual, label=tool.label, streams=False)
    except UsageError:
        if files is not None or tool.by_files:
            raise
        return None
    layout = tool.read(folder)
    if files is not None and not layout.migrations:
        raise UsageError(f"{files} holds no migrations of {tool.label}")
    return layout if layout.migrations else None


def known_of(tool: Tool, migrations: Migrations, layout: Layout | None) -> Known:
    """Say which of our files is which version of theirs: as an import names them."""
    items = layout.migrations if layout else ()
    named = dict(zip(ids.assigned(layout, migrations.by_id), items, strict=True)) if layout else {}
    versions: dict[str, str] = {}
    # of one that has taken the place of others, their history has those
    for name in (name for item in migrations.ordered for name in item.replaces or (item.migration_id,)):
        version = named[name].version if name in named else tool.version_of(name)
        if version is not None:
            versions.setdefault(version, name)
    return Known(versions, migrations, {item.version: item for item in items} if layout else None)


def adoption(tool: Tool, place: Place, told: Told, known: Known, found: History) -> Adoption:
    """Compare what their history says with the files and our history."""
    files = known.migrations
    here = {row.migration_id: row for row in found.applied}
    by_id = {known.versions[row.version]: row for row in told.applied if row.version in known.versions}
    ours, theirs = _standing(here, files), _standing(by_id, files, here)
    return Adoption(
        tool.label,
        place,
        tuple((files.named(name), row) for name, row in theirs.items() if name not in ours),
        tuple(name for name in theirs if name in ours),
        tuple(name for item in files.ordered if (name := item.migration_id) not in theirs and name not in ours),
        tuple(row.label for row in told.applied if _stands_for(row, known) not in theirs),
        tuple(_edited(by_id.items(), known)),
        tuple(known.versions.get(version, version) for version in told.skipped),
        tuple(
            row.migration_id
            for row in found.applied
            if row.marked and row.migration_id in known.versions.values() and row.migration_id not in by_id
        ),
        (*told.notes, *_unchecked(told, known)),
        tool.history.texts is not None,
    )


def _stands_for(row: Recorded, known: Known) -> str | None:
    """Return our migration that a row is of, if one is."""
    name = known.versions.get(row.version)
    return None if name is None else known.migrations.replaced.get(name, name)


def _standing(rows: Mapping[str, T], files: Migrations, others: Collection[str] = ()) -> dict[str, T]:
    """Return rows by ids, where a migration that has taken the place of others stands for them once all are applied.

    Of those that it has replaced, `others` are applied, too. Without one of them it does not stand for the rest, which
    then have no file.
    """
    found: dict[str, T] = {}
    for name, row in rows.items():
        now = files.replaced.get(name, name)
        item = files.get(now)
        if item is not None and now != name and not all(old in rows or old in others for old in item.replaces):
            continue
        found.pop(now, None)
        found[now] = row  # with the last of them it is complete
    return found


def _edited(theirs: Iterable[tuple[str, Recorded]], known: Known) -> Iterator[str]:
    for name, row in theirs:
        item = known.theirs.get(row.version) if known.theirs else None
        if item and row.checksum and item.checksums and row.checksum not in item.checksums:
            yield name


def _unchecked(told: Told, known: Known) -> Iterator[str]:
    if known.theirs is None and any(row.checksum for row in told.applied):
        yield "its own files are not here, so its checksums were not compared: name their folder with --files"
