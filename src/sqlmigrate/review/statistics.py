"""How large and how busy the tables of the target are: read from it, or from a file that was written where one may."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row

from sqlmigrate import connection as connections
from sqlmigrate import queries
from sqlmigrate.errors import Error, Place
from sqlmigrate.files import read_json, record
from sqlmigrate.review.columns import ColumnFigures
from sqlmigrate.review.figures import in_bytes, in_words
from sqlmigrate.review.model import TableSize, Target
from sqlmigrate.shadow import from_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sqlmigrate.connection import Connection
    from sqlmigrate.review.columns import Columns
    from sqlmigrate.review.workload.queries import Workload
    from sqlmigrate.shadow import Settings

VERSION = 2
_READABLE = (1, VERSION)  # 1 may be without settings
_LIMITS = (500, 30_000)  # milliseconds
_AN_HOUR = 3600.0  # seconds; an average over less would call a load of data a moment ago traffic


def read_statistics(connection: Connection, *, name: str, history_schema: str) -> Target:
    """Read the figures of a database in one transaction that writes nothing; `name` is its description.

    No lock is waited for longer than a moment. Raises psycopg's errors.
    """

    def read() -> tuple[dict[str, Any], list[dict[str, Any]]]:
        asked = queries.load("review")
        with connection.cursor(row_factory=dict_row) as cursor:
            found = cursor.execute(asked["figures"]).fetchone() or {}
            return found, cursor.execute(asked["sizes"], {"leave_out": history_schema}).fetchall()

    found, rows = connections.look(connection, read, limits=_LIMITS)
    seconds = max((found["read_at"] - found["since"]).total_seconds(), _AN_HOUR)
    return Target(
        name=name,
        version=found["version"],
        source="the target",
        read_at=found["read_at"].isoformat(timespec="seconds"),
        since=found["since"].isoformat(timespec="seconds"),
        oldest_transaction=found["seconds"],
        oldest_transaction_of=found["who"],
        tables=tuple(_size(row, seconds) for row in rows),
    )


def _size(row: dict[str, Any], seconds: float) -> TableSize:
    rates = (None if row[key] is None else row[key] / seconds for key in ("writes", "index_scans", "scans"))
    return TableSize(row["name"], row["rows"], row["size"], *rates)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a file of `sqlmigrate stats` holds; one of an earlier version has no settings."""

    target: Target
    settings: Settings | None = None
    columns: Columns = field(default_factory=dict)


def as_json(
    target: Target, settings: Settings, columns: Columns | None = None, workload: Workload | None = None
) -> dict[str, Any]:
    """Return the figures, the settings and the statements of a database as a file holds them.

    Of a column these are its nulls and its distinct values.
    """
    kept = {
        table: {name: [column.nulls, column.distinct] for name, column in several.items()}
        for table, several in (columns or {}).items()
    }
    head = {"version": VERSION, "command": "stats"}
    found = {**head, "target": asdict(target), "settings": settings.as_json(), "columns": kept}
    return found | ({"workload": workload.as_json()} if workload else {})


def from_file(path: Path) -> Figures:
    """Read figures that `sqlmigrate stats` has written; raises Error where it is no such file."""
    try:
        found: Any = read_json(path, pipe=True, anywhere=True)  # the user names it
        kind = (found["command"], found["version"])
        tables = tuple(record(TableSize, item) for item in found["target"].pop("tables"))
        target = record(Target, found["target"] | {"tables": tables})
        settings = from_json(found["settings"]) if "settings" in found else None
        columns = {
            table: {name: ColumnFigures(float(nulls), float(distinct)) for name, (nulls, distinct) in several.items()}
            for table, several in found.get("columns", {}).items()
        }
    except OSError as error:
        raise Error(f"cannot be read: {error.strerror}", place=Place(path)) from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _unreadable(path, str(error)) from None
    if kind[0] != "stats" or kind[1] not in _READABLE:
        raise _unreadable(path, f"it is of {kind[0]!r}, version {kind[1]}")
    return Figures(replace(target, source=path.name), settings, columns)


def _unreadable(path: Path, reason: str) -> Error:
    hint = "write it again with `sqlmigrate stats --output FILE`"
    return Error(f"is not a file of `sqlmigrate stats`: {reason}", place=Place(path), hint=hint)


def described(table: TableSize) -> str:
    """Say how large and how busy a table is, such as `120 M rows, 48 GiB, 830 writes/s`."""
    rows = "an unknown number of rows" if table.rows is None else f"{in_words(table.rows)} rows"
    often = ((table.writes, "writes/s"), (reads(table), "reads/s"))
    rates = "".join(f", {in_words(round(rate))} {what}" for rate, what in often if rate and rate >= 1)
    return f"{rows}, {in_bytes(table.size)}{rates}"


def reads(table: TableSize) -> float:
    """Say how often a table is read in a second, by an index or from end to end."""
    return (table.index_scans or 0.0) + (table.scans or 0.0)


def relevant(target: Target, names: Iterable[str]) -> Target:
    """Keep only the tables of these names."""
    wanted = set(names)
    return replace(target, tables=tuple(table for table in target.tables if table.name in wanted))
