"""Creating and starting a server: odd places, strange environments, and what is said when it fails."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import psycopg
import pytest

from sqlmigrate.errors import ServerError
from sqlmigrate.server import cluster, ephemeral, shared, state_dir, status
from sqlmigrate.server.account import Account, server_account
from sqlmigrate.server.binaries import BINDIR_VARIABLE
from sqlmigrate.server.postmaster import is_alive
from support.processes import postmaster_in
from support.server_user import USE, python, said
from support.waiting import wait_until

pytestmark = pytest.mark.pg

ODD_NAMES = {
    "spaces and quotes": 'it\'s a "quoted" place',
    "shell characters": "$(touch x) `y` & ; %s \\n #",
    "non-ASCII": "données данные データ",
    "very long": "/".join(["a-long-folder-name-" * 6] * 3),
}


@pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES.keys())
def test_a_server_runs_in_a_directory_with_a_name_of(name, binaries, open_path):
    with shared(open_path / name) as server, psycopg.connect(server.conninfo()) as session:
        assert session.execute("SHOW data_directory").fetchone() == (str(open_path / name / f"d{server.major}"),)
    assert [each.running for each in status(open_path / name)] == [False]


def test_programs_in_a_directory_with_spaces_and_quotes_are_run(binaries, open_path, monkeypatch):
    bindir = open_path / 'it\'s "PostgreSQL"' / "bin"
    bindir.parent.mkdir()
    bindir.symlink_to(binaries.bindir)
    monkeypatch.setenv(BINDIR_VARIABLE, str(bindir))
    with shared(open_path / "state") as server:
        assert server.bindir == bindir
        assert [each.running for each in status(open_path / "state")] == [True]


def test_a_server_has_no_tcp_port_and_only_its_account_reaches_the_socket(state):
    with shared(state) as server, psycopg.connect(server.conninfo()) as session:
        folder = Path(server.host).stat()

        assert session.execute("SHOW listen_addresses").fetchone() == ("",)
        assert (stat.S_IMODE(folder.st_mode), folder.st_uid) == (0o700, server_account().uid)
        assert len(f"{server.host}/.s.PGSQL.{server.port}") < 108
    assert not Path(server.host).exists()


def test_a_persistent_server_writes_durably(state):
    with shared(state) as server, psycopg.connect(server.conninfo()) as session:
        settings = [session.execute(f"SHOW {name}").fetchone() for name in ("fsync", "full_page_writes")]

    assert settings == [("on",), ("on",)]


def test_text_is_utf_8_and_knows_letters_beyond_ascii(pg_server):
    with psycopg.connect(pg_server.conninfo()) as session:
        assert session.execute("SELECT lower('É'), current_setting('server_encoding')").fetchone() == ("é", "UTF8")


def test_the_pg_variables_of_the_user_do_not_lead_elsewhere(state, monkeypatch):
    theirs = {"PGHOSTADDR": "192.0.2.1", "PGSERVICE": "nowhere", "PGOPTIONS": "-c nonsense=1", "PGDATA": "/nowhere"}
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    with shared(state) as server, psycopg.connect(server.conninfo()) as session:
        assert session.info.host == server.host

    assert {name: os.environ[name] for name in theirs} == theirs


def test_a_server_that_cannot_start_says_why_and_where_its_log_is(state):
    with shared(state) as server:
        pass
    with (server.data_dir / "postgresql.conf").open("a") as conf:
        conf.write("no_such_setting = 1\n")

    with (
        pytest.raises(ServerError, match='unrecognized configuration parameter "no_such_setting"') as caught,
        shared(state),
    ):
        pass
    assert str(server.log) in caught.value.hint


def test_a_failing_initdb_is_shown_in_its_own_words(open_path, binaries, monkeypatch):
    bindir = open_path / "bin"
    bindir.mkdir()
    for program in ("postgres", "pg_ctl"):
        (bindir / program).symlink_to(binaries.bindir / program)
    (bindir / "initdb").write_text("#!/bin/sh\necho 'no space left for you' >&2; exit 1\n")
    (bindir / "initdb").chmod(0o755)
    monkeypatch.setenv(BINDIR_VARIABLE, str(bindir))

    with pytest.raises(ServerError, match="no space left for you"), shared(open_path / "state"):
        pass
    assert status(open_path / "state") == ()


def test_a_data_directory_that_was_half_made_is_not_trusted(empty_state):
    state = empty_state
    with python(USE, state) as starter:
        wait_until(lambda: list(state.glob("d*.init-*/base")), timeout=60)
        starter.kill()
        starter.wait()
    assert status(state) == ()

    def used() -> bool:
        with shared(state) as server, psycopg.connect(server.conninfo()) as session:
            assert session.execute("SELECT 1").fetchone() == (1,)
        return not list(state.glob("d*.init-*"))

    wait_until(used, timeout=30)  # the initdb of the killed process may go on for a moment


def test_a_new_major_version_beside_an_old_one_is_reported(empty_state):
    state = empty_state
    (state / "d9").mkdir()
    with shared(state) as server:
        (note,) = server.notes
    with shared(state) as again:
        assert again.notes == ()

    assert f"PostgreSQL {server.major} in {server.data_dir}" in note
    assert f"{state / 'd9'} (PostgreSQL 9)" in note


def test_a_data_directory_of_another_account_is_refused_by_name(open_path, binaries):
    mine = open_path / "d15"
    mine.mkdir()
    other = Account("somebody", os.geteuid() + 1, os.getegid())

    with pytest.raises(ServerError, match="the server runs under somebody"):
        cluster.check_owner(cluster.Cluster(mine, binaries, other))


def test_a_project_keeps_its_data_in_itself_where_the_account_reaches_it(open_path):
    with shared(state_dir(open_path)) as server:
        assert server.data_dir == open_path / ".sqlmigrate" / f"d{server.major}"
        assert (open_path / ".sqlmigrate" / ".gitignore").read_text() == "*\n"


def test_a_throw_away_server_leaves_nothing(binaries):
    with ephemeral() as server, psycopg.connect(server.conninfo()) as session:
        pid = postmaster_in(server.data_dir)
        assert session.execute("SHOW fsync").fetchone() == ("off",)

    assert not is_alive(pid)
    assert not server.data_dir.parent.exists()


def test_a_throw_away_server_is_gone_after_its_user_was_killed(binaries):
    script = USE.replace("with shared(Path(sys.argv[1])", "from sqlmigrate.server import ephemeral\nwith ephemeral(")
    with python(script.replace("running(server.data_dir).pid", "0")) as user:
        data_dir = Path(said(user).split(maxsplit=1)[1])
        pid = postmaster_in(data_dir)
        user.kill()

        wait_until(lambda: not data_dir.parent.exists(), timeout=30)
    wait_until(lambda: not is_alive(pid), timeout=5)


def test_a_throw_away_server_killed_while_it_is_made_leaves_nothing(binaries):
    script = """
import shutil, sys, tempfile
from sqlmigrate.server import cluster, ephemeral
def told(real):
    def create(cluster, **options):
        print(cluster.data_dir.parent, flush=True)
        real(cluster, **options)
    return create
cluster.create = told(cluster.create)
with ephemeral():
    sys.stdin.read()
"""
    with python(script) as user:
        base = Path(said(user))
        user.kill()

        wait_until(lambda: not base.exists(), timeout=30)
