"""Runs through PgBouncer: session mode works, with a note; transaction mode is refused and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sqlmigrate.connection.poolers import refuse_transaction_pooler
from sqlmigrate.errors import ConnectionFailed, ExecutionError, RunLockBusy
from sqlmigrate.events import WaitingForRunLock
from sqlmigrate.runlock import lock_key
from support.backfill import numbered, script, times
from support.command import ended, program, started
from support.pooler import PROGRAM, Pooler, changed_in_the_pool, pooler
from support.runner import Runner, ids
from support.sessions import beside, is_there, wait_for_blocked, wait_for_sleep
from support.waiting import LONG, wait_until

IN_CI = os.environ.get("CI") == "true"
NOTE = "there is a connection pooler in front of this database"
SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
ADVISORY = """
SELECT count(*) FROM pg_locks
WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@pytest.fixture
def pgbouncer() -> None:
    if PROGRAM is None:
        message = "PgBouncer is not here (Debian package pgbouncer), so nothing is known about poolers"
        pytest.fail(message) if IN_CI else pytest.skip(message)


@pytest.fixture
def pooled(pgbouncer, database, tmp_path) -> Iterator[Callable[..., Runner]]:
    """Make folders of migrations that run through a pooler of a kind, with so many sessions open to the server."""
    with ExitStack() as stack:

        def make(mode: str, *, size: int, round_robin: bool) -> Runner:
            running = stack.enter_context(pooler(database.server, mode, size=size, round_robin=round_robin))
            runner = Runner(running.conninfo(database.conninfo), tmp_path)
            with ExitStack() as clients:
                for _ in range(size if mode != "statement" else 0):
                    client = clients.enter_context(psycopg.connect(runner.conninfo, prepare_threshold=None))
                    client.execute("SET LOCAL lock_timeout TO '1s'")
            return runner

        yield make


@pytest.fixture
def bouncer(pgbouncer, database, request) -> Iterator[Pooler]:
    with pooler(database.server, request.param) as running:
        yield running


@pytest.fixture
def pooled_runner(bouncer, database, tmp_path) -> Runner:
    """An empty folder of migrations, run through the pooler."""
    directory = tmp_path / "sql"
    directory.mkdir()
    return Runner(bouncer.conninfo(database.conninfo), directory)


in_transaction_mode = pytest.mark.parametrize("bouncer", ["transaction"], indirect=True)
in_session_mode = pytest.mark.parametrize("bouncer", ["session"], indirect=True)


OWNERS = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'sqlmigrate'::regnamespace"


def command(name: str, runner: Runner, *more: str) -> tuple[str | Path, ...]:
    return (name, "-d", runner.conninfo, "-m", runner.directory, *more)


@in_transaction_mode
def test_transaction_mode_is_refused_before_anything_is_written(pooled_runner, conn):
    pooled_runner.write("a", "CREATE TABLE a ();", "DROP TABLE a;")
    with pytest.raises(ConnectionFailed, match="pooler in transaction mode") as caught:
        pooled_runner.apply()

    assert "session mode" in str(caught.value.hint)
    assert not is_there(conn, "a")
    assert not is_there(conn, "sqlmigrate.meta")
    assert changed_in_the_pool(conn, pooled_runner.conninfo) == []
    assert conn.execute(ADVISORY).fetchone() == (0,)


@in_transaction_mode
def test_transaction_mode_is_refused_by_everything_that_writes(pooled_runner, conn, database):
    pooled_runner.write("a", "CREATE TABLE a ();", "DROP TABLE a;")
    pooled_runner.write("b", "CREATE TABLE b ();", "DROP TABLE b;")
    Runner(database.conninfo, pooled_runner.directory).apply(to="a")
    for run in (
        pooled_runner.apply,
        pooled_runner.rollback,
        lambda: pooled_runner.mark("b"),
        lambda: pooled_runner.unmark("a"),
    ):
        with pytest.raises(ConnectionFailed, match="pooler in transaction mode"):
            run()

    assert pooled_runner.applied() == ["a"]
    assert [is_there(conn, name) for name in ("a", "b")] == [True, False]
    assert changed_in_the_pool(conn, pooled_runner.conninfo) == []
    assert conn.execute(ADVISORY).fetchone() == (0,)


