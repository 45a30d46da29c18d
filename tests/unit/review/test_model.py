from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from sqlmigrate.review.model import worst
from support import reports
from support.places import ROOT
from support.tools import tool

SCHEMA = ROOT / "docs" / "review.schema.json"


@pytest.mark.parametrize("make", [reports.report, reports.fine, reports.hostile])
def test_a_report_as_json_is_what_its_schema_describes(make):
    data = json.loads(json.dumps(make().to_json()))

    assert list(Draft202012Validator(json.loads(SCHEMA.read_text())).iter_errors(data)) == []
    assert data["version"] == 1
    assert data["command"] == "review"


def test_the_schema_in_the_docs_is_that_of_the_model():
    assert SCHEMA.read_text() == tool("report_schema").text()


def test_the_worst_verdict_is_that_of_the_whole():
    assert worst(("fine", "danger", "warning")) == "danger"
    assert worst(()) == "fine"


def test_the_table_of_locks_in_the_docs_is_what_the_tests_expect():
    assert (SCHEMA.parent / "locks.md").read_text() == tool("lock_table").text()
