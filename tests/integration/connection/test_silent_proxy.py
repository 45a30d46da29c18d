"""A proxy that swallows everything: the system sees nothing wrong, so it is the run's other session that notices.

How each side gives up a network that vanishes, and when, is in test_silence.py; the waiting is made short here.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from sqlmigrate.connection import session, silence
from sqlmigrate.errors import ConnectionFailed, ExecutionError, HalfWayError, Interrupted
from sqlmigrate.events import RowsReturned, WaitingForRunLock
from sqlmigrate.runlock import lock_key
from support.command import ended, started
from support.proxy import TO_SERVER, Message, Proxy, Then
from support.runner import Runner, ids
from support.sessions import beside, is_there, wait_for_query, wait_for_sleep
from support.waiting import LONG, wait_until

NOT_KNOWN = "whether it was rolled back is not known"
AT_SIGNAL = 8.0
WORKER = 1  # the first session that a run opens
MANY_FILES = """
import os, resource
from sqlmigrate.cli.app import run
resource.setrlimit(resource.RLIMIT_NOFILE, (2048, 2048))
for _ in range(1100):
    os.dup(0)
run()
"""


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "SECONDS", 1.0)
    monkeypatch.setattr(silence, "LOOK_UP_SECONDS", 1.0)


@pytest.fixture
def reached(short, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up a silent session at once, and give the server all the time to answer in another one."""
    monkeypatch.setattr(silence, "LOOK_UP_SECONDS", LONG)


@pytest.fixture
def tcp_proxy(database) -> Iterator[Proxy]:
    with Proxy(database.server.host, database.server.port, tcp=True) as made:
        yield made


@pytest.fixture
def far(database, tcp_proxy, tmp_path: Path) -> Runner:
    """An empty folder of migrations, run through the proxy."""
    return Runner(make_conninfo(database.conninfo, host=tcp_proxy.host, port=tcp_proxy.port), tmp_path)


def not_ended(conn: psycopg.Connection[Any]) -> list[Any]:
    """Give the sessions of ours that hold a lock."""
    query = """
        SELECT application_name, state FROM pg_stat_activity JOIN pg_locks USING (pid)
        WHERE application_name LIKE 'sqlmigrate%' AND pid <> pg_backend_pid()"""
    return conn.execute(query).fetchall()


def swallowed(far: Runner, proxy: Proxy, is_under_way: Callable[[], object]) -> ExecutionError:
    """Run what is pending, and let the proxy swallow all once it is under way."""
    with beside(far.apply) as [run]:
        is_under_way()
        proxy.swallow()
        with pytest.raises(ExecutionError) as caught:
            run.result(LONG)
    return caught.value


def test_a_script_whose_server_is_silent_is_not_known(short, far, tcp_proxy, conn):
    far.write("a", "CREATE TABLE a ();\nSELECT pg_sleep(60);")
    error = swallowed(far, tcp_proxy, lambda: wait_for_sleep(conn))

    assert "the server has not answered for 1 second" in str(error)
    assert NOT_KNOWN in str(error.hint)
    assert error.kept


def test_a_statement_outside_a_transaction_is_looked_for_later(short, far, tcp_proxy, conn, database):
    conn.execute("CREATE TABLE a (n integer)")
    far.write("a", "-- transactional: false\nCREATE INDEX CONCURRENTLY a_n ON a (n);")
    with database.connect(autocommit=False) as other:
        other.execute("LOCK TABLE a IN ROW EXCLUSIVE MODE")
        error = swallowed(far, tcp_proxy, lambda: wait_for_query(conn, "CREATE INDEX CONCURRENTLY%"))

    assert isinstance(error, HalfWayError)
    assert "`sqlmigrate status` shows" in str(error.hint)


def test_a_commit_whose_server_is_silent_is_not_known(short, far, tcp_proxy, conn):
    far.write("a", "CREATE TABLE a ();\nSELECT 1 AS one;")

    def swallow(event: object) -> None:
        if isinstance(event, RowsReturned):
            tcp_proxy.swallow()

    far.observe = swallow  # type: ignore[method-assign]
    with pytest.raises(ExecutionError) as caught:
        far.apply()

    assert "is not known" in f"{caught.value} {caught.value.hint}"
    assert caught.value.kept


