"""Who gains and who loses access to rows: hazards are what is so behind a script and was not before it."""

from __future__ import annotations

import pytest

from sqlmigrate.review.hazards import Context, check
from support.tracing import run, trace_text

GROUND = """
    DO $$
    DECLARE r text;
    BEGIN
        FOREACH r IN ARRAY ARRAY['anon', 'authenticated', 'shop_app'] LOOP
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) THEN EXECUTE format('CREATE ROLE %I', r); END IF;
        END LOOP;
    END $$;
    CREATE SCHEMA auth;
    CREATE FUNCTION auth.uid() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT 1::bigint';
    CREATE FUNCTION auth.fixed() RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 1::bigint';
    CREATE TABLE safe (id bigint PRIMARY KEY, owner bigint);
    CREATE TABLE open (id bigint PRIMARY KEY, owner bigint);
    CREATE POLICY of_app ON safe TO shop_app USING (id > 0);
    CREATE POLICY never ON safe AS RESTRICTIVE FOR DELETE USING (false);
    ALTER TABLE safe ENABLE ROW LEVEL SECURITY;
    GRANT SELECT, INSERT, UPDATE, DELETE ON safe, open TO shop_app;
    CREATE VIEW past AS SELECT * FROM safe;
    CREATE VIEW as_invoker WITH (security_invoker = true) AS SELECT * FROM safe;
    CREATE VIEW over_invoker AS SELECT * FROM as_invoker;
    GRANT SELECT ON past, as_invoker TO shop_app;
    CREATE FUNCTION wipe() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = '' AS 'DELETE FROM public.open';
    REVOKE EXECUTE ON FUNCTION wipe() FROM PUBLIC;
"""
SECURITY = {f"H7{digit}" for digit in range(9)}


@pytest.fixture
def access(review_shadow, public_database):
    """Give the hazards of access that a script has, as code, statement and severity."""

    def find(
        text: str, *, setup: str = "", operation: str = "apply", unbound: frozenset[str] = frozenset()
    ) -> set[tuple[str, int, str]]:
        with review_shadow.clone(public_database) as database:
            if setup:
                run(database, f"SET search_path = public; {setup}")
            traced = trace_text(review_shadow, database, text, operation=operation)
        assert traced.error is None, traced.error
        hazards = check(Context(traced, review_shadow.owner, unbound=unbound))
        return {(one.code, one.statement, one.severity) for one in hazards if one.code in SECURITY}

    return find


def test_roles_that_no_policy_lets_any_more(access):
    text = "ALTER TABLE open ENABLE ROW LEVEL SECURITY; ALTER POLICY of_app ON safe TO anon"
    assert access(text) == {("H70", 1, "danger"), ("H70", 2, "danger")}
    assert access(text, operation="rollback") == {("H70", 1, "note"), ("H70", 2, "note")}
    assert access(text, unbound=frozenset({"shop_app"})) == set()
    narrower = "CREATE POLICY of_app ON safe FOR SELECT TO shop_app USING (id > 1)"
    assert access(f"DROP POLICY of_app ON safe; {narrower}") == {("H70", 1, "danger")}


def test_a_policy_in_the_place_of_another_shuts_nobody_out(access):
    text = """
        DROP POLICY of_app ON safe;
        CREATE POLICY again ON safe TO shop_app USING (id > 1);
        ALTER TABLE safe RENAME TO safer;
        ALTER TABLE open ENABLE ROW LEVEL SECURITY;
        CREATE POLICY everybody ON open USING (id > 0);
        GRANT SELECT ON open TO shop_app;
    """

    assert access(text) == set()


def test_a_new_table_that_nobody_can_use(access):
    made = "CREATE TABLE new (id bigint PRIMARY KEY); ALTER TABLE new ENABLE ROW LEVEL SECURITY"

    assert access(f"{made}; GRANT SELECT ON new TO shop_app; {made.replace('new', 'other')}") == {("H70", 3, "warning")}
    by_default = "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon"
    assert access(made, setup=by_default) == {("H70", 2, "note")}


def test_row_level_security_that_is_off_again_or_weaker(access):
    text = "ALTER TABLE safe DISABLE ROW LEVEL SECURITY"
    assert access(text) == {("H71", 1, "danger")}
    assert access(text, setup="GRANT SELECT ON safe TO anon") == set()  # that is H30
    forced = "ALTER TABLE safe FORCE ROW LEVEL SECURITY; CREATE POLICY owner ON safe USING (id > 2)"
    found = access("DROP POLICY never ON safe; ALTER TABLE safe NO FORCE ROW LEVEL SECURITY", setup=forced)
    assert found >= {("H71", 1, "warning"), ("H71", 2, "warning")}


