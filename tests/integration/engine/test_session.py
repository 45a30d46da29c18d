"""Every script meets a pristine session, whatever the one before did, and runs under the settings of the run."""

from __future__ import annotations

import pytest

from sqlmigrate.engine.wire.session import application_name
from sqlmigrate.errors import ExecutionError
from sqlmigrate.events import Notice
from support.runner import Runner
from support.sessions import is_there
from support.twins import psql, written_plan

HERE = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"


def shown(runner: Runner, conn, *names: str, **options) -> list[str]:
    """Give settings as a script sees them."""
    columns = ", ".join(f"current_setting('{name}')" for name in names)
    runner.write("9.shown", f"CREATE TABLE public.shown AS SELECT ARRAY[{columns}] AS settings;")
    runner.apply(**options)
    return conn.execute("SELECT settings FROM public.shown").fetchone()[0]


LEFT_BEHIND = {
    "SET search_path TO pg_catalog": "current_setting('search_path') = '\"$user\", public'",
    "SELECT set_config('search_path', '', false)": "current_setting('search_path') = '\"$user\", public'",
    "SET ROLE pg_monitor": "current_user = 'postgres'",
    "SET SESSION AUTHORIZATION migrator": "session_user = 'postgres'",
    "CREATE TEMP TABLE left_over ()": "to_regclass('pg_temp.left_over') IS NULL",
    "PREPARE left_over AS SELECT 1": "NOT EXISTS (SELECT FROM pg_prepared_statements WHERE from_sql)",
    "DECLARE left_over CURSOR WITH HOLD FOR SELECT 1": "NOT EXISTS (SELECT FROM pg_cursors WHERE is_holdable)",
    "LISTEN left_over": "NOT EXISTS (SELECT FROM pg_listening_channels())",
    "SELECT pg_advisory_lock(77)": "NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 77)",
    "SET default_transaction_read_only TO on": "current_setting('transaction_read_only') = 'off'",
    "SET session_replication_role TO replica": "current_setting('session_replication_role') = 'origin'",
    "SET standard_conforming_strings TO off": "current_setting('standard_conforming_strings') = 'on'",
    "SET check_function_bodies TO off": "current_setting('check_function_bodies') = 'on'",
    "SET client_encoding TO 'LATIN1'": "'ä€😀' = U&'\\00e4\\20ac\\+01f600'",
    "SET lock_timeout TO 1": "current_setting('lock_timeout') = '2s'",
    "SET statement_timeout TO 1000": "current_setting('statement_timeout') = '0'",
    "SET bytea_output TO escape": "current_setting('bytea_output') = 'hex'",
}


def test_what_a_script_leaves_behind_is_gone_before_the_next(superuser_runner, admin):
    admin.execute("CREATE TABLE clean (mess text, clean boolean)")
    for number, (mess, clean) in enumerate(LEFT_BEHIND.items()):
        superuser_runner.write(f"{number:02d}.a", f"{mess};")
        superuser_runner.write(f"{number:02d}.b", f"INSERT INTO public.clean VALUES ($mess${mess}$mess$, {clean});")

    superuser_runner.apply()

    rows = admin.execute("SELECT mess, clean FROM clean").fetchall()
    assert dict(rows) == dict.fromkeys(LEFT_BEHIND, True)


def test_a_leftover_of_a_failed_script_does_not_reach_the_next_run(superuser_runner):
    superuser_runner.write("a", "SET ROLE pg_monitor; SELECT nonsense;")
    with pytest.raises(ExecutionError):
        superuser_runner.apply()
    superuser_runner.write("a", "SELECT 1 WHERE current_user = 'postgres';")

    superuser_runner.apply()

    assert superuser_runner.applied() == ["a"]


def test_the_settings_of_the_run_win_over_those_of_the_role(runner, admin, conn):
    names = {
        "lock_timeout": "77s",
        "statement_timeout": "15s",
        "idle_in_transaction_session_timeout": "15s",
        "idle_session_timeout": "15s",
        "client_connection_check_interval": "0",
    }
    if conn.info.server_version >= 170000:
        names["transaction_timeout"] = "15s"
    for name, value in names.items():
        admin.execute(f"ALTER ROLE migrator IN DATABASE test_1 SET {name} TO '{value}'")

    found = shown(runner, conn, *names)

    assert found == ["2s", "0", "15min", "0", "1s", "0"][: len(found)]


def test_a_role_with_a_short_statement_timeout_can_run_a_long_script(runner, admin, conn):
    admin.execute("ALTER ROLE migrator IN DATABASE test_1 SET statement_timeout TO '1s'")
    runner.write("a", "SELECT pg_sleep(1.3); CREATE TABLE a ();")

    runner.apply()

    assert is_there(conn, "a")


def test_a_role_with_a_short_transaction_timeout_can_run_a_long_script(runner, admin, conn):
    if conn.info.server_version < 170000:
        pytest.skip("transaction_timeout came with PostgreSQL 17")
    admin.execute("ALTER ROLE migrator IN DATABASE test_1 SET transaction_timeout TO '1s'")
    runner.write("a", "SELECT pg_sleep(1.3); CREATE TABLE a ();")

    runner.apply()

    assert is_there(conn, "a")


