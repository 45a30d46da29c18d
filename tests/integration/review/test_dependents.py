"""Functions that work before a script and no longer behind it, by plpgsql_check and without it."""

from __future__ import annotations

import psycopg
import pytest

from sqlmigrate.review.dependents import broken_bodies, checking
from sqlmigrate.review.hazards import Context, check
from sqlmigrate.shadow import ShadowDatabase
from support.tracing import trace_text

GROUND = """
    CREATE TABLE orders (id bigint PRIMARY KEY, state text, note text, total int);
    CREATE TABLE archive (id bigint, state text, note text, total int, archived_at text);
    CREATE TABLE like_orders (LIKE orders);
    CREATE INDEX orders_state ON orders (state);
    CREATE TYPE mood AS ENUM ('sad');
    CREATE VIEW open_orders AS SELECT id, state FROM orders;
    CREATE FUNCTION twice(x int) RETURNS int LANGUAGE sql AS 'SELECT 2 * x';
    CREATE FUNCTION by_sql(which bigint) RETURNS text LANGUAGE sql SET search_path = ''
        AS 'SELECT note FROM public.orders WHERE id = which';
    CREATE FUNCTION looped() RETURNS int LANGUAGE plpgsql AS $f$
        DECLARE one record; found_total orders.total%TYPE := 0;
        BEGIN -- it's all here
            FOR one IN SELECT id, total FROM orders WHERE looped.found_total IS NULL LOOP
                UPDATE orders SET total = one.total WHERE id = one.id;
            END LOOP;
            IF EXISTS (SELECT 1 FROM open_orders) THEN
                SELECT sum(total) INTO STRICT found_total FROM orders;
            END IF;
            RETURN twice(found_total);
        END $f$;
    CREATE FUNCTION feels() RETURNS text LANGUAGE plpgsql AS
        $f$ DECLARE m mood := 'sad'; BEGIN RETURN m; END $f$;
    CREATE FUNCTION rebuilds() RETURNS void LANGUAGE plpgsql AS $f$ BEGIN REINDEX INDEX orders_state; END $f$;
    CREATE FUNCTION executes() RETURNS void LANGUAGE plpgsql AS
        $f$ BEGIN EXECUTE 'UPDATE orders SET note = NULL'; END $f$;
    CREATE FUNCTION archives() RETURNS void LANGUAGE plpgsql AS
        $f$ BEGIN INSERT INTO archive SELECT * FROM orders; END $f$;
    CREATE FUNCTION copies() RETURNS void LANGUAGE plpgsql AS
        $f$ BEGIN INSERT INTO like_orders SELECT * FROM orders; END $f$;
    CREATE FUNCTION touches() RETURNS trigger LANGUAGE plpgsql AS
        $f$ BEGIN NEW.note := coalesce(NEW.note, ''); RETURN NEW; END $f$;
    CREATE TRIGGER touch BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touches();
    CREATE FUNCTION broken_already() RETURNS int LANGUAGE plpgsql AS
        $f$ BEGIN RETURN (SELECT nothing FROM orders WHERE note IS NULL); END $f$;
"""

EACH = """
    ALTER TABLE orders RENAME COLUMN note TO remark;
    DROP VIEW open_orders;
    DROP TYPE mood;
    DROP INDEX orders_state;
    CREATE SCHEMA s;
    ALTER TABLE archive SET SCHEMA s;
"""
BREAKING = {
    EACH: {"by_sql": 1, "executes": 1, "touches": 1, "looped": 2, "feels": 3, "rebuilds": 4, "archives": 6},
    "CREATE INDEX ON orders (total); ALTER TABLE orders ADD COLUMN extra text; ALTER FUNCTION twice RENAME TO double": {
        "archives": 2, "copies": 2, "looped": 3,
    },
    "DROP FUNCTION twice; ALTER TABLE orders RENAME TO purchases": {
        "looped": 2, "by_sql": 2, "executes": 2, "archives": 2, "copies": 2,
    },
    "ALTER TABLE orders DROP COLUMN state CASCADE": {"looped": 1, "archives": 1, "copies": 1, "rebuilds": 1},
    # what shifts in both tables meets as before, and what is replaced is as new
    "ALTER TABLE orders ADD COLUMN extra text, ADD COLUMN more int; ALTER TABLE like_orders ADD COLUMN extra text, "
    "ADD COLUMN more int; ALTER TABLE archive RENAME COLUMN archived_at TO at; DROP FUNCTION archives; "
    "DROP FUNCTION twice; CREATE OR REPLACE FUNCTION looped() RETURNS int LANGUAGE plpgsql "
    "AS 'BEGIN RETURN (SELECT sum(total) FROM orders); END'": {},
}  # fmt: skip


@pytest.fixture
def broken(review_shadow, public_database):
    """Give the functions that a script breaks, and the statements that are to blame."""

    def find(text: str, start: ShadowDatabase = public_database) -> dict[str, int]:
        with review_shadow.clone(start) as database:
            traced = trace_text(review_shadow, database, text)
            assert traced.error is None, traced.error
            found = broken_bodies(review_shadow, traced, start, database, search_path="public")
        hazards = check(Context(traced, review_shadow.owner, broken=found))
        return {
            one.seen.partition("(")[0].removeprefix("public."): one.statement for one in hazards if one.code == "H79"
        }

    return find


def test_functions_that_name_what_is_changed_are_found_with_the_statement_to_blame(broken):
    assert {text: broken(text) for text in BREAKING} == BREAKING


def test_plpgsql_check_is_asked_where_it_is_installed(review_shadow, public_database, broken, monkeypatch):
    with review_shadow.clone(public_database) as database:
        try:
            checking.create_checker(database)
        except psycopg.errors.FeatureNotSupported:
            pytest.skip("plpgsql_check is not installed")
    monkeypatch.setattr(review_shadow, "private", True)

    assert broken(EACH) == BREAKING[EACH]

    with review_shadow.clone(public_database) as start:
        with psycopg.connect(start.admin_conninfo) as admin:
            admin.execute("CREATE EXTENSION plpgsql_check")  # as bootstrap/ may do
        assert broken(EACH, start) == BREAKING[EACH]


# Where a backslash does not end a string, ours ends later than PostgreSQL's, and hides the ends of statements.
HOSTILE = """
    SET check_function_bodies = off;
    CREATE FUNCTION hostile() RETURNS void LANGUAGE plpgsql AS $f$
        DECLARE x int) RETURNS void LANGUAGE sql SET application_name TO '\\'' AS $$SELECT$$; COMMIT;
            CREATE TABLE owned(); CREATE FUNCTION pg_temp.more(x int /*'*/;
        BEGIN PERFORM x, note FROM orders; END $f$;
    CREATE FUNCTION honest() RETURNS void LANGUAGE plpgsql AS $f$ BEGIN PERFORM note FROM orders; END $f$;
"""


def test_a_type_in_a_body_brings_no_statement_of_its_own(review_shadow, public_database, broken):
    with review_shadow.clone(public_database) as start:
        with psycopg.connect(start.conninfo) as session:
            session.execute(f"ALTER DATABASE {start.name} SET standard_conforming_strings = off")
            session.execute(HOSTILE)

        assert broken("ALTER TABLE orders RENAME COLUMN note TO remark", start)["honest"] == 1

        with psycopg.connect(start.conninfo) as session:
            assert session.execute("SELECT to_regclass('public.owned')").fetchone() == (None,)