@in_transaction_mode
def test_what_only_reads_works_in_transaction_mode(pooled_runner, conn):
    pooled_runner.write("a", "CREATE TABLE a ();", "DROP TABLE a;")
    status, dry_run = program(*command("status", pooled_runner)), program(*command("apply", pooled_runner, "--dry-run"))

    assert status.status == dry_run.status == 0
    assert "would apply a" in dry_run.stdout
    assert changed_in_the_pool(conn, pooled_runner.conninfo) == []


@in_transaction_mode
def test_the_command_names_the_way_out_of_transaction_mode(pooled_runner):
    pooled_runner.write("a", "CREATE TABLE a ();", "DROP TABLE a;")
    outcome = program(*command("apply", pooled_runner))

    assert outcome.status == 1
    assert "what to do: connect to PostgreSQL itself or to the pooler's session mode" in outcome.stderr


def test_a_pool_of_one_session_is_refused_too(pgbouncer, database, tmp_path):
    directory = tmp_path / "one"
    directory.mkdir()
    with pooler(database.server, "transaction", size=1) as small:
        runner = Runner(small.conninfo(database.conninfo), directory)
        runner.write("a", "CREATE TABLE a ();")
        with pytest.raises(ConnectionFailed, match="pooler in transaction mode"):
            runner.apply()


