"""Every SQL that a review gives instead runs on the database that its statement found."""

from __future__ import annotations

import pytest

from sqlmigrate import connection as connections
from sqlmigrate.engine.unrecorded import run_script
from sqlmigrate.migrations import Migration, ScriptRun
from sqlmigrate.review.hazards import Context, check
from sqlmigrate.sql.script import read_script, script_from_text
from support.hazards import EXAMPLES, judged
from support.tracing import OPTIONS, run

GROUND = """
    CREATE TABLE t (id int PRIMARY KEY, b text, "userId" int, n int);
    CREATE INDEX t_a ON t ("userId");
    CREATE INDEX t_b ON t (b);
    CREATE TABLE p (id int, d date) PARTITION BY RANGE (d);
    CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
    CREATE TABLE p2 PARTITION OF p FOR VALUES FROM ('2026-02-01') TO ('2026-03-01') PARTITION BY LIST (id);
    CREATE TABLE p21 PARTITION OF p2 DEFAULT;
    CREATE INDEX p_id ON p (id);
    CREATE TABLE nokey (a int);
    CREATE VIEW v AS SELECT b FROM t;
    CREATE TABLE watched (id int PRIMARY KEY, n int);
    GRANT SELECT (n) ON watched TO pg_monitor;
    CREATE MATERIALIZED VIEW m AS SELECT id FROM t;
    CREATE TABLE "Odd name" (id int PRIMARY KEY, "select" int);
"""


@pytest.fixture
def advised(review_shadow, public_database):
    """Give the hazards of a script as a review gives them."""

    def ask(text: str, *, transactional: bool = True, base=public_database):
        traced, hazards = judged(review_shadow, base, text, transactional=transactional)
        assert traced.error is None, traced.error
        return hazards

    return ask


def runs(shadow, ground, before: str, sql: str) -> None:
    """Run what is advised behind the statements before it, as anybody would who copies it."""
    with shadow.clone(ground) as database, connections.session(database.conninfo) as session:
        session.execute("SET search_path = public")
        session.execute(before.encode())
        script = script_from_text(EXAMPLES / "advice.sql", sql)
        info = connections.probe(session)
        run_script(session, ScriptRun("0001", "apply", script, transactional=False), options=OPTIONS, info=info)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("DROP INDEX IF EXISTS t_a CASCADE", "H08"),
        ("/* why */ DROP INDEX t_a", "H08"),
        ("REINDEX (VERBOSE) INDEX t_a", "H08"),
        ("REINDEX TABLE t", "H08"),
        ('ALTER TABLE "Odd name" ALTER "select" SET NOT NULL', "H02"),
        ('ALTER TABLE t ADD CONSTRAINT "U q" UNIQUE (b) INCLUDE (n) WITH (fillfactor = 70)', "H07"),
        ("CREATE INDEX ON t (lower(b)) WHERE n > 1", "H06"),
        ("ALTER TABLE t ADD CHECK (n > 0)", "H02"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'", "H31"),
    ],
)
def test_the_sql_that_is_given_runs(review_shadow, public_database, advised, text, code):
    [hazard] = [item for item in advised(text) if item.code == code]

    assert hazard.rewrite is not None, hazard.instead
    assert "..." not in hazard.rewrite
    runs(review_shadow, public_database, text if code == "H31" else "SELECT 1", hazard.rewrite)


def test_a_statement_is_advised_on_the_database_that_it_found(review_shadow, public_database, advised):
    text = "ALTER TABLE t ADD COLUMN x int;\nCREATE INDEX t_x ON t (x);\nALTER TABLE t DROP COLUMN x;"

    [hazard] = [item for item in advised(text) if item.code == "H06"]

    assert hazard.remedy.steps[0].sql == "CREATE INDEX CONCURRENTLY t_x ON public.t USING btree (x);"


def test_so_it_is_in_a_block_of_the_script(advised):
    text = "BEGIN;\nALTER TABLE t ADD COLUMN x int;\nCREATE INDEX t_x ON t (x);\nCOMMIT;\nSELECT 1;"

    [hazard] = [item for item in advised(text, transactional=False) if item.code == "H06"]

    assert hazard.rewrite is not None


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("DROP INDEX p_id", "H08", "an index of a partitioned table cannot be dropped CONCURRENTLY"),
        ("REFRESH MATERIALIZED VIEW m", "H10", "give the view a unique index"),
        (
            "ALTER TABLE watched ALTER n TYPE bigint",
            "H01",
            "the usual one leaves another schema (~ column public.watched.n: acl",
        ),
        ("ALTER TABLE t ADD COLUMN u text, ADD COLUMN w json", "H26", None),
    ],
)
def test_what_does_not_run_is_said_in_words(advised, text, code, words):
    [hazard] = [item for item in advised(text) if item.code == code]

    assert (hazard.rewrite is None) == (words is not None), hazard.rewrite
    assert words is None or words in hazard.instead


def test_an_index_of_a_partitioned_table_is_built_partition_by_partition(advised):
    [hazard] = [item for item in advised("CREATE INDEX p_d ON p (d)") if item.code == "H06"]

    assert hazard.relations == ("public.p",)
    assert hazard.rewrite.splitlines() == [
        "-- SHARE + scan becomes SHARE UPDATE EXCLUSIVE + scan, and SHARE for a moment",
        "-- transactional: false",
        "CREATE INDEX p_d ON ONLY public.p USING btree (d);",
        "CREATE INDEX CONCURRENTLY p1_d_idx ON public.p1 USING btree (d);",
        "ALTER INDEX public.p_d ATTACH PARTITION public.p1_d_idx;",
        "CREATE INDEX p2_d_idx ON ONLY public.p2 USING btree (d);",
        "CREATE INDEX CONCURRENTLY p21_d_idx ON public.p21 USING btree (d);",
        "ALTER INDEX public.p2_d_idx ATTACH PARTITION public.p21_d_idx;",
        "ALTER INDEX public.p_d ATTACH PARTITION public.p2_d_idx;",
    ]


def test_the_role_of_the_script_counts(review_shadow, public_database, advised, new_role):
    role = new_role("NOLOGIN")
    text = f"-- sqlmigrate: role={role}\nCREATE INDEX ON s.of_role (a)"

    with review_shadow.clone(public_database) as base:
        run(base, f"CREATE SCHEMA s AUTHORIZATION {role} CREATE TABLE of_role (a int)")
        run(base, f"ALTER TABLE s.of_role OWNER TO {role}")
        [hazard] = [item for item in advised(text, base=base) if item.code == "H06"]

    assert hazard.rewrite is not None


@pytest.mark.parametrize("code", sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir()))
def test_of_what_is_offered_for_an_example_something_is_proven(review_shadow, examples_database, code):
    script, _ = read_script(EXAMPLES / code / "bad.sql")
    transactional = Migration(code, script).forward().transactional
    setup = EXAMPLES / code / "setup.sql"
    with review_shadow.clone(examples_database) as base:
        if setup.exists():
            run(base, setup.read_text())
        traced, kept = judged(review_shadow, base, script.text or "", transactional=transactional)

    offered = [(one.code, one.statement) for one in check(Context(traced, review_shadow.owner)) if one.rewrite]
    given = [(one.code, one.statement) for one in kept if one.rewrite]
    assert [one for one in offered if one[0] == code] == [one for one in given if one[0] == code]
