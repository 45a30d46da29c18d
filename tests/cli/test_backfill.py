"""How far a statement is that runs in batches: on the terminal, in events, and in `status` from another one."""

from __future__ import annotations

import json
import re

from support.backfill import numbered, script, times
from support.command import started, terminal
from support.screen import shown_on
from support.sessions import wait_for_blocked
from support.waiting import LONG


def prepared(project, target, rows=9):
    conn = target.connect()
    numbered(conn, rows)
    conn.execute("ANALYZE t")
    project.migration("a", script(after="CREATE TABLE after ();\n"), rollback="DROP TABLE after;")
    return conn


def test_status_tells_how_far_the_batches_are_that_run(project, target, sqlmigrate):
    """The fourth row from the end is held, so two batches are done, and the third waits."""
    conn = prepared(project, target)
    holder = target.holding("SELECT FROM t WHERE id = 15 FOR UPDATE")

    with started("apply", "-d", target.conninfo, "-m", project.directory, "--lock-timeout", "10min") as process:
        wait_for_blocked(conn)
        status = sqlmigrate("status").stdout
        (found,) = sqlmigrate("status", "--json").document["migrations"]
        holder.close()
        assert process.wait(LONG) == 0

    assert re.search(
        r"^running now: a, statement 1 of 2 \(line 3\), 4 of about 9 rows had their batch", status, re.MULTILINE
    )
    assert "half way" not in status
    assert found["state"] == "running"
    known = {name: found["backfill"][name] for name in ("statement", "table", "key", "position", "rows", "batches")}
    assert known == {"statement": 1, "table": "t", "key": ["id"], "position": ["12"], "rows": 4, "batches": 2}
    assert times(conn) == {1: 9}


def test_status_tells_where_batches_have_stopped(project, target, sqlmigrate, tmp_path):
    conn = prepared(project, target)
    conn.execute("ALTER TABLE t ADD CHECK (n = 0 OR id <> 15)")
    events = tmp_path / "events.jsonl"

    assert sqlmigrate("apply", "--events", str(events)).status == 6

    told = [json.loads(line) for line in events.read_text().splitlines()]
    batches = [event for event in told if event["event"] == "backfilling"]
    assert [(item["rows"], item["changed"], item["batches"]) for item in batches] == [(2, 2, 1), (4, 4, 2)]
    assert all(item["estimate"] == 9 for item in batches)
    shown = sqlmigrate("status").stdout
    assert "  statement 1 (line 3), in batches: UPDATE t SET n = n + 1 WHERE" in shown
    assert "  4 of about 9 rows had their batch (44%)" in shown
    assert "its outcome is not known" not in shown
    (found,) = sqlmigrate("status", "--json").document["migrations"]
    assert found["half_way"]["state"] == "failed"
    assert found["backfill"]["rows"] == 4
    conn.execute("ALTER TABLE t DROP CONSTRAINT t_check")
    assert sqlmigrate("apply").status == 0
    assert times(conn) == {1: 9}
    (found,) = sqlmigrate("status", "--json").document["migrations"]
    assert found["backfill"] is None


def test_a_terminal_shows_the_rows_that_had_their_batch(project, target):
    conn = prepared(project, target)
    holder = target.holding("SELECT FROM t WHERE id = 15 FOR UPDATE")

    with terminal("apply", "--lock-timeout", "10min", columns=80, env={"TERM": "xterm"}) as screen:
        wait_for_blocked(conn)
        screen.wait_for("statement 1 of 2")
        screen.wait_for("4 of about 9 rows had their batch")
        shown = shown_on(screen.shown)
        holder.close()
        assert screen.end() == 0

    assert shown.count("rows had their batch") == 1
    assert times(conn) == {1: 9}
