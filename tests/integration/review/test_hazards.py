from __future__ import annotations

import pytest

from sqlmigrate.review.hazards import RULES, Context, check
from support.hazards import EXAMPLES, example
from support.tracing import run, trace_text

OWNED = """
    DO $$
    DECLARE name regclass;
    BEGIN
        FOR name IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
            EXECUTE format('ALTER TABLE %s OWNER TO {owner}', name);
        END LOOP;
    END
    $$;
"""
CODES = [rule.code for rule in RULES]
FAIL_ON_THE_SHADOW = {("H25", "bad")}


@pytest.mark.parametrize("code", CODES)
def test_the_bad_example_has_the_hazard(review_shadow, examples_database, code):
    traced, hazards = example(review_shadow, examples_database, code, "bad")

    assert (traced.error is not None) == ((code, "bad") in FAIL_ON_THE_SHADOW), traced.error
    assert code in {hazard.code for hazard in hazards}


@pytest.mark.parametrize("code", CODES)
def test_the_good_example_does_not_have_the_hazard(review_shadow, examples_database, code):
    traced, hazards = example(review_shadow, examples_database, code, "good")

    assert traced.error is None
    assert code not in {hazard.code for hazard in hazards}


def test_every_example_belongs_to_a_hazard():
    assert sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir()) == CODES


def found(shadow, ground, text: str, **options) -> list[tuple[str, int]]:
    with shadow.clone(ground) as database:
        traced = trace_text(shadow, database, text, **options)
    assert traced.error is None
    return [(hazard.code, hazard.statement) for hazard in check(Context(traced, shadow.owner))]


def test_what_goes_with_a_column_is_not_a_victim_of_cascade(review_shadow, examples_database):
    text = """
        ALTER TABLE orders
            DROP COLUMN customer_id,
            ADD COLUMN owner_id bigint REFERENCES customers ON DELETE CASCADE;
        CREATE INDEX ON orders (owner_id);
    """

    assert "H22" not in {code for code, _ in found(review_shadow, examples_database, text)}


def test_nothing_that_is_done_to_a_new_table_is_a_hazard(review_shadow, examples_database):
    text = """
        CREATE TABLE parcels (id bigint PRIMARY KEY, weight integer NOT NULL);
        CREATE INDEX ON parcels (weight);
        ALTER TABLE parcels ADD COLUMN token uuid DEFAULT gen_random_uuid();
        ALTER TABLE parcels ADD CHECK (weight > 0);
        ALTER TABLE parcels ADD COLUMN height integer NOT NULL;
        UPDATE parcels SET height = 1;
        ALTER TABLE parcels DROP COLUMN weight;
        DROP TABLE parcels;
    """

    assert found(review_shadow, examples_database, text) == []


def test_an_index_on_a_partitioned_table_is_one_hazard(review_shadow, examples_database):
    text = "CREATE INDEX measures_value ON measures (value)"

    with review_shadow.clone(examples_database) as database:
        run(database, "CREATE TABLE measures (day date, value integer) PARTITION BY RANGE (day)")
        run(database, "CREATE TABLE measures_1 PARTITION OF measures DEFAULT")
        traced = trace_text(review_shadow, database, text)

    assert {hazard.code for hazard in check(Context(traced, review_shadow.owner))} == {"H06"}


def test_what_a_block_hides_is_found_too(review_shadow, examples_database):
    text = """
        DO $$
        BEGIN
            EXECUTE 'ALTER TABLE orders ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid()';
            EXECUTE 'CREATE INDEX orders_placed ON orders (placed)';
            EXECUTE 'DROP TABLE customers CASCADE';
        END
        $$
    """

    assert {code for code, _ in found(review_shadow, examples_database, text)} == {"H01", "H06", "H21"}


def test_the_roles_of_an_api_may_have_other_names(review_shadow, examples_database, new_role):
    role = new_role("NOLOGIN", "web_anon")
    with review_shadow.clone(examples_database) as database:
        traced = trace_text(
            review_shadow, database, f"CREATE TABLE open (id integer PRIMARY KEY); GRANT SELECT ON open TO {role};"
        )

    assert check(Context(traced, review_shadow.owner)) == []
    [one] = check(Context(traced, review_shadow.owner, (role,)))
    assert (one.code, one.seen) == ("H30", "public.open has no row level security, and web_anon may use it")


