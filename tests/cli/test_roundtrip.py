"""`sqlmigrate roundtrip`, its recorded proofs, and `apply --require-proof`."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest

from support.command import ended, started, terminal
from support.contents import tables
from support.formats import check_sarif
from support.processes import family
from support.repository import Repository
from support.waiting import wait_until

SIGNALS = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
LOSSY = {"0": ("CREATE TABLE t (a int);", "DROP TABLE t;"), "1": ("TRUNCATE t;", "SELECT 1;")}


@pytest.fixture
def proven(sqlmigrate):
    """Record the proofs; `--embedded`, since the test's shadow is on the cluster of its target."""

    def record(status: int = 0) -> None:
        assert sqlmigrate("roundtrip", "--write", "--embedded").status == status

    return record


def test_it_needs_no_target_and_no_question_even_in_ci(project, sqlmigrate, monkeypatch):
    monkeypatch.setenv("CI", "true")
    project.tables("a", "b")
    result = sqlmigrate("roundtrip", "--verbose")

    assert (result.status, len(result.lines)) == (0, 3)
    assert "tried in place, on the database that holds what comes before: 2; on copies: 0" in result.stderr
    assert result.lines[0].startswith("a: exact (")
    assert result.lines[-1].startswith("2 migrations: 2 exact (PostgreSQL ")
    assert "a throwaway server" in result.stderr
    held = r"^isolation: (bubblewrap: no network, no home|no sandbox: .+); .*account"
    assert re.search(held, result.stderr, re.MULTILINE)


def test_since_a_revision_only_what_the_branch_adds_or_changes_is_tried(project, sqlmigrate):
    repository = Repository(project.root)
    project.tables("a")
    repository.commit("first")
    project.tables("b")
    tried = sqlmigrate("roundtrip", "--since", "main")
    repository.commit("second")
    nothing = sqlmigrate("roundtrip", "--since", "main")

    assert [line.split(":")[0] for line in tried.lines] == ["b", "1 migration"]
    assert (nothing.status, nothing.lines) == (0, ["nothing is added or changed since main"])
    assert "trying" not in nothing.stderr
    assert sqlmigrate("roundtrip", "--since", "main", "--all").status == 2


def test_what_kept_the_scripts_from_the_machine_is_in_the_json(project, sqlmigrate):
    project.tables("a")
    project.file("bootstrap/1.sql", "SELECT 1;")

    assert sqlmigrate("roundtrip", "--json").document["isolation"].endswith("; run as superuser: bootstrap/")
    superuser = sqlmigrate("roundtrip", "--json", "--shadow-superuser").document["isolation"]
    assert superuser.endswith("; run as superuser: the scripts, bootstrap/")


