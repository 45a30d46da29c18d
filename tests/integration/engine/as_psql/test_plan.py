"""A plan that psql runs leaves the same database and the same history as `apply` and `rollback` do."""

from __future__ import annotations

import pytest
from psycopg import sql

from project.application import SQL
from sqlmigrate.errors import HalfWayError, HistoryError
from sqlmigrate.runlock import lock_key
from support.default_privileges import DEFAULTS, rights_of_others
from support.runner import Runner, ids
from support.sessions import is_there
from support.stepwise import OUTSIDE, indexes, journal
from support.twins import Twins, psql, written_plan

OURS = "locktype = 'advisory' AND pid = pg_backend_pid()"


# each of these is a script with something that psql, or a text around a script, could get wrong
TRICKY: dict[str, str | bytes] = {
    "without_a_last_semicolon": "CREATE TABLE no_semicolon (a int)",
    "with_a_comment_for_an_end": "CREATE TABLE comment_at_the_end (a int) -- the end",
    "with_a_semicolon_behind_a_comment": "CREATE TABLE comment_before_it (a int) -- not here;\n;",
    "with_crlf": b"CREATE TABLE crlf (a text DEFAULT 'x\r\ny');\r\nINSERT INTO crlf VALUES ('1\r\n2');\r\n"
    b"CREATE FUNCTION crlf() RETURNS int LANGUAGE sql AS $$\r\nSELECT 1\r\n$$;\r\n"
    b"COPY crlf FROM stdin;\r\none\r\n\\.\r\n",
    "with_a_mark_of_byte_order": b"\xef\xbb\xbfCREATE TABLE bom (a int);\n",
    "with_quotes": """
        CREATE TABLE quotes ("a ""b"" ;" text);
        INSERT INTO quotes VALUES ('it''s; \\.'), (E'\\'; \\\\'), ($a$ $$ ; ' \\q $a$);
        INSERT INTO quotes VALUES (U&'\\00e4'), ('%s %% %(x)s $1');
        CREATE FUNCTION quotes() RETURNS text LANGUAGE plpgsql AS $_$ BEGIN RETURN $$a;'b\\$$; END $_$;
    """,
    "with_variables_of_psql": """
        CREATE TABLE variables (a text);
        INSERT INTO variables VALUES (':HOST :''USER'' :"PORT"'), ('http://x:ON_ERROR_STOP/:AUTOCOMMIT');
        INSERT INTO variables SELECT ((ARRAY['x', 'y', 'z'])[one:VERSION_NUM])::text
        FROM (VALUES (1, 2)) AS v(one, VERSION_NUM);
    """,
    "with_letters": "CREATE TABLE \"größe 🙂\" (a text DEFAULT '名');\nINSERT INTO \"größe 🙂\" VALUES ('😀 é');\n",
    "with_another_encoding": "SET client_encoding TO 'LATIN1';\nCREATE TABLE latin (a text);\n",
    "with_nothing": "",
    "with_a_comment_alone": "/* nothing */ -- at all",
    "with_restrict": "\\restrict abc123\nCREATE TABLE restricted ();\n\\unrestrict abc123\n",
    "with_a_body_of_sql": """
        CREATE FUNCTION body(a int) RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE a WHEN 1 THEN 2 END; END;
        CREATE PROCEDURE proc() LANGUAGE sql AS 'SELECT 1; SELECT 2';
    """,
    "with_data": "CREATE TABLE data (a text, b text);\nCOPY data FROM stdin;\n"
    ":HOST\t'\n\\\\restrict\t\\N\n; --\t$$\n\\.\n"
    "COPY data FROM stdin WITH (FORMAT csv);\n\"a\nb\",1\n\\.\nINSERT INTO data VALUES ('last', '1')",
    "with_data_for_an_end": "CREATE TABLE data_end (a text);\nCOPY data_end FROM stdin;\n1\n2\n\\.",
    "with_data_without_an_end": "CREATE TABLE data_open (a text);\nCOPY data_open FROM stdin;\n1\n2",
    "with_settings_left_behind": "SET search_path TO nowhere;\nSET lock_timeout TO 1;\nCREATE TEMP TABLE t ();\n"
    "SELECT pg_advisory_unlock_all();\nPREPARE t AS SELECT 1;\n",
    "with_deferred_constraints": """
        CREATE TABLE later (id int PRIMARY KEY, next int REFERENCES later DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO later VALUES (1, 2); INSERT INTO later VALUES (2, 1);
    """,
}


def test_psql_does_what_apply_does_whatever_a_script_holds(twins):
    for name, script in TRICKY.items():
        twins.write(name, script, "SELECT 'back';")

    twins.apply()
    twins.rollback()


