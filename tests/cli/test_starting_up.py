"""Starting up with others: a server that comes later, and a file of variables."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest
from psycopg.conninfo import conninfo_to_dict

from sqlmigrate.cli.app import COMMANDS
from support.command import ended, started

ENV_FILE = 'env_file = ".env"\n'
UNNEEDED = {"sqlmigrate.events", "sqlmigrate.history.write", "sqlmigrate.sql.scan", "sqlmigrate.sql.statement"}
"""What only a call needs that finds something to do: it takes longer to load than to read a hundred files."""


@pytest.fixture
def dotenv(project):
    """Give a function that writes the file of variables, which the configuration names."""
    project.config(ENV_FILE)
    return (project.root / ".env").write_text


@pytest.fixture
def own_environment(monkeypatch):
    """Let what the command sets in the environment be gone afterwards."""
    for name in ("DATABASE_URL", "SQLMIGRATE_DATABASE_URL", "PGAPPNAME"):
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)


def test_the_command_works_on_the_database_of_the_file(dotenv, own_environment, project, database, sqlmigrate):
    project.tables(**{"1_a": "a"})
    dotenv(f"DATABASE_URL='{database.url}'\n")

    outcome = sqlmigrate("apply")

    assert outcome.status == 0, outcome.stderr
    assert "(named by variable DATABASE_URL of env_file)" in outcome.stderr


@pytest.mark.parametrize("command", ["review", "roundtrip", "validate"])
def test_what_tries_the_work_of_others_never_reads_the_file(dotenv, project, command):
    project.tables(**{"1_a": "a"})
    dotenv("this is no variable\n")

    done = ended_of(command, "--shadow-url", "host=/nowhere") if command != "validate" else ended_of(command)

    assert "no variable" not in done.stderr
    assert "env_file" not in done.stderr
    assert ended_of("status").status == 2


def ended_of(*arguments):
    with started(*arguments) as process:
        return ended(process)


def test_a_server_that_comes_later_is_waited_for(database, project, tmp_path):
    """A socket that nobody listens on at first; then it leads to the server."""
    project.tables(**{"1_a": "a"})
    folder = tmp_path / "s"
    folder.mkdir()
    port = conninfo_to_dict(database.conninfo).get("port", "5432")
    url = f"host={folder} port={port} dbname={database.name} user=migrator"
    with started("apply", "--database-url", url, "--wait-for-server", "5min") as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        (folder / f".s.PGSQL.{port}").symlink_to(f"{database.server.host}/.s.PGSQL.{port}")
        done = ended(process)

    assert first.startswith(f"waiting for database {database.name} on socket {folder} as migrator, at most 5min")
    assert done.status == 0, done.stderr
    assert "applied" in done.stdout + done.stderr


def test_a_server_that_does_not_come_is_an_error_in_the_end(project, sqlmigrate, tmp_path):
    project.tables(**{"1_a": "a"})

    outcome = sqlmigrate("status", "-d", f"host={tmp_path} dbname=x user=y", "--wait-for-server", "1ms")

    assert outcome.status == 1
    assert "(waited 1ms for database x on socket" in outcome.stderr


def test_only_a_server_that_does_not_answer_is_waited_for(database, project, sqlmigrate):
    project.tables(**{"1_a": "a"})

    outcome = sqlmigrate("status", "-d", f"{database.conninfo} dbname=not_there", "--wait-for-server", "1h")

    assert outcome.status == 1
    assert "does not exist" in outcome.stderr
    assert "waiting" not in outcome.stderr


def test_a_port_on_which_nobody_answers_is_no_server(project, sqlmigrate):
    project.tables(**{"1_a": "a"})
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # it does not listen
        url = f"postgresql://me@127.0.0.1:{taken.getsockname()[1]}/x"
        outcome = sqlmigrate("status", "-d", url, "--wait-for-server", "1ms", "--quiet")

    assert outcome.status == 1
    assert "Connection refused" in outcome.stderr
    assert outcome.lines == []


def test_a_server_that_takes_a_connection_and_says_nothing_is_given_up(project, sqlmigrate):
    project.tables(**{"1_a": "a"})
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/x"
        outcome = sqlmigrate("status", "-d", url, "--wait-for-server", "1ms")

    assert outcome.status == 1
    assert "the server does not answer (waited 1ms for database x" in outcome.stderr


def test_every_command_takes_the_option(sqlmigrate):
    groups = {"backfill", "db", "fleet"}

    assert all("--wait-for-server" in sqlmigrate(name, "--help").stdout for name in COMMANDS if name not in groups)


def test_nothing_to_do_loads_nothing_of_what_runs_scripts(database, project, sqlmigrate):
    project.tables(**{"1_a": "a"})
    assert sqlmigrate("apply", "-d", database.url).status == 0
    code = "import sys; from sqlmigrate.cli.app import main; main(sys.argv[1:]); print(*sys.modules)"
    called = [sys.executable, "-c", code, "apply", "-d", database.url]
    done = subprocess.run(called, cwd=project.root, capture_output=True, text=True, check=True)

    assert UNNEEDED & set(done.stdout.split()) == set()
    assert "sqlmigrate.history.tables" in done.stdout.split()
