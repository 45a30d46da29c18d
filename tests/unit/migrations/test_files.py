"""A folder of files becomes migrations in yoyo's order; what we do not carry out is refused by name."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import get_args

import pytest
import yoyo
from hypothesis import given, settings
from hypothesis import strategies as st
from yoyo.migrations import get_migration_hash, topological_sort
from yoyo.topologicalsort import CycleError

from fixtures.project import Project
from sqlmigrate.errors import MigrationsError, UsageError
from sqlmigrate.migrations import ScriptRun, in_order, load, migration_hash
from sqlmigrate.migrations.model import Operation
from sqlmigrate.sql.script import script_from_text
from support.examples import examples

NAMES = [
    "1",
    "1-a",
    "1.a",
    "10",
    "2",
    "9",
    "A",
    "a",
    "a b",
    "a-b",
    "a.b",
    "a_b",
    "V1__x",
    "ä",
    "20260301_x",
    "0001.a",
    "0001.a-b",
]


def yoyo_order(directory: Path) -> list[str]:
    return [migration.id for migration in topological_sort(yoyo.read_migrations(str(directory)))]


def test_files_are_paired_by_name(project):
    project.migration("0001.a", "CREATE TABLE a ();", rollback="DROP TABLE a;")
    project.migration("0002.b", "SELECT 1;")
    first, second = project.load().ordered

    assert (first.migration_id, first.script.text, first.rollback.text) == (
        "0001.a",
        "CREATE TABLE a ();",
        "DROP TABLE a;",
    )
    assert (second.migration_id, second.rollback) == ("0002.b", None)
    assert [run.script for run in first.runs()] == [first.script, first.rollback]
    assert (second.runs(), second.back()) == ([second.forward()], None)


def test_a_missing_rollback_script_is_a_warning(project):
    pair = project.migration("a")
    (warning,) = project.load().warnings

    assert (warning.place.path, warning.warning) == (pair.script, True)
    assert "there is no rollback script beside it" in warning.message


def test_a_folder_without_migrations_is_fine(project):
    assert project.ids() == []


@pytest.mark.parametrize("name", NAMES)
def test_an_id_is_the_stem_of_its_file_whatever_its_pattern(project, name):
    project.migration(name, rollback="SELECT 1;")

    assert project.ids() == [name]
    assert project.load().ordered[0].rollback is not None


def test_a_migration_is_hashed_by_its_id_as_in_yoyo(project):
    project.migration("0001.ä")
    (migration,) = project.load().ordered

    assert migration.migration_hash == get_migration_hash("0001.ä") == hashlib.sha256("0001.ä".encode()).hexdigest()


def test_names_are_in_yoyos_order(project):
    for name in NAMES:
        project.migration(name)

    assert project.ids() == yoyo_order(project.directory)


def test_dependencies_go_before_the_name(project):
    project.migration("1", "-- depends: 3\n")
    project.migration("2")
    project.migration("3")

    assert project.ids() == yoyo_order(project.directory) == ["2", "3", "1"]


@st.composite
def graphs(draw):
    """Draw migrations that depend on some of those before them, in an order that their names do not show."""
    names = draw(st.lists(st.sampled_from([name for name in NAMES if " " not in name]), unique=True, max_size=9))
    return {
        name: draw(st.lists(st.sampled_from(names[:at]), max_size=3)) if at else [] for at, name in enumerate(names)
    }


def written(folder: Path, graph: dict[str, list[str]]) -> Project:
    project = Project(folder)
    for name, needs in graph.items():
        project.migration(name, "".join(f"-- depends: {need}\n" for need in needs) + "SELECT 1;")
    return project


@settings(max_examples=examples(40))
@given(graphs())
def test_any_graph_is_in_yoyos_order(tmp_path_factory, graph):
    project = written(tmp_path_factory.mktemp("graph") / "p", graph)
    ids = project.ids()

    assert ids == yoyo_order(project.directory)
    assert sorted(ids) == sorted(graph)
    assert all(ids.index(need) < ids.index(name) for name, needs in graph.items() for need in needs)


@settings(max_examples=examples(40))
@given(graphs(), st.data())
def test_any_part_of_a_graph_is_in_order_too(tmp_path_factory, graph, data):
    project = written(tmp_path_factory.mktemp("part") / "p", graph)
    chosen = data.draw(st.sets(st.sampled_from(sorted(graph)))) if graph else set()
    part = (item for item in project.load().ordered if item.migration_id in chosen)
    ids = [item.migration_id for item in in_order(part, "name")]
    theirs = yoyo.read_migrations(str(project.directory))
    for item in theirs:
        item.load()

    assert ids == [item.id for item in topological_sort([item for item in theirs if item.id in chosen])]
    assert all(ids.index(need) < ids.index(name) for name in ids for need in graph[name] if need in chosen)


def test_a_circle_is_refused_and_every_part_of_it_named(project):
    project.migration("a", "-- depends: c\n")
    project.migration("b", "-- depends: a\n")
    project.migration("c", "-- depends: b\n")
    project.migration("d")

    assert project.problems() == ["a.sql: these migrations depend on each other: a, b, c"]
    with pytest.raises(CycleError):
        yoyo_order(project.directory)


def test_a_migration_cannot_depend_on_itself(project):
    project.migration("a", "-- depends: a\n")

    assert project.problems() == ["a.sql: these migrations depend on each other: a"]


def test_a_missing_dependency_is_refused_with_a_near_name(project):
    project.migration("0001.orders")
    project.migration("0002.items", "-- 0001.order is needed\n\n-- depends: 0001.orders 0001.order\nSELECT 1;")
    (problem,) = project.refusal()

    assert project.problems() == ["0002.items.sql:3:25: depends on 0001.order, which does not exist in this directory"]
    assert problem.hint == "did you mean 0001.orders?"


def test_a_dependency_in_another_folder_does_not_count(tmp_path):
    Project(tmp_path / "one").migration("x")
    project = Project(tmp_path / "two")
    project.migration("a", "-- depends: x\n")
    yoyo.read_migrations(str(tmp_path / "one" / "sql"))

    assert project.problems() == ["a.sql:1:13: depends on x, which does not exist in this directory"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("0001.a.py", "Python migrations are not run; write it as plain SQL"),
        ("post-apply.sql", "yoyo runs post-apply scripts after every apply; sqlmigrate does not: rename it"),
        ("post-apply-grants.sql", "yoyo runs post-apply scripts after every apply"),
        ("post-apply.py", "Python migrations are not run"),
        ("0001.a.rollback.sql", "there is no 0001.a.sql that this would roll back"),
        ("a.rollback.rollback.sql", "there is no a.rollback.sql that this would roll back"),
        ("-n.sql", "a command would take an id that begins with a hyphen for an option; rename it"),
        (".rollback.sql", "a file name without a stem gives no migration id"),
    ],
)
def test_what_we_do_not_carry_out_is_refused_by_name(project, name, message):
    path = project.file(name, "SELECT 1;")
    project.migration("0000.fine")
    (problem,) = project.refusal()

    assert message in problem.message
    assert problem.place.path == path


def test_python_is_refused_without_being_run(project):
    trap = project.root / "trap"
    project.file("0001.a.py", f"open({str(trap)!r}, 'w').close()")
    project.migration("0002.b", "-- depends: 0001.a\n")

    assert project.problems() == ["0001.a.py: Python migrations are not run; write it as plain SQL"]
    assert not trap.exists()


@pytest.mark.parametrize(
    "name", ["__init__.py", "__pycache__/x.pyc", "README.md", "0001.a.sql.swp", "0001.a.sql~", "yoyo.ini"]
)
def test_other_files_are_passed_over(project, name):
    project.file(name, "SELECT 1;")
    project.migration("0001.a", rollback="SELECT 1;")

    assert project.ids() == ["0001.a"]
    assert project.load().warnings == ()


def test_a_rollback_script_without_its_script_is_not_blamed_where_the_script_cannot_be_read(project):
    project.file("a.sql", b"\xff")
    project.file("a.rollback.sql", "SELECT 1;")
    project.migration("b", "-- depends: a\n")

    assert project.problems() == ["a.sql:1:1: byte 0xff is not UTF-8; save the file as UTF-8"]


def test_everything_that_is_wrong_is_reported_at_once(project):
    project.file("a.py")
    project.file("b.sql", b"SELECT '\xe9'")
    project.file("c.rollback.sql")
    project.migration("d", "-- depends: nothing\n-- sqlmigrate: what=1\n-- transactional: perhaps\n")

    assert len(project.problems()) == 6


@pytest.mark.parametrize(
    "name", ["a\nb.sql", "a\x1b[31mb.sql", "a\tb.sql", "a\u2028b.sql", "a\u2029b.sql", "a\u202eb.sql", "a\u2066b.sql"]
)
def test_a_name_that_cannot_be_shown_is_refused(project, name):
    project.file(name, "SELECT 1;")
    (problem,) = project.refusal()

    assert repr(name) in problem.message
    assert str(problem).isprintable()


def test_a_name_in_which_letters_are_joined_is_taken(project):
    project.migration("می\u200cروم")

    assert [item.migration_id for item in project.load().ordered] == ["می\u200cروم"]


def test_a_name_that_is_not_utf_8_is_refused_in_words_that_can_be_printed(project):
    (project.directory / "a\udcff.sql").write_text("SELECT 1;", encoding="utf-8")
    (problem,) = project.refusal()

    assert "a\\udcff.sql" in str(problem).encode().decode()


def test_scripts_in_a_subfolder_are_warned_about(project):
    project.file("old/0001.a.sql")
    project.file("bootstrap/roles.sql")
    project.file("docs/words.md")
    project.migration("0002.b", rollback="SELECT 1;")
    found = project.load()

    assert [item.migration_id for item in found.ordered] == ["0002.b"]
    assert [str(warning).replace(f"{project.directory}/", "") for warning in found.warnings] == [
        "old: scripts in a subfolder are not read; move them up or away"
    ]


def test_endings_in_capitals_and_hidden_migrations_are_warned_about(project):
    project.file("a.SQL", "SELECT 1;")
    project.file("d.rollback.Sql", "SELECT 1;")
    project.migration(".x", rollback="SELECT 1;")

    assert project.ids() == yoyo_order(project.directory) == [".x"]
    assert [str(warning).replace(f"{project.directory}/", "") for warning in project.load().warnings] == [
        ".x.sql: is a migration, although its name begins with a dot",
        "a.SQL: is not read: the ending must be .sql",
        "d.rollback.Sql: is not read: the ending must be .sql",
    ]


def test_a_script_that_is_only_warned_about_is_not_a_dependency(project):
    project.file("a.SQL", "SELECT 1;")
    project.migration("b", "-- depends: a\n")

    assert project.problems() == ["b.sql:1:13: depends on a, which does not exist in this directory"]


def test_a_folder_with_the_name_of_a_script_is_not_a_script(project):
    project.file("0001.a.sql/words.md")

    assert project.ids() == []


def test_a_link_that_leads_in_a_circle_counts_only_where_it_has_the_name_of_a_script(project):
    for name in ("words", "0001.a.sql"):
        (project.directory / name).symlink_to(name)

    (problem,) = project.problems()
    assert problem.startswith("0001.a.sql: cannot be read: ")


def test_a_missing_folder_is_named_with_what_to_do(tmp_path):
    with pytest.raises(MigrationsError, match=r"the migrations directory .*/sql does not exist") as caught:
        load(tmp_path / "sql")

    assert "sqlmigrate init" in caught.value.hint


@pytest.mark.parametrize(
    ("script", "rollback", "expected"),
    [
        ("", "", (True, True)),
        ("-- transactional: false\n", "", (False, False)),
        ("-- transactional: false\n", "-- transactional: true\n", (False, True)),
        ("", "-- transactional: false\n", (True, False)),
        ("-- transactional: true\n", "-- transactional: false\n", (True, False)),
    ],
)
def test_a_rollback_script_runs_as_its_script_unless_it_says_otherwise(project, script, rollback, expected):
    project.migration("a", script, rollback=rollback)
    (migration,) = project.load().ordered

    assert tuple(run.transactional for run in migration.runs()) == expected
    assert tuple(run.operation for run in migration.runs()) == ("apply", "rollback")


@pytest.mark.parametrize("operation", get_args(Operation))
def test_each_operation_has_a_word_for_its_end(operation):
    script = script_from_text(Path("a.sql"), "")

    assert ScriptRun("a", operation, script, transactional=True).done


def test_dependencies_of_a_rollback_script_change_no_order(project):
    project.migration("a", rollback="-- depends: b\n")
    project.migration("b")

    assert project.ids() == ["a", "b"]


def test_an_unknown_id_is_refused_with_near_ones(project):
    project.migration("20260301_baseline")

    with pytest.raises(UsageError, match="there is no migration '2026301_baseline'") as caught:
        project.load().named("2026301_baseline")
    assert caught.value.hint == "did you mean 20260301_baseline?"


@pytest.mark.parametrize("name", ["0007_newer.sql", "0007_newer.rollback.sql", "sql/0007_newer.sql"])
def test_where_the_name_of_a_file_was_given_only_its_id_is_offered(project, name):
    project.migration("0007_newer")
    project.migration("0006_newer")

    with pytest.raises(UsageError, match="there is no migration") as caught:
        project.load().named(name)
    assert caught.value.hint == "did you mean 0007_newer?"


def test_a_known_id_is_found(project):
    project.migration("a")
    found = project.load()

    assert found.named("a") is found.get("a")
    assert found.get("b") is None


def test_hashes_differ_as_ids_do():
    assert len({migration_hash(name) for name in NAMES}) == len(NAMES)
