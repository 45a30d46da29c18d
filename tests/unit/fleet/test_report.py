"""What became of a run, in each format: pure functions of its record, safe whatever names and errors are in it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from sqlmigrate.fleet.ledger import Entry, Head, RunRecord
from sqlmigrate.fleet.model import Failure, State, Wanted, Wave
from sqlmigrate.fleet.report import html, issues, markdown, sums
from sqlmigrate.reports import junit

EVIL = "</td><script>alert(1)</script>|[x](javascript:1)`@all"
SAME = Failure("ExecutionError", "division by zero", "same", "mend it", "sql/2_b.sql:2:1", "2_b", "22012")
OTHER = Failure("ConnectionFailed", EVIL, "other")


def record(*entries, names=None, ended="2026-01-01T00:01:05.000000Z", why=None, operation="apply"):
    names = names or [entry.target for entry in entries]
    waves = (Wave("canary", tuple(names[:1])), Wave("rest", tuple(names[1:])))
    head = Head("run-1", "2026-01-01T00:00:00.000000Z", "me", "here", Wanted(operation=operation), waves, (), EVIL)
    return RunRecord(head, {entry.target: entry for entry in entries}, ended, why)


def entry(name, state, failure=None, **values):
    return Entry(name, state, "2026-01-01T00:00:01Z", "rest", 1, 0.5, ("1_a",), failure, **values)


MIXED = record(
    entry("a", State.DONE),
    entry("b", State.FAILED, SAME),
    entry("c", State.FAILED, OTHER, blocker=EVIL),
    entry("d", State.FAILED, SAME),
    entry(EVIL, State.INTERRUPTED),
    names=["a", "b", "c", "d", EVIL, "left"],
    why="the same error came back",
)


class Page(HTMLParser):
    """Hears which elements a page has, and the text of it."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize(
    ("found", "tone", "said"),
    [
        (MIXED, "fails", "1 of 6 targets are up to date, 3 failed; it stopped early: the same error came back"),
        (record(entry("a", State.DONE), entry("b", State.UNCHANGED)), "fine", "2 of 2 targets are up to date"),
        (record(entry("a", State.DONE), operation="rollback"), "fine", "1 of 1 target are rolled back"),
        (
            record(entry("a", State.DONE), names=["a", "b"], ended=None),
            "warning",
            "1 of 2 targets are up to date; the run has not ended",
        ),
    ],
)
def test_a_run_is_told_in_a_sentence(found, tone, said):
    assert (sums.tone(found), sums.headline(found)) == (tone, said)


def test_errors_are_told_by_their_kinds():
    groups = sums.failures(list(MIXED.all_entries()))

    assert [(group.failure, group.targets) for group in groups] == [(SAME, ("b", "d")), (OTHER, ("c",))]
    assert sums.as_json(MIXED)["failures"][0]["count"] == 2
    assert sums.as_json(MIXED)["counts"] == {"done": 1, "failed": 3, "interrupted": 1, "left": 1}
    assert sums.seconds(MIXED) == 65.0


def test_the_page_names_every_target_and_nothing_in_it_is_markup_of_others():
    text = html.render(MIXED, "1.0")
    page = Page(text)

    tags = [tag for tag, _ in page.tags]
    assert not {"script", "img", "iframe", "link", "form"} & set(tags)
    assert all(
        not name.startswith("on") and name not in {"src", "href", "style"} for _, attrs in page.tags for name in attrs
    )
    said = " ".join("".join(page.text).split())
    for name in ("a", "b", "c", "d", "left", EVIL):
        assert name in said
    for part in ("division by zero", "What to do: mend it", "SQLSTATE 22012", "In the way:", "1 min 5 s", "run-1"):
        assert part in said
    assert text == html.render(MIXED, "1.0")
    opened = [attrs for tag, attrs in page.tags if tag == "details"]
    assert [("open" in attrs) for attrs in opened] == [True, True, False, False]  # few names are not folded away


def test_a_page_of_very_many_targets_stays_one_that_can_be_sent():
    names = [f"t{number}" for number in range(50_000)]
    large = record(*(entry(name, State.DONE) for name in names))

    text = html.render(large, "1.0")

    assert len(text) < 1_000_000
    assert "and 48,000 more, which --format json has" in text
    assert "50,000 of 50,000 targets are up to date" in text


def test_markdown_is_text_whatever_is_in_it():
    text = markdown.render(MIXED)

    assert "<script>" not in text
    assert "](javascript" not in text
    assert re.search(r"- \*\*2 failed\*\*: <code>sql/2\S+b.sql:2:1</code>: division by zero", text)
    assert re.search(r"Not done: <code>.*</code>, <code>left</code>", text)
    assert "| failed | 3 |" in text


def test_a_target_is_a_test_case_for_ci():
    suite = ET.fromstring(junit.render(issues.of_run(MIXED, "1.0"), "danger")).find("testsuite")

    assert (suite.get("tests"), suite.get("failures")) == ("6", "3")
    cases = {case.get("name"): case for case in suite}
    assert cases["b"].find("failure").get("message") == "sql/2_b.sql:2:1: division by zero"
    assert list(cases["a"]) == []
    assert "it is left" in cases["left"].find("system-out").text
