"""A shadow database made from a dump of the target's schema."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

import pytest
from psycopg import pq
from psycopg.conninfo import make_conninfo

from sqlmigrate import connection, shadow
from sqlmigrate.connection import silence
from sqlmigrate.connection.address import resolved
from sqlmigrate.errors import ExecutionError, ServerError
from sqlmigrate.server.binaries import BINDIR_VARIABLE
from sqlmigrate.shadow import Wanted, read_facts
from sqlmigrate.shadow.dumps import _given
from sqlmigrate.sql.script import Script, script_from_text
from support.dumps import normalized

pytestmark = pytest.mark.pg

HISTORY = 'odd "history'
GRANTS = re.compile(r'(?:^GRANT .* ON SCHEMA "public" TO .*;\n)+', re.MULTILINE)
FAKE = """#!/bin/sh
if [ "$1" = --version ]; then echo 'pg_dump (PostgreSQL) 99.1'; exit; fi
echo "-- $* PGPASSWORD=$PGPASSWORD"
"""


def libpq_keywords() -> set[str]:
    """Give the keywords that the libpq of this Python knows."""
    return {item.keyword.decode() for item in pq.Conninfo.get_defaults()}


@pytest.fixture
def major(binaries) -> int:
    return binaries.major


def dump(conninfo: str, major: int, *, pooled: bool = False):
    return shadow.dump(conninfo, major=major, history_schema=HISTORY, pooled=pooled)


def comparable(script: Script) -> str:
    """Give a dump without what differs from run to run; who got a right in schema public first does not matter."""
    return GRANTS.sub(lambda found: "".join(sorted(found[0].splitlines(keepends=True))), normalized(script.text or ""))


def rights_of_public(conninfo: str) -> set[str]:
    """Give what anybody may do in schema public."""
    query = "SELECT privilege_type FROM pg_namespace, aclexplode(nspacl) WHERE nspname = 'public' AND grantee = 0"
    with connection.session(conninfo) as session:
        return {right for (right,) in session.execute(query)}


def test_the_shadow_is_what_the_target_is_with_owners_rights_and_roles(database, admin, new_role, major):
    owner, reader = new_role("NOLOGIN"), new_role("NOLOGIN")
    admin.execute(f"""
        GRANT {owner} TO migrator;
        CREATE TABLE public.t (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "Name" text DEFAULT 'é');
        ALTER TABLE public.t OWNER TO {owner};
        GRANT SELECT ON public.t TO {reader};
        COMMENT ON TABLE public.t IS 'a table';
        CREATE UNLOGGED TABLE public.unlogged (id integer GENERATED ALWAYS AS IDENTITY);
        ALTER TABLE public.unlogged OWNER TO {owner};
        CREATE FUNCTION public.f() RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT 1; END;
        ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT SELECT ON TABLES TO {reader};
        CREATE SUBSCRIPTION s CONNECTION 'password=geheim123' PUBLICATION p WITH (connect = false, slot_name = NONE);
        CREATE SCHEMA "odd ""history" CREATE TABLE h ();
    """)
    try:
        target = read_facts(database.connect())
        text = dump(database.superuser_conninfo, major)
        assert owner in target.member_of
        assert "history" not in text.text
        assert "geheim123" not in text.text
    finally:
        admin.execute("DROP SUBSCRIPTION s")

    with shadow.opened(Wanted(target=target)) as opened, opened.database() as copy:
        opened.restore(copy, text)
        assert comparable(dump(copy.admin_conninfo, major)) == comparable(text)
        with connection.session(copy.conninfo) as session:
            session.execute("ALTER TABLE public.t ADD COLUMN n integer")


def test_what_a_superuser_has_made_in_the_target_is_made_too(supabase, major):
    supabase.connect_superuser().execute("""
        CREATE EXTENSION pg_trgm;
        CREATE TYPE public.pair AS RANGE (subtype = integer);
        CREATE FUNCTION public.low(text) RETURNS text LANGUAGE internal IMMUTABLE STRICT LEAKPROOF AS 'lower';
        CREATE FUNCTION public.noted() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
        CREATE EVENT TRIGGER noted ON ddl_command_end EXECUTE FUNCTION public.noted();
        CREATE CAST (text AS public.pair) WITH INOUT;
        CREATE OPERATOR CLASS public.ops FOR TYPE text USING btree AS FUNCTION 1 bttextcmp(text, text);
        CREATE PUBLICATION everything FOR ALL TABLES;
        CREATE SCHEMA other AUTHORIZATION anon;
        CREATE TABLE other.t (id integer CHECK (id > 0), pair public.pair, name text, PRIMARY KEY (id));
        CREATE INDEX ON other.t (public.low(name));
        ALTER TABLE other.t OWNER TO anon;
        GRANT USAGE ON SCHEMA other TO authenticated;
        GRANT SELECT ON other.t TO authenticated WITH GRANT OPTION;
        SET SESSION AUTHORIZATION authenticated;
        GRANT SELECT ON other.t TO PUBLIC;
    """)
    text = dump(supabase.superuser_conninfo, major)

    with shadow.opened(Wanted(dumped=True)) as opened, opened.database() as copy:
        opened.restore(copy, text)
        assert comparable(dump(copy.admin_conninfo, major)) == comparable(text)


@pytest.mark.parametrize(
    "rights",
    [
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "ALTER SCHEMA public OWNER TO migrator; REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    ],
)
def test_rights_in_schema_public_are_those_of_the_target(database, admin, major, rights):
    """Before 15 anybody may create there; a newer pg_dump does not tell that nobody may."""
    admin.execute(rights)
    text = dump(database.superuser_conninfo, major)

    with shadow.opened(Wanted(dumped=True)) as opened, opened.database() as copy:
        opened.restore(copy, text)
        assert rights_of_public(copy.admin_conninfo) == rights_of_public(database.superuser_conninfo)
        assert comparable(dump(copy.admin_conninfo, major)) == comparable(text)


@pytest.mark.parametrize(("program", "may_create"), [("14.21", True), ("15.3 (Debian 15.3-1)", False), ("18.6", False)])
def test_schema_public_is_what_the_program_takes_for_granted(throwaway_shadow, program, may_create):
    text = (
        f"--\n-- PostgreSQL database dump\n--\n\n-- Dumped by pg_dump version {program}\n\nCREATE TABLE public.t ();\n"
    )
    with throwaway_shadow.database() as database:
        throwaway_shadow.restore(database, script_from_text(Path("dump"), text))
        assert rights_of_public(database.admin_conninfo) == {"USAGE", *(["CREATE"] if may_create else [])}


def test_a_setting_that_the_server_does_not_have_is_passed_over(throwaway_shadow):
    text = "SET no_such_setting = 0;\n\\restrict abc\nCREATE TABLE public.t ();\n\\unrestrict abc\n"
    with throwaway_shadow.database() as database:
        throwaway_shadow.restore(database, script_from_text(Path("dump"), text))
        with connection.session(database.conninfo) as session:
            assert session.execute("SELECT to_regclass('public.t') IS NULL").fetchone() == (False,)


def test_an_error_is_reported_with_its_place_in_the_dump(throwaway_shadow):
    text = "CREATE TABLE public.t ();\nALTER TABLE public.t ADD CHECK (nonsense);"
    with throwaway_shadow.database() as database, pytest.raises(ExecutionError, match="nonsense") as caught:
        throwaway_shadow.restore(database, script_from_text(Path("dump"), text))
    assert caught.value.place.line == 2


def test_missing_extensions_are_reported_by_name_before_anything_runs(throwaway_shadow):
    text = "CREATE TABLE public.t (); CREATE EXTENSION no_such; CREATE EXTENSION another;"
    with throwaway_shadow.database() as database:
        with pytest.raises(ServerError, match="has no extension another, no_such"):
            throwaway_shadow.restore(database, script_from_text(Path("dump"), text))
        with connection.session(database.conninfo) as session:
            assert session.execute("SELECT to_regclass('public.t')").fetchone() == (None,)


def test_on_a_named_server_missing_roles_are_reported_by_name(database, new_role):
    login = new_role("LOGIN CREATEDB")
    text = "CREATE TABLE public.t (); ALTER TABLE public.t OWNER TO no_such; GRANT SELECT ON public.t TO another;"
    wanted = Wanted(shadow_url=database.server.conninfo(database.name, login))
    with (
        shadow.opened(wanted) as opened,
        opened.database() as copy,
        pytest.raises(ServerError, match="has no role another, no_such"),
    ):
        opened.restore(copy, script_from_text(Path("dump"), text))


def test_the_password_stands_in_no_command_line(open_path, monkeypatch):
    program = open_path / "pg_dump"
    program.write_text(FAKE)
    program.chmod(0o755)
    monkeypatch.setenv(BINDIR_VARIABLE, str(open_path))

    text = dump("postgresql://me:geheim123@example.org/shop", 99).text
    arguments, password = text.split("PGPASSWORD=")
    assert password.strip() == "geheim123"
    assert "geheim123" not in arguments
    assert "host=example.org" in arguments
    assert '--exclude-schema="odd ""history"' in arguments
    assert "PGPASSWORD" not in os.environ


@pytest.mark.parametrize("more", ["", "sslpassword=x"])
def test_no_setting_of_the_options_stands_in_a_command_line(open_path, monkeypatch, more):
    program = open_path / "pg_dump"
    program.write_text(FAKE + 'echo "-- PGOPTIONS=$PGOPTIONS"\n')
    program.chmod(0o755)
    monkeypatch.setenv(BINDIR_VARIABLE, str(open_path))

    text = dump(f"host=example.org options='-c app.token=geheim123' {more}", 99, pooled=True).text
    arguments, options = text.split("PGOPTIONS=")
    assert options.strip() == "-c app.token=geheim123"
    assert "geheim123" not in arguments


@pytest.mark.parametrize("given", ["", "-c work_mem=4MB"])
@pytest.mark.parametrize("service", ["", "[there]\nport=5433\n"])
def test_both_sides_of_a_dump_give_up_a_silent_other_one(monkeypatch, tmp_path, given, service):
    (tmp_path / "services").write_text(service)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    more = {key: value for key, value in {"service": service and "there", "options": given}.items() if value}

    with _given(make_conninfo("host=example.org connect_timeout=7", **more), silence.OPTIONS) as (dbname, env):
        monkeypatch.setenv("PGOPTIONS", env.get("PGOPTIONS", ""))
        found = resolved(dbname)

    assert found.items() >= (silence.CLIENT | {"connect_timeout": "7"}).items()
    assert found["options"] == f"{given} {silence.OPTIONS}".strip()


SECRETS = {"sslpassword": "geheim one = 'two'", "scram_client_key": "#geheim", "oauth_client_secret": "geheim\\"}


@pytest.mark.parametrize("key", [key for key in SECRETS if key in libpq_keywords()])
def test_no_other_secret_stands_in_a_command_line_or_environment(open_path, monkeypatch, key):
    program = open_path / "pg_dump"
    program.write_text(FAKE + 'echo "-- $(env | tr \'\\n\' \' \')"\nsed "s/^/-- file /" "$PGSERVICEFILE"\n')
    program.chmod(0o755)
    monkeypatch.setenv(BINDIR_VARIABLE, str(open_path))
    monkeypatch.setenv("GITHUB_TOKEN", "geheim-token")

    lines = dump(make_conninfo("host=example.org dbname=shop", **{key: SECRETS[key]}), 99).text.splitlines()
    file = [line.removeprefix("-- file ") for line in lines if line.startswith("-- file ")]

    assert file == ["[sqlmigrate]", f"{key}={SECRETS[key]}"]
    assert "geheim" not in "".join(line for line in lines if not line.startswith("-- file "))
    assert "service=sqlmigrate" in lines[0]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a file holds them")
def test_a_killed_run_leaves_no_file_with_secrets(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with _given("host=example.org sslpassword=geheim") as (_, env):
        assert "sslpassword=geheim" in Path(env["PGSERVICEFILE"]).read_text()
        assert list(tmp_path.iterdir()) == []


def test_libpq_reads_the_secrets_from_the_service_file(open_path, monkeypatch):
    secret = SECRETS["sslpassword"]
    with _given(make_conninfo("host=example.org", sslpassword=secret)) as (dbname, env):
        assert Path(env["PGSERVICEFILE"]).stat().st_mode & 0o777 == 0o600
        monkeypatch.setenv("PGSERVICEFILE", env["PGSERVICEFILE"])
        monkeypatch.setenv("PGSERVICE", "sqlmigrate")
        known = {item.keyword: item.val for item in pq.Conninfo.get_defaults()}
        assert known[b"sslpassword"] == secret.encode()
        assert "geheim" not in dbname
    assert not Path(env["PGSERVICEFILE"]).exists()


@pytest.mark.parametrize("conninfo", ["service=x sslpassword=geheim123", "sslpassword='geheim123\n'"])
def test_secrets_that_cannot_be_passed_on_are_refused(conninfo, major):
    with pytest.raises(ServerError, match="pg_dump") as caught:
        dump(conninfo, major)
    assert "geheim123" not in f"{caught.value} {caught.value.hint}"


def test_a_pg_dump_that_is_too_old_is_not_used(binaries):
    with pytest.raises(ServerError, match="no pg_dump of PostgreSQL 99 or later was found") as caught:
        dump("", 99)
    assert "--base replay" in caught.value.hint


def test_pg_dump_fails_in_its_own_words_without_a_password(major):
    with pytest.raises(ServerError, match=r"pg_dump of the target failed: .*/nowhere") as caught:
        dump("host=/nowhere password=geheim123", major)
    assert "geheim123" not in str(caught.value)