def test_a_sample_that_needs_a_superuser_says_how_to_get_one(project, sqlmigrate, tmp_path):
    project.tables("a")
    project.file("samples/a.sql", "SET session_replication_role = replica;")
    result = sqlmigrate("roundtrip", "--output", tmp_path / "r.sarif")

    (told,) = check_sarif(json.loads((tmp_path / "r.sarif").read_text(encoding="utf-8")))["results"]
    assert (told["ruleId"], told["level"]) == ("roundtrip/fails", "error")
    place = told["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("sql/samples/a.sql", 1)

    assert result.status == 3
    assert 'permission denied to set parameter "session_replication_role"' in result.stdout
    assert "--shadow-superuser" in result.stdout


def test_several_servers_say_the_same_in_order(project, sqlmigrate):
    project.tables("a", "b", "c")
    result = sqlmigrate("roundtrip", "--jobs", "2")

    assert result.status == 0
    assert [line.split(" (")[0] for line in result.lines[:3]] == ["a: exact", "b: exact", "c: exact"]
    assert "2 throwaway servers" in result.stderr


@pytest.mark.usefixtures("shadow_on_tests_server")
def test_several_servers_must_be_our_own(project, sqlmigrate):
    project.tables("a")
    result = sqlmigrate("roundtrip", "--jobs", "2")

    assert (result.status, result.stdout) == (2, "")
    assert "--jobs is for throwaway servers of our own" in result.stderr


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize(("number", "status", "word"), SIGNALS)
def test_a_signal_ends_it_at_once_with_all_servers(project, jobs, number, status, word):
    project.tables("a", "b")
    project.migration("c", "DO $$ BEGIN PERFORM pg_sleep(600); END $$;", rollback="SELECT 1;")
    with started("roundtrip", "--jobs", jobs) as process:
        wait_until(lambda: any(" DO" in title for title in family(process.pid).values()), timeout=60)
        servers = family(process.pid)
        process.send_signal(number)
        outcome = ended(process)

    assert outcome.status == status
    assert outcome.stderr.splitlines()[-1].startswith(f"{word}: only throwaway databases were written to")
    wait_until(lambda: not [pid for pid in servers if Path(f"/proc/{pid}").exists()], timeout=60)


@pytest.mark.usefixtures("shadow_on_tests_server")
def test_on_a_terminal_the_bar_gives_way_to_the_lines(project):
    project.tables("a", "b")
    with terminal("roundtrip", "--no-color", env=os.environ | {"TERM": "xterm"}) as screen:
        assert screen.end() == 0
    shown = screen.shown

    erased = "\x1b[2K"
    assert "round trips" in shown
    assert all(f"{erased}{name}: exact (" in shown for name in "ab")


@pytest.mark.usefixtures("shadow_on_tests_server")
def test_stdout_is_one_json_document_with_exit_status_3(pairs, sqlmigrate):
    pairs(
        a=("CREATE TABLE a (id int);", "SELECT 1;"),
        b=("CREATE TABLE b ();", "DROP TABLE none;"),
        c=("SELECT 1;", None),
        d=("CREATE TABLE d ();", "DROP TABLE d;"),
    )
    result = sqlmigrate("roundtrip", "--json")
    document = result.document

    assert result.status == 3
    assert (document["version"], document["command"]) == (1, "roundtrip")
    assert [(item["migration_id"], item["verdict"]) for item in document["migrations"]] == [
        ("a", "not_restored"),
        ("b", "fails"),
        ("c", "irreversible"),
        ("d", "exact"),
    ]
    first, second, _, last = document["migrations"]
    assert first["differences"][0]["object"] == {"kind": "table", "name": "public.a"}
    assert (second["error"]["step"], second["error"]["place"]["file"][-14:]) == ("rollback", "b.rollback.sql")
    assert (last["differences"], last["error"]) == ([], None)
    assert document["summary"] == {
        "exact": 1,
        "text_only": 0,
        "order_only": 0,
        "lossy": 0,
        "not_restored": 1,
        "fails": 1,
        "irreversible": 1,
        "not_tried": 0,
    }


@pytest.mark.usefixtures("shadow_on_tests_server")
def test_lossy_is_a_finding_only_with_strict(pairs, sqlmigrate):
    pairs(**LOSSY)

    assert sqlmigrate("roundtrip").status == 0
    result = sqlmigrate("roundtrip", "--strict")
    assert (result.status, result.lines[2:4]) == (
        3,
        ["  no sample row shows that this comes back:", "    table public.t is emptied"],
    )


@pytest.mark.usefixtures("shadow_on_tests_server")
def test_only_the_named_ones_are_shown(project, sqlmigrate):
    project.tables("a", "b", "c")
    result = sqlmigrate("roundtrip", "b", "--json")

    assert [item["migration_id"] for item in result.document["migrations"]] == ["b"]


def test_an_unknown_id_is_wrong_usage(project, sqlmigrate):
    project.tables("a")
    result = sqlmigrate("roundtrip", "aa")

    assert result.status == 2
    assert "there is no migration 'aa'" in result.stderr


def test_ids_and_all_exclude_each_other(project, sqlmigrate):
    project.tables("a")

    assert sqlmigrate("roundtrip", "a", "--all").status == 2


@pytest.mark.usefixtures("shadow_on_tests_server")
def test_a_sample_of_no_migration_is_reported(project, sqlmigrate):
    project.tables("a")
    path = project.file("samples/b.sql", "SELECT 1;")

    assert f"{path}: belongs to no migration" in sqlmigrate("roundtrip").stderr


@pytest.mark.usefixtures("shadow_on_tests_server")
@pytest.mark.parametrize("base", ["dump", "replay"])
def test_a_shadow_on_the_cluster_of_the_target_is_refused(project, target, sqlmigrate, base):
    project.tables("a")
    result = sqlmigrate("roundtrip", "--base", base)

    assert result.status == 2
    assert "the target's own cluster" in result.stderr


@pytest.mark.usefixtures("shadow_on_tests_server")
def test_a_target_that_cannot_be_asked_is_only_a_warning(project, sqlmigrate):
    project.tables("a")
    result = sqlmigrate("roundtrip", "--database-url", "host=/nowhere dbname=none")

    assert result.status == 0
    assert "the target was not asked which server it is on" in result.stderr


def test_from_a_dump_only_what_is_pending_is_tried(project, target, sqlmigrate):
    project.tables("a")
    assert sqlmigrate("apply").status == 0
    target.connect().execute("CREATE TABLE by_hand (id int)")
    project.migration("b", "ALTER TABLE by_hand ADD COLUMN b int;", rollback="ALTER TABLE by_hand DROP COLUMN b;")
    result = sqlmigrate("roundtrip", "--base", "dump", "--json", "a", "b")

    assert [(item["migration_id"], item["verdict"]) for item in result.document["migrations"]] == [("b", "exact")]
    assert "a is applied in the target" in result.stderr


@pytest.mark.usefixtures("shadow_on_tests_server")
def test_a_proof_is_recorded_for_each_and_stays_as_it_is(project, sqlmigrate):
    project.tables("a")
    assert sqlmigrate("roundtrip", "--write").status == 0
    path = project.directory / "proofs" / "a.json"
    first = path.read_bytes()
    proof = json.loads(first)
    assert sqlmigrate("roundtrip", "--write").status == 0

    assert path.read_bytes() == first
    assert (proof["version"], proof["verdict"]) == (1, "exact")
    assert {"sha256", "rollback_sha256", "before", "base", "postgresql", "tool"} <= proof.keys()


@pytest.mark.usefixtures("shadow_on_tests_server")
def test_with_a_proof_it_is_applied(project, target, sqlmigrate, proven):
    project.tables("a", "b")
    proven()

    assert sqlmigrate("apply", "--require-proof").status == 0
    assert tables(target) == ["a", "b"]


def test_without_a_proof_nothing_is_applied(project, target, sqlmigrate):
    project.tables("a")
    project.config("require_proof = true\n")
    results = [sqlmigrate("apply"), sqlmigrate("apply", "--dry-run"), sqlmigrate("plan")]

    assert [(result.status, result.stdout) for result in results] == [(1, "")] * 3
    assert "error: nothing was run, since a proof is required" in results[0].stderr
    assert all("error: no plan was made, since a proof is required" in result.stderr for result in results[1:])
    assert all("its rollback is not proven: no round trip is recorded" in result.stderr for result in results)
    assert tables(target) == []


@pytest.mark.usefixtures("shadow_on_tests_server")
@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("b.sql", "the script has changed since"),
        ("b.rollback.sql", "the rollback script has changed since"),
        ("samples/b.sql", "its samples have changed since"),
        ("a.sql", "what comes before it has changed since"),
    ],
)
def test_a_stale_proof_does_not_count(project, target, sqlmigrate, proven, file, reason):
    project.tables("a", "b")
    project.file("samples/b.sql", "SELECT 1;\n")
    proven()
    assert sqlmigrate("apply", "--steps", "1").status == 0
    path = project.directory / file
    path.write_text(path.read_text() + "-- more\n")
    result = sqlmigrate("apply", "--require-proof")

    assert result.status == 1
    assert f"b.sql: its proof is stale: {reason}" in result.stderr
    assert tables(target) == ["a"]


