"""`sqlmigrate validate`."""

from __future__ import annotations

import json

import pytest

from support.formats import check_junit, check_quality, check_sarif, read_annotations


@pytest.fixture(autouse=True)
def no_database(monkeypatch):
    """Name a database that nobody can reach: this command must not try."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/nowhere")


def test_good_files_have_no_problems(project, sqlmigrate):
    project.tables("a", "b")

    outcome = sqlmigrate("validate")

    assert (outcome.status, outcome.stdout) == (0, "2 migrations, 0 errors, 0 warnings\n")
    assert outcome.stderr == ""


def test_a_missing_rollback_script_is_a_warning(project, sqlmigrate):
    project.migration("a", "SELECT 1;")

    outcome = sqlmigrate("validate")

    assert outcome.status == 0
    assert outcome.lines[0].startswith("warning: ")
    assert outcome.lines[0].endswith("a.sql: there is no rollback script beside it, so it cannot be rolled back")
    assert outcome.lines[-1] == "1 migration, 0 errors, 1 warning"


def test_a_rollback_script_that_does_nothing_is_a_warning(project, sqlmigrate):
    project.migration("a", "SELECT 1;", rollback="-- later\n")

    assert "has no statement, so it undoes nothing" in sqlmigrate("validate").stdout


def test_a_pair_that_nobody_has_written_yet_is_a_warning(project, sqlmigrate):
    project.migration("a", "-- a\n", rollback="-- later\n")

    outcome = sqlmigrate("validate")

    assert outcome.status == 0
    assert "a.sql: this script has no statement, so it changes nothing" in outcome.stdout
    assert outcome.lines[-1] == "1 migration, 0 errors, 1 warning"


def test_every_error_is_reported_with_its_place(project, sqlmigrate):
    project.migration("a", "SELECT 1;\n  COMMIT;\n", rollback="SELECT 1;")
    project.migration("b", "\\i other.sql\n", rollback="SELECT 1;")

    outcome = sqlmigrate("validate")

    assert outcome.status == 1
    assert "a.sql:2:3: COMMIT: a script must not end" in outcome.stdout
    assert "  2 |   COMMIT;\n    |   ^\n" in outcome.stdout
    assert "b.sql:1:1: " in outcome.stdout
    assert outcome.lines[-1] == "2 migrations, 2 errors, 0 warnings"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.py", b"", "Python migrations are not run"),
        ("a.rollback.sql", b"", "there is no a.sql that this would roll back"),
        ("post-apply.sql", b"", "rename it"),
        ("a.sql", b"SELECT '\xff';", "a.sql:1:9: byte 0xff is not UTF-8"),
        ("a.sql", b"SELECT 1;\0", "a.sql:1:10: a NUL character would cut the script short"),
        ("a.sql", b"-- depends: b\n", "depends on b, which does not exist"),
        ("a.sql", b"-- depends: a\n", "a.sql"),
        ("a.sql", b"-- transactional: maybe\n", "transactional is true or false, not 'maybe'"),
        ("a.sql", b"-- sqlmigrate: lock_timout=1s\n", "unknown key 'lock_timout'"),
        ("a.sql", b"SELECT 'open", "a.sql:1:8"),
        ("a.sql", b"VACUUM;", "cannot run inside a transaction"),
    ],
)
def test_what_cannot_run_is_refused(project, sqlmigrate, name, content, said):
    (project.directory / name).write_bytes(content)

    outcome = sqlmigrate("validate")

    assert outcome.status == 1
    assert said in outcome.stdout


def test_contents_that_could_not_be_checked_yet_are_said_to_be_so(project, sqlmigrate):
    project.migration("a", "COMMIT;", rollback="SELECT 1;")
    project.file("b.py")

    assert sqlmigrate("validate").lines[-1] == "1 error; the contents are checked once it is fixed"

    project.file("c.rollback.sql")
    outcome = sqlmigrate("validate")

    assert outcome.lines[-1] == "2 errors; the contents are checked once these are fixed"
    assert "COMMIT" not in outcome.stdout
    assert sqlmigrate("validate", "--json").document["contents_checked"] is False


def test_problems_as_json(project, sqlmigrate):
    path = project.migration("a", "COMMIT;").script

    outcome = sqlmigrate("validate", "--json")

    assert outcome.status == 1
    assert outcome.document["command"] == "validate"
    assert outcome.document["migrations"] == ["a"]
    assert [problem["severity"] for problem in outcome.document["problems"]] == ["error", "warning"]
    assert outcome.document["problems"][0]["place"] == {"file": str(path), "line": 1, "column": 1}


def test_a_folder_that_is_not_there_is_an_error_that_says_what_to_do(project, sqlmigrate):
    outcome = sqlmigrate("validate", "--migrations", "nowhere")

    assert outcome.status == 1
    assert "error: the migrations directory nowhere does not exist" in outcome.stderr
    assert "sqlmigrate init" in outcome.stderr


def test_a_file_name_that_is_not_utf8_is_refused_by_name(project, sqlmigrate):
    with (project.directory.joinpath("a\udcff.sql")).open("w"):
        outcome = sqlmigrate("validate")

    assert outcome.status == 1
    assert r"the file name 'a\udcff.sql' has characters that cannot be printed" in outcome.stdout


def test_reports_of_several_formats_are_written_at_once(project, sqlmigrate, tmp_path):
    project.migration("a", "\\set x 1\n")
    names = ["v.sarif", "v.xml", "v.html", "v.md", "v.json", "gl-code-quality-report.json", "v.txt"]
    outcome = sqlmigrate("validate", *(part for name in names for part in ("--output", tmp_path / name)))

    assert outcome.status == 1
    assert outcome.lines[0].startswith("error: ")
    written = {name: (tmp_path / name).read_text(encoding="utf-8") for name in names}
    (danger, *_) = check_sarif(json.loads(written["v.sarif"]))["results"]
    assert danger["level"] == "error"
    assert danger["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].endswith("a.sql")
    assert check_quality(json.loads(written["gl-code-quality-report.json"]))[0]["severity"] == "critical"
    assert check_junit(written["v.xml"]).attrib["failures"] == "1"
    assert json.loads(written["v.json"])["problems"][0]["severity"] == "error"
    assert "files/file-refused" in written["v.html"]
    assert written["v.md"].startswith("## sqlmigrate validate: 1 danger")
    assert written["v.txt"].splitlines()[0].split(": ")[1] == "danger files/file-refused"


def test_annotations_stand_alone_on_stdout_and_no_name_forges_one(project, sqlmigrate, tmp_path):
    project.migration("a,b%0A::error::x", "SELECT 1;")
    outcome = sqlmigrate("validate", "--format", "github", "--output", tmp_path / "v.sarif")

    (one,) = read_annotations(outcome.stdout)
    assert (one["command"], one["file"].split("/")[-1]) == ("warning", "a,b%0A::error::x.sql")
    assert check_sarif(json.loads((tmp_path / "v.sarif").read_text(encoding="utf-8")))["results"]


@pytest.mark.parametrize(
    ("script", "fail_on", "status"),
    [
        ("SELECT 1;", None, 0),
        ("SELECT 1;", "danger", 0),
        ("SELECT 1;", "warning", 3),
        ("SELECT 1;", "none", 0),
        ("\\set x 1\n", None, 1),
        ("\\set x 1\n", "danger", 3),
        ("\\set x 1\n", "none", 0),
    ],
)
def test_fail_on_says_what_is_too_bad(project, sqlmigrate, script, fail_on, status):
    project.migration("a", script)

    assert sqlmigrate("validate", *(("--fail-on", fail_on) if fail_on else ())).status == status


def test_a_report_that_cannot_be_written_is_refused_before_anything(project, sqlmigrate, tmp_path):
    project.migration("a", "SELECT 1;")
    nowhere = sqlmigrate("validate", "--output", tmp_path / "none" / "v.sarif")
    two = sqlmigrate("validate", "--format", "sarif", "--output", tmp_path / "a", "--output", tmp_path / "b")

    assert (nowhere.status, two.status) == (2, 2)
    assert "there is no folder" in nowhere.stderr
    assert "each has the format of its ending" in two.stderr
    assert not (tmp_path / "a").exists()


def test_format_json_is_what_json_prints(project, sqlmigrate):
    project.migration("a", "SELECT 1;")

    assert sqlmigrate("validate", "--format", "json").stdout == sqlmigrate("validate", "--json").stdout


def test_the_natural_order_comes_from_the_settings(project, sqlmigrate, monkeypatch):
    project.tables("1_a", "2_b", "10_c")
    assert sqlmigrate("validate", "--json").document["migrations"] == ["10_c", "1_a", "2_b"]

    monkeypatch.setenv("SQLMIGRATE_ORDER", "natural")
    outcome = sqlmigrate("validate", "--json")

    assert outcome.document["migrations"] == ["1_a", "2_b", "10_c"]
    assert outcome.document["problems"] == []
    assert sqlmigrate("validate", "--since", "main").status != 0  # the folder is in no repository
