"""The fixtures of the plug-in, on each kind of server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.waiting import wait_until

TESTS = """
import os
import psycopg
import pytest


@pytest.mark.parametrize("number", range(4))
def test_each_has_a_copy_of_its_own(sqlmigrate_database, sqlmigrate_template, number):
    with psycopg.connect(sqlmigrate_database) as connection:
        assert connection.execute("SELECT name FROM colours").fetchall() == [("red",)]
        connection.execute("INSERT INTO colours VALUES ('blue')")
    with open(f"told-{os.getpid()}-{number}", "w") as file:
        print(sqlmigrate_template.name, sqlmigrate_template.made, sqlmigrate_database, file=file)


def test_what_a_connection_does_is_rolled_back(sqlmigrate_connection, sqlmigrate_template):
    sqlmigrate_connection.execute("INSERT INTO colours VALUES ('green')")
    with sqlmigrate_template.clone() as other, psycopg.connect(other) as connection:
        assert connection.execute("SELECT count(*) FROM colours").fetchone() == (1,)
"""
PER_WORKER = """
def test_one(sqlmigrate_connection):
    sqlmigrate_connection.execute("INSERT INTO colours VALUES ('blue')")


def test_two(sqlmigrate_connection, sqlmigrate_database):
    assert sqlmigrate_connection.execute("SELECT count(*) FROM colours").fetchone() == (1,)
    open("told-2", "w").write(sqlmigrate_database)


def test_three(sqlmigrate_database):
    assert open("told-2").read() == sqlmigrate_database
"""


def told(suite):
    """Give what the tests have written: template, whether it was made, and database; the notes are gone then."""
    found = []
    for path in suite.glob("told-*"):
        found.append(path.read_text().split())
        path.unlink()
    return found


def made(found):
    """Give by name how many processes have made a template: each is told of by the tests of its process."""
    return {name for name, was_made, _ in found if was_made == "True"}


def test_the_template_is_made_once_for_all_workers_and_kept(suite, run, database, server_url):
    (suite / "test_colours.py").write_text(TESTS)
    options = ["--sqlmigrate-url", server_url, "-p", "xdist", "-n", "2"]

    first = run(*options)
    after_first = told(suite)
    second = run(*options)
    after_second = told(suite)

    assert "5 passed" in first.stdout, first.stdout + first.stderr
    assert "5 passed" in second.stdout, second.stdout + second.stderr
    assert len({url for *_, url in after_first}) == 4
    names = {name for name, *_ in after_first}
    assert made(after_first) == names
    assert made(after_second).isdisjoint(names)  # another name, made anew, only where midnight was between

    with database.connect_superuser() as session:
        free = "SELECT bool_and(pg_try_advisory_xact_lock(hashtextextended(name, 0))) FROM unnest(%s::text[]) AS name"
        wait_until(lambda: session.execute(free, [list(names)]).fetchone() == (True,))  # the second run is gone
    (suite / "sql" / "1_colours.sql").write_text("CREATE TABLE colours (name text PRIMARY KEY, more text);\n")
    third = run(*options[:2], "-k", "rolled_back or 0")
    found = told(suite)

    assert "passed" in third.stdout, third.stdout
    assert made(found) == {name for name, *_ in found}
    with database.connect_superuser() as session:
        there = session.execute("SELECT datname FROM pg_database WHERE datname = ANY(%s)", [list(names)]).fetchall()
        assert there == []  # what the files were before is dropped
        [name] = {name for name, *_ in found}
        session.execute(f"ALTER DATABASE {name} OWNER TO pg_monitor")
    planted = run(*options[:2], "-k", "0")
    assert f"{name}, of the name of this template, belongs to role pg_monitor" in planted.stdout, planted.stdout
    assert told(suite) == []


def test_without_a_server_a_private_one_is_shared(suite, run):
    (suite / "test_colours.py").write_text(TESTS)
    (suite / "sql" / "bootstrap").mkdir()
    (suite / "sql" / "bootstrap" / "1.sql").write_text("CREATE EXTENSION IF NOT EXISTS pg_buffercache;\n")

    first = run("-p", "xdist", "-n", "2")
    found = told(suite)

    assert "5 passed" in first.stdout, first.stdout + first.stderr
    assert made(found) == {name for name, *_ in found}
    assert all("postgresql://migrator@/" in url for *_, url in found)

    (suite / "test_colours.py").write_text(PER_WORKER)
    second = run("-o", "sqlmigrate_database_per=worker")

    assert "3 passed" in second.stdout, second.stdout + second.stderr


def test_a_server_of_pytest_postgresql_is_used(suite, run, database, server_url):
    (suite / "test_colours.py").write_text(TESTS)
    server = database.server
    process = ["-o", "sqlmigrate_process=postgresql_noproc", "--postgresql-dbname", f"{database.name}_noproc"]
    where = [f"--postgresql-host={server.host}", f"--postgresql-port={server.port}", "--postgresql-user=postgres"]

    done = run(*process, *where)

    assert "5 passed" in done.stdout, done.stdout + done.stderr
    with database.connect_superuser() as session:
        for name in {name for name, *_ in told(suite)}:
            assert session.execute("SELECT count(*) FROM pg_database WHERE datname = %s", [name]).fetchone() == (1,)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused")
def test_a_process_that_refuses_root_says_what_then(suite, run, database):
    (suite / "test_colours.py").write_text(TESTS)
    program = database.server.bindir / "pg_ctl"

    done = run("-o", "sqlmigrate_process=postgresql_proc", f"--postgresql-exec={program}")

    assert done.returncode == 1
    assert "PostgreSQL refuses to run as root" in done.stdout
    assert "leave sqlmigrate_process out" in done.stdout


def test_an_error_is_said_in_its_own_words(suite, run, server_url):
    (suite / "test_colours.py").write_text(TESTS)
    (suite / "sql" / "2_typo.sql").write_text("CREATE TABEL x ();\n")

    done = run("--sqlmigrate-url", server_url, "-k", "rolled_back")
    nowhere = run("--sqlmigrate-url", f"host={suite} dbname=x password=secret", "-k", "rolled_back")
    (suite / "test_colours.py").write_text(PER_WORKER)
    wrong = run("--sqlmigrate-url", server_url, "-o", "sqlmigrate_database_per=day", "-k", "three")

    assert 'sql/2_typo.sql:1:8: syntax error at or near "TABEL"' in done.stdout
    assert "Traceback" not in done.stdout
    assert "sqlmigrate: cannot connect to PostgreSQL" in nowhere.stdout
    assert "secret" not in nowhere.stdout.replace("password=secret", "")
    assert "is test or worker, not 'day'" in wrong.stdout


def test_no_fixture_runs_in_a_suite_that_asks_for_none(suite, run):
    (suite / "test_other.py").write_text(
        "import sys\n\n\ndef test_other():\n    assert {'psycopg', 'click'} & set(sys.modules) == set()\n"
    )

    done = run("-p", "no:postgresql")

    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert not any(Path(os.environ["SQLMIGRATE_STATE_DIR"]).iterdir())
