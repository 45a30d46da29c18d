"""A script outside a transaction keeps its session, its own transactions, and a journal that is always written."""

from __future__ import annotations

import pytest

from sqlmigrate.errors import MigrationsError
from support.runner import ids, place
from support.sessions import is_there
from support.stepwise import OUTSIDE, crashed, half_way, journal, while_it_runs
from support.waiting import wait_until


def numbers(conn):
    return [n for (n,) in conn.execute("SELECT n FROM t ORDER BY n")]


def fails_at_the_end(runner, script):
    """Run a script whose last statement fails, then mend that one and run it again."""
    runner.write("a", f"{OUTSIDE}{script}\nSELECT nonsense;\n")
    half_way(runner.apply)
    runner.write("a", f"{OUTSIDE}{script}\nSELECT 1;\n")
    runner.apply()


def test_a_block_commits_whole_with_one_journal_row(runner, conn):
    runner.write("a", f"{OUTSIDE}CREATE TABLE t (n integer);\nBEGIN;\nINSERT INTO t VALUES (1);\nCOMMIT;\nSELECT x;\n")

    half_way(runner.apply)

    assert numbers(conn) == [1]
    assert journal(conn) == [("apply", 1, 1, "done"), ("apply", 2, 4, "done"), ("apply", 5, 5, "failed")]


BLOCK = """CREATE TABLE t (n integer);
BEGIN;
INSERT INTO t VALUES (1);
SAVEPOINT s;
INSERT INTO t VALUES (2);
ROLLBACK TO SAVEPOINT s;
INSERT INTO t VALUES (3);
{}
END TRANSACTION;
INSERT INTO t VALUES (4);
"""


def test_a_block_with_savepoints_runs(runner, conn):
    runner.write("a", OUTSIDE + BLOCK.format("RELEASE SAVEPOINT s;"))

    runner.apply()

    assert numbers(conn) == [1, 3, 4]


def test_an_error_in_a_block_undoes_the_block_alone_and_the_rerun_begins_it_again(runner, conn):
    runner.write("a", OUTSIDE + BLOCK.format("SELECT nonsense;"))

    error = half_way(runner.apply)

    assert place(error) == "a.sql:9:8"
    assert numbers(conn) == []
    assert journal(conn) == [("apply", 1, 1, "done"), ("apply", 8, 8, "failed")]
    runner.write("a", OUTSIDE + BLOCK.format("SELECT 1;"))
    assert ids(runner.apply()) == ["a"]
    assert numbers(conn) == [1, 3, 4]
    assert journal(conn) == []


def test_an_edited_finished_block_is_refused(runner, conn):
    script = OUTSIDE + BLOCK.format("SELECT 1;")
    runner.write("a", script + "SELECT nonsense;\n")
    half_way(runner.apply)
    runner.write("a", script.replace("VALUES (3)", "VALUES (33)"))

    with pytest.raises(Exception, match="statements 2 to 9 were edited") as caught:
        runner.apply()

    assert place(caught.value) == "a.sql:3:1"


@pytest.mark.parametrize("end", ["ROLLBACK", "ABORT WORK"])
def test_what_a_block_rolls_back_is_gone_and_not_run_again(runner, conn, end):
    script = f"""\
        CREATE TABLE t (n integer);
        BEGIN; SET search_path TO nowhere; INSERT INTO public.t VALUES (1); {end};
        INSERT INTO t VALUES (2);
        """
    fails_at_the_end(runner, script)

    assert numbers(conn) == [2]


def test_a_block_that_only_reads_is_journalled_too(runner, conn):
    fails_at_the_end(runner, "BEGIN READ ONLY;\nSELECT 1;\nCOMMIT;\nBEGIN; SET TRANSACTION READ ONLY; END;")

    assert runner.applied() == ["a"]


def test_a_block_with_a_second_begin_is_one_block(runner, conn):
    """PostgreSQL only warns of it."""
    runner.write(
        "a", f"{OUTSIDE}CREATE TABLE t (n integer);\nBEGIN;\nBEGIN;\nINSERT INTO t VALUES (1);\nSELECT x;\nCOMMIT;\n"
    )

    half_way(runner.apply)

    assert numbers(conn) == []
    assert journal(conn) == [("apply", 1, 1, "done"), ("apply", 5, 5, "failed")]


