"""What apply and rollback would refuse is found without a database."""

from __future__ import annotations

import pytest

from sqlmigrate.errors import MigrationsError, UsageError
from sqlmigrate.migrations.validate import validate
from support.repository import Repository


def told(project) -> list[tuple[str, bool]]:
    """Give every problem without the folder, and whether it is an error."""
    return [
        (str(problem).replace(f"{project.directory}/", ""), not problem.warning)
        for problem in validate(project.directory).problems
    ]


def test_good_files_have_no_problem(project):
    project.migration("1", "CREATE TABLE a ();", rollback="DROP TABLE a;")
    project.migration("2", "-- depends: 1\nSELECT 1;", rollback="SELECT 2;")
    report = validate(project.directory)

    assert [item.migration_id for item in report.ordered] == ["1", "2"]
    assert (report.problems, report.contents_checked) == ((), True)


def test_a_missing_rollback_script_is_only_a_warning(project):
    project.migration("1")

    assert told(project) == [("1.sql: there is no rollback script beside it, so it cannot be rolled back", False)]


def test_statements_that_must_not_run_are_errors_in_both_files(project):
    project.migration("1", "SELECT 1;\nCOMMIT;", rollback="VACUUM;\n\\q\n")
    found = told(project)

    assert [text.split(": ")[0] for text, _ in found] == ["1.sql:2:1", "1.rollback.sql:1:1", "1.rollback.sql:2:1"]
    assert all(is_error for _, is_error in found)


def test_a_script_outside_of_a_transaction_may_do_more(project):
    project.migration("1", "-- transactional: false\nVACUUM;", rollback="VACUUM;")

    assert told(project) == []


def test_syntax_that_the_parser_does_not_know_is_only_a_warning(project):
    project.migration("1", "SELECT 'é🙂';\nSELECT 1 FORM x y;", rollback="CREATE PROPERTY GRAPH g;")

    assert told(project) == [
        ('1.sql:2:15: syntax error at or near "x"', False),
        ('1.rollback.sql:1:8: syntax error at or near "PROPERTY"', False),
    ]


def test_errors_come_before_warnings(project):
    project.migration("1", "NOT SQL;")
    project.migration("2", "COMMIT;")

    assert [is_error for _, is_error in told(project)] == [True, False, False, False]


def test_an_empty_script_changes_nothing_and_an_empty_rollback_undoes_nothing(project):
    project.migration("1", "SELECT 1;", rollback="-- nothing to do\n")
    project.migration("2", "-- words only\n", rollback="-- nothing to do\n")

    assert told(project) == [
        ("1.rollback.sql: this rollback script has no statement, so it undoes nothing", False),
        ("2.sql: this script has no statement, so it changes nothing", False),
    ]


def test_a_long_expression_is_not_a_problem(project):
    project.migration("1", "SELECT " + " || ".join(["'a'"] * 500) + ";", rollback="SELECT 1;")

    assert told(project) == []


def test_directives_that_are_not_read_are_warnings_in_both_files(project):
    project.migration("1", "--depends 001\nSELECT 1;", rollback="SELECT 1;\n-- transactional: false\n")

    assert told(project) == [
        ("1.sql:1:1: this is not read: write `-- depends: 001`", False),
        (
            "1.rollback.sql:2:1: this looks like a directive but is not read: it comes after the first statement",
            False,
        ),
    ]


def test_files_that_are_refused_are_reported_and_nothing_else(project):
    project.file("1.py")
    project.migration("2", "COMMIT;")
    report = validate(project.directory)

    assert (report.ordered, report.contents_checked) == ((), False)
    assert [problem.place.path.name for problem in report.problems] == ["1.py"]


def test_an_empty_folder_is_fine(project):
    assert told(project) == []


def test_a_missing_folder_is_an_error_of_its_own(tmp_path):
    with pytest.raises(MigrationsError, match="does not exist"):
        validate(tmp_path / "sql")


@pytest.fixture
def branch(tmp_path):
    """A branch that has 0002_mine, while main has got 2_theirs and 3_theirs since."""
    repository = Repository(tmp_path / "repository")
    repository.write("sql/1_a.sql", "SELECT 1;\n")
    repository.commit("first")
    repository.git("checkout", "-qb", "mine")
    repository.write("sql/0002_mine.sql", "SELECT 2;\n")
    repository.commit("mine")
    repository.git("checkout", "-q", "main")
    repository.write("sql/2_theirs.sql", "SELECT 2;\n")
    repository.write("sql/2_theirs.rollback.sql", "SELECT 2;\n")
    repository.write("sql/3_theirs.sql", "SELECT 3;\n")
    repository.commit("theirs")
    repository.git("checkout", "-q", "mine")
    repository.write("sql/3_not_committed.sql", "SELECT 3;\n")
    return repository


@pytest.mark.parametrize("order", ["name", "natural"])
def test_a_number_that_the_base_branch_has_got_meanwhile_is_warned_of(branch, order):
    def warned(**more):
        problems = validate(branch.root / "sql", order=order, **more).problems
        assert all(problem.warning for problem in problems)
        return sorted(
            f"{problem.place.path.stem}: {problem.message}" for problem in problems if "number" in problem.message
        )

    assert warned() == []
    assert warned(revision="HEAD") == []
    assert warned(revision="main") == [
        "0002_mine: main has a migration of the same number, 2_theirs",
        "3_not_committed: main has a migration of the same number, 3_theirs",
    ]


def test_a_revision_that_is_none_is_refused(branch):
    with pytest.raises(UsageError, match="git knows no revision 'nowhere' here"):
        validate(branch.root / "sql", revision="nowhere")
