"""How far a statement is that runs in batches: on the terminal, in events, and in `status` from another one."""

from __future__ import annotations

import json
import re

import click
import pytest

from support.backfill import numbered, script, times
from support.command import started, terminal
from support.screen import shown_on
from support.sessions import wait_for_blocked
from support.waiting import LONG, wait_until

DATABASE = "SELECT oid FROM pg_database WHERE datname = current_database()"


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
        r"^running now: a, statement 1 of 2 \(line 3\), 4 of about 9 rows \(44%\), \d", status, re.MULTILINE
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
    with terminal("status", columns=80) as screen:
        assert screen.end() == 0
    assert max(map(len, click.unstyle(screen.shown).splitlines()[1:])) <= 80
    shown = sqlmigrate("status").stdout
    assert "  statement 1 (line 3), in batches: UPDATE t SET n = n + 1 WHERE" in shown
    assert "  4 of about 9 rows (44%)" in shown
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
        screen.wait_for("4 of about 9 rows (44%)")
        shown = shown_on(screen.shown)
        holder.close()
        assert screen.end() == 0

    assert shown.count("of about 9 rows") == 1
    assert times(conn) == {1: 9}


@pytest.fixture
def held(project, target):
    """A project whose batches wait behind the second one while the table `load` says so, and a session."""
    conn = target.connect()
    numbered(conn, 9)
    conn.execute("CREATE TABLE load AS SELECT false AS high")
    conn.execute("""
        CREATE FUNCTION work() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN UPDATE load SET high = true; RETURN NULL; END';
        CREATE TRIGGER work AFTER UPDATE ON t FOR EACH ROW WHEN (old.id = 9) EXECUTE FUNCTION work();
    """)
    throttle = '-- sqlmigrate-throttle: archive=1TB query="SELECT high FROM load"\n'
    project.migration("a", script(more=throttle), rollback="SELECT 1;")
    return conn


def says(process, text):
    """Read what a process says until it says this."""
    while text not in (line := process.stderr.readline()):
        assert line, "it ended without saying it"


def test_a_pause_holds_the_batches_until_they_are_to_go_on(held, project, target, sqlmigrate):
    arguments = ("apply", "-d", target.conninfo, "-m", project.directory)
    with started(*arguments) as process:
        says(process, "the next batch waits: its query gives true")
        paused = sqlmigrate("backfill", "pause", "a")
        held.execute("UPDATE load SET high = false")
        says(process, "somebody wants a pause; `sqlmigrate backfill resume a` lets it go on")
        (found,) = sqlmigrate("backfill", "status", "--json").document["backfills"]
        shown = sqlmigrate("backfill", "status", "a").stdout
        assert times(held) == {0: 5, 1: 4}
        resumed = sqlmigrate("backfill", "resume", "a", "--json")
        assert process.wait(LONG) == 0

    assert paused.lines == ["a pauses before its next batch, until `sqlmigrate backfill resume a`"]
    assert (found["migration_id"], found["state"], found["rows"], found["position"]) == ("a", "paused", 4, ["12"])
    assert shown.startswith("a paused: statement 1 (line 4), t")
    assert (resumed.document["migration_id"], resumed.document["action"]) == ("a", "resume")
    assert times(held) == {1: 9}
    assert sqlmigrate("backfill", "status").lines == ["no statement is half way in batches"]
    assert sqlmigrate("backfill", "status", "b").lines == ["no statement of b is half way in batches"]


def test_cancel_stops_the_run_and_the_next_one_goes_on(held, project, target, sqlmigrate):
    with started("apply", "-d", target.conninfo, "-m", project.directory) as process:
        says(process, "warning: a: archive holds nothing back that this role does not see; GRANT pg_monitor shows it")
        says(process, "the next batch waits: its query gives true")
        assert sqlmigrate("backfill", "cancel", "a").status == 0
        assert process.wait(LONG) == 6
        told = process.stderr.read()
        assert "the batches were stopped by `sqlmigrate backfill cancel a`" in told
        assert "what to do: `sqlmigrate apply` goes on here; or" in told

    held.execute("UPDATE load SET high = false")
    (found,) = sqlmigrate("backfill", "status", "--json").document["backfills"]
    assert (found["state"], found["rows"]) == ("stopped", 4)
    locks = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = ({DATABASE})"
    wait_until(lambda: held.execute(locks).fetchone() == (0,), timeout=LONG)
    nobody = sqlmigrate("backfill", "cancel", "a")
    assert nobody.status == 2
    assert "nobody is at work in this database, so there is nothing to stop" in nobody.stderr
    again = sqlmigrate("apply")
    assert again.status == 0
    assert "a goes on with statement 1, 4 rows of which had their batch\n" in again.stderr
    assert times(held) == {1: 9}


