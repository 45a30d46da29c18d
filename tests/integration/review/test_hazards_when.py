"""Hazards are judged by what each statement found and left, and not by what the script leaves in the end."""

from __future__ import annotations

import pytest

from sqlmigrate import connection as connections
from sqlmigrate.review.hazards import Context, check
from support.tracing import run, trace_text

GROUND = """
    CREATE TABLE t (id int PRIMARY KEY, data jsonb, note text);
    CREATE TABLE a (id int PRIMARY KEY);
    CREATE TABLE b (id int PRIMARY KEY, v int);
    CREATE INDEX b_v ON b (v);
    CREATE TYPE mood AS ENUM ('sad');
    CREATE TYPE weather AS ENUM ('calm');
    CREATE TABLE days (day date, sky weather, said text, mood mood);
"""


@pytest.fixture
def hazards(review_shadow, public_database):
    """Trace a script on a copy of the ground, and give its hazards as code and statement."""

    def find(text: str, **options) -> list[tuple[str, int]]:
        with review_shadow.clone(public_database) as database:
            traced = trace_text(review_shadow, database, text, **options)
        found = check(Context(traced, review_shadow.owner))
        failed = any(hazard.code == "H25" for hazard in found)
        assert (traced.error is None) != failed, traced.error
        return [(hazard.code, hazard.statement) for hazard in found]

    return find


FILLED = {
    "added, filled, set": "ALTER TABLE t ADD COLUMN o text; UPDATE t SET o = 'x' WHERE true; "
    "ALTER TABLE t ALTER COLUMN o SET NOT NULL;",
    "added with a default that goes": "ALTER TABLE t ADD COLUMN o text NOT NULL DEFAULT 'x'; "
    "ALTER TABLE t ALTER COLUMN o DROP DEFAULT;",
    "in a block": "DO $$ BEGIN ALTER TABLE t ADD COLUMN o text; UPDATE t SET o = 'x' WHERE true; "
    "ALTER TABLE t ALTER COLUMN o SET NOT NULL; END $$;",
    "a domain's default": "CREATE DOMAIN d AS text DEFAULT 'x'; ALTER TABLE t ADD COLUMN o d NOT NULL; "
    "ALTER DOMAIN d DROP DEFAULT;",
    "of a new table": "CREATE TABLE n (id int); ALTER TABLE n ADD COLUMN o text NOT NULL;",
}
FAILING = {
    "mended too late": "ALTER TABLE t ADD COLUMN o text NOT NULL; ALTER TABLE t ALTER COLUMN o SET DEFAULT 'x';",
    "dropped again": "ALTER TABLE t ADD COLUMN o text NOT NULL; ALTER TABLE t DROP COLUMN o;",
    "renamed": "ALTER TABLE t ADD COLUMN o text NOT NULL; ALTER TABLE t RENAME COLUMN o TO p;",
    "its table renamed": "ALTER TABLE t ADD COLUMN o text NOT NULL; ALTER TABLE t RENAME TO u;",
    "its table dropped": "ALTER TABLE t ADD COLUMN o text NOT NULL; DROP TABLE t;",
}


@pytest.mark.parametrize("text", FILLED.values(), ids=FILLED)
def test_a_column_that_is_filled_before_it_must_be_fails_on_no_row(hazards, text):
    assert "H24" not in dict(hazards(text))


@pytest.mark.parametrize("text", FAILING.values(), ids=FAILING)
def test_a_statement_that_fails_on_rows_is_found_whatever_comes_after_it(hazards, text):
    assert ("H24", 1) in hazards(text)


def test_a_renamed_table_is_still_in_use(hazards):
    found = hazards("ALTER TABLE t RENAME TO u; ALTER TABLE u ADD COLUMN o text NOT NULL; DROP TABLE u;")

    assert ("H24", 2) in found
    assert ("H21", 3) in found


def test_an_index_of_a_renamed_table_is_still_built_under_a_lock(hazards):
    assert ("H06", 2) in hazards("ALTER TABLE b RENAME TO c; CREATE INDEX ON c (v);")


