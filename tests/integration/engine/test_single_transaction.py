"""`apply --single-transaction`: all pending scripts in one transaction, or nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from sqlmigrate.errors import ExecutionError, LockBudgetSpent, MigrationsError
from sqlmigrate.events import LockRetry, ScriptFinished, ScriptStarted
from support.command import call
from support.runner import ids, place
from support.sessions import is_there
from support.stepwise import OUTSIDE
from support.waiting import LONG, wait_until


@pytest.fixture
def together(runner):
    """Apply all pending scripts together."""

    def run(**options):
        return runner.apply(single_transaction=True, **options)

    return run


def test_all_of_them_are_applied_in_one_transaction(runner, conn, together):
    for name in ("a", "b", "c"):
        runner.write(name, f"CREATE TABLE {name} AS SELECT txid_current() AS id;")

    assert ids(together()) == ["a", "b", "c"]

    assert conn.execute("SELECT count(DISTINCT id) FROM (TABLE a UNION TABLE b UNION TABLE c) AS x").fetchone() == (1,)
    assert runner.applied() == ["a", "b", "c"]
    assert conn.execute("SELECT count(*) FROM sqlmigrate.log").fetchone() == (3,)


@pytest.mark.parametrize("at", ["a", "b", "c"])
def test_an_error_in_any_of_them_leaves_nothing(runner, conn, together, at):
    for name in ("a", "b", "c"):
        runner.write(name, f"CREATE TABLE {name} ();\n{'SELECT nonsense;' if name == at else ''}")

    with pytest.raises(ExecutionError) as caught:
        together()

    assert place(caught.value) == f"{at}.sql:2:8"
    assert caught.value.migration_id == at
    assert caught.value.done == ()
    assert [is_there(conn, name) for name in ("a", "b", "c")] == [False] * 3
    assert runner.applied() == []
    assert runner.told(ScriptFinished) == []


def test_what_is_deferred_and_fails_leaves_nothing(runner, conn, together):
    runner.write("a", "CREATE TABLE a (n integer PRIMARY KEY, p integer REFERENCES a DEFERRABLE INITIALLY DEFERRED);")
    runner.write("b", "INSERT INTO a VALUES (1, 2);")
    runner.write("c", "CREATE TABLE c ();")

    with pytest.raises(ExecutionError, match="found at the end of the transaction that these scripts share"):
        together()

    assert not is_there(conn, "a")
    assert runner.applied() == []


def test_rows_that_wait_for_deferred_constraints_of_an_earlier_script_are_reported_as_such(runner, together):
    first = """
        CREATE TABLE a (n integer PRIMARY KEY, p integer REFERENCES a DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO a VALUES (1, 1);
        """
    runner.write("a", first)
    runner.write("b", "ALTER TABLE a ADD m integer;")

    with pytest.raises(ExecutionError, match="pending trigger events") as caught:
        together()

    assert "SET CONSTRAINTS ALL IMMEDIATE at its end" in caught.value.hint
    assert "without --single-transaction" in caught.value.hint
    runner.write("a", f"{first}SET CONSTRAINTS ALL IMMEDIATE;")
    assert ids(together()) == ["a", "b"]


def test_what_was_applied_before_stays(runner, conn, together):
    runner.write("a", "CREATE TABLE a ();")
    runner.apply()
    runner.write("b", "SELECT nonsense;")

    with pytest.raises(ExecutionError):
        together()

    assert runner.applied() == ["a"]


LEAKS = {
    "settings": "SET search_path TO nowhere;\nSET statement_timeout TO '1h';\nSET work_mem TO '1MB';",
    "temporary tables": "CREATE TEMP TABLE same (n integer);",
    "prepared statements": "PREPARE same AS SELECT 1;",
    "cursors": "DECLARE same CURSOR WITH HOLD FOR SELECT 1;",
    "sequences": "CREATE TEMP SEQUENCE same;\nSELECT nextval('same');",
    "advisory locks": "SELECT pg_advisory_lock(42);",
    "listening": "LISTEN same;",
    "roles": "SET ROLE other_role;",
    "encodings": "SET client_encoding TO 'LATIN1';",
    "pg_dump": "SELECT pg_catalog.set_config('search_path', '', false);\nSET row_security = off;",
}
SEEN = """
CREATE TABLE public.{} AS
SELECT current_setting('search_path') AS path, current_setting('statement_timeout') AS timeout,
       current_setting('work_mem') AS memory, current_setting('row_security') AS security,
       current_setting('client_encoding') AS encoding, current_user AS role,
       (SELECT count(*) FROM pg_prepared_statements) AS plans,
       (SELECT count(*) FROM pg_cursors WHERE is_holdable) AS cursors,
       (SELECT count(*) FROM pg_listening_channels()) AS channels,
       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS locks,
       pg_catalog.to_regclass('pg_temp.same') AS temporary;
"""


@pytest.fixture
def other(new_role, admin):
    role = new_role("NOLOGIN", "other_role")
    admin.execute(f"GRANT {role} TO migrator")


@pytest.mark.parametrize("kind", LEAKS)
def test_nothing_leaks_from_one_script_into_the_next(runner, conn, other, together, kind):
    runner.write("a", SEEN.format("first"))
    runner.write("b", LEAKS[kind])
    runner.write("c", SEEN.format("second") + LEAKS[kind])

    together()

    first, second = (conn.execute(f"SELECT * FROM {name}").fetchall() for name in ("first", "second"))
    assert first == second


def test_a_setting_of_the_script_alone_does_not_leak(runner, conn, together):
    runner.write(
        "a",
        "-- sqlmigrate: lock_timeout=7s search_path=pg_catalog\n"
        "CREATE TABLE public.a AS SELECT current_setting('lock_timeout') AS x;",
    )
    runner.write("b", "CREATE TABLE b AS SELECT current_setting('lock_timeout') AS x;")

    together(lock_timeout=3_000)

    assert conn.execute("TABLE a UNION ALL TABLE b").fetchall() == [("7s",), ("3s",)]


def test_a_role_directive_counts_for_its_script_alone(runner, conn, admin, other, together):
    admin.execute("GRANT CREATE ON SCHEMA public TO other_role")
    runner.write("a", "-- sqlmigrate: role=other_role\nCREATE TABLE a ();")
    runner.write("b", "CREATE TABLE b ();")

    together()

    owners = conn.execute("SELECT tablename, tableowner FROM pg_tables WHERE tablename IN ('a', 'b') ORDER BY 1")
    assert owners.fetchall() == [("a", "other_role"), ("b", "migrator")]


def test_a_session_authorization_does_not_leak(runner, conn, database, other, together):
    runner.conninfo = database.superuser_conninfo
    runner.write("a", "SET SESSION AUTHORIZATION other_role;")
    runner.write("b", "CREATE TABLE b AS SELECT session_user::text AS x;")

    together()

    assert database.connect_superuser().execute("TABLE b").fetchall() == [("postgres",)]


REFUSED = {
    "outside a transaction": f"{OUTSIDE}VACUUM;\n",
    "an isolation level": "-- sqlmigrate: isolation=serializable\nSELECT 1;\n",
    "no way to run in a transaction": "VACUUM;\n",
    "its own COMMIT": "COMMIT;\n",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_scripts_that_cannot_share_a_transaction_are_refused_before_anything_runs(runner, conn, together, kind):
    runner.write("a", "CREATE TABLE a ();")
    path = runner.write("b", REFUSED[kind])

    with pytest.raises(MigrationsError) as caught:
        together()

    assert [problem.place.path for problem in caught.value.problems] == [path]
    assert not is_there(conn, "a")
    assert runner.applied() == []
    assert runner.told(ScriptStarted) == []


def test_every_such_script_is_named(runner, together):
    for name in ("a", "b"):
        runner.write(name, OUTSIDE)
    runner.write("c", "-- sqlmigrate: isolation=serializable\n")

    with pytest.raises(MigrationsError) as caught:
        together()

    assert [problem.place.path.name for problem in caught.value.problems] == ["a.sql", "b.sql", "c.sql"]


def test_a_lock_that_is_not_granted_begins_all_of_it_again(runner, conn, database, together):
    conn.execute("CREATE TABLE t (n integer)")
    runner.write("a", "CREATE TABLE a (n integer);\nCOPY a FROM stdin;\n1\n\\.\n")
    runner.write("b", "ALTER TABLE t ADD COLUMN m integer;")
    holder = database.holding("LOCK TABLE t")
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(together, lock_timeout=100, lock_budget=60_000)
        wait_until(lambda: runner.told(LockRetry))
        assert not is_there(conn, "a")
        holder.rollback()
        assert ids(run.result(LONG)) == ["a", "b"]

    assert conn.execute("SELECT n FROM a").fetchall() == [(1,)]


def test_when_the_budget_is_spent_nothing_stays(runner, conn, database, together):
    conn.execute("CREATE TABLE t (n integer)")
    runner.write("a", "CREATE TABLE a ();")
    runner.write("b", "ALTER TABLE t ADD COLUMN m integer;")
    database.holding("LOCK TABLE t")

    with pytest.raises(LockBudgetSpent) as caught:
        together(lock_timeout=50, lock_budget=0)

    assert caught.value.migration_id == "b"
    assert not is_there(conn, "a")


def test_a_script_that_removes_its_own_row_undoes_all(runner, conn, together):
    runner.write("a", "CREATE TABLE a ();")
    runner.write("b", "DELETE FROM sqlmigrate._yoyo_migration WHERE migration_id = 'b';")

    with pytest.raises(ExecutionError, match="has removed its row from there"):
        together()

    assert not is_there(conn, "a")


def test_a_single_script_and_none_are_fine(runner, together):
    assert ids(together()) == []
    runner.write("a", "SELECT 1;")
    assert ids(together()) == ["a"]
    assert ids(runner.apply(single_transaction=False)) == []


def test_many_scripts_share_one_transaction(runner, conn, together):
    for number in range(120):
        runner.write(f"{number:03}", f"CREATE TABLE t{number} ();")

    assert len(ids(together())) == 120
    assert is_there(conn, "t119")


def test_it_is_an_option_of_apply(runner, database, conn, capfd, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("DATABASE_URL", database.url)
    runner.write("a", "CREATE TABLE a ();")
    runner.write("b", "SELECT nonsense;")

    outcome = call(("apply", "--single-transaction"), capfd.readouterr)

    assert outcome.status == 1
    assert "applied a" not in outcome.stdout
    assert "nothing of this run is in the database, since its scripts share one transaction" in outcome.stderr
    assert not is_there(conn, "a")
    runner.write("b", "SELECT 1;")
    outcome = call(("apply", "--single-transaction"), capfd.readouterr)
    assert outcome.status == 0
    assert "2 applied" in outcome.stdout
