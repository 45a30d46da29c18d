"""No line of what servers, scripts and files say looks like one of ours, or like a command to a CI system."""

from __future__ import annotations

import json
import re
import unicodedata

import click
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlmigrate.cli.foreign_text import json_text, one_line, page
from support.command import Outcome

# what a terminal or a log takes for the end of a line, and some that only look like one
BREAKS = ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"]
FORGED = [
    "::error::forged",
    "  ::add-mask::forged",
    "##vso[task.setvariable variable=forged]1",
    "##teamcity[forged]",
    "applied forged (0.01 s)",
    "error: forged",
    "  what to do: forged",
    "warning: forged",
]
TEXT = "".join(f"x{end}{line}" for end in BREAKS for line in FORGED)


def literal(text: str) -> str:
    return "E'" + "".join(c if c.isascii() and c.isalnum() else f"\\u{ord(c):04x}" for c in text) + "'"


def require_marked(*outcomes: Outcome) -> None:
    texts = [outcome.stdout + outcome.stderr for outcome in outcomes]
    assert [text for text in texts if "forged" not in text] == []
    shown = "\n".join(texts)
    lines = [line.strip() for line in shown.splitlines()]
    starts = tuple(line.strip() for line in FORGED)
    assert [line for line in lines if line.startswith(starts)] == []
    assert "\x1b" not in shown


RAISED = {
    "a notice": "RAISE NOTICE USING MESSAGE = {0}",
    "details of a notice": "RAISE WARNING USING MESSAGE = 'm', DETAIL = {0}, HINT = {0}",
    "an error": "RAISE EXCEPTION USING MESSAGE = {0}",
    "details of an error": "RAISE EXCEPTION USING MESSAGE = 'm', DETAIL = {0}, HINT = {0}, TABLE = {0}",
    "a query": "EXECUTE 'SELECT ' || {0}",
}


@pytest.mark.parametrize("raised", RAISED.values(), ids=RAISED.keys())
def test_what_a_server_says_is_marked(project, target, sqlmigrate, raised):
    project.migration("a", f"DO $$ BEGIN {raised.format(literal(TEXT))}; END $$;")

    require_marked(sqlmigrate("apply"))


def test_rows_and_their_columns_are_marked(project, target, sqlmigrate):
    name = '"' + FORGED[0] + '"'
    values = ", ".join(f"({literal(line)})" for line in [*FORGED, TEXT])
    project.migration("a", f"SELECT {name}.* FROM (VALUES {values}) AS {name} ({name});")

    outcome = sqlmigrate("apply")

    assert outcome.status == 0
    require_marked(outcome)


def test_the_difference_of_an_edit_is_marked(project, target, sqlmigrate):
    context = "\n".join(f" {line}" for line in FORGED)
    project.migration("a", f"SELECT '\n{context}\n', 1;")
    sqlmigrate("apply")
    project.migration("a", f"SELECT '\n{context}\n', 2;")

    require_marked(sqlmigrate("status", "--verbose"), sqlmigrate("apply"))


def test_what_stopped_half_way_and_its_reasons_are_marked(project, target, sqlmigrate):
    project.migration("a", f"-- transactional: false\nSELECT 1;\nSELECT '{TEXT}' COLLATE nothing;")
    project.migration("b", "SELECT 1;")

    # the second run tells where the first one has stopped, and so does the journal
    require_marked(sqlmigrate("apply"), sqlmigrate("apply"), sqlmigrate("status", "--json"))


def test_what_failed_before_is_marked_in_the_history(project, target, sqlmigrate):
    project.migration("a", f"DO $$ BEGIN {RAISED['an error'].format(literal(TEXT))}; END $$;")
    sqlmigrate("apply")

    require_marked(sqlmigrate("history", "--failed"), sqlmigrate("history", "--failed", "--verbose"))


def test_names_of_files_are_marked(project, sqlmigrate):
    theirs = project.root / "theirs"
    theirs.mkdir()
    for number, line in enumerate(FORGED):
        (theirs / f"{number}_x\n{line}.sql").write_text("-- migrate:up\nCOMMIT;\n")
        project.migration(f"{number}_x\n{line}", "COMMIT;")

    require_marked(
        sqlmigrate("import", "--from", "dbmate", "theirs", "--into", "new"),
        sqlmigrate("import", "--from", "dbmate", "theirs", "--into", "new", "--dry-run"),
        sqlmigrate("validate"),
    )


