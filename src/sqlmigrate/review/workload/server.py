"""Read what the target's pg_stat_statements knows of the application; nothing is written there."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from sqlmigrate import connection as connections
from sqlmigrate.files.patterns import Hidden
from sqlmigrate.review.workload.queries import LONGEST, LeftOut, Query, Use, Workload, busiest, is_asked
from sqlmigrate.review.workload.sizes import read_sizes
from sqlmigrate.sql.statement.names import relations_in
from sqlmigrate.usage.counted import read_counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from sqlmigrate.connection import Connection
    from sqlmigrate.review.workload.sizes import Sizes
    from sqlmigrate.usage.counted import Counted, Row

_LIMITS = (500, 30_000)  # milliseconds
_MONITORING = "monitoring and tools (they read PostgreSQL's own catalogs alone)"
_CATALOGS = frozenset({"pg_catalog", "information_schema"})
_MAY_WATCH = re.compile(r"pg_|information_schema", re.IGNORECASE)


def read_workload(connection: Connection, *, name: str, history_schema: str, hidden: Collection[str] = ()) -> Workload:
    """Read the statements of a database; `name` is its description, `hidden` are patterns of what does not leave it.

    Left out are utility statements, those of monitoring (they read PostgreSQL's own catalogs alone) and our own. Raises
    Error where there is no pg_stat_statements that could be read, and psycopg's errors.
    """

    def read() -> tuple[Counted, Sizes | None]:
        return read_counted(connection, longest=LONGEST + 1), read_sizes(connection)

    counted, sizes = connections.look(connection, read, limits=_LIMITS)
    kept, left = _sorted_out(_gathered(counted.rows), history_schema, Hidden(hidden))
    found, rest = busiest(kept)
    since, read_at = counted.since, counted.read_at
    return Workload(
        source=f"pg_stat_statements of {name}",
        queries=found,
        left_out=(*left, *rest, *_beyond(counted)),
        read_at=read_at.isoformat(timespec="seconds"),
        since=since.isoformat(timespec="seconds") if since else None,
        seconds=max((read_at - since).total_seconds(), 1.0) if since else None,
        track=counted.track,
        evicted=counted.evicted,
        unread=counted.unread,
        sizes=sizes,
    )


def _beyond(counted: Counted) -> Iterator[LeftOut]:
    statements, calls = counted.beyond
    if statements:
        yield LeftOut("too long, all statements together", statements, calls)


def _gathered(rows: Iterable[Row]) -> list[Query]:
    """Put the roles that have sent one text together."""
    uses: defaultdict[str, list[Use]] = defaultdict(list)
    for row in rows:
        uses[row.text].append(Use(row.role, row.calls, row.total))
    return [Query(text, tuple(found), normalized=True) for text, found in uses.items()]


def _sorted_out(found: Iterable[Query], history_schema: str, hidden: Hidden) -> tuple[list[Query], list[LeftOut]]:
    kept: list[Query] = []
    left: defaultdict[str, list[Query]] = defaultdict(list)
    for query in found:
        why = _why_not(query.text, history_schema, hidden)
        (left[why] if why else kept).append(query)
    return kept, [LeftOut(why, len(items), sum(item.calls for item in items)) for why, items in left.items()]


def _why_not(text: str, history_schema: str, hidden: Hidden) -> str | None:
    """Say why a statement is none of the application's, or must not leave the server."""
    if len(text) > LONGEST or not is_asked(text):
        return None  # whoever takes the busiest leaves it out
    if hidden.hides(text):
        return "hidden by workload_hide"
    if "pg_stat_statements" in text:
        return _MONITORING
    if not (_MAY_WATCH.search(text) or history_schema in text):
        return None
    read = relations_in(text)
    others = [item for item in read if item.schema != history_schema]
    reads_ours = len(others) < len(read) if read else "pg_catalog." in text
    if reads_ours and all(item.schema in _CATALOGS for item in others):
        return "statements of sqlmigrate"
    if read and all(item.schema in _CATALOGS or (not item.schema and item.name.startswith("pg_")) for item in read):
        return _MONITORING
    return None
