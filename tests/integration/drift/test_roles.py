"""Owners, rights and platforms: what is the same although the shadow is another server, and what is not compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from fixtures.postgres import BOOTSTRAP, Database
from sqlmigrate.errors import ExecutionError, UsageError
from sqlmigrate.server import PrivateServer
from support.drift import Drifting, lines

pytestmark = pytest.mark.pg

Role = Callable[..., str]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "sql"
    directory.mkdir()
    return directory


@pytest.fixture
def drifting(database: Database, directory: Path, shadow_url: str) -> Drifting:
    """A database without migrations; throwaway databases are made on the second server."""
    return Drifting(database.conninfo, directory, shadow_url)


@pytest.fixture
def other_login(shadow_server: PrivateServer) -> Iterator[str]:
    """The URL of the second server for a login that the target does not know and that may act as nobody else."""
    with psycopg.connect(shadow_server.conninfo(), autocommit=True) as session:
        session.execute("CREATE ROLE other LOGIN CREATEDB; CREATE ROLE reader")
        yield make_conninfo(shadow_server.conninfo(), user="other")
        session.execute("DROP ROLE other, reader")


@pytest.fixture
def supabase_like(supabase: Database, directory: Path, shadow_url: str) -> Drifting:
    """A database with the repository's own bootstrap, which also runs on the shadow."""
    (directory / "bootstrap").symlink_to(BOOTSTRAP)
    return Drifting(supabase.conninfo, directory, None)


def test_another_login_of_the_shadow_stands_for_the_owner(drifting, new_role, other_login):
    new_role("NOLOGIN", "reader")
    drifting.write("0001.a", "CREATE TABLE a (one integer); GRANT SELECT ON a TO reader; CREATE VIEW b AS SELECT 1")
    drifting.apply()

    found = drifting.find(shadow_url=other_login)

    assert lines(found) == []
    (note,) = found.notes
    assert note.startswith("on the server of --shadow-url, other stands in for migrator: ")


def test_another_login_of_the_shadow_does_not_hide_another_owner(drifting, admin, other_login):
    drifting.write("0001.a", "CREATE TABLE a (one integer)")
    drifting.apply()
    admin.execute("ALTER TABLE a OWNER TO postgres")

    assert lines(drifting.find(shadow_url=other_login)) == ["~ table public.a: owner migrator -> postgres"]


def test_the_shadow_on_the_own_cluster_is_refused(drifting, database):
    with pytest.raises(UsageError, match="the target's own cluster"):
        drifting.find(shadow_url=database.superuser_conninfo)


def test_each_migration_is_replayed_as_the_role_that_it_ran_as(drifting, database, new_role, admin):
    role = new_role("LOGIN", "second")
    admin.execute(f"GRANT {role} TO migrator; GRANT CREATE ON SCHEMA public TO {role}")
    admin.execute(f'GRANT CREATE ON DATABASE "{database.name}" TO {role}')
    drifting.write("0001.a", "CREATE TABLE a ()")
    drifting.apply()
    drifting.write("0002.b", "CREATE TABLE b (); CREATE SCHEMA c")
    drifting.apply(role=role)

    assert lines(drifting.find(shadow_url=None)) == []


def test_what_ran_as_the_role_that_the_login_is_given_is_replayed_as_it(drifting, database, new_role, admin):
    """As where a vault makes logins: ALTER ROLE ... SET role makes all that they create belong to one role."""
    role = new_role("NOLOGIN", "keeper")
    admin.execute(f"GRANT {role} TO migrator; GRANT CREATE ON SCHEMA public TO {role}")
    admin.execute(f'GRANT CREATE ON DATABASE "{database.name}" TO {role}')
    admin.execute(f'ALTER ROLE migrator IN DATABASE "{database.name}" SET role TO {role}')
    drifting.write("0001.a", "CREATE TABLE a ()")
    drifting.write("0002.b", "-- transactional: false\nCREATE TABLE b ()")
    drifting.apply()

    owners = admin.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert owners == [(role,)]
    assert lines(drifting.find(ignore=granted_to_the_owner(database), shadow_url=None)) == []


def granted_to_the_owner(database: Database) -> tuple[str, ...]:
    """Leave out schema public where it belongs to nobody's database: the owner of ours was given CREATE in it."""
    return ("schema public",) if database.server.major < 15 else ()


def test_what_a_superuser_applied_is_replayed_as_a_superuser(drifting, database, admin):
    as_superuser = Drifting(database.superuser_conninfo, drifting.directory, None)
    function = "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
    as_superuser.write("0001.a", f"{function} CREATE EVENT TRIGGER watched ON ddl_command_end EXECUTE FUNCTION f()")
    as_superuser.apply()
    admin.execute("GRANT USAGE ON SCHEMA sqlmigrate TO migrator")
    admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA sqlmigrate TO migrator")

    assert lines(as_superuser.find(ignore=granted_to_the_owner(database))) == []
    # whoever looks, and whoever owns the database
    assert lines(drifting.find(ignore=granted_to_the_owner(database), shadow_url=None)) == []


