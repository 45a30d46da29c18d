"""Whose history is believed: only one of an owner that the login trusts, and only as plain tables."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg import sql

from sqlmigrate import connection, history
from sqlmigrate.errors import Error, ExecutionError, HistoryError
from sqlmigrate.history import trust
from sqlmigrate.history.names import TABLES, ours
from sqlmigrate.history.tables import seeds_table
from sqlmigrate.history.yoyo_tables import Where
from sqlmigrate.importing.yoyo import exchange as yoyo_exchange
from sqlmigrate.migrations import migration_hash
from support.default_privileges import DEFAULTS, rights_of_others
from support.runner import Runner, ids
from support.sessions import wait_for_query
from support.stepwise import while_it_runs
from support.twins import psql, written_plan

ADOPTED = """
CREATE TABLE {0}._yoyo_migration (
    migration_hash varchar(64) PRIMARY KEY, migration_id varchar(255), applied_at_utc timestamp
);
INSERT INTO {0}._yoyo_migration VALUES ('{1}', 'a', '2026-01-01');
"""
# what runs with the rights of whoever reads or writes the table; those that call something call evil(), which counts
HUNG = {
    "trigger": "CREATE TRIGGER t BEFORE INSERT OR DELETE ON {} EXECUTE FUNCTION public.evil_trigger()",
    "rule": "CREATE RULE r AS ON INSERT TO {} DO ALSO SELECT evil()",
    "policy": "CREATE POLICY p ON {} USING (evil() IS NOT NULL)",
    "default": "ALTER TABLE {} ADD COLUMN extra text DEFAULT evil()",
    "query in a default": "ALTER TABLE {} ADD COLUMN extra tsquery "
    "DEFAULT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, public.evil()::tsquery')",
    "generated": "ALTER TABLE {} ADD COLUMN extra text GENERATED ALWAYS AS (evil()) STORED",
    "type": "ALTER TABLE {} ADD COLUMN extra evil_text DEFAULT 'x'",
    "check": "ALTER TABLE {} ADD CHECK (evil() IS NOT NULL)",
    "index": "CREATE INDEX ON {} ((evil()))",
    "part": "CREATE INDEX ON {} ((1)) WHERE evil() IS NOT NULL",
    "statistics": "ALTER TABLE {0} ADD COLUMN extra text;"
    "CREATE STATISTICS hung ON (extra || evil()), (extra || '') FROM {0}",
    "child": "CREATE TABLE child () INHERITS ({})",
    "parent": "CREATE TABLE parent (); ALTER TABLE {} INHERIT parent",
    "foreign key from elsewhere": "ALTER TABLE {0} ADD COLUMN extra integer UNIQUE;"
    "CREATE TABLE child (extra integer REFERENCES {0} (extra) ON DELETE CASCADE)",
    "foreign key to elsewhere": "CREATE TABLE parent (extra integer PRIMARY KEY);"
    "ALTER TABLE {} ADD COLUMN extra integer REFERENCES parent",
}
# a sequence counts in an immutable function too, and in a transaction that is rolled back
EVIL = """
CREATE SEQUENCE called;
GRANT USAGE ON called TO PUBLIC;
CREATE FUNCTION evil() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    PERFORM pg_catalog.nextval('public.called');
    RETURN 'x';
