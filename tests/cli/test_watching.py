"""A migration that takes long says how far it is: in place on a terminal, now and then in a log."""

from __future__ import annotations

import re

import pytest

from support.command import ended, started, terminal
from support.screen import shown_on
from support.sessions import wait_for_blocked

SLOW = """
CREATE FUNCTION slow(n integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql
AS 'BEGIN PERFORM pg_catalog.pg_sleep(0.01); RETURN n; END';
CREATE TABLE orders (n integer, filler text);
ALTER TABLE orders ALTER filler SET STORAGE PLAIN;
INSERT INTO orders SELECT n, repeat('x', 1900) FROM generate_series(1, 400) AS n;
ANALYZE orders;
"""
INDEX = (
    "-- transactional: false\nSET lock_timeout TO '5s';\n\nCREATE INDEX CONCURRENTLY orders_n\n  ON orders (slow(n));\n"
)


@pytest.fixture
def orders(project, target):
    """A table whose rows take ten milliseconds each to be indexed or updated."""
    target.connect().execute(SLOW)
    return project


def test_in_a_terminal_it_is_drawn_in_place_within_80_columns(orders, target, sqlmigrate):
    orders.migration("20261129_orders_by_number", INDEX, rollback="SELECT 1;")
    writer = target.holding("LOCK TABLE orders IN ROW EXCLUSIVE MODE")

    with terminal("apply", columns=80, env={"TERM": "xterm"}) as screen:
        screen.wait_for("waiting for writers before build")
        waiting = shown_on(screen.shown)
        status = sqlmigrate("status").stdout
        document = sqlmigrate("status", "--check", "--json").document
        writer.rollback()
        screen.wait_for(" left")
        building = shown_on(screen.shown)
        assert screen.end() == 0

    assert re.search(r"^1 of 1 · 20261129_orders_by_number · \d\d:\d\d$", waiting, re.MULTILINE)
    statement = "  statement 2 of 2 (line 4): CREATE INDEX CONCURRENTLY orders_n ON orders (s..."
    assert statement in waiting.splitlines()
    assert re.search(r"^  waiting for writers before build: 0 of 1 sessions have ended$", waiting, re.MULTILINE)
    assert re.search(r"building index: scanning table \[#+-+\] \d+% · 00:\d\d left$", building, re.MULTILINE)
    assert building.count("1 of 1") == 1
    assert all(len(line) < 80 for line in building.splitlines() if "of" in line.split()[1:2])
    assert re.search(
        r"^running now: 20261129_orders_by_number, statement 2 of 2 \(line 4\), since \d\d:\d\d, by migrator@local "
        r"\(pid \d+\), waiting for writers before build: 0 of 1 sessions have ended$",
        status,
        re.MULTILINE,
    )
    assert "half way" not in status
    assert (document["summary"]["running"], document["summary"]["half_way"]) == (1, 0)
    (item,) = document["migrations"]
    assert (item["state"], item["half_way"], item["running"]["statement"]) == ("running", None, 2)
    at_the_end = shown_on(screen.shown)
    assert "1 of 1" not in at_the_end
    assert "applied 20261129_orders_by_number" in at_the_end


def test_a_log_has_a_line_for_each_change_and_quiet_none(orders, target, sqlmigrate):
    # few sleeps, and not one for each row: whoever looks finds it asleep, also on a machine that stood still meanwhile
    asleep = "(SELECT count(pg_sleep(0.5)) FROM generate_series(1, 8)) AS asleep"
    orders.migration("a", f"SELECT 1;\nUPDATE orders SET n = n FROM {asleep};\n", rollback="SELECT 1;")
    orders.migration("b", INDEX, rollback="SELECT 1;")

    loud = sqlmigrate("apply").stderr
    target.connect().execute("DROP INDEX orders_n; DELETE FROM orders WHERE n > 150")
    orders.migration("c", INDEX, rollback="SELECT 1;")
    quiet = sqlmigrate("apply", "--quiet")

    told = [line for line in loud.splitlines() if " of 2 " in line]
    assert [line.split(" · ")[:2] for line in told[:2]] == [["1 of 2", "a"], ["2 of 2", "b"]]
    assert re.fullmatch(
        r"1 of 2 · a · \d\d:\d\d · statement 2 of 2 \(line 2\): UPDATE · running for \d\d:\d\d"
        r" · waits for Timeout: PgSleep · orders had about 400 rows, [\d,]+ kB",
        told[0],
    )
    assert "statement 2 of 2 (line 4): CREATE INDEX · building index: scanning table" in told[1]
    assert len(told) < 6
    assert (quiet.status, " of 1 " in quiet.stderr) == (0, False)


def test_status_tells_what_runs_in_a_transaction_and_forward_and_back(project, target, sqlmigrate):
    """Also of an earlier run whose client is gone, and never of a session that has just finished."""
    target.connect().execute("CREATE TABLE t (n integer)")
    slow = "SELECT 1;\nLOCK TABLE t IN ACCESS EXCLUSIVE MODE;\n"
    project.migration("a", slow, rollback=slow)
    project.migration("b", "SELECT 1;", rollback="SELECT 1;")

    told = []
    for command in ("apply", "rollback"):
        holder = target.holding("LOCK TABLE t IN ACCESS SHARE MODE")
        with started(command, "--yes", "--steps", "1", "--lock-timeout", "60s") as process:
            wait_for_blocked(target.connect())
            told.append(sqlmigrate("status").stdout)
            holder.rollback()
            assert ended(process).status == 0
        told.append(sqlmigrate("status").stdout)

    for text, back in ((told[0], ""), (told[2], " (rollback)")):
        assert re.search(rf"running now: a{re.escape(back)}, statement 2 of 2 \(line 2\), since \d\d:\d\d,", text)
        assert "by migrator@local (pid " in text
        assert text.rstrip().endswith("waits for Lock: relation\n\n1 running, 1 pending")
    assert [text.splitlines()[-1] for text in (told[1], told[3])] == ["1 applied, 1 pending", "2 pending"]
