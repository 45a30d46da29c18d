"""Directives are read from the first comment block, yoyo's as yoyo reads them; everything else there is prose."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yoyo.migrations import parse_metadata_from_sql_comments

from sqlmigrate.sql.directives import Directives, format_duration, parse_duration, read_directives

PATH = Path("a.sql")


def directives(text: str) -> Directives:
    found, problems = read_directives(PATH, text)

    assert problems == []
    return found


def problems(text: str) -> list[str]:
    return [str(problem) for problem in read_directives(PATH, text)[1]]


SPELLINGS = [
    ("-- depends: 1 2\nSELECT 1;", ("1", "2")),
    ("--depends:1\nSELECT 1;", ("1",)),
    ("  --  depends  :  1  \nSELECT 1;", ("1",)),
    ("\t--\tdepends:\t1\t2\nSELECT 1;", ("1", "2")),
    ("-- words\n\n-- more\n\n-- depends: 1\nSELECT 1;", ("1",)),
    ("\n\n   \n-- depends: 1\n", ("1",)),
    ("-- depends: 1\n-- depends: 2 3\n\n-- depends: 1\nSELECT 1;", ("1", "2", "3", "1")),
    ("-- depends: 1\r\n-- words\r\n-- depends: 2\r\nSELECT 1;\r\n", ("1", "2")),
    ("-- depends: ü.🙂 20260101-x_y.z\nSELECT 1;", ("ü.🙂", "20260101-x_y.z")),
    ("-- depends:\nSELECT 1;", ()),
    ("-- depends: 1", ("1",)),
    ("", ()),
    ("SELECT 1;\n-- depends: 1\n", ()),
    ("SELECT 1; -- depends: 1\n", ()),
    ("-- Depends: 1\n-- DEPENDS: 2\n", ()),
    ("-- it depends: on you\n-- depends on: 1\n-- dependsx: 1\n", ()),
    ("---- depends: 1\n-- -- depends: 2\n", ()),
    ("SELECT '\n-- depends: 1\n';", ()),
]


@pytest.mark.parametrize(("text", "depends"), SPELLINGS)
def test_dependencies_are_read_as_yoyo_reads_them(text, depends):
    theirs = parse_metadata_from_sql_comments(text.replace("\r\n", "\n"))[0].get("depends", "").split()

    assert tuple(theirs) == depends
    assert directives(text).depends == depends


@given(
    st.lists(
        st.sampled_from(
            ["-- depends: a b", "--depends:c", "-- words", "", "  -- depends : d ", "--", "-- depends:", "--- x"]
        )
    ),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_any_block_names_the_dependencies_that_yoyo_finds_in_it(lines, line_end):
    text = line_end.join([*lines, "SELECT 1;"])
    theirs = parse_metadata_from_sql_comments("\n".join([*lines, "SELECT 1;"]))[0].get("depends", "").split()

    assert directives(text).depends == tuple(theirs)


@pytest.mark.parametrize(
    ("text", "transactional"),
    [
        ("-- transactional: false\n", False),
        ("--transactional:false\n", False),
        ("-- transactional: FALSE\n", False),
        ("-- words\n\n\n-- transactional: false\n\n", False),
        ("-- transactional: true\n", True),
        ("-- transactional : True  \r\n", True),
        ("-- transactional\n", None),
        ("-- not transactional: at all\n", None),
        ("CREATE INDEX CONCURRENTLY i ON t (a);\n-- transactional: false\n", None),
    ],
)
def test_a_script_says_whether_it_runs_in_a_transaction(text, transactional):
    assert directives(text).transactional is transactional


@pytest.mark.parametrize("value", ["no", "off", "0", "", "false -- really", "'false'", "not"])
def test_transactional_is_true_or_false(value):
    assert problems(f"-- words\n-- transactional: {value}\n") == [
        f"a.sql:2:19: transactional is true or false, not {value!r}"
    ]


def test_transactional_is_said_once():
    assert problems("-- transactional: true\n-- transactional: false\n") == ["a.sql:2:19: transactional is set twice"]


def test_a_block_comment_is_prose_and_ends_nothing():
    found = directives("/* a\n-- depends: 1\n/*\n-- transactional: false\n*/ */\n-- depends: 2\nSELECT 1;")

    assert found == Directives(depends=("2",))


def test_a_directive_stands_alone_on_its_line():
    assert directives("/* a */ -- depends: 1\nSELECT 1;") == Directives()


def test_our_settings_are_read_from_any_of_their_lines():
    text = """
        -- sqlmigrate: lock_timeout=5s statement_timeout=0
        --sqlmigrate:role=app_owner
        -- sqlmigrate: isolation="repeatable read" search_path='app, public'
        SELECT 1;
    """

    assert directives(text) == Directives(
        lock_timeout=5_000,
        statement_timeout=0,
        role="app_owner",
        isolation="repeatable read",
        search_path="app, public",
    )


def test_a_directive_knows_where_it_stands():
    text = "-- depends: 1 22\n\n/* -- depends: 3 */\n-- sqlmigrate: role=a isolation=serializable\nSELECT 1;"
    offsets = directives(text + "\n-- depends: 1").offsets

    assert {key: text[offset:].split(maxsplit=1)[0] for key, offset in offsets.items()} == {
        ("depends", "1"): "1",
        ("depends", "22"): "22",
        ("role", ""): "role=a",
        ("isolation", ""): "isolation=serializable",
    }


def test_two_directives_that_stand_elsewhere_ask_for_the_same():
    assert directives("-- depends: 1\n") == directives("\n\n--  depends:  1\n")


@pytest.mark.parametrize(
    "level", ["serializable", "SERIALIZABLE", "'read committed'", "read_committed", "repeatable-read"]
)
def test_an_isolation_level_may_be_spelled_in_several_ways(level):
    assert directives(f"-- sqlmigrate: isolation={level}\n").isolation in {
        "serializable",
        "read committed",
        "repeatable read",
    }


def test_unused_for_may_be_months_and_has_its_place():
    read, problems = read_directives(Path("x.sql"), "-- sqlmigrate: phase=after-deploy unused-for=60d\nSELECT 1;\n")

    assert (read.unused_for, problems) == (60 * 86_400_000, [])
    assert read.offsets["unused-for", ""] == 34


def test_quotes_in_a_quoted_value_stay():
    assert directives("""-- sqlmigrate: search_path='"My App", public'\n""").search_path == '"My App", public'
    assert directives("""-- sqlmigrate: role="it's"\n""").role == "it's"
    assert directives("-- sqlmigrate: search_path=''\n").search_path == ""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("lock_timout=1s", "unknown key 'lock_timout'; the keys are isolation, lock_timeout, phase, replaces, role"),
        ("transactional=false", "unknown key 'transactional'"),
        ("ROLE=a", "unknown key 'ROLE'"),
        ("lock_timeout=soon", "'soon' is not a duration such as 500ms, 2s or 10min"),
        ("lock_timeout=-1", "'-1' is not a duration"),
        ("lock_timeout=1.5s", "'1.5s' is not a duration"),
        ("lock_timeout=99999999999d", "is more than PostgreSQL's largest time"),
        ("statement_timeout=", "write `-- sqlmigrate: key=value ...`, not 'statement_timeout='"),
        ("", "write `-- sqlmigrate: key=value ...`, not ''"),
        ("just words", "write `-- sqlmigrate: key=value ...`, not 'just words'"),
        ("role=a and more", "write `-- sqlmigrate: key=value ...`"),
        ("role = a", "write `-- sqlmigrate: key=value ...`"),
        ("search_path=a, b", "write `-- sqlmigrate: key=value ...`"),
        ("role='a", "write `-- sqlmigrate: key=value ...`"),
        ('role="a"b', "write `-- sqlmigrate: key=value ...`"),
        ("role=''", "role is empty"),
        ("isolation=dirty", "isolation is one of read committed, repeatable read, serializable, not 'dirty'"),
        ("role=a role=b", "role is set twice"),
        ("unused-for=14", "unused-for is a duration with its unit, such as 14d or 36h, not '14'"),
        ("unused-for=soon", "unused-for is a duration with its unit"),
        ("unused-for=0d", "unused-for is more than 0 and at most 3650d"),
        ("unused-for=99999999999999d", "unused-for is more than 0 and at most 3650d"),
        ("unused-for=1d unused-for=2d", "unused-for is set twice"),
        ("unused_for=1d", "unknown key 'unused_for'"),
        ('replaces=""', "replaces names the migrations that this one replaces"),
    ],
)
def test_what_is_not_ours_to_know_is_an_error_with_its_line(line, message):
    (problem,) = read_directives(PATH, f"-- words\n\n-- sqlmigrate: {line}\nSELECT 1;")[1]

    assert message in problem.message
    assert problem.place is not None
    assert (problem.place.line, problem.warning) == (3, False)


def test_a_key_is_set_once_in_all_lines():
    assert problems("-- sqlmigrate: role=a\n-- sqlmigrate: role=a\n") == ["a.sql:2:16: role is set twice"]


def test_every_problem_is_reported():
    assert len(problems("-- transactional: no\n-- sqlmigrate: a=1\n-- sqlmigrate: b=2\n")) == 3


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("SELECT 1;\n-- sqlmigrate: role=a\n", 2),
        ("SELECT 1;\n\n  -- sqlmigrate: no sense\nSELECT 2;", 3),
        ("SELECT ';'; /* a */\n--sqlmigrate:role=a\n", 2),
    ],
)
def test_a_setting_below_a_statement_would_do_nothing_and_is_refused(text, line):
    (problem,) = read_directives(PATH, text)[1]

    assert "counts only above the first statement" in problem.message
    assert problem.place is not None
    assert problem.place.line == line


@pytest.mark.parametrize(
    "text",
    [
        "SELECT '\n-- sqlmigrate: role=a\n';",
        "SELECT $$\n-- sqlmigrate: role=a\n$$;",
        "SELECT 1;\n/*\n-- sqlmigrate: role=a\n*/",
        "SELECT 1; -- sqlmigrate: role=a\n",
        "SELECT 1;\n-- sqlmigrate runs this: role=a\n",
    ],
)
def test_what_only_looks_like_a_setting_is_prose(text):
    assert directives(text) == Directives()


def test_a_remark_before_a_statement_is_not_a_setting():
    assert directives("-- sqlmigrate-allow: H01 the table is empty\nDROP TABLE t;\n") == Directives()


@pytest.mark.parametrize(
    "text",
    [
        "-- sqlmigrate-allow: H01\nDROP TABLE t;\n",
        "-- sqlmigrate-allow H01 reason\nDROP TABLE t;\n",
        "-- sqlmigrate-alow: H01 reason\nDROP TABLE t;\n",
        "DROP TABLE t;\n-- sqlmigrate-allow: H01 reason\n",
    ],
)
def test_a_remark_that_can_allow_nothing_is_an_error(text):
    assert len(problems(text)) == 1


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("0", 0),
        ("250", 250),
        ("500ms", 500),
        ("2s", 2_000),
        ("10min", 600_000),
        ("1h", 3_600_000),
        ("1d", 86_400_000),
        (" 2S ", 2_000),
        ("10 min", 600_000),
        ("2500us", 2),
        ("2147483647", 2_147_483_647),
    ],
)
def test_a_duration_is_written_as_in_postgresql(text, milliseconds):
    assert parse_duration(text) == milliseconds


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0"), (1, "1ms"), (1_500, "1500ms"), (2_000, "2s"), (90_000, "90s"), (600_000, "10min"), (86_400_000, "1d")],
)
def test_a_duration_is_shown_as_it_is_written(milliseconds, text):
    assert format_duration(milliseconds) == text
    assert parse_duration(text) == milliseconds


@pytest.mark.parametrize("text", ["1us", "400us"])
def test_a_very_short_time_is_not_taken_for_no_limit(text):
    assert parse_duration(text) == 1


@pytest.mark.parametrize("text", ["", "s", "2 weeks", "2m", "-1s", "1.5s", "1e3", "2s2s", "2147483648", "25d"])
def test_what_is_not_a_duration_is_refused(text):
    with pytest.raises(ValueError, match=r"is not a duration|largest time"):
        parse_duration(text)


@given(
    st.lists(
        st.sampled_from(
            ["-- sqlmigrate:", " role=a", "='", '"', "-- depends: a", "\n", "\r", "/*", "*/", "SELECT 1;", "$$", "-"]
        )
    ).map("".join)
)
def test_any_text_can_be_read(text):
    found, wrong = read_directives(PATH, text)

    assert isinstance(found, Directives)
    assert all(problem.place and (problem.place.line or 0) <= text.count("\n") + 1 for problem in wrong)
