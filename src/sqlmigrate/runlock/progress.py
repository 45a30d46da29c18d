"""How far a script is: the statement at work, and what PostgreSQL reports of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlmigrate.events import AtWork, Progress

if TYPE_CHECKING:
    from sqlmigrate.sql.script import Script, Statement

Row = tuple[str | None, ...]

_READ_MAX = 1 << 18  # characters of a script that is read once more while it runs
_TEXT_MAX = 200
_SHOWN_LEAST = 90  # track_activity_query_size is 100 bytes or more: a shorter text was not cut, but for its end
# before less time and work than this, an estimate of the time left says nothing
_PACE_SECONDS, _PACE_FRACTION = 0.9, 0.005


@dataclass(slots=True)
class Pace:
    """Estimates the time that is left in a phase from how it went since it was first seen."""

    _phase: tuple[str | None, ...] = ()
    _since: float = 0.0
    _first: float = 0.0

    def left(self, work: AtWork, now: float) -> float | None:
        """Return the seconds that are left, where that can be estimated."""
        phase = (work.command, work.phase, work.relation)
        fraction = work.fraction
        if fraction is None:
            self._phase = ()
            return None
        if phase != self._phase or fraction < self._first:
            self._phase, self._since, self._first = phase, now, fraction
        gained, seconds = fraction - self._first, now - self._since
        if gained < _PACE_FRACTION or seconds < _PACE_SECONDS:
            return None
        return (1 - fraction) * seconds / gained


@dataclass(slots=True)
class Followed:
    """A script that runs, the `number`th of `total`, since `began` (of time.monotonic)."""

    migration_id: str = ""
    script: Script | None = None
    number: int = 1
    total: int = 1
    began: float = 0.0
    _statements: list[Statement] | None = None
    _pace: Pace = field(default_factory=Pace)

    def progress(self, work: AtWork, now: float) -> Progress:
        """Say how far it is."""
        if self._statements is None:
            self._statements = statements_of(self.script)
        found = at_work_in(self._statements, work.query)
        statement = found[0] if len(found) == 1 else None
        return Progress(
            self.migration_id,
            self.number,
            self.total,
            now - self.began,
            work,
            statement=statement.number if statement else None,
            statements=len(self._statements) or None,
            text=(work.query or "")[:_TEXT_MAX] if found or not self._statements else None,
            place=self.script.place(statement) if self.script and statement else None,
            seconds_left=self._pace.left(work, now),
        )


def statements_of(script: Script | None) -> list[Statement]:
    """Return the statements of a script, none of a large one: to read it takes too long while it runs."""
    if script is None or script.text is None or len(script.text) > _READ_MAX:
        return []
    return list(script.readable_statements())


def at_work_in(statements: list[Statement], query: str | None) -> list[Statement]:
    """Return the statements that a session may be at, by the text that PostgreSQL shows of it.

    What has come back tells less: the server keeps its answers until a pipeline ends.
    """
    if not query:
        return []
    same = [item for item in statements if item.text == query]
    if same or len(query) < _SHOWN_LEAST:
        return same
    return [item for item in statements if item.text.startswith(query)]


def at_work(row: Row) -> AtWork:
    """Read a row of the query `at_work`."""
    seconds, wait_type, wait, command, phase, relation, done, total, unit, *counts, query = row
    rows_done, rows_total, parts_done, parts_total, lockers_done, lockers_total, rows, size = map(_integer, counts)
    counted = _counted(
        phase or "",
        (_integer(done), _integer(total), unit or "blocks"),
        (rows_done, rows_total, "rows"),
        (lockers_done, lockers_total, "sessions"),
    )
    return AtWork(
        seconds=float(seconds) if seconds is not None else None,
        wait=f"{wait_type}: {wait}" if wait and wait_type not in {"Client", "Activity"} else None,
        command=command,
        phase=phase,
        relation=relation,
        done=counted[0],
        total=counted[1] or None,
        unit=counted[2],
        parts_done=parts_done or 0,
        parts_total=parts_total or 0,
        rows=rows if rows is not None and rows >= 0 else None,
        size=size,
        query=query,
    )


_Count = tuple[int | None, int | None, str]


def _counted(phase: str, blocks: _Count, rows: _Count, lockers: _Count) -> _Count:
    """Choose what a phase is counted in.

    A build keeps the counts of the phases before: the blocks that it has scanned while it loads tuples, and the
    sessions that it has waited for while it scans.
    https://www.postgresql.org/docs/current/progress-reporting.html
    """
    if phase.startswith("waiting for"):
        return lockers
    if "tuples" in phase:
        return rows
    return blocks if blocks[1] or not rows[0] else rows  # COPY counts rows a thousand at a time, bytes as they come


def _integer(value: str | None) -> int | None:
    return None if value is None else int(value)
