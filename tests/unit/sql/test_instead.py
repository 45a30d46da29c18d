from __future__ import annotations

import pytest

from sqlmigrate.sql.statement.instead import built_anyway, concurrently, conversions, grouped, name_parts


def whole(named):
    return (named.schema or "s p", named.name)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a", ("a",)),
        ("s.a", ("s", "a")),
        ('s."A.b"', ("s", "A.b")),
        ('"S".a$1', ("S", "a$1")),
        ('"a""b".c', ('a"b', "c")),
    ],
)
def test_a_name_is_taken_apart(name, parts):
    assert name_parts(name) == parts


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("reindex index -- soon\n a", 'REINDEX (CONCURRENTLY) INDEX "s p".a'),
        ("REINDEX (VERBOSE) TABLE x.a", "REINDEX (VERBOSE, CONCURRENTLY) TABLE x.a"),
        ('REFRESH MATERIALIZED VIEW "A  b"', 'REFRESH MATERIALIZED VIEW CONCURRENTLY "s p"."A  b"'),
        ("ALTER TABLE a DETACH PARTITION x.b -- now", 'ALTER TABLE "s p".a DETACH PARTITION x.b CONCURRENTLY'),
        ("ALTER TABLE a ADD b int", None),
        ("ALTER TABLE a DETACH", None),
        ("SELECT 1", None),
    ],
)
def test_a_statement_is_written_concurrently_with_whole_names(statement, expected):
    assert concurrently(statement, whole) == expected


def test_an_index_is_built_anyway():
    text = 'CREATE INDEX CONCURRENTLY IF NOT EXISTS "B c" ON a (b)'

    assert built_anyway(text, whole) == (
        '"s p"."B c"',
        'CREATE INDEX CONCURRENTLY "B c" ON "s p".a USING btree (b)',
    )
    assert built_anyway("SELECT 1", whole) is None


def test_conversions_are_told_by_column():
    text = 'ALTER TABLE a ALTER "B" TYPE int USING ("B" :: int) + 1, ALTER c TYPE text, DROP d'

    assert conversions(text) == {"B": '"B"::int + 1', "c": None}
    assert conversions("DROP TABLE a") == conversions("nothing") == {}


@pytest.mark.parametrize(
    ("query", "columns"),
    [
        ("SELECT a, sum(b) FROM t GROUP BY a", ["a"]),
        ('SELECT t.a AS "X", date(b) AS d, sum(c) FROM t GROUP BY t.a, (date(b))', ["X", "d"]),
        ("SELECT a, count(*) FROM t GROUP BY 1", ["a"]),
        ("SELECT sum(b) FROM t GROUP BY a", []),
        ("SELECT a, b FROM t GROUP BY ROLLUP (a, b)", []),
        ("SELECT a FROM t", []),
        ("SELECT a FROM t GROUP BY a UNION ALL SELECT b FROM t", []),
    ],
)
def test_what_a_query_groups_by_tells_its_rows_apart(query, columns):
    assert grouped(query) == columns