OUTSIDE_SCRIPT = (
    OUTSIDE
    + """
CREATE TABLE t (a int UNIQUE, b text);
COPY t FROM stdin;
1\tone
2\ttwo
\\.
CREATE INDEX CONCURRENTLY t_b ON t (b) -- no lock; not here
;
CREATE INDEX CONCURRENTLY ON t (a, b);
BEGIN;
INSERT INTO t VALUES (3, 'kept'), (4, ':HOST; --');
COPY t FROM stdin;
5\tin the block
\\.
SAVEPOINT s;
ROLLBACK TO SAVEPOINT s;
COMMIT;
START TRANSACTION;
INSERT INTO t VALUES (6, 'lost');
ROLLBACK;
BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY;
SELECT count(*) FROM t;
END;
CREATE PROCEDURE p(a int) LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t VALUES (a, 'p'); COMMIT; END $$;
CALL p(7);
DO $$ BEGIN INSERT INTO t VALUES (8, 'do'); COMMIT; INSERT INTO t VALUES (9, 'do'); ROLLBACK; END $$;
DO $$ BEGIN CALL p(10); END $$;
VACUUM t;
DROP INDEX CONCURRENTLY t_b;
REINDEX TABLE CONCURRENTLY t;
SET lock_timeout TO '1s';
CREATE TABLE settings AS
SELECT current_setting('statement_timeout') AS a, current_setting('client_encoding') AS b -- the end"""
)


def test_psql_does_what_apply_does_outside_a_transaction(twins):
    twins.write("a", OUTSIDE_SCRIPT)
    twins.write(
        "b_with_crlf", f"{OUTSIDE}CREATE TABLE crlf (a text);\nCOPY crlf FROM stdin;\n1\n\\.\n".replace("\n", "\r\n")
    )
    twins.write("c_with_data_for_an_end", OUTSIDE + "CREATE TABLE open (a text);\nCOPY open FROM stdin;\n1\n2")

    twins.apply()
    assert journal(twins.right.connect()) == []


def test_psql_does_what_rollback_does_outside_a_transaction(twins):
    twins.write(
        "a", "CREATE TABLE t (a int); CREATE INDEX i ON t (a);", OUTSIDE + "DROP INDEX CONCURRENTLY i;\nDROP TABLE t"
    )
    twins.write("b", OUTSIDE + "CREATE INDEX CONCURRENTLY j ON t (a)", "-- transactional: true\nDROP INDEX j")

    twins.apply()
    twins.rollback()


LOOK = """CREATE TABLE {name} AS
SELECT current_user AS role, session_user AS login,
       current_setting('search_path') AS path, current_setting('transaction_isolation') AS level,
       current_setting('lock_timeout') AS lock, current_setting('statement_timeout') AS statement,
       current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('application_name') AS name"""


def test_directives_and_settings_count_in_psql_too(twins, database_factory):
    role = "role of 'test'"
    with twins.left.connect_superuser() as admin:
        admin.execute(f'CREATE ROLE "{role}"')
        admin.execute(f'GRANT "{role}" TO migrator')
        for twin in (twins.left, twins.right):
            twin.connect_superuser().execute(f'GRANT CREATE ON SCHEMA public TO "{role}"')
    try:
        own = f"""-- sqlmigrate: role="{role}" isolation=serializable lock_timeout=7s
-- sqlmigrate: statement_timeout=9min search_path='$user, public, "Odd one"'
"""
        twins.write("a_without", LOOK.format(name="plain"))
        twins.write("b_with", own + LOOK.format(name="own"), own + "DROP TABLE own")
        twins.write("c_outside", OUTSIDE + own.replace("isolation=serializable", "") + LOOK.format(name="outside"))
        twins.write("d_empty_path", "-- sqlmigrate: search_path=''\n" + LOOK.format(name="public.empty_path"))
        twins.applied.defaults |= {"lock_timeout": 1234, "search_path": "public"}
        twins.planned.defaults |= {"lock_timeout": 1234, "search_path": "public"}

        twins.apply()
        rows = twins.right.connect().execute("SELECT role, lock, level FROM own").fetchall()
        assert rows == [(role, "7s", "serializable")]
    finally:
        for twin in (twins.left, twins.right):
            twin.connect_superuser().execute(f'DROP OWNED BY "{role}" CASCADE')
        twins.left.connect_superuser().execute(f'DROP ROLE "{role}"')


