"""Files of a workload that nobody honest has written: a clear error, or left out with the reason, and at once."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from sqlmigrate.errors import Error
from sqlmigrate.review.workload.files import read_files
from sqlmigrate.review.workload.forms import forms
from sqlmigrate.review.workload.queries import LONGEST, Query

WORKLOAD: dict[str, Any] = dict.fromkeys(("read_at", "since", "seconds", "track", "evicted"))
WORKLOAD |= {"source": "test", "left_out": [], "unread": 0}
USE = {"role": None, "calls": 1, "total": 1.0}

REFUSED: dict[str, dict[str, Any]] = {
    "half a pair": {"text": "SELECT '\ud800'"},
    "NUL": {"text": "SELECT 1 \0"},
    "a role with NUL": {"uses": [USE | {"role": "a\0b"}]},
    "calls below zero": {"uses": [USE | {"calls": -1}]},
    "a total without a sum": {"uses": [USE | {"total": 1e308}]},
    "a text that is none": {"text": 5},
    "uses that are none": {"uses": [5]},
}
LEFT_OUT = {
    "DROP TABLE t": "utility statements",
    "EXECUTE sqlmigrate_0": "utility statements",  # one that executes itself brings the server down
    "EXPLAIN ANALYZE DELETE FROM t": "utility statements",
    "": "utility statements",
    "SELECT $99999": "parameters with numbers that are too large",
    f"SELECT ${'9' * 5000}": "parameters with numbers that are too large",
    f"SELECT 1 -- {'x' * LONGEST}": "longer than 50,000 characters",
}
SLOW = [
    "SELECT 1 -- " + "any(array[$1 /* " * 3000,
    "SELECT interval " + " " * 45_000,
    "SELECT extract(" + " " * 45_000,
    "SELECT time " + "(1) with " * 5000,
    "SELECT f(" + "$1 " * 15_000,
]


def written(path: Path, *queries: dict[str, Any], **workload: Any) -> Path:
    usual = {"text": "SELECT 1", "uses": [USE], "normalized": True, "name": None, "place": None}
    items = [usual | item for item in queries]
    file = path / "workload.json"
    file.write_text(json.dumps({"workload": WORKLOAD | workload | {"queries": items}}))
    return file


@pytest.mark.parametrize("item", REFUSED.values(), ids=REFUSED)
def test_a_file_with_values_that_no_server_has_is_refused(tmp_path, item):
    with pytest.raises(Error, match="is not a file of `sqlmigrate stats --workload`"):
        read_files(written(tmp_path, item))


@pytest.mark.parametrize("more", [{"seconds": 5e-324}, {"unread": -5}, {"evicted": -1}])
def test_so_is_one_with_figures_that_no_server_has(tmp_path, more):
    with pytest.raises(Error, match="is not a file of"):
        read_files(written(tmp_path, **more))


def test_what_cannot_be_asked_is_left_out_with_the_reason(tmp_path):
    texts = [*LEFT_OUT, "(SELECT 1)", "/* by */ SELECT $1", "SELECT 2"]

    found = read_files(written(tmp_path, *({"text": text} for text in texts)))

    assert [query.text for query in found.queries] == texts[-3:]
    left = {item.why: item.statements for item in found.left_out}
    assert left == {why: list(LEFT_OUT.values()).count(why) for why in LEFT_OUT.values()}


def test_no_text_takes_long_to_repair():
    before = time.process_time()

    for text in SLOW:
        assert list(forms(Query(text, normalized=True)))

    assert time.process_time() - before < 5
