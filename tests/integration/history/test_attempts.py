"""The history of attempts: what left nothing else behind is recorded, whatever became of its transaction."""

from __future__ import annotations

import pytest

from sqlmigrate import connection, history
from sqlmigrate.errors import ExecutionError, HistoryError, LockBudgetSpent
from sqlmigrate.events import KilledRunFound
from sqlmigrate.history.tables import VERSION
from support.runner import ids
from support.sessions import beside, is_there, wait_for_row
from support.waiting import wait_until

ROWS = "SELECT * FROM sqlmigrate.script_attempts"
SLEEPING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"

UNTIL_SOMEBODY_WAITS = """
DO $$ BEGIN
    FOR number IN 1..1000 LOOP
        EXIT WHEN EXISTS (SELECT FROM pg_locks WHERE relation = 't'::regclass AND NOT granted);
        PERFORM pg_sleep(0.05);
    END LOOP;
END $$;
"""
# as many short ones: a machine that stands still would take one long sleep to its end, and nobody would have looked
TWO_SECONDS = "SELECT count(pg_sleep(0.1)) FROM generate_series(1, 20);\n"


@pytest.fixture
def attempts(runner):
    """What the history says of attempts."""

    def read(**wanted):
        with connection.session(runner.conninfo) as session:
            return history.read_attempts(session, "sqlmigrate", history.LogFilter(**wanted))

    return read


def no_rows(conn):
    return conn.execute(ROWS).fetchall() == []


def test_an_attempt_that_failed_is_recorded_and_one_that_succeeds_leaves_no_row(runner, conn, attempts):
    runner.write("a", "CREATE TABLE a ();", "DROP TABLE a;")
    runner.apply()
    assert no_rows(conn)
    runner.write("b", "CREATE TABLE b ();\n\nSELECT 1 FROM missing;\n")
    runner.write("c", "CREATE ROLE x LOGIN\n  PASSWORD 'geheim' nonsense;\n")

    with pytest.raises(ExecutionError):
        runner.apply()
    with pytest.raises(ExecutionError):
        runner.apply()
    runner.write("b", "SELECT 1;", "SELECT 1/0;")
    with pytest.raises(ExecutionError):
        runner.apply()
    with pytest.raises(ExecutionError):
        runner.rollback(steps=1)

    rows = attempts()
    assert [(row.state, row.operation, row.migration_id, row.line) for row in rows] == [
        ("failed", "apply", "b", 3),
        ("failed", "apply", "b", 3),
        ("failed", "apply", "c", 2),
        ("failed", "rollback", "b", 1),
    ]
    assert (rows[0].error, rows[0].sqlstate) == ('relation "missing" does not exist', "42P01")
    assert rows[0].run_id != rows[1].run_id
    assert (rows[0].login_role, rows[0].attempt, rows[0].harm, rows[0].blockers) == ("migrator", 1, None, None)
    assert rows[0].begun_at <= rows[0].at
    assert "geheim" not in str(conn.execute(ROWS).fetchall())
    assert [row.migration_id for row in attempts(migration_id="c", operation="apply", most=1)] == ["c"]
    assert not is_there(conn, "b")


@pytest.mark.usefixtures("watchful")
def test_one_that_waits_for_a_lock_is_recorded_with_who_held_it(runner, conn, database, attempts):
    conn.execute("CREATE TABLE t ()")
    runner.write("a", "SELECT 1;\nALTER TABLE t ADD n integer;\n")
    holder = database.holding("LOCK TABLE t IN ACCESS SHARE MODE")
    pid = holder.info.backend_pid

    with beside(lambda: runner.apply(lock_timeout=1_500)) as (run,):
        wait_until(lambda: attempts() if is_there(conn, "sqlmigrate.script_attempts") else [], timeout=60)
        holder.rollback()
        assert ids(run.result(60)) == ["a"]
    found = len(attempts())
    with database.holding("LOCK TABLE t IN ACCESS SHARE MODE") as again:
        runner.write("b", "ALTER TABLE t DROP n;")
        with pytest.raises(LockBudgetSpent):
            runner.apply(lock_timeout=1_500, lock_budget=0)
        again.rollback()

    rows = attempts()
    assert {(row.state, row.migration_id, row.sqlstate, row.line) for row in rows[:found]} == {
        ("retried", "a", "55P03", 2)
    }
    assert [row.attempt for row in rows[:found]] == list(range(1, found + 1))
    assert rows[0].blockers[0]["pid"] == pid
    assert rows[0].blockers[0]["query"] == "LOCK TABLE t IN ACCESS SHARE MODE"
    assert [(row.state, row.migration_id, len(row.blockers)) for row in rows[found:]] == [("failed", "b", 1)]
    assert "the lock budget is used up" in rows[-1].error