@pytest.mark.parametrize("operation", ["apply", "rollback"])
@pytest.mark.parametrize(
    "made", ["CHECK (id IS NOT NULL)", "UNIQUE (data)", "UNIQUE (note)", "FOREIGN KEY (id) REFERENCES a"]
)
@pytest.mark.parametrize(
    "then",
    [
        "ALTER TABLE t DROP CONSTRAINT c",
        "ALTER TABLE t RENAME CONSTRAINT c TO d",
        "ALTER TABLE t RENAME TO u",
        "DROP TABLE t",
        "ALTER TABLE t DROP COLUMN id, DROP COLUMN data, DROP COLUMN note",
    ],
)
def test_a_constraint_that_is_gone_or_renamed_in_the_end_is_judged_where_it_was_made(hazards, made, then, operation):
    code = "H07" if made.startswith("UNIQUE") else "H02"

    assert (code, 1) in hazards(f"ALTER TABLE t ADD CONSTRAINT c {made}; {then};", operation=operation)


def test_a_primary_key_that_is_replaced_is_judged_where_it_was_made(hazards):
    text = "ALTER TABLE b DROP CONSTRAINT b_pkey; ALTER TABLE b ADD CONSTRAINT k PRIMARY KEY (v); DROP TABLE b;"

    assert ("H07", 2) in hazards(text)


BLOCK = """
    BEGIN;
    ALTER TABLE a ADD COLUMN x int;
    ALTER TABLE b ADD COLUMN y int;
    ALTER TABLE b ADD COLUMN z int;
    CREATE INDEX ai ON a (id, x);
    ALTER TABLE a ADD CONSTRAINT c CHECK (id > 0) NOT VALID;
    ALTER TABLE a VALIDATE CONSTRAINT c;
    UPDATE b SET y = 1;
    COMMIT;
"""


def test_a_block_of_the_script_has_the_hazards_of_a_script_in_a_transaction(hazards):
    inside = BLOCK.replace("BEGIN;", "SELECT 1;").replace("COMMIT;", "")

    found = hazards(BLOCK, transactional=False)

    assert found == hazards(inside)
    assert {code for code, _ in found} == {"H02", "H03", "H04", "H05", "H06", "H20", "H40"}


def test_what_two_blocks_do_is_not_done_together(hazards):
    text = """
        BEGIN; ALTER TABLE a ADD COLUMN x int; COMMIT;
        BEGIN; ALTER TABLE a ADD COLUMN y int; ALTER TABLE b ADD COLUMN y int; COMMIT;
        ALTER TABLE a ADD COLUMN z int;
    """

    assert hazards(text, transactional=False) == [("H04", 5)]


def test_a_new_enum_value_counts_where_it_is_used_as_one_of_that_enum(hazards):
    add = "ALTER TYPE mood ADD VALUE 'calm'"

    assert hazards(f"{add}; UPDATE days SET mood = 'calm' WHERE true;") == [("H25", 2)]
    assert hazards(f"{add}; ALTER TABLE days ALTER mood SET DEFAULT 'calm';") == [("H25", 2)]
    assert hazards(f"BEGIN; {add}; INSERT INTO days (mood) VALUES ('calm'); COMMIT;", transactional=False) == [
        ("H25", 3)
    ]
    assert hazards(f"BEGIN; {add}; COMMIT; INSERT INTO days (mood) VALUES ('calm');", transactional=False) == []
    assert (
        hazards(f"{add}; INSERT INTO days (sky, said) VALUES ('calm', 'calm'); COMMENT ON TABLE days IS 'calm';") == []
    )


def test_an_index_that_goes_before_its_table_is_not_a_hazard(hazards):
    assert hazards("DROP INDEX b_v; DROP TABLE b;", operation="rollback") == [("H21", 2)]
    assert ("H08", 1) in hazards("DROP INDEX b_v; DROP TABLE a;", operation="rollback")


CASCADES = {
    "an owned sequence": "CREATE TABLE s (id serial PRIMARY KEY)",
    "an identity": "CREATE TABLE s (id int GENERATED ALWAYS AS IDENTITY, x text UNIQUE)",
    "partitions": "CREATE TABLE s (id int PRIMARY KEY) PARTITION BY RANGE (id); "
    "CREATE TABLE s1 PARTITION OF s DEFAULT; CREATE INDEX ON s (id)",
    "a trigger": "CREATE TABLE s (id int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'; "
    "CREATE TRIGGER g BEFORE INSERT ON s FOR EACH ROW EXECUTE FUNCTION f()",
}


