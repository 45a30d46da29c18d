"""Which database a command works on, and that nobody finds out too late."""

from __future__ import annotations

import pytest

from support.command import shell, terminal
from support.contents import applied

SECTION = '[env.live]\ndatabase_url_env = "LIVE_URL"\n'
PLACES = {
    "option": "--database-url",
    "variable": "SQLMIGRATE_DATABASE_URL",
    "section": "the variable that the environment section names",
    "url": "DATABASE_URL",
    "libpq": "PGHOST and PGDATABASE",
    "file": "the configuration file",
}


@pytest.fixture
def place(project, monkeypatch):
    """Name a database in one of the places; gives the options that this takes."""

    def name(where, database):
        url = database.url
        if where == "libpq":
            monkeypatch.setenv("PGHOST", str(database.server.host))
            monkeypatch.setenv("PGUSER", "migrator")
            monkeypatch.setenv("PGDATABASE", database.name)
        elif where == "file":
            text = f'database_url = "{url}"\n'
            project.config(text + (project.root / "sqlmigrate.toml").read_text())
        elif where != "option":
            variable = {"variable": "SQLMIGRATE_DATABASE_URL", "section": "LIVE_URL", "url": "DATABASE_URL"}[where]
            monkeypatch.setenv(variable, url)
        return {"option": ["--database-url", url], "section": ["--env", "live"]}.get(where, [])

    project.config(SECTION)
    return name


@pytest.mark.parametrize(("higher", "lower"), list(zip(PLACES, list(PLACES)[1:], strict=False)))
def test_the_higher_place_wins(place, database_factory, sqlmigrate, higher, lower):
    winner, loser = database_factory(), database_factory()
    options = place(lower, loser)
    assert sqlmigrate("status", *options).stderr.startswith(f"database {loser.name} on")

    outcome = sqlmigrate("status", *options, *place(higher, winner))

    assert outcome.stderr.startswith(f"database {winner.name} on")


def test_an_environment_whose_variable_is_not_set_takes_no_other_database(place, database, sqlmigrate):
    place("url", database)

    outcome = sqlmigrate("apply", "--env", "live")

    assert outcome.status == 2
    assert "environment live takes its database from the variable LIVE_URL, which is not set" in outcome.stderr


def test_a_url_in_the_environment_section_beats_database_url(project, database_factory, monkeypatch, sqlmigrate):
    winner, loser = database_factory(), database_factory()
    project.config(f'[env.live]\ndatabase_url = "{winner.url}"\n')
    monkeypatch.setenv("DATABASE_URL", loser.url)

    stderr = sqlmigrate("status", "--env", "live").stderr

    assert stderr.startswith(f"database {winner.name} on")
    assert stderr.strip().endswith("environment live)")


@pytest.mark.parametrize("command", [("status",), ("apply",), ("review",), ("accept", "a", "--reason", "r")])
def test_a_database_that_cannot_be_reached_is_named_with_the_place_that_named_it(
    project, sqlmigrate, monkeypatch, command
):
    project.tables("a")
    project.config('[env.live]\ndatabase_url_env = "LIVE_URL"\n')
    monkeypatch.setenv("LIVE_URL", "postgresql://me:secret@127.0.0.1:1/shop")

    outcome = sqlmigrate(*command, "--env", "live", "--json")

    assert outcome.status == 1
    named, error, *_, hint = outcome.stderr.splitlines()
    assert named == "database shop on 127.0.0.1:1 as me (named by variable LIVE_URL, environment live)"
    assert error.startswith('error: cannot connect to PostgreSQL: connection to server at "127.0.0.1", port 1 failed')
    assert hint.endswith("database, role and password, named by variable LIVE_URL")
    assert outcome.document["error"]["hint"] in hint


def test_without_a_database_and_a_terminal_the_command_is_refused(project, sqlmigrate):
    outcome = sqlmigrate("status")

    assert outcome.status == 2
    assert "no database is named" in outcome.stderr
    assert "--database-url or DATABASE_URL" in outcome.stderr
    assert "--embedded" in outcome.stderr


def test_a_user_and_a_port_alone_name_no_database(project, sqlmigrate, monkeypatch):
    monkeypatch.setenv("PGUSER", "migrator")
    monkeypatch.setenv("PGPORT", "5432")

    assert sqlmigrate("status").status == 2


@pytest.mark.parametrize("name", ["DATABASE_URL", "SQLMIGRATE_DATABASE_URL"])
@pytest.mark.parametrize("value", ["", "  "])
def test_a_url_that_is_set_but_empty_is_a_lost_secret(project, sqlmigrate, monkeypatch, name, value):
    project.config("embedded = true\n")
    monkeypatch.setenv(name, value)

    outcome = sqlmigrate("apply")

    assert outcome.status == 2
    assert f"{name} is set but empty" in outcome.stderr


def test_embedded_together_with_a_url_is_wrong_usage(project, sqlmigrate):
    outcome = sqlmigrate("apply", "--embedded", "--database-url", "postgresql://localhost/x")

    assert outcome.status == 2
    assert "--embedded and --database-url" in outcome.stderr