def test_a_grant_opens_tables_that_were_there_before(review_shadow, examples_database, new_role):
    role = new_role("NOLOGIN", "web anon")
    text = f"""
        GRANT SELECT ON customers TO "{role}";
        GRANT INSERT ON customers TO "{role}";
        GRANT UPDATE (status) ON orders TO "{role}";
        GRANT SELECT ON secured TO "{role}";
        GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{role}";
        REVOKE ALL ON taken_back FROM "{role}";
    """
    setup = """
        SET search_path = public;
        CREATE TABLE secured (id integer);
        ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
        CREATE TABLE taken_back (id integer);
        DO $$ BEGIN FOR n IN 1..9 LOOP EXECUTE format('CREATE TABLE n%s (id integer)', n); END LOOP; END $$;
    """
    with review_shadow.clone(examples_database) as database:
        run(database, setup)
        run(database, OWNED.format(owner=review_shadow.owner))
        traced = trace_text(review_shadow, database, text)

    assert traced.error is None
    hazards = check(Context(traced, review_shadow.owner, ("web anon",)))
    lacks = "no row level security, and web anon may use"
    assert [(one.statement, one.seen) for one in hazards if one.code == "H30"] == [
        (1, f"public.customers has {lacks} it"),
        (3, f"public.orders has {lacks} it"),
        (5, f"public.n1, public.n2, public.n3, public.n4, public.n5 and 4 more have {lacks} them"),
    ]
    [several] = [one for one in hazards if one.statement == 5]
    assert len(several.relations) == len(several.rewrite.splitlines()) == 9


def test_routines_are_found_whatever_their_arguments(review_shadow, examples_database):
    heads = [
        'FUNCTION named("which one" integer) RETURNS integer',
        "FUNCTION several(a integer, b text DEFAULT 'x', VARIADIC more numeric[] DEFAULT '{}') RETURNS integer",
        "FUNCTION gives(a integer, OUT b text, OUT c text) RETURNS record",
        'FUNCTION typed(a public.mood, "b" "Odd Type"[]) RETURNS integer',
        "PROCEDURE runs(a integer, INOUT b integer)",
        "FUNCTION bare() RETURNS integer",
    ]
    sql = {"record": "SELECT 'x', 'y'", "integer": "SELECT 1"}
    make = ";".join(f"CREATE {head} LANGUAGE sql AS $$ {sql[head.split()[-1].rstrip(')')]} $$" for head in heads)
    types = "CREATE TYPE mood AS ENUM ('sad'); CREATE TYPE \"Odd Type\" AS (x integer);"
    renames = ";".join(
        f"ALTER {head.split()[0]} {name} RENAME TO {name}_old"
        for head in heads
        for name in [head.split("(")[0].split()[1]]
    )

    with review_shadow.clone(examples_database) as database:
        definers = make.replace(" LANGUAGE sql", " LANGUAGE sql SECURITY DEFINER")
        made = trace_text(review_shadow, database, f"{types} {definers};")
    with review_shadow.clone(examples_database) as database:
        run(database, f"SET search_path = public; SET ROLE {review_shadow.owner}; {types} {make}")
        renamed = trace_text(review_shadow, database, f"{renames};")

    for traced, code in ((made, "H31"), (renamed, "H23")):
        assert traced.error is None
        found = [one.code for one in check(Context(traced, review_shadow.owner)) if one.code == code]
        assert len(found) == len(heads), (code, found)


def test_many_tables_are_one_short_sentence(review_shadow, examples_database):
    setup = "DO $$ BEGIN FOR n IN 1..100 LOOP EXECUTE format('CREATE TABLE public.n%s (id int)', n); END LOOP; END $$;"
    text = """
        DO $$ BEGIN FOR n IN 1..100 LOOP EXECUTE format('ALTER TABLE n%s ADD COLUMN x int', n); END LOOP; END $$;
        ALTER TABLE customers ADD COLUMN x int;
    """

    with review_shadow.clone(examples_database) as database:
        run(database, f"{setup} {OWNED.format(owner=review_shadow.owner)}")
        traced = trace_text(review_shadow, database, text)

    [hazard] = check(Context(traced, review_shadow.owner))
    assert (hazard.code, len(hazard.relations)) == ("H04", 100)
    assert hazard.seen.endswith(
        " and 95 more can be neither read nor written until COMMIT, while the script still waits for public.customers"
    )
    assert len(hazard.seen) < 400


