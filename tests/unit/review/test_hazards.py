from __future__ import annotations

import re
from pathlib import Path

import pytest

from sqlmigrate.review.hazards import RULES, sorted_out
from sqlmigrate.sql.script import script_from_text
from support.places import ROOT
from support.reports import hazards
from support.tools import tool

PAGES = ROOT / "docs" / "hazards"


def test_every_hazard_has_its_page_and_there_are_no_others():
    assert {path.name: path.read_text() for path in PAGES.iterdir()} == tool("hazard_pages").pages()


def test_codes_and_slugs_are_unique():
    assert len({rule.code for rule in RULES}) == len({rule.slug for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_hazard_is_described_in_our_style(rule):
    assert re.fullmatch(r"H\d\d", rule.code)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.slug)
    for text in (rule.title, rule.blocks, rule.instead):
        assert not text.endswith(".")
    assert rule.what.endswith(".")


def allowed(text: str):
    found = [one for one in hazards() if one.statement == 4]
    statements = "SELECT 1;\nSELECT 2;\nSELECT 3;\n" + text
    return sorted_out(found, script_from_text(Path("sql/0001.sql"), statements))


@pytest.mark.parametrize("name", ["H01", "h01", "table-rewrite"])
def test_a_remark_allows_a_hazard_of_the_statement_that_it_stands_before(name):
    left, suppressed, idle = allowed(f"-- sqlmigrate-allow: {name} it is empty\n-- and more\nALTER TABLE t;\n")

    assert [hazard.code for hazard in left] == ["H40"]
    assert [(one.hazard.code, one.reason) for one in suppressed] == [("H01", "it is empty")]
    assert idle == []


@pytest.mark.parametrize(
    "text",
    [
        "ALTER TABLE t; -- sqlmigrate-allow: H01 behind it\nSELECT 5;\n",
        "/*\n-- sqlmigrate-allow: H01 in a comment\n*/ ALTER TABLE t;\n",
        "ALTER TABLE t (\n-- sqlmigrate-allow: H01 within it\n);\nSELECT 5;\n",
    ],
)
def test_a_remark_elsewhere_allows_nothing(text):
    left, suppressed, _ = allowed(text)

    assert [hazard.code for hazard in left] == ["H01", "H40"]
    assert suppressed == []


def test_a_remark_for_what_is_not_there_is_reported():
    _, _, idle = allowed("-- sqlmigrate-allow: H06 no such thing\nALTER TABLE t;\n")

    assert idle == ["statement 4 allows H06, but the review did not find it there"]


@pytest.mark.parametrize("hazard", hazards(), ids=lambda hazard: hazard.code)
def test_the_hazards_of_our_sample_reports_exist(hazard):
    [rule] = [rule for rule in RULES if rule.code == hazard.code]

    assert (rule.slug, rule.page) == (hazard.slug, hazard.page)
