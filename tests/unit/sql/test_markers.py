from __future__ import annotations

import pytest

from sqlmigrate.sql.markers import marked


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT * FROM t WHERE a = $2 AND b = $1", "SELECT * FROM t WHERE a = $2 AND b = $1"),
        ("SELECT :id, x::int FROM t WHERE n = :name AND m = :id", "SELECT $1, x::int FROM t WHERE n = $2 AND m = $1"),
        (
            "SELECT a[1:n], ':no', \":no\" FROM t -- :no\nWHERE b = :b",
            "SELECT a[1:n], ':no', \":no\" FROM t -- :no\nWHERE b = $1",
        ),
        ("SELECT %s, '%%x' LIKE y, 7 %% 2, %s", "SELECT $1, '%x' LIKE y, 7 % 2, $2"),
        ("SELECT %(a)s, %(b)s, %(a)s", "SELECT $1, $2, $1"),
        ("SELECT 7 % 2", "SELECT 7 % 2"),
        ("SELECT * FROM t WHERE a = ? AND b IN (?, ?)", "SELECT * FROM t WHERE a = $1 AND b IN ($2, $3)"),
        ("SELECT j ?? 'a' FROM t WHERE id = ?", "SELECT j ? 'a' FROM t WHERE id = $1"),
        ("SELECT j ? 'a' FROM t WHERE id = $1", "SELECT j ? 'a' FROM t WHERE id = $1"),
        ("SELECT j ?| ARRAY['a'] FROM t", "SELECT j ?| ARRAY['a'] FROM t"),
        ("SELECT @id, a <@ b, c @> d, @ -5", "SELECT $1, a <@ b, c @> d, @ -5"),
        ("SELECT sqlc.arg('id'), sqlc.narg(name), @id", "SELECT $1, $2, $1"),
        ("SELECT $$ ? :a $$, E'\\'?', ?", "SELECT $$ ? :a $$, E'\\'?', $1"),
    ],
)
def test_every_spelling_becomes_a_parameter_of_postgresql(written, text):
    assert marked(written).text == text


def test_it_says_which_spelling_a_query_has():
    assert marked("SELECT :id").spelling == ":id"
    assert marked("SELECT 1").spelling == ""
