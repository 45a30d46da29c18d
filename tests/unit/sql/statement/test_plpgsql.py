"""What a PL/pgSQL body declares and runs, as far as it can be read."""

from __future__ import annotations

import pytest

from sqlmigrate.sql.statement.expressions import calls_of_every_row, is_constant, relations_read
from sqlmigrate.sql.statement.plpgsql import read_body


def test_variables_are_read_with_their_types():
    body = read_body("""
        <<outer>>
        DECLARE
            a orders.id%TYPE; b record; c orders%ROWTYPE; "D" int[] := ARRAY[1]; -- it's; a comment
            e CONSTANT numeric(10, 2) NOT NULL DEFAULT 3; f CURSOR FOR SELECT region FROM orders;
        BEGIN
            FOR i IN REVERSE 10..1 BY 2 LOOP NULL; END LOOP;
            FOR g, h IN SELECT 1, 2 LOOP NULL; END LOOP;
        END
    """)

    assert body.variables == {
        "a": "orders.id%TYPE", "b": None, "c": "orders", '"D"': "int[]", "e": "numeric(10, 2)", "f": None,
        "i": "integer", "g": None, "h": None,
    }  # fmt: skip
    assert "SELECT region FROM orders" in body.queries


@pytest.mark.parametrize(
    ("text", "queries"),
    [
        ("SELECT a, 'x;y' INTO STRICT b, c.d FROM t", ["SELECT a, 'x;y' FROM t"]),
        ("INSERT INTO t VALUES (1) RETURNING id INTO a", ["INSERT INTO t VALUES (1) RETURNING id"]),
        ("IF a > CASE WHEN b THEN 1 ELSE 2 END THEN DELETE FROM t", [
            "SELECT a > CASE WHEN b THEN 1 ELSE 2 END", "DELETE FROM t",
        ]),
        ("FOR r IN SELECT 1 LOOP UPDATE t SET a = 1", ["SELECT 1", "UPDATE t SET a = 1"]),
        ("WHILE a < 3 LOOP PERFORM f(a) FROM t", ["SELECT a < 3", "SELECT f(a) FROM t"]),
        ("NEW.a := coalesce(NEW.a, 1)", ["SELECT coalesce(NEW.a, 1)", "SELECT NEW.a"]),
        ("a = b + 1", ["SELECT b + 1"]),
        ("RETURN QUERY SELECT * FROM t", ["SELECT * FROM t"]),
        ("RETURN NEXT a", ["SELECT a"]),
        ("EXECUTE 'SELECT ''a'' FROM t'", ["SELECT 'a' FROM t"]),
        ("EXECUTE 'SELECT ' || a", []),
        ("EXECUTE format('SELECT %I', a)", []),
        ("EXCEPTION WHEN unique_violation THEN DELETE FROM t", ["SELECT unique_violation", "DELETE FROM t"]),
        ("OPEN c FOR SELECT 1", ["SELECT 1"]),
        ("RAISE NOTICE 'x'", []),
    ],
)  # fmt: skip
def test_queries_are_read_from_what_stands_around_them(text, queries):
    assert read_body(f"BEGIN {text}; END").queries == queries


def test_of_other_statements_the_names_are_read():
    assert read_body("BEGIN REFRESH MATERIALIZED VIEW s.m; END").relations == [("REFRESH MATERIALIZED VIEW s.m", "s.m")]


def test_calls_that_depend_on_no_row():
    text = "((a = auth.uid()) AND (b = current_setting('x(y'::text)::int) AND f(a) AND (c = ( SELECT auth.uid())))"

    found = calls_of_every_row(text)

    assert [text[call.start : call.end] for call in found] == ["auth.uid()", "current_setting('x(y'::text)"]
    assert calls_of_every_row("('ä'::text = auth.uid())")[0].start == len("('ä'::text = ")


def test_constants_and_relations():
    assert [is_constant(text) for text in ("true", "(1 = 1)", "(a = 1)", "f()", "(CURRENT_USER = 'a'::name)")] == [
        True, True, False, False, False,
    ]  # fmt: skip
    assert relations_read('SELECT 1 FROM a.b WHERE EXISTS (SELECT 1 FROM c."D")') == {"a.b", 'c."D"'}
