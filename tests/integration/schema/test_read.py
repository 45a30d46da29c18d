"""A schema is read by anybody, inside any transaction, without a trace, and again only as far as it has changed."""

from __future__ import annotations

import psycopg
import pytest

from sqlmigrate.schema import Name
from sqlmigrate.schema.diff import as_text, compare
from sqlmigrate.schema.read import read_schema
from sqlmigrate.server import PrivateServer, drop_database

SETTINGS = ("search_path", "datestyle", "timezone", "quote_all_identifiers", "jit")
NEW = Name("table", "public.new")


def settings(session) -> list[str]:
    return [session.execute(f"SHOW {name}").fetchone()[0] for name in SETTINGS]


@pytest.fixture(params=["autocommit", "transaction"])
def session(request, database):
    return database.connect(autocommit=request.param == "autocommit")


def test_a_session_is_afterwards_as_it_was_before(session):
    session.execute("SET search_path = public, other; SET datestyle = german; SET quote_all_identifiers = on")
    before, status = settings(session), session.info.transaction_status
    read_schema(session)

    assert session.info.transaction_status == status
    assert settings(session) == before


def test_what_is_not_committed_is_seen(database):
    session = database.connect(autocommit=False)
    before = read_schema(session)
    session.execute("CREATE TABLE new (a integer)")
    after = read_schema(session, since=before)
    session.rollback()

    assert NEW in after.schema.objects
    assert read_schema(session, since=after).schema == before.schema


