"""Databases and roles on a private server."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from sqlmigrate.errors import ServerError
from sqlmigrate.server import drop_database, ensure_database
from support.server_user import python, said

NAME = 'a "project" данные'
OWNER = "the owner's"


@pytest.fixture
def server(pg_server):
    yield pg_server
    drop_database(pg_server, NAME)
    with psycopg.connect(pg_server.conninfo(), autocommit=True) as session:
        session.execute('DROP ROLE IF EXISTS "the owner\'s"')


def names(server) -> set[str]:
    with psycopg.connect(server.conninfo()) as session:
        return {name for (name,) in session.execute("SELECT datname FROM pg_database")}


def test_a_database_is_made_once(server):
    assert ensure_database(server, name=NAME, owner=OWNER) is True
    assert ensure_database(server, name=NAME, owner=OWNER) is False
    assert NAME in names(server)


def test_the_owner_is_an_ordinary_role_that_may_create_in_public(server):
    ensure_database(server, name=NAME, owner=OWNER)
    with psycopg.connect(server.conninfo(NAME, OWNER)) as session:
        session.execute("CREATE TABLE public.t ()")
        row = session.execute(
            "SELECT rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, pg_get_userbyid(datdba) = rolname"
            " FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()"
        ).fetchone()

    assert row == (True, False, False, False, True)


def test_what_initialize_did_is_in_the_database(server):
    def initialize(conninfo: str) -> None:
        with psycopg.connect(conninfo) as session:
            assert session.execute("SHOW is_superuser").fetchone() == ("on",)
            assert NAME not in names(server)
            session.execute("CREATE TABLE ground ()")

    ensure_database(server, name=NAME, owner=OWNER, initialize=initialize)
    with psycopg.connect(server.conninfo(NAME)) as session:
        assert session.execute("SELECT to_regclass('ground')::text").fetchone() == ("ground",)


def test_an_error_in_initialize_passes_through_and_leaves_no_database(server):
    before = names(server)

    def initialize(conninfo: str) -> None:
        with psycopg.connect(conninfo) as session:
            session.execute("SELECT nonsense")

    with pytest.raises(psycopg.errors.UndefinedColumn):
        ensure_database(server, name=NAME, owner=OWNER, initialize=initialize)
    assert names(server) == before
    assert ensure_database(server, name=NAME, owner=OWNER) is True


def test_a_process_killed_in_initialize_leaves_no_database_with_the_final_name(server):
    script = f"""
import sys
from pathlib import Path
from sqlmigrate.server import Binaries, PrivateServer, ensure_database
def wait(conninfo):
    print("inside", flush=True)
    sys.stdin.read()
server = PrivateServer({server.host!r}, Binaries(Path(), "{server.major}", {server.major}, ""), Path(), Path())
ensure_database(server, name={NAME!r}, owner={OWNER!r}, initialize=wait)
"""
    with python(script) as process:
        assert said(process) == "inside"
        process.kill()
        process.wait()
    assert NAME not in names(server)

    before = names(server)
    assert ensure_database(server, name=NAME, owner=OWNER) is True
    assert names(server) == {name for name in before if not name.startswith("sqlmigrate_new_")} | {NAME}


def test_of_many_that_want_the_same_database_one_makes_it(server):
    calls = []
    with ThreadPoolExecutor(6) as pool:
        made = list(
            pool.map(lambda _: ensure_database(server, name=NAME, owner=OWNER, initialize=calls.append), range(6))
        )

    assert sorted(made) == [False] * 5 + [True]
    assert len(calls) == 1


def test_dropping_a_database_ends_the_sessions_in_it(server):
    ensure_database(server, name=NAME, owner=OWNER)
    with psycopg.connect(server.conninfo(NAME), autocommit=True) as session:
        drop_database(server, NAME)

        assert NAME not in names(server)
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")


def test_a_server_that_does_not_run_is_an_error_that_names_it(server, open_path):
    gone = dataclasses.replace(server, host=str(open_path), data_dir=open_path)

    with pytest.raises(ServerError, match=f"in {open_path} cannot be reached"):
        ensure_database(gone, name=NAME, owner=OWNER)
