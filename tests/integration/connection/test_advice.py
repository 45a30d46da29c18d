"""Errors whose own words do not say what to do: each as PostgreSQL really raises it, with our hint."""

from __future__ import annotations

import os
import signal

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from sqlmigrate import connection
from sqlmigrate.connection.address import meant
from sqlmigrate.errors import ConnectionFailed, ExecutionError
from sqlmigrate.server import Binaries, ephemeral
from support.processes import postmaster_in
from support.runner import Runner
from support.waiting import wait_until

pytestmark = pytest.mark.pg

FIRST_WITH_PROVIDER = 150000
PENDING = """
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
INSERT INTO parent VALUES (1);
INSERT INTO child VALUES (1);
"""
REFUSED = {
    "a procedure that commits": (
        "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;\nCALL p();",
        "2D000",
        "write `-- transactional: false` in the first lines",
    ),
    "a block that commits": ("DO $$ BEGIN COMMIT; END $$;", "2D000", "write `-- transactional: false`"),
    "a block that commits between BEGIN and COMMIT": (
        "-- transactional: false\nBEGIN;\nDO $$ BEGIN COMMIT; END $$;\nCOMMIT;",
        "2D000",
        "may not commit between BEGIN and COMMIT",
    ),
    "ALTER TABLE behind deferred rows": (
        f"{PENDING}ALTER TABLE child ADD COLUMN x int;",
        "55006",
        "SET CONSTRAINTS ALL IMMEDIATE before it",
    ),
    "DROP TABLE behind deferred rows": (f"{PENDING}DROP TABLE child;", "55006", "SET CONSTRAINTS ALL IMMEDIATE"),
    "CREATE INDEX behind deferred rows": (f"{PENDING}CREATE INDEX ON child (id);", "55006", "SET CONSTRAINTS ALL"),
    "a setting of a newer version": ("SET of_a_newer_version = 0;", "42704", "a newer pg_dump may write: remove it"),
    "the same by a function": (
        "SELECT pg_catalog.set_config('of_a_newer_version', '0', false);",
        "42704",
        "a newer pg_dump may write: remove it",
    ),
    "bytes that are no text": (r"SELECT E'\xff';", "22021", "in a column of type bytea"),
}


@pytest.fixture
def run(tmp_path):
    """Apply one script, and give the error that it ends with."""

    def applied(conninfo: str, script: str) -> ExecutionError:
        runner = Runner(conninfo, tmp_path)
        runner.write("1", script)
        with pytest.raises(ExecutionError) as caught:
            runner.apply()
        return caught.value

    return applied


@pytest.fixture
def latin1(pg_server):
    """A database whose encoding has no euro sign."""
    with psycopg.connect(pg_server.conninfo(), autocommit=True) as session:
        session.execute("CREATE DATABASE latin1 TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'" + _provider(session))
        yield pg_server.conninfo("latin1")
        session.execute("DROP DATABASE latin1 WITH (FORCE)")


def _provider(session: psycopg.Connection) -> str:
    return " LOCALE_PROVIDER libc" if session.info.server_version >= FIRST_WITH_PROVIDER else ""


@pytest.mark.parametrize(("script", "sqlstate", "hint"), REFUSED.values(), ids=REFUSED)
def test_it_says_what_to_do(run, database, script, sqlstate, hint):
    error = run(database.conninfo, script)

    assert error.server is not None
    assert error.server.sqlstate == sqlstate
    assert hint in (error.hint or "")


def test_a_character_that_the_database_does_not_have_is_explained(run, latin1):
    error = run(latin1, "CREATE TABLE t (x text DEFAULT '\N{EURO SIGN}');")

    assert error.server is not None
    assert error.server.sqlstate == "22P05"
    assert "use a database with the encoding UTF8" in (error.hint or "")


@pytest.mark.parametrize(
    "script", ["ALTER TABLE gone ADD x int;", "SET ROLE gone;", "DROP ROLE gone;", "SELECT 'x'::gone;"]
)
def test_what_does_not_exist_otherwise_is_not_a_setting(run, database, script):
    assert "pg_dump" not in (run(database.conninfo, script).hint or "")


def test_a_server_that_is_about_to_stop_is_told_from_one_that_is_not_there(binaries: Binaries):
    with ephemeral(binaries.major, in_memory=True) as server, psycopg.connect(server.conninfo()):
        os.kill(postmaster_in(server.data_dir), signal.SIGTERM)  # it waits for the session that is open
        wait_until(lambda: _refused(server.conninfo()))

        with pytest.raises(ConnectionFailed) as caught:
            connection.connect(server.conninfo())

    assert "wait until it accepts connections" in (caught.value.hint or "")
    with pytest.raises(ConnectionFailed) as gone:
        connection.connect(server.conninfo())
    assert gone.value.hint is None


def test_of_several_hosts_the_one_is_shown_that_answered(database):
    parts = conninfo_to_dict(database.conninfo)
    several = database.conninfo.replace(f"host={parts['host']}", f"host=/nowhere,{parts['host']}")
    here = f"socket {parts['host']}"

    with connection.session(several) as session:
        assert connection.probe(session).host == here
    assert meant(several) == f"database {database.name} on socket /nowhere or {here} as migrator"


def _refused(conninfo: str) -> bool:
    try:
        psycopg.connect(conninfo).close()
    except psycopg.OperationalError:
        return True
    return False