def test_all_rows_that_a_block_writes_are_found_and_those_that_it_chooses_are_not(review_shadow, examples_database):
    every = """
        DO $$
        BEGIN
            IF true THEN
                UPDATE orders SET status = 'open';
            END IF;
            EXECUTE 'DELETE FROM public.customers';
        END
        $$
    """
    some = """
        DO $$
        DECLARE one record;
        BEGIN
            FOR one IN SELECT id FROM orders FOR UPDATE LOOP
                UPDATE orders SET status = 'open' WHERE id = one.id;
            END LOOP;
            CREATE TEMP TABLE mine AS SELECT 1 AS id;
            UPDATE mine SET id = 2;
            INSERT INTO customers VALUES (1) ON CONFLICT (id) DO UPDATE SET name = 'x';
        END
        $$
    """

    assert found(review_shadow, examples_database, every) == [("H20", 1), ("H20", 1)]
    assert found(review_shadow, examples_database, some) == []


def test_the_same_in_the_rollback_of_what_was_made_is_a_note(review_shadow, examples_database):
    with review_shadow.clone(examples_database) as database:
        traced = trace_text(review_shadow, database, "ALTER TABLE orders DROP COLUMN status", operation="rollback")

    assert [(one.code, one.severity) for one in check(Context(traced, review_shadow.owner))] == [("H21", "note")]


def test_the_rewrite_that_is_offered_names_the_very_objects(review_shadow, examples_database):
    with review_shadow.clone(examples_database) as database:
        text = "ALTER TABLE orders ALTER COLUMN status SET NOT NULL; ALTER TABLE orders ADD CHECK (amount > 0);"
        traced = trace_text(review_shadow, database, text)

    by_code = {(one.code, one.statement): one.rewrite for one in check(Context(traced, review_shadow.owner))}
    assert (
        "\nALTER TABLE public.orders ADD CONSTRAINT status_set CHECK (status IS NOT NULL) NOT VALID;\n"
        in by_code["H02", 1]
    )
    assert "ADD CONSTRAINT orders_amount_check CHECK ((amount > 0)) NOT VALID;" in by_code["H02", 2]


def test_one_thing_is_one_hazard(review_shadow, examples_database):
    text = """
        CREATE TYPE mood AS ENUM ('sad');
        ALTER TABLE orders ADD CONSTRAINT once UNIQUE (placed);
        CREATE POLICY own ON orders USING (true);
        COMMENT ON POLICY own ON orders IS 'said';
        ALTER TABLE orders OWNER TO pg_monitor;
    """

    with review_shadow.clone(examples_database) as database:
        run(database, "CREATE TYPE feeling AS ENUM ('sad'); CREATE FUNCTION f(feeling) RETURNS integer RETURN 1")
        traced = trace_text(review_shadow, database, f"{text}; ALTER TYPE feeling RENAME TO sense;")

    hazards = [(hazard.code, hazard.statement) for hazard in check(Context(traced, review_shadow.owner))]
    assert [item for item in hazards if item[0] != "H40"] == [("H07", 2), ("H14", 3), ("H75", 3), ("H23", 6)]
    assert traced.statements[4].changes.changed == ("table public.orders",)


def test_what_is_validated_too_soon_is_not_to_be_one_command_with_it(review_shadow, examples_database):
    text = """
        ALTER TABLE orders ADD CHECK (amount > 0) NOT VALID;
        ALTER TABLE orders ADD CONSTRAINT known CHECK (status <> '') NOT VALID;
        ALTER TABLE orders VALIDATE CONSTRAINT known;
        ALTER TABLE customers ADD COLUMN a int;
        ALTER TABLE customers ADD COLUMN b int;
    """

    hazards = found(review_shadow, examples_database, text)

    assert [item for item in hazards if item[0] in ("H03", "H40")] == [("H03", 3), ("H40", 5)]
