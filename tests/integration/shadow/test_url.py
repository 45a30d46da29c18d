"""Shadow databases on a server that the user named: whose they are, that none stays, and which server is refused."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sqlmigrate import connection, queries, shadow
from sqlmigrate.errors import ConfigError, ConnectionFailed, UsageError
from sqlmigrate.shadow import Wanted, read_facts
from sqlmigrate.shadow.databases import APPLICATION
from support.server_user import leave, python, said
from support.vacuum import make_thing, wait_for_vacuum
from support.waiting import LONG, wait_until

pytestmark = pytest.mark.pg

SHADOWS = "SELECT datname FROM pg_database WHERE datname LIKE 'sqlmigrate_shadow_%'"
# Says which database it has, and leaves when its standard input ends.
USE = """
import sys
from sqlmigrate import shadow
with shadow.opened(shadow.Wanted(shadow_url=sys.argv[1])) as opened, opened.database() as database:
    print(database.name, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def url(database, new_role) -> str:
    """The test's server as one for shadows, with a login of its own that has a password and an odd name."""
    login = new_role("LOGIN CREATEDB PASSWORD 'geheim123'", "the shadow's")
    return make_conninfo(database.superuser_conninfo, user=login, password="geheim123")


@pytest.fixture
def target(admin):
    """What a target on quite another cluster would say."""
    return replace(read_facts(admin), system_identifier=1, started=None, superuser=False)


@pytest.fixture
def shadows(admin):
    """Ask which shadow databases there are."""
    return lambda: {name for (name,) in admin.execute(SHADOWS)}


def test_databases_are_made_as_the_login_of_the_url_and_dropped(url, target, shadows):
    with shadow.opened(Wanted(shadow_url=url, target=target)) as opened:
        with opened.database() as database, connection.session(database.conninfo) as session:
            assert database.conninfo == database.admin_conninfo
            row = session.execute(
                "SELECT current_user, pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
            )
            assert row.fetchone() == ("the shadow's", "the shadow's")
            session.execute("CREATE TABLE public.t ()")
            session.close()
            with opened.clone(database) as clone:
                assert {database.name, clone.name} < shadows()
        assert (opened.private, opened.owner, opened.notes) == (False, "the shadow's", ())
    assert shadows() == set()


def test_a_database_is_dropped_after_an_error_with_a_session_still_in_it(url, shadows):
    def fail() -> None:
        with shadow.opened(Wanted(shadow_url=url)) as opened, opened.database() as database:
            sessions.append(connection.connect(database.conninfo))
            raise ZeroDivisionError

    sessions: list[connection.Connection] = []
    with pytest.raises(ZeroDivisionError):
        fail()
    sessions[0].close()
    assert shadows() == set()


def test_what_a_script_says_of_the_login_decides_no_later_run(url, database, admin):
    """A role may always give itself settings, and they outlive the throwaway database."""
    others = sql.Identifier(database.name)
    role = sql.SQL("ALTER ROLE {} ").format(sql.Identifier("the shadow's"))
    for text in ('SET search_path = b, "A c"', "SET app.tenant = 'it''s'", "SET work_mem = '5MB'"):
        admin.execute(role + sql.SQL(text))
    admin.execute(role + sql.SQL("IN DATABASE {} SET lock_timeout = '3s'").format(others))
    asked = queries.load("shadow")["login_settings"]
    with connection.session(url) as session:
        before = session.execute(asked).fetchall()
    assert len(before) == 4

    with shadow.opened(Wanted(shadow_url=url)) as opened, opened.database() as throwaway:
        assert "app.tenant, lock_timeout, search_path, work_mem" in opened.notes[0]
        with connection.session(throwaway.conninfo) as session:
            for text in (
                "SET search_path = evil", "RESET work_mem", "SET default_transaction_read_only = on",
                "SET statement_timeout = 1", "SET check_function_bodies = off",
            ):  # fmt: skip
                session.execute(sql.SQL("ALTER ROLE CURRENT_USER ") + sql.SQL(text))
            session.execute(sql.SQL("ALTER ROLE CURRENT_USER IN DATABASE {} RESET ALL").format(others))
            session.execute("ALTER ROLE CURRENT_USER IN DATABASE template1 SET lock_timeout = 1")
            here = sql.Identifier(throwaway.name)
            session.execute(sql.SQL("ALTER ROLE CURRENT_USER IN DATABASE {} SET lock_timeout = 1").format(here))
            session.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s "
                "AND usename = current_user AND pid <> pg_backend_pid()",
                [APPLICATION],
            )
    with connection.session(url) as session:
        assert session.execute(asked).fetchall() == before


def test_a_database_is_dropped_though_autovacuum_works_in_it(url, shadows, vacuumed):
    """Only a superuser may end its process by FORCE."""
    with shadow.opened(Wanted(shadow_url=url)) as opened, opened.database() as database:
        make_thing(database.conninfo)
        wait_for_vacuum(vacuumed, database=database.name)
    assert shadows() == set()