def test_a_run_that_waits_for_the_run_lock_is_told(short, far, tcp_proxy, conn, monkeypatch):
    far.write("a", "CREATE TABLE a ();")
    conn.execute("SELECT pg_advisory_lock(%s)", [lock_key("sqlmigrate")])
    with beside(far.apply) as [run]:
        wait_until(lambda: far.told(WaitingForRunLock))
        tcp_proxy.swallow()
        monkeypatch.setattr("sqlmigrate.runlock.lock.SECONDS", 1.0)  # and no slow answer is taken for silence before
        with pytest.raises(ConnectionFailed, match="the server does not answer"):
            run.result(LONG)


def test_a_run_lock_that_is_lost_alone_does_not_end_a_script(reached, far, conn, admin):
    """The watcher finds the worker's process in another session, and goes on waiting."""
    far.write("a", "CREATE TABLE a ();\nSELECT pg_sleep(2);")
    with beside(far.apply) as [run]:
        wait_for_sleep(conn)
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        assert ids(run.result(LONG)) == ["a"]


def test_a_script_that_fails_once_the_run_lock_is_lost_says_why_it_failed(runner, conn, admin):
    runner.write("a", "CREATE TABLE a ();\nSELECT pg_sleep(2);\nSELECT 1 / 0;")
    with beside(runner.apply) as [run]:
        wait_for_sleep(conn)
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        with pytest.raises(ExecutionError, match="division by zero"):
            run.result(LONG)


def test_a_server_that_has_no_room_for_another_session_is_there_all_the_same(reached, far, conn, admin):
    far.write("a", "CREATE TABLE a ();\nSELECT pg_sleep(2);")
    try:
        with beside(far.apply) as [run]:
            wait_for_sleep(conn)
            admin.execute("ALTER ROLE migrator CONNECTION LIMIT 0")
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
            assert ids(run.result(LONG)) == ["a"]
    finally:
        admin.execute("ALTER ROLE migrator CONNECTION LIMIT -1")


@pytest.mark.parametrize("kind", ["in a script", "at COMMIT", "outside a transaction"])
def test_a_session_of_which_nothing_comes_through_is_ended(short, far, tcp_proxy, conn, kind):
    """The proxy is there, and so is the server; each of both sides waits for the other one."""
    how = "-- transactional: false\n" if kind == "outside a transaction" else ""
    far.write(
        "a", f"{how}CREATE TABLE a ();\nSELECT 1 AS one;" + ("" if kind == "at COMMIT" else "SELECT pg_sleep(1);")
    )

    def stall(event: object) -> None:
        if isinstance(event, RowsReturned):
            tcp_proxy.stall(WORKER)

    if kind == "at COMMIT":
        far.observe = stall  # type: ignore[method-assign]
    with beside(far.apply) as [run]:
        if kind != "at COMMIT":
            wait_for_sleep(conn)
            tcp_proxy.stall(WORKER)
        with pytest.raises(ExecutionError, match=r"nothing of this session has come|lost at COMMIT") as caught:
            run.result(LONG)

    assert is_there(conn, "a") is caught.value.kept
    if kind != "at COMMIT":  # which may have got through
        assert caught.value.kept is (kind == "outside a transaction")
    wait_until(lambda: not not_ended(conn))


HELD = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
UNDER_LOCK = {
    "apply": lambda far: far.apply(),
    "mark": lambda far: far.mark("b"),
    "unmark": lambda far: far.unmark("a"),
}


@pytest.mark.parametrize("later", [0, 3])
@pytest.mark.parametrize("kind", UNDER_LOCK)
def test_whatever_a_session_says_under_the_run_lock_may_be_swallowed(
    short, far, tcp_proxy, database, conn, kind, later, monkeypatch
):
    """Others wait behind it: also before the first script, and where no script runs."""
    monkeypatch.setattr("sqlmigrate.runlock.lock.SECONDS", 2.0)
    far.write("a", "CREATE TABLE a ();", "DROP TABLE a;")
    far.apply()
    far.write("b", "CREATE TABLE b ();")
    wait_until(lambda: conn.execute(HELD).fetchone() is None)
    tcp_proxy.reset()
    stalled: list[int] = []

    def stall(message: Message) -> Then:
        """Stall at the first message once the run lock is held, or some messages later."""
        with psycopg.connect(database.conninfo) as looking:
            is_held = looking.execute(HELD).fetchone() is not None
        if is_held and (stalled or not later):
            return Then.STALL
        following = message.number + (later if is_held else 1)
        stalled.extend([message.number] * is_held)
        tcp_proxy.at(WORKER, TO_SERVER, following, stall)
        return Then.GO_ON

    tcp_proxy.at(WORKER, TO_SERVER, 1, stall)
    with beside(lambda: UNDER_LOCK[kind](far)) as [run], pytest.raises((ConnectionFailed, ExecutionError)) as caught:
        run.result(LONG)

    assert "have come through to the server" in str(caught.value) or "does not answer" in str(caught.value)
    wait_until(lambda: conn.execute(HELD).fetchone() is None, timeout=LONG)


