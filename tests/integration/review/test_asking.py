"""What the planner of the target is asked, and that nothing of anybody else's runs for it."""

from __future__ import annotations

import pytest

from sqlmigrate.review.asking import Source
from sqlmigrate.review.known import Known
from support.tracing import trace_text

GROUND = """
    CREATE TYPE mood AS ENUM ('sad', 'calm');
    CREATE TABLE orders (id integer PRIMARY KEY, region text, mood mood, pair integer);
    CREATE TABLE copies (id integer, region text, mood mood, pair integer);
    CREATE VIEW seen AS SELECT id, region FROM orders;
    CREATE FUNCTION ours(what integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
        $$ BEGIN RAISE LOG 'hostile: planned'; RETURN true; END $$;
"""
FILLED = """
    INSERT INTO orders SELECT n, CASE WHEN n % 10 = 0 THEN 'eu' END, 'sad', n / 2 FROM generate_series(1, 20000) AS n;
    ANALYZE orders;
"""
STATEMENTS = """
    UPDATE orders SET region = 'eu' WHERE region IS NULL;
    UPDATE orders SET region = 'eu' WHERE id = 7;
    DELETE FROM orders WHERE mood = 'calm';
    INSERT INTO copies SELECT * FROM orders WHERE lower(region) = 'eu' OR region IS NULL;
    UPDATE orders SET region = 'x' WHERE ours(1);
    DELETE FROM copies USING seen WHERE seen.id = copies.id;
    ALTER TABLE orders ADD COLUMN fresh integer;
    UPDATE orders SET fresh = 1 WHERE fresh IS NULL;
    UPDATE orders SET region = 'x' WHERE mood = 'sad'::mood;
"""


@pytest.fixture
def target(database):
    database.connect().execute(f"{GROUND} {FILLED}")
    return database


@pytest.fixture
def traced(review_shadow, public_database):
    with review_shadow.clone(public_database) as copy:
        found = trace_text(review_shadow, copy, STATEMENTS)
    assert found.error is None
    return found


def test_the_planner_says_how_many_rows_and_nothing_is_called_for_it(target, traced, traps):
    session = target.connect()
    session.execute("EXPLAIN SELECT FROM orders WHERE ours(1)")
    assert traps.used() == ["planned"]  # the trap works
    before = session.execute("SELECT pg_current_wal_lsn()").fetchone()

    asked = Source(conninfo=target.conninfo).ask(traced, Known())

    assert traps.used() == []
    rows = asked.rows
    assert rows.keys() == {1, 2, 3, 4}  # own functions, views, new columns and casts to other types are not planned
    assert 16_000 < rows[1] < 19_000
    assert rows[2] == 1
    assert rows[3] < 100
    assert rows[4] > 16_000
    assert asked.columns["public.orders"]["id"].distinct == -1
    assert asked.columns["public.orders"]["region"].nulls == pytest.approx(0.9, abs=0.05)
    assert session.execute("SELECT count(*) FROM orders WHERE region IS NULL").fetchone() == (18_000,)
    assert before is not None


STRANGE = {
    "an index on an expression": "CREATE INDEX ON orders (ours(id))",
    "an index on some rows": "CREATE INDEX ON orders (region) WHERE ours(1)",
    "a check": "ALTER TABLE orders ADD CHECK (ours(1))",
    "statistics": "CREATE STATISTICS more ON (ours(id)), region FROM orders",
    "a child table": "CREATE TABLE child (CHECK (ours(1))) INHERITS (orders)",
    "a type of their own": "CREATE TYPE two AS (a integer); ALTER TABLE orders ADD COLUMN two two",
    "a generated column": "ALTER TABLE orders ADD COLUMN made boolean GENERATED ALWAYS AS (ours(id)) STORED",
}


@pytest.mark.parametrize("more", STRANGE.values(), ids=STRANGE)
def test_a_table_whose_planning_calls_what_is_not_postgresqls_own_is_not_planned(target, traced, traps, more):
    session = target.connect()
    session.execute(more)
    session.execute("SET constraint_exclusion = on")
    traps.used()

    asked = Source(conninfo=target.conninfo).ask(traced, Known())

    assert asked.rows == {}
    assert traps.used() == []


def test_a_function_that_hides_a_built_in_one_is_not_called(target, traced, traps):
    session = target.connect()
    session.execute(
        "CREATE FUNCTION lower(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS "
        "$$ BEGIN RAISE LOG 'hostile: hidden'; RETURN $1; END $$"
    )
    session.execute(f"ALTER DATABASE {target.name} SET search_path = public, pg_catalog")

    asked = Source(conninfo=target.conninfo).ask(traced, Known())

    assert asked.rows[4] > 16_000
    assert traps.used() == []


def test_what_cannot_be_asked_is_not_known(target, traced):
    target.holding("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")

    assert Source(conninfo=target.conninfo).ask(traced, Known()).rows == {}
    assert Source(conninfo="host=/nowhere dbname=x").ask(traced, Known()).rows == {}
    assert Source().ask(traced, Known()).rows == {}


def test_row_level_security_of_others_is_not_planned(target, traced, traps, new_role):
    role = new_role("LOGIN")
    session = target.connect()
    session.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    source = Source(conninfo=target.server.conninfo(target.name, role))
    assert source.ask(traced, Known()).rows
    session.execute("ALTER TABLE orders ENABLE ROW LEVEL SECURITY")
    session.execute("CREATE POLICY p ON orders USING (ours(1))")
    traps.used()

    asked = source.ask(traced, Known())

    assert asked.rows == {}
    assert traps.used() == []
