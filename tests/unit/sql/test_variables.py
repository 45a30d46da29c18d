"""What psql would replace in a statement is found, and nothing else."""

from __future__ import annotations

import pytest

from sqlmigrate.sql.variables import variables


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
