"""`sqlmigrate review`: what it prints and writes, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from support.contents import tables
from support.formats import check_junit, check_quality, check_sarif, read_annotations
from support.pages import Page
from support.places import ROOT
from support.reports import STATS
from support.repository import Repository

SCHEMA = ROOT / "docs" / "review.schema.json"
FINE = ("CREATE TABLE t (id bigint PRIMARY KEY, n integer);", "DROP TABLE t;")
DANGER = ("ALTER TABLE t ALTER n TYPE bigint;", "ALTER TABLE t ALTER n TYPE integer;")
WARNING = ("ALTER TABLE t RENAME n TO number;", "ALTER TABLE t RENAME number TO n;")


@pytest.fixture
def write(pairs, shadow_on_tests_server):
    """Write pairs by their ids; the shadow is there."""
    return pairs


def test_it_needs_no_database_and_says_what_a_script_locks_and_risks(write, sqlmigrate):
    write(a=FINE, b=DANGER)
    result = sqlmigrate("review")

    assert result.status == 3
    assert result.lines[0].startswith("DANGER  dangerous for an application in use: ")
    assert "            public.t  ACCESS EXCLUSIVE  statement 1  reads and writes wait" in result.lines
    assert "  DANGER  H01 a whole table is rewritten" in result.lines
    assert any(line.startswith("  undo      EXACT  the undo restores the schema exactly") for line in result.lines)
    assert "\nnot checked\n" in result.stdout
    assert result.stderr == "reviewing on a throwaway database ...\n"


def test_it_says_how_far_it_is(write, sqlmigrate):
    write(a=FINE, b=DANGER)
    told = sqlmigrate("review", "--all", "--verbose").stderr.splitlines()

    steps = ["roundtrip a ...", "roundtrip b ...", "review a ...", "review b ..."]
    assert [line for line in told if line.endswith(" ...")] == ["reviewing on a throwaway database ...", *steps]


def all_of(terminal: int) -> str:
    """Read what was written to a terminal whose other end is closed, and close it."""
    shown = b""
    with suppress(OSError):  # EIO stands for the end
        while part := os.read(terminal, 4096):
            shown += part
    os.close(terminal)
    return shown.decode()


def test_on_a_terminal_a_bar_shows_how_far_it_is_and_goes_away(write):
    write(a=FINE)
    terminal, end = os.openpty()
    command = [sys.executable, "-m", "sqlmigrate", "review", "--no-color"]
    with subprocess.Popen(command, stdin=end, stdout=end, stderr=end, env=os.environ | {"TERM": "xterm"}) as process:
        os.close(end)
        shown = all_of(terminal)

    assert process.returncode == 0
    assert "review a: 0 of 1" in shown
    assert shown.rindex("\x1b[2K") < shown.index("FINE")


def test_several_servers_say_the_same_as_one(pairs, sqlmigrate):
    pairs(a=FINE, b=DANGER, c=WARNING)
    reports = [json.loads(sqlmigrate("review", "--all", "--json", "--jobs", jobs).stdout) for jobs in "12"]

    assert [item["migration_id"] for item in reports[0]["migrations"]] == ["a", "b", "c"]
    assert reports[0] | {"made_at": None} == reports[1] | {"made_at": None}


def test_several_servers_must_be_our_own(write, sqlmigrate):
    write(a=FINE)
    result = sqlmigrate("review", "--jobs", "2")

    assert result.status == 2
    assert "--jobs is for throwaway servers of our own" in result.stderr


@pytest.mark.parametrize(
    ("pair", "fail_on", "status"),
    [(WARNING, "danger", 0), (WARNING, "warning", 3), (("SELECT 1/0;", "SELECT 1;"), "danger", 3)],
)
def test_the_exit_status_is_3_from_the_chosen_verdict_on(write, sqlmigrate, pair, fail_on, status):
    write(a=FINE, b=pair)

    assert sqlmigrate("review", "b", "--fail-on", fail_on).status == status


def test_stdout_is_one_json_document_that_the_schema_describes(write, sqlmigrate):
    write(a=FINE, b=DANGER)
    result = sqlmigrate("review", "b", "--json")
    document = result.document

    assert result.status == 3
    assert list(Draft202012Validator(json.loads(SCHEMA.read_text())).iter_errors(document)) == []
    assert [found["migration_id"] for found in document["migrations"]] == ["b"]


def test_a_file_is_written_as_its_name_says_and_the_verdict_is_printed(write, sqlmigrate, tmp_path):
    write(a=FINE)
    result = sqlmigrate("review", "--output", tmp_path / "r.HTML")

    assert (tmp_path / "r.HTML").read_text(encoding="utf-8").startswith("<!doctype html>\n<html lang=")
    assert (result.status, result.stdout) == (0, "FINE  nothing was found that would stop reads or writes\n")
    assert result.stderr.endswith(f"wrote {tmp_path / 'r.HTML'}\n")


def test_several_files_are_written_at_once_beside_annotations_and_nothing_fails_where_none_shall(
    write, sqlmigrate, tmp_path
):
    write(a=FINE, b=DANGER)
    names = ["r.html", "r.md", "r.sarif", "r.xml", "r.codequality.json"]
    files = [part for name in names for part in ("--output", tmp_path / name)]
    result = sqlmigrate("review", "b", "--format", "github", "--fail-on", "none", *files)
    written = [(tmp_path / name).read_text(encoding="utf-8") for name in names]

    assert result.status == 0
    worst = read_annotations(result.stdout)[0]
    assert (worst["command"], worst["file"], worst["line"]) == ("error", "sql/b.sql", "1")
    assert written[0].startswith("<!doctype html>")
    assert written[1].startswith("## sqlmigrate review: danger")
    assert check_sarif(json.loads(written[2]))["results"][0]["level"] == "error"
    assert [case.attrib["name"] for case in check_junit(written[3]).iter("testcase")] == ["b"]
    assert check_quality(json.loads(written[4]))[0]["location"]["path"] == "sql/b.sql"


def test_a_comment_says_in_its_first_screen_all_that_must_be_decided(write, sqlmigrate, project, tmp_path):
    repository = Repository(project.root)
    write(**{"0001_t": FINE, "0002_u": ("CREATE TABLE u (id bigint PRIMARY KEY);", "DROP TABLE u;")})
    repository.commit("first")
    repository.git("checkout", "-qb", "work")
    write(
        **{
            "0002_u": ("CREATE TABLE u (id bigint PRIMARY KEY, name text);", "DROP TABLE u;"),  # may be applied
            "0003_hot": DANGER,
            "0004_again": ("SELECT 1;", "SELECT 1;"),
            "0004_undo": ("ALTER TABLE u ADD email text, ADD age integer;", "ALTER TABLE u DROP age;"),
        }
    )
    repository.commit("work")
    repository.git("checkout", "-q", "main")
    write(**{"0003_theirs": ("SELECT 1;", "SELECT 1;")})
    repository.commit("theirs")
    repository.git("checkout", "-q", "work")
    stats = tmp_path / "stats.json"
    stats.write_text(json.dumps(STATS), encoding="utf-8")
    files = [tmp_path / f"c.{ending}" for ending in ("md", "sarif", "txt")]
    outputs = [word for path in files for word in ("--output", path)]
    result = sqlmigrate("review", "--since", "main", "--stats", stats, *outputs)

    assert result.status == 3
    screen = (tmp_path / "c.md").read_text(encoding="utf-8").partition("<details>")[0].splitlines()
    told = [line.split("**")[1] for line in screen if line.startswith("> 1. ")]
    assert told == [
        "edited, though it may be applied",
        "undo broken",
        "H01 a whole table is rewritten",
        "number taken",
        "a number twice",
    ]
    assert len(screen) < 16
    assert "sql/0002_u.sql: edited, though it may be applied" in (tmp_path / "c.txt").read_text(encoding="utf-8")
    assert (tmp_path / "c.txt").read_text(encoding="utf-8").count("the same number as 0004_again") == 1
    rules = [item["ruleId"] for item in check_sarif(json.loads((tmp_path / "c.sarif").read_text()))["results"]]
    assert {
        "files/edited-applied", "undo/not-restored", "H01", "files/number-taken", "files/number-twice"
    } <= set(rules)  # fmt: skip


def test_another_format_can_be_chosen_and_goes_to_stdout_without_a_file(write, sqlmigrate):
    write(a=FINE)
    result = sqlmigrate("review", "--format", "markdown", "-q")

    assert result.lines[0] == "## sqlmigrate review: fine"
    assert result.stderr == ""


def test_a_folder_that_is_not_there_is_said_before_anything_runs(write, sqlmigrate, tmp_path):
    write(a=FINE)
    result = sqlmigrate("review", "--output", tmp_path / "none" / "r.html")

    assert (result.status, result.stdout) == (2, "")
    assert "there is no folder" in result.stderr
    assert "reviewing" not in result.stderr


def test_with_a_named_database_what_is_pending_there_is_reviewed_and_it_is_only_read(
    write, sqlmigrate, target, monkeypatch
):
    monkeypatch.delenv("SQLMIGRATE_SHADOW_URL")  # it would be the target's own cluster, which is refused
    write(a=FINE)
    sqlmigrate("apply")
    before = tables(target)
    write(b=WARNING)
    result = sqlmigrate("review", "--json")

    assert [found["migration_id"] for found in result.document["migrations"]] == ["b"]
    assert [table["name"] for table in result.document["target"]["tables"]] == ["public.t"]
    assert "named by variable DATABASE_URL" in result.stderr
    assert tables(target) == before


def test_the_figures_can_come_from_a_file(write, sqlmigrate, target, tmp_path, monkeypatch):
    write(a=FINE)
    sqlmigrate("apply")
    sqlmigrate("stats", "--output", tmp_path / "stats.json")
    monkeypatch.delenv("DATABASE_URL")
    write(b=WARNING)
    result = sqlmigrate("review", "b", "--stats", tmp_path / "stats.json", "--json")

    assert result.document["target"]["source"] != "the target"
    assert [table["name"] for table in result.document["target"]["tables"]] == ["public.t"]


def test_what_a_branch_adds_is_reviewed_on_top_of_what_the_revision_has(write, sqlmigrate, tmp_path):
    """One review shows the choice, the header, the paths and the figures; the choice itself has tests of its own."""
    write(a=FINE, c=("CREATE TABLE other ();", "DROP TABLE other;"))
    repository = Repository(Path.cwd())
    commit = repository.commit("first")
    write(b=DANGER)
    (tmp_path / "stats.json").write_text(json.dumps(STATS))
    output = tmp_path / "review.md"
    result = sqlmigrate("review", "--since", "main", "--stats", tmp_path / "stats.json", "--output", output, "--json")
    [found] = result.document["migrations"]
    text = output.read_text(encoding="utf-8")

    assert (found["migration_id"], found["out_of_order"]["answer"]) == ("b", "independent")
    assert result.document["notes"][0] == f"reviewed is what main (merge base {commit[:10]}) does not have"
    assert result.document["project"] == {
        "name": repository.root.name, "commit": commit, "branch": "main", "modified": True
    }  # fmt: skip
    assert found["apply"]["in_repository"] == "sql/b.sql"
    assert found["apply"]["harms"][0]["said"] in text
    assert result.document["headline"].endswith("(21 GiB rewritten at 25 to 60 MB/s); about 830 writes/s wait")
    assert list(Draft202012Validator(json.loads(SCHEMA.read_text())).iter_errors(result.document)) == []


@pytest.mark.parametrize("arguments", [("a", "--since", "main"), ("--since", "none"), ("--since", ""), ("a", "--all")])
def test_what_cannot_be_chosen_is_said_before_anything_runs(write, sqlmigrate, arguments):
    write(a=FINE)
    Repository(Path.cwd()).commit("first")
    result = sqlmigrate("review", *arguments)

    assert (result.status, result.stdout) == (2, "")
    assert any(said in result.stderr for said in ("give either IDs, --since or --all", "revision"))


def test_a_script_with_the_name_of_an_attack_makes_a_page_without_one(write, sqlmigrate, tmp_path):
    name = "<img src=x onerror=alert(1)>"
    write(**{name: ("SELECT '<script>alert(2)</script>' AS \"</pre>\";", "SELECT 1;")})
    result = sqlmigrate("review", "--output", tmp_path / "r.html")
    page = Page((tmp_path / "r.html").read_text(encoding="utf-8"))

    assert result.status == 0
    assert page.elements.isdisjoint({"img", "script"})
    assert name in page.text
    assert "SELECT '<script>alert(2)</script>' AS \"</pre>\";" in page.code


def test_what_is_applied_in_the_target_cannot_be_tried_on_top_of_itself(write, sqlmigrate, target):
    write(a=FINE)
    assert sqlmigrate("apply").status == 0
    result = sqlmigrate("review", "a")

    assert result.status == 2
    assert "a is applied in the target already" in result.stderr
    assert "the migrations before it: env -u DATABASE_URL sqlmigrate review a\n" in result.stderr
    by_option = sqlmigrate("review", "a", "--database-url", target.url)
    assert "the migrations before it\n" in by_option.stderr


@pytest.mark.usefixtures("private")
def test_what_is_applied_on_the_projects_own_server_is_not_reviewed_again(
    write, sqlmigrate, private_state, monkeypatch
):
    monkeypatch.delenv("CI", raising=False)
    write(a=FINE, b=DANGER)
    monkeypatch.delenv("SQLMIGRATE_SHADOW_URL")
    assert sqlmigrate("apply", "--embedded", "--yes").status == 0
    result = sqlmigrate("review")

    assert (result.status, result.lines[0].split("  ")[0]) == (0, "FINE")
    assert "nothing is pending in the database; name a migration to review it" in " ".join(result.stdout.split())
    assert sqlmigrate("review", "b").status == 3


def test_a_remedy_is_written_beside_and_proven_like_any_migration(write, sqlmigrate, project):
    write(a=FINE, b=("ALTER TABLE t ALTER n SET NOT NULL;\n", "ALTER TABLE t ALTER n DROP NOT NULL;\n"), c=WARNING)
    result = sqlmigrate("review", "b", "--write-remedy", "h02")

    names = ["b_1_expand", "b_2_validate"]
    files = {f"{name}{ending}" for name in names for ending in (".sql", ".rollback.sql")}
    assert {line.split("/")[-1] for line in result.stderr.splitlines() if line.startswith("wrote ")} == files
    text = (project.directory / "b_2_validate.sql").read_text()
    assert text.startswith("-- Instead of statement 1 of b (H02), 2 of 2: validate.\n-- depends: b_1_expand\n")
    assert "\n-- transactional: false\n" in text

    again = sqlmigrate("review", "b", "--write-remedy", "H02")
    assert again.status == 1
    assert "b_1_expand.sql exists already; nothing was written" in again.stderr

    (project.directory / "b.sql").write_text("SELECT 1;\n")
    (project.directory / "b.rollback.sql").write_text("SELECT 1;\n")
    assert sqlmigrate("roundtrip", *names).status == 0
    assert sqlmigrate("validate").status == 0


def test_many_rows_are_changed_in_batches_by_the_file_that_is_written(write, sqlmigrate, project, database):
    """Each with its key, its predicate and its verify; what the files make is what the statements would have made."""
    write(
        a=(
            """
            CREATE TABLE people (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email text, norm text, n int);
            CREATE TABLE "Lines" (a int, "No" int, n int DEFAULT 0, PRIMARY KEY (a, "No"));
            INSERT INTO people (email) SELECT 'A' || x FROM generate_series(1, 2500) AS x;
            INSERT INTO "Lines" SELECT x % 5, x FROM generate_series(1, 2500) AS x;
            CREATE TABLE loose AS SELECT email, norm FROM people;
            """,
            'DROP TABLE loose; DROP TABLE "Lines"; DROP TABLE people;',
        ),
        b=(
            """
            UPDATE people SET norm = lower(email);
            UPDATE "Lines" SET n = n + 1;
            UPDATE loose SET norm = upper(email);
            ALTER TABLE people ALTER n SET DEFAULT 1;
            UPDATE people SET n = length(email) WHERE n IS NULL;
            """,
            "ALTER TABLE people ALTER n DROP DEFAULT;",
        ),
    )
    result = sqlmigrate("review", "b", "--write-remedy", "H20")
    assert result.status == 0
    assert "WHERE people.id >= $1 AND people.id <= $2\n            AND n IS NULL;\n" in result.stdout  # H05
    (project.directory / "b.sql").write_text("ALTER TABLE people ALTER n SET DEFAULT 1;\n")

    files = [(project.directory / f"b_s{number}_1_backfill.sql").read_text() for number in (1, 2, 3)]
    first, second, third = files
    for text in files:
        assert "-- depends: b\n-- transactional: false\n\n-- sqlmigrate-batch: table=" in text
    assert "table=public.people key=id time=500ms" in first
    assert "-- sqlmigrate-verify: SELECT NOT EXISTS (SELECT 1 FROM people WHERE people.norm IS DISTINCT" in first
    assert "\n  AND people.norm IS DISTINCT FROM CAST(lower(email) AS text);\n" in first
    assert """table='public."Lines"' key='a,"No"'""" in second
    assert "sqlmigrate-verify" not in second
    assert "every row is changed once all the same" in second
    assert "table=public.loose key=ctid" in third
    assert "sqlmigrate-verify" in third

    assert sqlmigrate("validate").status == 0
    assert sqlmigrate("apply", "-d", database.conninfo).status == 0
    with database.connect() as conn:
        people = "SELECT count(*) FROM people WHERE norm = lower(email)"
        assert conn.execute(people).fetchone() == (2500,)
        assert conn.execute("SELECT count(*) FROM loose WHERE norm = upper(email)").fetchone() == (2500,)
        assert conn.execute('SELECT n, count(*) FROM "Lines" GROUP BY n').fetchall() == [(1, 2500)]


def test_a_statement_that_runs_in_batches_has_no_hazard_of_one_transaction(write, sqlmigrate, tmp_path):
    remark = "-- transactional: false\n\n-- sqlmigrate-batch: table=t key=id\n"
    write(a=FINE, b=(f"{remark}UPDATE t SET n = 0 WHERE id >= $1 AND id <= $2 AND n IS NULL;\n", "SELECT 1;\n"))
    figures = tmp_path / "figures.json"
    figures.write_text(json.dumps(STATS).replace("public.orders", "public.t"))

    report = sqlmigrate("review", "b", "--stats", figures, "--json").document

    (statement,) = report["migrations"][0]["apply"]["statements"]
    assert statement["hazards"] == []


def test_what_waits_for_a_deploy_is_written_for_the_phase_after_it(write, sqlmigrate, project):
    write(a=FINE, b=("ALTER TABLE t ADD COLUMN must integer NOT NULL;\n", "ALTER TABLE t DROP COLUMN must;\n"))
    assert sqlmigrate("review", "b", "--write-remedy", "H24").status == 3

    phase = "\n-- sqlmigrate: phase=after-deploy\n"
    assert phase not in (project.directory / "b_1_expand.sql").read_text()
    assert phase in (project.directory / "b_2_validate.sql").read_text()


def test_where_no_remedy_is_given_nothing_is_written(write, sqlmigrate):
    write(a=FINE, b=WARNING)
    result = sqlmigrate("review", "b", "--write-remedy", "H23")

    assert result.status == 2
    assert "the review gives no SQL for H23, so nothing was written" in result.stderr