END $$;
CREATE FUNCTION evil_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.evil(); RETURN NULL; END $$;
CREATE DOMAIN evil_text AS text CHECK (evil() IS NOT NULL);
"""


@pytest.fixture
def applied(runner, admin) -> Runner:
    """A history of `migrator` in which one migration is applied, and one is pending."""
    runner.write("a", "CREATE TABLE a ();", "DROP TABLE a;")
    runner.write("b", "CREATE TABLE b ();", "DROP TABLE b;")
    runner.apply(steps=1)
    return runner


@pytest.fixture
def call(runner, database) -> dict[str, Callable[[], Any]]:
    """Every way in which the history is read or written."""

    def log() -> object:
        with connection.session(runner.conninfo) as session:
            options = runner.options({})
            return history.read_log(session, options.schema, history.LogFilter(), owners=options.history_owners)

    def exchange(work: Callable[..., Any], *arguments: Any) -> Any:
        return work(runner.conninfo, *arguments, runner.options({}), where=Where("public"), gate=lambda *_: None)

    return {
        "status": runner.history,
        "history": log,
        "apply": runner.apply,
        "rollback": lambda: runner.rollback(steps=1),
        "mark": lambda: runner.mark("b"),
        "unmark": lambda: runner.unmark("a"),
        "from yoyo": lambda: exchange(yoyo_exchange.adopt, runner.load()),
        "to yoyo": lambda: exchange(yoyo_exchange.copy_back),
    }


def refusal(work: Callable[[], Any]) -> Error:
    with pytest.raises(HistoryError, match="cannot be trusted") as caught:
        work()
    return caught.value


def was_called(admin: Any) -> bool:
    return bool(admin.execute("SELECT is_called FROM called").fetchone()[0])


def forget_calls(admin: Any) -> None:
    admin.execute("SELECT setval('called', 1, false)")


def as_superuser(runner: Runner, database: Any) -> None:
    """Let the runner log in as superuser, to whom pg_has_role gives every role."""
    runner.conninfo = database.superuser_conninfo


def test_the_history_of_a_role_that_a_superuser_is_not_a_member_of_is_refused_by_every_command(applied, database, call):
    as_superuser(applied, database)

    for work in call.values():
        error = refusal(work)
        assert "belongs to role migrator, which postgres is not a member of" in error.message
        assert 'history_owners = ["migrator"]' in error.hint


def test_a_role_that_the_configuration_names_is_trusted(applied, database):
    as_superuser(applied, database)
    applied.defaults = {"history_owners": ("migrator",)}

    assert applied.applied() == ["a"]
    assert ids(applied.apply()) == ["b"]


def test_a_superuser_who_is_a_member_by_grant_trusts_the_role(applied, database, admin):
    as_superuser(applied, database)
    admin.execute("GRANT migrator TO postgres")
    try:
        assert applied.applied() == ["a"]
    finally:
        admin.execute("REVOKE migrator FROM postgres")


def test_membership_counts_through_other_roles(applied, database, admin, new_role, pg_server):
    between, login = new_role("NOLOGIN"), new_role("LOGIN")
    admin.execute(f"GRANT migrator TO {between}; GRANT {between} TO {login}")
    applied.conninfo = pg_server.conninfo(database.name, login)

    assert applied.applied() == ["a"]
    assert ids(applied.apply()) == ["b"]


def test_a_member_of_the_login_is_nobody_to_trust(applied, database, admin, new_role, pg_server):
    login = new_role("LOGIN")
    admin.execute(f"GRANT {login} TO migrator")
    applied.conninfo = pg_server.conninfo(database.name, login)
    applied.defaults = {}
    admin.execute(
        f"GRANT USAGE ON SCHEMA sqlmigrate TO {login}; GRANT SELECT ON ALL TABLES IN SCHEMA sqlmigrate TO {login}"
    )

    refusal(applied.history)


def test_a_membership_that_gives_only_its_administration_does_not_count(applied, database, admin, new_role, pg_server):
    if pg_server.major < 16:
        pytest.skip("memberships have options since PostgreSQL 16")
    login = new_role("LOGIN")
    admin.execute(f"GRANT migrator TO {login} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
    admin.execute(
        f"GRANT USAGE ON SCHEMA sqlmigrate TO {login}; GRANT SELECT ON ALL TABLES IN SCHEMA sqlmigrate TO {login}"
    )
    applied.conninfo = pg_server.conninfo(database.name, login)

    refusal(applied.history)


def test_the_history_of_a_superuser_is_trusted(runner, database, admin):
    admin.execute("CREATE SCHEMA sqlmigrate")
    owner = Runner(database.superuser_conninfo, runner.directory)
    runner.write("a", "SELECT 1;")
    owner.apply()
    admin.execute(
        "GRANT USAGE ON SCHEMA sqlmigrate TO migrator;"
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA sqlmigrate TO migrator"
    )
    runner.write("b", "SELECT 1;")

    assert runner.applied() == ["a"]
    assert ids(runner.apply()) == ["b"]


@pytest.mark.parametrize("table", [*TABLES, "schema"])
def test_each_table_and_the_schema_must_have_an_owner_that_is_trusted(applied, admin, new_role, table):
    other = new_role("NOLOGIN")
    thing = "SCHEMA sqlmigrate" if table == "schema" else f"TABLE sqlmigrate.{table}"
    admin.execute(f"ALTER {thing} OWNER TO {other}")
    if table == "schema":
        admin.execute("GRANT USAGE ON SCHEMA sqlmigrate TO migrator")
    else:
        admin.execute(f"GRANT ALL ON sqlmigrate.{table} TO migrator")

    assert f"belongs to role {other}" in refusal(applied.history).message


def test_a_schema_in_which_others_may_create_tables_is_refused_with_the_sql_that_helps(applied, conn, new_role):
    other = new_role("NOLOGIN")
    for role in ("PUBLIC", other):
        conn.execute(f"GRANT CREATE ON SCHEMA sqlmigrate TO {role}")
        error = refusal(applied.history)
        assert "schema sqlmigrate cannot be trusted" in error.message
        conn.execute(error.hint.partition("; or")[0])
        assert applied.applied() == ["a"]


def test_a_schema_of_others_is_refused_before_anything_is_made_in_it(runner, admin, new_role):
    other = new_role("NOLOGIN")
    admin.execute(f"CREATE SCHEMA sqlmigrate AUTHORIZATION {other}; GRANT ALL ON SCHEMA sqlmigrate TO migrator")
    runner.write("a", "SELECT 1;")

    refusal(runner.apply)

    assert admin.execute("SELECT FROM pg_class WHERE relnamespace = 'sqlmigrate'::regnamespace").fetchall() == []


def test_the_owner_of_the_database_stands_for_pg_database_owner(runner, admin, database, pg_server):
    admin.execute("ALTER SCHEMA public OWNER TO pg_database_owner; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    runner.defaults = {"schema": "public"}
    runner.write("a", "SELECT 1;")

    assert ids(runner.apply()) == ["a"]
    assert runner.applied() == ["a"]


@pytest.mark.parametrize("kind", HUNG)
def test_nothing_that_hangs_on_the_tables_of_a_trusted_role_runs(applied, admin, database, call, kind):
    """Another member of the owner, or the owner that a superuser trusts, must not act as who reads."""
    as_superuser(applied, database)
    applied.defaults = {"history_owners": ("migrator",)}
    admin.execute(EVIL)
    for table in ("_yoyo_migration", "applied", "log", "_yoyo_log", "journal", "meta"):
        with admin.transaction(force_rollback=True):
            admin.execute(HUNG[kind].format(f"sqlmigrate.{table}"))
            with pytest.raises(HistoryError, match=rf"sqlmigrate\.{table} cannot be trusted"):
                trust.require(admin, ours("sqlmigrate", ["migrator"]))
    admin.execute(HUNG[kind].format("sqlmigrate._yoyo_migration"))
    forget_calls(admin)

    for work in call.values():
        refusal(work)

    assert not was_called(admin)


def test_a_view_in_the_place_of_a_table_is_not_read(applied, admin, database, call):
    as_superuser(applied, database)
    applied.defaults = {"history_owners": ("migrator",)}
    admin.execute(EVIL)
    admin.execute("ALTER TABLE sqlmigrate.meta RENAME TO real_meta")
    admin.execute(
        "CREATE VIEW sqlmigrate.meta AS SELECT version, upgraded_at, evil() AS upgraded_by FROM sqlmigrate.real_meta"
    )
    admin.execute("ALTER VIEW sqlmigrate.meta OWNER TO migrator")

    for work in call.values():
        assert "meta cannot be trusted as a history: it is not a plain table" in refusal(work).message
    assert not was_called(admin)


def test_row_level_security_that_hides_nothing_from_us_is_not_a_reason(applied, conn, admin):
    conn.execute("ALTER TABLE sqlmigrate._yoyo_migration ENABLE ROW LEVEL SECURITY")
    assert applied.applied() == ["a"]

    conn.execute("ALTER TABLE sqlmigrate._yoyo_migration FORCE ROW LEVEL SECURITY")
    assert "hides rows" in refusal(applied.history).message


def test_an_index_of_somebodys_own_does_no_harm(applied, conn):
    conn.execute("CREATE INDEX ON sqlmigrate._yoyo_log (migration_id)")

    assert ids(applied.apply()) == ["b"]


def test_the_triggers_of_a_table_that_refers_to_the_history_do_not_run_as_who_writes_it(
    applied, admin, database, new_role, call
):
    """AFTER triggers on rows that go with ours run as whoever deletes those, not as the owner of the other table."""
    admin.execute(EVIL)
    other = new_role("LOGIN")
    admin.execute(f"""
        GRANT USAGE ON SCHEMA sqlmigrate TO {other};
        GRANT SELECT, REFERENCES ON sqlmigrate._yoyo_migration TO {other};
        CREATE SCHEMA theirs AUTHORIZATION {other};
    """)
    database.connect_as(other, autocommit=True).execute("""
        CREATE TABLE theirs.child (
            id varchar(64) REFERENCES sqlmigrate._yoyo_migration ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
        );
        INSERT INTO theirs.child SELECT migration_hash FROM sqlmigrate._yoyo_migration;
        CREATE TRIGGER t AFTER DELETE ON theirs.child EXECUTE FUNCTION public.evil_trigger();
    """)

    for name in ("rollback", "unmark", "status"):
        assert "has a foreign key from or to a table of others" in refusal(call[name]).message
    assert not was_called(admin)


@pytest.mark.parametrize(
    ("hung", "reason"),
    [
        (HUNG["trigger"], "has a trigger"),
        ("CREATE TABLE child (id varchar(64) REFERENCES {})", "has a foreign key"),
        ("CREATE STATISTICS hung ON (migration_id || evil()), (migration_id || '') FROM {}", "has extended statistics"),
    ],
)
def test_what_is_hung_on_a_shared_table_between_two_scripts_does_not_run(
    runner, admin, database, new_role, hung, reason
):
    """The history belongs to a group; another member of it adds a trigger while a run is at work."""
    group = new_role("NOLOGIN")
    admin.execute(f"GRANT {group} TO migrator; CREATE SCHEMA sqlmigrate AUTHORIZATION {group}")
    admin.execute(EVIL)
    runner.write("a", "SELECT 1;")
    runner.apply()
    admin.execute(f"ALTER TABLE sqlmigrate._yoyo_migration OWNER TO {group}")
    other = database.connect_superuser()
    runner.write("b", "SELECT 1;")

    with pytest.raises(HistoryError, match="can no longer be trusted, so b was not recorded"):
        while_it_runs(runner, lambda: other.execute(hung.format("sqlmigrate._yoyo_migration")))

    assert not was_called(admin)
    assert reason in refusal(runner.history).message


def test_a_history_that_nobody_else_can_change_is_looked_at_once(applied):
    assert not applied.history().standing.shared
    assert history.trusted("sqlmigrate", shared=False) == ()


@pytest.mark.parametrize("right", ["owner", "TRIGGER", "REFERENCES", "REFERENCES (id)"])
def test_a_history_that_others_can_change_is_shared(applied, admin, new_role, right):
    group = new_role("NOLOGIN")
    if right == "owner":
        admin.execute(f"GRANT {group} TO migrator; ALTER TABLE sqlmigrate.log OWNER TO {group}")
    else:
        admin.execute(f"GRANT {right} ON sqlmigrate.log TO {group}")

    assert applied.history().standing.shared
    assert ids(applied.apply()) == ["b"]
    assert ids(applied.rollback(steps=2)) == ["b", "a"]


def test_the_tables_stay_as_they_are_until_the_writing_is_committed(applied, conn, database):
    with connection.session(applied.conninfo) as session, session.transaction():
        history.hold(session, "sqlmigrate", ())
        conn.execute("SET lock_timeout = '50ms'")
        for change in (
            "DISABLE TRIGGER USER",
            "ALTER COLUMN migration_id SET DEFAULT 'x'",
            "ENABLE ROW LEVEL SECURITY",
        ):
            with pytest.raises(psycopg.errors.LockNotAvailable):
                conn.execute(f"ALTER TABLE sqlmigrate._yoyo_migration {change}")


def test_a_table_of_yoyos_that_is_anybodys_is_not_believed(runner, admin, database, new_role, conn):
    other = new_role("NOLOGIN")
    admin.execute(f"CREATE SCHEMA theirs AUTHORIZATION {other}")
    admin.execute(ADOPTED.format("theirs", migration_hash("a")))
    admin.execute(f"ALTER TABLE theirs._yoyo_migration OWNER TO {other}")
    admin.execute("GRANT USAGE ON SCHEMA theirs TO PUBLIC; GRANT SELECT ON theirs._yoyo_migration TO PUBLIC")
    runner.write("a", "SELECT 1;")

    assert (
        f"theirs._yoyo_migration cannot be trusted as a history: it belongs to role {other}"
        in refusal(runner.apply).message
    )
    runner.defaults = {"history_owners": (other,)}
    with pytest.raises(HistoryError, match="is applied, says theirs"):
        runner.apply()


@pytest.mark.parametrize("kind", HUNG)
def test_policies_and_their_like_on_a_table_of_yoyos_do_not_run_as_the_deployer(runner, admin, database, call, kind):
    admin.execute(EVIL)
    admin.execute(ADOPTED.format("public", migration_hash("a")))
    admin.execute("ALTER TABLE _yoyo_migration OWNER TO migrator")
    admin.execute(HUNG[kind].format("public._yoyo_migration"))
    admin.execute("ALTER TABLE _yoyo_migration ENABLE ROW LEVEL SECURITY")
    forget_calls(admin)
    runner.write("a", "SELECT 1;")

    for name in ("apply", "from yoyo"):
        refusal(call[name])

    assert not was_called(admin)


def test_an_ordinary_user_of_yoyo_moves_in_where_everybody_may_create_in_public(runner, admin, conn, call):
    admin.execute("ALTER SCHEMA public OWNER TO postgres; GRANT CREATE ON SCHEMA public TO PUBLIC")
    conn.execute(ADOPTED.format("public", migration_hash("a")))
    runner.write("a", "SELECT 1;")
    runner.write("b", "SELECT 1;")

    assert call["from yoyo"]().marked == ("a",)
    assert ids(runner.apply()) == ["b"]
    assert [row.migration_id for row, _ in call["to yoyo"]().added] == ["b"]


def test_a_table_that_somebody_planted_beside_yoyos_is_not_written(applied, admin, new_role, call):
    other = new_role("NOLOGIN")
    admin.execute(EVIL)
    admin.execute("CREATE TABLE _yoyo_log (id varchar(36))")
    admin.execute(f"ALTER TABLE _yoyo_log OWNER TO {other}")
    admin.execute(HUNG["trigger"].format("_yoyo_log"))

    assert (
        f"public._yoyo_log cannot be trusted as a history: it belongs to role {other}"
        in refusal(call["to yoyo"]).message
    )
    assert (
        admin.execute("SELECT FROM pg_tables WHERE schemaname = 'public' AND tablename = '_yoyo_migration'").fetchall()
        == []
    )


def test_looking_whose_the_tables_are_takes_no_round_trip_more(applied, monkeypatch):
    sent = []
    execute = psycopg.Cursor.execute
    monkeypatch.setattr(psycopg.Cursor, "execute", lambda self, *a, **k: sent.append(a[0]) or execute(self, *a, **k))
    with connection.session(applied.conninfo) as session:
        sent.clear()
        history.read(session, "sqlmigrate")

    assert len(sent) == 2  # is there one, and the rows


@pytest.mark.parametrize("transactional", ["true", "false"])
def test_a_plan_for_psql_looks_whose_the_history_is_before_it_reads_and_before_each_write(
    runner, admin, database, new_role, transactional
):
    group = new_role("NOLOGIN")
    admin.execute(f"GRANT {group} TO migrator; CREATE SCHEMA sqlmigrate AUTHORIZATION {group}")
    admin.execute(EVIL)
    runner.write("a", "SELECT 1;")
    runner.apply()
    runner.write("b", f"-- transactional: {transactional}\nCREATE TABLE b ();\n")
    assert psql(database, written_plan(runner)).returncode == 0
    runner.unmark("b")
    admin.execute("DROP TABLE b")
    hung = HUNG["trigger"].format("sqlmigrate._yoyo_log") + ";\n"
    hang = f"SET ROLE migrator;\n{hung}RESET ROLE;\n"

    whole = written_plan(runner)
    head, _, rest = whole.partition("\n-- 1 of 1: ")
    during = psql(database, f"{head}\n{hang}-- 1 of 1: {rest}")
    before = psql(database, whole)

    assert during.returncode == before.returncode == 3
    assert "division by zero" in during.stderr
    assert "the history cannot be trusted: sqlmigrate status says why" in before.stderr
    assert not was_called(admin)


def test_what_became_of_a_lost_commit_is_not_known_from_a_history_that_is_not_to_be_trusted_any_more(
    applied, conn, admin, database
):
    """A trigger is hung on the history of the login itself, and the COMMIT that waits is lost."""
    admin.execute(EVIL)
    conn.execute("ALTER TABLE sqlmigrate._yoyo_migration ADD UNIQUE (migration_id) DEFERRABLE INITIALLY DEFERRED")
    holder = database.holding(
        "INSERT INTO sqlmigrate._yoyo_migration (migration_hash, migration_id) VALUES ('of another', 'b')"
    )
    applied.defaults = {"lock_timeout": 60_000}
    applied.write("b", "-- transactional: false\nCREATE TABLE b ();\n")
    trigger = HUNG["trigger"].format("sqlmigrate.log").replace("INSERT OR DELETE", "DELETE")

    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(while_it_runs, applied, lambda: admin.execute(trigger))
        conn.execute("SELECT pg_terminate_backend(%s)", [wait_for_query(conn, "COMMIT%")])
        error = result.exception(60)
    holder.rollback()

    assert isinstance(error, ExecutionError)
    assert "has a trigger" in refusal(applied.history).message


@pytest.mark.parametrize(
    ("check", "trusted"),
    [("lower(version) > 'a' OR version LIKE 'b%'", True), ("version > 'a' OR evil() = 'x'", False)],
)
def test_a_check_of_a_table_that_we_only_read_is_a_reason_only_if_it_calls_what_is_not_postgresqls(
    runner, database, admin, check, trusted
):
    """Under constraint_exclusion = on, to plan a query of the table is enough."""
    admin.execute(EVIL)
    admin.execute(f"CREATE TABLE marks (version text CHECK ({check}))")
    admin.execute("ALTER TABLE marks OWNER TO migrator")
    admin.execute(f"ALTER DATABASE {database.name} SET constraint_exclusion = on")
    forget_calls(admin)
    tables = trust.Tables("public", ("marks",), only_read=True)
    query = sql.SQL("SELECT version FROM public.marks WHERE version OPERATOR(pg_catalog.>) 'c'").format()

    with connection.session(runner.conninfo) as session:
        if trusted:
            assert trust.read(session, tables, query, locked=["marks"])[0] == []
        else:
            error = refusal(lambda: trust.read(session, tables, query, locked=["marks"]))
            assert "uses what is not PostgreSQL's own" in error.message

    assert not was_called(admin)


@pytest.mark.parametrize("schema", ["sqlmigrate", '$do$ 100% "odd"'])
def test_default_privileges_give_nobody_the_right_to_write_a_new_history(runner, admin, conn, new_role, schema):
    other = new_role()
    conn.execute(DEFAULTS.format(other=other))
    runner.defaults = {"schema": schema}
    runner.write("a", "CREATE TABLE a ();")
    runner.apply()
    with connection.session(runner.conninfo) as session:
        session.execute(seeds_table(schema))

    assert rights_of_others(admin, schema) == [(other, "", "USAGE"), (other, "S", "SELECT"), (other, "r", "SELECT")]
    assert admin.execute("SELECT has_table_privilege(%s, 'a', 'INSERT')", [other]).fetchone() == (True,)
    assert runner.applied() == ["a"]


def test_rights_in_a_schema_that_was_there_are_not_taken_back(runner, conn, new_role):
    conn.execute(f"CREATE SCHEMA sqlmigrate; GRANT CREATE ON SCHEMA sqlmigrate TO {new_role()}")
    runner.write("a", "CREATE TABLE a ();")

    with pytest.raises(HistoryError, match="create tables in it") as caught:
        runner.apply()
    conn.execute(caught.value.hint.partition("; or, ")[0])
    runner.apply()


def test_a_prepared_transaction_that_holds_a_table_is_named_before_long(runner, database, conn, monkeypatch):
    runner.write("a", "CREATE TABLE a ();")
    runner.apply()
    runner.write("b", "CREATE TABLE b ();")
    taker = database.holding("LOCK TABLE sqlmigrate.applied")
    taker.execute("PREPARE TRANSACTION 'left behind'")
    monkeypatch.setattr(trust, "PATIENCE", 100)
    try:
        with pytest.raises(HistoryError, match="blocked by the prepared transaction 'left behind'") as caught:
            runner.apply()
    finally:
        conn.execute("ROLLBACK PREPARED 'left behind'")

    assert "ROLLBACK PREPARED would end it" in caught.value.message
    assert "pg_terminate_backend" not in caught.value.hint
    assert ids(runner.apply()) == ["b"]


def test_a_session_that_holds_a_table_is_named_before_long(runner, database, monkeypatch):
    runner.write("a", "CREATE TABLE a ();")
    runner.apply()
    taker = database.holding("LOCK TABLE sqlmigrate.meta")
    monkeypatch.setattr(trust, "PATIENCE", 100)

    with pytest.raises(HistoryError, match=f"blocked by pid {taker.info.backend_pid} ") as caught:
        runner.history()
    assert f"pg_terminate_backend({taker.info.backend_pid})" in caught.value.hint
    with connection.session(runner.conninfo) as session:
        before = session.execute("SHOW lock_timeout").fetchone()
        with pytest.raises(HistoryError):
            history.read(session, "sqlmigrate")
        assert session.execute("SHOW lock_timeout").fetchone() == before