@pytest.mark.parametrize("round_robin", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_transaction_mode_is_seen_however_a_pool_gives_out_its_sessions(pooled, conn, size, round_robin):
    runner = pooled("transaction", size=size, round_robin=round_robin)
    runner.write("a", "CREATE TABLE a ();")
    with pytest.raises(ConnectionFailed, match="pooler in transaction mode"):
        runner.apply()

    assert changed_in_the_pool(conn, runner.conninfo) == []
    assert not is_there(conn, "sqlmigrate.meta")


def test_transaction_mode_is_seen_among_other_clients(pooled, conn):
    runner = pooled("transaction", size=3, round_robin=True)
    runner.write("a", "CREATE TABLE a ();")
    done = threading.Event()

    def work() -> None:
        with psycopg.connect(runner.conninfo, autocommit=True, prepare_threshold=None) as client:
            while not done.is_set():
                client.execute("SELECT pg_sleep(random() / 200)")

    with beside(work, work):
        try:
            for _ in range(5):
                with pytest.raises(ConnectionFailed, match="pooler in transaction mode"):
                    runner.apply()
        finally:
            done.set()

    assert changed_in_the_pool(conn, runner.conninfo) == []


def test_statement_mode_is_refused_in_the_poolers_words(pooled, conn):
    runner = pooled("statement", size=1, round_robin=False)
    runner.write("a", "CREATE TABLE a ();")
    with pytest.raises(ConnectionFailed, match="statement pooling mode"):
        runner.apply()

    assert not is_there(conn, "sqlmigrate.meta")


@pytest.mark.parametrize("round_robin", [False, True])
def test_session_mode_is_let_through_however_a_pool_gives_out_its_sessions(pooled, conn, round_robin):
    runner = pooled("session", size=4, round_robin=round_robin)
    runner.write("a", "CREATE TABLE a ();")

    assert ids(runner.apply()) == ["a"]
    assert changed_in_the_pool(conn, runner.conninfo) == []


def test_a_setting_that_does_not_come_back_is_a_refusal_and_goes(database):
    """As behind a pooler that keeps sessions apart but makes them pristine after each transaction."""

    class Forgetful(psycopg.Connection[Any]):
        def execute(self, *arguments: Any, **options: Any) -> Any:
            cursor = super().execute(*arguments, **options)
            if "set_config" in str(arguments[0]):
                super().execute("DISCARD ALL")
            return cursor

    with Forgetful.connect(database.conninfo, autocommit=True) as first, database.connect() as second:
        with pytest.raises(ConnectionFailed, match="pooler in transaction mode"):
            refuse_transaction_pooler(first, second)
        assert first.execute("SELECT coalesce(current_setting('sqlmigrate.mark', true), '')").fetchone() == ("",)


@in_transaction_mode
def test_what_reads_leaves_no_setting_in_the_pool(pooled_runner, conn, database):
    pooled_runner.write("a", "CREATE TABLE a ();", "DROP TABLE a;")
    Runner(database.conninfo, pooled_runner.directory).apply()
    pooled_runner.write("b", "CREATE TABLE b ();", "DROP TABLE b;")
    for name, *more in (("status",), ("plan",), ("history",), ("apply", "--dry-run"), ("rollback", "--dry-run")):
        outcome = program(*command(name, pooled_runner, *more))
        assert outcome.status == 0, outcome
        assert changed_in_the_pool(conn, pooled_runner.conninfo) == [], name
    for outcome in (program("stats", "-d", pooled_runner.conninfo), program(*command("drift", pooled_runner))):
        assert outcome.status == 0, outcome
    assert changed_in_the_pool(conn, pooled_runner.conninfo) == []


@in_session_mode
def test_session_mode_works_with_a_note(pooled_runner, conn):
    pooled_runner.write("a", "CREATE TABLE a (n integer);", "DROP TABLE a;")
    pooled_runner.write("b", "-- transactional: false\nCREATE INDEX CONCURRENTLY a_n ON a (n);", "DROP INDEX a_n;")
    applied = program(*command("apply", pooled_runner))

    assert applied.status == 0
    assert NOTE in applied.stderr
    assert pooled_runner.applied() == ["a", "b"]
    undone = program(*command("rollback", pooled_runner, "--all", "--yes"))
    assert undone.status == 0
    assert NOTE in undone.stderr
    assert not is_there(conn, "a")


@in_session_mode
def test_a_statement_runs_in_batches_through_a_pool_in_session_mode(pooled_runner, conn):
    numbered(conn, 9)
    pooled_runner.write("a", script(), script("UPDATE t SET n = 0 WHERE id >= $1 AND id <= $2"))

    assert ids(pooled_runner.apply()) == ["a"]
    assert times(conn) == {1: 9}
    assert ids(pooled_runner.rollback()) == ["a"]
    assert times(conn) == {0: 9}


@in_session_mode
def test_nothing_is_left_in_a_pool_in_session_mode(pooled_runner, conn):
    pooled_runner.write("a", "SET lock_timeout TO '7s'; SELECT pg_advisory_lock(1); CREATE TABLE a ();")
    assert ids(pooled_runner.apply()) == ["a"]

    assert changed_in_the_pool(conn, pooled_runner.conninfo) == []
    assert conn.execute(ADVISORY).fetchone() == (0,)


def test_a_pool_that_makes_no_session_pristine_gets_and_gives_nothing(
    pgbouncer, database, conn, admin, tmp_path, new_role
):
    other = sql.Identifier(new_role("NOLOGIN"))
    admin.execute(sql.SQL("GRANT {} TO migrator").format(other))
    admin.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(sql.Identifier(conn.info.dbname), other))
    conn.execute("CREATE TABLE whose (who name DEFAULT current_user)")
    with pooler(database.server, "session", size=4, reset="") as running, ExitStack() as clients:
        runner = Runner(running.conninfo(database.conninfo), tmp_path)
        runner.write("a", "INSERT INTO whose DEFAULT VALUES;", "DELETE FROM whose;")
        for _ in range(4):
            client = clients.enter_context(psycopg.connect(runner.conninfo, autocommit=True))
            client.execute(sql.SQL("SET ROLE {}").format(other))
        clients.close()

        assert ids(runner.apply()) == ["a"]
        assert conn.execute("SELECT who FROM whose").fetchone() == ("migrator",)
        assert conn.execute(OWNERS).fetchall() == [("migrator",)]
        assert changed_in_the_pool(conn, runner.conninfo) == []
        assert conn.execute(ADVISORY).fetchone() == (0,)