def test_the_reasons_in_the_history_are_marked(project, target, sqlmigrate):
    project.migration("a", "SELECT 1;")
    sqlmigrate("apply")
    project.migration("a", "SELECT 2;")
    sqlmigrate("accept", "a", "--reason", TEXT)

    require_marked(sqlmigrate("history"))


def test_a_notice_of_many_megabytes_is_cut(project, target, sqlmigrate):
    project.migration("a", "DO $$ BEGIN RAISE NOTICE '%', repeat('x', 20000000); END $$; SELECT repeat('y', 20000000);")

    outcome = sqlmigrate("apply")

    assert "... (19990000 more characters)" in outcome.stderr
    assert len(outcome.stderr) < 30_000


def test_an_error_of_many_megabytes_is_cut(project, target, sqlmigrate):
    project.migration("a", "DO $$ BEGIN RAISE EXCEPTION '%', repeat('x', 20000000); END $$;")

    for options in ((), ("--json",)):
        outcome = sqlmigrate("apply", *options)
        assert outcome.status == 1
        assert len(outcome.stderr + outcome.stdout) < 60_000


# GitHub's runner and the agent of Azure Pipelines take some commands in any place of a line
ANYWHERE = "it says ##vso[task.setvariable variable=forged]1 ###[error]forged ##teamcity[forged] #\x1b[0m#vso[forged]"
HIDDEN = "\x1b[2J\x1b[8m\x9b2J\u202eforged\u200b\U000e0041"
COMMANDS = [
    ("config",),
    ("status",),
    ("plan", "--json"),
    ("apply", "--dry-run"),
    ("apply",),
    ("status",),
    ("history",),
    ("stats",),
    ("mark", "2"),
    ("unmark", "2", "-y"),
    ("rollback", "-y"),
]


def carried_out(text: str) -> list[str]:
    """Give the lines that GitHub's runner, Azure's agent or TeamCity would carry out."""
    lines = [line.strip() for line in re.split("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]", click.unstyle(text))]
    return [line for line in lines if line.startswith("::") or re.search(r"##\w*\[", line)]


@pytest.mark.parametrize("hostile", ["::error::forged", f"::error::forged {ANYWHERE}"[:63], HIDDEN], ids=ascii)
def test_no_name_of_a_role_or_database_reaches_a_log_as_it_is(project, target, sqlmigrate, hostile):
    name = '"' + hostile.encode()[:63].decode(errors="ignore") + '"'
    with psycopg.connect(target.superuser_url, autocommit=True) as superuser:
        superuser.execute(f"CREATE ROLE {name} SUPERUSER LOGIN")
        superuser.execute(f"CREATE DATABASE {name}")
    url = psycopg.conninfo.make_conninfo(target.superuser_url, user=name[1:-1], dbname=name[1:-1])
    project.migration(
        "1",
        f"CREATE TABLE {name} ({name} int); COMMENT ON TABLE {name} IS 'x'; SELECT 1 AS {name};",
        rollback=f"DROP TABLE {name};",
    )
    project.migration("2", f"ALTER TABLE {name} ADD CHECK ({name} > 0)")
    try:
        for command in COMMANDS:
            outcome = sqlmigrate(*command, "--database-url", url)
            shown = outcome.stdout + outcome.stderr
            assert outcome.status == 0, outcome
            assert carried_out(shown) == []
            assert [c for c in shown if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp"}] == []
    finally:
        with psycopg.connect(target.superuser_url, autocommit=True) as superuser:
            superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")
            superuser.execute(f"DROP ROLE {name}")


@given(st.lists(st.sampled_from([*ANYWHERE, *HIDDEN, *BREAKS, "::", "##", "vso[", "[", "\x1b[0m", "\x1b[1;31m", " "])))
def test_no_text_is_carried_out_or_moves_the_cursor(parts):
    text = "".join(parts)
    for styled in (True, False):
        line = one_line(text, styled=styled)
        assert carried_out(line) == []
        assert "\x1b" not in re.sub(r"\x1b\[[0-9;]*m", "", line)
        assert not styled or line.count("\n") == 0 or all(rest.startswith("  | ") for rest in line.split("\n")[1:])
    assert carried_out(page(text.replace("\x1b", ""))) == []
    document = json_text({text: [text]})
    assert json.loads(document) == {text: [text]}
    assert carried_out(document) == []
    assert [c for c in document if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp"}] == []
