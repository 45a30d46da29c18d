"""Who keeps us from a lock is told: while we wait, with every attempt, and at the end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from sqlmigrate import queries
from sqlmigrate.errors import ExecutionError, LockBudgetSpent
from sqlmigrate.events import Blocked, LockRetry
from support.command import call
from support.runner import ids, place
from support.sessions import AFTER_THE_OTHER, HELD_ALONE, beside, is_there, wait_for_blocked, wait_for_row
from support.waiting import LONG, wait_until

pytestmark = pytest.mark.usefixtures("watchful")

SCRIPT = "CREATE TABLE before ();\nALTER TABLE t ADD COLUMN m integer;\n"
WAITS_LONG = """
SELECT 1 FROM pg_stat_activity
WHERE query LIKE %s AND wait_event_type = 'Lock' AND clock_timestamp() - query_start > '1s'
"""


@pytest.fixture
def holder(database, conn):
    """A session that keeps a table locked, in a transaction of its own."""
    conn.execute("CREATE TABLE t (n integer)")
    session = database.connect(autocommit=False, application_name="nightly report")
    session.execute("SELECT 'an old question' FROM t")
    return session


def test_whoever_blocks_us_is_reported_while_we_wait(runner, holder):
    runner.write("a", SCRIPT)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(runner.apply, lock_timeout=30_000)
        (event,) = wait_until(lambda: runner.told(Blocked))
        holder.rollback()
        assert ids(run.result(LONG)) == ["a"]

    (blocker,) = event.blockers
    assert event.migration_id == "a"
    assert (blocker.pid, blocker.role) == (holder.info.backend_pid, "migrator")
    assert (blocker.application, blocker.client) == ("nightly report", "local")
    assert blocker.state == "idle in transaction"
    assert 0 <= blocker.transaction_seconds < 60
    assert blocker.query == "SELECT 'an old question' FROM t"
    assert str(blocker).startswith(
        f"pid {blocker.pid} (role migrator, 'nightly report' from local, idle in transaction, "
    )


def test_a_session_is_reported_once(runner, holder, database):
    runner.write("a", SCRIPT)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(runner.apply, lock_timeout=30_000)
        wait_until(lambda: runner.told(Blocked))
        wait_for_row(database.connect(), WAITS_LONG, "ALTER TABLE t%")
        holder.rollback()
        assert ids(run.result(LONG)) == ["a"]

    assert len(runner.told(Blocked)) == 1


def test_every_attempt_tells_who_it_was(runner, holder, conn):
    runner.write("a", SCRIPT)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(runner.apply, lock_timeout=2_000, lock_budget=60_000)
        first = wait_until(lambda: runner.told(LockRetry))[0]
        assert not is_there(conn, "before")
        holder.rollback()
        assert ids(run.result(LONG)) == ["a"]

    assert (first.migration_id, first.attempt) == ("a", 1)
    assert first.message.sqlstate == "55P03"
    assert first.place.line == 2
    assert 0 <= first.pause <= first.seconds_left <= 60
    assert [blocker.pid for blocker in first.blockers] == [holder.info.backend_pid]


def test_when_the_budget_is_spent_the_error_names_who_it_was(runner, holder, conn):
    runner.write("a", SCRIPT)

    with pytest.raises(LockBudgetSpent) as caught:
        runner.apply(lock_timeout=2_000, lock_budget=0)

    assert caught.value.exit_status == 5
    assert place(caught.value) == "a.sql:2:1"
    assert f"blocked by pid {holder.info.backend_pid} (role migrator, 'nightly report'" in caught.value.message
    assert "SELECT 'an old question' FROM t" in caught.value.message
    assert not is_there(conn, "before")
    assert runner.applied() == []


def test_the_session_that_asks_is_never_named(holder, conn):
    """CREATE INDEX CONCURRENTLY waits for each snapshot, also for that of the question."""
    pid, question = conn.info.backend_pid, queries.load("watch")["blockers"].replace("$1", "%(pid)s")
    with beside(lambda: conn.execute("ALTER TABLE t ADD o int")) as (waiting,):
        behind = ([holder.info.backend_pid],)
        wait_until(lambda: holder.execute("SELECT pg_blocking_pids(%s)", [pid]).fetchone() == behind)
        assert holder.execute(question, {"pid": pid}).fetchall() == []
        holder.rollback()
        waiting.result(LONG)


def test_a_prepared_transaction_that_was_forgotten_is_named(runner, holder, conn):
    """No session holds its lock, so nobody finds it in pg_stat_activity."""
    holder.execute("PREPARE TRANSACTION 'forgotten'")
    holder.rollback()
    runner.write("a", SCRIPT)

    try:
        with pytest.raises(LockBudgetSpent, match="blocked by the prepared transaction 'forgotten'") as caught:
            runner.apply(lock_timeout=2_000, lock_budget=0)
    finally:
        conn.execute("ROLLBACK PREPARED 'forgotten'")

    assert "(role migrator, prepared" in caught.value.message
    assert "ROLLBACK PREPARED would end it" in caught.value.message


def test_the_budget_bounds_all_attempts_together(runner, holder):
    runner.write("a", SCRIPT)

    with pytest.raises(LockBudgetSpent, match=r"\(\d+ attempts; the lock budget is used up\)"):
        runner.apply(lock_timeout=20, lock_budget=2_000)

    retries = runner.told(LockRetry)
    assert retries
    assert [event.attempt for event in retries] == list(range(1, len(retries) + 1))
    assert all(event.pause <= event.seconds_left <= 2 for event in retries)


@pytest.mark.parametrize("command", ["apply", "rollback"])
def test_it_is_shown_on_the_screen_with_exit_status_5(runner, holder, database, capfd, monkeypatch, tmp_path, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("DATABASE_URL", database.url)
    if command == "rollback":
        runner.write("a", "SELECT 1;\n", "ALTER TABLE t ADD COLUMN m integer;\n")
        runner.apply()
    else:
        runner.write("a", SCRIPT)

    outcome = call((command, "--yes", "--lock-timeout", "2s", "--lock-budget", "100ms"), capfd.readouterr)

    assert outcome.status == 5
    assert f"waits for pid {holder.info.backend_pid}" in outcome.stderr
    assert f"blocked by pid {holder.info.backend_pid}" in outcome.stderr


def test_of_other_roles_only_what_may_be_seen_is_reported(runner, holder, database, new_role, conn):
    """Without pg_read_all_stats, PostgreSQL hides what others run, and how long; who they are stays visible."""
    role = new_role("LOGIN CREATEDB")
    conn.execute(f"GRANT CREATE ON DATABASE {database.name} TO {role}")
    conn.execute(f"GRANT ALL ON TABLE t TO {role}")
    runner.conninfo = database.server.conninfo(database.name, role)
    runner.write("a", "CREATE SCHEMA mine;\nLOCK TABLE t IN ACCESS EXCLUSIVE MODE;\n")

    with pytest.raises(LockBudgetSpent) as caught:
        runner.apply(lock_timeout=2_000, lock_budget=0)

    (event,) = runner.told(Blocked)
    (blocker,) = event.blockers
    assert (blocker.pid, blocker.role, blocker.application) == (holder.info.backend_pid, "migrator", "nightly report")
    assert blocker.transaction_seconds is None
    assert blocker.state is None
    assert "an old question" not in (blocker.query or "")
    assert f"pid {blocker.pid}" in caught.value.message
    assert "transaction open" not in caught.value.message


def test_a_deadlock_is_tried_again(runner, conn, database):
    conn.execute("CREATE TABLE t (n integer)")
    conn.execute("CREATE TABLE u (n integer)")
    wait = AFTER_THE_OTHER.format(first="t", second="u")
    runner.write("a", f"LOCK TABLE t;{wait}LOCK TABLE u;\nCREATE TABLE after ();\n")
    other = database.connect_superuser(autocommit=False)
    other.execute("SET deadlock_timeout = '10min'")
    other.execute("LOCK TABLE u")
    with ThreadPoolExecutor(2) as pool:
        run = pool.submit(runner.apply, lock_timeout=30_000)
        wait_for_row(conn, HELD_ALONE, "t")
        second = pool.submit(other.execute, "LOCK TABLE t")
        retry = wait_until(lambda: runner.told(LockRetry))[0]
        second.result(LONG)
        other.rollback()
        assert ids(run.result(LONG)) == ["a"]

    assert retry.message.sqlstate == "40P01"
    assert is_there(conn, "after")


def test_other_errors_are_not_tried_again(runner, conn):
    runner.write("a", "CREATE TABLE t ();\nDO $$ BEGIN RAISE SQLSTATE '40001'; END $$;\n")

    with pytest.raises(ExecutionError):
        runner.apply()

    assert runner.told(LockRetry) == []


def test_nowait_in_a_script_is_tried_again_too(runner, holder, conn):
    runner.write("a", "LOCK TABLE t IN ACCESS EXCLUSIVE MODE NOWAIT;\nCREATE TABLE after ();\n")
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(runner.apply)
        wait_until(lambda: runner.told(LockRetry))
        holder.rollback()
        assert ids(run.result(LONG)) == ["a"]


def test_a_blocker_that_is_gone_at_once_does_no_harm(runner, holder, database):
    runner.write("a", SCRIPT)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(runner.apply, lock_timeout=30_000)
        wait_for_blocked(database.connect())
        database.connect().execute("SELECT pg_terminate_backend(%s)", [holder.info.backend_pid])
        assert ids(run.result(LONG)) == ["a"]
    with pytest.raises(psycopg.OperationalError):
        holder.execute("SELECT 1")


def test_the_whole_chain_is_told_to_whom_nobody_is_in_the_way_of(runner, holder, database, conn):
    """Who keeps us from a lock may wait itself: to end the last one of the chain helps."""
    conn.execute("CREATE TABLE u (n integer)")
    last = database.connect(autocommit=False, application_name="forgotten")
    last.execute("LOCK TABLE u IN ACCESS EXCLUSIVE MODE")
    runner.write("a", SCRIPT)
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(holder.execute, "SELECT FROM u")
        wait_for_blocked(conn, "nightly report")
        with pytest.raises(LockBudgetSpent) as caught:
            runner.apply(lock_timeout=3_000, lock_budget=0)
        event = runner.told(Blocked)[-1]
        last.rollback()
        waiting.result(60)

    first, second = event.blockers
    assert (first.pid, first.direct, first.waits_for) == (holder.info.backend_pid, True, (last.info.backend_pid,))
    assert (second.pid, second.direct, second.waits_for) == (last.info.backend_pid, False, ())
    assert (second.application, second.state) == ("forgotten", "idle in transaction")
    assert f"active, transaction open for {first.transaction_seconds:.0f} s, waits for pid {second.pid} itself" in str(
        first
    )
    assert f"; behind that, pid {second.pid} (role migrator, 'forgotten' from local" in caught.value.message
    assert f"pg_terminate_backend({second.pid})" in caught.value.hint
    assert f"pg_terminate_backend({first.pid})" not in caught.value.hint
