from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from sqlmigrate.engine import Options
from sqlmigrate.review.model import TableSize, Target
from sqlmigrate.review.question import Question
from sqlmigrate.review.reviewer import review
from sqlmigrate.roundtrip import proofs, round_trips
from support.places import ROOT

SCHEMA = json.loads((ROOT / "docs" / "review.schema.json").read_text())
BASE = "CREATE TABLE orders (id bigint PRIMARY KEY, amount integer);\n"


@pytest.fixture
def reviewed(review_shadow, project):
    """Review migrations of the project, by id, and hold the report to its schema."""

    def ask(*ids: str, applied: tuple[str, ...] | None = None, target: Target | None = None):
        found = project.load()
        wanted = tuple(found.named(name) for name in ids)
        report = review(Question(found, wanted, applied, target=target), review_shadow, Options())
        data = json.loads(json.dumps(report.to_json()))
        assert list(Draft202012Validator(SCHEMA).iter_errors(data)) == []
        return report

    project.migration("0001", BASE, rollback="DROP TABLE orders;\n")
    return ask


def codes(direction) -> list[str]:
    return [hazard.code for statement in direction.statements for hazard in statement.hazards]


def test_what_kept_the_scripts_from_the_machine_is_reported(project, reviewed):
    project.migration("0002", "CREATE TABLE public.t AS SELECT current_database();", rollback="DROP TABLE public.t;")

    report = reviewed("0002")

    assert report.isolation.startswith(
        "the server of --shadow-url is not ours: scripts run there with the privileges of its role "
    )
    [what] = [item for item in report.not_checked if item.what == "what the scripts do outside PostgreSQL"]
    assert report.isolation in what.why
    [note] = report.migrations[0].notes
    assert "asks where it runs (current_database())" in note


def test_a_migration_is_reviewed_in_both_directions(project, reviewed):
    text = (
        "-- depends: 0001\nALTER TABLE orders ADD note text;\n\nCREATE INDEX orders_amount\n    ON orders (amount);\n"
    )
    project.migration("0002", text, rollback="DROP INDEX orders_amount;\nALTER TABLE orders DROP COLUMN note;\n")

    report = reviewed("0002")

    [found] = report.migrations
    assert (report.verdict, found.verdict, found.proof.verdict) == ("danger", "danger", "exact")
    assert report.headline.startswith(
        "dangerous for an application in use: index public.orders_amount is built while public.orders"
    )
    assert found.depends == ("0001",)
    assert found.change_lines[0] == "+ column public.orders.note: text"
    up, down = found.apply, found.rollback
    assert (up.operation, down.operation) == ("apply", "rollback")
    assert [(part.line, part.last_line, part.kind, part.held_before) for part in up.statements] == [
        (2, 2, "ALTER TABLE", 0),
        (4, 5, "CREATE INDEX", 1),
    ]
    assert codes(up) == ["H06"]
    assert [finding.answer for part in up.statements for finding in part.findings] == ["confirmed"]
    assert up.waits == 1
    assert (up.longest.lock.name, up.longest.first, up.longest.last) == ("public.orders", 1, 2)
    assert up.sha256 == project.load().named("0002").script.sha256
    assert up.text == text
    assert down.statements[0].dropped == ("index public.orders_amount",)
    assert report.versions.squawk == "2.70.0"


def test_migrations_build_on_each_other(project, reviewed):
    project.migration("0002", "ALTER TABLE orders ADD COLUMN note text;\n", rollback="ALTER TABLE orders DROP note;\n")
    project.migration("0003", "ALTER TABLE orders RENAME note TO remark;\n", rollback="SELECT 1;\n")

    report = reviewed("0001", "0003")

    first, third = report.migrations
    assert (first.verdict, first.apply.holds) == ("fine", ())
    assert (third.verdict, third.proof.verdict) == ("fails", "not_restored")
    assert third.proof.lines
    assert report.headline == "0003 is not restored by its rollback: do not run this"


def test_a_script_that_fails_is_a_verdict_and_what_follows_is_reviewed_without_it(project, reviewed):
    project.migration("0002", "SELECT 1;\nALTER TABLE nothing ADD a integer;\nSELECT 2;\n", rollback="SELECT 1;\n")
    project.migration("0003", "ALTER TABLE orders ADD COLUMN b integer;\n")

    report = reviewed("0002", "0003")

    second, third = report.migrations
    assert (second.verdict, third.verdict) == ("fails", "warning")
    assert second.apply.error.endswith('0002.sql:2:1: relation "nothing" does not exist')
    assert [part.notes for part in second.apply.statements] == [(), ("it was not run",), ("it was not run",)]
    assert second.rollback.error == "was not tried, since the migration could not be applied"
    assert third.rollback is None
    assert third.proof.verdict == "irreversible"
    assert third.notes == ("tried without 0002, which could not be applied before it",)
    assert report.headline == "0002 cannot be applied: do not run this"
    assert any("after its error" in item.what for item in report.not_checked)


def test_a_script_that_apply_would_refuse_is_not_run(project, reviewed):
    project.migration("0002", "CREATE INDEX CONCURRENTLY i ON orders (amount);\n")

    [found] = reviewed("0002").migrations

    assert "cannot run inside a transaction" in found.apply.error
    assert "-- transactional: false" in found.apply.error
    assert found.verdict == "fails"


def test_what_is_allowed_is_listed_and_does_not_count(project, reviewed):
    project.migration(
        "0002",
        "-- sqlmigrate-allow: H06 nobody writes here yet\nCREATE INDEX orders_amount ON orders (amount);\n",
        rollback="DROP INDEX orders_amount;\n",
    )

    [found] = reviewed("0002").migrations

    [part] = found.apply.statements
    assert [(one.hazard.code, one.reason) for one in part.suppressed] == [("H06", "nobody writes here yet")]
    assert codes(found.apply) == []
    assert found.verdict == "warning"  # for the rollback: DROP INDEX