@pytest.mark.usefixtures("shadow_on_tests_server")
def test_a_stale_proof_is_reported_when_the_pair_is_tried_again(project, sqlmigrate):
    project.tables("a", "b")
    assert sqlmigrate("roundtrip", "--write").status == 0
    assert "stale" not in sqlmigrate("roundtrip").stderr
    path = project.directory / "proofs" / "b.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base": "another"}))
    project.file("a.sql", "CREATE TABLE a (id int);")
    told = sqlmigrate("roundtrip").stderr

    assert f"{project.directory}/proofs/a.json: this proof is stale" in told
    assert f"{path}: this proof is stale" in told


@pytest.mark.usefixtures("shadow_on_tests_server")
def test_a_round_trip_that_failed_is_not_a_proof(project, pairs, target, sqlmigrate, proven):
    pairs(a=("CREATE TABLE a ();", "SELECT 1;"))
    proven(3)
    result = sqlmigrate("apply", "--require-proof")

    assert result.status == 1
    assert "the recorded round trip is not_restored" in result.stderr
    assert "what to do: fix the rollback script, or apply without --require-proof\n" in result.stderr
    assert tables(target) == []
    project.tables("b")
    hint = sqlmigrate("apply", "--require-proof", "--json").document["error"]["hint"]
    assert "fix the rollback script" in hint
    assert "`sqlmigrate roundtrip --write` tries the pairs" in hint


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "Expecting property name"),
        ("{}", "its fields are not those of a proof"),
        ('{"version": 2}', "it has version 2, this is 1"),
    ],
)
def test_a_file_that_is_not_a_proof_is_placed(project, target, sqlmigrate, content, reason):
    project.tables("a")
    path = project.file("proofs/a.json", content)
    result = sqlmigrate("apply", "--require-proof")

    assert (result.status, f"error: {path}: is not a proof of a round trip: {reason}" in result.stderr) == (1, True)


