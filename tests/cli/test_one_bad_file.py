"""One bad file, one script that cannot be applied, or one mistake of ours ends the work on no other migration."""

from __future__ import annotations

import json

import pytest

from sqlmigrate.review import single as reports
from sqlmigrate.roundtrip import trial as pairs

FAILING = "CREATE EXTENSION no_such_extension;"
LACKING = "CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'a', 'b';"
OPEN_QUOTE = "DROP FUNCTION b();\n$$;\n"


@pytest.fixture
def servers(shadow_on_tests_server, private):
    """Servers that run already: one for throwaway databases, and the private one that `--embedded` reads."""


@pytest.fixture
def three(project):
    """Three migrations, the second of which may have a bad rollback script."""

    def write(*, rollback: str | None = None) -> None:
        project.tables("a", "c")
        project.migration("b", "CREATE TABLE b (id int);", rollback="DROP TABLE b;")
        if rollback is not None:
            project.file("b.rollback.sql", rollback)

    return write


BAD = {
    "an unclosed quote": (OPEN_QUOTE, "2:1: this dollar quote $$ is never closed"),
    "no UTF-8": (b"SELECT 1;\nSELECT '\xff';", "2:9: byte 0xff is not UTF-8"),
    "a NUL character": (b"SELECT\0 1;", "1:7: a NUL character"),
    "a directive that does not fit": ("-- sqlmigrate: lock_timeout=soon\nSELECT 1;", "1:"),
    "another tool's undo": ("SELECT 1;\n-- migrate:down\nSELECT 2;", "2:1: dbmate"),
}


@pytest.mark.usefixtures("servers")
@pytest.mark.parametrize("where", ["script", "rollback"])
def test_a_bad_file_is_the_verdict_of_its_migration_alone(project, sqlmigrate, where):
    """Each kind of bad file is one of a migration of its own, which others come before and behind."""
    project.tables("a", "c")
    name = "{}.sql" if where == "script" else "{}.rollback.sql"
    bad = {f"b{number}": case for number, case in enumerate(BAD.values())}
    for migration_id, (content, _) in bad.items():
        project.migration(migration_id, f"CREATE TABLE {migration_id} ();", rollback=f"DROP TABLE {migration_id};")
        project.file(name.format(migration_id), content)
    tried, reviewed = sqlmigrate("roundtrip", "--json"), sqlmigrate("review", "--json", "--embedded")

    for result, good in ((tried, "exact"), (reviewed, "fine")):
        verdicts = {item["migration_id"]: item["verdict"] for item in result.document["migrations"]}
        assert (result.status, verdicts) == (3, dict.fromkeys("ac", good) | dict.fromkeys(bad, "fails"))
    trips, found = (
        {item["migration_id"]: item for item in result.document["migrations"]} for result in (tried, reviewed)
    )
    for migration_id, (_, said) in bad.items():
        file = name.format(migration_id)
        assert trips[migration_id]["error"]["place"]["file"].endswith(file)
        errors = [found[migration_id][part]["error"] or "" for part in ("apply", "rollback")]
        assert any(f"{file}:{said}" in error for error in errors), errors
    assert found["c"]["without"] == (sorted(bad) if where == "script" else [])


@pytest.mark.usefixtures("servers")
@pytest.mark.parametrize("command", [("roundtrip",), ("review", "--embedded")])
def test_a_named_one_is_not_asked_for_another_ones_file(three, sqlmigrate, command):
    three(rollback=OPEN_QUOTE)

    assert sqlmigrate(command[0], "c", *command[1:]).status == 0


@pytest.mark.usefixtures("servers")
def test_a_sample_that_cannot_be_read_is_the_verdict_of_its_migration(three, project, sqlmigrate):
    three()
    project.file("samples/b.sql", b"SELECT '\xff';")
    result = sqlmigrate("roundtrip", "--json")

    assert [item["verdict"] for item in result.document["migrations"]] == ["exact", "fails", "exact"]
    assert "is not UTF-8" in result.document["migrations"][1]["error"]["message"]


def test_what_cannot_be_applied_before_is_left_out_and_said(project, sqlmigrate):
    project.migration("0001", LACKING)
    project.migration("0002", "CREATE TABLE a (id int);", rollback="DROP TABLE a;")
    tried = sqlmigrate("roundtrip", "0002")

    assert tried.status == 0
    assert tried.lines[0].startswith("0002: exact (")
    assert tried.lines[1:3] == [
        "  tried without these, which could not be applied before it:",
        "    0001: " + tried.lines[2].removeprefix("    0001: "),
    ]
    assert "permission denied for language c" in tried.lines[2]
    assert "bootstrap/" in tried.stderr
    assert "--shadow-superuser" in tried.stderr
    for form in ("text", "markdown", "html", "json"):
        result = sqlmigrate("review", "0002", "--format", form)
        assert result.status == 0, result.stderr
        words = " ".join(result.stdout.split())
        assert "tried without 0001, which could not be applied before it" in words
        assert "--shadow-superuser" in words.replace("&#45;", "-")
    assert json.loads(result.stdout)["migrations"][0]["without"] == ["0001"]


@pytest.mark.usefixtures("servers")
def test_no_proof_is_recorded_without_what_comes_before(project, sqlmigrate):
    project.migration("0001", FAILING)
    project.migration("0002", "CREATE TABLE a (id int);", rollback="DROP TABLE a;")
    result = sqlmigrate("roundtrip", "0002", "--write")

    assert result.status == 3
    assert "0002 is not recorded: it was tried without 0001, which could not be applied before it" in result.stderr
    assert not (project.directory / "proofs").exists()