def test_whom_an_attempt_hurt_is_recorded_also_if_it_succeeded(runner, conn, database, attempts):
    conn.execute("CREATE TABLE t (); CREATE TABLE gate ()")
    conn.execute("INSERT INTO gate DEFAULT VALUES")
    runner.write("a", f"LOCK TABLE t IN ACCESS EXCLUSIVE MODE;\n{UNTIL_SOMEBODY_WAITS}\n{TWO_SECONDS}")
    runner.write("b", "LOCK TABLE t IN ACCESS EXCLUSIVE MODE;\nSELECT pg_sleep(60) WHERE EXISTS (SELECT FROM gate);\n")
    reader = database.connect()

    def read():
        wait_for_row(conn, "SELECT 1 FROM pg_locks WHERE relation = 't'::regclass AND mode = 'AccessExclusiveLock'")
        return reader.execute("SELECT FROM t").statusmessage

    with beside(lambda: runner.apply(steps=1), read) as (run, reading):
        assert ids(run.result(60)) == ["a"]
        assert reading.result(60) == "SELECT 0"
    with beside(lambda: runner.apply(max_block=1_500), read) as (run, reading):
        assert reading.result(60) == "SELECT 0"
        database.connect().execute("DELETE FROM gate")
        assert ids(run.result(120)) == ["b"]

    rows = attempts()
    assert [(row.state, row.migration_id) for row in rows[:2]] == [("done", "a"), ("guarded", "b")]
    for row in rows[:2]:
        assert (row.harm["sessions"], row.harm["mode"], row.harm["relation"]) == (1, "ACCESS EXCLUSIVE", "public.t")
        assert row.harm["longest"] >= 1
    assert rows[1].error.startswith("stopped, since a session waited")


def test_a_run_that_was_killed_is_found_by_the_next_one(runner, conn, database, attempts):
    """Its row says that it is under way, and its steps which of them was: what is applied is none."""
    runner.write("a", "CREATE TABLE a ();", "DROP TABLE a;")
    runner.apply()
    for name in ("b", "c", "d"):
        runner.write(name, f"CREATE TABLE {name} ();", f"DROP TABLE {name};")
    assert no_rows(conn)
    marker = (
        "INSERT INTO sqlmigrate.script_attempts (id, run_id, state, operation, migration_id, line, begun_at, steps,"
        " login_role, tool_version) VALUES (gen_random_uuid(), gen_random_uuid(), 'running', %s, %s, %s, now(), %s,"
        " 'migrator', '1')"
    )
    told = []
    for operation, seen, line, steps in (
        ("apply", None, None, '["b", "c"]'),  # nothing was seen of it: it had done nothing
        ("apply", "c", 7, '["b", "c", "d"]'),  # b is done by now
        ("apply", None, None, '["b", "c"]'),  # both are: it was through
        ("rollback", "d", 1, '["d", "c"]'),
    ):
        conn.execute(marker, [operation, seen, line, steps])
        runner.events.clear()
        runner.apply(steps=1) if len(runner.applied()) < 4 else runner.rollback(steps=1)
        told += [(event.migration_id, event.operation, event.line) for event in runner.told(KilledRunFound)]

    assert told == [("b", "apply", None), ("c", "apply", 7), ("d", "rollback", 1)]
    rows = [(row.state, row.migration_id, row.operation, row.line) for row in attempts()]
    assert rows == [("killed", name, operation, line) for name, operation, line in told]


