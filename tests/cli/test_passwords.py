"""A connection string that stands in the wrong place is not shown with its password."""

from __future__ import annotations

import json

import pytest

from sqlmigrate.cli.app import COMMANDS

URL = "postgres://me:hunter22@127.0.0.1:1/d"
PLACES = {
    "a name that is none": f'databse_url = "{URL}"',
    "a list": f'database_url = ["{URL}"]',
    "a time": f'lock_timeout = "{URL}"',
    "a flag": f'embedded = "{URL}"',
    "the name of a variable": f'database_url_env = "{URL}"',
    "a folder": f'migrations = "{URL}"',
    "a scheduler": f'scheduler = "{URL}"\ntargets = "t.csv"',
    "a command": f'targets_command = "list {URL}"',
    "words of a command": f'targets_command = ["list", "{URL}"]',
    "a hook that is none": f'[hooks]\nbefor_run = "tell {URL}"',
    "an environment": f'[env.production]\ndatabase = "{URL}"',
}


def require_hidden(*outcomes):
    for outcome in outcomes:
        assert "hunter22" not in outcome.stdout + outcome.stderr


@pytest.mark.parametrize("text", PLACES.values(), ids=PLACES.keys())
def test_it_stands_in_the_configuration(project, sqlmigrate, text):
    project.config(text + "\n")
    (project.root / "t.csv").write_text(f"name,url_env\n{URL},x\n")

    require_hidden(
        sqlmigrate("config"),
        sqlmigrate("config", "--json"),
        sqlmigrate("config", "--env", "production"),
        sqlmigrate("validate"),
        sqlmigrate("status"),
        sqlmigrate("status", "--json"),
        sqlmigrate("fleet", "status"),
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_it_stands_behind_a_command(project, sqlmigrate, name):
    require_hidden(sqlmigrate(name, URL), sqlmigrate(name, URL, "--json"))


@pytest.mark.parametrize("words", [("backfill", "status"), ("backfill", "pause"), ("fleet", "report"), ("rollback",)])
def test_it_stands_behind_a_command_that_asks_a_database(project, target, sqlmigrate, words):
    project.tables("a")
    assert sqlmigrate("apply").status == 0

    require_hidden(sqlmigrate(*words, URL), sqlmigrate(*words, URL, "--json"))


@pytest.mark.parametrize("option", ["--env", "--config", "--migrations", "--targets", "--lock-timeout", "--no-option"])
def test_it_stands_behind_an_option(project, sqlmigrate, option):
    commands = (["apply"], ["status"], ["fleet", "apply"], ["seed", "validate"])

    require_hidden(
        *(sqlmigrate(*words, *given) for words in commands for given in ([option, URL], [f"{option}={URL}", "--json"]))
    )


def test_it_stands_in_a_line_that_is_shown(project, sqlmigrate):
    project.migration("a", f"SELECT '{URL}' FROM;")

    outcome = sqlmigrate("validate")

    require_hidden(outcome)
    shown, caret = [line for line in outcome.stdout.splitlines() if " | " in line][:2]
    assert "postgres://me:***@127.0.0.1:1/d" in shown
    assert shown[caret.index("^")] == ";"


def test_a_hook_says_it(project, target, sqlmigrate):
    project.tables("a")
    project.config(f"[hooks]\nbefore_run = {json.dumps(['echo', URL])}\n")

    outcome = sqlmigrate("apply")

    require_hidden(outcome)
    assert "  | postgres://me:***@127.0.0.1:1/d" in outcome.stderr
