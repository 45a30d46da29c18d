"""From a project's settings to its report, with a target and on a private shadow."""

from __future__ import annotations

import json

import pytest

from sqlmigrate import api
from sqlmigrate.config import Config
from sqlmigrate.engine import Options
from sqlmigrate.errors import UsageError
from sqlmigrate.review.project import review_project
from sqlmigrate.review.statistics import as_json, read_statistics
from sqlmigrate.shadow import read_settings
from sqlmigrate.target import Target


@pytest.fixture
def target(project, database) -> Target:
    """A database with two applied migrations; between them, one is pending, and one comes after them."""
    project.migration("0001", "CREATE TABLE orders (id bigint PRIMARY KEY, amount integer);\n", rollback="SELECT 1;\n")
    project.migration("0003", "CREATE TABLE lines (id bigint);\n", rollback="DROP TABLE lines;\n")
    api.apply(database.conninfo, project.directory)
    project.migration("0002", "CREATE TABLE late (id bigint);\n", rollback="DROP TABLE late;\n")
    project.migration("0004", "ALTER TABLE orders ADD COLUMN note text;\n", rollback="ALTER TABLE orders DROP note;\n")
    session = database.connect()
    session.execute("INSERT INTO orders SELECT generate_series(1, 100)")
    session.execute("ANALYZE orders")
    return Target(database.conninfo, "the shop", private=False)


@pytest.fixture
def config(project, shadow_url) -> Config:
    """Settings under which no server is started for a review."""
    return Config(migrations=project.directory, shadow_url=shadow_url)


@pytest.mark.parametrize("base", ["replay", "dump"])
def test_what_is_pending_in_the_target_is_reviewed_on_top_of_what_is_applied(config, target, database, base):
    report = review_project(config, Options(), target=target, base=base)

    late, last = report.migrations
    assert (late.migration_id, late.apply.error, late.proof.verdict) == ("0002", None, "exact")
    assert late.out_of_order.answer == ("independent" if base == "replay" else "unknown")
    assert (last.migration_id, last.apply.error) == ("0004", None)
    assert [part.own[0].name for part in last.apply.statements] == ["public.orders"]
    assert [(table.name, table.rows) for table in report.target.tables] == [("public.orders", 100)]
    assert report.target.name.startswith(f"{database.name} on ")
    assert report.target.source == "the target"
    assert report.versions.target == report.versions.shadow


def test_the_target_says_how_many_rows_a_statement_works_on_and_without_it_nobody_does(config, target, project):
    project.migration(
        "0005", "UPDATE orders SET amount = 1 WHERE amount IS NULL AND id > 50;\n", rollback="SELECT 1;\n"
    )

    by_target = review_project(config, Options(), ["0005"], target=target)
    by_nobody = review_project(config, Options(), ["0005"])

    asked = "how many rows statement 1 of 0005.sql works on"
    assert asked not in {item.what for item in by_target.not_checked}
    assert asked in {item.what for item in by_nobody.not_checked}


def test_the_figures_can_come_from_a_file_and_the_server_may_be_a_private_one(project, target, database, tmp_path):
    figures = read_statistics(database.connect(), name="production", history_schema="sqlmigrate")
    file = tmp_path / "stats.json"
    file.write_text(json.dumps(as_json(figures, read_settings(database.connect()))))

    report = review_project(Config(migrations=project.directory), Options(), ["0004"], stats=file)

    assert [found.migration_id for found in report.migrations] == ["0004"]
    assert (report.target.name, report.target.source) == ("production", "stats.json")
    assert [table.rows for table in report.target.tables] == [100]


def test_an_unknown_migration_is_refused_before_a_server_is_started(project, target):
    with pytest.raises(UsageError, match="there is no migration '0009'"):
        review_project(Config(migrations=project.directory), Options(), ["0009"])


def test_nothing_pending_is_nothing_to_review(project, config, target, database):
    api.apply(database.conninfo, project.directory, allow_out_of_order=True)

    report = review_project(config, Options(), target=target)

    assert (report.verdict, report.headline, report.migrations) == ("fine", "there is nothing to review", ())


def test_a_migration_before_that_must_not_run_is_left_out_by_name(project, config):
    project.migration("0001", "CREATE TABLE a ();\nCOMMIT;\nCREATE TABLE b ();\n", rollback="SELECT 1;\n")
    project.migration("0002", "SELECT 1;\n", rollback="SELECT 1;\n")

    report = review_project(config, Options(), ["0002"])

    assert [item.without for item in report.migrations] == [("0001",)]
    assert any("0001.sql:2:1: COMMIT: a script must not end or begin" in note for note in report.notes)