def test_a_commit_without_a_transaction_does_no_harm(runner, conn):
    fails_at_the_end(runner, "COMMIT;\nCREATE TABLE t (n integer);\nROLLBACK;\nINSERT INTO t VALUES (1);")

    assert numbers(conn) == [1]


def test_a_block_that_is_never_ended_is_refused_before_anything_runs(runner, conn):
    runner.write("a", f"{OUTSIDE}CREATE TABLE t (n integer);\nBEGIN;\nINSERT INTO t VALUES (1);\n")

    with pytest.raises(MigrationsError) as caught:
        runner.apply()

    (problem,) = caught.value.problems
    assert problem.message == "the script ends inside a transaction that it began"
    assert (problem.place.line, problem.hint) == (3, "add the COMMIT")
    assert not is_there(conn, "t")


def test_and_chain_is_refused_before_anything_runs(runner, conn):
    runner.write("a", f"{OUTSIDE}CREATE TABLE t ();\nBEGIN;\nCOMMIT AND CHAIN;\nCOMMIT;\n")

    with pytest.raises(MigrationsError) as caught:
        runner.apply()

    assert "AND CHAIN" in caught.value.problems[0].message
    assert not is_there(conn, "t")


def test_resume_at_a_statement_inside_a_block_is_refused(runner, conn):
    runner.write("a", OUTSIDE + BLOCK.format("SELECT nonsense;"))
    half_way(runner.apply)

    with pytest.raises(Exception, match="inside the transaction that statement 2 begins") as caught:
        runner.apply(resume_at=5)

    assert "--resume-at 2" in caught.value.hint
    assert numbers(conn) == []
    runner.apply(resume_at=10)
    assert numbers(conn) == [4]


def test_what_cannot_run_in_a_transaction_fails_in_a_block(runner, conn):
    runner.write("a", f"{OUTSIDE}CREATE TABLE t (n integer);\nBEGIN;\nCREATE INDEX CONCURRENTLY ON t (n);\nCOMMIT;\n")

    error = half_way(runner.apply)

    assert (error.server.sqlstate, place(error)) == ("25001", "a.sql:4:1")


def test_a_block_with_copy_data_runs_and_is_retried_whole(runner, conn):
    runner.write(
        "a", f"{OUTSIDE}CREATE TABLE t (n integer);\nBEGIN;\nCOPY t FROM stdin;\n1\n2\n\\.\nSELECT 1;\nCOMMIT;\n"
    )

    runner.apply()

    assert numbers(conn) == [1, 2]


@pytest.fixture
def other(new_role, admin, conn):
    role = new_role("NOLOGIN", "other_role")
    admin.execute(f"GRANT {role} TO migrator")
    admin.execute(f"CREATE SCHEMA others AUTHORIZATION {role}")
    return role


ROLES = {
    "SET ROLE other_role": ("other_role", "migrator"),
    "SET SESSION ROLE other_role": ("other_role", "migrator"),
    "SELECT set_config('role', 'other_role', false)": ("other_role", "migrator"),
}


@pytest.mark.parametrize("statement", ROLES)
def test_a_role_stays_for_the_script_and_the_journal_is_written_by_the_login(runner, conn, other, statement):
    script = f"""
        {statement};
        CREATE TABLE others.t (role text, login text);
        INSERT INTO others.t SELECT current_user, session_user;
        BEGIN;
        INSERT INTO others.t SELECT current_user, session_user;
        COMMIT;
        INSERT INTO others.t SELECT current_user, session_user;
        VACUUM others.t;
        INSERT INTO others.t SELECT current_user, session_user;
        """
    fails_at_the_end(runner, script)

    conn.execute("SET ROLE other_role")
    assert conn.execute("SELECT * FROM others.t").fetchall() == [ROLES[statement]] * 4
    conn.execute("RESET ROLE")
    assert conn.execute("SELECT DISTINCT login_role FROM sqlmigrate.log").fetchall() == [("migrator",)]


