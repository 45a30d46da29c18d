"""From yoyo to us and back: take over what yoyo has applied, and copy our history to where yoyo looks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlmigrate import history
from sqlmigrate.connection import Command, allow
from sqlmigrate.engine.adopting import carry_out, record
from sqlmigrate.errors import HistoryError, UsageError
from sqlmigrate.events import ignore
from sqlmigrate.history import yoyo_tables
from sqlmigrate.history.names import ours as tables_of
from sqlmigrate.history.yoyo_tables import FIRST, YoyoTable
from sqlmigrate.migrations import in_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from sqlmigrate.connection import Connection, Gate
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.history import Applied, History
    from sqlmigrate.history.yoyo_tables import Row, Where
    from sqlmigrate.migrations import Migration, Migrations

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Adoption:
    """What yoyo's table says, against the files and our history.

    `new` are to be marked, in yoyo's order of application; `already` we had; `pending` nobody has applied;
    `without_file` only yoyo knows; `not_in_yoyo` are marked here, but yoyo does not have them (any more).
    """

    place: YoyoTable
    new: tuple[tuple[Migration, Row], ...]
    already: tuple[str, ...]
    pending: tuple[str, ...]
    without_file: tuple[str, ...]
    not_in_yoyo: tuple[str, ...]

    @property
    def changes(self) -> bool:
        """Whether anything is to be written."""
        return bool(self.new)

    @property
    def marked(self) -> tuple[str, ...]:
        """The ids that are marked by this adoption."""
        return tuple(migration.migration_id for migration, _ in self.new)


@dataclass(frozen=True, slots=True)
class Copy:
    """What is to be changed in yoyo's table so that it says what our history says.

    `times` are rows that are there with another time; `only_yoyo` are ids that yoyo applied and we do not know: they
    stay.
    """

    place: YoyoTable
    added: tuple[tuple[Applied, datetime], ...]
    times: tuple[tuple[Applied, datetime], ...]
    removed: tuple[Row, ...]
    unchanged: int
    only_yoyo: tuple[str, ...]

    @property
    def changes(self) -> bool:
        """Whether anything is to be written."""
        return bool(self.added or self.times or self.removed or not self.place.exists)


def adopt(
    conninfo: str,
    migrations: Migrations,
    options: Options,
    *,
    where: Where,
    gate: Gate[Adoption] = allow,
    observer: Observer = ignore,
) -> Adoption:
    """Mark what yoyo has applied, in its order and with its times; nothing of yoyo's is changed.

    `gate` gets what would be done before anything is written; it raises to stop.
    """
    owners = options.history_owners

    def look(connection: Connection, found: History) -> Adoption:
        place = yoyo_tables.source(connection, options.schema, owners, where)
        yoyo_tables.require_idle(connection, place, owners)
        return _adoption(place, yoyo_tables.rows(connection, place, owners), migrations, found)

    def write(connection: Connection, planned: Adoption) -> None:
        run = history.Run()
        for migration, row in planned.new:
            at = f" at {row.applied_at_utc:%Y-%m-%d %H:%M:%S} UTC" if row.applied_at_utc else ""
            reason = f"applied by yoyo{at}, says {planned.place}"
            commands = record(options.schema, migration, run, applied_at=row.applied_at_utc, reason=reason)
            yoyo_tables.execute(connection, commands)

    return carry_out(conninfo, options, gate, observer, look, write)


def copy_back(
    conninfo: str,
    options: Options,
    *,
    where: Where,
    gate: Gate[Copy] = allow,
    observer: Observer = ignore,
) -> Copy:
    """Write what our history says into yoyo's table, which is made where it is missing.

    What we rolled back is taken out there; what only yoyo knows stays.
    """
    owners = options.history_owners

    def look(connection: Connection, found: History) -> Copy:
        if found.version is None:
            raise UsageError(f"there is no history in schema {options.schema} that could be copied to yoyo")
        if found.half_way:
            name = found.half_way[0].migration_id
            hint = "finish it first, with `sqlmigrate apply` or `sqlmigrate rollback`"
            raise HistoryError(f"{name} stopped half way, which yoyo's tables cannot record", hint=hint)
        place = yoyo_tables.destination(connection, options.schema, owners, where)
        yoyo_tables.require_idle(connection, place, owners)
        undone = yoyo_tables.undone(connection, tables_of(options.schema, owners))
        return _copy(place, yoyo_tables.rows(connection, place, owners), found, undone)

    def write(connection: Connection, planned: Copy) -> None:
        with yoyo_tables.writing(connection, planned.place, owners):
            yoyo_tables.execute(connection, _copying(planned))

    return carry_out(conninfo, options, gate, observer, look, write)


def _adoption(place: YoyoTable, rows: Iterable[Row], migrations: Migrations, found: History) -> Adoption:
    files = {migration.migration_hash: migration for migration in migrations.ordered}
    at = {key: number for number, key in enumerate(files)}
    ours = {row.migration_hash for row in found.applied}

    def order(row: Row) -> tuple[bool, datetime, int, str]:
        """Order as yoyo does, by time with NULL last; rows of one time as the files are ordered."""
        known = at.get(row.migration_hash, len(at))
        return row.applied_at_utc is None, row.applied_at_utc or FIRST, known, row.migration_hash

    theirs = {row.migration_hash: row for row in sorted(rows, key=order)}
    known = [(files[key], row) for key, row in theirs.items() if key in files]
    waiting = (item for key, item in files.items() if key not in theirs and key not in ours)
    gone = [row.migration_id for row in found.applied if row.marked and row.migration_hash not in theirs]
    return Adoption(
        place,
        tuple((migration, row) for migration, row in known if row.migration_hash not in ours),
        tuple(migration.migration_id for migration, row in known if row.migration_hash in ours),
        tuple(migration.migration_id for migration in in_order(waiting, migrations.order)),
        tuple(str(row) for key, row in theirs.items() if key not in files),
        tuple(gone),
    )


def _copy(place: YoyoTable, rows: Iterable[Row], found: History, undone: dict[str, datetime]) -> Copy:
    theirs = {row.migration_hash: row for row in rows}
    ours = list(_rising(found.applied))
    added = [item for item in ours if item[0].migration_hash not in theirs]
    there = [item for item in ours if item[0].migration_hash in theirs]
    times = [(row, at) for row, at in there if theirs[row.migration_hash].applied_at_utc != at]
    removed: list[Row] = []
    only_yoyo: list[str] = []
    for key in theirs.keys() - {row.migration_hash for row, _ in ours}:
        row = theirs[key]
        # yoyo may have applied it again after we rolled it back
        if key in undone and (row.applied_at_utc or FIRST) <= undone[key]:
            removed.append(row)
        else:
            only_yoyo.append(str(row))
    unchanged = len(there) - len(times)
    return Copy(place, tuple(added), tuple(times), tuple(sorted(removed, key=str)), unchanged, tuple(sorted(only_yoyo)))


def _rising(rows: Iterable[Applied]) -> Iterator[tuple[Applied, datetime]]:
    """Yield each row with a time for yoyo, which knows the order of application by its times only; ours is a number."""
    last = FIRST
    for row in rows:
        last = max(row.applied_at or FIRST, last + _MICROSECOND)
        yield row, last


def _copying(planned: Copy) -> list[Command]:
    """Return the commands that write into yoyo's tables."""
    place, run = planned.place, history.Run()
    put, take = yoyo_tables.text("put", place), yoyo_tables.text("take", place)
    changed = (*planned.added, *planned.times)
    commands = [Command(put, (row.migration_hash, row.migration_id, at.isoformat(sep=" "))) for row, at in changed]
    commands += [Command(take, (row.migration_hash,)) for row in planned.removed]
    said = [(row.migration_id, "mark") for row, _ in planned.added] + [(str(row), "unmark") for row in planned.removed]
    for name, operation in said:
        # the first command alone, the row of yoyo's log: ours has nothing new to tell
        commands += history.log(place.schema, name, operation, run, reason="copied from the history of sqlmigrate")[:1]
    return commands
