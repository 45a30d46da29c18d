"""Targets that are a schema: each has a search_path and a history of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlmigrate.engine import Options
from sqlmigrate.errors import MigrationsError
from sqlmigrate.fleet.tenants import history_schema, options_of, require_no_paths

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).filter(
    lambda name: len(name.encode()) <= 63
)


def test_a_database_keeps_its_options():
    options = Options(search_path="app")

    assert options_of(None, options) is options


def test_a_tenant_has_a_path_and_a_history_of_its_own():
    found = options_of('a"b', Options(search_path="public"))

    assert (found.search_path, found.schema, found.tenant) == ('"a""b", public', 'a"b_sqlmigrate', 'a"b')
    assert options_of("acme", Options()).search_path == '"acme"'


@given(NAMES, NAMES)
def test_no_two_tenants_share_a_history_and_every_one_has_a_name_that_postgresql_keeps(one, other):
    found = history_schema(one, "sqlmigrate")

    assert len(found.encode()) <= 63
    assert found != one
    assert (found == history_schema(other, "sqlmigrate")) == (one == other)


def test_a_script_with_a_path_of_its_own_is_refused(project):
    project.migration("a", "-- sqlmigrate: search_path=public\nSELECT 1;\n", rollback="SELECT 1;\n")
    project.tables("b")

    with pytest.raises(MigrationsError) as caught:
        require_no_paths(project.load())

    assert [item.place.path.name for item in caught.value.problems] == ["a.sql"]
