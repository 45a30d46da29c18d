"""The bootstrap makes of a plain PostgreSQL what Supabase gives: same owners, same grants, no more."""

from __future__ import annotations

import subprocess

import psycopg
import pytest
from psycopg import sql

from project.application import SQL
from sqlmigrate.server import find_program

BOOTSTRAP = SQL / "bootstrap" / "supabase.sql"


def test_auth_users_belongs_to_the_auth_server_and_not_to_the_migrating_role(ground):
    owners = ground.rows(
        "SELECT relowner::regrole::text, nspowner::regrole::text"
        " FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE pg_class.oid = 'auth.users'::regclass"
    )

    assert owners == [("supabase_auth_admin", "supabase_auth_admin")]


def test_the_migrating_role_may_only_read_and_refer_to_users(ground):
    privileges = ("SELECT", "REFERENCES", "TRIGGER", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
    held = [each for each in privileges if ground.value("SELECT has_table_privilege('auth.users', %s)", each)]

    assert held == ["SELECT", "REFERENCES", "TRIGGER"]


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_api_roles_receive_all_rights_on_what_the_migrating_role_makes_in_public(ground, role):
    ground.migrator.execute("CREATE TABLE made (id serial); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'")

    assert ground.rows(
        "SELECT has_table_privilege(%(role)s, 'public.made', 'INSERT, UPDATE, DELETE, TRUNCATE'),"
        " has_sequence_privilege(%(role)s, 'public.made_id_seq', 'USAGE'),"
        " has_function_privilege(%(role)s, 'public.f()', 'EXECUTE')".replace("%(role)s", f"'{role}'")
    ) == [(True, True, True)]


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_api_roles_cannot_read_users_or_create_in_public(ground, role):
    session = ground.database.connect_as(role)

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute("SELECT FROM auth.users")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute("CREATE TABLE public.t ()")


def test_nobody_can_log_in_as_a_role_of_the_bootstrap(ground):
    roles = ["anon", "authenticated", "service_role", "supabase_auth_admin"]

    assert ground.rows(
        "SELECT rolname, rolcanlogin, rolsuper FROM pg_roles WHERE rolname = ANY (%s) ORDER BY 1", roles
    ) == [(role, False, False) for role in roles]


def test_only_service_role_bypasses_row_level_security(ground):
    bypassing = ground.column("SELECT rolname FROM pg_roles WHERE rolbypassrls AND NOT rolsuper")

    assert bypassing == ["service_role"]


def test_a_second_database_of_the_cluster_can_be_bootstrapped_too(ground, database):
    with database.connect_superuser() as session:
        session.execute(BOOTSTRAP.read_text())

    assert database.connect().execute("SELECT count(*) FROM auth.users").fetchone() == (0,)


def test_a_database_that_has_schema_auth_is_refused_and_left_alone(ground):
    before = ground.database.dump()

    with pytest.raises(psycopg.errors.DuplicateSchema), ground.database.connect_superuser() as session:
        session.execute(BOOTSTRAP.read_text())
    assert ground.database.dump() == before


def test_any_name_of_an_owner_works(database):
    owner = 'Mrs. "O\'Brien" %s'
    admin = database.connect_superuser()
    if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [owner]).fetchone():
        admin.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(owner)))
    admin.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(database.name), sql.Identifier(owner)))
    admin.execute(BOOTSTRAP.read_text())

    session = database.connect_as(owner)
    session.execute("CREATE TABLE public.t (id uuid REFERENCES auth.users)")
    assert session.execute("SELECT has_table_privilege('anon', 'public.t', 'INSERT')").fetchone() == (True,)


def test_psql_runs_it_by_hand(database):
    psql = find_program("psql", database.server.binaries)
    assert psql is not None
    options = ["-X", "-v", "ON_ERROR_STOP=1", "--single-transaction", "-d", database.superuser_conninfo]

    done = subprocess.run([psql, *options, "-f", BOOTSTRAP], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert database.connect().execute("SELECT count(*) FROM auth.users").fetchone() == (0,)
