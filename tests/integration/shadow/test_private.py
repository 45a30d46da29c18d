"""Shadow databases on a private server: who scripts run as, what is there before, clones."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg import errors

from sqlmigrate import connection, shadow
from sqlmigrate.errors import ExecutionError, ServerError
from sqlmigrate.server.binaries import BINDIR_VARIABLE
from sqlmigrate.shadow import Shadow, ShadowDatabase, TargetFacts, Wanted
from sqlmigrate.shadow.roles import TESTER

pytestmark = pytest.mark.pg

NAMED = frozenset({"app_owner", "reader", "of_bootstrap"})
RIGHTS = "SELECT rolname, rolcanlogin, rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = ANY (%s)"
BOOTSTRAP = """
CREATE ROLE of_bootstrap;
CREATE TABLE public.runs AS SELECT current_user::text AS who;
GRANT SELECT ON public.runs TO PUBLIC;
"""


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("migrations") / "bootstrap"
    folder.mkdir()
    folder.joinpath("1.sql").write_text(BOOTSTRAP)
    return folder


@pytest.fixture(scope="module")
def bootstrapped_shadow(binaries, bootstrap):
    """One server for the tests of this file that need nothing special."""
    wanted = Wanted(bootstrap=bootstrap, roles=NAMED, owners=frozenset({"app_owner"}))
    with shadow.opened(wanted) as found:
        assert found.major == binaries.major
        yield found


@pytest.fixture
def empty(bootstrapped_shadow: Shadow):
    with bootstrapped_shadow.database() as database:
        yield database


def run(database: ShadowDatabase, *statements: str, admin: bool = False, values: object = None):
    """Run statements in a session of their own, and give the rows of the last one."""
    with connection.session(database.admin_conninfo if admin else database.conninfo) as session:
        for statement in statements[:-1]:
            session.execute(statement)
        cursor = session.execute(statements[-1], values)
        return cursor.fetchall() if cursor.description else []


def databases(opened: Shadow) -> list[str]:
    with opened.database() as any_database:
        found = run(any_database, "SELECT datname FROM pg_database WHERE datname LIKE 'sqlmigrate%' ORDER BY oid")
        return [name for (name,) in found if name != any_database.name]


def facts(**changes) -> TargetFacts:
    return TargetFacts(
        **({"major": 18, "version": "18.1", "database": "shop", "owner": "boss", "login": "boss"} | changes)
    )


def test_scripts_run_as_an_ordinary_role_that_owns_the_database(bootstrapped_shadow, empty):
    ((*owner, database_owner),) = run(
        empty,
        "CREATE TABLE public.t ()",
        "CREATE SCHEMA s",
        "SELECT current_user, rolsuper, rolcreatedb, rolcreaterole, pg_get_userbyid(datdba)"
        " FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()",
    )

    assert (bootstrapped_shadow.private, bootstrapped_shadow.owner, bootstrapped_shadow.notes) == (True, "migrator", ())
    assert (owner, database_owner) == (["migrator", False, False, False], "migrator")
    assert run(empty, "SHOW is_superuser", admin=True) == [("on",)]


def test_the_server_keeps_nothing_safe_and_does_nothing_by_itself(empty):
    names = ("fsync", "autovacuum", "max_locks_per_transaction", "max_prepared_transactions", "wal_level")

    assert [run(empty, f"SHOW {name}")[0][0] for name in names] == ["off", "off", "256", "10", "logical"]


def test_the_bootstrap_has_run_once_as_superuser_in_every_database(bootstrapped_shadow, empty):
    with bootstrapped_shadow.database() as other:
        for database in (empty, other):
            assert run(database, "SELECT who FROM public.runs") == [("postgres",)]


def test_roles_that_the_scripts_name_are_there_without_a_login(bootstrapped_shadow, empty):
    assert sorted(run(empty, RIGHTS, values=[[*NAMED]])) == [(name, *[False] * 4) for name in sorted(NAMED)]
    assert bootstrapped_shadow.missing_roles([*NAMED, "nobody else"]) == ("nobody else",)


def test_the_owner_may_hand_over_to_roles_made_for_the_scripts_and_act_as_them(empty):
    run(
        empty,
        "CREATE TABLE public.t ()",
        "ALTER TABLE public.t OWNER TO app_owner",
        "GRANT SELECT ON public.t TO reader",
        "ALTER TABLE public.t ADD COLUMN n integer",
        "SET ROLE app_owner",
        "CREATE TABLE public.u ()",
    )

    found = run(empty, "SELECT tablename, tableowner FROM pg_tables WHERE tableowner = 'app_owner' ORDER BY 1")
    assert found == [("t", "app_owner"), ("u", "app_owner")]


def test_what_a_role_of_the_bootstrap_may_do_is_said_there(empty):
    with pytest.raises(errors.InsufficientPrivilege):
        run(empty, "SET ROLE of_bootstrap")


def test_a_clone_has_what_the_source_has_and_goes_its_own_way(bootstrapped_shadow, empty):
    run(empty, "CREATE TABLE public.t AS SELECT 1 AS n")
    with bootstrapped_shadow.clone(empty) as clone:
        run(clone, "INSERT INTO public.t VALUES (2)")
        with bootstrapped_shadow.clone(clone) as second:
            assert run(second, "SELECT * FROM public.t ORDER BY n") == [(1,), (2,)]

    assert run(empty, "SELECT * FROM public.t") == [(1,)]
    with bootstrapped_shadow.exclusive(empty):
        assert databases(bootstrapped_shadow)[1:] == [empty.name]


def test_of_the_databases_that_are_done_with_a_few_stay_to_the_end(bootstrapped_shadow, empty):
    with bootstrapped_shadow.exclusive(empty):
        for _ in range(9):
            with bootstrapped_shadow.clone(empty):
                pass

        assert len(databases(bootstrapped_shadow)[2:]) == 6


def test_a_database_that_is_done_with_keeps_no_role_from_being_dropped(bootstrapped_shadow, empty):
    with bootstrapped_shadow.clone(empty) as clone:
        run(
            clone,
            "CREATE ROLE passing_by",
            "CREATE TABLE public.t ()",
            "GRANT SELECT ON public.t TO passing_by",
            f'GRANT TEMPORARY ON DATABASE "{clone.name}" TO passing_by',
            admin=True,
        )

    run(empty, "DROP ROLE passing_by", admin=True)

    assert run(empty, "SELECT FROM pg_roles WHERE rolname = 'passing_by'") == []


@pytest.mark.parametrize(
    "last",
    [
        ["BEGIN", "CREATE TABLE public.t ()", "PREPARE TRANSACTION 'same name'"],
        ["CREATE SUBSCRIPTION same_name CONNECTION 'host=none' PUBLICATION p WITH (connect = false)"],
    ],
    ids=["a prepared transaction", "a subscription"],
)
def test_what_lasts_in_a_database_is_gone_with_it(bootstrapped_shadow, empty, last):
    for _ in range(2):
        with bootstrapped_shadow.clone(empty) as clone:
            run(clone, *last, admin=True)

    assert run(empty, "SELECT FROM pg_prepared_xacts") == run(empty, "SELECT FROM pg_stat_subscription") == []


def test_a_clone_has_the_settings_rights_and_comment_of_the_database_itself(bootstrapped_shadow, empty):
    itself = """SELECT datacl::text, shobj_description(oid, 'pg_database'), current_setting('work_mem')
                FROM pg_database WHERE datname = current_database()"""
    run(
        empty,
        f"ALTER DATABASE {empty.name} SET work_mem = '9MB'",
        f"GRANT CREATE ON DATABASE {empty.name} TO reader",
        f"COMMENT ON DATABASE {empty.name} IS 'mine'",
        admin=True,
    )
    with bootstrapped_shadow.clone(empty) as clone, bootstrapped_shadow.clone(clone) as second:
        assert run(second, itself) == run(empty, itself)
        run(second, f"REVOKE CREATE ON DATABASE {second.name} FROM reader", admin=True)
        assert run(second, itself) != run(empty, itself)


def test_a_source_with_an_open_session_cannot_be_cloned(bootstrapped_shadow, empty, monkeypatch):
    monkeypatch.setattr("sqlmigrate.shadow.databases._CLONE_WAIT", 0.2)
    with (
        connection.session(empty.conninfo),
        pytest.raises(ServerError, match=f"database {empty.name} cannot be cloned: a session is open in it"),
        bootstrapped_shadow.clone(empty),
    ):
        pass


def test_nothing_keeps_a_database_from_being_dropped(bootstrapped_shadow):
    with bootstrapped_shadow.database() as database:
        run(database, "BEGIN", "CREATE TABLE public.t ()", "PREPARE TRANSACTION 'left open'")
        run(database, "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (connect = false)", admin=True)
        session = connection.connect(database.conninfo)

    session.close()
    assert database.name not in databases(bootstrapped_shadow)


def test_an_error_in_the_block_passes_through_and_the_database_is_dropped(bootstrapped_shadow):
    with pytest.raises(KeyboardInterrupt), bootstrapped_shadow.database() as database:
        raise KeyboardInterrupt

    assert database.name not in databases(bootstrapped_shadow)


def test_missing_extensions_are_reported_by_name(bootstrapped_shadow):
    assert bootstrapped_shadow.missing_extensions(["plpgsql", "no_such", "another"]) == ("another", "no_such")


def test_scripts_run_as_superuser_on_demand(binaries):
    wanted = Wanted(superuser=True, roles=frozenset({"postgres", "reader"}), owners=frozenset({"writer"}))
    with shadow.opened(wanted) as opened, opened.database() as database:
        assert database.conninfo == database.admin_conninfo
        assert run(database, "SET ROLE reader", "SELECT session_user, current_user") == [("postgres", "reader")]
        run(database, "SET ROLE writer", "CREATE TABLE public.t ()")


def test_an_ordinary_role_may_have_the_name_of_the_superuser(binaries):
    wanted = Wanted(roles=frozenset({"postgres"}), owners=frozenset({"postgres"}))
    with shadow.opened(wanted) as opened, opened.database() as database:
        run(database, "CREATE TABLE public.t ()", "ALTER TABLE public.t OWNER TO postgres")
        assert run(database, RIGHTS, values=[["postgres"]]) == [("postgres", *[False] * 4)]
        assert run(database, "SHOW is_superuser", admin=True) == [("on",)]


@pytest.mark.parametrize("wanted", [Wanted(roles=frozenset({TESTER})), Wanted(owner=TESTER)], ids=["script", "owner"])
def test_a_script_cannot_name_the_tester(wanted):
    with pytest.raises(ServerError, match=f"name the role {TESTER}") as caught, shadow.opened(wanted):
        raise AssertionError
    assert caught.value.hint == "give the role another name"


@pytest.mark.parametrize("name", ["a\nb", 'x" trust\nlocal all all trust #', "/.*", "/["])
def test_an_owner_whose_name_the_server_would_read_as_something_else_is_refused_at_once(binaries, name):
    if name.startswith("/") and binaries.major < 16:
        with shadow.opened(Wanted(owner=name)) as opened, opened.database() as database:
            assert run(database, "SELECT current_user") == [(name,)]
        return
    with pytest.raises(ServerError, match="does not take its name") as caught, shadow.opened(Wanted(owner=name)):
        raise AssertionError
    assert caught.value.hint == "use a role whose name has no line break and does not begin with a slash"


@pytest.mark.parametrize("name", ["+postgres", "all", "@x", "a,b", "#x", 'a"b', "a\\", "a\rb", " "])
def test_other_names_of_owners_stand_for_themselves(name):
    with shadow.opened(Wanted(owner=name)) as opened, opened.database() as database:
        assert run(database, "SELECT current_user") == [(name,)]


def test_the_owner_is_named_as_the_login_of_the_target_and_has_its_rights_short_of_superuser(binaries):
    target = facts(login="postgres", superuser=True, creates_roles=True, major=binaries.major, version="x")
    with shadow.opened(Wanted(target=target)) as opened, opened.database() as database:
        assert run(database, RIGHTS, values=[["postgres"]]) == [("postgres", True, False, False, True)]
        assert run(database, "SELECT current_user") == [("postgres",)]
        (note,) = opened.notes
    assert "postgres is a superuser in the target" in note


def test_another_major_version_than_the_targets_is_reported(binaries):
    with shadow.opened(Wanted(target=facts(major=12, version="12.3"))) as opened:
        assert opened.notes == (
            (
                f"the throwaway server is PostgreSQL {opened.version}, the target 12.3: "
                "what differs between them is not proven"
            ),
        )


def test_a_bootstrap_that_fails_is_reported_with_its_place(binaries, tmp_path):
    tmp_path.joinpath("1.sql").write_text("SELECT 1;\nSELECT nonsense;")

    with pytest.raises(ExecutionError, match="nonsense") as caught, shadow.opened(Wanted(bootstrap=tmp_path)):
        pass
    assert (caught.value.place.path.name, caught.value.place.line) == ("1.sql", 2)


def test_without_a_server_the_next_step_is_reported(monkeypatch):
    monkeypatch.setenv(BINDIR_VARIABLE, "/nowhere")

    with pytest.raises(ServerError, match="/nowhere") as caught, shadow.opened(Wanted(target=facts())):
        pass
    assert "--shadow-url" in caught.value.hint
    assert f"set {BINDIR_VARIABLE} to the directory" in caught.value.hint
    assert "pip install" not in caught.value.hint
