"""What a branch does to the migrations of its base is found without a database."""

from __future__ import annotations

import pytest

from sqlmigrate.errors import UsageError
from sqlmigrate.files import since
from sqlmigrate.migrations import branch, load
from sqlmigrate.migrations.validate import validate
from support.repository import Repository

SCRIPT = "CREATE TABLE t{0} (\n  a integer\n);\n"


@pytest.fixture
def repository(tmp_path):
    """A branch beside `main`, which has 0001 to 0003 with their undo."""
    made = Repository(tmp_path / "project")
    for number in ("0001", "0002", "0003"):
        made.write(f"sql/{number}_a.sql", SCRIPT.format(number))
        made.write(f"sql/{number}_a.rollback.sql", f"DROP TABLE t{number};\n")
    made.commit("first")
    made.git("checkout", "-qb", "work")
    return made


def told(repository) -> list[tuple[str, str, bool]]:
    """Give rule, file, and whether it is an error, of all that has to do with the branch."""
    found = validate(repository.root / "sql", revision="main").problems
    return [(item.rule, item.place.path.name, not item.warning) for item in found if item.rule != "no-rollback"]


def test_what_only_adds_is_no_problem(repository):
    repository.write("sql/0004_b.sql", "SELECT 4;\n")
    repository.write("sql/0002_a.sql", SCRIPT.format("0002").replace("\n", "\r\n"))

    assert told(repository) == []


def test_an_edited_migration_of_the_base_is_an_error_with_its_difference(repository):
    repository.write("sql/0002_a.sql", SCRIPT.format("0002").replace("integer", "bigint"))
    (problem,) = validate(repository.root / "sql", revision="main").problems

    assert told(repository) == [("edited-applied", "0002_a.sql", True)]
    assert "main has it, and here it is edited: where it is applied" in problem.message
    assert "-  a integer" in problem.detail
    assert "+  a bigint" in problem.detail


@pytest.mark.parametrize(
    ("name", "text"),
    [("0002_a.sql", "-- why\n" + SCRIPT.format("0002")), ("0002_a.rollback.sql", "DROP TABLE IF EXISTS t0002;\n")],
)
def test_an_edit_of_comments_or_of_the_undo_is_a_warning(repository, name, text):
    repository.write(f"sql/{name}", text)

    assert told(repository) == [("edited-applied", name, False)]


def test_an_edit_counts_that_is_committed_and_one_of_main_does_not(repository):
    repository.write("sql/0002_a.sql", "SELECT 2;\n")
    repository.commit("edit")
    repository.git("checkout", "-q", "main")
    repository.write("sql/0003_a.sql", "SELECT 3;\n")
    repository.commit("theirs")
    repository.git("checkout", "-q", "work")

    assert told(repository) == [("edited-applied", "0002_a.sql", True)]


def test_a_renamed_migration_is_told_once_and_one_that_is_gone_is_a_warning(repository):
    for ending in ("sql", "rollback.sql"):
        (repository.root / f"sql/0002_a.{ending}").rename(repository.root / f"sql/0005_new.{ending}")
        (repository.root / f"sql/0003_a.{ending}").unlink()

    assert [item for item in told(repository) if item[1] != "0002_a.rollback.sql"] == [
        ("renamed-applied", "0005_new.sql", True),
        ("gone-applied", "0003_a.sql", False),
    ]
    assert len(told(repository)) == 2


def test_a_lost_undo_is_told(repository):
    (repository.root / "sql/0003_a.rollback.sql").unlink()

    assert told(repository) == [("gone-applied", "0003_a.rollback.sql", False)]


def test_a_number_that_the_base_has_got_meanwhile_is_told(repository):
    repository.write("sql/0004_b.sql", "SELECT 4;\n")
    repository.git("checkout", "-q", "main")
    repository.write("sql/0004_theirs.sql", "SELECT 4;\n")
    repository.git("add", "sql/0004_theirs.sql")
    repository.git("commit", "-qm", "theirs")
    repository.git("checkout", "-q", "work")

    assert told(repository) == [("number-taken", "0004_b.sql", False)]


def test_what_is_new_is_what_is_added_or_changed(repository):
    repository.write("sql/0004_b.sql", "SELECT 4;\n")
    repository.write("sql/0002_a.rollback.sql", "SELECT 2;\n")
    found = load(repository.root / "sql")

    assert [item.migration_id for item in branch.new(found, since(found.directory, "main"))] == ["0002_a", "0004_b"]
    with pytest.raises(UsageError, match="git knows no revision"):
        since(found.directory, "nowhere")


def test_a_file_that_is_no_text_in_the_base_is_edited_all_the_same(repository):
    (repository.root / "sql/0003_a.sql").write_bytes(b"SELECT '\xff';\n")
    repository.git("checkout", "-q", "main")
    repository.commit("no text")
    repository.git("checkout", "-q", "-B", "work")
    repository.write("sql/0003_a.sql", SCRIPT.format("0003"))

    assert told(repository) == [("edited-applied", "0003_a.sql", True)]