def test_default_privileges_that_were_there_before_are_one_difference_and_no_more(drifting, conn, new_role):
    reader = new_role("NOLOGIN", "reader")
    conn.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {reader}")
    drifting.write("0001.a", "CREATE TABLE a ()")
    drifting.apply()

    found = drifting.find(shadow_url=None)

    assert [line.partition(":")[0] for line in lines(found)] == [
        "+ default privileges for role migrator in schema public on tables"
    ]


def test_default_privileges_of_before_count_for_any_role_and_any_type(drifting, conn, new_role):
    readers = new_role("NOLOGIN", "ärzte")
    conn.execute(
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {readers};"
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO {readers} WITH GRANT OPTION;"
        "ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC"
    )
    drifting.write("0001.a", "CREATE TABLE a (); CREATE SEQUENCE s; CREATE TYPE r AS RANGE (subtype = float8)")
    drifting.apply()

    assert [line.partition(":")[0] for line in lines(drifting.find(shadow_url=None))] == [
        "+ default privileges for role migrator in schema public on sequences",
        "+ default privileges for role migrator in schema public on tables",
        "+ default privileges for role migrator on types",
    ]


def test_default_privileges_that_a_migration_sets_hold_from_there_on(drifting, new_role, conn):
    reader = new_role("NOLOGIN", "reader")
    drifting.write("0001.a", "CREATE TABLE a ()")
    drifting.write("0002.b", f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {reader}; CREATE TABLE b ()")
    drifting.write("0003.c", "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")
    drifting.write("0004.d", "CREATE FUNCTION d() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
    drifting.apply()

    assert lines(drifting.find(shadow_url=None)) == []

    conn.execute(f"ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM {reader}")
    assert [line.partition(":")[0] for line in lines(drifting.find(shadow_url=None))] == [
        "- default privileges for role migrator on tables"
    ]


def test_roles_that_migrations_make_are_made_on_a_private_server_only(drifting, admin, database):
    admin.execute("ALTER ROLE migrator CREATEROLE")
    try:
        drifting.write("0001.a", "CREATE ROLE made_by_script; CREATE TABLE a ()")
        drifting.write("0002.b", "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO made_by_script")
        drifting.apply()

        assert lines(drifting.find(shadow_url=None)) == []
        with pytest.raises(ExecutionError, match='role "made_by_script" does not exist'):
            drifting.find()
    finally:
        admin.execute("DROP OWNED BY made_by_script; DROP ROLE made_by_script; ALTER ROLE migrator NOCREATEROLE")


def test_what_would_reach_out_to_other_servers_is_never_run(drifting, database):
    as_superuser = Drifting(database.superuser_conninfo, drifting.directory, None)
    as_superuser.write("0001.a", f"CREATE TABLE a ();\nALTER DATABASE \"{database.name}\" SET work_mem = '5MB';\n")
    as_superuser.apply()

    found = as_superuser.find(ignore=granted_to_the_owner(database))

    assert lines(found) == []
    assert found.notes == (
        (
            "not run on the throwaway database, since it reaches beyond the database: "
            f"{drifting.directory / '0001.a.sql'}:2:1"
        ),
    )


def test_the_platform_that_the_bootstrap_stands_for_is_not_compared(supabase_like, supabase):
    supabase_like.write(
        "0001.a",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER made AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION f();"
        "CREATE TABLE a (id uuid REFERENCES auth.users)",
    )
    supabase_like.apply()
    supabase.connect_superuser().execute(
        "ALTER TABLE auth.users ADD COLUMN phone text; CREATE TABLE auth.sessions ();"
        "CREATE INDEX ON auth.users (email);"
        "CREATE TRIGGER other AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION f()"
    )

    assert lines(supabase_like.find()) == []

    supabase.connect_superuser().execute("ALTER TABLE auth.users DISABLE TRIGGER made; GRANT SELECT ON a TO PUBLIC")
    assert lines(supabase_like.find()) == [
        "~ trigger made on auth.users: enabled none -> disabled",
        "~ table public.a: acl + =r/migrator",
    ]


def test_supabase_is_recognised_and_its_own_things_are_not_compared(supabase_like, supabase, new_role):
    new_role("NOLOGIN", "supabase_admin")
    admin = supabase.connect_superuser()
    admin.execute("CREATE SCHEMA storage; CREATE TABLE storage.objects (); CREATE EXTENSION citext")
    admin.execute("CREATE SCHEMA vault; CREATE PUBLICATION supabase_realtime; GRANT CREATE ON SCHEMA public TO anon")
    admin.execute("ALTER DEFAULT PRIVILEGES FOR ROLE supabase_admin GRANT SELECT ON TABLES TO anon")
    supabase_like.write("0001.a", "CREATE TABLE a (id uuid REFERENCES auth.users)")
    supabase_like.apply()
    admin.execute("CREATE TABLE by_hand (); ALTER PUBLICATION supabase_realtime ADD TABLE a")

    found = supabase_like.find()
    admin.execute("DROP OWNED BY supabase_admin")

    assert lines(found) == ["+ table public.by_hand: access method heap"]
    assert found.notes == (
        "this is Supabase: what it creates and changes by itself is not compared, only what the migrations made of it",
    )