def test_what_everybody_gets(access):
    text = """
        GRANT SELECT ON open TO PUBLIC;
        GRANT SELECT (id) ON safe TO PUBLIC;
        GRANT USAGE ON SCHEMA auth TO PUBLIC;
        GRANT CREATE ON SCHEMA auth TO PUBLIC;
        ALTER DEFAULT PRIVILEGES IN SCHEMA auth GRANT SELECT ON TABLES TO PUBLIC;
        GRANT SELECT ON past TO PUBLIC;
        CREATE FUNCTION harmless() RETURNS int LANGUAGE sql AS 'SELECT 1';
        CREATE TYPE mood AS ENUM ('sad');
    """

    found = access(text)

    public = {(number, severity) for code, number, severity in found if code == "H72"}
    assert public == {(1, "danger"), (2, "danger"), (3, "warning"), (4, "danger"), (5, "danger"), (6, "danger")}
    assert ("H76", 6, "danger") in found
    granted = "GRANT SELECT ON open TO PUBLIC"
    assert access("ALTER TABLE open RENAME TO opened; COMMENT ON TABLE opened IS 'x'", setup=granted) == set()


def test_policies_that_let_an_api_use_every_row(access):
    text = """
        CREATE POLICY a ON safe FOR SELECT TO anon USING (true);
        CREATE POLICY b ON safe TO authenticated USING (1 = 1);
        CREATE POLICY c ON safe FOR INSERT TO anon WITH CHECK (true);
        CREATE POLICY d ON safe TO shop_app USING (true);
        CREATE POLICY e ON safe FOR SELECT USING (true);
        CREATE POLICY f ON safe FOR SELECT TO anon USING (owner = (SELECT auth.uid()));
        CREATE POLICY g ON safe AS RESTRICTIVE TO anon USING (true);
        CREATE POLICY h ON safe TO anon USING (false);
    """

    assert access(text) == {("H73", 1, "warning"), ("H73", 2, "danger"), ("H73", 3, "danger")}
    public = "CREATE POLICY e ON safe FOR SELECT USING (true)"
    assert access(public, setup="GRANT SELECT ON safe TO anon") == {("H73", 1, "warning")}


def test_policies_that_call_for_each_row(access):
    text = """
        CREATE POLICY a ON safe TO shop_app USING (owner = auth.uid() OR id = 1);
        CREATE POLICY b ON safe FOR INSERT TO shop_app WITH CHECK (owner = current_setting('x.y', true)::bigint);
        CREATE POLICY c ON safe TO shop_app USING (owner = (SELECT auth.uid()));
        CREATE POLICY d ON safe TO shop_app USING (owner = auth.fixed() AND now() > '2020-01-01');
        CREATE POLICY e ON safe TO shop_app USING (int8abs(owner) = 1);
    """

    assert access(text) == {("H74", 1, "warning"), ("H74", 2, "warning")}


def test_a_policy_without_effect(access):
    text = "CREATE POLICY idle ON open TO shop_app USING (id > 0)"

    assert access(text) == {("H75", 1, "warning")}
    assert access(f"{text}; ALTER TABLE open ENABLE ROW LEVEL SECURITY") == set()


def test_views_that_read_past_row_level_security(access):
    text = """
        CREATE OR REPLACE VIEW as_invoker AS SELECT * FROM safe;
        CREATE MATERIALIZED VIEW kept AS SELECT * FROM past;
        GRANT SELECT ON kept TO anon;
        CREATE VIEW alone AS SELECT * FROM safe;
        CREATE OR REPLACE VIEW past AS SELECT * FROM safe WHERE id > 0;
        GRANT SELECT ON over_invoker TO anon;
    """

    assert access(text) == {("H76", 1, "warning"), ("H76", 3, "danger"), ("H76", 6, "danger")}


def test_definers_that_everybody_may_call(access):
    text = """
        GRANT EXECUTE ON FUNCTION wipe() TO PUBLIC;
        CREATE FUNCTION other() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM open';
        CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN NEW; END';
        CREATE FUNCTION kept() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM open';
        REVOKE EXECUTE ON FUNCTION kept() FROM PUBLIC;
    """

    found = access(text)

    assert {item for item in found if item[0] == "H77"} == {("H77", 1, "warning"), ("H77", 2, "warning")}


def test_privileges_that_are_lost(access):
    text = """
        REVOKE INSERT ON open FROM shop_app;
        DROP VIEW past;
        CREATE VIEW past AS SELECT 1 AS id;
        REVOKE EXECUTE ON FUNCTION auth.uid() FROM PUBLIC;
        DROP TABLE safe CASCADE;
    """

    found = {item for item in access(text) if item[0] == "H78"}

    assert found == {("H78", 1, "warning"), ("H78", 2, "warning"), ("H78", 4, "note")}
    swapped = "CREATE TABLE n (LIKE open); ALTER TABLE open RENAME TO old; ALTER TABLE n RENAME TO open"
    assert access(swapped) == {("H78", 2, "warning")}
    wider = "GRANT SELECT ON open TO PUBLIC; REVOKE SELECT ON open FROM shop_app; ALTER TABLE safe RENAME TO safer"
    assert {item[0] for item in access(wider)} == {"H72"}
