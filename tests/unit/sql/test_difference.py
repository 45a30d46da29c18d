"""Two versions of a script: a diff for people, and whether the statements are the same."""

from __future__ import annotations

import pytest

from sqlmigrate.sql.difference import DIFF_LINES, same_routine, same_statements, unified

SCRIPT = """-- sqlmigrate: lock_timeout=2s
CREATE TABLE Orders (id int, note text DEFAULT 'a  -- b');
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;
COPY Orders FROM stdin;
1\tone
\\.
"""
# where backslashes escape, what seems to be a comment is a part of the string
UNUSUAL = "SET Standard_Conforming_Strings = off;\nSELECT ('\\' -- ' || 'a'\n);\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("CREATE TABLE", "/* orders /* nested */ */ create\n\ttable"),
        ("CREATE TABLE Orders (id", "CREATE TABLE orders(id"),
        (");\nCREATE F", ") -- the table\n;\n\n\nCREATE F"),
        ("-- sqlmigrate: lock_timeout=2s\n", "-- reviewed\n-- sqlmigrate:   lock_timeout=2000ms\n"),
        ("\n", "\r\n"),
    ],
    ids=["comments", "case", "gaps", "comment above", "line ends"],
)
def test_comments_white_space_and_case_of_words_make_no_other_statement(old, new):
    before = SCRIPT.partition("COPY")[0] if old == "\n" else SCRIPT
    before = before.replace("$$ SELECT 1 $$", "'SELECT 1'")

    assert old in before
    assert same_statements(before, before.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("lock_timeout=2s", "lock_timeout=3s"),
        ("-- sqlmigrate: lock_timeout=2s", "-- transactional: false"),
        ("-- sqlmigrate: lock_timeout=2s", "-- lock_timeout=2s"),
        ("'a  -- b'", "'a -- b'"),
        ("'a  -- b'", "'A  -- b'"),
        ("Orders (", '"Orders" ('),
        ("SELECT 1", "SELECT 2"),
        ("SELECT 1 $$", "SELECT 1 /* one */ $$"),
        ("1\tone", "1\tOne"),
        ("id int,", "id int NOT NULL,"),
        ("CREATE TABLE", "CREATE TEMP TABLE"),
        ("\\.\n", "\\.\nSELECT 1;\n"),
        ("DEFAULT 'a  -- b')", "DEFAULT 'a  -- b'"),
        ("1\tone\n", ""),
    ],
)
def test_another_directive_constant_name_body_or_row_is_a_change(old, new):
    assert old in SCRIPT
    assert not same_statements(SCRIPT, SCRIPT.replace(old, new))
    assert not same_statements(SCRIPT.replace(old, new), SCRIPT)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "SELECT 1"),
        ("SELECT 1; SELECT 2", "SELECT 2; SELECT 1"),
        ("SELECT a - -1", "SELECT a --1"),
        ("a@-1", "a@ -1"),
    ],
)
def test_order_and_operators_count(before, after):
    assert not same_statements(before, after)


@pytest.mark.parametrize("text", ["SELECT 'open", "SELECT 1 /* open", f"SELECT '{'x' * 200_001}'", "\\connect other"])
def test_what_cannot_be_read_is_never_taken_for_the_same(text):
    assert not same_statements(text, text)


def test_a_comment_of_a_script_without_statements_is_not_a_change():
    assert same_statements("-- nothing\n", "/* nothing at all */")


def test_a_diff_names_both_versions_and_shows_what_changed():
    assert list(unified("a\r\nb\r\nc\n", "a\nB\nc", "x.sql")) == [
        "--- x.sql (applied)",
        "+++ x.sql (file)",
        "@@ -1,3 +1,3 @@",
        " a",
        "-b",
        "+B",
        " c",
    ]
    assert list(unified("same", "same", "x.sql")) == []


def test_a_long_diff_is_cut():
    before = "\n".join(map(str, range(500)))

    lines = list(unified(before, "", "x.sql"))

    assert (len(lines), lines[-1]) == (DIFF_LINES + 1, "...")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("SELECT n 'a';\n", "SELECT n'a';\n"),
        ("SELECT E'a' -- x\n'\\' -- 1';\n", "SELECT E'a' -- x\n'\\' -- 2';\n"),
        (UNUSUAL, UNUSUAL.replace("'a'", "'b'")),
    ],
)
def test_what_only_seems_to_be_white_space_or_a_comment_is_a_change(before, after):
    assert not same_statements(before, after)


def routine(body: str, *, language: str = "plpgsql", head: str = "f(a integer)", tag: str = "$function$") -> str:
    """Write a routine as pg_get_functiondef() does."""
    return (
        f"CREATE OR REPLACE FUNCTION public.{head}\n RETURNS integer\n LANGUAGE {language}\n IMMUTABLE\n"
        f"AS {tag}{body}{tag}\n"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (routine("BEGIN RETURN a; END"), routine("BEGIN\n  RETURN a; -- it's so\nEND")),
        (routine("BEGIN RETURN a+1; END"), routine("BEGIN RETURN a + 1; END")),
        (routine("SELECT 1", language="sql"), routine("SELECT /* one */ 1", language="sql")),
        (routine("SELECT 1", language="sql"), routine("SELECT 1 --$function$", language="sql", tag="$functionx$")),
        (routine("FOR i IN 1..9 LOOP"), routine("FOR i IN 1 .. 9 LOOP")),
    ],
)
def test_routines_that_differ_in_white_space_and_comments_are_the_same(before, after):
    assert same_routine(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (routine("return  1", language="plpython3u"), routine("return 1", language="plpython3u")),
        (routine("SELECT 'a b'", language="sql"), routine("SELECT 'a  b'", language="sql")),
        (routine("SELECT $a$ --1 $a$", language="sql"), routine("SELECT $a$ --2 $a$", language="sql")),
        (routine("SELECT 1 @ - 1", language="sql"), routine("SELECT 1 @- 1", language="sql")),
        (routine("SELECT ab", language="sql"), routine("SELECT a b", language="sql")),
        (routine("SELECT 'a'\n'b'", language="sql"), routine("SELECT 'a' 'b'", language="sql")),
        (routine("SELECT 'a' -- x\n'b'", language="sql"), routine("SELECT 'a' /* x */ 'b'", language="sql")),
        (routine("SELECT N'a'", language="sql"), routine("SELECT N 'a'", language="sql")),
        (routine("SELECT $1a", language="sql"), routine("SELECT $1 a", language="sql")),
        (routine("SELECT 1", language="sql"), routine("SELECT 1", language="sql", head="f(a bigint)")),
        (routine("SELECT 1", language="sql"), routine("SELECT 1 'open", language="sql")),
        # where standard_conforming_strings is off, what seems to be a comment is another text
        (routine(r"SELECT 'a\' -- ' || 'x'", language="sql"), routine(r"SELECT 'a\' -- ' || 'y'", language="sql")),
        (routine("SELECT 1"), "something else"),
    ],
)
def test_routines_that_differ_otherwise_are_not(before, after):
    assert not same_routine(before, after)
