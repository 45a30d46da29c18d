"""Scripts come apart into the statements that psql would send, whatever stands in them."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlmigrate.sql import source
from sqlmigrate.sql.gap import skip_gap
from sqlmigrate.sql.position import LineColumn, line_column
from sqlmigrate.sql.scan import Piece, is_copy_from_stdin, leading_words, split
from sqlmigrate.sql.source import Source
from support.splitting import CASES

TOKENS = [
    *"'\"$;()\\ \n\r\tabeE1-/*+#", "--", "/*", "*/", "$$", "$a$", "$1", "E'", "''", '""', "U&'", "\\.", "\r\n",
    "begin", "END", "case", "create function ", "create or replace procedure ", "copy t from stdin;\n", "\n\\.\n",
    "\\restrict x\n", "select 1;", "é", "\N{NO-BREAK SPACE}", "\N{LINE SEPARATOR}", "🙂", "\f\v",
]  # fmt: skip
scripts = st.lists(st.sampled_from(TOKENS), max_size=30).map("".join) | st.text(max_size=40)


def statements(text: str) -> list[str]:
    pieces = list(split(text))

    assert [piece.problem for piece in pieces] == [None] * len(pieces)
    return [piece.text for piece in pieces]


def problem(text: str) -> tuple[str, str]:
    """Give what stops the reading of a text, and the text from there on."""
    *_, last = split(text)
    assert last.problem is not None
    assert last.problem_offset is not None
    return last.problem, text[last.problem_offset :]


def read(script: str | Source) -> list[tuple[Piece, str | None]]:
    """Give the pieces with their data, which can be read only once."""
    return [(piece, "".join(piece.data.chunks()) if piece.data else None) for piece in split(script)]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_script_is_split_as_psql_does(case):
    assert statements(case.script) == case.statements


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_last_statement_may_come_without_its_semicolon(case):
    assert statements(case.script.rstrip(" \n\r;")) == [text.rstrip("; ") for text in case.statements]


def test_white_space_is_what_postgresql_takes_for_it():
    no_break = "\N{NO-BREAK SPACE}"

    assert statements(f"SELECT 1 AS a{no_break};\n{no_break};") == [f"SELECT 1 AS a{no_break}", no_break]


@pytest.mark.parametrize(
    "open_end",
    [
        "'a; b",
        "'a''",
        "E'a\\'",
        "E'a'\n'b",
        '"a; b',
        "/* a; ",
        "/* /* */",
        "$$ a; ",
        "$a$ ; $$",
        "$a$ ; $A$",
        "f($$)",
        "E'\\",
    ],
)
def test_what_is_never_closed_is_named_where_it_begins(open_end):
    message, rest = problem(f"SELECT 1;\nSELECT {open_end}")

    assert "is never closed" in message
    assert rest[0] in "'\"/$"
    assert statements("SELECT 1;") == ["SELECT 1"]


def test_an_open_comment_after_the_last_statement_is_named_too():
    assert problem("SELECT 1;\n/* and") == ("this comment is never closed", "/* and")


@pytest.mark.parametrize(
    ("script", "command"),
    [
        ("\\i other.sql", "\\i"),
        ("SELECT 1;\n  \\set x 1\nSELECT 2;", "\\set"),
        ("SELECT 1 \\gset\n", "\\gset"),
        ("SELECT 1 \\; SELECT 2;", "\\;"),
        ("SELECT 1;\n\\.\n", "\\."),
        ("\\", "\\"),
        ("\\ \n", "\\"),
        ("\\connect\tpostgres\n", "\\connect"),
        ("\\restricted\n", "\\restricted"),
        ("\\restrict\n", "\\restrict"),
        ("\\restrict abc \\\\ DROP TABLE t;\n", "\\restrict"),
        ("SELECT 1 \\restrict abc\n;", "\\restrict"),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; \\x\nEND;", "\\x"),
    ],
)
def test_psql_commands_are_named(script, command):
    message, rest = problem(script)

    assert message == f"{command} is a psql command, not SQL"
    assert rest.startswith("\\")


def test_the_restrict_lines_of_pg_dump_are_passed_over():
    script = "--\n\n\\restrict aB3\r\n\nSELECT 1;\n\n\\unrestrict aB3\n\n"

    assert statements(script) == ["SELECT 1"]
    assert statements("\\unrestrict aB3") == []


def test_nothing_after_a_problem_is_read():
    pieces = list(split("SELECT 1; \\i x\nSELECT 2;"))

    assert [piece.text for piece in pieces] == ["SELECT 1", "\\i x\nSELECT 2;"]


COPY = "COPY t (a, b) FROM stdin;\n1\tx; y\n2\t'\n--\t/*\n\\.\n\nSELECT 2;"


@pytest.mark.parametrize(
    ("script", "data"),
    [
        (COPY, "1\tx; y\n2\t'\n--\t/*\n"),
        ("copy t from STDIN; -- rows\n1\n\\.\nSELECT 2;", "1\n"),
        ("COPY t FROM stdin; /* rows */ \n1\n\\.\nSELECT 2;", "1\n"),
        ("COPY t FROM stdin;\r\n1\r\n\\.\r\nSELECT 2;", "1\r\n"),
        ("COPY t FROM stdin WITH (FORMAT csv, DELIMITER ';');\n1;2\n\\.\nSELECT 2;", "1;2\n"),
        ("COPY t FROM\n/* a */ stdin -- b\n;\n1\n\\.\nSELECT 2;", "1\n"),
        ('COPY "to" FROM stdin;\n\\.\nSELECT 2;', ""),
        ("COPY t FROM STDOUT;\n1\n\\.\nSELECT 2;", "1\n"),
        ("COPY t FROM stdin;\n\\.x\n \\.\n\\N\n\\.\nSELECT 2;", "\\.x\n \\.\n\\N\n"),
    ],
)
def test_copy_data_belongs_to_its_statement(script, data):
    (copy, found), (after, nothing) = read(script)

    assert (found, nothing) == (data, None)
    assert copy.text.lower().startswith("copy")
    assert after.text == "SELECT 2"


@pytest.mark.parametrize("data", ["", "1\n2\n", "1", "\\.", "1\n\\."])
def test_copy_data_may_end_with_the_file(data):
    ((_, found),) = read(f"COPY t FROM stdin;\n{data}")

    assert found == data.removesuffix("\\.")


def test_copy_without_a_line_after_it_has_no_data():
    assert read("COPY t FROM stdin")[0][1] == ""


@pytest.mark.parametrize("rest", ["SELECT 1;", "COPY u FROM stdin;", "/* open", "'"])
def test_nothing_may_follow_copy_on_its_line(rest):
    message, where = problem(f"COPY t FROM stdin; {rest}\n1\n\\.\n")

    assert message.startswith("nothing may follow COPY FROM STDIN on its line")
    assert where.startswith(rest)


def test_data_that_nobody_reads_is_passed_over():
    assert [piece.text for piece in split(COPY)] == ["COPY t (a, b) FROM stdin", "SELECT 2"]


def test_data_that_is_read_in_part_is_passed_over_from_there_on(monkeypatch):
    monkeypatch.setattr(source, "_CHUNK", 1)
    parts = iter(["COPY t FROM stdin;\n", "a", "\\.\n", "b\n\\.\nSELECT 2;"])
    found = []
    for piece in split(Source(read=lambda: next(parts, ""))):
        found.append(piece.text)
        if piece.data is not None:
            assert next(piece.data.chunks()) == "a"

    assert found == ["COPY t FROM stdin", "SELECT 2"]


@pytest.mark.parametrize(
    "statement",
    [
        "COPY t TO stdout",
        "COPY t FROM 'stdin'",
        "COPY t FROM PROGRAM 'cat from stdin'",
        "COPY (SELECT 1 FROM stdin) TO '/tmp/x'",
        'COPY "from stdin" TO STDOUT',
        "COPY t TO '/tmp/x' -- from stdin",
        "COPY t TO $$ from stdin $$",
        "SELECT 1 FROM stdin",
        "COPYING t FROM stdin",
        "",
    ],
)
def test_other_statements_bring_no_data(statement):
    assert not is_copy_from_stdin(statement)


def test_a_gap_ends_at_the_first_character_of_a_statement():
    text = " \n-- a\r\n/* b /* c */ */\t--d\n x -- e"

    assert skip_gap(text, 0) == text.index("x")
    assert skip_gap("-- only", 0) == 7
    assert skip_gap("", 0) == 0


def test_leading_words_stop_at_anything_else():
    assert leading_words("/* a */ Create -- b\n OR\treplace función(x", 9) == ["create", "or", "replace", "función"]
    assert leading_words("DROP TABLE a, b", 2) == ["drop", "table"]
    assert leading_words('SELECT "a" b', 3) == ["select"]
    assert leading_words("'a'", 3) == []


@given(scripts)
def test_any_text_can_be_split_and_put_together_again(text):
    rebuilt, end = "", 0
    for piece in split(text):
        gap = text[end : piece.offset]
        rebuilt += gap + text[piece.offset : piece.offset + len(piece.text)]
        end = piece.offset + len(piece.text)

        assert text.startswith(piece.text, piece.offset)
        assert piece.problem or piece.text == piece.text.strip(" \t\n\r\f\v")
        assert LineColumn(piece.line, piece.column) == line_column(text, piece.offset)

    assert rebuilt + text[end:] == text


@given(scripts)
def test_only_the_last_piece_of_any_text_has_a_problem(text):
    pieces = list(split(text))

    assert all(piece.problem is None for piece in pieces[:-1])
    for piece in pieces:
        assert (piece.problem is None) == (piece.problem_offset is None)
        assert piece.offset <= (piece.problem_offset or piece.offset) <= len(text)


@given(scripts)
def test_between_the_statements_of_any_text_is_no_statement(text):
    end = 0
    for piece, data in read(text):
        assert not list(split(text[end : piece.offset]))
        end = piece.offset + len(piece.text)
        if data is not None:
            end = text.index(data, text.find("\n", end) + 1 or len(text)) + len(data)
            end += len((re.match(r"\\\.\r?\n?", text[end:]) or [""])[0])


words = st.sampled_from(["a", "b$1", "from_", "é", "1", "1.5", "$1", "a # b", "x::text", "(1; 2)", "NOT b", "a[1:2]"])
any_text = st.text(st.sampled_from("abE';\"\\$-/* \n()é🙂"), max_size=12)
fragments = st.one_of(
    words,
    any_text.map(lambda text: "'" + text.replace("'", "''") + "'"),
    any_text.map(lambda text: "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"),
    any_text.map(lambda text: '"' + text.replace('"', '""') + '"'),
    any_text.map(lambda text: "$q$" + text.replace("$", "") + "$q$"),
    any_text.map(lambda text: "--" + text.replace("\n", "") + "\n 1"),
    any_text.map(lambda text: "/*" + text.replace("*", "").replace("/", "") + "*/ 1"),
)
one_statement = st.lists(fragments, min_size=1, max_size=6).map(lambda parts: "SELECT " + ", ".join(parts))
gaps = st.sampled_from([";", ";\n", " ;\n\n", "; -- x;\n", ";\r\n", ";;\n", "\n; /* ; ' */ ", ";\n/* /* ; */ $$ */\n"])


@given(st.lists(st.tuples(one_statement, gaps), max_size=6), gaps)
def test_statements_joined_come_apart_again(pairs, before):
    text = before + "".join(statement + gap for statement, gap in pairs)

    assert statements(text) == [statement for statement, _ in pairs]


@given(one_statement)
def test_a_routine_body_keeps_its_statements_together(inner):
    body = f"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC {inner}; {inner}; END"

    assert statements(f"{body}; {inner};") == [body, inner]


@given(scripts, st.integers(1, 7))
def test_a_script_that_is_read_in_parts_comes_apart_alike(text, size):
    parts = iter([text[at : at + size] for at in range(0, len(text), size)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "_CHUNK", size)
        streamed = read(Source(read=lambda: next(parts, "")))

    assert [told(piece, data) for piece, data in streamed] == [told(piece, data) for piece, data in read(text)]


marks_of_data = st.sampled_from(["a", "\\", ".", "\n", "\r", "\\.", "\n\\.\n", "\\N\t"])


@given(st.lists(marks_of_data, max_size=20), st.integers(1, 7))
def test_copy_data_ends_alike_wherever_its_parts_end(marks, size):
    text = "COPY t FROM stdin;\n" + "".join(marks) + "\n\\.\nSELECT 1;"
    parts = iter([text[at : at + size] for at in range(0, len(text), size)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "_CHUNK", size)
        streamed = read(Source(read=lambda: next(parts, "")))

    assert [told(piece, data) for piece, data in streamed] == [told(piece, data) for piece, data in read(text)]


def told(piece: Piece, data: str | None) -> tuple[object, ...]:
    text = None if piece.problem else piece.text  # behind a problem, only what was read so far is known
    return text, piece.offset, piece.line, piece.column, piece.problem, piece.problem_offset, data


@pytest.mark.parametrize(
    "script",
    [
        "/*" * 100_000 + "*/" * 100_000 + "SELECT 1",
        "SELECT '" + "a''" * 300_000 + "'",
        "SELECT E'" + "\\'" * 300_000 + "'",
        "SELECT E'a'" + "\n -- x\n" * 50_000,
        "SELECT E'a' " + "-" * 300_000,
        'SELECT "' + '""' * 300_000 + '"',
        "SELECT a" + "$" * 300_000,
        "SELECT " + "a$" * 150_000,
        "SELECT " + "$$" * 150_000,
        "SELECT " + "$1" * 150_000,
        "SELECT $a$" + "$" * 300_000 + "$a$",
        "SELECT " + "(" * 300_000,
        "SELECT " + "()" * 150_000,
        "SELECT " + "-" * 300_000,
        "SELECT " + "/" * 300_000,
        "SELECT '" + "x" * 2_000_000 + "'",
        ";" * 300_000 + "SELECT 1",
        " " * 300_000 + "SELECT 1",
        "CREATE FUNCTION f() RETURNS int " + "BEGIN " * 50_000,
        "CREATE FUNCTION f() RETURNS int AS " + "a$" * 150_000,
        "COPY t FROM stdin;\n" + "\\.x\n" * 50_000,
    ],
    ids=lambda script: f"{script[:12]}...{script[-12:]}",
)
def test_no_script_takes_long(script):
    begun = time.process_time()
    pieces = list(split(script))

    assert len(pieces) == 1
    assert time.process_time() - begun < 2


def test_a_megabyte_of_statements_is_split_within_its_budget():
    line = "INSERT INTO t (id, name, at) VALUES (1, 'it''s', now()); -- words\n"
    script = line * (1_000_000 // len(line))
    begun = time.process_time()

    assert sum(1 for _ in split(script)) == script.count("\n")
    assert time.process_time() - begun < 1  # 0.2 s where nothing else runs