@pytest.mark.usefixtures("servers")
def test_a_mistake_of_ours_is_the_verdict_of_one_migration(three, sqlmigrate, monkeypatch):
    three()
    judge = reports.check

    def broken(context, *rules, **more):
        if context.trace.script_run.script.path.name == "b.sql":
            raise KeyError("the impossible")
        return judge(context, *rules, **more)

    monkeypatch.setattr(reports, "check", broken)
    result = sqlmigrate("review", "--json", "--embedded")

    assert result.status == 70
    assert [item["verdict"] for item in result.document["migrations"]] == ["fine", "fails", "fine"]
    found = result.document["migrations"][1]
    assert "this is a bug in sqlmigrate" in found["bug"]
    assert "KeyError: 'the impossible'" in found["apply"]["error"]
    assert "please report it with the file" in result.stderr
    assert result.document["migrations"][2]["without"] == []
    shown = sqlmigrate("review", "--embedded")
    assert "b could not be reviewed: do not run this" in shown.stdout


@pytest.mark.usefixtures("servers")
def test_so_it_is_in_a_round_trip(three, project, sqlmigrate, monkeypatch):
    three()
    made = pairs.Comparison.made

    def broken(comparison, *looks):
        changes = made(comparison, *looks)
        if any(str(change.object) == "table public.b" for change in changes):
            raise ZeroDivisionError
        return changes

    monkeypatch.setattr(pairs.Comparison, "made", broken)
    result = sqlmigrate("roundtrip", "--json", "--write")

    assert result.status == 70
    assert [item["verdict"] for item in result.document["migrations"]] == ["exact", "fails", "exact"]
    assert "this is a bug in sqlmigrate" in result.document["migrations"][1]["error"]["message"]
    assert result.document["migrations"][2]["without"] == []
    assert "please report the bug with the file" in result.stderr
    assert sorted(path.stem for path in (project.directory / "proofs").iterdir()) == ["a", "c"]


@pytest.mark.usefixtures("servers")
def test_of_older_migrations_without_undo_only_the_number_is_reported(project, sqlmigrate):
    for name in ("01", "02", "03"):
        project.migration(name, f"CREATE TABLE t{name} (id int);")
    project.migration("04", "CREATE TABLE t (id int);", rollback="DROP TABLE t;")
    notes = sqlmigrate("review", "04", "--json", "--embedded").document["notes"]

    assert [note for note in notes if "rollback script" in note] == [
        "3 other migrations have no rollback script, and cannot be rolled back"
    ]
    [note] = [
        note for note in sqlmigrate("review", "03", "--json", "--embedded").document["notes"] if "beside it" in note
    ]
    assert "03.sql" in note


# what does not exist, itself, and each other
IMPOSSIBLE = {"b": "nowhere", "b1": "b1", "b2": "b3", "b3": "b2"}


@pytest.mark.usefixtures("servers")
def test_what_depends_on_something_impossible_is_refused_alone(project, sqlmigrate):
    project.tables("a", "c", "d")
    project.file("d.sql", "-- depends: b c b1 b2\nCREATE TABLE d ();")
    for name, other in IMPOSSIBLE.items():
        project.migration(name, f"-- depends: {other}\nCREATE TABLE {name} ();", rollback=f"DROP TABLE {name};")
    tried, reviewed = sqlmigrate("roundtrip", "--json"), sqlmigrate("review", "--json", "--embedded")

    for result, good in ((tried, "exact"), (reviewed, "fine")):
        found = {item["migration_id"]: item for item in result.document["migrations"]}
        verdicts = {name: item["verdict"] for name, item in found.items()}
        assert verdicts == dict.fromkeys("acd", good) | dict.fromkeys(IMPOSSIBLE, "fails")
        assert set(found["d"]["without"]) == set(IMPOSSIBLE)
    places = {item["migration_id"]: item["error"]["place"] for item in tried.document["migrations"] if item["error"]}
    assert {(place["line"], place["column"]) for place in places.values()} == {(1, 13)}
    assert places.keys() == IMPOSSIBLE.keys()
    assert sqlmigrate("validate").status == 1


@pytest.mark.usefixtures("servers")
def test_a_rollback_script_of_nothing_is_reported_and_stops_nobody(project, sqlmigrate):
    project.tables("a")
    project.file("b.rollback.sql", "SELECT 1;")
    tried, reviewed = sqlmigrate("roundtrip"), sqlmigrate("review", "--embedded")

    assert (tried.status, reviewed.status, sqlmigrate("validate").status) == (0, 0, 1)
    said = "there is no b.sql that this would roll back"
    assert said in " ".join(tried.stderr.split())
    assert said in " ".join(reviewed.stdout.split())


@pytest.mark.usefixtures("servers")
@pytest.mark.parametrize("command", ["review", "roundtrip", "validate"])
def test_too_little_memory_is_no_bug_and_no_verdict(three, sqlmigrate, monkeypatch, command):
    three()

    def greedy(*_arguments, **_more):
        raise MemoryError

    monkeypatch.setattr(reports, "check", greedy)
    monkeypatch.setattr(pairs.Comparison, "made", greedy)
    monkeypatch.setattr("sqlmigrate.migrations.validate.validate", greedy)
    result = sqlmigrate(command, "--json", *(["--embedded"] if command != "validate" else []))

    assert result.status == 1
    assert result.document["error"]["message"] == "there is not enough memory"
    assert "bug" not in result.stderr