@pytest.mark.parametrize("schema", ["sqlmigrate", """a$1 "b"; :HOST 'c' %s $do$ \\ 🙂"""])
def test_the_history_may_have_any_name_and_may_be_there_already(database_factory, tmp_path, schema):
    twins = Twins(database_factory(), database_factory(), tmp_path, schema=schema)
    twins.write("a", "CREATE TABLE a ();", "DROP TABLE a;")
    twins.apply()
    for name in ("b", "c"):
        twins.write(name, f"CREATE TABLE {name} ();", f"DROP TABLE {name};")
    twins.write("0", OUTSIDE + "VACUUM", "SELECT 1")
    for runner in (twins.applied, twins.planned):
        runner.apply(to="c", allow_out_of_order=True)
        runner.rollback(to="a")

    twins.applied.apply(allow_out_of_order=True)
    done = psql(twins.right, written_plan(twins.planned, allow_out_of_order=True))

    assert (done.returncode, twins.planned.applied()) == (0, ["a", "0", "b", "c"])
    twins.require_equal()
    twins.rollback()


def test_default_privileges_give_nobody_the_right_to_write_the_history(twins):
    other = "pg_monitor"
    for database in (twins.left, twins.right):
        database.connect().execute(DEFAULTS.format(other=other))
    twins.write("a", "CREATE TABLE a ();")
    twins.apply()

    found = rights_of_others(twins.right.connect_superuser(), "sqlmigrate")
    assert found == [(other, "", "USAGE"), (other, "S", "SELECT"), (other, "r", "SELECT")]


def test_a_schema_that_somebody_made_for_us_is_used(database_factory, tmp_path):
    twins = Twins(database_factory(), database_factory(), tmp_path)
    twins.write("a", "SELECT 1")
    for twin in (twins.left, twins.right):
        with twin.connect_superuser() as admin:
            admin.execute("CREATE SCHEMA sqlmigrate AUTHORIZATION migrator")
            admin.execute(sql.SQL("ALTER DATABASE {} OWNER TO postgres").format(sql.Identifier(twin.name)))

    twins.apply()
    assert twins.planned.applied() == ["a"]


def test_the_own_change_of_this_repository_runs_in_psql_as_an_ordinary_role(database_factory):
    twins = Twins(database_factory(supabase=True), database_factory(supabase=True), SQL)

    twins.apply()
    twins.rollback()


def test_a_plan_is_refused_by_a_database_that_moved_on(runner, database, conn):
    for name in ("a", "b", "c"):
        runner.write(name, f"CREATE TABLE {name} ();", f"DROP TABLE {name};")
    first = written_plan(runner, to="a")
    assert psql(database, first).returncode == 0
    again = psql(database, first)
    second = written_plan(runner)
    runner.apply(to="b")
    late = psql(database, second)
    runner.write("d", OUTSIDE + "CREATE TABLE d (); SELECT 1 / 0;")
    plans = written_plan(runner), written_plan(runner, "rollback")
    with pytest.raises(HalfWayError):
        runner.apply()
    half_way = [psql(database, script) for script in plans]

    assert [done.returncode for done in (again, late, *half_way)] == [3] * 4
    assert "there is a history by now" in again.stderr
    assert all("is not the one that this plan was made for" in done.stderr for done in (late, *half_way))
    assert runner.applied() == ["a", "b", "c"]
    with pytest.raises(HistoryError, match="d stopped half way; finish it first"):
        written_plan(runner)


def test_psql_stops_where_another_run_is_at_work_and_keeps_others_out_while_it_is(runner, database, conn):
    runner.write("a", "CREATE TABLE a ();")
    script = written_plan(runner)
    key = lock_key("sqlmigrate")
    conn.execute("SELECT pg_advisory_lock(%s)", [key])

    stopped = psql(database, script)

    assert (stopped.returncode, runner.history().version) == (3, None)
    assert "another run of sqlmigrate is at work in this database" in stopped.stderr
    conn.execute("SELECT pg_advisory_unlock(%s)", [key])
    runner.write("a", f"CREATE TABLE a AS SELECT objid FROM pg_locks WHERE {OURS}")
    assert psql(database, written_plan(runner)).returncode == 0
    assert conn.execute("SELECT count(*) FROM a").fetchone() == (1,)