def test_a_session_that_is_over_is_known_to_be_rolled_back(far, conn, tcp_proxy):
    """The connection is cut, the server can be asked: nothing is guessed."""
    far.write("a", "CREATE TABLE a ();\nSELECT pg_sleep(60);")
    with beside(far.apply) as [run]:
        wait_for_sleep(conn)
        for session in list(tcp_proxy._sessions):
            session.client.shutdown(2)
        with pytest.raises(ExecutionError) as caught:
            run.result(LONG)

    assert "PostgreSQL has rolled the script back" in str(caught.value.hint)
    assert not caught.value.kept
    assert not is_there(conn, "a")


def test_ctrl_c_does_not_wait_for_a_silent_server(far, tcp_proxy, conn):
    far.write("a", "CREATE TABLE a ();\nSELECT pg_sleep(60);")
    with started("apply", "-d", far.conninfo, "-m", far.directory) as process:
        wait_for_sleep(conn)
        tcp_proxy.swallow()
        process.send_signal(signal.SIGINT)
        wait_until(lambda: process.poll() is not None, timeout=AT_SIGNAL)
        outcome = ended(process)

    assert outcome.status == 130
    assert NOT_KNOWN in outcome.stderr


def test_ctrl_c_between_two_statements_ends_the_transaction_or_says_that_it_is_not_known(
    database, tcp_proxy, monkeypatch
):
    """Where nothing is awaited, nothing is cancelled; the server must still confirm that the transaction is over."""
    monkeypatch.setattr(silence, "_END_SECONDS", 0.5)
    far = make_conninfo(database.conninfo, host=tcp_proxy.host, port=tcp_proxy.port)

    def stop(before: Callable[[], Any]) -> None:
        before()
        raise KeyboardInterrupt

    def run(before: Callable[[], Any]) -> None:
        with session(far) as connection:
            connection.execute("BEGIN")
            stop(before)

    def left_by_ctrl_c(before: Callable[[], Any]) -> str | None:
        with pytest.raises(KeyboardInterrupt) as caught:
            run(before)
        return caught.value.left if isinstance(caught.value, Interrupted) else None

    assert left_by_ctrl_c(lambda: None) is None
    assert left_by_ctrl_c(tcp_proxy.swallow) == silence.NOT_KNOWN


def test_a_session_with_a_deadline_ends_by_itself(database):
    with silence.Session.connect(database.conninfo, autocommit=True) as made, silence.limited(made, 0.2):
        with pytest.raises(psycopg.OperationalError, match="the server does not answer"):
            made.execute("SELECT pg_sleep(20)")
        assert made.closed


def test_more_than_a_thousand_open_files_are_not_an_obstacle(database, conn, tmp_path):
    """select() cannot watch what is opened behind the 1,024th."""
    (tmp_path / "a.sql").write_text("CREATE TABLE a (n integer);\nCOPY a FROM stdin;\n1\n\\.\n", encoding="utf-8")
    (tmp_path / "b.sql").write_text("CREATE TABLE b ();", encoding="utf-8")
    (tmp_path / "c.sql").write_text("SELECT pg_sleep(60);", encoding="utf-8")

    command = ("apply", "-d", database.url, "-m", tmp_path)
    with started(*command, program=MANY_FILES) as process:
        wait_for_sleep(conn)
        process.send_signal(signal.SIGINT)
        outcome = ended(process)

    assert outcome.status == 130
    assert "a transaction that was running was rolled back" in outcome.stderr
    assert [is_there(conn, name) for name in ("a", "b")] == [True, True]
