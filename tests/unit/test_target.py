"""The database is the one that somebody named; a private one only where somebody asked for it or sits there."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from sqlmigrate.config import load
from sqlmigrate.errors import ConfigError, NoTargetError, UsageError
from sqlmigrate.target import Choice, choose, opened, state_dir

FILE = """
[tool.sqlmigrate]
embedded = {embedded}
{file}

[tool.sqlmigrate.env.bare]
protected = true

[tool.sqlmigrate.env.url]
database_url = "dbname=section"

[tool.sqlmigrate.env.variable]
database_url_env = "SECTION_URL"

[tool.sqlmigrate.env.own]
embedded = true
"""
OURS, COMMON, HOST = {"SQLMIGRATE_DATABASE_URL": "dbname=ours"}, {"DATABASE_URL": "dbname=common"}, {"PGHOST": "h"}
SECTION = {"SECTION_URL": "dbname=secret"}


@pytest.fixture
def decide(tmp_path):
    """Decide on a target in a project, from environment variables and options."""

    def decide(environ=None, *, env=None, private=False, file="", interactive=False, **options) -> Choice:
        (tmp_path / ".git").mkdir(exist_ok=True)
        text = FILE.format(embedded=str(private).lower(), file=file)
        (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
        config = load(options, env=env, environ=environ or {}, cwd=tmp_path)
        return choose(config, interactive=interactive, environ=environ or {})

    return decide


def database(choice: Choice) -> str | None:
    return None if choice.conninfo is None else str(conninfo_to_dict(choice.conninfo).get("dbname", ""))


URL_IN_FILE = "database_url = 'dbname=file'"


@pytest.mark.parametrize(
    ("environ", "options", "name", "source"),
    [
        (OURS | COMMON | HOST, {"database_url": "dbname=option", "env": "url"}, "option", "option --database-url"),
        (OURS | COMMON | HOST, {"env": "url"}, "ours", "variable SQLMIGRATE_DATABASE_URL"),
        (COMMON | HOST, {"env": "url"}, "section", "pyproject.toml [env.url]"),
        (COMMON | HOST | SECTION, {"env": "variable"}, "secret", "variable SECTION_URL"),
        (COMMON | HOST, {"env": "bare"}, "common", "variable DATABASE_URL"),
        (COMMON | HOST, {"file": URL_IN_FILE, "private": True}, "common", "variable DATABASE_URL"),
        (COMMON | {"SQLMIGRATE_EMBEDDED": "1"}, {}, "common", "variable DATABASE_URL"),
        (HOST, {"file": URL_IN_FILE}, "", "variable PGHOST"),
        ({"PGHOSTADDR": "::1"}, {}, "", "variable PGHOSTADDR"),
        ({"PGSERVICE": "s"}, {}, "", "variable PGSERVICE"),
        ({"PGDATABASE": "d"}, {}, "", "variable PGDATABASE"),
        (SECTION, {"file": "database_url_env = 'SECTION_URL'"}, "secret", "variable SECTION_URL"),
        ({}, {"file": URL_IN_FILE, "private": True}, "file", "pyproject.toml"),
        (OURS, {"private": True, "interactive": True}, "ours", "variable SQLMIGRATE_DATABASE_URL"),
    ],
)
def test_the_nearest_name_wins(decide, environ, options, name, source):
    choice = decide(environ, **options)

    assert (database(choice), choice.source, choice.private) == (name, source, False)


@pytest.mark.parametrize("environ", [{}, OURS | COMMON | HOST, {"CI": "true"}])
@pytest.mark.parametrize("env", [None, "url", "bare"])
def test_the_option_for_a_private_server_beats_every_variable(decide, environ, env):
    choice = decide(environ, env=env, embedded=True)

    assert (choice.private, choice.source) == (True, "option --embedded")


def test_two_options_that_name_two_databases_are_refused(decide):
    with pytest.raises(UsageError, match="--embedded and --database-url name two different databases"):
        decide(database_url="dbname=x", embedded=True)


@pytest.mark.parametrize(
    ("environ", "options", "source"),
    [
        ({}, {"private": True}, "embedded = true (pyproject.toml)"),
        ({"CI": "true"}, {"private": True}, "embedded = true (pyproject.toml)"),
        ({"SQLMIGRATE_EMBEDDED": "1", "CI": "1"}, {}, "embedded = true (variable SQLMIGRATE_EMBEDDED)"),
        ({"SQLMIGRATE_EMBEDDED": "1"}, {"env": "bare"}, "embedded = true (variable SQLMIGRATE_EMBEDDED)"),
        ({}, {"env": "own"}, "embedded = true (pyproject.toml [env.own])"),
        ({}, {"interactive": True}, "no database is named"),
        ({"PGUSER": "u", "PGPASSWORD": "p", "PGPORT": "1"}, {"interactive": True}, "no database is named"),
    ],
)
def test_a_private_server_is_used_where_it_was_asked_for(decide, environ, options, source):
    choice = decide(environ, **options)

    assert (choice.private, choice.source) == (True, source)


@pytest.mark.parametrize(
    ("environ", "options"),
    [
        ({}, {}),
        ({"CI": "1"}, {"interactive": True}),
        ({"SQLMIGRATE_EMBEDDED": "0"}, {"private": True}),
        ({"PGUSER": "u", "PGPASSWORD": "p", "PGPORT": "1"}, {}),
        ({}, {"env": "bare", "private": True}),
        ({}, {"env": "bare", "interactive": True}),
    ],
)
def test_a_job_that_lost_its_secret_does_not_end_on_a_private_database(decide, environ, options):
    with pytest.raises(NoTargetError, match="no database is named") as caught:
        decide(environ, **options)

    assert caught.value.exit_status == 2
    assert "--database-url" in caught.value.hint
    assert "--embedded" in caught.value.hint


@pytest.mark.parametrize("environ", [{"DATABASE_URL": ""}, {"DATABASE_URL": " "}, {"SQLMIGRATE_DATABASE_URL": ""}])
def test_a_secret_that_is_set_but_empty_is_lost_too(decide, environ):
    with pytest.raises(NoTargetError, match="is set but empty"):
        decide(environ, private=True, interactive=True, file=URL_IN_FILE)


def test_a_variable_that_an_environment_names_must_be_set(decide):
    with pytest.raises(ConfigError, match="environment variable takes its database from the variable SECTION_URL"):
        decide(COMMON, env="variable", private=True)


@pytest.mark.parametrize(
    "url", ["postgresql://u:hunter2@h:x/d", "hunter2", "mysql://u:hunter2@h/d", "password=hunter2 nonsense"]
)
def test_what_is_not_a_url_is_refused_without_being_repeated(decide, url):
    with pytest.raises(ConfigError, match="variable DATABASE_URL") as caught:
        decide({"DATABASE_URL": url})

    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


def test_urls_of_other_tools_are_understood(decide):
    choice = decide({"DATABASE_URL": "postgresql+psycopg2://u:p@h:1/d?sslmode=require"})

    assert conninfo_to_dict(choice.conninfo) == {
        "user": "u",
        "password": "p",
        "host": "h",
        "port": "1",
        "dbname": "d",
        "sslmode": "require",
    }


def test_a_named_database_is_described_by_who_named_it(decide, tmp_path):
    choice = decide({"DATABASE_URL": "postgresql://u:hunter2@h/d"})

    with opened(choice, load({}, environ={}, cwd=tmp_path)) as target:
        assert (target.description, target.private) == ("named by variable DATABASE_URL", False)
        assert "hunter2" not in target.description


def test_a_private_server_keeps_its_data_where_the_settings_say(tmp_path):
    assert state_dir(load({"state_dir": "/x"}, environ={}, cwd=tmp_path)) == Path("/x")
    assert state_dir(load({}, environ={}, cwd=tmp_path)) != Path("/x")