@pytest.mark.parametrize("setup", CASCADES.values(), ids=CASCADES)
@pytest.mark.parametrize("transactional", [True, False])
def test_cascade_that_takes_what_goes_without_it_is_not_a_hazard(review_shadow, public_database, setup, transactional):
    def codes() -> set[str]:
        with review_shadow.clone(public_database) as database:
            run(database, f"SET search_path = public; {setup}; {more}")
            traced = trace_text(review_shadow, database, "DROP TABLE s CASCADE;", transactional=transactional)
        assert traced.error is None
        return {hazard.code: hazard.seen for hazard in check(Context(traced, review_shadow.owner))}

    more = "SELECT 1"
    assert "H22" not in codes()
    more = "CREATE VIEW v AS SELECT id FROM s"
    assert codes()["H22"] == "CASCADE also drops view public.v"


def test_cascade_in_a_foreign_key_or_a_block_is_told_from_one_that_drops(hazards):
    assert "H22" not in dict(hazards("ALTER TABLE b ADD FOREIGN KEY (v) REFERENCES a ON DELETE CASCADE;"))
    assert "H22" not in dict(hazards("DO $$ BEGIN DROP TABLE b CASCADE; END $$;"))


def test_a_block_that_commits_inside_is_run_as_apply_runs_it(review_shadow, public_database):
    text = """
        DO $$ BEGIN INSERT INTO a VALUES (1); COMMIT; INSERT INTO a VALUES (2); END $$;
        CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN INSERT INTO a VALUES (3); COMMIT; END';
        CALL p();
        ALTER TABLE a ADD COLUMN x int;
    """

    with review_shadow.clone(public_database) as database:
        traced = trace_text(review_shadow, database, text, transactional=False)
        rows = counted(database)

    assert (traced.error, rows) == (None, 3)
    assert [one.own is None for one in traced.statements] == [True, False, True, False]
    assert "ends transactions itself" in traced.statements[0].notes[0]
    assert [lock.name for lock in traced.statements[3].locks] == ["public.a"]


def counted(database) -> int:
    with connections.session(database.conninfo) as session:
        return session.execute("SELECT count(*) FROM public.a").fetchone()[0]


def test_scans_belong_to_the_statement_that_made_them(review_shadow, public_database):
    text = """
        CREATE INDEX CONCURRENTLY b_more ON b (v);
        ALTER TABLE b ADD COLUMN x int;
        ALTER TABLE b ADD CHECK (v > 0);
        ALTER TABLE a ADD COLUMN x int;
        BEGIN;
        ALTER TABLE b ADD COLUMN y int;
        ALTER TABLE b ADD CHECK (v > 1);
        COMMIT;
        BEGIN;
        ALTER TABLE b ADD COLUMN z int;
        COMMIT;
    """

    with review_shadow.clone(public_database) as database:
        traced = trace_text(review_shadow, database, text, transactional=False)

    assert traced.error is None
    assert [one.statement.number for one in traced.statements if one.scans] == [1, 3, 7]


AFTER_ANOTHER = {
    "a procedure that commits": "CREATE PROCEDURE p() LANGUAGE plpgsql AS "
    "'BEGIN PERFORM count(*) FROM b; COMMIT; PERFORM count(*) FROM b; END'; CALL p();",
    "an index that is there already": "CREATE INDEX CONCURRENTLY IF NOT EXISTS b_v ON b (v);",
    "rebuilt and dropped": "REINDEX TABLE CONCURRENTLY b; DROP INDEX CONCURRENTLY b_v; VACUUM ANALYZE b;",
    "taken back": "BEGIN; SAVEPOINT s; ALTER TABLE b ADD CHECK (v > 0); ROLLBACK TO SAVEPOINT s;"
    "ALTER TABLE b ADD COLUMN z int; COMMIT;",
    "a setting": "CREATE INDEX CONCURRENTLY ON b (v); SET lock_timeout = 100;",
}


