"""Comments that look like directives and are not read as such are told, and prose is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlmigrate.sql.directives import read_directives
from sqlmigrate.sql.unread import unread_directives

PATH = Path("a.sql")
BEHIND = "this looks like a directive but is not read: it comes after the first statement"


def told(text: str) -> list[str]:
    problems = unread_directives(PATH, text)

    assert all(problem.warning for problem in problems)
    return [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("-- sqlmigrate lock_timeout=5s", "sqlmigrate: lock_timeout=5s"),
        ("--sqlmigrate role=a lock_timeout=5s  ", "sqlmigrate: role=a lock_timeout=5s"),
        ("-- SQLMIGRATE: role=a", "sqlmigrate: role=a"),
        ("-- transactional=false", "transactional: false"),
        ("-- transactional false", "transactional: false"),
        ("-- Transactional: FALSE", "transactional: false"),
        ("-- depend: x", "depends: x"),
        ("-- depends=x", "depends: x"),
        ("--depends 001", "depends: 001"),
        ("-- Depends: 001, 002_b", "depends: 001 002_b"),
        ("-- depends on: V1__a", "depends: V1__a"),
        ("  -- dependencies: 001", "depends: 001"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_near_miss_above_the_first_statement_is_reported_with_what_to_write(line, meant, end):
    text = end.join(["-- words", "/* more", "words */", line, "SELECT 1;", ""])
    column = line.index("--") + 1

    assert told(text) == [f"a.sql:4:{column}: this is not read: write `-- {meant}`"]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("SELECT 1;\n-- transactional: false\nSELECT 2;", [2]),
        ("SELECT 1;\n\n  -- depends: 001_a 002\n", [3]),
        ("SELECT ';';\n--transactional:TRUE\nSELECT 2;\n-- depends: V1__a", [2, 4]),
        ("COPY t FROM stdin;\n-- depends: 1\n\\.\n-- depends: 2\n", [4]),
    ],
)
def test_a_directive_after_the_first_statement_is_reported(text, lines):
    assert [problem.split(": ", 1)[1] for problem in told(text)] == [BEHIND] * len(lines)
    assert [int(problem.split(":")[1]) for problem in told(text)] == lines


PROSE = [
    "-- depends on the next release",
    "-- depends: the users table must be there",
    "-- Depends: users",
    "-- depends on 3 tables",
    "-- depends on pg16",
    "-- dependencies: none",
    "-- it depends: 1",
    "-- transactional safety is not needed",
    "-- transactional: what else",
    "-- not transactional=false",
    "-- sqlmigrate runs this",
    "-- sqlmigrate setting=5s words",
    "-- sqlmigrate other=5s",
    "-- sqlmigrate-allow: H01 the table is empty",
    "-- role=a",
]


@pytest.mark.parametrize("line", PROSE)
def test_prose_is_left_alone_wherever_it_stands(line):
    assert told(f"SELECT 1;\n{line}\nSELECT 2;\n{line}\n") == []
    if read_directives(PATH, line)[0].depends or read_directives(PATH, line)[1]:
        return  # above the first statement this is a directive
    assert told(f"{line}\nSELECT 1;\n") == []


@pytest.mark.parametrize(
    "text",
    [
        "-- depends: 001\n-- transactional: false\n-- sqlmigrate: role=a\nSELECT 1;",
        "/*\n-- depend: x\n-- transactional=false\n*/\nSELECT 1;",
        "SELECT 1;\n-- transactional=false\n-- depend: x\n",
        "SELECT '\n-- transactional: false\n-- depends: 1\n';",
        "SELECT $$\n-- transactional: false\n$$;\nSELECT 2; -- depends: 1\n",
        "SELECT 1;\n/*\n-- transactional: false\n*/",
        "COPY t FROM stdin;\n-- transactional: false\n\\.\nSELECT 1;",
        "SELECT 1;\n-- sqlmigrate: role=a\n",  # an error of its own
    ],
)
def test_what_is_read_or_is_not_a_comment_line_is_not_reported(text):
    assert told(text) == []