def test_status_and_whoever_waits_are_told_what_holds_the_batches(held, project, target, sqlmigrate):
    """A run waits with its batches; `status`, and runs that wait for its lock, tell how far it is and for what."""
    reason = "the next batch waits: its query gives true: SELECT high FROM load"
    with started("apply", "-d", target.conninfo, "-m", project.directory) as process:
        says(process, "the next batch waits: its query gives true")
        wait_until(lambda: reason in sqlmigrate("status").stdout, timeout=LONG)
        (found,) = sqlmigrate("status", "--json").document["migrations"]
        (listed,) = sqlmigrate("backfill", "status", "--json").document["backfills"]
        line = sqlmigrate("backfill", "status").stdout
        busy = [sqlmigrate(name, "--wait-lock", "0", "--yes") for name in ("apply", "rollback")]
        with started("apply", "-d", target.conninfo, "-m", project.directory, "--events", "/dev/stderr") as late:
            says(late, "waiting for the run lock, held by pid")
            says(late, "it runs a, statement 1: 4 rows had their batch")
            event = next(event for event in records(late) if event["event"] == "waiting_for_run_lock")
            held.execute("UPDATE load SET high = false")
            assert process.wait(LONG) == 0
            assert late.wait(LONG) == 0

    assert (found["state"], found["running"]["statement"], found["running"]["line"]) == ("running", 1, 4)
    assert found["backfill"]["waits"] == reason.partition(": ")[2]
    assert (listed["state"], listed["waits"]) == ("running", reason.partition(": ")[2])
    assert reason in line
    for outcome in busy:
        assert outcome.status == 4
        assert f"; in a 4 rows had their batch, and {reason}" in outcome.stderr
    assert (event["batches"]["migration_id"], event["batches"]["rows"], event["batches"]["waits"]) == (
        "a", 4, reason.partition(": ")[2],
    )  # fmt: skip
    assert times(held) == {1: 9}


def records(process):
    """Read the events that a process writes between its lines."""
    while line := process.stderr.readline():
        if line.startswith("{"):
            yield json.loads(line)


def test_what_depends_on_batches_runs_when_they_are_done(held, project, sqlmigrate):
    """Where they are not, the next run goes on with them first; --steps and --to count the migration as one."""
    project.migration("b", "-- depends: a\nCREATE TABLE b ();", rollback="DROP TABLE b;")
    project.migration("c", "CREATE TABLE c ();", rollback="DROP TABLE c;")
    short = ("--lock-budget", "100ms")
    for arguments in [(), ("--to", "b"), ("--steps", "2")]:
        stopped = sqlmigrate("apply", *short, *arguments)
        assert stopped.status == 6, stopped.stderr
        assert "waited for 0 s (lock_budget)" in stopped.stderr
        states = {item["migration_id"]: item["state"] for item in sqlmigrate("status", "--json").document["migrations"]}
        assert states == {"a": "half_way", "b": "pending", "c": "pending"}
        assert times(held) == {0: 5, 1: 4}

    held.execute("UPDATE load SET high = false; DROP TRIGGER work ON t")
    assert sqlmigrate("apply", "--steps", "1").lines[0].startswith("applied a ")
    assert times(held) == {1: 9}
    assert sqlmigrate("apply", "--to", "b").lines[0].startswith("applied b ")
    assert sqlmigrate("status", "--json").document["summary"]["pending"] == 1


@pytest.mark.parametrize("action", ["pause", "resume", "cancel"])
def test_what_is_not_half_way_in_batches_cannot_be_steered(project, target, sqlmigrate, action):
    project.tables("a")
    assert sqlmigrate("apply").status == 0

    outcome = sqlmigrate("backfill", action, "a")

    assert outcome.status == 2
    assert "no statement of a is half way in batches" in outcome.stderr