def test_the_option_embedded_beats_every_variable(project, private, sqlmigrate, monkeypatch):
    for name in ("DATABASE_URL", "SQLMIGRATE_DATABASE_URL"):
        monkeypatch.setenv(name, "postgresql://127.0.0.1:1/nowhere")
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    monkeypatch.setenv("CI", "true")
    project.tables("a")

    outcome = sqlmigrate("apply", "--embedded")

    assert outcome.status == 0
    assert outcome.stderr.startswith("database app as migrator, PostgreSQL ")
    assert f"(private server, {private}" in outcome.stderr


@pytest.mark.parametrize("asked", ["file", "variable"])
def test_a_private_server_that_was_asked_for_serves_in_ci_too(project, private, sqlmigrate, monkeypatch, asked):
    monkeypatch.setenv("CI", "true")
    if asked == "file":
        project.config("embedded = true\n")
    else:
        monkeypatch.setenv("SQLMIGRATE_EMBEDDED", "1")

    assert "(private server" in sqlmigrate("status").stderr


def test_a_named_database_beats_embedded_in_the_file(project, target, sqlmigrate):
    project.config("embedded = true\n")

    assert sqlmigrate("status").stderr.startswith(f"database {target.name} on")


def test_the_files_embedded_does_not_stand_in_for_an_environment(project, sqlmigrate):
    project.config("embedded = true\n[env.live]\n")

    outcome = sqlmigrate("status", "--env", "live")

    assert outcome.status == 2
    assert "no database is named for environment live" in outcome.stderr


def test_a_person_at_a_terminal_gets_a_private_server(project, private):
    with terminal("status") as screen:
        assert screen.end() == 0
    assert "database app as migrator, PostgreSQL " in screen.shown
    assert "private server" in screen.shown


def test_a_terminal_in_ci_is_nobody(project, private):
    with terminal("status", env={"CI": "true"}) as screen:
        assert screen.end() == 2
    assert "no database is named" in screen.shown


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&- >&-"])
def test_closed_standard_streams_are_not_a_terminal(project, target, closed):
    project.tables("a")

    assert shell(f"sqlmigrate apply && sqlmigrate rollback {closed}").status == 2
    assert applied(target) == ["a"]


SECRET = "s3cr%2Fet-pass"
PLAIN = "s3cr/et-pass"


def assert_hidden(outcome):
    text = outcome.stdout + outcome.stderr
    assert SECRET not in text
    assert PLAIN not in text
    assert "s3cr" not in text
    assert "et-pass" not in text


def with_password(database):
    return database.url.replace("migrator@", f"migrator:{SECRET}@")


@pytest.mark.parametrize("command", [("status",), ("apply",), ("rollback",), ("config",), ("mark", "a"), ("seed",)])
@pytest.mark.parametrize("form", [(), ("--json", "--verbose")])
def test_no_command_prints_the_password(project, database, sqlmigrate, monkeypatch, command, form):
    assert SECRET in with_password(database)
    project.migration("a", "SELECT nothing", rollback="")
    (project.root / "data").mkdir()
    monkeypatch.setenv("DATABASE_URL", with_password(database))
    monkeypatch.setenv("SQLMIGRATE_DATABASE_URL", with_password(database))

    assert_hidden(sqlmigrate(*command, *form))


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}@127.0.0.1:1/x",
        f"postgresql://127.0.0.1:1/x?user=me&password={SECRET}",
        f"host=127.0.0.1 port=1 password={PLAIN}",
        f"host=127.0.0.1 port=1 password='{PLAIN}'",
        f"postgresql+psycopg://me:{SECRET}@127.0.0.1:1/x",
        f"postgresql://me:a@{PLAIN}@127.0.0.1:1/x",  # the at sign needs a %-code
        f"postgresql://me:a@{SECRET}@127.0.0.1:1/x",
        f"postgresql://me:{PLAIN}@127.0.0.1:1/x",  # the slash too
        f"postgresql://me:12/{SECRET}@127.0.0.1:1/x",
        f"postgresql://me:%zz{SECRET}@127.0.0.1:1/x",
        f"mysql://me:{SECRET}@127.0.0.1:1/x",
        f"host=127.0.0.1 port=1 passwd={PLAIN}",
        f"me:{SECRET}@127.0.0.1",
    ],
)
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_connection_that_fails_does_not_print_the_password(project, sqlmigrate, url, form):
    outcome = sqlmigrate("status", "--database-url", url, *form)

    assert outcome.status in {1, 2}
    assert_hidden(outcome)
    assert_hidden(sqlmigrate("config", "--database-url", url, *form))


def test_a_server_that_is_not_there_is_an_error_in_plain_words(project, sqlmigrate):
    outcome = sqlmigrate("status", "--database-url", "postgresql://127.0.0.1:1/x", "--json")

    assert outcome.status == 1
    assert outcome.document["error"]["type"] == "ConnectionFailed"
    assert "Connection refused" in outcome.document["error"]["message"]


def test_an_error_is_not_blanked_out_where_a_password_is_a_common_word(project, sqlmigrate):
    outcome = sqlmigrate("status", "--database-url", "postgresql://postgres:on@127.0.0.1:1/x")

    assert "Connection refused" in outcome.stderr


def test_sqlalchemys_way_to_write_a_url_is_understood(project, database, sqlmigrate):
    url = database.url.replace("postgresql://", "postgresql+psycopg://")

    assert sqlmigrate("status", "--database-url", url).status == 0