def test_a_database_is_dropped_though_autovacuum_and_a_session_are_in_it(url, shadows, vacuumed):
    with shadow.opened(Wanted(shadow_url=url)) as opened, opened.database() as database:
        make_thing(database.conninfo)
        wait_for_vacuum(vacuumed, database=database.name)
        session = connection.connect(database.conninfo)
    session.close()
    assert shadows() == set()


def test_ctrl_c_drops_everything(url, shadows):
    with python(USE, url) as process:
        assert said(process) in shadows()
        process.send_signal(signal.SIGINT)
        process.wait(LONG)
    assert shadows() == set()


def test_what_a_killed_run_left_is_dropped_by_the_next_one_and_a_living_run_keeps_its_own(url, shadows, admin):
    with python(USE, url) as living:
        kept = said(living)
        before = shadows()
        with python(USE, url) as killed:
            assert said(killed) in shadows()
            killed.kill()
            killed.wait()
        left = shadows() - before
        assert len(left) == 2
        ours = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND datname <> 'postgres'"
        wait_until(lambda: admin.execute(ours, ["the shadow's"]).fetchone() == (1,))

        with shadow.opened(Wanted(shadow_url=url)) as opened:
            (note,) = opened.notes
            assert all(name in note for name in left)
            assert not left & shadows()
        assert kept in shadows()
        assert leave(living) == 0
    assert shadows() == set()


def test_databases_of_other_people_with_a_similar_name_are_left_alone(url, admin, shadows):
    admin.execute("CREATE DATABASE sqlmigrate_shadow_of_mine")
    admin.execute("CREATE DATABASE sqlmigrate_shadow_1_1_ab_1")
    try:
        with shadow.opened(Wanted(shadow_url=url)) as opened:
            assert opened.notes == ()
        assert shadows() == {"sqlmigrate_shadow_of_mine", "sqlmigrate_shadow_1_1_ab_1"}
    finally:
        admin.execute("DROP DATABASE sqlmigrate_shadow_of_mine")
        admin.execute("DROP DATABASE sqlmigrate_shadow_1_1_ab_1")


def test_the_targets_own_cluster_is_refused(url, admin, shadows):
    target = read_facts(admin)
    assert target.system_identifier is not None

    refuse(Wanted(shadow_url=url, target=target))
    refuse(Wanted(shadow_url=url, target=replace(target, started=None)))
    assert shadows() == set()


def test_where_the_identifier_may_not_be_read_the_start_of_the_server_tells(url, admin, conn):
    admin.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    target = read_facts(conn)
    assert target.system_identifier is None

    refuse(Wanted(shadow_url=url, target=target))


def test_what_cannot_be_told_for_sure_is_a_note(url, target):
    unknown = replace(target, system_identifier=None)
    with shadow.opened(Wanted(shadow_url=url, target=unknown)) as opened:
        (note,) = opened.notes
    assert "it is not certain" in note

    with shadow.opened(Wanted(shadow_url=url, target=replace(unknown, major=1, version="1.0"))) as opened:
        (note,) = opened.notes
    assert "the target 1.0" in note


def refuse(wanted: Wanted) -> None:
    with pytest.raises(UsageError, match="is the target's own cluster") as caught, shadow.opened(wanted):
        pass
    assert "geheim123" not in f"{caught.value}{caught.value.hint}{wanted}"


def test_a_login_that_may_not_create_databases_is_told_the_way_out(database):
    with pytest.raises(ConnectionFailed, match="role migrator may not create databases") as caught:
        open_and_close(database.conninfo)
    assert "ALTER ROLE migrator CREATEDB" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "kind"), [("host=/nowhere password=geheim123", ConnectionFailed), ("postgres:/geheim123@x", ConfigError)]
)
def test_a_shadow_url_without_a_server_is_reported_without_the_password(text, kind):
    with pytest.raises(kind, match="shadow") as caught:
        open_and_close(text)
    assert "geheim123" not in str(caught.value)


def open_and_close(text: str) -> None:
    with shadow.opened(Wanted(shadow_url=text)):
        pass


def test_what_would_change_the_cluster_is_left_out_of_the_bootstrap_and_told(url, tmp_path, admin):
    tmp_path.joinpath("1.sql").write_text("CREATE TABLE public.t ();\nCREATE ROLE made_by_bootstrap;")
    wanted = Wanted(shadow_url=url, bootstrap=tmp_path, roles=frozenset({"migrator", "made_by_bootstrap"}))

    with shadow.opened(wanted) as opened:
        left_out, missing = opened.notes
        with opened.database() as database, connection.session(database.conninfo) as session:
            assert session.execute("SELECT tableowner FROM pg_tables WHERE tablename = 't'").fetchall() == [
                ("the shadow's",)
            ]

    assert f"{tmp_path / '1.sql'}:2:1" in left_out
    assert "has no role made_by_bootstrap, which the scripts name" in missing
    assert admin.execute("SELECT FROM pg_roles WHERE rolname = 'made_by_bootstrap'").fetchone() is None
