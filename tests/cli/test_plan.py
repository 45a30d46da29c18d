"""`sqlmigrate plan`, and what runs out of order or was edited."""

from __future__ import annotations

import hashlib
import shlex
import subprocess
from pathlib import Path

import pytest

from fixtures.postgres import Database
from sqlmigrate.server import find_program
from support.command import shell
from support.contents import applied, has_history, tables


@pytest.fixture
def two(project, target, sqlmigrate):
    """A database with b applied; a, which is older, is pending."""
    project.tables("b")
    assert sqlmigrate("apply").status == 0
    project.tables("a")
    return target


def psql(database: Database, file: Path) -> int:
    found = find_program("psql", database.server.binaries)
    command = [found, "-X", "-q", "-d", database.url, "-f", file]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode


def test_a_plan_in_a_file_is_what_psql_runs_and_status_is_as_after_apply(project, target, sqlmigrate, tmp_path):
    project.tables("a", "b")
    raw = "CREATE TABLE c (a text DEFAULT 'é\r\n🙂');\r\n".encode()
    project.file("c.sql", b"\xef\xbb\xbf" + raw)
    file = tmp_path / "change.sql"
    assert shell(f'sqlmigrate plan > "{file}"').status == 0
    assert (raw in file.read_bytes(), has_history(target)) == (True, False)

    assert psql(target, file) == 0

    assert applied(target) == tables(target) == ["a", "b", "c"]
    assert sqlmigrate("status", "--check").status == 0
    assert sqlmigrate("plan").stdout == "-- nothing to apply\n"
    assert sqlmigrate("plan", "--rollback", "--to", "c").stdout == "-- nothing to roll back\n"


def test_the_head_of_a_plan_has_the_words_for_psql_that_lead_there_without_a_password(
    project, target, sqlmigrate, tmp_path, monkeypatch
):
    project.tables("a")
    url = target.url.replace("migrator@", "migrator:s3cr3tly@")
    assert "s3cr3tly" in url

    script = sqlmigrate("plan", "--database-url", url).stdout

    (line,) = [line for line in script.splitlines() if line.startswith("-- Run it as role migrator: ")]
    assert "s3cr3tly" not in script
    (tmp_path / "FILE").write_text(script)
    monkeypatch.chdir(tmp_path)
    name, *options = shlex.split(line.partition(": ")[2])
    found = find_program(name, target.server.binaries)
    assert subprocess.run([found, *options], capture_output=True, timeout=60, check=False).returncode == 0
    assert applied(target) == tables(target) == ["a"]


def test_json_gives_the_steps_with_both_digests(project, target, sqlmigrate):
    project.tables("a")
    raw = "-- transactional: false\r\nVACUUM;\r\n"
    pair = project.migration("b", raw, rollback="SELECT 1;")

    document = sqlmigrate("plan", "--json").document

    assert (document["version"], document["command"], document["operation"]) == (1, "plan", "apply")
    assert [step["migration_id"] for step in document["migrations"]] == ["a", "b"]
    assert document["migrations"][1] == {
        "migration_id": "b",
        "file": str(pair.script),
        "checksum": hashlib.sha256(raw.replace("\r\n", "\n").encode()).hexdigest(),
        "sha256": hashlib.sha256(raw.encode()).hexdigest(),
        "transactional": False,
        "phase": "before-deploy",
    }
    dry = sqlmigrate("apply", "--dry-run", "--json").document
    assert dry["migrations"] == document["migrations"]
    assert sqlmigrate("plan", "--rollback", "--json").document["migrations"] == []
    sqlmigrate("apply")
    (back,) = sqlmigrate("plan", "--rollback", "--json").document["migrations"]
    assert (back["migration_id"], back["file"]) == ("b", str(pair.rollback))
    assert back["sha256"] == hashlib.sha256(b"SELECT 1;").hexdigest()


def test_a_part_is_planned_and_too_much_is_wrong_usage(project, target, sqlmigrate):
    project.tables("a", "b", "c")

    assert [step["migration_id"] for step in sqlmigrate("plan", "--to", "b", "--json").document["migrations"]] == [
        "a",
        "b",
    ]
    assert [step["migration_id"] for step in sqlmigrate("plan", "--steps", "1", "--json").document["migrations"]] == [
        "a"
    ]
    assert sqlmigrate("plan", "--to", "b", "--steps", "1").status == 2
    assert sqlmigrate("plan", "--to", "x").status == 2


