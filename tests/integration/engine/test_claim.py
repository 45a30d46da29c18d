"""The claim: a migration's history row is written before its script, and must still be there before COMMIT."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from sqlmigrate.engine import Result
from sqlmigrate.errors import ExecutionError, HistoryError, ScriptError
from sqlmigrate.events import ScriptStarted
from sqlmigrate.migrations import migration_hash
from support.runner import ids
from support.sessions import beside, is_there, wait_for_blocked, wait_for_query
from support.waiting import LONG

DELETE_ROW = f"DELETE FROM sqlmigrate._yoyo_migration WHERE migration_hash = '{migration_hash('a')}';"


def test_the_row_is_there_while_the_script_runs(runner, conn):
    runner.write("a", "CREATE TABLE seen AS SELECT migration_id FROM sqlmigrate._yoyo_migration;")

    runner.apply()

    assert conn.execute("SELECT migration_id FROM seen").fetchall() == [("a",)]


def test_the_row_is_gone_while_the_rollback_script_runs(runner, conn):
    runner.write("a", "CREATE TABLE a ();", "CREATE TABLE seen AS SELECT migration_id FROM sqlmigrate._yoyo_migration;")
    runner.apply()

    runner.rollback()

    assert conn.execute("SELECT migration_id FROM seen").fetchall() == []


REMOVE_ROW = [
    DELETE_ROW,
    "TRUNCATE sqlmigrate._yoyo_migration CASCADE;",
    "UPDATE sqlmigrate._yoyo_migration SET migration_hash = 'x';",
    f"SET session_replication_role = replica; {DELETE_ROW}",
    f"SET ROLE pg_monitor; RESET ROLE; {DELETE_ROW} SET search_path TO pg_catalog;",
    f"DO $$ BEGIN EXECUTE '{DELETE_ROW.replace(chr(39), chr(39) * 2)}'; END $$;",
]


def test_a_script_that_removes_its_own_row_is_rolled_back(superuser_runner, admin):
    for script in REMOVE_ROW:
        superuser_runner.write("a", f"CREATE TABLE a (); {script}")

        with pytest.raises(ExecutionError, match="has removed its row from there"):
            superuser_runner.apply()

        assert not is_there(admin, "a"), script
        assert superuser_runner.applied() == [], script


DROP_HISTORY = [
    "DROP SCHEMA sqlmigrate CASCADE;",
    "DROP TABLE sqlmigrate._yoyo_log CASCADE;",
    "DROP TABLE sqlmigrate.applied CASCADE;",
    "ALTER SCHEMA sqlmigrate RENAME TO other;",
    "DROP OWNED BY migrator;",
]


def test_a_script_that_drops_the_history_is_rolled_back(runner, conn):
    runner.write("0", "CREATE TABLE zero ();")
    runner.apply()
    for script in DROP_HISTORY:
        runner.write("a", f"CREATE TABLE a (); {script}")

        with pytest.raises(ExecutionError, match="the history row could not be written"):
            runner.apply()

        assert not is_there(conn, "a"), script
        assert runner.applied() == ["0"], script


def test_a_rollback_script_that_drops_the_history_is_rolled_back(runner, conn):
    runner.write("a", "CREATE TABLE a ();", "DROP TABLE a; DROP SCHEMA sqlmigrate CASCADE;")
    runner.apply()

    with pytest.raises(ExecutionError, match="the history row could not be written"):
        runner.rollback()

    assert is_there(conn, "a")
    assert runner.applied() == ["a"]


MESSES = [
    "SET search_path TO '';",
    "SELECT pg_catalog.set_config('search_path', '', false);",
    "SET ROLE pg_monitor;",
    "SET SESSION AUTHORIZATION nobody_much;",
    "SET client_encoding TO 'LATIN1';",
    "SET client_encoding TO 'SQL_ASCII';",
    "SET session_replication_role TO replica;",
    "SET statement_timeout TO 5000;",
    "SET lock_timeout TO 1;",
    "SET default_transaction_read_only TO on;",
    "SET standard_conforming_strings TO off;",
    "SET DateStyle TO 'SQL, DMY'; SET IntervalStyle TO sql_standard; SET timezone TO 'Asia/Kathmandu';",
    "SET CONSTRAINTS ALL DEFERRED;",
    "SET row_security TO off;",
    "SET bytea_output TO escape;",
    "SET quote_all_identifiers TO on;",
    "CREATE TEMP TABLE uuid (); CREATE TEMP TABLE jsonb (); CREATE TEMP TABLE _yoyo_migration ();",
]


def test_whatever_a_script_does_to_its_session_the_row_is_written_by_the_login_role(superuser_runner, admin, new_role):
    new_role("NOLOGIN", "nobody_much")
    for number, mess in enumerate(MESSES):
        superuser_runner.write(f"{number:02d}.ä-€-😀", f"CREATE TABLE public.t{number} (); {mess} SELECT 'ä€';")

    superuser_runner.apply()

    names = [f"{number:02d}.ä-€-😀" for number in range(len(MESSES))]
    assert superuser_runner.applied() == names
    assert [is_there(admin, f"public.t{number}") for number in range(len(MESSES))] == [True] * len(MESSES)
    assert admin.execute("SELECT DISTINCT login_role FROM sqlmigrate.log").fetchall() == [("postgres",)]
    texts = admin.execute("SELECT script FROM sqlmigrate.applied ORDER BY seq").fetchall()
    assert [text for (text,) in texts] == [superuser_runner.load().named(name).script.text for name in names]


@pytest.mark.parametrize("head", ["", "-- transactional: false\n"], ids=["in a transaction", "outside"])
def test_a_large_script_that_gets_a_commit_after_it_was_checked_leaves_nothing(runner, conn, monkeypatch, head):
    monkeypatch.setattr("sqlmigrate.sql.script.HELD_MAX", 8)
    path = runner.write("a", f"{head}CREATE TABLE a ();")

    def edit(event):
        if isinstance(event, ScriptStarted):
            path.write_text(f"{head}CREATE TABLE a (); COMMIT; CREATE TABLE b ();", encoding="utf-8")

    monkeypatch.setattr(runner, "observe", edit)
    with pytest.raises(ScriptError, match="the file changed"):
        runner.apply()

    assert not is_there(conn, "a")
    assert runner.applied() == []


def test_a_read_only_transaction_cannot_be_recorded_and_says_so(runner, conn):
    runner.write("a", "CREATE TABLE a (); SET TRANSACTION READ ONLY;")

    with pytest.raises(ExecutionError, match="the history row could not be written"):
        runner.apply()

    assert not is_there(conn, "a")


def test_a_deferred_constraint_that_fails_is_reported_and_leaves_nothing(runner, conn):
    runner.write("0", "CREATE TABLE p (id integer PRIMARY KEY);")
    runner.write(
        "a",
        """
        CREATE TABLE c (id integer REFERENCES p DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO c VALUES (42);
        """,
    )

    with pytest.raises(
        ExecutionError, match=r"violates foreign key constraint .*\(found at the end of the script"
    ) as caught:
        runner.apply()

    assert caught.value.server.sqlstate == "23503"
    assert "(id)=(42)" in caught.value.server.detail
    assert caught.value.migration_id == "a"
    assert caught.value.done == ("0",)
    assert runner.applied() == ["0"]
    assert not is_there(conn, "c")


def test_a_deferred_constraint_of_a_rollback_is_found_too(runner, conn):
    runner.write("a", "CREATE TABLE p (id integer PRIMARY KEY); INSERT INTO p VALUES (1);", "DELETE FROM p;")
    runner.apply()
    conn.execute("CREATE TABLE c (id integer REFERENCES p DEFERRABLE INITIALLY DEFERRED); INSERT INTO c VALUES (1)")

    with pytest.raises(ExecutionError, match="found at the end of the script"):
        runner.rollback()

    assert runner.applied() == ["a"]
    assert conn.execute("SELECT count(*) FROM p").fetchone() == (1,)


@contextmanager
def past_the_run_lock(work: Callable[..., Result], session: psycopg.Connection[Any], query: str) -> Iterator[Any]:
    """Start a run that waits in its script, and a second one in spite of it, which waits in this query."""
    with beside(lambda: work(lock_timeout=20_000)) as [first]:
        wait_for_blocked(session)
        session.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        with beside(lambda: work(lock_timeout=20_000)) as [second]:
            wait_for_query(session, query)
            yield second
        first.result(LONG)


def test_a_second_run_that_got_past_the_run_lock_finds_the_claim_taken(runner, conn, database):
    """Without the lock the primary key alone lets a migration happen once."""
    runner.write("a", "CREATE TABLE a (); INSERT INTO public.gate_keeper VALUES (1);")
    conn.execute("CREATE TABLE gate_keeper (n integer)")
    runner.write("0", "SELECT 1;")
    runner.apply(steps=1)
    holder = database.holding("LOCK TABLE gate_keeper IN ACCESS EXCLUSIVE MODE")
    with past_the_run_lock(runner.apply, conn, "INSERT INTO%_yoyo_migration%") as second:
        holder.rollback()
        with pytest.raises(HistoryError, match="was applied by another run in the meantime"):
            second.result(LONG)

    assert runner.applied() == ["0", "a"]
    assert conn.execute("SELECT count(*) FROM gate_keeper").fetchone() == (1,)


def test_a_second_rollback_that_got_past_the_run_lock_finds_the_row_gone(runner, conn, database):
    runner.write("a", "CREATE TABLE a ();", "DROP TABLE a; LOCK TABLE gate_keeper IN SHARE MODE;")
    runner.apply()
    conn.execute("CREATE TABLE gate_keeper (n integer)")
    holder = database.holding("LOCK TABLE gate_keeper IN ACCESS EXCLUSIVE MODE")
    with past_the_run_lock(runner.rollback, conn, "%DELETE FROM%_yoyo_migration%") as second:
        holder.rollback()
        with pytest.raises(HistoryError, match="is no longer applied"):
            second.result(LONG)

    assert runner.applied() == []


def test_the_history_row_and_the_change_become_visible_together(runner, conn, database):
    """A reader never sees one without the other."""
    runner.write("a", "CREATE TABLE a (); SELECT pg_sleep(0.3);")
    reader = database.connect()
    runner.write("0", "SELECT 1;")
    runner.apply(steps=1)
    query = """
    SELECT to_regclass('a') IS NOT NULL,
           EXISTS (SELECT FROM sqlmigrate._yoyo_migration WHERE migration_id = 'a')
    """
    seen = set()
    with beside(runner.apply) as [run]:
        while not run.done():
            seen.add(_snapshot(reader, query))

    assert _snapshot(reader, query) == (True, True)
    assert seen <= {(False, False), (True, True)}


def _snapshot(session: psycopg.Connection, query: str) -> tuple[bool, bool]:
    with session.transaction():
        session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        there, recorded = session.execute(query).fetchone()
    return there, recorded


def test_operators_of_a_script_take_no_part_in_the_history(runner, conn):
    """They would run as the login role, which may do more than the role of the script."""
    runner.write(
        "a",
        """
        CREATE SCHEMA evil;
        CREATE TABLE evil.seen ();
        CREATE FUNCTION evil.equal(text, text) RETURNS boolean LANGUAGE plpgsql AS
        $$BEGIN INSERT INTO evil.seen DEFAULT VALUES; RETURN false; END$$;
        CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.equal);
        CREATE FUNCTION evil.equal(varchar, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
        CREATE OPERATOR evil.= (LEFTARG = varchar, RIGHTARG = text, FUNCTION = evil.equal);
        SET search_path TO evil, pg_catalog;
        """,
    )

    assert ids(runner.apply()) == ["a"]

    assert runner.applied() == ["a"]
    assert conn.execute("SELECT count(*) FROM evil.seen").fetchone() == (0,)
