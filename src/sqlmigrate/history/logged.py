"""Read the log: who did what, when and from where."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime  # noqa: TC003  rows are held against the types of their fields
from typing import TYPE_CHECKING

from sqlmigrate.connection import careful, typed_row
from sqlmigrate.errors import HistoryError
from sqlmigrate.history import trust
from sqlmigrate.history.names import compose, ours
from sqlmigrate.history.tables import read

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlmigrate.connection import Connection

_READ = ("_yoyo_log", "log")
"""What is to be there for our query."""


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which rows of the log are wanted: all of them where a part is None; `most` counts from the newest."""

    migration_id: str | None = None
    operation: str | None = None
    since: str | None = None
    until: str | None = None
    most: int | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class LogRow:
    """One operation: when (UTC), what, by whom, from where, as which role, how long in milliseconds, and why.

    What yoyo wrote has no roles, no duration and no tool version.
    """

    at: datetime
    operation: str
    migration_id: str | None
    login_role: str | None
    script_role: str | None
    username: str | None
    hostname: str | None
    client_address: str | None
    duration_ms: int | None
    run_id: str | None
    checksum: str | None
    sha256: str | None
    server_version: str | None
    tool_version: str | None
    reason: str | None


@careful()
def read_log(connection: Connection, schema: str, wanted: LogFilter, *, owners: Collection[str] = ()) -> list[LogRow]:
    """Read who did what, oldest first; raises what `read` raises, and HistoryError where there is no history yet."""
    if read(connection, schema, owners=owners).version is None:
        raise HistoryError(
            f"there is no history in schema {schema} yet",
            hint="the first `sqlmigrate apply` or `sqlmigrate mark` creates it; history_schema names another schema",
        )
    tables, query = ours(schema, owners), compose("log_rows", schema, with_values=True)
    values, factory = asdict(wanted), typed_row(LogRow)
    rows, _ = trust.read(connection, tables, query, values, locked=_READ, row_factory=factory)
    return rows[::-1]