def test_a_session_authorization_stays_too(runner, conn, other, database, admin):
    """Only a superuser may do this."""
    runner.conninfo = database.superuser_conninfo
    runner.write("0", "SELECT 1;")
    runner.apply()
    script = """
        SET SESSION AUTHORIZATION other_role;
        CREATE TABLE others.t (role text, login text);
        INSERT INTO others.t SELECT current_user, session_user;
        BEGIN; INSERT INTO others.t SELECT current_user, session_user; COMMIT;
        INSERT INTO others.t SELECT current_user, session_user;
        """
    fails_at_the_end(runner, script)

    assert admin.execute("SELECT * FROM others.t").fetchall() == [("other_role", "other_role")] * 3
    assert runner.applied() == ["0", "a"]


def test_the_role_of_the_directive_is_taken_on_again(runner, conn, other):
    text = "{}-- sqlmigrate: role=other_role search_path=others\nCREATE TABLE t (r text);\n{}\n"
    insert = "INSERT INTO t SELECT current_user;"
    runner.write("a", text.format(OUTSIDE, f"{insert}\nSELECT nonsense;"))
    half_way(runner.apply)
    runner.write("a", text.format(OUTSIDE, f"{insert}\n{insert}"))

    runner.apply()

    conn.execute("SET ROLE other_role")
    assert conn.execute("SELECT r FROM others.t").fetchall() == [("other_role",)] * 2


SETTINGS = [
    "SET search_path TO elsewhere",
    "SELECT pg_catalog.set_config('search_path', 'elsewhere', false)",
    "/* pg_dump does this */ select  set_config ('search_path', 'elsewhere', false)",
    "SET SESSION search_path = elsewhere, public",
    "DISCARD ALL;\nSET search_path TO elsewhere",
    "BEGIN;\nSET search_path TO elsewhere;\nCOMMIT",
]


@pytest.mark.parametrize("statement", SETTINGS)
def test_settings_are_there_again_when_the_script_is_resumed(runner, conn, statement):
    conn.execute("CREATE SCHEMA elsewhere")
    head = f"{OUTSIDE}{statement};\nSET my.word TO 'kept';\nPREPARE p AS SELECT 1;\n"
    runner.write("a", f"{head}SELECT nonsense;\n")
    half_way(runner.apply)
    runner.write("a", f"{head}CREATE TABLE t AS SELECT current_setting('my.word') AS word;\nEXECUTE p;\n")

    runner.apply()

    assert conn.execute("SELECT word FROM elsewhere.t").fetchall() == [("kept",)]


def test_local_settings_are_not(runner, conn):
    script = "BEGIN;\nSET LOCAL search_path TO nowhere;\nCOMMIT;\nSELECT set_config('search_path', 'nowhere', true);"
    fails_at_the_end(runner, f"{script}\nCREATE TABLE t (n integer);\nINSERT INTO t VALUES (1);")

    assert numbers(conn) == [1]


def test_what_the_run_sets_up_survives_discard_all(runner, conn, other):
    """Or else a script could wait for a lock without end."""
    conn.execute("CREATE TABLE t (value text)")
    conn.execute("GRANT ALL ON t TO other_role")
    note = "INSERT INTO public.t VALUES (current_user || ' ' || current_setting('lock_timeout'));"
    runner.write("a", f"{OUTSIDE}-- sqlmigrate: role=other_role\nDISCARD ALL;\n{note}\nSELECT nonsense;\n")
    half_way(runner.apply)
    runner.write("a", f"{OUTSIDE}-- sqlmigrate: role=other_role\nDISCARD ALL;\n{note}\n{note}\n")

    runner.apply()

    assert conn.execute("SELECT value FROM t").fetchall() == [("other_role 2s",)] * 2


HOSTILE = [
    "SET default_transaction_read_only TO on",
    "SET search_path TO ''",
    "SET client_encoding TO 'LATIN1'",
    "SET default_transaction_isolation TO 'serializable'",
    "SET session_replication_role TO replica",
    "SET standard_conforming_strings TO off",
    "SET DateStyle TO 'German, DMY'",
    "SET row_security TO off",
]


