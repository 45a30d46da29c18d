"""`sqlmigrate init`, and the way from an empty folder to an applied migration."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlmigrate.config import SETTINGS, load


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """An empty folder to begin a project in."""
    (tmp_path / ".git").mkdir()
    folder = tmp_path / "fresh"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_init_makes_the_configuration_and_the_folders(empty, sqlmigrate):
    outcome = sqlmigrate("init")

    assert outcome.status == 0
    assert names(empty) == ["data", "sql", "sqlmigrate.toml"]
    assert outcome.lines == ["created sqlmigrate.toml", "created sql", "created data"]
    assert "sqlmigrate new NAME" in outcome.stderr


def test_init_as_json(empty, sqlmigrate):
    document = sqlmigrate("init", "--json").document

    assert document == {"version": 1, "command": "init", "made": ["sqlmigrate.toml", "sql", "data"], "kept": []}


def test_init_again_changes_nothing(empty, sqlmigrate):
    sqlmigrate("init")
    (empty / "sqlmigrate.toml").write_text('role = "me"\n')

    outcome = sqlmigrate("init")

    assert outcome.status == 0
    assert "kept sqlmigrate.toml, which exists already" in outcome.lines
    assert (empty / "sqlmigrate.toml").read_text() == 'role = "me"\n'


def test_init_with_another_folder_writes_it_down(empty, sqlmigrate):
    sqlmigrate("init", "--migrations", 'db/"quoted"')

    assert names(empty) == ["data", "db", 'db/"quoted"', "sqlmigrate.toml"]
    assert load({}).migrations == Path('db/"quoted"')


def test_init_keeps_a_pyproject_that_has_our_table(empty, sqlmigrate):
    (empty / "pyproject.toml").write_text('[tool.sqlmigrate]\nmigrations = "db"\n')

    outcome = sqlmigrate("init")

    assert "kept pyproject.toml, which exists already" in outcome.lines
    assert names(empty) == ["data", "db", "pyproject.toml"]


def test_init_makes_a_file_of_its_own_beside_any_other_pyproject(empty, sqlmigrate):
    (empty / "pyproject.toml").write_text('[project]\nname = "x"\n')

    sqlmigrate("init")

    assert names(empty) == ["data", "pyproject.toml", "sql", "sqlmigrate.toml"]


def test_each_setting_of_the_new_file_is_one_of_ours(empty, sqlmigrate):
    sqlmigrate("init")
    lines = (empty / "sqlmigrate.toml").read_text().splitlines()

    commented = [line.removeprefix("# ") for line in lines if " = " in line or line.startswith("# [env")]
    (empty / "sqlmigrate.toml").write_text("\n".join(commented))

    assert load({}, env="production").protected
    assert set(load({}, env="production").sources) <= set(SETTINGS)


def test_a_folder_that_cannot_be_made_is_an_error(empty, sqlmigrate):
    (empty / "sql").touch()

    outcome = sqlmigrate("init")

    assert outcome.status == 1
    assert "sql: cannot be created: there is something else of this name" in outcome.stderr


def test_from_an_empty_folder_to_an_applied_migration_and_back(empty, private, sqlmigrate, monkeypatch):
    monkeypatch.chdir(empty)
    monkeypatch.setenv("SQLMIGRATE_EMBEDDED", "1")
    sqlmigrate("init")
    script, rollback = (Path(line) for line in sqlmigrate("new", "add_orders").lines)
    with script.open("a") as file:
        file.write("CREATE TABLE orders (id int PRIMARY KEY);\n")
    with rollback.open("a") as file:
        file.write("DROP TABLE orders;\n")

    assert sqlmigrate("validate").status == 0
    assert sqlmigrate("status", "--check").status == 3
    applied = sqlmigrate("apply")
    assert applied.status == 0
    assert "(private server, " in applied.stderr
    assert sqlmigrate("status", "--check").status == 0
    assert sqlmigrate("rollback").status == 2
    assert sqlmigrate("rollback", "--yes").status == 0
    assert sqlmigrate("status", "--check").status == 3
