"""Severities by what is known of the target's tables: both ways, by the scale of each rule."""

from __future__ import annotations

import pytest

from sqlmigrate.config import Config
from sqlmigrate.review import severity
from sqlmigrate.review.model import Hazard, TableSize
from sqlmigrate.review.severity import Known, Limits, weighed

LARGE = TableSize("s.large", 80_000_000, 20 << 30, 5.0, 10.0, 0.0)
BUSY = TableSize("s.busy", 50_000, 30 << 20, 900.0, 10.0, 0.0)
READ = TableSize("s.read", 50_000, 30 << 20, 0.0, 3_000.0, 0.0)
MIDDLE = TableSize("s.middle", 50_000, 30 << 20, 5.0, 10.0, 0.0)
SMALL = TableSize("s.small", 12, 16 << 10, 0.0, 3.0, 5.0)
QUEUE = TableSize("s.queue", 12, 16 << 10, 2_000.0, 3.0, 5.0)
EMPTY = TableSize("s.empty", 0, 8 << 10, 0.0, 0.0, 0.0)
FILLING = TableSize("s.filling", 0, 8 << 10, 3.0, 0.0, 0.0)
NEVER = TableSize("s.never", None, 5 << 30, None, None, None)
UNKNOWN_SMALL = TableSize("s.unknown_small", None, 8 << 10, None, None, None)
TABLES = (LARGE, BUSY, READ, MIDDLE, SMALL, QUEUE, EMPTY, FILLING, NEVER, UNKNOWN_SMALL)
KNOWN = Known({table.name: table for table in TABLES}, frozenset({"s.new"}))
BASE = {"work": "danger", "lock": "warning", "use": "warning", "rows": "danger"}


def hazard(level: str, *names: str) -> Hazard:
    return Hazard("H00", "x", "x", level, 1, 1, "seen", "blocks", "instead", "page", relations=names)


@pytest.fixture
def judge(monkeypatch):
    """Weigh a hazard of a scale on tables."""

    def judge(scale: str, *names: str, known: Known = KNOWN, rollback: bool = False) -> Hazard:
        monkeypatch.setattr(severity, "scale_of", lambda _: scale)
        [found] = weighed([hazard(BASE.get(scale, "danger"), *names)], known, rollback=rollback)
        return found

    return judge


WEIGHED = {
    "work": "danger large, danger busy, danger middle, note small, warning queue, note empty, danger never, "
    "note unknown_small, note new, danger nobody_knows",
    "lock": "warning large, danger busy, danger read, warning middle, note small, danger queue, note empty, "
    "warning unknown_small, note new, warning nobody_knows",
    "use": "danger large, danger busy, danger read, warning middle, warning small, danger queue, note empty, "
    "warning filling, danger never, warning unknown_small, note new, warning nobody_knows",
    "rows": "danger large, danger small, note empty, danger filling, danger unknown_small, note new",
}


@pytest.mark.parametrize(("scale", "tables"), WEIGHED.items(), ids=WEIGHED)
def test_each_scale_raises_and_lowers(judge, scale, tables):
    for expected, name in (item.split() for item in tables.split(", ")):
        assert (name, judge(scale, f"s.{name}").severity) == (name, expected)


def test_one_table_raises_and_only_all_of_them_lower(judge):
    assert judge("lock", "s.small", "s.busy").raised == "s.busy has 50 k rows, 30 MiB, 900 writes/s, 10 reads/s"
    assert judge("work", "s.small", "s.empty", "s.new").lowered == "s.small has 12 rows, 16 KiB, 8 reads/s"
    assert judge("work", "s.small", "s.middle").severity == "danger"
    assert judge("work", "s.small", "s.nobody_knows").severity == "danger"
    assert judge("work", "s.new").lowered == "the target does not have s.new yet"


def test_what_names_no_table_or_has_no_scale_stays_as_it_is(judge):
    for found in (judge("work"), judge(None, "s.large"), judge(None, "s.small")):
        assert (found.severity, found.raised, found.lowered) == ("danger", None, None)


def test_what_a_rollback_takes_away_is_not_raised_by_who_uses_it_now(judge):
    assert judge("use", "s.busy", rollback=True).severity == "warning"
    assert judge("lock", "s.busy", rollback=True).severity == "danger"


def test_the_limits_are_settings(judge):
    limits = Limits.of(Config(large_rows=10, busy_writes=5, small_rows=0, small_size=0))

    assert (limits.large_rows, limits.busy_writes, limits.large_size) == (10, 5, 1 << 30)
    assert judge("work", "s.small", known=Known(KNOWN.sizes, limits=limits)).raised
    assert judge("lock", "s.middle", known=Known(KNOWN.sizes, limits=limits)).raised
    assert Limits() == Limits.of(Config())
