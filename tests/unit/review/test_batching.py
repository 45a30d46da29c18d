"""What a report says of a statement that runs in batches."""

from __future__ import annotations

import json
from dataclasses import replace
from html import unescape

import pytest
from jsonschema import Draft202012Validator

from sqlmigrate.review.measured import Batching
from sqlmigrate.review.model import TableSize
from sqlmigrate.review.render import html, markdown, terminal
from sqlmigrate.review.render.batching import facts, plans
from sqlmigrate.review.times import estimated
from support import reports
from support.places import ROOT

GIB = 1 << 30
SCHEMA = json.loads((ROOT / "docs" / "review.schema.json").read_text())
FOUND = Batching(
    "shop.orders",
    ("tenant", "id"),
    boundary=(
        "Sort",
        "  CTE batch",
        "    ->  Limit",
        "          ->  Index Only Scan using orders_pkey on orders",
        "                Index Cond: (id > 1)",
        "  InitPlan 2",
        "    ->  CTE Scan on batch",
        '  Filter: ("number" = 1)',
    ),
    batch=("Update on orders", "  ->  Index Scan using orders_pkey on orders"),
    time=500,
    least_rows=1,
    most_rows=100_000,
    rows=1_000,
    changed=1_000,
    hot=0.25,
    wal=200_000,
)


def test_the_estimate_is_a_range_of_batches_time_and_wal():
    found = estimated(FOUND, TableSize("shop.orders", 20_000_000, 4 * GIB))

    assert found is not None
    assert (found.rows, found.least_batches, found.most_batches) == (20_000_000, 500, 4_000)
    assert (found.takes.least, found.takes.most) == (250, 2_000)
    assert (found.least_wal, found.most_wal) == (4_000_000_000, 4_000_000_000 + 4 * GIB)
    said = dict(facts(replace(FOUND, estimate=found)))["on the target"]
    assert said == "500 to 4 k batches, 4 to 33 min, 3.73 GiB to 7.73 GiB of WAL, if each of 20 M rows is changed"


def test_the_bounds_of_a_batch_are_kept_and_what_was_not_measured_is_left_out():
    found = estimated(replace(FOUND, least_rows=50, most_rows=50, wal=None), TableSize("shop.orders", 101, 1))

    assert found is not None
    assert (found.least_batches, found.most_batches, found.least_wal, found.most_wal) == (3, 3, None, None)
    said = dict(facts(replace(FOUND, estimate=found)))["on the target"]
    assert said == "3 batches, up to 0 s, if each of 101 rows is changed"


@pytest.mark.parametrize("size", [None, TableSize("shop.orders", None, 1)])
def test_without_a_number_of_rows_nothing_is_estimated(size):
    assert estimated(FOUND, size) is None


def test_it_is_said_in_words():
    assert list(facts(FOUND)) == [
        ("in batches", "of shop.orders by tenant, id, of 1 to 100,000 rows, each in about 500 ms"),
        ("HOT updates", "25% of 1,000 rows here"),
        ("WAL", "about 195 KiB for 1,000 rows, without whole pages (1,000 rows here)"),
        ("fires", "no trigger and no foreign key"),
    ]
    other = replace(FOUND, time=2_000, indexes=("i",), triggers=("t",), foreign_keys=("f",), wal=None, made_up=True)
    assert dict(facts(other)) == {
        "in batches": "of shop.orders by tenant, id, of 1 to 100,000 rows, each in about 2 s",
        "HOT updates": "none: each new version needs an entry in i, as it holds what is set",
        "WAL": "not measured: of 1,000 made-up rows here none was changed",
        "fires": "trigger t, foreign key f",
    }
    nothing = dict(facts(replace(FOUND, rows=0, hot=None, wal=None)))
    assert nothing["WAL"] == "not measured: the table has no rows here, and none could be made up"
    assert "HOT updates" not in nothing


def test_of_the_boundary_only_the_scan_is_shown():
    assert dict(plans(FOUND)) == {
        "the next keys are found by": ("Index Only Scan using orders_pkey on orders", "  Index Cond: (id > 1)"),
        "a batch runs by": FOUND.batch,
    }


def drawn(found):
    """Draw a report with a statement that runs in batches, in all formats."""
    report = reports.fine()
    migration = report.migrations[0]
    statement = replace(migration.apply.statements[0], batching=found)
    direction = replace(migration.apply, statements=(statement,))
    report = replace(report, migrations=(replace(migration, apply=direction),))
    Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(report.to_json())))
    return terminal.plain(terminal.render(report)), markdown.render(report), html.render(report)


def test_every_format_shows_what_was_found_and_both_plans():
    for text in drawn(replace(FOUND, triggers=("audit (AFTER, for each row)",))):
        shown = unescape(text)
        assert "of shop.orders by tenant, id" in shown
        assert "25% of 1,000 rows here" in shown
        assert "trigger audit (AFTER, for each row)" in shown
        assert "Index Cond: (id > 1)" in shown
        assert "->  Index Scan using orders_pkey on orders" in shown
        assert "CTE batch" not in shown


def test_names_in_plans_stay_text():
    plan = ('Update on "<q>\x1b[31m"', "  ->  Seq Scan on `x```")
    text, comment, page = drawn(replace(FOUND, batch=plan, table="<i>\u202e"))
    assert "\x1b" not in text + comment + page
    assert "<q>" not in page
    assert "\u202e" not in text + comment + page
    assert '````\nUpdate on "<q>' in comment
