"""What the planner of the target is asked, and that nothing of anybody else's runs for it."""

from __future__ import annotations

import psycopg
import pytest

from sqlmigrate.review.asking import Source
from sqlmigrate.review.known import Known
from sqlmigrate.sql.statement.harmless import FUNCTIONS as HARMLESS
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
    "a domain with a check": "CREATE DOMAIN dom AS integer CHECK (ours(1)); ALTER TABLE orders ADD COLUMN c dom",
    "an array of such": "CREATE DOMAIN dom AS integer CHECK (ours(1)); ALTER TABLE orders ADD COLUMN c dom[]",
    "a cast of a column": "CREATE FUNCTION told(mood) RETURNS text LANGUAGE sql AS 'SELECT public.ours(1)::text';"
    "CREATE CAST (mood AS text) WITH FUNCTION told(mood) AS IMPLICIT",
    "a cast of a row": "CREATE FUNCTION told(orders) RETURNS json LANGUAGE sql AS 'SELECT to_json(public.ours(1))';"
    "CREATE CAST (orders AS json) WITH FUNCTION told(orders)",
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


# What a statement may make of a table's own types without a word of others: a cast, a domain's check.
UNSAID = """
    UPDATE orders SET region = 'x' WHERE coalesce('sad', mood) = 'calm'::text;
    UPDATE orders SET region = 'x' WHERE id < length(to_jsonb(CASE WHEN true THEN 'sad' ELSE mood END)::text);
    UPDATE orders SET region = 'x' WHERE CASE WHEN false THEN orders END = 'x'::text;
    UPDATE orders SET region = 'x' WHERE id < (jsonb_populate_record(CASE WHEN false THEN orders END, '{"c":1}')).c;
"""
TYPED = """
    CREATE DOMAIN checked AS integer CHECK (ours(1));
    ALTER TABLE orders ADD COLUMN c checked;
    CREATE FUNCTION told(mood) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
        $$ BEGIN PERFORM public.ours(1); RETURN 'x'; END $$;
    CREATE FUNCTION told(orders) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
        $$ BEGIN PERFORM public.ours(1); RETURN 'x'; END $$;
    CREATE FUNCTION told_json(mood) RETURNS json LANGUAGE plpgsql IMMUTABLE AS
        $$ BEGIN PERFORM public.ours(1); RETURN '1'; END $$;
    CREATE CAST (mood AS text) WITH FUNCTION told(mood) AS IMPLICIT;
    CREATE CAST (mood AS json) WITH FUNCTION told_json(mood);
    CREATE CAST (orders AS text) WITH FUNCTION told(orders) AS IMPLICIT;
"""


def test_a_type_whose_casts_or_checks_are_functions_is_not_planned(target, review_shadow, public_database, traps):
    session = target.connect()
    session.execute(TYPED)
    traps.used()
    with review_shadow.clone(public_database) as copy:
        with psycopg.connect(copy.conninfo) as inside:
            inside.execute(TYPED)
        traced = trace_text(review_shadow, copy, UNSAID)
    assert traced.error is None
    assert len(traced.statements) == 4
    for one in traced.statements:
        session.execute(f"EXPLAIN SELECT FROM orders WHERE {one.statement.text.partition('WHERE')[2]}")
        assert traps.used() == ["planned"], one.statement.text  # the trap works

    asked = Source(conninfo=target.conninfo).ask(traced, Known())

    assert asked.rows == {}
    assert traps.used() == []


def test_a_function_that_may_be_planned_is_told_no_object_by_its_arguments(target):
    found = target.connect().execute(
        """
        SELECT DISTINCT p.proname FROM pg_proc p, unnest(p.proargtypes) AS a (type)
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname = ANY (%s) AND p.prokind = 'f'
          AND p.provolatile <> 'v'
          AND a.type::regtype::text ~ '^(reg|refcursor|internal|oid$|xml)' AND a.type <> 'regconfig'::regtype
        """,
        [sorted(HARMLESS)],
    )
    assert found.fetchall() == []


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
