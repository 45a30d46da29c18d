"""What people and programs read: carets that point, tables that are whole, JSON that is one document."""

from __future__ import annotations

import io
import json
import unicodedata
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlmigrate.cli import review
from sqlmigrate.cli.foreign_text import one_line
from sqlmigrate.cli.output import (
    Output,
    caret,
    error_as_json,
    is_terminal,
    problem_as_json,
    render_error,
    render_problem,
    server_details,
)
from sqlmigrate.cli.wrapping import wrapped
from sqlmigrate.errors import (
    Error,
    ExecutionError,
    HalfWayError,
    LockBudgetSpent,
    MigrationsError,
    Place,
    Problem,
    SeedError,
    ServerMessage,
)
from sqlmigrate.sql.position import place_at

SAID = ServerMessage('relation "t" does not exist', "ERROR", "42P01", "a\nb", "a hint", "PL/pgSQL function f() line 3")


def plain(lines: list[str]) -> list[str]:
    return [click.unstyle(line) for line in lines]


def width(text: str) -> int:
    """Give how many cells of a terminal a text takes, a tab as one: it is the same in both lines."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def pointed(text: str, column: int) -> tuple[str, str]:
    """Give the line as it is shown, and the character above the caret."""
    line, mark = plain(caret(Place(Path("a.sql"), 7, column, text)))
    before = len(mark) - 1
    assert mark.endswith("^")
    assert mark[:-1].strip(" |\t") == ""
    cells = 0
    for character in line:
        if cells == before and not unicodedata.combining(character):
            return line, character
        cells += width(character)
    return line, ""


@pytest.mark.parametrize(
    ("text", "character"),
    [
        ("SELECT x", "x"),
        ("x", "x"),
        ("\t\tSELECT\tx", "x"),
        ("SELECT 'é', x", "x"),
        ("SELECT '訂單', x", "x"),
        ("SELECT '🙂🙂', x", "x"),
        ("SELECT 'e\N{COMBINING ACUTE ACCENT}', x", "x"),
        ("SELECT 'ﾊﾝ', カナ, x", "x"),
        ("SELECT 訂", "訂"),
    ],
)
def test_the_caret_stands_under_its_character(text, character):
    line, found = pointed(text, text.index(character) + 1)

    assert line == f"  7 | {text}"
    assert found == character


def test_the_caret_may_stand_after_the_end():
    assert plain(caret(Place(Path("a"), 1, 4, "abc"))) == ["  1 | abc", "    |    ^"]


def test_the_number_of_the_line_moves_the_caret():
    assert plain(caret(Place(Path("a"), 1000, 2, "abc"))) == ["  1000 | abc", "       |  ^"]


@pytest.mark.parametrize("column", [1, 79, 80, 81, 500, 999, 1000])
def test_of_a_long_line_the_part_around_the_caret_is_shown(column):
    text = "".join(chr(0x21 + at % 90) for at in range(1000))
    line, character = pointed(text, column)

    assert character == text[column - 1]
    assert len(line) <= 170


def test_what_could_play_with_the_terminal_is_not_shown():
    text = "SELECT '\x1b[2J\r\b\0\N{RIGHT-TO-LEFT OVERRIDE}', x"
    line, character = pointed(text, text.index("x") + 1)

    assert character == "x"
    assert not {unicodedata.category(c) for c in line} & {"Cc", "Cf"}


@pytest.mark.parametrize(
    "place", [Place(Path("a")), Place(Path("a"), 1), Place(Path("a"), 1, 1), Place(Path("a"), 1, None, "x")]
)
def test_without_a_line_or_column_there_is_no_caret(place):
    assert caret(place) == []


@given(st.text(st.sampled_from("ab \té訂🙂\N{COMBINING ACUTE ACCENT}\x07\n\r"), max_size=300), st.data())
def test_any_place_can_be_shown_on_two_lines(text, data):
    place = place_at(Path("a.sql"), text, data.draw(st.integers(0, len(text))))
    lines = plain(caret(place))

    assert len(lines) == 2
    assert all(len(line.splitlines()) == 1 for line in lines)
    assert lines[1].endswith("^")
    assert lines[0].count("\t") >= lines[1].count("\t")


def test_an_error_of_the_server_is_reported_whole():
    place = Place(Path("sql/1.sql"), 2, 8, "SELECT t.a")
    error = ExecutionError("the script failed", migration_id="1", server=SAID, hint="look at it", place=place)

    assert plain(render_error(error)) == [
        "error: sql/1.sql:2:8: the script failed",
        "  2 | SELECT t.a",
        "    |        ^",
        '  ERROR 42P01: relation "t" does not exist',
        "  DETAIL: a",
        "  | b",
        "  HINT: a hint",
        "  CONTEXT: PL/pgSQL function f() line 3",
        "  1 was rolled back; nothing of this run of it is in the database",
        "  what to do: look at it",
    ]


def test_what_may_be_in_the_database_is_not_called_rolled_back():
    error = HalfWayError("it stopped", migration_id="1", kept=True)

    assert "rolled back" not in "\n".join(render_error(error))


def test_a_message_without_a_code_has_no_gap():
    assert plain(render_error(ExecutionError("x", server=ServerMessage("gone", "FATAL"))))[1] == "  FATAL: gone"
    assert server_details(ServerMessage("m")) == []


def test_a_query_of_a_function_is_shown_with_a_caret():
    said = ServerMessage("m", context="c", internal_query="SELECT 1;\n\tSELECT ä, b", internal_position=19)

    assert "\n".join(plain(server_details(said))).splitlines() == [
        "  QUERY: SELECT 1;",
        "  | \tSELECT ä, b",
        "    2 | \tSELECT ä, b",
        "      | \t       ^",
        "  CONTEXT: c",
    ]
    assert server_details(ServerMessage("m", internal_query="SELECT 1")) == ["  QUERY: SELECT 1"]


@pytest.mark.parametrize("kind", [MigrationsError, SeedError])
def test_every_problem_is_reported_with_its_line_and_its_remedy(kind):
    problems = [Problem("is wrong", Place(Path("a.sql"), 1, 3, "abc"), "mend it"), Problem("is odd", warning=True)]

    assert plain(render_error(kind("refused", problems))) == [
        "error: refused",
        "  a.sql:1:3: is wrong",
        "    1 | abc",
        "      |   ^",
        "    what to do: mend it",
        "  is odd",
    ]
    assert plain(render_problem(problems[1])) == ["is odd"]


def test_an_error_is_plain_values():
    place = Place(Path("sql/1.sql"), 2, 8, "SELECT t.a")
    error = LockBudgetSpent("no lock", migration_id="1", server=SAID, statement=3, hint="h", place=place)
    error = error.replaced(done=("0",))

    assert json.loads(json.dumps(error_as_json(error))) == {
        "type": "LockBudgetSpent",
        "message": "no lock",
        "hint": "h",
        "place": {"file": "sql/1.sql", "line": 2, "column": 8},
        "exit_status": 5,
        "migration_id": "1",
        "statement": 3,
        "done": ["0"],
        "server": {
            "severity": "ERROR",
            "sqlstate": "42P01",
            "message": 'relation "t" does not exist',
            "detail": "a\nb",
            "hint": "a hint",
            "context": "PL/pgSQL function f() line 3",
            "internal_query": None,
            "internal_position": None,
        },
    }
    assert error_as_json(Error("x")) == {"type": "Error", "message": "x", "hint": None, "place": None, "exit_status": 1}
    assert error_as_json(MigrationsError("x", [Problem("y")]))["problems"] == [problem_as_json(Problem("y"))]


def test_a_problem_is_plain_values():
    assert problem_as_json(Problem("m", Place(Path("a")), "h", warning=True)) == {
        "message": "m",
        "severity": "warning",
        "place": {"file": "a", "line": None, "column": None},
        "hint": "h",
    }


def test_a_result_is_one_json_document(capsys):
    Output("db status", as_json=True).result(path=Path("é"), count=1)
    printed = capsys.readouterr()

    assert json.loads(printed.out) == {"version": 1, "command": "db status", "path": "é", "count": 1}
    assert printed.err == ""


def test_with_json_an_error_is_a_document_too_and_words_go_to_stderr(capsys):
    output = Output("apply", as_json=True)
    output.line("words")
    output.table(["a"], [["b"]])
    output.progress("on the way")
    output.error(Error("went wrong"))
    printed = capsys.readouterr()

    assert json.loads(printed.out)["error"]["message"] == "went wrong"
    assert printed.err == "on the way\nerror: went wrong\n"


def test_without_json_a_result_prints_nothing(capsys):
    Output("apply").result(count=1)

    assert capsys.readouterr().out == ""


def test_results_go_to_stdout_and_everything_else_to_stderr(capsys):
    output = Output("apply", verbose=True)
    output.line("result")
    output.progress("progress")
    output.detail("detail")
    output.warning("careful")
    printed = capsys.readouterr()

    assert printed.out == "result\n"
    assert printed.err == "progress\ndetail\nwarning: careful\n"


def test_quiet_leaves_warnings_and_errors(capsys):
    output = Output("apply", quiet=True)
    output.progress("progress")
    output.detail("detail")
    output.warning("careful")
    output.error(Error("went wrong"))

    assert capsys.readouterr().err == "warning: careful\nerror: went wrong\n"


@pytest.mark.parametrize("columns", ["20", "80", "1"])
def test_a_cell_is_never_cut_or_wrapped(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    long = "20260304_" + "x" * 240
    Output("status").table(("migration", "state"), [(long, "applied"), ("訂單", "pending")])

    assert capsys.readouterr().out.splitlines() == [
        f"{'migration':<{len(long)}}  state",
        f"{long}  applied",
        f"訂單{' ' * (len(long) - 4)}  pending",
    ]


@pytest.mark.parametrize("cell", ["[bold]x[/bold]", "[/]", ":smile:", "a\\[b]", "{x}", "%s", "", " "])
def test_a_cell_is_taken_as_it_is(capsys, cell):
    Output("status").table(("a", "b"), [(cell, "|")])

    assert capsys.readouterr().out.splitlines()[1] == f"{cell or ' '}  |"


def test_a_table_without_rows_has_its_head(capsys):
    Output("status").table(("a", "b"), [])

    assert capsys.readouterr().out == "a  b\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "color", "colored"),
    [
        ({}, None, True),
        ({"NO_COLOR": "1"}, None, False),
        ({"NO_COLOR": ""}, None, False),
        ({"TERM": "dumb"}, None, False),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, True),
    ],
)
def test_colours_are_for_terminals_that_want_them(monkeypatch, environ, color, colored):
    stream = Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    output = Output("status", color=color)
    output.line(click.style("green", fg="green"))
    output.table(("a",), [(click.style("green", fg="green"),)])

    assert ("\x1b[" in stream.getvalue().splitlines()[0]) is colored
    assert ("\x1b[" in stream.getvalue().splitlines()[-1]) is colored


@pytest.mark.parametrize("role", review._STYLES)
def test_every_style_of_ours_is_known_as_one(role):
    """Else it would be shown as what somebody else wrote, with a replacement character."""
    styled = click.style("word", **review._STYLES[role] or {})

    assert one_line(styled, styled=True) == styled
    assert one_line(styled, styled=False) == "word"


def test_a_pipe_gets_no_colours(capsys):
    Output("status").line(click.style("green", fg="green"))
    Output("status").table(("a",), [(click.style("green", fg="green"),)])

    assert capsys.readouterr().out == "green\na\ngreen\n"


def test_a_stream_that_was_closed_is_not_a_terminal():
    assert not is_terminal(None)
    assert not is_terminal(io.StringIO())
    assert is_terminal(Terminal())


@pytest.mark.parametrize("width", [40, 80, 120])
def test_words_wrap_between_words_and_none_is_lost(width):
    text = "  what to do: restore the file as it was, or `sqlmigrate accept 20260101_orders --reason ...` takes it so"

    lines = wrapped(text, width).split("\n")

    assert " ".join(line.strip() for line in lines) == text.strip()
    assert all(len(line) <= width or "`" in line for line in lines)
    assert all(line.startswith("    ") for line in lines[1:])
    assert sum("`sqlmigrate accept 20260101_orders --reason ...`" in line for line in lines) == 1


@pytest.mark.parametrize("text", ["  12 | " + "SELECT 1, " * 20, "  | " + "word " * 40, "x" * 200])
def test_source_foreign_text_and_words_without_a_gap_are_not_wrapped(text):
    assert wrapped(text, 80) == text
    assert wrapped("word " * 40, None) == "word " * 40