@pytest.mark.parametrize(
    ("command", "said"),
    [("plan", "no plan was made"), ("apply --dry-run", "no plan was made"), ("apply", "nothing was applied")],
)
def test_what_is_older_than_the_applied_is_refused_and_the_newer_are_named(project, two, sqlmigrate, command, said):
    outcome = sqlmigrate(*command.split(), "--json")

    (problem,) = outcome.document["error"]["problems"]
    assert (outcome.status, problem["message"]) == (1, "is pending, but newer ones are applied: b")
    assert "--allow-out-of-order" in problem["hint"]
    assert f"error: {said}, since the order would not be that of the files\n" in outcome.stderr
    assert f"{project.directory / 'a.sql'}: is pending, but newer ones are applied: b" in outcome.stderr
    assert applied(two) == ["b"]


@pytest.mark.parametrize("way", ["option", "variable", "setting"])
def test_what_is_older_is_applied_where_that_is_meant(project, two, sqlmigrate, monkeypatch, way):
    options = ["--allow-out-of-order"] if way == "option" else []
    if way == "variable":
        monkeypatch.setenv("SQLMIGRATE_ALLOW_OUT_OF_ORDER", "true")
    if way == "setting":
        project.config("allow_out_of_order = true\n")

    assert [step["migration_id"] for step in sqlmigrate("plan", *options, "--json").document["migrations"]] == ["a"]
    assert sqlmigrate("apply", *options).status == 0
    assert applied(two) == ["b", "a"]


def test_an_edited_file_is_shown_as_a_diff_and_nothing_is_planned_or_applied(project, target, sqlmigrate):
    before = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;\n-- same\n"
    project.migration("a", before)
    sqlmigrate("apply")
    project.migration("a", before.replace("SELECT 1", "SELECT 2"))
    project.tables("b")

    for command, said in (("plan", "no plan was made"), ("apply", "nothing was applied")):
        outcome = sqlmigrate(command, "--json")
        assert f"error: {said}, since the files contradict the history\n" in outcome.stderr
        (problem,) = outcome.document["error"]["problems"]
        assert (outcome.status, problem["message"]) == (1, "was edited after it was applied")
        assert "sqlmigrate accept a --reason" in problem["hint"]
        assert problem["diff"] == [
            "--- a.sql (applied)",
            "+++ a.sql (file)",
            "@@ -1,2 +1,2 @@",
            "-CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;",
            "+CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 2 $$;",
            " -- same",
        ]
        assert "+CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 2 $$;\n" in outcome.stderr
    assert applied(target) == ["a"]


def test_an_edit_of_comments_and_white_space_is_a_warning_but_one_of_a_directive_is_not(project, target, sqlmigrate):
    project.migration("a", "CREATE TABLE a (id int);\n")
    sqlmigrate("apply")
    project.migration("a", "-- a table\nCREATE TABLE a (\n    id int /* a key */\n);\n")
    project.tables("b")

    outcome = sqlmigrate("apply")

    assert (outcome.status, applied(target)) == (0, ["a", "b"])
    assert "warning: " in outcome.stderr
    assert "was edited after it was applied, in comments and white space only" in outcome.stderr
    project.migration("a", "-- sqlmigrate: lock_timeout=9s\nCREATE TABLE a (id int);\n")
    refused = sqlmigrate("apply", "--json").document["error"]["problems"][0]
    assert (refused["message"], refused["severity"]) == ("was edited after it was applied", "error")
    assert "+-- sqlmigrate: lock_timeout=9s" in refused["diff"]


@pytest.mark.parametrize("command", ["plan --rollback", "rollback --dry-run"])
def test_a_rollback_that_is_only_planned_is_not_called_a_rollback(project, target, sqlmigrate, command):
    project.migration("a", "CREATE TABLE a ();")
    sqlmigrate("apply")

    outcome = sqlmigrate(*command.split())

    assert (outcome.status, outcome.stdout) == (1, "")
    assert "error: no plan was made\n" in outcome.stderr


def test_a_plan_takes_no_lock_budget_since_psql_never_tries_again(sqlmigrate):
    outcome = sqlmigrate("plan", "--lock-budget", "1s")

    assert outcome.status == 2
    assert "--lock-budget" not in sqlmigrate("plan", "--help").stdout


def test_options_of_a_rollback_are_refused_without_it(sqlmigrate):
    outcome = sqlmigrate("plan", "--all")

    assert (outcome.status, outcome.stdout) == (2, "")
    assert "belong to --rollback" in outcome.stderr
