"""What PostgreSQL reports of each kind of statement is told, while another session really holds it at a known place."""

from __future__ import annotations

import pytest

from sqlmigrate.cli.watching import in_a_line, in_place
from sqlmigrate.events import Progress
from support.runner import ids
from support.sessions import beside
from support.waiting import wait_until

GROUND = """
CREATE FUNCTION held(n integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    IF n = 700 THEN
        PERFORM pg_catalog.pg_advisory_lock_shared(42);
        PERFORM pg_catalog.pg_advisory_unlock_shared(42);
    END IF;
    RETURN n;
END $$;
CREATE TABLE t (n integer, filler text);
ALTER TABLE t ALTER filler SET STORAGE PLAIN;
INSERT INTO t SELECT n, repeat('x', 1900) FROM generate_series(1, 1000) AS n;
CREATE INDEX t_n ON t (n);
CREATE TABLE parts (n integer) PARTITION BY RANGE (n);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (500);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (500) TO (2000);
INSERT INTO parts SELECT n FROM generate_series(1, 1000) AS n;
CREATE TABLE copied (n integer CHECK (held(n) > 0));
VACUUM ANALYZE t;
"""
ROWS = "\n".join(str(number) for number in [*range(1, 700), *range(701, 1_501), 700])
OUTSIDE = "-- transactional: false\n"
# statement of a script, phase or None, and what is shown
CASES = {
    "index": ("CREATE INDEX t_held ON t (held(n));", "building index: scanning table", "69%"),
    "vacuum_full": (f"{OUTSIDE}VACUUM FULL t;", "rebuilding index", "rebuilding index"),
    "cluster": (f"{OUTSIDE}CLUSTER t USING t_n;", "rebuilding index", "rebuilding index"),
    "analyze": (f"{OUTSIDE}ANALYZE t;", "computing statistics", "computing statistics"),
    "reindex": (f"{OUTSIDE}REINDEX TABLE CONCURRENTLY t;", "building index: scanning table", "69%"),
    "partitions": ("CREATE INDEX ON parts (held(n));", "building index: scanning table", "1 of 2 partitions"),
    "copy": (f"COPY copied FROM stdin;\n{ROWS}\n\\.\n", "copying", "copying 1,"),
    "validate": (
        "ALTER TABLE t ADD CONSTRAINT c CHECK (held(n) > 0) NOT VALID;\nALTER TABLE t VALIDATE CONSTRAINT c;",
        None,
        "waits for Lock: advisory · t had about 1,000 rows, ",
    ),
}  # fmt: skip


@pytest.fixture
def ground(conn):
    for statement in GROUND.replace("VACUUM", ";;VACUUM").split(";;"):
        conn.execute(statement)
    return conn


def test_each_kind_of_statement_is_told_with_its_phase(runner, ground, database):
    """Those that are run by a function of an index, of a constraint, or of statistics are held in it."""
    holder = database.connect()
    shown = {}
    for number, (name, (script, phase, words)) in enumerate(CASES.items()):
        holder.execute("SELECT pg_advisory_lock(42)")
        runner.events.clear()
        runner.write(f"{number}_{name}", script)

        def seen(phase=phase, words=words):
            told = [event for event in runner.told(Progress) if event.work.phase == phase]
            return [event for event in told if words in in_a_line(event) and event.text]

        with beside(lambda: runner.apply(lock_timeout=60_000)) as (run,):
            try:
                shown[name] = wait_until(seen, timeout=60)[-1]
            finally:
                holder.execute("SELECT pg_advisory_unlock(42)")
            assert ids(run.result(60)) == [f"{number}_{name}"]

    texts = {name: in_place(event) for name, event in shown.items()}
    assert all(len(lines) == 3 for lines in texts.values())
    assert texts["copy"][1].startswith("  statement 1 of 1 (line 1): COPY copied FROM stdin")
    assert texts["validate"][1] == "  statement 2 of 2 (line 2): ALTER TABLE t VALIDATE CONSTRAINT c"
    assert texts["partitions"][2].startswith("  building index: scanning table [")
    assert {event.work.command for event in shown.values()} >= {"CREATE INDEX", "VACUUM FULL", "CLUSTER", "ANALYZE"}
    assert shown["partitions"].work.parts_done == 1


def test_a_vacuum_that_waits_for_a_page_is_told_with_its_share(runner, ground, database):
    """A cursor keeps a page, and VACUUM FREEZE waits until that can be cleaned up."""
    holder = database.connect(autocommit=False)
    holder.execute("DECLARE c CURSOR FOR SELECT n FROM t")
    holder.execute("FETCH 500 FROM c")
    runner.write("a", "-- transactional: false\nVACUUM (FREEZE, DISABLE_PAGE_SKIPPING) t;")

    with beside(runner.apply) as (run,):
        found = wait_until(
            lambda: [event for event in runner.told(Progress) if event.work.phase == "scanning heap"], timeout=60
        )[-1]
        holder.rollback()
        assert ids(run.result(60)) == ["a"]

    assert (found.work.command, found.work.relation, found.work.unit) == ("VACUUM", "public.t", "blocks")
    assert 0 < found.work.fraction < 1
