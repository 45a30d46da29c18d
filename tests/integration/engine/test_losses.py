"""What a plan takes away, found in the catalogs of a real database and counted there."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlmigrate import connection, engine
from sqlmigrate.engine import Options
from sqlmigrate.engine.losses.looking import losses_of
from sqlmigrate.errors import MigrationsError
from sqlmigrate.migrations import Migration
from sqlmigrate.plan import ApplyRequest
from sqlmigrate.sql.script import script_from_text
from support.waiting import wait_until

BASE = """
CREATE TABLE orders (id integer PRIMARY KEY, note text, price numeric(10,4), made timestamptz);
INSERT INTO orders SELECT n, CASE WHEN n <= 3 THEN 'x' END, n, '2026-01-01' FROM generate_series(1, 5) AS n;
CREATE TABLE nothing (id integer, note text);
CREATE TABLE items (id integer, order_id integer REFERENCES orders ON DELETE CASCADE);
INSERT INTO items VALUES (1, 1), (2, NULL);
CREATE TYPE mood AS ENUM ('fine');
CREATE TABLE people (id integer, mood mood, twice integer GENERATED ALWAYS AS (id * 2) STORED);
INSERT INTO people VALUES (1, 'fine'), (2, NULL);
CREATE TABLE events (id integer NOT NULL, what text) PARTITION BY RANGE (id);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10);
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (10) TO (20);
INSERT INTO events VALUES (1, 'a'), (11, 'b'), (12, NULL);
CREATE TABLE parent (id integer);
CREATE TABLE child (more text) INHERITS (parent);
INSERT INTO child VALUES (1, 'x');
CREATE MATERIALIZED VIEW summary AS SELECT id, note FROM orders;
CREATE VIEW shown AS SELECT id FROM orders;
CREATE SEQUENCE numbers; SELECT nextval('numbers'), nextval('numbers');
CREATE SEQUENCE unasked;
CREATE SCHEMA old;
CREATE TABLE old.papers (id serial, "Odd ""name" text);
INSERT INTO old.papers VALUES (1, 'x');
CREATE TYPE old.state AS ENUM ('new');
CREATE TABLE kept (id integer, state old.state);
INSERT INTO kept VALUES (1, 'new');
"""
ORDERS, CASCADED = ("table public.orders", "dropped", 5, 18), ("materialized view public.summary", "dropped", 5, 8)
CASES = {
    "DROP TABLE nothing": [("table public.nothing", "dropped", 0, 0)],
    "DROP TABLE orders": [ORDERS],
    "DROP TABLE orders CASCADE": [ORDERS, CASCADED],
    "DROP VIEW shown": [],
    "DROP TABLE IF EXISTS missing": [],
    "DROP MATERIALIZED VIEW summary": [CASCADED],
    "ALTER TABLE orders DROP COLUMN note": [("column public.orders.note", "dropped", 5, 3)],
    "ALTER TABLE orders DROP COLUMN note CASCADE": [("column public.orders.note", "dropped", 5, 3), CASCADED],
    "ALTER TABLE people DROP COLUMN twice": [],
    "ALTER TABLE parent DROP COLUMN id": [("column public.parent.id", "dropped", 1, 1)],
    "ALTER TABLE events DROP COLUMN what": [("column public.events.what", "dropped", 3, 2)],
    "DROP TYPE mood CASCADE": [("column public.people.mood", "dropped", 2, 1)],
    "DROP TABLE events": [("table public.events", "dropped", 3, 5)],
    "DROP TABLE events_2": [("table public.events_2", "dropped", 2, 3)],
    "DROP TABLE parent CASCADE": [("table public.child", "dropped", 1, 2), ("table public.parent", "dropped", 0, 0)],
    "DROP SEQUENCE numbers": [("sequence public.numbers", "dropped", None, 2)],
    "DROP SEQUENCE unasked": [("sequence public.unasked", "dropped", None, 0)],
    "DROP SCHEMA old CASCADE": [("table old.papers", "dropped", 1, 2), ("column public.kept.state", "dropped", 1, 1)],
    "TRUNCATE items": [("table public.items", "emptied", 2, 3)],
    "TRUNCATE orders CASCADE": [("table public.orders", "emptied", 5, 18), ("table public.items", "emptied", 2, 3)],
    "DELETE FROM items": [("table public.items", "emptied", 2, 3)],
    "DELETE FROM items WHERE id = 1": [],
    "DELETE FROM orders": [
        ("table public.orders", "emptied", 5, 18),
        ("table public.items", "emptied as far as it refers to deleted rows", 2, 3),
    ],
    "DO $$ BEGIN IF true THEN DROP TABLE items; END IF; END $$": [("table public.items", "dropped", 2, 3)],
    "DO $$ BEGIN EXECUTE format('DROP TABLE %I', 'items'); END $$": [
        ("unknown ", "the DO block puts its SQL together as it runs (EXECUTE)", None, None)
    ],
    "ALTER TABLE orders ALTER note TYPE varchar(1) USING note::varchar(1)": [
        ("column public.orders.note", "its values may be cut", 5, 3)
    ],
    "ALTER TABLE orders ALTER note TYPE varchar(1)": [],  # PostgreSQL refuses what does not fit
    "ALTER TABLE orders ALTER price TYPE numeric(10,2)": [
        ("column public.orders.price", "its values may be rounded", 5, 5)
    ],
    "ALTER TABLE orders ALTER price TYPE numeric(12,6)": [],
    "ALTER TABLE orders ALTER made TYPE date": [("column public.orders.made", "its values may be cut", 5, 5)],
    "ALTER TABLE orders ALTER made TYPE timestamp USING made AT TIME ZONE 'UTC'": [],
    # a name may stand for another table by then
    "CREATE TABLE fresh (a int); INSERT INTO fresh VALUES (1); DROP TABLE fresh": [],
    "ALTER TABLE items RENAME TO gone; CREATE TABLE items (a int); DROP TABLE items": [],
    "ALTER TABLE items RENAME TO gone; DROP TABLE gone": [("table public.items", "dropped", 2, 3)],
    "CREATE TEMP TABLE items (a int); DROP TABLE items": [],
    "CREATE TABLE IF NOT EXISTS items (a int); DROP TABLE items": [("table public.items", "dropped", 2, 3)],
    "ALTER TABLE items ADD COLUMN x int; ALTER TABLE items DROP COLUMN x": [],
    "ALTER TABLE orders RENAME note TO said; ALTER TABLE orders DROP said": [
        ("column public.orders.note", "dropped", 5, 3)
    ],
    "ALTER TABLE items SET SCHEMA old; DROP SCHEMA old CASCADE": [
        ("table old.papers", "dropped", 1, 2), ("table public.items", "dropped", 2, 3),
        ("column public.kept.state", "dropped", 1, 1),
    ],
    "ALTER TABLE old.papers SET SCHEMA public; DROP SCHEMA old CASCADE": [
        ("column public.kept.state", "dropped", 1, 1)
    ],
    "DROP TABLE items; CREATE TABLE items (a int); DROP TABLE items": [("table public.items", "dropped", 2, 3)],
    "SET search_path TO pg_catalog; DROP TABLE public.items": [("table public.items", "dropped", 2, 3)],
}  # fmt: skip


def losses(runner, *scripts, rollback="SELECT 1", **options):
    """Give what it would take away to apply these, which are not applied."""
    for number, script in enumerate(scripts):
        runner.write(f"9{number}", f"{script};\n", rollback)
    request = ApplyRequest(migrations=runner.load())
    return engine.preview(runner.conninfo, request, runner.options(options)).plan.losses


def told(found):
    return [(item.object, item.how, item.rows, item.values) for item in found]


@pytest.fixture
def base(runner, database):
    runner.write("00", BASE, "SELECT 1;")
    runner.apply()
    settled(database, "orders", 5)
    return runner


def settled(database, table, rows):
    """Wait until statistics have what an ended session inserted: after an ANALYZE, it would be added once more."""
    with database.connect_superuser() as admin:
        asked = "SELECT pg_stat_get_live_tuples(%s::regclass)", [table]
        wait_until(lambda: admin.execute(*asked).fetchone()[0] >= rows)


def test_each_table_and_column_that_goes_is_found_and_counted(base):
    wrong = {}
    with connection.session(base.conninfo) as session:
        for text, expected in CASES.items():
            run = Migration("a", script_from_text(Path("a.sql"), f"{text};\n")).forward()
            found = losses_of(session, [run], Options())
            if told(found) != expected or not all(item.exact for item in found if item.kind != "unknown"):
                wrong[text] = found

    assert wrong == {}


def test_what_the_run_has_made_is_no_loss_and_names_go_on_from_script_to_script(base):
    found = losses(base, "ALTER TABLE items RENAME TO a; CREATE TABLE items ()", "DROP TABLE items", "DROP TABLE a")

    assert [(item.migration_id, item.object, item.place.line) for item in found] == [("92", "table public.items", 1)]


def test_a_table_that_may_not_be_read_is_estimated_and_says_why(base, database):
    admin = database.connect_superuser()
    admin.execute("ALTER TABLE orders ENABLE ROW LEVEL SECURITY; ALTER TABLE orders FORCE ROW LEVEL SECURITY")
    admin.execute("REVOKE SELECT ON items FROM migrator; ANALYZE orders, items, people")

    hidden, unread = losses(base, "DROP TABLE orders, items")

    assert (hidden.exact, hidden.rows, hidden.values) == (False, 5, None)  # pg_stats hides what it knows, too
    assert hidden.why == "row security hides rows from this role"
    assert (unread.exact, unread.rows, unread.why) == (False, 2, "this role may not SELECT from it")
    assert unread.counts


def test_a_locked_table_is_waited_for_by_nobody(base, database):
    database.connect_superuser().execute("ANALYZE orders")
    holder = database.holding("LOCK TABLE orders")

    (found,) = losses(base, "ALTER TABLE orders DROP COLUMN note")

    holder.rollback()
    assert (found.exact, found.values, found.why) == (False, 3, "another session has locked it")


@pytest.mark.parametrize("left", [0, 1])
def test_a_count_that_takes_too_long_is_estimated(base, database, monkeypatch, left):
    with database.connect_superuser() as admin:
        admin.execute("INSERT INTO nothing SELECT n FROM generate_series(1, 300000) AS n")
    settled(database, "nothing", 300_000)
    database.connect_superuser().execute("ANALYZE nothing")
    monkeypatch.setattr("sqlmigrate.engine.losses.counting._left", lambda _: left)

    (found,) = losses(base, "DROP TABLE nothing")

    assert (found.exact, found.rows) == (False, pytest.approx(300_000, rel=0.1))
    assert "counting takes more than" in found.why


def test_nothing_of_anybody_runs_for_a_count(base, database):
    database.connect().execute("""
        CREATE FUNCTION trap(anyelement) RETURNS boolean LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'it ran'; END $$;
        CREATE SCHEMA evil;
        CREATE FUNCTION evil.count(anyelement) RETURNS bigint LANGUAGE sql AS 'SELECT 1 / 0';
        ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
        CREATE POLICY p ON orders USING (trap(id));
        CREATE TABLE "of; DROP TABLE items" ("a"" b" integer);
        INSERT INTO "of; DROP TABLE items" VALUES (1);
    """)

    found = losses(base, 'DROP TABLE orders CASCADE; DROP TABLE "of; DROP TABLE items"')

    assert [(item.object, item.rows) for item in found] == [
        ("table public.orders", 5), ("materialized view public.summary", 5), ('table public."of; DROP TABLE items"', 1)
    ]  # fmt: skip
    assert told(losses(base, 'ALTER TABLE "of; DROP TABLE items" DROP COLUMN "a"" b"'))[0][3] == 1


def test_to_count_is_no_scan(base):
    run = Migration("a", script_from_text(Path("a.sql"), "DROP TABLE people;\n")).forward()
    with connection.session(base.conninfo) as session:
        (found,) = losses_of(session, [run], Options())
    with connection.session(base.conninfo) as session:
        session.execute("SELECT FROM public.people")

    def scans():  # a session reports at its end
        with connection.session(base.conninfo) as session:
            return session.execute("SELECT pg_catalog.pg_stat_get_numscans('public.people'::regclass)").fetchone()[0]

    assert wait_until(scans) == 1
    assert (found.rows, found.exact) == (2, True)


def test_a_script_that_takes_nothing_costs_no_statement(base, monkeypatch):
    def refuse(*_):
        raise AssertionError

    monkeypatch.setattr("sqlmigrate.engine.losses.looking.look", refuse)

    assert losses(base, "CREATE TABLE more (a int); UPDATE orders SET note = 'a'") == ()


EVIL = """
CREATE SCHEMA loss_evil AUTHORIZATION loss_evil; GRANT USAGE ON SCHEMA loss_evil TO migrator;
SET SESSION AUTHORIZATION loss_evil; SET search_path TO loss_evil;
CREATE FUNCTION trap(integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS
    $$ BEGIN IF current_user <> 'loss_evil' THEN RAISE EXCEPTION 'it ran'; END IF; RETURN 1; END $$;
CREATE FUNCTION trap(integer, integer) RETURNS integer IMMUTABLE LANGUAGE sql AS 'SELECT loss_evil.trap($1)';
CREATE OPERATOR <-> (LEFTARG = integer, RIGHTARG = integer, FUNCTION = trap);
"""
PLANNED = {
    "by_index": "CREATE INDEX ON by_index ((id + trap(1)))",
    "by_predicate": "CREATE INDEX ON by_predicate (id) WHERE id > trap(1)",
    "by_operator": "CREATE INDEX ON by_operator ((id + (1 OPERATOR(loss_evil.<->) 1)))",
    "by_statistics": "CREATE STATISTICS s ON (id + trap(1)) FROM by_statistics",
    "by_kinds_of_statistics": "CREATE STATISTICS s2 (mcv) ON id, (id + trap(1)) FROM by_kinds_of_statistics",
}
"""What PostgreSQL calls as soon as it plans a query of a table, with the rights of whoever asks."""


FIRST_WITHOUT_OWN_GRANTS = 150000


def test_nothing_that_planning_calls_runs_for_a_count(base, database):
    admin = database.connect_superuser()
    admin.execute("CREATE ROLE loss_evil")
    try:
        admin.execute(EVIL)
        for name, made in PLANNED.items():
            admin.execute(f"CREATE TABLE {name} (id integer); INSERT INTO {name} VALUES (1); {made}")
            admin.execute(f"GRANT SELECT ON {name} TO migrator")
        if admin.info.server_version < FIRST_WITHOUT_OWN_GRANTS:
            admin.execute("GRANT loss_evil TO migrator")  # by itself: it is no role of the login's for that

        found = losses(base, "DROP TABLE " + ", ".join(f"loss_evil.{name}" for name in PLANNED))

        assert {item.table for item in found} == {f"loss_evil.{name}" for name in PLANNED}
        assert {(item.exact, item.why) for item in found} == {
            (False, "its indexes or statistics call functions of role loss_evil, with your privileges")
        }
    finally:
        admin.execute("RESET SESSION AUTHORIZATION; DROP OWNED BY loss_evil CASCADE; DROP ROLE loss_evil")


def test_what_calls_functions_of_the_login_is_counted(base, database):
    database.connect().execute("""
        CREATE FUNCTION same(integer) RETURNS integer IMMUTABLE LANGUAGE sql AS 'SELECT $1';
        CREATE INDEX ON items (same(id)) WHERE same(id) > 0;
    """)

    assert [(item.exact, item.rows) for item in losses(base, "DROP TABLE items")] == [(True, 2)]


def test_a_remark_before_a_statement_allows_what_it_takes_and_no_other(base):
    found = losses(base, "-- sqlmigrate-allow: H21 it moved\nDROP TABLE items;\nDROP TABLE people")

    assert [(item.table, item.allowed) for item in found] == [("public.items", "it moved"), ("public.people", None)]


def test_the_role_of_the_script_reads_what_it_drops(base, database):
    admin = database.connect_superuser()
    admin.execute("CREATE ROLE loss_owner; GRANT loss_owner TO migrator")
    try:
        admin.execute("ALTER TABLE items OWNER TO loss_owner; GRANT USAGE ON SCHEMA public TO loss_owner")

        (found,) = losses(base, "-- sqlmigrate: role=loss_owner\nDROP TABLE items")

        assert (found.exact, found.rows) == (True, 2)
    finally:
        admin.execute("DROP OWNED BY loss_owner CASCADE")
        admin.execute("DROP ROLE loss_owner")


def test_what_cannot_run_is_refused_as_ever(base):
    with pytest.raises(MigrationsError, match="nothing was run"):
        losses(base, "DROP TABLE items; COMMIT")
