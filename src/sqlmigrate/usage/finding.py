"""Find when an object was last used, and by what; evidence is only what is evidence.

pg_stat_statements keeps no time of the last call, so each statement since the last reset counts. Tables and indexes
keep the time of their last scan from PostgreSQL 16 on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlmigrate.files.patterns import NOTHING
from sqlmigrate.sql.scan import leading_words
from sqlmigrate.sql.statement.mentions import holds_word, mentions_of
from sqlmigrate.sql.statement.plpgsql import without_comments
from sqlmigrate.usage.model import Use, said

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import datetime

    from sqlmigrate.files.patterns import Hidden
    from sqlmigrate.sql.statement.mentions import Mentions
    from sqlmigrate.sql.statement.names import Named
    from sqlmigrate.usage.counted import Counted, Row
    from sqlmigrate.usage.found import Catalog, Object

_SCANNED = frozenset({"table", "materialized view"})
_SHOWN = 100  # characters of a statement
_NO_VALUES = frozenset({"select", "insert", "update", "delete", "merge", "with", "values", "table"})


@dataclass(slots=True)
class _Evidence:
    """What is gathered for one object."""

    used_by: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    has_backup: bool = False


def find_use(
    catalog: Catalog,
    item: Object,
    counted: Counted | str,
    *,
    start: datetime,
    spared: Collection[Named] = (),
    hidden: Hidden = NOTHING,
) -> Use:
    """Find what has used an object since `start`.

    `counted` is a sentence where nothing is counted. What is in `spared` (views and functions that the script drops or
    replaces itself) does not count. Statements that a pattern of `hidden` finds are not shown.
    """
    found = _Evidence()
    statements = since = None
    if item.kind == "index":
        _index(catalog, item, start, found)
        since = catalog.counters["since"]
    else:
        if isinstance(counted, str):
            found.unknown.append(counted)
        else:
            statements, since = len({row.text for row in counted.rows}), counted.since
            _statements(item, counted, start, hidden, found)
        _scans(catalog, item, start, found)
        found.used_by += _dependents(catalog, item, spared)
        found.used_by += _bodies(catalog, item, spared)
    if catalog.counters["replicas"]:
        found.notes.append(
            f"what was sent to replicas is not counted here ({catalog.counters['replicas']:,} connected)"
        )
    return _concluded(item, found, statements, since, catalog.counters["read_at"])


def find_in_statements(item: Object, counted: Counted, *, start: datetime, hidden: Hidden = NOTHING) -> Use:
    """Find what has used an object by the statements alone, where no database can be asked what else there is."""
    found = _Evidence()
    _statements(item, counted, start, hidden, found)
    found.notes.append("views, functions and scans are not known without the target")
    return _concluded(item, found, len({row.text for row in counted.rows}), counted.since, counted.read_at)


def _concluded(
    item: Object, found: _Evidence, statements: int | None, since: datetime | None, read_at: datetime
) -> Use:
    used_by, unknown = tuple(found.used_by), tuple(found.unknown)
    days = (read_at - since) / timedelta(days=1) if since else 0.0
    return Use(
        object=str(item),
        line=item.removed.line,
        verdict="used" if used_by else "unknown" if unknown else "unused",
        said=said(str(item), used_by, unknown, statements, days),
        used_by=used_by,
        unknown=unknown,
        notes=tuple(found.notes),
        statements=statements,
        since=since.isoformat(timespec="seconds") if since else None,
    )


def _statements(item: Object, counted: Counted, start: datetime, hidden: Hidden, found: _Evidence) -> None:
    for row in sorted(counted.rows, key=lambda row: -row.calls):
        if not _may_name(item, row.text):
            continue
        mentions = mentions_of(row.text)
        if mentions is None:
            if all(holds_word(row.text, word) for word in (item.word, item.names[0].name)):
                found.used_by.append(f"{_said(row, hidden)}, which cannot be read in full, holds its name")
        elif _is_used(item, mentions):
            found.has_backup |= mentions.backup
            if not mentions.backup:
                found.used_by.append(_said(row, hidden))
    found.unknown += _doubts(counted, start)
    if found.has_backup:
        found.notes.append("COPY as pg_dump sends it names it, and does not count")
    if counted.track != "all":
        found.notes.append("statements inside functions are not counted (pg_stat_statements.track = top)")
    if not counted.utility:
        found.notes.append("CALL and COPY are not counted (pg_stat_statements.track_utility = off)")


def _may_name(item: Object, text: str) -> bool:
    """Whether it is worth to parse a text: its name stands in it, or a name is written in escapes."""
    lower = text.lower()
    return "u&" in lower or any(name.name.lower().replace('"', '""') in lower for name in item.names)


def _is_used(item: Object, mentions: Mentions) -> bool:
    if item.kind == "function":
        return any(mentions.uses_routine(name) for name in item.names)
    if item.column:
        return mentions.uses_column(item.names, item.column)
    return mentions.uses_relation(item.names)


def _said(row: Row, hidden: Hidden) -> str:
    """Show a statement; of one that may still hold values, only what it is."""
    words = leading_words(row.text, 1)
    if hidden.hides(row.text):
        text = "a statement hidden by workload_hide"
    elif words and words[0] in _NO_VALUES:
        flat = " ".join(row.text.split())
        text = flat if len(flat) <= _SHOWN else f"{flat[: _SHOWN - 1]}…"
    else:
        text = f"a {words[0].upper() if words else 'utility'} statement"
    role = f" by role {row.role}" if row.role else ""
    calls = f"{row.calls:,} call{'' if row.calls == 1 else 's'}{role} of " if row.calls else ""
    return f"{calls}{text}"


def _doubts(counted: Counted, start: datetime) -> Iterator[str]:
    """Yield why the statements that were counted do not tell what was not sent."""
    if not counted.collects:
        yield "pg_stat_statements counts nothing now (its track is none, or compute_query_id is off)"
    if counted.unread:
        yield f"the texts of {counted.unread:,} statements cannot be read: the role needs pg_read_all_stats"
    if counted.cut:
        yield f"{counted.cut:,} statements are too long to be read in full"
    if counted.since is None:
        yield "it is not known since when statements are counted"
    elif counted.since > start:
        yield f"statements are counted only since {_time(counted.since)}"
    if counted.evicted is None:
        yield "whether statements were thrown out is not known: ALTER EXTENSION pg_stat_statements UPDATE"
    elif counted.evicted:
        yield f"statements were thrown out {counted.evicted:,} times to make room: raise pg_stat_statements.max"


def _index(catalog: Catalog, item: Object, start: datetime, found: _Evidence) -> None:
    """Look at the scans of an index, since no statement names it."""
    scans = sum(row["scans"] for row in item.counters)
    last = _latest(row["last_scan"] for row in item.counters)
    since = catalog.counters["since"]
    if not catalog.counters["counts"]:
        found.unknown.append("nothing is counted now (track_counts is off)")
    if last is not None:
        if last >= start:
            found.used_by.append(f"{_scans_in_words(scans)}, the last at {_time(last)}")
    elif scans and since and since >= start:
        found.used_by.append(f"{_scans_in_words(scans)} since {_time(since)}")
    elif scans:
        began = f" since {_time(since)}" if since else ""
        found.unknown.append(f"{_scans_in_words(scans)}{began}, and before 16 PostgreSQL does not keep when")
    if since is None:
        found.unknown.append("it is not known since when scans are counted")
    elif since > start and not found.used_by:
        found.unknown.append(f"scans are counted only since {_time(since)}")


def _scans(catalog: Catalog, item: Object, start: datetime, found: _Evidence) -> None:
    """Look at the scans of a table that no statement names: a function, a foreign key or a backup may make them."""
    if item.kind not in _SCANNED or found.used_by or (item.removed.how != "drops" and not item.is_partition):
        return
    rows = item.counters
    plain = 0 if found.has_backup else sum(row["scans"] for row in rows)
    scans = plain + sum(row["index_scans"] for row in rows)
    last = _latest([
        *(row["last_index_scan"] for row in rows),
        *(() if found.has_backup else (row["last_scan"] for row in rows)),
    ])  # fmt: skip
    since = catalog.counters["since"]
    if last is not None and last >= start:
        by = "which no statement explains: a function, a foreign key or a backup may have made it"
        found.used_by.append(f"{_scans_in_words(scans)}, the last at {_time(last)}, {by}")
    elif last is None and scans and since and since >= start:
        found.used_by.append(f"{_scans_in_words(scans)} since {_time(since)}, which no statement explains")
    elif last is None and scans:
        found.notes.append(f"{_scans_in_words(scans)}, and before 16 PostgreSQL does not keep when")


def _dependents(catalog: Catalog, item: Object, spared: Collection[Named]) -> Iterator[str]:
    """Yield what PostgreSQL itself knows to depend on it; a rename does no harm to that."""
    if item.removed.how != "drops":
        return
    kind = "pg_catalog.pg_proc" if item.kind == "function" else "pg_catalog.pg_class"
    values = {"class": kind, "oids": list(item.oids[:1] if item.column else item.oids), "column": item.number}
    for row in catalog.rows("dependents", **values):
        if not _is_spared(row, spared):
            yield f"{row['view'] or row['described']} depends on it"


def _bodies(catalog: Catalog, item: Object, spared: Collection[Named]) -> Iterator[str]:
    """Yield the functions in whose text it is named: PostgreSQL does not know of these."""
    for row in catalog.rows("bodies", name=item.word, oids=list(item.oids) if item.number else []):
        if _is_spared(row, spared) or (item.kind == "function" and row["name"] == item.word):
            continue
        body = without_comments(row["body"])
        if not holds_word(body, item.word):
            continue
        if not item.column or row["fires"] or any(holds_word(body, name.name) for name in item.names):
            yield f"function {row['schema']}.{row['name']} names it"


def _is_spared(row: dict[str, Any], spared: Collection[Named]) -> bool:
    return any(item.name == row["name"] and item.schema in ("", row["schema"]) for item in spared)


def _latest(times: Iterable[datetime | None]) -> datetime | None:
    return max((item for item in times if item is not None), default=None)


def _scans_in_words(number: int) -> str:
    return f"{number:,} scan{'' if number == 1 else 's'}"


def _time(value: datetime) -> str:
    return value.isoformat(sep=" ", timespec="seconds")
