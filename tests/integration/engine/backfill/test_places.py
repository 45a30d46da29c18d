"""By `key=ctid` batches are whole pages: every row is changed at least once, and those that move are looked for."""

from __future__ import annotations

import pytest

from sqlmigrate.errors import ExecutionError, MigrationsError
from sqlmigrate.events import Backfilling
from support.backfill import progress, script, times
from support.runner import place
from support.stepwise import half_way, journal

BATCH = "table=t key=ctid rows=1..1"
ONCE = "UPDATE t SET n = n + 1 WHERE ctid >= $1 AND ctid <= $2 AND n = 0"
VERIFY = "-- sqlmigrate-verify: SELECT count(*) = 0 FROM t WHERE n = 0\n"
PAGES = 6
A_PAGE = "repeat('x', 1500)"
"""Five rows of this fill a page."""


@pytest.fixture
def heap(conn):
    """A table without any key, of some pages, with room for new rows in the first one; gives a session."""
    conn.execute("CREATE TABLE t (id integer, n integer DEFAULT 0, filler text)")
    conn.execute("ALTER TABLE t ALTER filler SET STORAGE plain")
    conn.execute(f"INSERT INTO t SELECT x, 0, {A_PAGE} FROM generate_series(1, {5 * PAGES}) AS x")
    return conn


def test_batches_are_whole_pages_and_each_row_is_changed(runner, heap):
    heap.execute("ANALYZE t")
    runner.write("a", script(ONCE, batch=BATCH, more=VERIFY))

    runner.apply()

    told = runner.told(Backfilling)
    assert times(heap) == {1: 5 * PAGES}
    assert [item.rows for item in told[:3]] == [5, 10, 15]
    assert told[0].estimate == 5 * PAGES
    assert len(told) > PAGES, "new versions of rows have gone to pages behind, where they are looked at"
    assert journal(heap) == []


@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows_or_none(runner, conn, rows):
    conn.execute(f"CREATE TABLE t AS SELECT x AS id, 0 AS n FROM generate_series(1, {rows}) AS x")
    runner.write("a", script(ONCE, batch=BATCH, more=VERIFY))

    runner.apply()

    assert times(conn) == ({1: rows} if rows else {})


def test_rows_that_move_to_where_batches_have_been_are_looked_for_again(runner, heap):
    """Another session moves the last row between two batches: into the first page, where there is room for it."""
    heap.execute("DELETE FROM t WHERE id IN (1, 2, 3)")
    heap.execute("VACUUM t")
    tell, moved = runner.observe, []

    def observe(event):
        tell(event)
        if isinstance(event, Backfilling) and not moved:
            moved.extend(heap.execute(f"UPDATE t SET filler = filler WHERE id = {5 * PAGES} RETURNING ctid").fetchone())

    runner.observe = observe
    runner.write("a", script(ONCE, batch=BATCH, more=VERIFY))

    runner.apply()

    assert moved[0].startswith("(0,")
    assert times(heap) == {1: 5 * PAGES - 3}


def test_it_goes_on_where_it_stood(runner, heap):
    heap.execute("ALTER TABLE t ADD CHECK (n = 0 OR id <> 12)")
    runner.write("a", script(ONCE, batch=BATCH, more=VERIFY, after="CREATE TABLE after ();\n"))

    stopped = half_way(runner.apply)

    assert place(stopped) == "a.sql:4:1"
    assert progress(heap) == ("failed", ["(1,65535)"], 10)
    heap.execute("ALTER TABLE t DROP CONSTRAINT t_check")
    runner.apply()
    assert times(heap) == {1: 5 * PAGES}
    assert journal(heap) == []


def test_a_statement_that_does_not_finish_its_rows_ends_at_its_verify(runner, heap):
    """The next run looks at all rows again: what was left out may lie anywhere."""
    runner.write("a", script(ONCE.replace("n = 0", "n = id * 0 AND id <> 7"), batch=BATCH, more=VERIFY))

    stopped = half_way(runner.apply)

    assert "the verify is not true" in str(stopped)
    assert times(heap) == {0: 1, 1: 5 * PAGES - 1}
    heap.execute("UPDATE t SET id = 8 WHERE id = 7")
    runner.apply()
    assert times(heap) == {1: 5 * PAGES}


def test_what_would_change_rows_again_and_again_is_refused_before_anything_runs(runner, heap):
    heap.execute("CREATE TABLE parts (id integer, n integer DEFAULT 0) PARTITION BY RANGE (id)")
    once = "UPDATE t SET n = n + 1 WHERE ctid >= $1 AND ctid <= $2"
    runner.write("a", script(once, batch=BATCH))

    with pytest.raises(MigrationsError) as caught:
        runner.apply()

    again, unverified = caught.value.problems
    assert (again.place.line, unverified.place.line) == (3, 2)
    assert again.message.startswith("by ctid, a row that moves meanwhile is in two batches: its WHERE must also leave")
    assert unverified.message.startswith("by ctid, rows may move to where batches have been, so a verify must tell")
    runner.write("a", script(ONCE.replace(" t ", " parts "), batch="table=parts key=ctid", more=VERIFY))
    with pytest.raises(ExecutionError, match="parts is partitioned, and ctid tells where a row lies within one"):
        runner.apply()
    assert times(heap) == {0: 5 * PAGES}