@pytest.mark.parametrize("text", AFTER_ANOTHER.values(), ids=AFTER_ANOTHER)
def test_a_statement_is_not_charged_with_what_the_one_before_it_has_read(review_shadow, public_database, text):
    then = "ALTER TABLE b ADD COLUMN x int; ALTER TABLE b ADD CHECK (v > 1); ALTER TABLE a ADD COLUMN x int;"

    with review_shadow.clone(public_database) as database:
        run(database, "INSERT INTO public.b VALUES (1, 2)")
        traced = trace_text(review_shadow, database, text + then, transactional=False)

    assert traced.error is None
    assert [[item.name for item in one.scans] for one in traced.statements[-3:]] == [[], ["public.b"], []]
    by_name = {one.statement.text.strip(): [item.name for item in one.scans] for one in traced.statements}
    assert by_name.get("CREATE INDEX CONCURRENTLY IF NOT EXISTS b_v ON b (v)", []) == []
    assert by_name.get("ALTER TABLE b ADD COLUMN z int", []) == []


def test_an_isolation_level_after_begin_is_not_in_our_way(hazards):
    text = "BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; ALTER TABLE a ADD COLUMN x int; COMMIT;"

    assert hazards(text, transactional=False) == []


@pytest.mark.parametrize(
    ("setup", "text", "code"),
    [
        ("CREATE VIEW v AS SELECT id FROM t", "DROP VIEW v", "H27"),
        ("CREATE FUNCTION f(x int) RETURNS int LANGUAGE sql AS 'SELECT 1'", "DROP FUNCTION f(int)", "H27"),
        ("CREATE PROCEDURE f() LANGUAGE sql AS ''", "DROP PROCEDURE f()", "H27"),
        ("CREATE TYPE k AS (a int)", "DROP TYPE k", "H27"),
        ("CREATE SEQUENCE s", "DROP SEQUENCE s", "H27"),
        ("CREATE SCHEMA x", "DROP SCHEMA x", "H27"),
        ("CREATE PUBLICATION p FOR TABLE t", "ALTER PUBLICATION p ADD TABLE days", "H28"),
        ("SELECT 1", "CREATE PUBLICATION p FOR TABLE days", "H28"),
        ("CREATE PUBLICATION p FOR ALL TABLES", "CREATE TABLE n (id int)", "H28"),
        ("CREATE PUBLICATION p FOR TABLE t", "ALTER TABLE t DROP CONSTRAINT t_pkey", "H28"),
        ("CREATE PUBLICATION p FOR TABLE t", "ALTER TABLE t REPLICA IDENTITY NOTHING", "H28"),
    ],
)
def test_what_others_still_use_is_reported(review_shadow, public_database, setup, text, code):
    with review_shadow.clone(public_database) as database:
        run(database, f"SET search_path = public; {setup}")
        traced = trace_text(review_shadow, database, text)

    assert traced.error is None
    [hazard] = [item for item in check(Context(traced, review_shadow.owner)) if item.code == code]
    assert hazard.severity in ("warning", "danger")


@pytest.mark.parametrize(
    ("setup", "text"),
    [
        ("CREATE VIEW v AS SELECT id FROM t", "DROP VIEW v; CREATE VIEW v AS SELECT id, note FROM t"),
        ("CREATE VIEW v AS SELECT id FROM t", "DROP VIEW v; CREATE TABLE v (id int PRIMARY KEY)"),
        ("SELECT 1", "CREATE VIEW w AS SELECT id FROM t; DROP VIEW w"),
        ("CREATE TABLE s (id serial PRIMARY KEY)", "DROP TABLE s"),
        ("SELECT 1", "ALTER TABLE t RENAME TO u; CREATE VIEW t AS SELECT * FROM u"),
        ("CREATE PUBLICATION p FOR TABLE t WITH (publish = 'insert')", "ALTER TABLE t DROP CONSTRAINT t_pkey"),
        ("CREATE PUBLICATION p FOR TABLE t", "ALTER TABLE t REPLICA IDENTITY FULL, DROP CONSTRAINT t_pkey"),
    ],
)
def test_what_is_there_afterwards_or_was_not_before_is_not_reported_as_gone(
    review_shadow, public_database, setup, text
):
    with review_shadow.clone(public_database) as database:
        run(database, f"SET search_path = public; {setup}")
        traced = trace_text(review_shadow, database, text)

    assert traced.error is None
    assert not {"H23", "H27", "H28"} & {item.code for item in check(Context(traced, review_shadow.owner))}


