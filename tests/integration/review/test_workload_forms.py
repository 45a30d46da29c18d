"""What pg_stat_statements makes of constants is taken again wherever that is safe: a table of such forms."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from sqlmigrate.review.workload.check import first
from sqlmigrate.review.workload.compare import affected
from sqlmigrate.review.workload.queries import Query, Workload
from sqlmigrate.review.workload.standing import Way
from sqlmigrate.shadow import ShadowDatabase
from support.tracing import filled

GROUND = """
CREATE TYPE mood AS ENUM ('a', 'b');
CREATE TABLE t (
    id integer PRIMARY KEY, ts timestamp, tz timestamptz, d date, n numeric, s text, js jsonb, arr integer[],
    b boolean, f float8, u uuid, i interval, m mood
);
CREATE TABLE k (id integer, name text, t_id integer);
"""
AS_THEY_ARE = [
    "SELECT * FROM t WHERE id = $1 AND s = $2 AND m = $3 AND u = $4",
    "SELECT id + $1, n * $2, f * $3, i * $4, arr[$5], arr || $6 FROM t",
    "SELECT date_trunc($1, ts), date_part($2, d), to_char(ts, $3) FROM t",
    "SELECT js -> $1, js ->> $2, js #>> $3 FROM t WHERE js @> $4 AND js ? $5",
    "SELECT coalesce(s, $1), nullif(s, $2), greatest(id, $3), CASE WHEN id = $4 THEN $5 ELSE $6 END FROM t",
    "SELECT s LIKE $1, s ~ $2, s || $3, $4 || $5 FROM t",
    "SELECT * FROM t WHERE id IN ($1, $2, $3) ORDER BY id LIMIT $4 OFFSET $5",
    "SELECT * FROM t WHERE id IN ($1 /*, ... */)",
    "SELECT * FROM t WHERE (id, s) IN (($1, $2), ($3, $4)) OR id BETWEEN $5 AND $6",
    "INSERT INTO k VALUES ($1, $2, $3)",
    "INSERT INTO k (id, name) SELECT $1, $2",
    "UPDATE t SET n = n + $1, ts = now() WHERE id = $2",
    "SELECT substring(s FROM $1 FOR $2), position($3 IN s), overlay(s PLACING $4 FROM $5) FROM t",
    "SELECT string_agg(s, $1), percentile_cont($2) WITHIN GROUP (ORDER BY f), count(*) FILTER (WHERE s = $3) FROM t",
    "SELECT x.* FROM jsonb_to_recordset($1) AS x (a integer)",
    "SELECT now() AT TIME ZONE $1, make_interval(days => $2), $3::integer, CAST($4 AS date)",
]
REPAIRED = {
    "SELECT * FROM t WHERE ts > now() - interval $1": "SELECT * FROM t WHERE ts > now() - CAST($1 AS interval)",
    "SELECT * FROM t WHERE ts > timestamp $1 AND d = date $2": (
        "SELECT * FROM t WHERE ts > CAST($1 AS timestamp) AND d = CAST($2 AS date)"
    ),
    "SELECT timestamp with time zone $1": "SELECT CAST($1 AS timestamp with time zone)",
    "SELECT interval $1 day": "SELECT CAST($1 AS interval day)",
    "SELECT interval $1 day to second": "SELECT CAST($1 AS interval day to second)",
    "SELECT time $1, jsonb $2, uuid $3": "SELECT CAST($1 AS time), CAST($2 AS jsonb), CAST($3 AS uuid)",
    "SELECT extract($1 FROM ts) FROM t": "SELECT extract(epoch FROM ts) FROM t",
    "SELECT * FROM t WHERE id = ANY (ARRAY[$1, $2, $3])": "SELECT * FROM t WHERE id = ANY ($1)",
    "SELECT * FROM t WHERE id = ANY (ARRAY[$1 /*, ... */])": "SELECT * FROM t WHERE id = ANY ($1)",
    "SELECT * FROM t WHERE id <> ALL (ARRAY[$1, $2]) AND n = $3": "SELECT * FROM t WHERE id <> ALL ($1) AND n = $3",
}
GUESSED = [
    "SELECT concat($1, s), concat(s, $2, $3) FROM t",
    "SELECT jsonb_build_object($1, id, $2, s) FROM t",
    "SELECT json_build_object($1, $2), row($3, $4)",
    "SELECT $1 + $2",
    "SELECT generate_series($1, $2)",
]
NOT_SAFE = {
    "SELECT t.id FROM t JOIN (VALUES ($1, $2), ($3, $4)) AS v (id, s) ON v.id = t.id": "42883",
    "SELECT * FROM t WHERE id = ANY (SELECT $1)": "42883",
}


@pytest.fixture(scope="module")
def ground(review_shadow) -> Iterator[ShadowDatabase]:
    with filled(review_shadow, GROUND) as database:
        yield database


def ways(ground: ShadowDatabase, texts: list[str], *, normalized: bool = True) -> dict[str, Way]:
    """Give the way by which each statement is taken."""
    workload = Workload("a test", tuple(Query(text, normalized=normalized) for text in texts))
    return {workload.queries[number].text: way for number, way in first(ground, workload).standing.ways.items()}


def test_most_forms_are_taken_as_they_are(ground):
    found = ways(ground, AS_THEY_ARE)

    assert [text for text in AS_THEY_ARE if text not in found or found[text].form.text != text] == []


def test_forms_that_are_no_sql_are_repaired(ground):
    assert {text: way.form.text for text, way in ways(ground, list(REPAIRED)).items()} == REPAIRED


def test_parameters_without_a_type_get_one_and_then_result_types_tell_nothing(ground):
    found = ways(ground, GUESSED)

    assert [text for text in GUESSED if text not in found or not found[text].form.guessed] == []


def test_what_cannot_be_repaired_safely_is_refused(ground):
    workload = Workload("a test", tuple(Query(text, normalized=True) for text in NOT_SAFE))
    answers = first(ground, workload).standing.answers

    assert [answer.refused and answer.refused.sqlstate for answer in answers.values()] == list(NOT_SAFE.values())


def test_what_the_application_has_written_itself_is_not_repaired(ground):
    assert ways(ground, ["SELECT extract($1 FROM ts) FROM t"], normalized=False) == {}


EFFECTS = """
CREATE TABLE seen (what text);
CREATE FUNCTION writes() RETURNS integer LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO public.seen VALUES ('planned'); RETURN 1; END $$;
CREATE FUNCTION folds_to_writes() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN RETURN public.writes(); END $$;
CREATE FUNCTION sets() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
    PERFORM set_config('search_path', 'nowhere', false), set_config('statement_timeout', '0', false);
    RETURN 1;
END $$;
CREATE RULE told AS ON UPDATE TO seen DO INSTEAD NOTIFY told;
"""


def test_planning_leaves_nothing_behind_for_other_statements_or_the_migration(ground):
    with psycopg.connect(ground.conninfo, autocommit=True) as session:
        session.execute(EFFECTS)
        asked = ("SELECT folds_to_writes()", "SELECT sets()", "SELECT what FROM seen", "UPDATE seen SET what = ''")
        workload = Workload(source="test", queries=tuple(map(Query, asked)))
        found = first(ground, workload)

        refused = {number: str(answer.refused) for number, answer in found.standing.answers.items() if answer.refused}
        assert refused == {0: "cannot execute INSERT in a read-only transaction (25006)"}
        assert affected(workload, found, found, lambda *_: None) == []
        assert session.execute("SELECT count(*) FROM seen").fetchone() == (0,)
