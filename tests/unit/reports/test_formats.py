"""Each format is what its readers take, whatever others have written into names and messages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sqlmigrate.reports import github, gitlab, junit, page, sarif
from sqlmigrate.reports.forms import form_of
from sqlmigrate.reports.model import Issue, Issues, Root, sealed
from support.formats import check_junit, check_quality, check_sarif, read_annotations

HOSTILE = (
    "::error file=a::forged",
    "a\n::warning::forged\r\n::stop-commands::x",
    "50% of {0} and [link](1), `code` <b>",
    "##vso[task.setvariable variable=a]b ##[error]x",
    "]]> </failure> & \"quoted\" 'single'",
    "\x00\x1b[31mred\x85::error::a\u2028::error::b\u202e\ufffe\udcff",
)


def issue(severity="danger", rule="H01", message="seen", about="0001.a", **values) -> Issue:
    return Issue(rule, "A title", severity, message, about, **values)


def found(*issues: Issue, checked=("0001.a", "0002.b")) -> Issues:
    return Issues("review", "1.2.3", "sql", sealed(issues), checked, "a headline")


HOSTILE_ISSUES = found(
    *(
        issue(
            severity, rule, text, text, path=f"sql/{text}", line=3, column=2, help=text, suggestion=text, same=(text,)
        )
        for text in HOSTILE
        for severity, rule in (("danger", "H01"), ("note", f"x/{text}"))
    )
)
EMPTY = found()
PLACELESS = found(issue(path=None, about="table public.a"), issue("warning", path=None, about="table public.b"))


@pytest.mark.parametrize("issues", [HOSTILE_ISSUES, EMPTY, PLACELESS], ids=["hostile", "empty", "placeless"])
def test_every_format_is_what_its_readers_take(issues):
    run = check_sarif(json.loads(sarif.render(issues)))
    assert len(run["results"]) == len(issues.issues)
    assert len(check_quality(json.loads(gitlab.render(issues)))) == len(issues.issues)
    names = [case.attrib["name"] for case in check_junit(junit.render(issues, "danger")).iter("testcase")]
    assert len(names) == len(set(names)) == len({*issues.checked, *(one.about for one in issues.issues)})
    assert len(read_annotations(github.render(issues))) == len(issues.issues)


@pytest.mark.parametrize("text", HOSTILE)
def test_an_annotation_says_what_was_written_and_no_more(text):
    (one,) = read_annotations(github.render(found(issue(message=text, path=f"sql/{text}", line=1))))
    assert one["command"] == "error"
    assert one["title"] == "H01: A title"
    assert "##" not in one["message"]
    assert "\r" not in one["message"]
    assert one["line"] == "1"


def test_escapes_of_annotations_come_back_as_they_were():
    (one,) = read_annotations(github.render(found(issue(message="100%, a:b\nc %0A", path="sql/a,b:c%2C.sql", line=7))))
    assert one["message"] == "100%, a:b\nc %0A"
    assert one["file"] == "sql/a,b:c%2C.sql"


def test_where_the_runner_would_drop_annotations_the_last_one_says_how_many():
    lines = read_annotations(github.render(found(*(issue(about=f"{n:04}.a") for n in range(25)), issue("warning"))))
    errors = [line for line in lines if line["command"] == "error"]
    assert len(errors) == github.MOST
    assert errors[-1]["message"].startswith("16 more of sqlmigrate review")
    assert [line["command"] for line in lines[github.MOST :]] == ["warning"]


def test_no_format_on_stdout_holds_a_command_of_another_system():
    for text in (sarif.render(HOSTILE_ISSUES), gitlab.render(HOSTILE_ISSUES), github.render(HOSTILE_ISSUES)):
        assert "##" not in text


def test_sarif_names_rules_once_and_the_worst_first():
    run = check_sarif(json.loads(sarif.render(found(issue("note", "H02"), issue(), issue(about="0002.b")))))
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["H01", "H02"]
    assert [result["level"] for result in run["results"]] == ["error", "error", "note"]


def test_sarif_stays_within_what_code_scanning_takes(monkeypatch):
    monkeypatch.setattr(sarif, "RESULTS", 2)
    run = check_sarif(json.loads(sarif.render(found(*(issue(about=str(n), message="x" * 5_000) for n in range(5))))))
    assert len(run["results"]) == 2
    assert run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"] == "3 more are left out"
    assert all(len(result["message"]["text"]) <= 1_000 for result in run["results"])


def test_what_is_in_no_file_is_placed_in_the_folder_of_the_migrations():
    (result, _) = check_sarif(json.loads(sarif.render(PLACELESS)))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "sql"
    assert result["locations"][0]["logicalLocations"] == [{"fullyQualifiedName": "table public.a"}]
    assert gitlab.render(PLACELESS).count('"path": "sql"') == 2
    assert "file" not in read_annotations(github.render(PLACELESS))[0]


def test_junit_has_a_case_for_what_passes_too_and_fails_as_the_command_does():
    issues = found(issue("warning", message="careful"), issue("note", about="0002.b", message="by the way"))
    mild = check_junit(junit.render(issues, "danger"))
    assert [case.find("system-out") is not None for case in mild.iter("testcase")] == [True, True]
    assert [failure.attrib["message"] for failure in check_junit(junit.render(issues, "warning")).iter("failure")] == [
        "careful"
    ]
    assert mild.attrib["failures"] == "0"


def test_markdown_and_page_of_hostile_issues_hold_no_markup_of_theirs():
    assert "<b>" not in page.markdown(HOSTILE_ISSUES)
    assert "[link](1)" not in page.markdown(HOSTILE_ISSUES)
    assert "<b>" not in page.html(HOSTILE_ISSUES)
    assert len(page.plain(HOSTILE_ISSUES).splitlines()) == len(HOSTILE_ISSUES.issues) + 1


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.html", "html"),
        ("a.HTM", "html"),
        ("a.md", "markdown"),
        ("a.json", "json"),
        ("a.sarif", "sarif"),
        ("a.sarif.json", "sarif"),
        ("a.xml", "junit"),
        ("gl-code-quality-report.json", "gitlab"),
        ("review.codequality.json", "gitlab"),
        ("a.txt", "text"),
        ("sarif", "text"),
    ],
)
def test_the_name_of_a_file_asks_for_a_format(name, form):
    assert form_of(Path("out") / name) == form


def test_paths_begin_at_the_root_and_are_written_as_addresses(tmp_path):
    root = Root(tmp_path)
    assert root.path(tmp_path / "sql" / "a b.sql") == "sql/a b.sql"
    assert root.path("/elsewhere/a.sql") == "/elsewhere/a.sql"
    run = check_sarif(json.loads(sarif.render(found(issue(path="sql/a b%ü:#?.sql")))))
    place = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert place == "sql/a%20b%25%C3%BC%3A%23%3F.sql"