@pytest.mark.parametrize("statement", HOSTILE)
def test_the_journal_is_written_whatever_the_script_sets(runner, conn, database, statement):
    runner.conninfo = database.superuser_conninfo
    fails_at_the_end(runner, f"{statement};\nSELECT 'é';\nVACUUM pg_class;\nBEGIN;\nSELECT 1;\nCOMMIT;")

    assert runner.applied() == ["a"]
    assert len(runner.history().half_way) == 0


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "EUC_TW"])
def test_outcomes_are_looked_up_whatever_encoding_the_script_sets(runner, conn, encoding):
    index = "CREATE UNIQUE INDEX CONCURRENTLY i ON t (a);"
    head = f"{OUTSIDE}SET client_encoding TO '{encoding}';\nBEGIN READ ONLY;\nSELECT 1;\nCOMMIT;\nVACUUM t;\n"
    conn.execute("CREATE TABLE t (a integer); INSERT INTO t VALUES (1), (1)")
    runner.write("a", f"{head}{index}\nCREATE TABLE u ();\n")
    error = half_way(runner.apply)
    assert "it left the INVALID index i;" in error.hint
    conn.execute("DELETE FROM t")

    runner.apply()

    assert conn.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass").fetchall() == [(True,)]
    assert is_there(conn, "u")


def test_a_statement_timeout_of_the_script_does_not_count_for_the_journal(runner, conn, admin):
    runner.write("0", "SELECT 1;")
    runner.apply()
    admin.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1.2); RETURN NEW; END'"
    )
    trigger = "CREATE TRIGGER slow BEFORE INSERT ON sqlmigrate.journal FOR EACH ROW EXECUTE FUNCTION slow()"
    runner.write(
        "a",
        f"{OUTSIDE}SET statement_timeout TO '1s';\nCREATE TABLE t AS SELECT current_setting('statement_timeout');\n",
    )

    while_it_runs(runner, lambda: admin.execute(trigger))

    assert conn.execute("SELECT * FROM t").fetchall() == [("1s",)]


def test_a_script_after_it_meets_a_clean_session(runner, conn, other):
    runner.write("a", f"{OUTSIDE}SET ROLE other_role;\nSET search_path TO others;\nCREATE TEMP TABLE x ();\n")
    runner.write(
        "b", f"{OUTSIDE}CREATE TABLE public.t AS SELECT current_user, current_schema();\nCREATE TEMP TABLE x ();\n"
    )

    runner.apply()

    assert conn.execute("SELECT * FROM t").fetchall() == [("migrator", "public")]


def test_a_schema_without_rights_is_an_ordinary_error(runner, conn, other, admin):
    """Looking up what is there meets the same refusal as the statement itself."""
    statements = [
        "CREATE INDEX CONCURRENTLY i ON others.t (n)",
        "DROP INDEX CONCURRENTLY others.i",
        "REINDEX TABLE CONCURRENTLY others.t",
        "ALTER TABLE others.p DETACH PARTITION others.p1 CONCURRENTLY",
    ]
    admin.execute("REVOKE other_role FROM migrator")
    for statement in statements:
        runner.write("a", f"{OUTSIDE}SELECT 1;\n{statement};\n")
        for _ in range(2):
            assert half_way(runner.apply).server.sqlstate == "42501", statement
        admin.execute("DELETE FROM sqlmigrate.journal")


def test_the_session_of_an_earlier_run_is_waited_for(runner, conn, database, monkeypatch):
    """Its client was killed, and its statement goes on: nothing may be done beside it."""
    monkeypatch.setattr("sqlmigrate.engine.stepwise.stepper._PREDECESSOR_SECONDS", 0.2)
    runner.write("a", f"{OUTSIDE}VACUUM;\nCREATE TABLE t ();\n")
    crashed(runner, conn, 2)
    older = database.connect(application_name="sqlmigrate: a", autocommit=False)
    older.execute("SELECT 1")
    pid = older.info.backend_pid

    error = half_way(runner.apply)

    assert f"pid {pid}" in error.message
    assert not is_there(conn, "t")
    older.close()
    wait_until(lambda: conn.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone() is None)
    assert ids(runner.apply(resume_at=2)) == ["a"]
