"""Ctrl-C, SIGTERM and kill -9 while a script runs: nothing stays behind, and the words are true."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sqlmigrate.runlock import lock_key
from support.command import ended, started, terminal
from support.contents import applied, tables
from support.waiting import LONG, wait_until

SIGNALS = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]


def is_asleep(pid):
    """Tell whether a process waits for something, here for a key (a system without /proc is not asked)."""
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "S"


@pytest.fixture
def sleepy(project, target):
    """A project whose second migration sleeps; gives a function that waits until it does."""
    project.tables("a")
    project.migration("b", "CREATE TABLE b ();\nSELECT pg_sleep(600);", rollback="DROP TABLE b;")
    watcher = target.connect()

    def asleep():
        query = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
        wait_until(lambda: watcher.execute(query).fetchone(), timeout=20)

    return asleep


def test_nothing_is_left_behind_and_the_next_run_works(project, target, sleepy, sqlmigrate):
    watcher = target.connect()
    with started("apply") as process:
        sleepy()
        process.send_signal(signal.SIGINT)
        ended(process)

    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ 'sqlm'"
    wait_until(lambda: watcher.execute(others).fetchone() == (0,))
    here = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    locks = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND {here}"
    assert watcher.execute(locks).fetchone() == (0,)
    project.migration("b", "CREATE TABLE b ();", rollback="DROP TABLE b;")
    assert sqlmigrate("apply").status == 0
    assert tables(target) == ["a", "b"]


@pytest.mark.parametrize(("number", "status", "word"), SIGNALS)
def test_a_signal_while_a_script_sleeps_rolls_it_back(target, sleepy, number, status, word):
    with started("apply") as process:
        told = process.stdout.readline()  # the client may hear of a COMMIT when the next script has long begun
        sleepy()
        process.send_signal(number)
        outcome = ended(process)

    assert outcome.status == status
    assert outcome.stderr.splitlines()[-1].startswith(f"{word}: a transaction that was running was rolled back")
    assert (told.split(" (")[0], outcome.lines) == ("applied a", [])
    assert tables(target) == applied(target) == ["a"]


@pytest.mark.parametrize(("number", "status", "word"), SIGNALS)
def test_a_script_outside_a_transaction_is_named_that_may_have_stopped_half_way(
    project, target, sleepy, sqlmigrate, number, status, word
):
    text = "-- transactional: false\nCREATE TABLE b ();\nSELECT pg_sleep(60);\n"
    project.migration("b", text, rollback="DROP TABLE b;")
    with started("apply", "--json") as process:
        sleepy()
        process.send_signal(number)
        outcome = ended(process)

    message = f"{word}: b may have stopped half way: see `sqlmigrate status`"
    assert outcome.stderr.splitlines()[-1] == outcome.document["error"]["message"] == message
    assert outcome.status == status
    assert "b stopped half way in its apply script" in sqlmigrate("status").stdout


@pytest.mark.parametrize(("number", "status", "word"), SIGNALS)
def test_a_signal_is_reported_as_json_too(sleepy, number, status, word):
    with started("apply", "--json") as process:
        sleepy()
        process.send_signal(number)
        outcome = ended(process)

    assert outcome.status == outcome.document["error"]["exit_status"] == status
    assert outcome.document["error"]["message"].startswith(word)
    assert json.loads(outcome.stdout)["command"] == "apply"


def test_kill_9_leaves_no_lock_no_row_and_no_change(project, target, sleepy, sqlmigrate):
    other = target.connect()
    with started("apply") as process:
        sleepy()
        process.kill()
        process.wait()

    free = "SELECT pg_try_advisory_lock(%s)"
    wait_until(lambda: other.execute(free, [lock_key("sqlmigrate")]).fetchone() == (True,), timeout=30)
    other.execute("SELECT pg_advisory_unlock_all()")
    assert tables(target) == applied(target) == ["a"]
    project.migration("b", "CREATE TABLE b ();", rollback="DROP TABLE b;")
    assert sqlmigrate("apply", "--wait-lock", "2s").status == 0


@pytest.mark.parametrize(("number", "status", "word"), SIGNALS)
def test_a_signal_while_waiting_for_the_run_lock_ends_the_wait(project, target, number, status, word):
    project.tables("a")
    target.connect().execute("SELECT pg_advisory_lock(%s)", [lock_key("sqlmigrate")])
    with started("apply") as process:
        while "waiting for the run lock" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(number)
        outcome = ended(process)

    assert outcome.status == status
    assert outcome.stderr.splitlines()[-1].startswith(f"{word}: ")
    assert tables(target) == []


@pytest.mark.parametrize(("number", "status", "word"), SIGNALS)
def test_a_signal_at_the_question_changes_nothing(project, target, sqlmigrate, number, status, word):
    project.tables("a")
    sqlmigrate("apply")
    with terminal("rollback") as screen:
        screen.wait_for("[y/N]:")
        # Python loses a signal that comes between showing the question and waiting for the answer
        wait_until(lambda: is_asleep(screen.process.pid))
        screen.process.send_signal(number)

        assert screen.end() == status
    assert screen.shown.splitlines()[-1] == f"{word}: nothing was changed"
    assert applied(target) == ["a"]


def test_the_end_of_input_at_the_question_changes_nothing(project, target, sqlmigrate):
    project.tables("a")
    sqlmigrate("apply")
    with terminal("rollback") as screen:
        screen.wait_for("[y/N]:")
        screen.enter("\x04")

        assert screen.end() in {2, 130}
    assert applied(target) == ["a"]


IN_A_CALLBACK = """
import os, signal, weakref
from sqlmigrate.cli import app as main

class Gone: pass

def lost(_):
    os.kill(os.getpid(), signal.{signal})

def work(*_):
    gone = Gone()
    watched = weakref.ref(gone, lost)
    del gone
    signal.pause()

main._run = {run}
raise SystemExit(main.main(["apply"]))
"""
WITHIN_RUN = "lambda arguments: work()"
WHILE_REPORTING = "lambda arguments: main.os.kill(os.getpid(), signal.{signal}) or signal.pause()"


@pytest.mark.parametrize("run", [WITHIN_RUN, WHILE_REPORTING])
@pytest.mark.parametrize(("number", "status", "word"), SIGNALS)
def test_a_signal_that_python_loses_comes_again(number, status, word, run):
    name = signal.Signals(number).name
    script = IN_A_CALLBACK.replace("{run}", run).replace("{signal}", name)
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=LONG)

    assert (done.returncode, done.stderr) == (status, "")


@pytest.mark.parametrize("command", [("status",), ("backfill", "status")])
@pytest.mark.parametrize(("number", "status", "word"), SIGNALS)
def test_a_command_that_only_reads_says_that_nothing_was_changed(
    target, project, sqlmigrate, command, number, status, word
):
    project.tables("a")
    assert sqlmigrate("apply").status == 0
    watcher, holder = target.connect(), target.connect()
    holder.execute("BEGIN")
    holder.execute("LOCK sqlmigrate._yoyo_migration")
    waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with started(*command) as process:
        wait_until(lambda: watcher.execute(waits).fetchone(), timeout=20)
        process.send_signal(number)
        outcome = ended(process)

    assert outcome.stderr.splitlines()[-1] == f"{word}: nothing was changed"
    assert outcome.status == status
