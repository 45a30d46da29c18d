from __future__ import annotations

import pytest

from sqlmigrate.sql.statement.names import Named
from sqlmigrate.sql.statement.writes import Write, has_parameter_in_result, writes

T = Named("", "t")


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("SELECT 1", []),
        ("INSERT INTO t (a, b) VALUES (1, 2)", [Write("INSERT", T, ("a", "b"))]),
        ("INSERT INTO t VALUES (1, 2)", [Write("INSERT", T, None, 2)]),
        ("INSERT INTO t SELECT a, b, c FROM u", [Write("INSERT", T, None, 3)]),
        ("INSERT INTO t SELECT * FROM u", [Write("INSERT", T, None)]),
        ("INSERT INTO t DEFAULT VALUES", [Write("INSERT", T, ())]),
        (
            "INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 2",
            [Write("INSERT", T, ("a",)), Write("UPDATE", T, ("b",))],
        ),
        ("UPDATE s.t SET a = 1, b = 2", [Write("UPDATE", Named("s", "t"), ("a", "b"))]),
        ("UPDATE t SET (a, b) = (1, 2)", [Write("UPDATE", T, ("a", "b"))]),
        ("WITH d AS (DELETE FROM t RETURNING a) SELECT a FROM d", [Write("DELETE", T)]),
        (
            (
                "MERGE INTO t USING u ON true WHEN MATCHED THEN UPDATE SET b = 1 "
                "WHEN NOT MATCHED THEN INSERT (a) VALUES (1)"
            ),
            [Write("UPDATE", T, ("b",)), Write("INSERT", T, ("a",))],
        ),
        (
            "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1, 2)",
            [Write("DELETE", T), Write("INSERT", T, None, 2)],
        ),
    ],
)
def test_what_a_statement_writes_is_found_wherever_it_stands(statement, found):
    assert list(writes(statement)) == found


@pytest.mark.parametrize(
    ("statement", "has"),
    [
        ("SELECT a FROM t WHERE b = $1 LIMIT $2", False),
        ("SELECT a + $1 FROM t", True),
        ("SELECT a FROM (SELECT $1 AS a) AS s", True),
        ("VALUES ($1)", True),
        ("UPDATE t SET a = 1 WHERE b = $1 RETURNING a", False),
        ("this is no SQL", True),
    ],
)
def test_a_parameter_in_a_result_is_found(statement, has):
    assert has_parameter_in_result(statement) is has
