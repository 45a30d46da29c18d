"""`sqlmigrate db`: the private server, for people who want to look."""

from __future__ import annotations

import psycopg
import pytest

from sqlmigrate import server
from support.command import program, terminal


@pytest.fixture
def state(open_path, project, monkeypatch):
    """A state directory of this test alone, still empty; what runs in it at the end is stopped."""
    folder = open_path / "state"
    monkeypatch.setenv("SQLMIGRATE_STATE_DIR", str(folder))
    yield folder
    if folder.exists():
        server.destroy(folder)


def test_before_the_first_start_there_is_nothing(state, sqlmigrate):
    assert sqlmigrate("db", "status").stdout == f"there is no private server in {state}\n"
    assert sqlmigrate("db", "stop").stdout == "there is no private server\n"
    assert sqlmigrate("db", "reset").lines == ["there is no private server, so there is nothing to delete"]
    assert not state.exists()


def test_url_says_so_where_the_server_is_not_up(state, sqlmigrate):
    outcome = sqlmigrate("db", "url", "--json")

    assert outcome.status == 1
    assert "the private server is not running" in outcome.document["error"]["message"]
    assert "sqlmigrate db start" in outcome.stderr


def test_start_status_url_stop_and_reset(state, sqlmigrate):
    started = sqlmigrate("db", "start", "--json").document
    url = sqlmigrate("db", "url").stdout.strip()

    assert started["running"] is True
    assert started["url"] == url
    assert sqlmigrate("db", "url", "--json").document["url"] == url
    with psycopg.connect(url) as session:
        assert session.execute("SELECT current_database(), current_user").fetchone() == ("app", "migrator")
    running = sqlmigrate("db", "status").stdout
    assert "is running, kept until `db stop`" in running
    assert str(state) in running
    assert sqlmigrate("apply", "--embedded").status == 0
    assert sqlmigrate("db", "status", "--json").document["servers"][0]["running"] is True

    assert sqlmigrate("db", "reset").status == 2
    assert sqlmigrate("db", "stop").stdout.startswith("stopped: ")
    assert "is not running: " in sqlmigrate("db", "status").stdout
    assert sqlmigrate("db", "url").status == 1
    with terminal("db", "reset") as screen:
        screen.wait_for("[y/N]:")
        screen.enter("n")
        assert screen.end() == 2
    assert sqlmigrate("db", "reset", "--yes").stdout.startswith("deleted ")
    assert sqlmigrate("db", "status").stdout == f"there is no private server in {state}\n"


def test_a_server_that_nobody_keeps_stops_after_the_command(state, project):
    project.tables("a")

    assert program("apply", "--embedded").status == 0
    assert [(item.running, item.in_use) for item in server.status(state)] == [(False, False)]
    assert program("status", "--embedded", "--check").status == 0


@pytest.mark.parametrize(
    "made", ["mkfifo postmaster.opts", "ln -s /dev/zero postmaster.opts", "touch postmaster.opts", ":"]
)
def test_what_a_script_puts_in_the_place_of_the_servers_files_holds_nobody_up(state, sqlmigrate, made):
    url = sqlmigrate("db", "start", "--json").document["url"]
    [found] = server.status(state)
    with psycopg.connect(found.server.conninfo(), autocommit=True) as session:
        session.execute(f"COPY (SELECT) TO PROGRAM 'rm postmaster.opts && {made}'")

    for command in ("status", "url", "stop"):  # a process each, which would be ended where it waits
        outcome = program("db", command)
        assert (outcome.status, outcome.stderr) == (0, "")
    assert sqlmigrate("db", "start", "--json").document["url"] == url


def test_what_a_script_leaves_in_the_folder_of_the_socket_stops_no_start(state, sqlmigrate):
    sqlmigrate("db", "start")
    [found] = server.status(state)
    with psycopg.connect(found.server.conninfo(), autocommit=True) as session:
        session.execute(f"COPY (SELECT) TO PROGRAM 'mkdir -p {found.server.host}/more/of'")

    assert sqlmigrate("db", "stop").status == 0
    assert sqlmigrate("db", "start").status == 0


def test_starting_twice_gives_the_same_server(project, private, sqlmigrate):
    assert sqlmigrate("db", "start").stdout == sqlmigrate("db", "start").stdout


def test_psql_works_in_the_projects_database_as_its_owner(project, private):
    project.tables("a")

    outcome = program("db", "psql", "--", "-XAtc", "SELECT current_database(), current_user")

    assert (outcome.status, outcome.stdout) == (0, "app|migrator\n")


def test_the_status_of_psql_is_ours(project, private):
    assert program("db", "psql", "--", "-XAtc", "SELECT nothing").status == 1


def test_the_bootstrap_runs_once_and_as_superuser(project, private, sqlmigrate):
    (project.directory / "bootstrap").mkdir()
    script = "CREATE TABLE public.made_by AS SELECT current_user::text AS who"
    (project.directory / "bootstrap" / "1.sql").write_text(script)
    sqlmigrate("db", "start")
    sqlmigrate("status", "--embedded")

    found = program("db", "psql", "--", "-XAtc", "SELECT tableowner FROM pg_tables WHERE tablename = 'made_by'")

    assert found.stdout == "postgres\n"


def test_a_bootstrap_beside_a_named_database_is_ignored(project, target, sqlmigrate):
    (project.directory / "bootstrap").mkdir()
    (project.directory / "bootstrap" / "1.sql").write_text("SELECT nothing")
    project.tables("a")

    assert sqlmigrate("apply").status == 0


def test_db_takes_no_url(project, private, sqlmigrate):
    outcome = sqlmigrate("db", "status", "--database-url", "postgresql://localhost/x")

    assert outcome.status == 2
    assert "--database-url" in outcome.stderr


def test_the_server_ignores_the_users_libpq_variables(project, private, sqlmigrate, monkeypatch):
    monkeypatch.setenv("PGOPTIONS", "-c search_path=nowhere")
    monkeypatch.setenv("PGDATABASE", "nowhere")
    monkeypatch.setenv("PGUSER", "nobody")
    project.tables("a")

    assert sqlmigrate("apply", "--embedded").status == 0


def test_programs_that_cannot_be_found_are_named_by_their_variable(state, sqlmigrate, monkeypatch, tmp_path):
    monkeypatch.setenv("SQLMIGRATE_PG_BINDIR", str(tmp_path))

    outcome = sqlmigrate("db", "start")

    assert outcome.status == 1
    assert "SQLMIGRATE_PG_BINDIR" in outcome.stderr


def test_data_is_in_the_project_unless_told_otherwise(open_path, sqlmigrate, monkeypatch):
    (open_path / ".git").mkdir()
    monkeypatch.chdir(open_path)

    assert sqlmigrate("db", "status").stdout == f"there is no private server in {open_path / '.sqlmigrate'}\n"
