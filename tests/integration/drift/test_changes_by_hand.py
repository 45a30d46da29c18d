"""A database that is what its files say has no drift, and each change by hand is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from fixtures.postgres import AS_BORN, ROLE, Database
from sqlmigrate.errors import ExecutionError, HistoryError, ScriptError
from sqlmigrate.history.foreign import KNOWN
from sqlmigrate.migrations import migration_hash
from sqlmigrate.server import PrivateServer, drop_database, ensure_database
from sqlmigrate.shadow import read_settings
from support.drift import Drifting, lines
from support.runner import place
from support.standby import standby_of

pytestmark = pytest.mark.pg

CHANGES = [
    ("CREATE INDEX by_hand ON customers (name)", "+ index public.by_hand: "),
    ("CREATE TABLE tried (a integer)", "+ table public.tried: 1 column"),
    ("CREATE SCHEMA by_hand", "+ schema by_hand: "),
    ("ALTER TABLE customers ADD COLUMN phone text", "+ column public.customers.phone: text"),
    ("ALTER TABLE customers DROP COLUMN added", "- column public.customers.added: timestamp"),
    ("DROP INDEX orders_amounts", "- index public.orders_amounts: "),
    ("ALTER TABLE customers ALTER email SET DEFAULT ''", "~ column public.customers.email: default none -> "),
    ("CREATE OR REPLACE FUNCTION total(customer integer) RETURNS numeric LANGUAGE sql AS 'SELECT 1.0'",
     "~ function public.total(integer): definition"),
    ("GRANT EXECUTE ON FUNCTION total TO PUBLIC", "~ function public.total(integer): acl + =X/migrator"),
    ("GRANT SELECT ON customers TO PUBLIC", "~ table public.customers: acl + =r/migrator"),
    ("REVOKE USAGE ON SEQUENCE numbers FROM migrator", "~ sequence public.numbers: acl - migrator="),
    ("ALTER VIEW rich OWNER TO postgres", "~ view public.rich: owner migrator -> postgres"),
    ("COMMENT ON TABLE customers IS 'who pays'", "~ table public.customers: comment who buys -> who pays"),
    ("ALTER TABLE customers DISABLE TRIGGER touched", "~ trigger touched on public.customers: enabled "),
    ("ALTER TABLE orders DROP CONSTRAINT orders_amount, ADD CONSTRAINT orders_amount CHECK (amount > 0) NOT VALID",
     "~ constraint orders_amount on public.orders: "),
    ("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'customers_email'::regclass",
     "~ index public.customers_email: invalid no -> yes"),
    ("ALTER TABLE orders DISABLE ROW LEVEL SECURITY", "~ table public.orders: row security yes -> no"),
    ("ALTER POLICY orders_all ON orders USING (true)", "~ policy orders_all on public.orders: using "),
    ("ALTER DEFAULT PRIVILEGES FOR ROLE migrator GRANT INSERT ON TABLES TO PUBLIC",
     "+ default privileges for role migrator on tables: "),
    ("ALTER TYPE mood ADD VALUE 'tired'", "~ type public.mood: labels + tired"),
    ("GRANT CREATE ON SCHEMA public TO pg_monitor", "~ schema public: acl + pg_monitor=C/pg_database_owner"),
    ("CREATE PUBLICATION by_hand", "+ publication by_hand: "),
]  # fmt: skip

# functions that print these fail where they are gone, though the transaction still sees their rows
SOON_DROPPED = """
CREATE SCHEMA soon;
CREATE TABLE soon.t (i integer PRIMARY KEY, j text CHECK (j <> 'x'));
CREATE INDEX ON soon.t ((i + 1), lower(j)) WHERE i > 5;
CREATE VIEW soon.v AS SELECT i, count(*) FROM soon.t GROUP BY i;
CREATE FUNCTION soon.f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM soon.t; END;
CREATE STATISTICS soon.s ON i, (lower(j)) FROM soon.t;
"""


@pytest.fixture
def drifting(database: Database, tmp_path: Path, shadow_url: str) -> Drifting:
    """A database without migrations; throwaway databases are made on the second server."""
    directory = tmp_path / "sql"
    directory.mkdir()
    return Drifting(database.conninfo, directory, shadow_url)


@pytest.fixture(scope="session")
def base_template(pg_server: PrivateServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A database to which migrations with a bit of everything are applied, and their folder."""
    ensure_database(pg_server, name="template_base", owner=ROLE)
    directory = tmp_path_factory.mktemp("base")
    Drifting(pg_server.conninfo("template_base", ROLE), directory, None).base()
    yield "template_base", directory
    drop_database(pg_server, "template_base")


