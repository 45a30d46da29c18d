"""What scripts need of a cluster: the roles and extensions that they name, and which statements change the cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlmigrate.sql.script import script_from_text
from sqlmigrate.sql.statement.needs import cluster_wide, extensions_named, needs_of, roles_made_by_blocks, roles_named

NAMING_A = {
    "GRANT SELECT ON t TO a",
    "REVOKE ALL ON SCHEMA s FROM PUBLIC, a CASCADE",
    "GRANT SELECT ON t TO CURRENT_USER, a GRANTED BY SESSION_USER",
    "GRANT a TO CURRENT_ROLE",
    "GRANT pg_monitor TO a",
    "ALTER DEFAULT PRIVILEGES FOR ROLE a REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO a",
    "CREATE POLICY p ON t TO a USING (true)",
    "ALTER POLICY p ON t TO a",
    "CREATE USER MAPPING FOR a SERVER s",
    "CREATE SCHEMA AUTHORIZATION a",
    "CREATE SCHEMA s AUTHORIZATION a CREATE TABLE t ()",
    "ALTER ROLE a SET search_path = s",
    "ALTER ROLE a RENAME TO b",
    "DROP OWNED BY a",
    "COMMENT ON TABLE t IS 'x'; GRANT SELECT ON t TO \"a\"",
    "DO $$ BEGIN IF true THEN GRANT SELECT ON t TO a; END IF; END $$",
    "DO $$ BEGIN EXECUTE 'GRANT SELECT ON t TO a'; END $$",
    "DO $$ BEGIN EXECUTE $x$ COMMENT ON TABLE t IS 'it''s' $x$; EXECUTE 'GRANT SELECT ON \"t''\" TO a'; END $$",
    "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'REVOKE ALL ON t FROM a'",
    "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'a') THEN CREATE ROLE a; END IF; END $$",
}
OWNING_A = {
    "-- sqlmigrate: role=a\nSELECT 1",
    "ALTER TABLE t OWNER TO a",
    "ALTER FUNCTION f() OWNER TO a",
    "REASSIGN OWNED BY CURRENT_USER TO a",
    "SET ROLE a",
    "SET LOCAL ROLE 'a'",
    "SET SESSION AUTHORIZATION a",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET role = 'a' AS 'SELECT 1'",
    "DO $$ BEGIN SET LOCAL ROLE a; END $$",
}
NAMING_NONE = {
    "",
    "SELECT 'GRANT SELECT ON t TO a'",
    "SET ROLE NONE",
    "RESET ROLE",
    "SET SESSION AUTHORIZATION DEFAULT",
    "CREATE ROLE a",
    "CREATE ROLE a; GRANT SELECT ON t TO a",
    "GRANT SELECT ON t TO PUBLIC, CURRENT_USER, pg_monitor",
    'CREATE TABLE t (role text, "user" text, owner text)',
    "DO $$ BEGIN UPDATE t SET role = 'a'; RAISE NOTICE 'grant select on t to a'; END $$",
    "DO $$ BEGIN EXECUTE format('GRANT SELECT ON t TO %I', 'a'); END $$",
    "GRANT nonsense nonsense nonsense",
}
IN_TABLESPACE_A = {
    "CREATE TABLE t () TABLESPACE a", "CREATE INDEX i ON t (x) TABLESPACE a", "ALTER TABLE t SET TABLESPACE a",
    "ALTER INDEX i SET TABLESPACE a", "CREATE TABLE t (i int PRIMARY KEY USING INDEX TABLESPACE a)",
    "ALTER TABLE t ADD UNIQUE (x) USING INDEX TABLESPACE a", "CREATE TABLE t TABLESPACE a AS SELECT 1",
    "CREATE MATERIALIZED VIEW v TABLESPACE a AS SELECT 1", "SET default_tablespace = a",
    "SET default_tablespace TO 'a'", "ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE a",
    "DO $$ BEGIN CREATE TABLE t () TABLESPACE a; END $$",
}  # fmt: skip
CLUSTER_WIDE = {
    "CREATE ROLE a", "CREATE USER a", "CREATE GROUP a", "ALTER ROLE a LOGIN", "ALTER USER a SET x = 1", "DROP ROLE a",
    "ALTER GROUP a ADD USER b", "ALTER ROLE a IN DATABASE d SET x = 1", "ALTER ROLE a RENAME TO b", "GRANT a TO b",
    "REVOKE a FROM b", "DROP OWNED BY a", "REASSIGN OWNED BY a TO b", "ALTER SYSTEM SET x = 1",
    "CREATE DATABASE d", "DROP DATABASE d", "ALTER DATABASE d SET x = 1", "ALTER DATABASE d OWNER TO a",
    "ALTER DATABASE d RENAME TO e", "ALTER DATABASE d CONNECTION LIMIT 1", "GRANT CONNECT ON DATABASE d TO a",
    "REVOKE ALL ON DATABASE d FROM PUBLIC", "GRANT SET ON PARAMETER x TO a", "GRANT CREATE ON TABLESPACE s TO a",
    "CREATE TABLESPACE s LOCATION '/s'", "DROP TABLESPACE s", "ALTER TABLESPACE s RENAME TO u",
    "ALTER TABLESPACE s SET (seq_page_cost = 1)", "COMMENT ON ROLE a IS 'x'", "COMMENT ON DATABASE d IS 'x'",
    "SECURITY LABEL ON ROLE a IS 'x'", "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p",
    "ALTER SUBSCRIPTION s ENABLE", "DROP SUBSCRIPTION s",
    "CREATE ROLE nonsense nonsense nonsense", "DROP DATABASE nonsense nonsense",
}  # fmt: skip
LOCAL = {
    "CREATE TABLE t ()", "ALTER TABLE t OWNER TO a", "GRANT SELECT ON t TO a", "SET ROLE a", "DROP TABLE t",
    "ALTER TABLE t RENAME TO u", "COMMENT ON TABLE t IS 'x'", "CREATE USER MAPPING FOR a SERVER s",
    "ALTER DEFAULT PRIVILEGES FOR ROLE a GRANT SELECT ON TABLES TO b", "DO $$ BEGIN CREATE ROLE a; END $$",
    "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (connect = false)", "GRANT nonsense nonsense nonsense",
    "CREATE USER MAPPING nonsense nonsense", "CREATE EXTENSION x", "",
}  # fmt: skip


def script(text: str, name: str = "1.sql"):
    return script_from_text(Path(name), text)


@pytest.mark.parametrize("text", sorted(NAMING_A))
def test_a_role_is_named_by(text):
    assert needs_of([script(text)]).roles == {"a"} - ({"b"} if "RENAME" in text else set())
    assert not needs_of([script(text)]).owners


@pytest.mark.parametrize("text", sorted(OWNING_A))
def test_a_role_owns_or_acts_by(text):
    found = needs_of([script(text)])

    assert (found.roles, found.owners) == ({"a"}, {"a"})


@pytest.mark.parametrize("text", sorted(IN_TABLESPACE_A))
def test_a_tablespace_is_named_by(text):
    assert needs_of([script(text)]).tablespaces == {"a"}


def test_a_tablespace_that_the_scripts_make_and_those_of_postgresql_are_not_needed():
    text = "CREATE TABLESPACE a LOCATION '/a'; CREATE TABLE t () TABLESPACE a; ALTER TABLE t SET TABLESPACE pg_default;"

    assert needs_of([script(text)]).tablespaces == set()


@pytest.mark.parametrize("text", sorted(NAMING_NONE))
def test_no_role_is_needed_by(text):
    assert not roles_named([script(text)])


def test_a_role_that_an_other_script_makes_is_not_needed():
    scripts = [script("GRANT SELECT ON t TO a, b"), script("CREATE ROLE a", "2.sql")]

    assert roles_named(scripts) == {"b"}


def test_names_are_what_postgresql_makes_of_them():
    assert roles_named([script('GRANT SELECT ON t TO APP, "App", "a b", données')]) == {"app", "App", "a b", "données"}


def test_extensions_are_named_where_they_are_created():
    text = """
        CREATE EXTENSION IF NOT EXISTS "uuid-ossp" WITH SCHEMA extensions;
        CREATE EXTENSION postgis CASCADE;
        DROP EXTENSION hstore;
        DO $$ BEGIN CREATE EXTENSION pg_trgm; END $$;
    """

    assert extensions_named([script(text)]) == {"uuid-ossp", "postgis", "pg_trgm"}


@pytest.mark.parametrize("text", sorted(CLUSTER_WIDE))
def test_the_cluster_is_changed_by(text):
    found = cluster_wide(script(f"SELECT 1; {text}; SELECT 2"))

    assert [(statement.number, statement.text) for statement in found] == [(2, text)]


@pytest.mark.parametrize("text", sorted(LOCAL))
def test_only_the_database_is_changed_by(text):
    assert cluster_wide(script(f"SELECT 1; {text}")) == ()


@pytest.mark.parametrize(
    "body",
    [
        "CREATE ROLE a;",
        "IF true THEN DROP ROLE a; END IF;",
        "EXECUTE 'ALTER SYSTEM SET x = 1';",
        "EXECUTE $x$ GRANT CONNECT ON DATABASE d TO a $x$;",
    ],
)
def test_a_block_that_changes_the_cluster_counts_where_it_is_asked_for(body):
    found = script(f"DO $$ BEGIN {body} END $$")

    assert (len(cluster_wide(found)), len(cluster_wide(found, blocks=True))) == (0, 1)


@pytest.mark.parametrize(
    "text",
    [
        "DO $$ BEGIN RAISE NOTICE 'drop role a'; EXECUTE 'CREATE ROLE ' || 'a'; END $$",
        "DO $$ BEGIN CREATE TABLE t (); -- and then drop role a\n END $$",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CREATE ROLE a; END $$",
    ],
)
def test_what_only_speaks_of_the_cluster_does_not_change_it(text):
    assert cluster_wide(script(text), blocks=True) == ()


def test_roles_that_blocks_make_are_known():
    text = "DO $$ BEGIN CREATE ROLE a; EXECUTE 'CREATE USER b'; CREATE TABLE c (); END $$; CREATE ROLE d"

    assert roles_made_by_blocks([script(text)]) == {"a", "b"}


def test_a_statement_that_is_too_large_to_parse_is_judged_by_its_first_words():
    text = "CREATE ROLE a; ALTER ROLE a SET x = '" + "x" * 30_000 + "'"

    assert [statement.number for statement in cluster_wide(script(text))] == [1, 2]