def test_what_ran_before_an_error_stays_and_apply_goes_on(runner, database, conn):
    runner.write("a", "CREATE TABLE a (id int PRIMARY KEY);")
    runner.write("b", "SELECT ':ON_ERROR_STOP'; INSERT INTO a VALUES (1); INSERT INTO a VALUES (1); CREATE TABLE b ();")
    runner.write("c", "CREATE TABLE c ();")

    stopped = psql(database, written_plan(runner))

    assert (stopped.returncode, runner.applied()) == (3, ["a"])
    assert 'duplicate key value violates unique constraint "a_pkey"' in stopped.stderr
    assert [is_there(conn, name) for name in "abc"] == [True, False, False]
    assert conn.execute("SELECT count(*) FROM a").fetchone() == (0,)
    runner.write("b", "INSERT INTO a VALUES (1); CREATE TABLE b ();")
    assert ids(runner.apply()) == ["b", "c"]


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("INSERT INTO t VALUES ('x');", "INSERT INTO t VALUES (4);"),
        ("BEGIN;\nINSERT INTO t VALUES (4);\nSELECT 1 / 0;\nCOMMIT;", "BEGIN;\nINSERT INTO t VALUES (4);\nCOMMIT;"),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a);", "CREATE INDEX CONCURRENTLY i ON t (a);"),
        ("CREATE INDEX CONCURRENTLY i ON t (no_column);", "CREATE INDEX CONCURRENTLY i ON t (a);"),
    ],
    ids=["inside", "block", "invalid index", "no index"],
)
def test_apply_finishes_what_psql_left_half_way(runner, database, conn, broken, mended):
    script = OUTSIDE + "CREATE TABLE t (a int);\nINSERT INTO t VALUES (1), (1), (3);\nCREATE INDEX t_a ON t (a);\n"
    runner.write("a", f"{script}{broken}\nCREATE TABLE u ();")

    stopped = psql(database, written_plan(runner))

    assert (stopped.returncode, runner.applied()) == (3, [])
    assert [entry[1] for entry in journal(conn)][:3] == [1, 2, 3]
    runner.write("a", f"{script}{mended}\nCREATE TABLE u ();")
    assert ids(runner.apply()) == ["a"]
    assert journal(conn) == []
    assert conn.execute("SELECT count(*) FROM t WHERE a < 4").fetchone() == (3,)
    assert is_there(conn, "u")
    assert all(indexes(conn).values())


def test_what_was_there_before_psql_began_is_not_taken_for_its_work(runner, database, conn):
    conn.execute("CREATE TABLE t (a int, b int); CREATE INDEX i ON t (a)")
    runner.write("a", OUTSIDE + "CREATE INDEX CONCURRENTLY i ON t (b);")
    runner.write("b", OUTSIDE + "DROP INDEX CONCURRENTLY missing;")

    assert psql(database, written_plan(runner, steps=1)).returncode == 3
    with pytest.raises(HalfWayError, match='relation "i" already exists'):
        runner.apply()
    conn.execute("DROP INDEX i")
    assert ids(runner.apply(to="a")) == ["a"]
    assert psql(database, written_plan(runner)).returncode == 3
    with pytest.raises(HalfWayError, match='index "missing" does not exist'):
        runner.apply()


def test_what_only_a_person_can_know_after_psql_stopped_is_asked(runner, database, conn):
    commits = "DO $$ BEGIN INSERT INTO t VALUES (1); COMMIT; PERFORM 1 / 0; END $$;"
    runner.write("a", f"{OUTSIDE}CREATE TABLE t (a int);\n{commits}\nCREATE TABLE u ();")

    assert psql(database, written_plan(runner)).returncode == 3
    with pytest.raises(HalfWayError, match="statement 2: it was begun, and whether it was carried out cannot be known"):
        runner.apply()

    assert ids(runner.apply(resume_at=3)) == ["a"]
    assert conn.execute("SELECT count(*) FROM t").fetchone() == (1,)
    assert is_there(conn, "u")


def test_a_plan_needs_no_right_to_write_and_writes_nothing(runner, database, admin, new_role, pg_server, conn):
    runner.write("a", "CREATE TABLE a ();", "DROP TABLE a;")
    runner.apply()
    runner.write("b", "CREATE TABLE b ();", "DROP TABLE b;")
    reader = new_role("LOGIN")
    admin.execute(f"GRANT USAGE ON SCHEMA sqlmigrate TO {reader}")
    admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA sqlmigrate TO {reader}")
    before = database.dump()
    looking = Runner(pg_server.conninfo(database.name, reader), runner.directory, history_owners=("migrator",))

    scripts = [written_plan(looking), written_plan(looking, "rollback")]

    assert database.dump() == before
    assert all(f"as role {reader}:" in script for script in scripts)
    done = psql(database, scripts[0])
    assert (done.returncode, runner.applied()) == (0, ["a", "b"])
    assert f"this plan was made for role {reader} but runs as migrator, which will own what it creates" in done.stderr


def test_a_large_script_goes_into_a_plan_as_it_is(twins):
    rows = "".join(f"{number}\tsome text to make it larger, with :HOST and 'quotes'\r\n" for number in range(90_000))
    head = "CREATE TABLE large (a int, b text);\r\nCOPY large FROM stdin;\r\n"
    twins.write("a", head + rows)
    twins.write("b", head.replace("large", "second") + rows + "\\.\r\n-- the end")

    twins.apply()
