"""New files are what the tool itself accepts, and nothing is ever overwritten."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sqlmigrate.config import load as load_config
from sqlmigrate.errors import Error, ScriptError, UsageError
from sqlmigrate.migrations import load
from sqlmigrate.migrations.scaffold import init_project, new_pair


def test_a_new_migration_has_both_files_and_a_time_in_front(tmp_path):
    script, rollback = new_pair(tmp_path / "sql", "Add Orders")

    assert re.fullmatch(r"20\d{12}_add_orders\.sql", script.name)
    assert rollback.name == script.name.replace(".sql", ".rollback.sql")
    assert "-- Add Orders\n" in script.read_text(encoding="utf-8")
    assert f"Write the undo in {rollback.name}." in script.read_text(encoding="utf-8")


def test_a_new_migration_is_accepted_as_it_is(tmp_path):
    new_pair(tmp_path, "add orders")
    found = load(tmp_path)

    assert len(found.ordered) == 1
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("add_orders", "add_orders"),
        ("Add  orders!", "add_orders"),
        ("v1.2-final", "v1_2_final"),
        ("größe", "größe"),
        ("訂單", "訂單"),
        ("a{b}%s", "a_b_s"),
        ("x" * 300, "x" * 200),
        ("訂" * 300, "訂" * 66),
    ],
)
def test_a_name_becomes_a_file_name(tmp_path, name, slug):
    script, rollback = new_pair(tmp_path, name)

    assert script.stem[15:] == slug
    assert len(rollback.name.encode()) <= 255


@pytest.mark.parametrize("name", ["", " ", "-", "...", "../x", "a/b", "a\\b", "/"])
def test_what_gives_no_file_name_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="is not a name for a migration"):
        new_pair(tmp_path, name)

    assert list(tmp_path.iterdir()) == []


@given(
    st.text(st.sampled_from("ab-: \n\r;/*'é🙂=_") | st.sampled_from("depends:"), max_size=20).map(
        lambda text: f"x{text}"
    )
)
def test_no_name_becomes_sql_or_a_directive(tmp_path_factory, name):
    assume("/" not in name)
    folder = tmp_path_factory.mktemp("new")
    new_pair(folder, name)
    (migration,) = load(folder).ordered

    assert list(migration.script.statements()) == []
    assert migration.depends == ()


@pytest.mark.parametrize("name", ["depends: nothing", "transactional: false", "sqlmigrate: role=x", "a\rDROP TABLE t;"])
def test_a_name_that_looks_like_a_directive_is_only_a_name(tmp_path, name):
    new_pair(tmp_path, name)
    (migration,) = load(tmp_path).ordered

    assert list(migration.script.statements()) == []
    assert (migration.depends, migration.forward().transactional) == ((), True)


def test_a_file_that_exists_is_not_overwritten(tmp_path):
    script, rollback = new_pair(tmp_path, "a")
    seen = {script.read_bytes(), rollback.read_bytes()}

    def again() -> None:
        while True:  # until two fall into the same second
            new_pair(tmp_path, "a")

    with pytest.raises(ScriptError, match="exists already; nothing was overwritten"):
        again()
    assert {script.read_bytes(), rollback.read_bytes()} == seen


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "sql").write_text("", encoding="utf-8")

    with pytest.raises(Error, match=r"/sql: cannot be created: there is something else of this name"):
        new_pair(tmp_path / "sql", "a")


def test_a_new_project_has_a_configuration_and_folders(tmp_path):
    made, kept = init_project(tmp_path, None, None)
    config = load_config({}, environ={}, cwd=tmp_path)

    assert ([str(path) for path in made], kept) == (["sqlmigrate.toml", "sql", "data"], [])
    assert config.file == tmp_path / "sqlmigrate.toml"
    assert (config.migrations, config.data) == (tmp_path / "sql", tmp_path / "data")
    assert load(tmp_path / "sql").ordered == ()


def test_every_line_of_a_new_configuration_can_be_taken_into_use(tmp_path):
    init_project(tmp_path, None, None)
    path = tmp_path / "sqlmigrate.toml"
    text = re.sub(r"^# (?=\[|\w+ = )", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    path.write_text(text, encoding="utf-8")
    config = load_config({}, env="production", environ={}, cwd=tmp_path)

    assert len(tomllib.loads(text)) > 5
    assert (config.role, config.protected, config.embedded) == ("app_owner", True, True)


def test_a_project_that_exists_is_left_alone(tmp_path):
    init_project(tmp_path, None, None)
    (tmp_path / "sqlmigrate.toml").write_text("role = 'mine'", encoding="utf-8")
    made, kept = init_project(tmp_path, None, None)

    assert (made, [str(path) for path in kept]) == ([], ["sqlmigrate.toml", "sql", "data"])
    assert (tmp_path / "sqlmigrate.toml").read_text(encoding="utf-8") == "role = 'mine'"


def test_the_migrations_may_lie_anywhere(tmp_path):
    made, _ = init_project(tmp_path, Path('db/"my" migrations'), None)

    assert Path('db/"my" migrations') in made
    assert load_config({}, environ={}, cwd=tmp_path).migrations == tmp_path / 'db/"my" migrations'


def test_a_pyproject_that_configures_us_is_not_hidden_by_another_file(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.sqlmigrate]\nmigrations = 'db'\n", encoding="utf-8")
    made, kept = init_project(tmp_path, None, None)

    assert ([str(path) for path in made], [str(path) for path in kept]) == (["db", "data"], ["pyproject.toml"])
    assert not (tmp_path / "sqlmigrate.toml").exists()


def test_a_pyproject_that_knows_nothing_of_us_does_not_count(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n", encoding="utf-8")
    made, _ = init_project(tmp_path, None, None)

    assert Path("sqlmigrate.toml") in made
