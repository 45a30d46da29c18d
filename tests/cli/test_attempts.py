"""`sqlmigrate history --failed`, with runs that really end in each of these ways."""

from __future__ import annotations

import re
import signal

import pytest

from support.command import ended, program, started
from support.sessions import wait_for_blocked, wait_for_sleep
from support.waiting import wait_until

KEYS = {
    "at", "state", "operation", "migration_id", "attempt", "begun_at", "duration_ms", "statement", "line", "sqlstate",
    "error", "blockers", "harm", "login_role", "username", "hostname", "client_address", "run_id", "tool_version",
}  # fmt: skip
BEGAN = (
    r"the run that \S+@\S+ began \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC was killed, or lost its server, in the apply of "
)

THERE = "SELECT 1 FROM pg_stat_activity WHERE pid = %s"


@pytest.fixture
def two(project, target):
    target.connect().execute("CREATE TABLE t (n integer)")
    project.migration("a", "SELECT 1;\n\nSELECT pg_sleep(60);\n", rollback="SELECT 1;")
    project.migration("b", "-- transactional: false\nSELECT 1;\nLOCK TABLE t;\nSELECT 1;\n", rollback="SELECT 1;")
    return project


def test_killed_interrupted_retried_and_failed_runs_are_told_by_the_next_one_and_by_history(two, target, sqlmigrate):
    session = target.connect()
    with started("apply", "--yes") as process:
        pid = wait_for_sleep(session)
        process.kill()
        ended(process)
    wait_until(lambda: not session.execute(THERE, [pid]).fetchone(), timeout=60)  # the server looks each second
    with started("apply", "--yes") as process:
        wait_for_sleep(session)
        process.send_signal(signal.SIGINT)
        interrupted = ended(process)
    two.migration("a", "SELECT 1;", rollback="SELECT 1;")
    holder = target.holding("LOCK TABLE t IN ACCESS SHARE MODE")
    with started("apply", "--yes", "--lock-timeout", "60s") as process:
        pid = wait_for_blocked(session)
        process.kill()
        ended(process)
    wait_until(lambda: not session.execute(THERE, [pid]).fetchone(), timeout=60)
    tried = program("apply", "--yes", "--lock-timeout", "1s", "--lock-budget", "3s", "--json")
    holder.rollback()
    assert sqlmigrate("apply", "--yes").status == 0

    killed = [line for line in (interrupted.stderr + tried.stderr).splitlines() if "was killed" in line]
    assert re.fullmatch(
        rf"{BEGAN}a(, statement 2 \(line 3\), last seen \S+)?; its transaction was rolled back", killed[0]
    )
    assert re.fullmatch(rf"{BEGAN}b(, statement 2 \(line 3\))?; it stands half way", killed[1])
    document = tried.document
    assert [item["migration_id"] for item in document["killed_runs"]] == ["b"]
    assert document["harm"] == []

    failed = sqlmigrate("history", "--failed", "--json").document
    rows = failed["attempts"]
    assert failed["history"] == []
    assert all(set(row) == KEYS for row in rows)
    states = [(row["state"], row["migration_id"]) for row in rows]
    assert sorted(set(states)) == [
        ("failed", "b"),
        ("interrupted", "a"),
        ("killed", "a"),
        ("killed", "b"),
        ("retried", "b"),
    ]
    (last,) = [row for row in rows if row["state"] == "failed"]
    assert last["blockers"][0]["query"] == "LOCK TABLE t IN ACCESS SHARE MODE"
    text = sqlmigrate("history", "--failed").stdout
    assert re.search(
        r"^\S+ \S+  apply b tried again, after \d+\.\d\d s, line 3, by migrator \(\S+@\S+\)$", text, re.MULTILINE
    )
    assert re.search(r"^    blocked by pid \d+ \(role migrator, ", text, re.MULTILINE)
    assert text.splitlines()[-1] == f"{len(rows)} attempts"
    plain = sqlmigrate("history").lines
    assert plain[-2:] == [
        "3 operations",
        f"{len(rows)} attempts did not succeed: `sqlmigrate history --failed` shows them",
    ]
    assert sqlmigrate("history", "--failed", "--id", "a", "--last", "1").lines[-1] == "1 attempt"


def test_a_run_that_has_only_lost_its_run_lock_is_not_told_as_rolled_back(project, target, sqlmigrate):
    project.migration("a", "SELECT 1;")
    sqlmigrate("apply", "--yes")
    project.migration("b", "SELECT pg_sleep(6);")
    session = target.connect()
    with started("apply", "--yes") as process:
        pid = wait_for_sleep(session)
        target.connect_superuser().execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'sqlmigrate: run lock' AND datname = current_database()"
        )
        other = program("apply", "--yes", "--lock-timeout", "100ms", "--lock-budget", "100ms", "--json")
        first = ended(process)

    (told,) = [line for line in other.stderr.splitlines() if "was killed" in line]
    assert re.search(
        rf"was killed, or lost its run lock, in the apply of b(, .*)?; its session is still at work \(pid {pid}\)$",
        told,
    )
    assert [(item["migration_id"], item["pid"]) for item in other.document["killed_runs"]] == [("b", pid)]
    assert "applied b" in first.stdout
    states = [row["state"] for row in sqlmigrate("history", "--failed", "--json").document["attempts"]]
    assert "killed" not in states
    assert "failed" in states
