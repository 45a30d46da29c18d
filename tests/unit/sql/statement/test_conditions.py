"""Simple conditions of CHECK constraints, as PostgreSQL prints them."""

from __future__ import annotations

import pytest

from sqlmigrate.sql.statement.conditions import Condition, conditions, is_one_expression


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("(n > 0)", [("n", "", ">", ("0",))]),
        ("((n >= '-1'::integer) AND (n <= 10))", [("n", "", ">=", ("-1",)), ("n", "", "<=", ("10",))]),
        ("((s)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))",
         [("s", "", "=", ("a", "b"))]),
        ("(char_length((s)::text) = 2)", [("s", "char_length", "=", ("2",))]),
        ("(VALUE ~ '^a'::text)", [("value", "", "~", ("^a",))]),
        ("((p > (0)::numeric) OR (q > 1))", []),
        ("(a > b)", []),
        ("(NOT (a > 1))", []),
        ("(a OPERATOR(public.=) 1)", []),
        ("(public.length(a) = 1)", []),
        ("(substr(a, 1) = 'x'::text)", []),
        ("(a IS NOT NULL)", []),
        ("(a = NULL::integer)", []),
        ("(a <> ALL (ARRAY[1, 2]))", []),
    ],
)  # fmt: skip
def test_what_compares_a_column_with_constants_is_found(text, found):
    seen = [(one.column, one.function, one.operator, one.constants) for one in conditions(f"CHECK {text}")]

    assert seen == found


def test_casts_are_told():
    [found] = conditions("CHECK (((s)::character varying(3))::text = 'a'::text)")

    assert found == Condition("s", "", frozenset({"varchar()", "text"}), "=", ("a",))
    assert list(conditions("CHECK (oh no")) == []


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("a = 1", True),
        ("a = 1 -- all", True),
        ("(SELECT true)", True),
        ("true) UNION ALL (SELECT 1", False),
        ("true) FROM x WHERE (true", False),
        ("true), (true", False),
        ("true); SELECT (1", False),
        ("true) LIMIT (1", False),
        ("a = 'x", None),
    ],
)
def test_one_expression_is_known(text, answer):
    assert is_one_expression(text) is answer
