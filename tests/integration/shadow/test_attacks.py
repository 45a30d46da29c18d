"""Scripts that want a shell on the machine that reviews them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from sqlmigrate import connection as connections
from sqlmigrate import roundtrip, shadow
from sqlmigrate.engine import Options
from sqlmigrate.errors import ExecutionError
from sqlmigrate.review.question import Question
from sqlmigrate.review.reviewer import review
from sqlmigrate.roundtrip import RoundTrip, Verdict
from sqlmigrate.shadow import TargetFacts, Wanted, read_facts
from sqlmigrate.sql.script import script_from_text
from support.places import SUPPORT

pytestmark = pytest.mark.pg

HOSTILE = (SUPPORT / "attacks.sql").read_text()
OPERATORS = (SUPPORT / "attacks_operators.sql").read_text()
ROWS = "INSERT INTO shop.orders (amount) VALUES (1), (2);\nINSERT INTO shop.by_rule VALUES (1);\nANALYZE shop.orders;\n"
NEXT = """-- transactional: false
CREATE INDEX CONCURRENTLY again ON shop.orders ((shop.pure(number)));
REINDEX TABLE shop.orders;
"""


@dataclass(frozen=True)
class Server:
    """A throwaway server, and what its files say of attacks."""

    shadow: shadow.Shadow
    data: Path

    @property
    def attacks(self) -> list[str]:
        log = self.data.with_name(f"{self.data.name}.log").read_text()
        return [line.partition("attack as ")[2] for line in log.splitlines() if "attack as " in line]

    @property
    def attacked(self) -> bool:
        return (self.data / "attacked").exists()


@contextmanager
def started(wanted: Wanted) -> Iterator[Server]:
    with shadow.opened(wanted) as opened, opened.database() as any_database:
        with connections.session(any_database.admin_conninfo) as admin:
            [(data,)] = admin.execute("SHOW data_directory").fetchall()
        yield Server(opened, Path(data))


@pytest.fixture(scope="module")
def server(clean_environment: None) -> Iterator[Server]:
    """One ordinary throwaway server for the tests of this file; nothing may ever run a program there."""
    with started(Wanted()) as server:
        yield server
        assert not server.attacked


@pytest.fixture
def hostile(project):
    """A project whose first migration is hostile, with one behind it and samples of both kinds."""
    project.migration("1", HOSTILE, rollback="DROP SCHEMA shop CASCADE;")
    project.migration("2", NEXT, rollback="DROP INDEX CONCURRENTLY shop.again;")
    project.file("samples/1.after.sql", ROWS)
    project.file("samples/1.expect.sql", "SELECT true;")
    project.file("samples/2.sql", ROWS)
    project.file("samples/2.after.sql", ROWS)
    project.file(
        "samples/2.expect.sql", "SELECT bool_and(attack) FROM shop.seen;\nSELECT count(*) = 4 FROM shop.orders;"
    )
    return project


def tried(project, server: shadow.Shadow) -> list[RoundTrip]:
    found = project.load()
    samples, _ = roundtrip.find_samples(found)
    return list(roundtrip.round_trips(found, found.by_id, server, Options(), samples=samples))


def test_samples_and_our_own_queries_give_a_migration_no_superuser(hostile, server):
    trips = tried(hostile, server.shadow)

    assert [(trip.verdict, trip.failure, trip.expectations) for trip in trips] == [(Verdict.EXACT, None, ())] * 2
    assert len(server.attacks) > 20
    assert [line for line in server.attacks if "superuser on" in line] == []
    assert not server.attacked


def test_a_review_gives_a_migration_no_superuser(hostile, server):
    found = hostile.load()
    report = review(Question(found, tuple(found.ordered)), server.shadow, Options())

    assert [(item.apply.error, item.rollback.error) for item in report.migrations] == [(None, None)] * 2
    assert report.isolation == server.shadow.isolation
    assert [line for line in server.attacks if "superuser on" in line] == []
    assert not server.attacked


def test_operators_that_a_search_path_finds_give_a_migration_no_superuser(hostile, server):
    hostile.migration("1.operators", OPERATORS, rollback="SELECT 1;")

    tried(hostile, server.shadow)
    found = hostile.load()
    review(Question(found, tuple(found.ordered)), server.shadow, Options())

    assert [line for line in server.attacks if "superuser on" in line] == []
    assert not server.attacked


def test_a_dump_of_a_hostile_target_gives_it_no_superuser(database, binaries):
    database.connect().execute(HOSTILE)
    text = shadow.dump(database.superuser_conninfo, major=binaries.major, history_schema="sqlmigrate", pooled=False)
    with started(Wanted(dumped=True)) as server, server.shadow.database() as copy:
        server.shadow.restore(copy, text)
        assert server.attacks  # PostgreSQL runs it while it makes a CHECK
        assert [line for line in server.attacks if "superuser on" in line] == []
        assert not server.attacked


def test_the_same_attack_succeeds_where_the_command_line_asks_for_superuser(hostile):
    with started(Wanted(superuser=True)) as server:
        tried(hostile, server.shadow)
        assert any("superuser on" in line for line in server.attacks)
        assert server.attacked


PLATFORM = """
CREATE ROLE platform SUPERUSER LOGIN;
CREATE FUNCTION public.on_event() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
ALTER FUNCTION public.on_event() OWNER TO migrator;
CREATE EVENT TRIGGER changed ON ddl_command_end EXECUTE FUNCTION public.on_event();
CREATE EVENT TRIGGER dropped ON sql_drop EXECUTE FUNCTION public.on_event();
CREATE SUBSCRIPTION s CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false, slot_name = NONE);
"""
TAKEN_OVER = """
CREATE OR REPLACE FUNCTION public.on_event() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM shop.attack();
END $$;
BEGIN;
CREATE TABLE public.t ();
PREPARE TRANSACTION 'open';
"""
CONNECTS = """
CREATE EXTENSION dblink;
GRANT EXECUTE ON FUNCTION dblink_connect_u(text) TO migrator;
"""


def bootstrap_of(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "bootstrap"
    folder.mkdir()
    folder.joinpath("1.sql").write_text(text)
    return folder


def test_event_triggers_whose_function_a_script_has_taken_over_do_not_run_as_superuser(binaries, tmp_path):
    names = ["changed", "dropped"]
    text = PLATFORM
    if binaries.major >= 17:
        text += "CREATE EVENT TRIGGER came ON login EXECUTE FUNCTION public.on_event();\n"
        names.append("came")
    text += "".join(f"ALTER EVENT TRIGGER {name} ENABLE ALWAYS;\n" for name in names)
    text += "CREATE EVENT TRIGGER copied ON ddl_command_end EXECUTE FUNCTION public.on_event();\n"
    text += "ALTER EVENT TRIGGER copied ENABLE REPLICA;\n"
    with started(Wanted(bootstrap=bootstrap_of(tmp_path, text))) as server:
        with server.shadow.database() as database:
            with connections.session(database.conninfo) as session:
                connections.give_back(session)
                session.execute(HOSTILE)
                for statement in script_from_text(Path("x.sql"), TAKEN_OVER).statements():
                    session.execute(statement.text.encode())
            with server.shadow.elsewhere(database):
                pass
        assert server.attacks
        assert [line for line in server.attacks if "superuser on" in line] == []
        assert not server.attacked


def test_event_triggers_of_a_platform_run_during_bootstrap(binaries, tmp_path):
    text = PLATFORM.replace("BEGIN END", "BEGIN RAISE LOG 'attack as %', tg_event; END") + "CREATE TABLE public.t ();"
    with started(Wanted(bootstrap=bootstrap_of(tmp_path, text))) as server:
        assert "ddl_command_end" in server.attacks


@pytest.mark.parametrize("superuser", ["postgres", "sqlmigrate_superuser", "platform"])
def test_whoever_connects_from_inside_the_server_is_not_a_superuser(binaries, tmp_path, superuser):
    """dblink_connect_u() needs no password where the server asks for none."""
    named = frozenset({"postgres"}) if superuser == "sqlmigrate_superuser" else frozenset()
    wanted = Wanted(bootstrap=bootstrap_of(tmp_path, PLATFORM + CONNECTS), roles=named)
    with started(wanted) as server, server.shadow.database() as database:
        there = f"user={superuser} dbname={database.name} port=5432 host="
        with connections.session(database.conninfo) as session, pytest.raises(psycopg.Error, match="password"):
            session.execute(f"SELECT public.dblink_connect_u('{there}/proc/self/cwd/../socket')")


GIVEN = """
GRANT EXECUTE ON FUNCTION pg_read_file(text), lo_import(text), lo_export(oid, text), pg_ls_dir(text) TO migrator;
GRANT EXECUTE ON FUNCTION lo_import(text) TO PUBLIC;
GRANT pg_execute_server_program, pg_read_server_files, pg_monitor TO migrator;
CREATE EXTENSION dblink;
GRANT EXECUTE ON FUNCTION dblink_connect_u(text) TO migrator;
CREATE FUNCTION own() RETURNS text LANGUAGE sql AS 'SELECT NULL::text';
REVOKE ALL ON FUNCTION own() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION own() TO migrator;
"""
REACHING = [
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/attacked')",
    "SELECT pg_ls_dir('.')",
    "SELECT dblink_connect_u('user=postgres')",
    "COPY (SELECT 1) TO PROGRAM 'touch attacked'",
    "CREATE TEMP TABLE t (x text); COPY t FROM '/etc/passwd'",
]


def test_what_a_target_gives_its_deployer_of_its_own_machine_is_not_given_of_this_one(database, binaries):
    database.connect_superuser().execute(GIVEN)
    target = read_facts(database.connect())
    text = shadow.dump(database.superuser_conninfo, major=binaries.major, history_schema="sqlmigrate", pooled=False)
    wanted = Wanted(target=target, bootstrap=None, dumped=True)
    with shadow.opened(wanted) as opened, opened.database() as copy:
        opened.restore(copy, text)
        assert [note for note in opened.notes if "reaches the machine and not only the database" in note]
        with connections.session(copy.conninfo) as session:
            connections.give_back(session)
            assert session.execute("SELECT own()").fetchone() == (None,)
            assert session.execute("SELECT pg_has_role('pg_monitor', 'USAGE')").fetchone() == (True,)
            for statement in REACHING:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    session.execute(statement)


@pytest.mark.parametrize(
    "function",
    ["LANGUAGE internal AS 'be_lo_import'", "LANGUAGE c AS '$libdir/dblink', 'dblink_connect'"],
    ids=["internal", "c"],
)
def test_a_function_of_a_dump_that_could_do_anything_is_not_made(database, binaries, function):
    database.connect_superuser().execute(f"CREATE FUNCTION public.f(text) RETURNS oid {function}")
    text = shadow.dump(database.superuser_conninfo, major=binaries.major, history_schema="sqlmigrate", pooled=False)
    with (
        shadow.opened(Wanted(dumped=True)) as opened,
        opened.database() as copy,
        pytest.raises(ExecutionError, match="permission denied for language"),
    ):
        opened.restore(copy, text)


TEMPORARY = "CREATE TEMP TABLE t (x text);\n"
REFUSED = [
    "COPY t FROM PROGRAM 'touch attacked';",
    "COPY (SELECT 1) TO PROGRAM 'touch attacked';",
    "COPY t FROM '/proc/self/environ';",
    "COPY (SELECT 1) TO '/tmp/attacked';",
    "SELECT pg_read_file('/proc/self/environ');",
    "SELECT lo_import('/etc/passwd');",
    "SET session_replication_role = replica;",
    "SET session_preload_libraries = 'x';",
    "ALTER SYSTEM SET archive_command = 'touch attacked';",
    "SET SESSION AUTHORIZATION postgres;",
    "SET ROLE postgres;",
    "CREATE EXTENSION file_fdw;",
    "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1' PUBLICATION p WITH (connect = false);",
    "CREATE FUNCTION c() RETURNS int LANGUAGE c AS 'libc.so.6', 'getpid';",
]


@pytest.mark.parametrize(
    ("where", "statement"), [*(("before", text) for text in REFUSED), ("after", REFUSED[0]), ("expect", REFUSED[0])]
)
def test_a_sample_that_needs_a_superuser_is_refused_with_the_reason(project, server, where, statement):
    first = "-- transactional: false\n" if "SYSTEM" in statement else ""
    project.migration("1", "CREATE TABLE public.u ();", rollback="DROP TABLE public.u;")
    name = "1" if where == "before" else f"1.{where}"
    project.file(f"samples/{name}.sql", f"{first}{TEMPORARY if where != 'expect' else ''}{statement}")

    (trip,) = tried(project, server.shadow)

    assert trip.failure is not None
    error = trip.failure.error
    assert error.server.sqlstate == "42501"
    assert "--shadow-superuser" in error.hint


def test_the_tester_can_become_nobody_who_can_do_more(binaries, tmp_path):
    bootstrap = tmp_path / "bootstrap"
    bootstrap.mkdir()
    bootstrap.joinpath("1.sql").write_text(
        "CREATE ROLE boss SUPERUSER; CREATE ROLE deputy; GRANT boss TO deputy; CREATE ROLE clerk; "
        "CREATE ROLE programmer IN ROLE pg_execute_server_program;"
    )
    named = frozenset({"boss", "deputy", "clerk", "programmer", "maker"})
    with started(Wanted(bootstrap=bootstrap, roles=named)) as server, server.shadow.database() as database:
        with connections.session(database.tester_conninfo) as tester:
            rows = tester.execute(
                "SELECT rolname, rolsuper FROM pg_roles WHERE pg_has_role(rolname, 'MEMBER') ORDER BY 1"
            )
            assert rows.fetchall() == [
                *((name, False) for name in ("clerk", "maker", "migrator", "pg_database_owner")),
                *((name, False) for name in ("pg_read_all_data", "pg_write_all_data", "sqlmigrate_tester")),
            ]
        assert "run as superuser: bootstrap/" in server.shadow.isolation


def test_a_role_that_may_make_roles_cannot_give_itself_programs(binaries, project):
    target = TargetFacts(binaries.major, binaries.version, "shop", "boss", "boss", creates_roles=True)
    project.migration(
        "1",
        "CREATE ROLE helper;\n"
        "DO $$ BEGIN GRANT pg_execute_server_program TO boss; "
        "EXCEPTION WHEN insufficient_privilege THEN NULL; END $$;\n"
        "CREATE TABLE public.t ();",
        rollback="DROP TABLE public.t; DROP ROLE helper;",
    )
    project.migration("2", "COPY (SELECT 1) TO PROGRAM 'touch attacked';", rollback="SELECT 1;")
    with started(Wanted(target=target)) as server:
        first, second = tried(project, server.shadow)
        assert not server.attacked

    assert first.verdict is Verdict.EXACT
    assert second.failure.error.server.sqlstate == "42501"


ORDERS = """
CREATE FUNCTION public.secret() RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;
REVOKE EXECUTE ON FUNCTION public.secret() FROM PUBLIC;
CREATE SEQUENCE public.numbers;
CREATE TABLE public.orders (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number serial,
    word   text DEFAULT public.secret(),
    parent bigint REFERENCES public.orders
);
ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.orders FORCE ROW LEVEL SECURITY;
"""
FILLED = """
INSERT INTO public.orders (id, parent) OVERRIDING SYSTEM VALUE VALUES (10, 10);
INSERT INTO public.orders (parent) SELECT 10 FROM generate_series(1, 3);
SELECT setval('public.numbers', 7), nextval('public.numbers');
COPY public.orders (parent) FROM STDIN;
10
\\.
UPDATE public.orders SET word = 'y';
DELETE FROM public.orders WHERE id = 1;
ALTER TABLE public.orders DISABLE TRIGGER USER;
CREATE TEMP TABLE scratch AS SELECT * FROM public.orders;
"""


def test_samples_fill_tables_with_all_that_belongs_to_them(project, server):
    gone = "DROP TABLE public.orders; DROP FUNCTION public.secret(); DROP SEQUENCE public.numbers;"
    project.migration("1", ORDERS, rollback=gone)
    project.migration("2", "ALTER TABLE public.orders ADD x int;", rollback="ALTER TABLE public.orders DROP x;")
    project.file("samples/2.sql", FILLED)
    project.file("samples/2.expect.sql", "SELECT count(*) = 4 AND bool_and(word = 'y') FROM public.orders;")

    trips = tried(project, server.shadow)

    assert [(trip.verdict, trip.failure, trip.expectations) for trip in trips] == [(Verdict.EXACT, None, ())] * 2
