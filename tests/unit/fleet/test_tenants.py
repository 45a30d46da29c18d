"""Targets that are a schema: each has a search_path and a history of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlmigrate.engine import Options
from sqlmigrate.errors import MigrationsError
from sqlmigrate.fleet.tenants import history_schema, options_of, require_no_paths
from sqlmigrate.sql.statement.session import sets_path

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
    project.migration("c", "CREATE TABLE c ();\n  SET search_path = public;\n", rollback="RESET search_path;\n")

    with pytest.raises(MigrationsError) as caught:
        require_no_paths(project.load().ordered)

    found = [(item.place.path.name, item.place.line, item.place.column) for item in caught.value.problems]
    assert found == [("a.sql", None, None), ("c.sql", 2, 3), ("c.rollback.sql", 1, 1)]
    assert "sets the search_path" in caught.value.problems[1].message


@pytest.mark.parametrize(
    ("statement", "sets"),
    [
        ("SET search_path = public", True),
        ('set local "search_path" to public, x', True),
        ("SET SESSION search_path TO DEFAULT", True),
        ("/* x */ SET SCHEMA 'public'", True),
        ("RESET search_path", True),
        ("RESET ALL", True),
        ("SELECT pg_catalog.set_config('search_path', '', false)", True),
        ("DO $$ BEGIN SET LOCAL search_path = public; END $$", True),
        ("DO $$ BEGIN PERFORM set_config('search_path', current_user, true); END $$", True),
        ("SET lock_timeout = '1s'", False),
        ("SELECT set_config('app.search_path', 'x', false)", False),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = '' AS 'SELECT 1'", False),
        ("ALTER FUNCTION f() SET search_path = ''", False),
        ("ALTER ROLE app SET search_path = app", False),
        ("DO $$ BEGIN CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = '' AS 'SELECT 1'; END $$", False),
        ("UPDATE t SET search_path = 'x'", False),
        ("SELECT 'search_path'", False),
    ],
)
def test_a_statement_that_leaves_the_schema_is_known(statement, sets):
    assert sets_path(statement) is sets


def test_what_sets_a_path_is_found_at_any_place_of_a_large_script(project, monkeypatch):
    monkeypatch.setattr("sqlmigrate.sql.script.HELD_MAX", 1 << 10)
    filler = "SELECT 'no such thing as a path';\n" * 20_000
    project.migration("a", f"{filler}SET search_path = public;\n{filler}", rollback="SELECT 1;\n")

    with pytest.raises(MigrationsError) as caught:
        require_no_paths(project.load().ordered)

    assert [item.place.line for item in caught.value.problems] == [20_001]
