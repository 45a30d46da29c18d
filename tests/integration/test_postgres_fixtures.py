"""The fixtures that other tests stand on."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from support.dumps import normalized


def test_a_test_database_belongs_to_an_ordinary_role(database):
    with database.connect() as session:
        row = session.execute(
            "SELECT current_user, rolsuper, rolcreatedb, rolcreaterole, pg_get_userbyid(datdba)"
            " FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()"
        ).fetchone()

    assert row == ("migrator", False, False, False, "migrator")


@pytest.mark.parametrize("turn", ["spoils it", "finds it as it was"])
def test_what_a_test_gives_the_role_is_gone_for_the_next_one(admin, turn):
    query = (
        "SELECT rolcreatedb, (SELECT count(*) FROM pg_auth_members WHERE member = r.oid), rolconfig"
        " FROM pg_roles r WHERE rolname = 'migrator'"
    )
    assert admin.execute(query).fetchone() == (False, 0, None)

    admin.execute("ALTER ROLE migrator CREATEDB; ALTER ROLE migrator SET work_mem = '5MB'")
    admin.execute("GRANT pg_monitor TO migrator")
    assert admin.execute(query).fetchone() == (True, 1, ["work_mem=5MB"])


def test_the_owner_of_a_test_database_may_create_tables(database):
    with database.connect() as session:
        session.execute("CREATE TABLE t (id int)")
        assert session.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_each_database_of_a_factory_is_another_one(database_factory):
    one, two = database_factory(), database_factory()
    one.connect().execute("CREATE TABLE only_in_one (id int)")

    assert two.connect().execute("SELECT to_regclass('only_in_one')").fetchone() == (None,)


def test_the_url_opens_the_same_database_as_the_conninfo(database):
    assert conninfo_to_dict(database.url) == conninfo_to_dict(database.conninfo)
    with psycopg.connect(database.url) as session:
        assert session.info.dbname == database.name


def test_connect_as_acts_as_a_role_without_login(database):
    database.connect_superuser().execute(
        "DO $$ BEGIN CREATE ROLE without_login NOLOGIN; EXCEPTION WHEN duplicate_object THEN END $$"
    )
    with database.connect_as("without_login") as session:
        assert session.execute("SELECT session_user, current_user").fetchone() == ("without_login", "without_login")


def test_dumps_of_equal_databases_are_equal_whatever_the_order_of_rows(database_factory):
    one, two = database_factory(), database_factory()
    for each, rows in ((one, "(1), (2)"), (two, "(2), (1)")):
        each.connect().execute(f"CREATE TABLE t (id int); INSERT INTO t VALUES {rows}")

    assert one.dump() == two.dump()
    assert "\\restrict" not in one.dump()


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO t VALUES (1)",
        "ALTER TABLE t ADD COLUMN a int",
        "COMMENT ON TABLE t IS 'a'",
        "GRANT SELECT ON t TO PUBLIC",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ -- said\nSELECT 1 $$",
    ],
)
def test_a_dump_shows_each_kind_of_change(database, change):
    session = database.connect()
    session.execute("CREATE TABLE t (id int)")
    before = database.dump()
    session.execute(change)

    assert database.dump() != before


def test_normalizing_keeps_data_that_looks_like_a_comment():
    dump = "--\n-- Name: t; Type: TABLE\n--\n\n\nCOPY public.t (a) FROM stdin;\n--\n-- Name: a\n\n\\.\n"

    assert normalized(dump) == "COPY public.t (a) FROM stdin;\n\n--\n-- Name: a\n\\.\n"


@pytest.mark.smoke
def test_pytest_postgresql_works_on_our_server(postgresql, pg_server):
    assert postgresql.info.host == pg_server.host
    assert postgresql.execute("SELECT 1").fetchone() == (1,)
