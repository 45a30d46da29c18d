"""Offsets become lines and columns as editors count them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlmigrate.errors import Place
from sqlmigrate.sql.position import LineColumn, line_at, line_column, place_at

texts = st.text(st.sampled_from("ab é🙂\t\r\n"), max_size=30)


@pytest.mark.parametrize(
    ("text", "mark", "line", "column"),
    [
        ("x", "x", 1, 1),
        ("a\nx", "x", 2, 1),
        ("a\r\nbx\r\n", "x", 2, 2),
        ("\n\n\n x", "x", 4, 2),
        ("é🙂x", "x", 1, 3),
        ("\tx", "x", 1, 2),
        ("ax\n", "\n", 1, 3),
    ],
)
def test_lines_and_columns_count_characters_from_one(text, mark, line, column):
    assert line_column(text, text.index(mark)) == LineColumn(line, column)


@pytest.mark.parametrize(
    ("text", "offset", "line"), [("", 0, ""), ("a\nbc\nd", 3, "bc"), ("a\r\nbc\r\n", 4, "bc"), ("ab", 2, "ab")]
)
def test_a_line_comes_without_its_end(text, offset, line):
    assert line_at(text, offset) == line


def test_a_place_holds_what_a_caret_needs():
    assert place_at(Path("a.sql"), "SELECT\r\n  é FROM\r\n", 10) == Place(Path("a.sql"), 2, 3, "  é FROM")


def test_a_place_after_the_end_is_the_end():
    assert place_at(Path("a.sql"), "a\nb", 99) == Place(Path("a.sql"), 2, 2, "b")


@given(texts, st.data())
def test_every_offset_can_be_found_again(text, data):
    offset = data.draw(st.integers(0, len(text)))
    where = line_column(text, offset)
    lines = text.split("\n")

    assert sum(len(line) + 1 for line in lines[: where.line - 1]) + where.column - 1 == offset
    assert line_at(text, offset) == lines[where.line - 1].rstrip("\r")