def test_a_pipe_in_the_place_of_a_proof_is_named(project, target, sqlmigrate):
    project.tables("a")
    path = project.file("proofs/a.json", "")
    path.unlink()
    os.mkfifo(path)
    result = sqlmigrate("apply", "--require-proof")

    assert (result.status, "is not a proof of a round trip: it is a pipe, not a file" in result.stderr) == (1, True)


@pytest.mark.usefixtures("shadow_on_tests_server")
def test_a_file_that_is_not_a_proof_does_not_end_a_round_trip(project, sqlmigrate):
    project.tables("a")
    path = project.file("proofs/a.json", "{}")
    result = sqlmigrate("roundtrip", "--json")

    assert (result.status, result.document["summary"]["exact"]) == (0, 1)
    assert f"{path}: is not a proof of a round trip" in result.stderr


@pytest.mark.usefixtures("shadow_on_tests_server")
def test_an_earlier_schema_is_compared_only_if_the_same_version_of_the_tool_read_it(project, sqlmigrate):
    project.tables("a")
    assert sqlmigrate("roundtrip", "--write").status == 0
    path = project.directory / "proofs" / "a.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base": "another", "tool": "0.0.1"}))

    assert "stale" not in sqlmigrate("roundtrip").stderr


@pytest.mark.usefixtures("shadow_on_tests_server")
def test_a_failure_is_reported_with_what_to_do(pairs, sqlmigrate):
    pairs(a=("CREATE INDEX CONCURRENTLY i ON t (a);", "SELECT 1;"))
    result = sqlmigrate("roundtrip")

    assert result.status == 3
    assert "what to do:" in result.stdout


def test_a_right_that_an_ordinary_role_lacks_is_explained(pairs, sqlmigrate):
    pairs(a=("CREATE ROLE teller;", "DROP ROLE teller;"))
    result = sqlmigrate("roundtrip")

    assert result.status == 3
    assert "run all scripts as superuser with --shadow-superuser" in result.stderr


@pytest.mark.usefixtures("shadow_on_tests_server")
def test_a_proof_of_another_major_version_is_a_warning(project, target, sqlmigrate, proven):
    project.tables("a")
    proven()
    path = project.directory / "proofs" / "a.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"postgresql": 9}))
    result = sqlmigrate("apply", "--require-proof")

    assert (result.status, tables(target)) == (0, ["a"])
    assert "a is proven on PostgreSQL 9" in result.stderr


def test_statements_in_batches_are_tried_on_the_sample_rows(project, sqlmigrate):
    """Both ways: what the rollback does not give back is found, and what a batch may not do is refused."""
    head = "-- transactional: false\n\n-- sqlmigrate-batch: table=t key=id rows=2..2\n"
    verify = "-- sqlmigrate-verify: SELECT count(*) = 0 FROM t WHERE n < 100\n"
    up, down = (f"UPDATE t SET n = n {how} WHERE id >= $1 AND id <= $2;\n" for how in ("+ 100", "- 100"))
    project.migration("a", "CREATE TABLE t (id bigint PRIMARY KEY, n integer);", rollback="DROP TABLE t;")
    project.migration("b", f"{head}{verify}{up}", rollback=f"{head}{down}")
    project.file("samples/b.sql", "INSERT INTO t SELECT x * 3, x FROM generate_series(1, 7) AS x;")

    exact = sqlmigrate("roundtrip")
    project.migration("b", f"{head}{verify}{up}", rollback=f"{head}{down.replace('100', '99')}")
    lossy = sqlmigrate("roundtrip", "b")
    project.migration("b", f"{head}{verify.replace('100', '105')}{up}", rollback=f"{head}{down}")
    unverified = sqlmigrate("roundtrip", "b")

    assert (exact.status, exact.lines[1].partition(" (")[0]) == (0, "b: exact")
    assert lossy.status == 3
    assert "table public.t: 7 rows as before, but with other values" in lossy.stdout
    assert unverified.status == 3
    assert "the verify is not true" in unverified.stdout