def test_a_lock_that_a_killed_client_has_left_in_a_pool_says_how_it_comes_free(
    pgbouncer, database, conn, admin, tmp_path
):
    direct = Runner(database.conninfo, tmp_path)
    direct.write("a", "CREATE TABLE a ();")
    with pooler(database.server, "session", size=4, reset="") as running:
        with psycopg.connect(running.conninfo(database.conninfo), autocommit=True, prepare_threshold=None) as killed:
            killed.execute("SELECT pg_advisory_lock(%s)", [lock_key("sqlmigrate")])
        with pytest.raises(RunLockBusy) as caught:
            direct.apply(wait_lock=0)

        hint = caught.value.hint or ""
        found = re.search(r"a pooler keeps its session, end it with (SELECT pg_terminate_backend\((\d+)\))", hint)
        assert found is not None
        assert f"held by pid {found[2]} " in caught.value.message
        admin.execute(found[1])
        wait_until(lambda: conn.execute(ADVISORY).fetchone() == (0,))
        assert ids(direct.apply()) == ["a"]


@in_session_mode
def test_a_run_through_the_pooler_waits_for_a_direct_one(pooled_runner, conn, database):
    conn.execute("CREATE TABLE gate ()")
    holder = database.holding("LOCK TABLE gate")
    pooled_runner.write("a", "LOCK TABLE gate; CREATE TABLE a ();")
    run = Runner(database.conninfo, pooled_runner.directory)
    with beside(lambda: run.apply(lock_timeout=60_000)) as [direct]:
        wait_for_blocked(conn)
        with beside(pooled_runner.apply) as [pooled]:
            wait_until(lambda: pooled_runner.told(WaitingForRunLock))
            holder.rollback()
            assert ids(pooled.result(LONG)) == []
        assert ids(direct.result(LONG)) == ["a"]


@in_session_mode
def test_ctrl_c_reaches_the_server_through_the_pooler(pooled_runner, conn):
    pooled_runner.write("a", "CREATE TABLE a (); SELECT pg_sleep(60);")
    with started(*command("apply", pooled_runner)) as process:
        wait_for_sleep(conn)
        process.send_signal(signal.SIGINT)
        outcome = ended(process)

    assert outcome.status == 130
    wait_until(lambda: conn.execute(SLEEPING).fetchone() == (0,))
    assert not is_there(conn, "a")


@in_session_mode
def test_what_a_pooler_says_is_no_word_of_the_server(pooled_runner, conn, database, monkeypatch):
    """Its last words have an SQLSTATE too, but it knows nothing of the transaction; new sessions wait in it."""
    monkeypatch.setattr("sqlmigrate.runlock.blockers._SETTLED_SECONDS", 1.0)
    pooled_runner.write("a", "CREATE TABLE a (); SELECT pg_sleep(60);")
    console = make_conninfo(pooled_runner.conninfo, dbname="pgbouncer", user="postgres")
    with beside(pooled_runner.apply) as [run]:
        wait_for_sleep(conn)
        with closing(psycopg.connect(console, autocommit=True)) as admin:
            admin.execute(f"KILL {database.name}")
        with pytest.raises(ExecutionError, match="database removed") as caught:
            run.result(LONG)

    assert "whether it was rolled back is not known" in str(caught.value.hint)
    assert caught.value.kept


@in_session_mode
def test_kill_9_leaves_no_lock_in_the_pool(pooled_runner, conn):
    pooled_runner.write("a", "CREATE TABLE a (); SELECT pg_sleep(60) FROM pg_class WHERE relname = 'b';")
    conn.execute("CREATE TABLE b ()")
    with started(*command("apply", pooled_runner)) as process:
        wait_for_sleep(conn)
        process.kill()
        process.wait()
        wait_until(lambda: conn.execute(ADVISORY).fetchone() == (0,))

    conn.execute("DROP TABLE b")
    assert ids(pooled_runner.apply()) == ["a"]


def test_no_note_without_a_pooler(database, tmp_path):
    (tmp_path / "a.sql").write_text("CREATE TABLE a ();", encoding="utf-8")
    outcome = program("apply", "-d", database.url, "-m", tmp_path)

    assert outcome.status == 0
    assert "pooler" not in outcome.stderr
