"""What the commands say of a script that stopped half way."""

from __future__ import annotations

import psycopg
import pytest

from support.sessions import beside, wait_for_sleep
from support.stepwise import OUTSIDE, crashed

SCRIPT = f"""\
{OUTSIDE}CREATE TABLE t (n integer);

INSERT INTO t
VALUES (nonsense);
INSERT INTO t VALUES (2);
"""


@pytest.fixture
def sqlmigrate_for_runner(sqlmigrate, runner, database, monkeypatch, tmp_path):
    """Call a command for the migrations of the runner."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database.url)
    return sqlmigrate


@pytest.fixture
def stopped(runner, sqlmigrate_for_runner):
    runner.write("a", SCRIPT, "DROP TABLE t;\n")
    outcome = sqlmigrate_for_runner("apply")
    assert outcome.status == 6
    return outcome


def test_apply_exits_with_6_and_says_where_why_and_what_next(stopped):
    assert 'column "nonsense" does not exist' in stopped.stderr
    assert "a.sql:5:9" in stopped.stderr
    assert "sqlmigrate apply" in stopped.stderr
    assert "sqlmigrate rollback" in stopped.stderr


def test_a_rollback_that_cannot_run_is_not_offered(runner, sqlmigrate_for_runner):
    runner.write("a", SCRIPT)

    stopped = sqlmigrate_for_runner("apply")

    assert stopped.status == 6
    assert "sqlmigrate apply" in stopped.stderr
    assert "sqlmigrate rollback" not in stopped.stderr + sqlmigrate_for_runner("status").stdout


def test_a_rollback_script_that_is_mended_half_way_is_accepted_first(runner, sqlmigrate_for_runner):
    undo = f"{OUTSIDE}DROP TABLE t;\nDROP TABLE nope;\n"
    runner.write("a", "CREATE TABLE t ();\n", undo)
    assert sqlmigrate_for_runner("apply").status == 0
    stopped = sqlmigrate_for_runner("rollback", "--yes")
    accept = 'sqlmigrate accept a --reason "..."'
    assert accept in stopped.stderr
    assert accept in sqlmigrate_for_runner("status").stdout
    runner.write("a", "CREATE TABLE t ();\n", undo.replace("nope", "IF EXISTS nope"))

    refused = sqlmigrate_for_runner("rollback", "--yes")
    assert sqlmigrate_for_runner("accept", "a", "--reason", "a name was wrong").status == 0

    assert (refused.status, sqlmigrate_for_runner("rollback", "--yes").status) == (1, 0)


def test_the_undo_of_a_half_way_script_needs_nothing_accepted(stopped, runner, sqlmigrate_for_runner):
    runner.write("a", SCRIPT, "DROP TABLE t;\nDROP TABLE nope;\n")

    outcome = sqlmigrate_for_runner("rollback", "--yes")

    assert outcome.status == 6
    assert "accept" not in outcome.stderr + sqlmigrate_for_runner("status").stdout


def test_status_shows_the_statement_and_the_ways_on(stopped, sqlmigrate_for_runner):
    lines = sqlmigrate_for_runner("status").stdout

    assert "a stopped half way in its apply script:" in lines
    assert "statement 2 (line 4) failed: INSERT INTO t ..." in lines
    assert 'column "nonsense" does not exist' in lines
    for way in ("sqlmigrate apply ", "sqlmigrate apply --resume-at N", "sqlmigrate rollback"):
        assert way in lines
    assert "1 half way" in lines


def test_status_says_of_a_statement_that_was_not_begun_again_that_it_is_to_run(stopped, sqlmigrate_for_runner, conn):
    """As a run leaves it that was killed right after it had noted --resume-at."""
    conn.execute("UPDATE sqlmigrate.journal SET error = NULL")

    assert "statement 2 (line 4) is to run: INSERT INTO t ..." in sqlmigrate_for_runner("status").stdout


def test_status_as_json_holds_the_same(stopped, sqlmigrate_for_runner):
    document = sqlmigrate_for_runner("status", "--json").document

    assert document["summary"]["half_way"] == 1
    assert document["migrations"][0]["half_way"] == {
        "operation": "apply",
        "statement": 2,
        "line": 4,
        "state": "failed",
        "text": "INSERT INTO t\nVALUES (nonsense)",
        "error": 'column "nonsense" does not exist',
    }


def test_a_check_finds_it(stopped, sqlmigrate_for_runner):
    assert sqlmigrate_for_runner("status", "--check").status == 3


def test_resume_at_is_an_option_of_apply(stopped, sqlmigrate_for_runner, conn):
    outcome = sqlmigrate_for_runner("apply", "--resume-at", "3")

    assert outcome.status == 0
    assert conn.execute("SELECT n FROM t").fetchall() == [(2,)]
    assert "a is resumed after statement 2" in outcome.stderr


def test_a_dry_run_says_where_it_would_go_on(stopped, runner, sqlmigrate_for_runner):
    runner.write("b", "SELECT 1;\n", "SELECT 1;\n")

    lines = sqlmigrate_for_runner("apply", "--dry-run").lines
    other, *_ = sqlmigrate_for_runner("apply", "--dry-run", "--resume-at", "3").lines

    assert [line.split(" (")[0] for line in lines[:2]] == ["would go on with a at statement 2", "would apply b"]
    assert other.startswith("would go on with a at statement 3 (")


def test_a_script_that_starts_again_is_not_said_to_begin_after_statement_0(stopped, sqlmigrate_for_runner):
    assert "a is started again from its first statement" in sqlmigrate_for_runner("apply", "--resume-at", "1").stderr


def test_resume_at_is_refused_where_nothing_stands_half_way(runner, sqlmigrate_for_runner):
    runner.write("a", "SELECT 1;\n", "SELECT 1;\n")

    for command in (("apply",), ("rollback", "--yes")):
        outcome = sqlmigrate_for_runner(*command, "--resume-at", "3")
        assert outcome.status == 2
        assert "none to resume" in outcome.stderr


def test_rollback_is_a_way_out(stopped, sqlmigrate_for_runner, conn):
    assert sqlmigrate_for_runner("rollback", "--yes").status == 0
    assert "1 pending" in sqlmigrate_for_runner("status").stdout


def test_an_outcome_that_cannot_be_known_is_reported_as_such(runner, sqlmigrate_for_runner, conn):
    runner.write("a", f"{OUTSIDE}VACUUM;\n")
    crashed(runner, conn, 1)

    status = sqlmigrate_for_runner("status").stdout
    outcome = sqlmigrate_for_runner("apply")

    assert "statement 1 (line 2) was begun; its outcome is not known: VACUUM" in status
    assert "asks if it cannot be known" in status
    assert outcome.status == 6
    assert "--resume-at 1 runs it again" in outcome.stderr
    assert "--resume-at 2 goes on after it" in outcome.stderr
    assert sqlmigrate_for_runner("apply", "--resume-at", "2").status == 0


def test_marking_it_says_that_the_place_is_forgotten(stopped, sqlmigrate_for_runner):
    outcome = sqlmigrate_for_runner("mark", "a")

    assert (outcome.status, outcome.stdout) == (0, "marked a\n")
    assert "a no longer counts as stopped half way in its apply script" in outcome.stderr
    assert "1 marked" in sqlmigrate_for_runner("status").stdout


def test_a_half_way_rollback_is_shown_with_its_own_ways(runner, sqlmigrate_for_runner):
    runner.write("a", f"{OUTSIDE}CREATE TABLE t ();\n", "DROP TABLE t;\nSELECT nonsense;\n")
    assert sqlmigrate_for_runner("apply").status == 0
    assert sqlmigrate_for_runner("rollback", "--yes").status == 6

    lines = sqlmigrate_for_runner("status").stdout
    outcome = sqlmigrate_for_runner("apply")

    assert "a stopped half way in its rollback script:" in lines
    assert "sqlmigrate rollback --resume-at N" in lines
    assert "sqlmigrate apply" not in lines
    assert sqlmigrate_for_runner("status", "--json").document["migrations"][0]["half_way"]["operation"] == "rollback"
    assert outcome.status == 1
    assert "rolled back half way" in outcome.stderr
    assert sqlmigrate_for_runner("rollback", "--yes", "--resume-at", "3").status == 0


def test_nothing_is_half_way_while_its_session_lives(runner, sqlmigrate_for_runner, conn, database):
    runner.write("a", f"{OUTSIDE}VACUUM;\n")
    crashed(runner, conn, 1)
    left = database.connect(application_name="sqlmigrate: a")

    with beside(lambda: left.execute("SELECT pg_sleep(60)")) as (sleeping,):
        pid = wait_for_sleep(conn)
        alive = sqlmigrate_for_runner("status", "--check")
        left.cancel_safe()
        assert isinstance(sleeping.exception(30), psycopg.errors.QueryCanceled)
    dead = sqlmigrate_for_runner("status").stdout

    assert alive.status == 3
    assert "still running, though the client of its run is gone: a, since 00:0" in alive.stdout
    assert f"by migrator@local (pid {pid}), waits for Timeout: PgSleep" in alive.stdout
    assert "half way" not in alive.stdout
    assert "a stopped half way in its apply script:" in dead
