"""The tables of other migration tools are known by their columns; by their names alone only where they stand."""

from __future__ import annotations

import pytest

from sqlmigrate.history import foreign as other_tools
from sqlmigrate.history.foreign import ADOPTED, KNOWN
from sqlmigrate.importing.tools import NAMES, named


@pytest.mark.parametrize("item", KNOWN, ids=lambda item: f"{item.tool} {item.name}")
def test_each_table_is_known_by_its_columns_and_taken_for_no_other(item):
    found = other_tools.by_columns(item.schema, item.name, item.columns)

    assert found is item


@pytest.mark.parametrize(
    "item", [item for item in KNOWN if not item.whole], ids=lambda item: f"{item.tool} {item.name}"
)
def test_a_newer_version_of_a_tool_may_have_more_columns(item):
    assert other_tools.by_columns(item.schema, item.name, {*item.columns, "a column of tomorrow"}).tool == item.tool


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("migrations", {"id", "species", "away"}),
        ("migrations", {"id", "name", "timestamp", "distance"}),
        ("schema_version", {"version", "schema"}),
        ("changes", {"id", "change", "project"}),
        ("tags", {"id", "tag"}),
        ("events", {"event", "change_id"}),
        ("meta", {"version", "key", "value"}),
        ("log", {"id", "operation", "run_id"}),
    ],
)
def test_tables_of_applications_are_not_taken_for_histories(name, columns):
    assert other_tools.by_columns("app", name, columns) is None


@pytest.mark.parametrize(
    ("place", "tools"),
    [
        (("public", "schema_migrations"), "golang-migrate, Ecto, dbmate or Rails"),
        (("supabase_migrations", "schema_migrations"), "Supabase"),
        (("public", "migrations"), "TypeORM, Laravel, db-migrate or postgres-migrations"),
        (("public", "flyway_schema_history"), "Flyway"),
        (("public", "ar_internal_metadata"), None),
        (("app", "flyway_schema_history"), None),
    ],
)
def test_a_place_names_the_tools_that_use_it(place, tools):
    assert other_tools.by_place(*place) == tools


def test_what_a_platform_keeps_in_its_own_schemas_is_not_a_history():
    assert other_tools.histories([("auth", "schema_migrations", ["version"])]) == {}
    assert other_tools.histories([("app", "schema_migrations", ["version"])]) == {
        ("app", "schema_migrations"): "dbmate or Rails"
    }


def test_those_that_can_be_adopted_are_the_tools_that_we_import_from():
    assert {known: name for name in NAMES for known in [named(name).history.known]} == ADOPTED
