"""A persistent server with several users."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Timer

import psycopg
import pytest

from sqlmigrate.errors import ServerError
from sqlmigrate.server import destroy, locks, shared, start, status, stop
from sqlmigrate.server.locks import Locks
from sqlmigrate.server.postmaster import is_alive, running
from support.server_user import USE, leave, python, said
from support.waiting import LONG, wait_until

pytestmark = pytest.mark.pg


def watchdog_is_gone(state: Path) -> None:
    wait_until(lambda: not watchdogs(state), timeout=30, interval=0.2)


def watchdogs(state: Path) -> list[int]:
    """Give the watchdogs of a state directory, found by their command lines."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may end while we look
            arguments = (process / "cmdline").read_bytes().split(b"\0")
            if b"users" in arguments and any(each.startswith(os.fsencode(f"{state}/")) for each in arguments):
                found.append(int(process.name))
    return found


@pytest.mark.smoke
def test_the_last_user_out_stops_the_server(state):
    with python(USE, state) as first, python(USE, state) as second:
        pid, data_dir = said(first).split(maxsplit=1)

        assert said(second) == f"{pid} {data_dir}"
        assert leave(first) == 0
        assert is_alive(int(pid))
        assert leave(second) == 0
        assert running(Path(data_dir)) is None


def test_data_outlives_the_server(state):
    with shared(state) as server, psycopg.connect(server.conninfo()) as session:
        session.execute("CREATE TABLE kept AS SELECT 7 AS seven")
    with shared(state) as server, psycopg.connect(server.conninfo()) as session:
        assert session.execute("SELECT seven FROM kept").fetchone() == (7,)


@pytest.mark.smoke
def test_killing_the_only_user_ends_the_server_and_its_watchdog(state):
    with python(USE, state) as user:
        data_dir = Path(said(user).split(maxsplit=1)[1])
        assert watchdogs(state)
        user.kill()

        wait_until(lambda: running(data_dir) is None, timeout=30)
        watchdog_is_gone(state)


def test_killing_one_of_two_users_leaves_the_server_to_the_other(state):
    with python(USE, state) as first, python(USE, state) as second:
        pid = int(said(first).split()[0])
        said(second)
        first.kill()
        first.wait()
        with shared(state) as server:  # somebody who comes and goes does not stop it either
            assert running(server.data_dir).pid == pid
        assert is_alive(pid)

        assert leave(second) == 0
        assert running(server.data_dir) is None


def test_eight_processes_that_start_at_once_make_one_server(empty_state):
    state = empty_state
    with ExitStack() as stack:
        users = [stack.enter_context(python(USE, state)) for _ in range(8)]
        answers = {said(user) for user in users}

        assert len(answers) == 1
        assert answers != {""}
        assert len(watchdogs(state)) == 1
        assert [leave(user) for user in users] == [0] * 8
    assert [each.running for each in status(state)] == [False]


def test_ctrl_c_in_the_terminal_of_one_user_spares_the_server_of_the_other(state):
    with python(USE, state) as first, python(USE, state) as second:
        pid = int(said(first).split()[0])
        said(second)
        os.killpg(first.pid, signal.SIGINT)
        first.wait(LONG)

        assert is_alive(pid)
        assert watchdogs(state)
        assert leave(second) == 0


@pytest.mark.smoke
def test_a_started_server_stays_whoever_comes_and_goes_until_stop(state):
    server = start(state)
    pid = running(server.data_dir).pid
    with shared(state) as same:
        assert same.host == server.host
    watchdog_is_gone(state)

    assert [(each.running, each.kept, each.in_use) for each in status(state)] == [(True, True, False)]
    assert status(state)[0].server.version == server.version
    assert running(server.data_dir).pid == pid
    assert [(each.running, each.kept, each.server) for each in stop(state)] == [(False, False, None)]
    assert not is_alive(pid)


def test_a_server_is_kept_when_the_process_that_started_it_is_killed(state):
    script = USE.replace("with shared", "from sqlmigrate.server import start\nstart(Path(sys.argv[1]))\nwith shared")
    with python(script, state) as starter:
        pid, data_dir = said(starter).split(maxsplit=1)
        starter.kill()
        starter.wait()
    watchdog_is_gone(state)

    assert running(Path(data_dir)).pid == int(pid)


def test_starting_lets_go_of_our_standard_output(state):
    script = "import sys; from pathlib import Path; from sqlmigrate.server import start; start(Path(sys.argv[1]))"
    with python(script, state) as starter:
        # The end of the output comes only when neither the server nor the watchdog holds it.
        assert starter.communicate(timeout=LONG)[0] == ""
    assert [each.running for each in status(state)] == [True]


def test_stop_leaves_a_server_in_use_to_its_last_user(state):
    with python(USE, state) as user:
        said(user)
        start(state)

        assert [(each.running, each.kept, each.in_use) for each in stop(state)] == [(True, False, True)]
        assert leave(user) == 0
        assert [each.running for each in status(state)] == [False]


def test_a_watchdog_that_looks_is_no_user(state, monkeypatch):
    monkeypatch.setattr("sqlmigrate.server.sharing._GLANCE_SECONDS", LONG)  # a busy machine looks for longer
    with shared(state) as server:
        pass
    watchdog_is_gone(state)
    look = locks.open_lock(Locks(server.data_dir).start)
    assert locks.lock(look, fcntl.LOCK_EX)
    end = Timer(0.2, os.close, [look])
    end.start()

    assert [(each.running, each.in_use) for each in status(state)] == [(False, False)]
    end.join()


def test_a_marker_that_a_crash_left_behind_keeps_nothing(state):
    server = start(state)
    os.kill(running(server.data_dir).pid, signal.SIGKILL)
    wait_until(lambda: running(server.data_dir) is None)
    assert Locks(server.data_dir).keep.exists()
    assert [(each.running, each.kept) for each in status(state)] == [(False, False)]

    with shared(state):
        pass

    assert [each.running for each in status(state)] == [False]


def test_a_killed_watchdog_is_replaced_by_the_next_user(state):
    with shared(state):
        (first,) = watchdogs(state)
        os.kill(first, signal.SIGKILL)
        watchdog_is_gone(state)
        with shared(state):
            assert len(watchdogs(state)) == 1


def test_deleting_the_state_directory_under_a_running_server_does_no_harm(state):
    old = running(start(state).data_dir).pid
    watchdog_is_gone(state)
    try:
        shutil.rmtree(state)
        with shared(state) as server, psycopg.connect(server.conninfo()) as session:
            assert running(server.data_dir).pid != old
            assert session.execute("SELECT 1").fetchone() == (1,)
    finally:
        with suppress(ProcessLookupError):  # each minute, it looks whether its files are still there
            os.kill(old, signal.SIGQUIT)


def test_destroy_deletes_the_data_but_not_under_a_user(state):
    with shared(state) as server, pytest.raises(ServerError, match="in use"):
        destroy(state)
    start(state)

    assert destroy(state) == (server.data_dir,)
    assert status(state) == ()
    assert not server.data_dir.exists()
    with shared(state) as again:
        assert again.data_dir == server.data_dir


def test_there_is_nothing_to_see_or_stop_where_no_server_was(open_path):
    assert status(open_path / "none") == stop(open_path / "none") == destroy(open_path / "none") == ()
    assert not (open_path / "none").exists()
