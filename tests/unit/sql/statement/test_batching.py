"""An UPDATE or DELETE as it runs in batches, and the query that tells when it is done."""

from __future__ import annotations

import pytest

from sqlmigrate.sql.batches import Batched
from sqlmigrate.sql.statement.batching import in_batches
from sqlmigrate.sql.statement.bounds import bounds_missing

TYPES = {"norm": "text", "price": "numeric(10,2)", "n": "integer", "status": "text", "A b": "text"}
ONE = Batched(0, 0, ("public", "t"), ("id",))
ROUNDED = "t.price IS DISTINCT FROM CAST(n / 3.0 AS numeric(10,2))"
TWO = Batched(0, 0, ("public", "t"), ("a", "No"))


def made(statement, batched=ONE):
    found = in_batches(statement, batched, TYPES)
    assert found is not None
    assert bounds_missing(found.text, batched) is None
    return found


@pytest.mark.parametrize(
    ("statement", "behind", "verify"),
    [
        (
            "UPDATE t SET norm = lower(email)",
            "t.norm IS DISTINCT FROM CAST(lower(email) AS text)",
            "t.norm IS DISTINCT FROM CAST(lower(email) AS text)",
        ),
        (
            "UPDATE t SET norm = lower(email) WHERE norm IS NULL",
            "norm IS NULL",
            "norm IS NULL AND t.norm IS DISTINCT FROM CAST(lower(email) AS text)",
        ),
        (
            "UPDATE t SET price = n / 3.0, status = 'x' WHERE n > 3 OR n < 2 -- these\n",
            f"(n > 3 OR n < 2)\n  AND ({ROUNDED} OR t.status IS DISTINCT FROM 'x')",
            f"(n > 3 OR n < 2) AND ({ROUNDED} OR t.status IS DISTINCT FROM 'x')",
        ),
        ("DELETE FROM t WHERE status IN ('ä', 'where')", "status IN ('ä', 'where')", "status IN ('ä', 'where')"),
        ('UPDATE t SET "A b" = NULL', 't."A b" IS DISTINCT FROM NULL', 't."A b" IS DISTINCT FROM NULL'),
    ],
)
def test_what_the_row_itself_tells_is_left_out_when_done_and_verified(statement, behind, verify):
    found = made(statement)
    assert found.text.endswith(f"WHERE t.id >= $1 AND t.id <= $2\n  AND {behind}")
    assert found.verify == f"SELECT NOT EXISTS (SELECT 1 FROM t WHERE {verify})"


@pytest.mark.parametrize(
    ("statement", "behind"),
    [
        ("UPDATE t SET n = n + 1", ""),
        ("UPDATE t SET n = t.n + 1 WHERE status = 'x'", "\n  AND status = 'x'"),
        ("UPDATE t SET n = price, price = n", ""),
        ("UPDATE t SET norm = now()::text", ""),
        ("UPDATE t SET norm = current_user", ""),
        ("UPDATE t SET norm = mine(email)", ""),
        ("UPDATE t SET norm = t::text", ""),
        ("UPDATE t SET n = DEFAULT", ""),
        ("UPDATE t SET (n, norm) = (SELECT 1, 'a')", ""),
        ("UPDATE t SET n = (SELECT max(x) FROM u)", ""),
        ("UPDATE t SET norm = u.x FROM u WHERE u.id = t.id", "\n  AND u.id = t.id"),
        ("DELETE FROM t", ""),
        ("DELETE FROM t WHERE at < now() - interval '1 year'", "\n  AND at < now() - interval '1 year'"),
        ("DELETE FROM t USING u WHERE u.id = t.id", "\n  AND u.id = t.id"),
    ],
)
def test_where_the_row_does_not_tell_each_is_changed_once_and_nothing_verified(statement, behind):
    found = made(statement)
    assert found.text.endswith(f"WHERE t.id >= $1 AND t.id <= $2{behind}")
    assert found.verify is None


def test_a_key_of_several_columns_and_an_alias():
    found = made("DELETE FROM public.t AS x WHERE n = 3;", TWO)
    assert found.text == (
        'DELETE FROM public.t AS x\nWHERE (x.a, x."No") >= ($1, $2) AND (x.a, x."No") <= ($3, $4)\n  AND n = 3'
    )
    assert found.verify == "SELECT NOT EXISTS (SELECT 1 FROM public.t AS x WHERE n = 3)"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ONLY t SET n = 1",
        "UPDATE t SET n = 1 WHERE CURRENT OF c",
        "WITH u AS (SELECT 1) DELETE FROM t",
        "DELETE FROM t RETURNING id",
        "UPDATE t SET n = 1 WHERE id = $1",
        "UPDATE t SET n = 1 WHERE n < (SELECT max(n) FROM t)",
        "UPDATE t SET n = o.n FROM public.t AS o WHERE o.id = t.id - 1",
        "INSERT INTO t SELECT 1",
        "UPDATE t SET",
    ],
)
def test_what_would_be_something_else_in_batches_is_left_alone(statement):
    assert in_batches(statement, ONE, TYPES) is None