@pytest.fixture
def based(
    pg_server: PrivateServer, base_template: tuple[str, Path], shadow_url: str
) -> Iterator[tuple[Drifting, psycopg.Connection]]:
    """A copy of that database, and a superuser's session in it."""
    template, directory = base_template
    statement = sql.SQL("CREATE DATABASE based TEMPLATE {} OWNER {}").format(
        sql.Identifier(template), sql.Identifier(ROLE)
    )
    with psycopg.connect(pg_server.conninfo(), autocommit=True) as session:
        session.execute(AS_BORN)
        session.execute(statement)
    with psycopg.connect(pg_server.conninfo("based"), autocommit=True) as admin:
        yield Drifting(pg_server.conninfo("based", ROLE), directory, shadow_url), admin
    drop_database(pg_server, "based")


@pytest.fixture
def new_reader(pg_server):
    """Make a role without any right, but for reading the history."""
    made = []

    def make(admin, *, reads: bool = True) -> str:
        admin.execute("CREATE ROLE reader_of_test LOGIN")
        made.append(admin)
        if reads:
            admin.execute("GRANT USAGE ON SCHEMA sqlmigrate TO reader_of_test")
            admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA sqlmigrate TO reader_of_test")
        return "reader_of_test"

    yield make
    for admin in made:
        admin.execute("DROP OWNED BY reader_of_test; DROP ROLE reader_of_test")


def test_a_database_that_is_what_its_files_say_has_no_drift(based):
    found = based[0].find()

    assert lines(found) == []
    assert (found.migrations, found.notes) == (2, ())


def test_a_private_server_needs_no_url_and_gives_the_same(based):
    found = based[0].find(shadow_url=None)

    assert lines(found) == []
    assert found.notes == ()


def test_each_change_by_hand_is_found(based):
    drifting, admin = based
    for change, _ in CHANGES:
        admin.execute(change)

    found = drifting.find()

    shown = [line for line in lines(found) if not line.startswith(" ")]
    assert [seen for _, seen in CHANGES if not any(line.startswith(seen) for line in shown)] == []
    assert [line for line in shown if not any(line.startswith(seen) for _, seen in CHANGES)] == []


def test_the_database_is_only_read(based):
    """A write would be refused, were there one that our own READ ONLY did not refuse before."""
    drifting, admin = based
    name = sql.Identifier(admin.info.dbname)
    admin.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))

    assert lines(drifting.find()) == []


def test_what_is_dropped_while_it_is_read_is_read_again(based, monkeypatch):
    drifting, admin = based
    admin.execute(SOON_DROPPED)
    times = []

    def read_and_drop(*arguments, **options):
        settings = read_settings(*arguments, **options)
        if not times:
            admin.execute("DROP SCHEMA soon CASCADE")
        times.append(admin)
        return settings

    monkeypatch.setattr("sqlmigrate.drift.live.read_settings", read_and_drop)

    assert lines(drifting.find()) == []
    assert len(times) == 2


def test_a_role_that_may_only_read_the_history_is_enough(based, new_reader):
    drifting, admin = based
    reader = new_reader(admin)

    found = drifting.find(make_conninfo(drifting.conninfo, user=reader), history_owners=(ROLE,))

    assert lines(found) == []


def test_a_server_whose_identifier_may_not_be_asked_is_compared_all_the_same(based, new_reader):
    drifting, admin = based
    reader = new_reader(admin)
    admin.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")

    found = drifting.find(make_conninfo(drifting.conninfo, user=reader), history_owners=(ROLE,))

    assert lines(found) == []
    assert [
        note
        for note in found.notes
        if "it is not certain that --shadow-url and the target are different clusters" in note
    ] == [*found.notes]