def test_the_size_of_a_table_raises_the_severity_and_is_said(project, reviewed):
    project.migration("0002", "UPDATE orders SET amount = 1;\n", rollback="SELECT 1;\n")
    orders = TableSize("public.orders", 120_000_000, 48 << 30, 830.0)
    figures = Target(
        "shop", "17.2", "the target", "2026-03-04T09:30:00+00:00", tables=(orders, TableSize("public.x", 1, 1))
    )

    small, large = reviewed("0002"), reviewed("0002", target=figures)

    [before], [after] = (report.migrations[0].apply.statements[0].hazards for report in (small, large))
    assert (before.severity, before.raised) == ("warning", None)
    assert (after.severity, after.raised) == ("danger", "public.orders has 120 M rows, 48 GiB, 830 writes/s")
    assert [table.name for table in large.target.tables] == ["public.orders"]
    assert large.versions.target == "17.2"


def test_tables_are_new_or_known_by_what_the_target_has(project, reviewed):
    project.migration("0002", "CREATE TABLE coupons (id bigint PRIMARY KEY, code text);\n")
    project.migration(
        "0003",
        "CREATE TABLE parts (day date) PARTITION BY RANGE (day);\nALTER TABLE orders RENAME TO sales;\n"
        "CREATE TABLE later (a integer);\nCREATE INDEX coupons_code ON coupons (code);\n",
        rollback="DROP TABLE parts;\nALTER TABLE sales RENAME TO orders;\nCREATE INDEX later_a ON later (a);\n"
        "DROP TABLE later;\nDROP INDEX coupons_code;\n",
    )
    project.migration(
        "0004",
        "CREATE INDEX a ON sales (amount);\nCREATE INDEX b ON later (a);\nCREATE INDEX c ON coupons (id);\n"
        "CREATE INDEX d ON parts (day);\n",
    )
    orders = TableSize("public.orders", 120_000_000, 48 << 30, 830.0)
    figures = Target("shop", "17.2", "the target", "2026-03-04T09:30:00+00:00", tables=(orders,))

    def severities(report):
        return [
            (hazard.code, hazard.severity, hazard.raised or hazard.lowered)
            for item in report.migrations
            for statement in item.apply.statements
            for hazard in statement.hazards
            if hazard.code < "H80"  # which are about design
        ]

    new = "the target does not have public.{} yet".format
    raised = "public.orders has 120 M rows, 48 GiB, 830 writes/s"
    known = [
        ("H23", "danger", raised),
        ("H06", "note", new("coupons")),
        ("H06", "danger", raised),
        ("H06", "note", new("later")),
        ("H06", "note", new("coupons")),
    ]
    by_both = reviewed("0003", "0004", applied=("0001",), target=figures)
    assert severities(by_both) == severities(reviewed("0003", "0004", target=figures)) == known
    by_history = severities(reviewed("0003", "0004", applied=("0001",)))
    assert [level for _, level, _ in by_history] == ["warning", "note", "danger", "note", "note"]
    assert [why for _, _, why in by_history] == [None, new("coupons"), None, new("later"), new("coupons")]
    assert [level for code, level, _ in severities(reviewed("0004")) if code == "H06"] == ["danger"] * 3
    first = by_both.migrations[0]
    down = [(hazard.code, hazard.severity) for part in first.rollback.statements for hazard in part.hazards]
    assert ("H06", "danger") in down  # nobody knows how many rows it has when it is taken back


def test_a_recorded_proof_is_taken_unless_it_is_stale(project, reviewed, review_shadow):
    project.migration("0002", "CREATE TABLE lines (a integer);\n", rollback="DROP TABLE lines;\n")
    found = project.load()
    [path] = proofs.write(found, round_trips(found, ["0002"], review_shadow, Options()))

    assert reviewed("0002").migrations[0].proof.source == str(path)
    project.migration("0002", "CREATE TABLE lines (b integer);\n", rollback="SELECT 1;\n")
    stale = reviewed("0002").migrations[0].proof
    assert (stale.source, stale.verdict) == ("this review", "not_restored")


@pytest.mark.parametrize(
    ("late", "applied", "answer", "line"),
    [
        (
            "CREATE TABLE a (x integer);",
            "CREATE TABLE b (x integer);",
            "independent",
            "both orders give the same schema",
        ),
        (
            "ALTER TABLE orders ADD a integer;",
            "ALTER TABLE orders ADD b integer;",
            "different",
            "orders: 0002 writes it, 0003 writes it",
        ),
        (
            "CREATE INDEX i ON orders (amount);",
            "COMMENT ON TABLE orders IS 'sold';",
            "conflicting",
            "both orders give the same schema",
        ),
        ("CREATE TABLE a (x integer);", "DO $$ BEGIN END $$;", "conflicting", "0003 may touch anything: a DO block"),
        ("DROP TABLE lines;", "CREATE TABLE lines (a integer);", "unknown", "one of the orders fails"),
    ],
)
def test_a_late_migration_is_answered_for(project, reviewed, late, applied, answer, line):
    project.migration("0002", late)
    project.migration("0003", applied)

    [found] = reviewed("0002", applied=("0001", "0003")).migrations

    assert found.out_of_order.answer == answer
    assert found.out_of_order.after == ("0003",)
    assert any(line in text for text in found.out_of_order.lines), found.out_of_order.lines


def test_a_migration_in_its_place_needs_no_answer(project, reviewed):
    project.migration("0002", "SELECT 1;\n")

    assert reviewed("0002", applied=("0001",)).migrations[0].out_of_order is None