def test_row_level_security_of_a_new_table_is_not_a_change_of_one_in_use(hazards):
    switched = "ALTER TABLE {} ENABLE ROW LEVEL SECURITY;"
    made = "CREATE TABLE n (id int PRIMARY KEY);" + switched.format("n") + "CREATE POLICY p ON n USING (true);"

    assert "H14" not in {code for code, _ in hazards(made + "ALTER TABLE n RENAME TO m;")}
    assert ("H14", 1) in hazards(switched.format("a"))
    assert ("H14", 2) in hazards("ALTER TABLE a RENAME TO c;" + switched.format("c"))


ON_EVERY_ROW = {
    "a column without a default": ("H24", "ALTER TABLE t ADD COLUMN o text NOT NULL;"),
    "a check": ("H02", "ALTER TABLE t ADD CHECK (note <> '');"),
    "NOT NULL": ("H02", "ALTER TABLE t ALTER COLUMN note SET NOT NULL;"),
    "an index": ("H06", "CREATE INDEX ON t (note);"),
    "a constraint's index": ("H07", "ALTER TABLE t ADD UNIQUE (note);"),
    "another type": ("H01", "ALTER TABLE t ALTER COLUMN id TYPE bigint;"),
}


@pytest.mark.parametrize(("code", "text"), ON_EVERY_ROW.values(), ids=ON_EVERY_ROW)
def test_a_table_that_the_transaction_has_emptied_has_no_rows_to_wait_for(hazards, code, text):
    assert code in dict(hazards(text))
    assert code not in dict(hazards(f"TRUNCATE t; COMMENT ON TABLE t IS 'new'; {text}"))
    assert code not in dict(hazards(f"BEGIN; TRUNCATE t; {text} COMMIT;", transactional=False))


@pytest.mark.parametrize(("code", "text"), ON_EVERY_ROW.values(), ids=ON_EVERY_ROW)
def test_a_table_that_may_have_been_filled_again_is_judged_like_any_other(hazards, code, text):
    assert code in dict(hazards(f"TRUNCATE t; INSERT INTO t SELECT * FROM t; {text}"))
    assert code in dict(hazards(f"TRUNCATE t; {text}", transactional=False))
    assert code in dict(hazards(f"TRUNCATE a; {text}"))


NEW = {
    "by name": "CREATE TABLE n (id int, a int REFERENCES a); CREATE INDEX ON n (a); ALTER TABLE n ADD UNIQUE (id);",
    "from a query": "CREATE TABLE n AS SELECT * FROM t; CREATE INDEX ON n (id); ALTER TABLE n ADD PRIMARY KEY (id);",
    "like another one": "CREATE TABLE n (LIKE t INCLUDING ALL); CREATE INDEX ON n (note); DROP TABLE n;",
    "for the session": "CREATE TEMP TABLE n (id int); CREATE INDEX ON n (id); ALTER TABLE n ALTER id TYPE bigint;",
    "with partitions": "CREATE TABLE n (id int) PARTITION BY LIST (id); "
    "CREATE TABLE n1 PARTITION OF n FOR VALUES IN (1); CREATE INDEX ON n (id); ALTER TABLE n ADD PRIMARY KEY (id);",
    "with an old name": "ALTER TABLE t RENAME TO u; CREATE TABLE t (id int); CREATE INDEX ON t (id);",
    "materialized": "CREATE MATERIALIZED VIEW n AS TABLE t; CREATE INDEX ON n (id); REFRESH MATERIALIZED VIEW n;",
}


@pytest.mark.parametrize("transactional", [True, False])
@pytest.mark.parametrize("text", NEW.values(), ids=NEW)
def test_nobody_waits_for_what_the_script_has_made_itself(hazards, text, transactional):
    found = {code for code, _ in hazards(text, transactional=transactional)}

    assert not found & {"H01", "H02", "H06", "H07", "H10"}
