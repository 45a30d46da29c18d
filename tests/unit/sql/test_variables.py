"""What psql would replace in a statement is found, and nothing else."""

from __future__ import annotations

import pytest

from sqlmigrate.sql.variables import run_on, variables


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT :a, :'b', :\"c\", a[1:2], a[x:y]", ["a", "b", "c", "2", "y"]),
        ("SELECT :größe, :_1, :😀", ["größe", "_1", "😀"]),
        ("SELECT x::text, x:: text, x::'a', :::d", ["d"]),
        ("CALL p(a := 1, b :=c)", []),
        ("SELECT ':a', \":a\", $$:a$$, $x$:a$x$, E'\\':a', U&':a'", []),
        ("SELECT 1 -- :a\n/* :a /* :'b' */ */ + :c", ["c"]),
        ("SELECT a$b:c, $1:d, e$f$:g", ["c", "d", "g"]),
        ("SELECT : a, :'b c', :'b''d', :-1", ["b"]),
        ("SELECT ':a''' || :b", ["b"]),
    ],
)
def test_variables_stand_outside_quotes_and_comments(statement, expected):
    assert list(variables(statement)) == expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT a[1:b$$' $$'], a[1:E'x'], a[1:U&'x'], a[1:n\"x\"]", ["b", "E", "U", "n"]),
        ("SELECT a[1:n], :'n'$$x$$, x::n$$, ':a$$', a[1: E'x']", ["n"]),
    ],
)
def test_what_psql_reads_differently_behind_a_variable_is_found(statement, expected):
    assert list(run_on(statement)) == expected
