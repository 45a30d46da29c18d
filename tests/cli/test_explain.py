"""`sqlmigrate explain`: the page of a hazard, wherever the command is installed."""

from __future__ import annotations

import json
import re

import click
import pytest

from sqlmigrate.review.hazards import RULES
from support.command import terminal
from support.places import ROOT

PAGES = ROOT / "docs" / "hazards"


@pytest.mark.parametrize("name", ["H06", "h06", "index-not-concurrent"])
def test_a_hazard_is_explained_by_its_code_or_name(sqlmigrate, name):
    outcome = sqlmigrate("explain", name)

    assert outcome.status == 0
    assert outcome.stdout == (PAGES / "H06-index-not-concurrent.md").read_text()


@pytest.mark.parametrize("width", [80, 120])
def test_on_a_terminal_the_page_is_laid_out_without_a_word_broken(width):
    with terminal("explain", "H21", columns=width) as screen:
        assert screen.end() == 0

    shown = [click.unstyle(line) for line in screen.shown.splitlines()]
    written = (PAGES / "H21-data-dropped.md").read_text()
    words = re.sub(r"```\w*|\*\*|^#+ |`", "", written, flags=re.MULTILINE).split()
    assert " ".join(shown).replace("`", "").split() == words
    assert max(map(len, shown)) <= width
    assert not any("```" in line or "**" in line for line in shown)
    assert "    ALTER TABLE orders DROP COLUMN status;" in shown


def test_a_word_of_a_name_leads_to_it(sqlmigrate):
    assert "did you mean index-not-concurrent" in sqlmigrate("explain", "index").stderr
    assert "did you mean H06" in sqlmigrate("explain", "H6").stderr


def test_without_a_code_all_are_listed(sqlmigrate):
    outcome = sqlmigrate("explain")

    assert [line.split()[0] for line in outcome.lines[1:]] == [rule.code for rule in RULES]


def test_an_unknown_code_is_a_wrong_call(sqlmigrate):
    outcome = sqlmigrate("explain", "H99")

    assert outcome.status == 2
    assert outcome.stderr.splitlines() == [
        "error: there is no hazard 'H99'",
        "  what to do: `sqlmigrate explain` lists them",
    ]


def test_json_holds_the_page_too(sqlmigrate):
    found = json.loads(sqlmigrate("explain", "H06", "--json").stdout)["hazard"]
    listed = json.loads(sqlmigrate("explain", "--json").stdout)["hazards"]

    assert found["text"].startswith("# H06: an index is built without CONCURRENTLY\n")
    assert (found["code"], found["name"], found["severity"]) == ("H06", "index-not-concurrent", "danger")
    assert [one["code"] for one in listed] == [rule.code for rule in RULES]