def test_a_read_only_transaction_keeps_what_it_saw(database):
    session = database.holding("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    before = read_schema(session)
    database.connect().execute("CREATE TABLE new (a integer)")

    assert read_schema(session).schema == before.schema
    session.rollback()
    assert NEW in read_schema(session).schema.objects


def test_a_role_without_rights_reads_the_same_but_for_options_of_others(rich_database):
    with psycopg.connect(rich_database) as session:
        mine = read_schema(session, cluster=True)
        session.execute("SET SESSION AUTHORIZATION cat_owner")
        theirs = read_schema(session, cluster=True)
        session.rollback()

    assert (
        as_text(compare(mine.schema, theirs.schema))
        == [
            "~ user mapping cat_reader on server cat_server: options - password=(hidden) - username=me",
            "~ user mapping public on server cat_server: options - token=(hidden)",
        ][:1]
    )


def test_no_password_is_in_a_schema(rich_database):
    with psycopg.connect(rich_database) as session:
        text = repr(read_schema(session, cluster=True))

    assert "secret" not in text
    assert "password=hidden" not in text


def test_constants_are_written_alike_under_all_settings(rich_database):
    with psycopg.connect(rich_database) as session:
        plain = read_schema(session)
        session.execute("SET LOCAL timezone = 'Asia/Tokyo'; SET LOCAL datestyle = german; SET LOCAL search_path = app")

        assert read_schema(session).schema == plain.schema


def test_left_out_schemas_are_left_out_with_all_that_is_in_them(database):
    session = database.connect()
    plain = read_schema(session, leave_out=["sqlmigrate"])
    session.execute(
        "CREATE SCHEMA sqlmigrate; CREATE TABLE sqlmigrate.t (a serial PRIMARY KEY); "
        "COMMENT ON TABLE sqlmigrate.t IS 'history';"
        "CREATE TYPE sqlmigrate.mood AS ENUM ('a'); CREATE TYPE sqlmigrate.pair AS (a integer);"
        "CREATE FUNCTION sqlmigrate.f() RETURNS integer LANGUAGE sql AS 'SELECT 1';"
        "ALTER DEFAULT PRIVILEGES IN SCHEMA sqlmigrate GRANT SELECT ON TABLES TO PUBLIC"
    )

    assert as_text(compare(plain.schema, read_schema(session, leave_out=["sqlmigrate"]).schema)) == []
    assert as_text(compare(plain.schema, read_schema(session, leave_out=["sqlmigrate"], since=plain).schema)) == []
    assert Name("schema", "sqlmigrate") in read_schema(session, since=plain).schema.objects


def test_a_copy_of_a_database_is_equal_and_read_from_what_is_known(database, pg_server: PrivateServer):
    with database.connect() as session:
        session.execute("CREATE TABLE old (a integer); CREATE VIEW v AS SELECT a FROM old")
        origin = read_schema(session)
    with psycopg.connect(pg_server.conninfo(), autocommit=True) as maintenance:
        maintenance.execute(f"CREATE DATABASE test_copy TEMPLATE {database.name} OWNER migrator")
    try:
        with psycopg.connect(pg_server.conninfo("test_copy"), autocommit=True) as copy:
            same = read_schema(copy, since=origin)
            copy.execute("CREATE TABLE new (a integer)")
            after, full = read_schema(copy, since=origin), read_schema(copy)
    finally:
        drop_database(pg_server, "test_copy")

    assert same.schema == origin.schema
    assert same.schema.objects[Name("table", "public.old")] is origin.schema.objects[Name("table", "public.old")]
    assert after.schema == full.schema
    assert NEW in full.schema.objects


def test_two_databases_changed_alike_are_not_taken_for_each_other(database_factory):
    one, two = database_factory().connect(), database_factory().connect()
    one.execute("CREATE TABLE new (a integer)")
    two.execute("CREATE TABLE new (b integer)")

    assert read_schema(two, since=read_schema(one)).schema == read_schema(two).schema


def test_a_change_in_a_rolled_back_subtransaction_is_forgotten(database):
    session = database.holding("CREATE TABLE new (a integer); SAVEPOINT s; ALTER TABLE new ADD b integer")
    during = read_schema(session)
    session.execute("ROLLBACK TO s; ALTER TABLE new ADD c integer")

    assert read_schema(session, since=during).schema == read_schema(session).schema


def test_an_invalid_index_is_seen(database):
    session = database.connect()
    session.execute("CREATE TABLE t (a integer); INSERT INTO t VALUES (1), (1)")
    before = read_schema(session)
    with pytest.raises(psycopg.errors.UniqueViolation):
        session.execute("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)")

    assert as_text(compare(before.schema, read_schema(session, since=before).schema)) == [
        "+ index public.i: CREATE UNIQUE INDEX i ON public.t USING btree (a) (invalid, not ready)"
    ]


def test_a_dropped_table_is_one_change_with_its_parts(database):
    session = database.connect()
    session.execute("CREATE TABLE t (a integer UNIQUE, b text)")
    before = read_schema(session)
    session.execute("DROP TABLE t")
    (change,) = compare(before.schema, read_schema(session, since=before).schema)

    assert str(change.object) == "table public.t"
    assert {str(part.object) for part in change.parts} == {
        "column public.t.a",
        "column public.t.b",
        "constraint t_a_key on public.t",
        "index public.t_a_key",
    }
    assert as_text([change]) == ["- table public.t: 2 columns, 1 constraint, 1 index"]


def test_members_of_an_extension_are_left_out(rich):
    if not rich.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'citext'").fetchone():
        pytest.skip("no extension citext")
    before = read_schema(rich)
    rich.execute("CREATE EXTENSION citext SCHEMA other")
    changes = compare(before.schema, read_schema(rich).schema)

    assert [str(change.object) for change in changes] == ["extension citext"]


def test_a_reader_waits_for_a_locked_table_no_longer_than_it_wants_to(database):
    """The definition of a view is read under a lock of its tables."""
    holder, reader = database.connect(), database.connect()
    holder.execute("CREATE TABLE t (a integer); CREATE VIEW v AS SELECT a FROM t")
    holder.execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
    reader.execute("SET lock_timeout = '50ms'")
    before = settings(reader)
    with pytest.raises(psycopg.errors.LockNotAvailable):
        read_schema(reader)

    assert reader.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert settings(reader) == before
    holder.execute("COMMIT")
    assert Name("view", "public.v") in read_schema(reader).schema.objects