def test_an_older_history_gets_the_table_with_the_privileges_of_its_log(runner, conn, database, new_role, attempts):
    """No version says that it is there, so releases that do not know it go on."""
    runner.write("a", "SELECT 1;", "SELECT 1;")
    runner.apply()
    reader, writer = new_role(), new_role()
    conn.execute("DROP TABLE sqlmigrate.script_attempts")
    conn.execute(f"GRANT USAGE ON SCHEMA sqlmigrate TO {reader}, {writer}")
    conn.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA sqlmigrate TO {reader}")
    conn.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA sqlmigrate TO {writer}")
    assert attempts() == []
    runner.write("b", "SELECT 1;", "SELECT 1;")
    runner.write("c", "SELECT 1/0;")

    with pytest.raises(ExecutionError):
        runner.apply()

    assert (runner.applied(), runner.history().version) == (["a", "b"], VERSION)
    assert VERSION == 2
    may = "SELECT has_table_privilege(%s, 'sqlmigrate.script_attempts', %s)"
    assert conn.execute(may, [reader, "SELECT"]).fetchone() == (True,)
    assert conn.execute(may, [reader, "INSERT"]).fetchone() == (False,)
    assert conn.execute(may, [writer, "DELETE"]).fetchone() == (True,)
    assert [row.migration_id for row in attempts()] == ["c"]


def test_a_role_that_may_not_use_the_table_runs_all_the_same(runner, conn, database, new_role, attempts):
    runner.write("a", "SELECT 1;", "SELECT 1;")
    runner.apply()
    writer = new_role()
    conn.execute(f"GRANT USAGE ON SCHEMA sqlmigrate TO {writer}")
    conn.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA sqlmigrate TO {writer}")
    trusting = {"history_owners": ("migrator",)}
    conninfo, runner.conninfo = runner.conninfo, database.conninfo.replace("user=migrator", f"user={writer}")
    assert writer in runner.conninfo

    for number, change in enumerate(
        (
            f"REVOKE ALL ON sqlmigrate.script_attempts FROM {writer}",
            "DROP TABLE sqlmigrate.script_attempts",
            "CREATE TABLE sqlmigrate.script_attempts (n integer)",
        )
    ):
        conn.execute(change)
        runner.write(f"b{number}", "SELECT 1;", "SELECT 1;")
        assert ids(runner.apply(**trusting)) == [f"b{number}"]
        runner.write(f"b{number}x", "SELECT 1/0;")
        with pytest.raises(ExecutionError, match="division by zero"):
            runner.apply(**trusting)
        (runner.directory / f"b{number}x.sql").unlink()
    runner.conninfo = conninfo


def test_a_table_that_somebody_has_hung_something_on_is_left_alone(runner, conn, database, attempts):
    runner.write("a", "SELECT 1;", "SELECT 1;")
    runner.apply()
    assert no_rows(conn)
    conn.execute("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'ran'; END$$")
    conn.execute("CREATE TRIGGER t BEFORE INSERT ON sqlmigrate.script_attempts EXECUTE FUNCTION f()")
    runner.write("b", "SELECT 1;", "SELECT 1;")
    runner.write("c", "SELECT 1/0;", "SELECT 1;")

    with pytest.raises(ExecutionError, match="division by zero"):
        runner.apply()

    assert runner.applied() == ["a", "b"]
    assert conn.execute(ROWS).fetchall() == []
    with pytest.raises(HistoryError, match=r"script_attempts cannot be trusted as a history: it has a trigger"):
        attempts()


def test_only_the_newest_are_kept(runner, conn, attempts, monkeypatch):
    monkeypatch.setattr("sqlmigrate.history.attempts._MOST", 3)
    runner.write("a", "SELECT 1/0;")
    for _ in range(5):
        with pytest.raises(ExecutionError):
            runner.apply()
    assert len(attempts()) == 3


def test_a_script_that_locks_the_table_keeps_nobody_waiting(runner, conn, database, attempts):
    runner.write("a", "SELECT 1;")
    runner.apply()
    runner.write("b", "LOCK TABLE sqlmigrate.script_attempts; SELECT pg_sleep(3); SELECT 1/0;")
    with pytest.raises(ExecutionError):
        runner.apply()
    assert [(row.state, row.migration_id) for row in attempts()] == [("failed", "b")]
    holder = database.holding("LOCK TABLE sqlmigrate.script_attempts IN SHARE MODE")
    runner.write("b", "SELECT 1;")
    with beside(runner.apply) as (run,):
        assert ids(run.result(60)) == ["b"]
    holder.rollback()