def test_a_role_that_may_not_read_the_history_is_told_the_grant(based, new_reader):
    drifting, admin = based
    reader = new_reader(admin, reads=False)

    with pytest.raises(HistoryError, match="may not read the history") as caught:
        drifting.find(make_conninfo(drifting.conninfo, user=reader))

    assert "GRANT USAGE" in caught.value.hint


def test_a_standby_can_be_compared(based, pg_server):
    drifting, admin = based
    admin.execute("CREATE TABLE by_hand ()")
    with standby_of(pg_server) as standby:
        found = drifting.find(standby.conninfo("based", ROLE))

    assert lines(found) == ["+ table public.by_hand: access method heap"]


def test_the_recorded_text_stands_for_an_edited_and_for_a_missing_file(drifting):
    drifting.write("0001.a", "CREATE TABLE a (one integer)")
    gone = drifting.write("0002.b", "CREATE TABLE b (two integer)")
    drifting.apply()
    drifting.write("0001.a", "CREATE TABLE a (one bigint)")
    gone.unlink()

    found = drifting.find()

    assert lines(found) == []
    assert [note.partition(", so")[0] for note in found.notes] == [
        "these migrations were edited after they were applied",
        "these migrations no longer have a file",
    ]


def test_the_file_stands_for_what_was_edited_and_not_recorded(drifting, conn):
    drifting.write("0001.a", "CREATE TABLE a (one integer)")
    drifting.apply()
    drifting.write("0001.a", "CREATE TABLE a (one bigint)")
    conn.execute("UPDATE sqlmigrate.applied SET script = NULL")

    found = drifting.find()

    assert lines(found) == ["~ column public.a.one: type bigint -> integer"]
    (note,) = found.notes
    assert note.endswith("and no text was recorded, so the file was used: 0001.a")


def test_a_script_that_can_be_had_nowhere_is_an_error(drifting, conn):
    drifting.write("0001.a", "CREATE TABLE a ()").unlink()
    drifting.write("0002.b", "CREATE TABLE b ()")
    drifting.apply()
    conn.execute("UPDATE sqlmigrate.applied SET script = NULL")
    (drifting.directory / "0002.b.sql").unlink()

    with pytest.raises(HistoryError, match=r"0002\.b is applied, but its script is missing"):
        drifting.find()


def test_marked_migrations_and_those_of_yoyo_are_replayed_from_their_files(drifting, conn):
    for name in "abc":
        drifting.write(f"000.{name}", f"CREATE TABLE {name} ()")
        conn.execute(f"CREATE TABLE {name} ()")
    drifting.mark("000.a", "000.b")
    conn.execute("INSERT INTO sqlmigrate._yoyo_migration SELECT %s, '000.c', now()", [migration_hash("000.c")])
    conn.execute("CREATE TABLE _yoyo_log (id text); CREATE TABLE yoyo_lock (pid integer)")

    found = drifting.find()

    assert lines(found) == []
    assert (found.migrations, found.notes) == (3, ("the tables of yoyo's own history are not compared",))


def test_only_real_histories_of_other_tools_are_left_out_of_the_comparison(based):
    drifting, admin = based
    made = set()
    for item in KNOWN:
        schema = "other" if (item.schema, item.name) in made else item.schema
        if item.tool == "sqlmigrate" or (schema, item.name) in made:
            continue
        made.add((schema, item.name))
        columns = ", ".join(f'"{name}" text' for name in sorted(item.columns - {"id"}))
        columns = f"id serial PRIMARY KEY, {columns}" if "id" in item.columns else columns
        admin.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"; CREATE TABLE "{schema}"."{item.name}" ({columns})')
        admin.execute(f'CREATE INDEX ON "{schema}"."{item.name}" ("{min(item.columns)}")')
    admin.execute("CREATE FUNCTION hdb_catalog.gen_hasura_uuid() RETURNS uuid LANGUAGE sql RETURN gen_random_uuid()")
    admin.execute("CREATE SCHEMA birds; CREATE TABLE birds.migrations (id int, species text)")

    found = drifting.find()

    shown = [line.partition(":")[0] for line in lines(found) if not line.startswith(" ")]
    assert shown == ["+ schema birds", "+ table birds.migrations"]
    assert "the history of Drizzle, drizzle.__drizzle_migrations, is not compared" in found.notes
    assert "the tables of yoyo's own history are not compared" in found.notes