def test_a_statement_timeout_that_was_asked_for_strikes(runner, conn):
    runner.write("a", "CREATE TABLE a (); SELECT pg_sleep(30);")

    with pytest.raises(ExecutionError, match="statement timeout") as caught:
        runner.apply(statement_timeout=200)

    assert caught.value.server.sqlstate == "57014"
    assert not is_there(conn, "a")


def test_directives_of_a_script_win_over_the_options(runner, conn):
    runner.write(
        "a",
        """
        -- sqlmigrate: lock_timeout=7s statement_timeout=8s search_path=pg_catalog isolation=serializable
        CREATE TABLE public.seen AS
        SELECT current_setting('lock_timeout') AS lock, current_setting('statement_timeout') AS statement,
               current_setting('search_path') AS path, current_setting('transaction_isolation') AS isolation;
        """,
    )

    runner.apply(lock_timeout=1_000, statement_timeout=9_000, search_path="public")

    assert conn.execute("SELECT * FROM seen").fetchall() == [("7s", "8s", "pg_catalog", "serializable")]


def test_a_directive_counts_for_its_own_script_alone(runner, conn):
    runner.write("a", "-- sqlmigrate: lock_timeout=7s search_path=pg_catalog\nSELECT 1;")

    assert shown(runner, conn, "lock_timeout", "search_path") == ["2s", '"$user", public']


def test_the_search_path_of_the_run_is_taken_as_it_stands(runner, conn):
    runner.write("a", 'CREATE SCHEMA "Odd, Name"; ')
    runner.write("b", "CREATE TABLE here ();")

    runner.apply(search_path='"Odd, Name", public')

    assert is_there(conn, '"Odd, Name".here')


def test_scripts_run_as_the_role_that_was_asked_for_and_the_history_does_not(runner, admin, new_role, conn):
    owner = new_role("NOLOGIN", 'Owner "of" it')
    admin.execute('GRANT "Owner ""of"" it" TO migrator')
    admin.execute('GRANT CREATE ON SCHEMA public TO "Owner ""of"" it"')
    runner.write("a", "CREATE TABLE a ();")

    runner.apply(role=owner)

    query = "SELECT tableowner FROM pg_tables WHERE tablename IN ('a', '_yoyo_migration') ORDER BY tablename"
    assert conn.execute(query).fetchall() == [("migrator",), (owner,)]
    assert conn.execute("SELECT login_role, script_role FROM sqlmigrate.log").fetchall() == [("migrator", owner)]


def test_a_role_that_may_not_be_taken_on_is_reported(runner, conn):
    runner.write("a", "CREATE TABLE a ();")

    with pytest.raises(ExecutionError, match=r"the role of the script could not be taken on: .*postgres"):
        runner.apply(role="postgres")

    assert runner.applied() == []
    assert not is_there(conn, "a")


def test_a_script_cannot_release_the_run_lock(runner, conn):
    runner.write("a", "SELECT pg_advisory_unlock_all();")
    held = f"SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND {HERE}"
    runner.write("b", f"CREATE TABLE held AS {held};")

    runner.apply()

    assert conn.execute("SELECT n FROM held").fetchone() == (1,)


def test_the_session_says_which_migration_runs(runner, conn):
    assert shown(runner, conn, "application_name") == ["sqlmigrate: 9.shown"]


def test_a_login_that_is_cut_off_when_idle_survives_the_waiting(runner, admin, conn, database):
    """While a person is asked, or the run lock is waited for, our sessions are idle for long."""
    admin.execute("ALTER ROLE migrator IN DATABASE test_1 SET idle_session_timeout TO '1s'")
    runner.write("a", "SELECT pg_sleep(1.3);")
    runner.write("b", "CREATE TABLE b ();")
    watcher = database.connect_superuser()

    def gate(*_):
        watcher.execute("SELECT pg_sleep(1.3)")

    runner.apply(gate=gate)

    assert runner.applied() == ["a", "b"]


LONG_IDS = ["x" * 60, "ä" * 60, "x" + "€" * 40, "xx" + "😀" * 30]


@pytest.mark.parametrize("name", LONG_IDS)
@pytest.mark.parametrize("head", ["", "-- transactional: false\n"])
def test_a_long_id_makes_no_notice_and_stands_in_the_name_of_the_session_as_far_as_it_fits(runner, conn, name, head):
    runner.write(name, f"{head}CREATE TABLE seen AS SELECT current_setting('application_name') AS name;")

    runner.apply()

    assert [event for event in runner.events if isinstance(event, Notice)] == []
    cut = application_name(name)
    assert f"sqlmigrate: {name}".startswith(cut)
    assert 60 <= len(cut.encode()) <= 63
    # up to 15 a byte that is not ASCII becomes a question mark, and from 16 on its code
    conn.execute("SELECT set_config('application_name', %s, false)", [cut])
    assert conn.execute("SELECT name = current_setting('application_name') FROM seen").fetchone() == (True,)


@pytest.mark.parametrize("name", LONG_IDS)
def test_a_plan_for_psql_makes_no_notice_of_a_long_id(twins, name):
    twins.write(name, "SELECT 1;", "SELECT 1;")

    done = psql(twins.right, written_plan(twins.planned))

    assert (done.returncode, done.stderr) == (0, "")
