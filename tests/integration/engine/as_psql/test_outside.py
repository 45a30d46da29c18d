"""A plan of scripts outside a transaction leaves what `apply` leaves, whatever they do to their session."""

from __future__ import annotations

import pytest

from sqlmigrate.errors import HalfWayError, MigrationsError, ScriptError
from sqlmigrate.sql.script import HELD_MAX
from support.sessions import is_there
from support.stepwise import OUTSIDE, journal
from support.twins import plan_parts, psql, written_plan

SESSION = """CREATE TABLE {name} AS
SELECT current_user AS role, current_setting('lock_timeout') AS lock, current_setting('application_name') AS name,
       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS locks;
"""


@pytest.fixture
def role(twins, admin, new_role):
    """A role of scripts that may not touch the history."""
    name = new_role("NOLOGIN")
    admin.execute(f"GRANT {name} TO migrator")
    for twin in (twins.left, twins.right):
        twin.connect_superuser().execute(f"GRANT CREATE ON SCHEMA public TO {name}")
    yield name
    for twin in (twins.left, twins.right):
        twin.connect_superuser().execute(f"DROP OWNED BY {name} CASCADE")


def test_discard_all_takes_neither_role_nor_settings_nor_the_run_lock_away(twins, role):
    head = f"{OUTSIDE}-- sqlmigrate: role={role} lock_timeout=9s\n"
    twins.write("a", f"{head}SELECT pg_advisory_lock(7);\nDISCARD ALL;\n" + SESSION.format(name="session"))

    twins.apply()

    row = twins.right.connect_superuser().execute("SELECT * FROM session").fetchone()
    assert row == (role, "9s", "sqlmigrate: a", 1)


def test_a_lock_timeout_that_the_script_has_set_is_back_after_a_concurrently(twins):
    script = "CREATE TABLE t (a int);\nSET lock_timeout TO '77s';\nCREATE INDEX CONCURRENTLY i ON t (a);\n"
    twins.write("a", OUTSIDE + script + "CREATE TABLE u AS SELECT current_setting('lock_timeout') AS lock;")

    twins.apply()

    assert twins.right.connect().execute("SELECT lock FROM u").fetchone() == ("77s",)


def test_what_only_the_catalog_knows_to_be_impossible_in_a_transaction_runs_outside(twins):
    ground = "CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE TABLE q PARTITION OF p FOR VALUES IN (1);"
    work = "REINDEX TABLE p;\nREINDEX INDEX i;\nREINDEX TABLE q;\n"
    twins.write("a", f"{ground} CREATE INDEX i ON p (a);", "DROP TABLE p;")
    twins.write("b", OUTSIDE + work, OUTSIDE + work)

    twins.apply()
    twins.rollback()


def test_an_end_of_no_transaction_is_left_alone(twins, role):
    twins.write("a", f"{OUTSIDE}-- sqlmigrate: role={role}\nCOMMIT;\nCREATE TABLE a ();\nROLLBACK;\n")

    twins.apply()

    assert twins.planned.applied() == ["a"]


def test_a_name_that_looks_like_a_parameter_is_a_name(runner, database, admin, conn):
    admin.execute("ALTER ROLE migrator CREATEDB")
    name = "a$1 \"b\" it''s"
    runner.write("a", OUTSIDE + f"CREATE DATABASE {sql_name(name)};", OUTSIDE + f"DROP DATABASE {sql_name(name)};")

    try:
        assert psql(database, written_plan(runner)).returncode == 0
        assert psql(database, written_plan(runner, "rollback")).returncode == 0
        assert runner.applied() == journal(conn) == []
    finally:
        admin.execute(f"DROP DATABASE IF EXISTS {sql_name(name)}")
        admin.execute("ALTER ROLE migrator NOCREATEDB")


def sql_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def test_a_script_that_does_not_end_its_transaction_is_refused_as_apply_refuses_it(runner):
    runner.write("a", f"{OUTSIDE}SELECT 1;\nBEGIN;\nCREATE TABLE a ();\n")

    with pytest.raises(MigrationsError) as caught:
        written_plan(runner)

    assert caught.value.problems[0].message == "the script ends inside a transaction that it began"


def test_a_script_that_is_too_large_is_refused_before_anything_is_written(runner, conn):
    runner.write("a", "CREATE TABLE a ();")
    runner.write("b", f"{OUTSIDE}SELECT '{'x' * HELD_MAX}';")
    parts: list[str] = []

    with pytest.raises(ScriptError, match="is too large for a plan"):
        parts.extend(plan_parts(runner))

    assert parts == []
    assert not is_there(conn, "a")


@pytest.mark.parametrize(
    "back", ["-- transactional: true\nDROP TABLE a;", f"{OUTSIDE}CREATE TABLE b ();\nDROP TABLE a;"]
)
def test_what_stopped_half_way_is_taken_back_by_psql_as_rollback_does_it(twins, back):
    twins.write("0", "SELECT 0;", "SELECT 0;")
    twins.write("a", f"{OUTSIDE}CREATE TABLE a ();\nSELECT 1 / 0;\n", back)
    with pytest.raises(HalfWayError):
        twins.applied.apply()
    assert psql(twins.right, written_plan(twins.planned)).returncode == 3
    stale = written_plan(twins.planned, "rollback")

    twins.rollback()

    assert twins.planned.applied() == journal(twins.right.connect()) == []
    again = psql(twins.right, stale)
    assert (again.returncode, "is not the one that this plan was made for" in again.stderr) == (3, True)


DEFERRED = """
CREATE TABLE {0} (n integer);
CREATE FUNCTION {0}_late() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN INSERT INTO public.seen VALUES (current_user); RETURN NULL; END$$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON {0} DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION {0}_late();
"""


@pytest.mark.parametrize("way", ["-- transactional: true\n", OUTSIDE])
def test_deferred_triggers_run_as_the_role_of_the_script_in_psql_too(twins, role, way):
    for twin in (twins.left, twins.right):
        twin.connect_superuser().execute(f"CREATE TABLE seen (role text); GRANT INSERT ON seen TO {role}")
    head = f"{way}-- sqlmigrate: role={role}\n"
    insert = "INSERT INTO {0} VALUES (1);"
    block = f"BEGIN;\n{insert}\nCOMMIT;" if way == OUTSIDE else insert
    twins.write("a", head + DEFERRED.format("one") + insert.format("one"))
    twins.write("b", head + DEFERRED.format("two") + block.format("two"))

    twins.apply()

    assert twins.right.connect_superuser().execute("TABLE seen").fetchall() == [(role,), (role,)]


def test_a_session_that_is_read_only_by_default_writes_its_journal_all_the_same(twins):
    twins.write("a", OUTSIDE + "CREATE TABLE a (n int);\nSET default_transaction_read_only = on;\nSELECT 1;")

    twins.apply()