def test_another_history_of_ours_is_not_compared(based):
    drifting, _ = based
    drifting.defaults = {"schema": "hist_of_another"}
    drifting.mark("0001.base", "0002.index")
    drifting.defaults = {}

    found = drifting.find()

    assert lines(found) == []
    assert found.notes == ("the other history of sqlmigrate, in schema hist_of_another, is not compared",)


def test_pending_migrations_are_not_replayed(drifting):
    drifting.write("0001.a", "CREATE TABLE a ()")
    drifting.apply()
    drifting.write("0002.b", "CREATE TABLE b ()")

    found = drifting.find()

    assert (lines(found), found.migrations) == ([], 1)


def test_the_order_of_application_counts_and_not_the_order_of_names(drifting):
    drifting.write("0002.b", "CREATE TABLE b ()")
    drifting.apply()
    drifting.write("0001.a", "ALTER TABLE b ADD COLUMN one integer")
    drifting.apply(allow_out_of_order=True)

    assert lines(drifting.find()) == []


def test_a_script_that_stopped_half_way_counts_as_not_applied(drifting):
    drifting.write("0001.a", "-- transactional: false\nCREATE TABLE a ();\nCREATE TABLE a ();\n")
    with pytest.raises(ExecutionError):
        drifting.apply()

    found = drifting.find()

    assert lines(found) == ["+ table public.a: access method heap"]
    assert found.half_way == ("0001.a",)
    assert found.notes == ("these migrations stopped half way, and count as not applied: 0001.a",)


def test_without_a_history_everything_is_extra(drifting, conn):
    conn.execute("CREATE TABLE a ()")

    found = drifting.find()

    assert lines(found) == ["+ table public.a: access method heap"]
    assert found.notes == ("there is no history in schema sqlmigrate: nothing counts as applied",)


def test_a_script_that_fails_on_the_shadow_is_an_error_with_its_place(drifting, conn):
    conn.execute("CREATE TABLE by_hand ()")
    drifting.write("0001.a", "CREATE TABLE a ();\nALTER TABLE by_hand ADD COLUMN one integer;\n")
    drifting.apply()

    with pytest.raises(ExecutionError, match="on the throwaway database: ") as caught:
        drifting.find()

    assert place(caught.value) == "0001.a.sql:2:1"
    assert caught.value.kept
    assert "bootstrap/" in caught.value.hint


def test_extensions_are_compared_by_name_and_schema_alone(drifting, admin):
    drifting.write("0001.a", "CREATE EXTENSION IF NOT EXISTS citext; CREATE TABLE a (name citext)")
    admin.execute("CREATE EXTENSION citext; CREATE EXTENSION pg_trgm")
    drifting.apply()

    assert lines(drifting.find()) == ["+ extension pg_trgm: schema public"]


def test_the_settings_of_the_database_are_not_compared(drifting, conn, database):
    conn.execute(sql.SQL("ALTER DATABASE {} SET work_mem = '5MB'").format(sql.Identifier(database.name)))
    conn.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database.name)))

    assert lines(drifting.find()) == []


def test_a_search_path_that_the_database_sets_holds_for_the_replay(drifting, conn, database):
    conn.execute(sql.SQL("ALTER DATABASE {} SET search_path = app").format(sql.Identifier(database.name)))
    drifting.write("0001.a", "CREATE SCHEMA app; CREATE TABLE a ()")
    drifting.apply()

    assert lines(drifting.find()) == []


def test_an_extension_that_the_shadow_cannot_have_is_named(drifting, conn):
    drifting.write("0001.a", "CREATE EXTENSION not_to_be_had")
    drifting.mark("0001.a")

    with pytest.raises(ExecutionError) as caught:
        drifting.find()

    assert caught.value.hint == (
        "the server of the throwaway database has no extension not_to_be_had; name one that has it with --shadow-url"
    )


def test_a_marked_script_that_would_end_its_transaction_is_refused(drifting):
    drifting.write("0001.a", "CREATE TABLE a ();\nCOMMIT;\n")
    drifting.mark("0001.a")

    with pytest.raises(ScriptError) as caught:
        drifting.find()

    assert place(caught.value) == "0001.a.sql:2:1"
