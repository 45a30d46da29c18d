"""`sqlmigrate fleet`: the same change over many targets, as a user types it."""

from __future__ import annotations

import json
import shutil
import signal
import sys

import pytest
from jsonschema import Draft202012Validator
from psycopg import sql

from support.command import ended, started
from support.contents import tables
from support.places import ROOT
from support.waiting import wait_until

TENANTS = [f"t{number:02}" for number in range(12)]


@pytest.fixture
def fleet(project, database):
    """A project with twelve schemas of one database as its targets; gives a session of the test."""
    session = database.connect()
    for name in TENANTS:
        session.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
    lines = [f"{name},TENANTS_URL,{name},c{int(name[1:]) % 3},{'canary' if name == 't07' else ''}" for name in TENANTS]
    (project.root / "tenants.csv").write_text("\n".join(["name,url_env,schema,cluster,tags", *lines, ""]))
    project.config('targets = "tenants.csv"\n')
    project.tables("1_a")
    return session


@pytest.fixture(autouse=True)
def ledger(database, monkeypatch, tmp_path_factory):
    """The folder of the runs; the variable that the targets name is set."""
    monkeypatch.setenv("TENANTS_URL", database.url)
    state = tmp_path_factory.mktemp("state")  # what is below the project's .git might be a part of the repository
    monkeypatch.setenv("SQLMIGRATE_STATE_DIR", str(state))
    return state / "fleet"


def with_table(session, name):
    found = session.execute("SELECT schemaname FROM pg_tables WHERE tablename = %s ORDER BY 1", [name]).fetchall()
    return [schema for (schema,) in found]


def standing(sqlmigrate):
    groups = sqlmigrate("fleet", "status", "--json").document["groups"]
    return [(group["count"], group["state"], group["at"], group["pending"]) for group in groups]


def test_from_a_list_to_a_canary_a_failure_budget_a_mended_change_and_its_undo(project, fleet, sqlmigrate):
    assert standing(sqlmigrate) == [(12, "pending", None, ["1_a"])]
    first = sqlmigrate("fleet", "apply", "--wave", "canary=1", "--wave", "20%", "--wave", "rest", "--json")
    assert (first.status, first.document["counts"]) == (0, {"done": 12})
    assert [wave["targets"] for wave in first.document["waves"]] == [1, 3, 8]
    assert [entry["target"] for entry in first.document["targets"] if entry["wave"] == "canary"] == ["t07"]
    assert with_table(fleet, "1_a") == TENANTS
    assert standing(sqlmigrate) == [(12, "current", "1_a", [])]

    project.migration("2_b", "CREATE TABLE b ();\nSELECT 1 / 0;\n", rollback="DROP TABLE b;\n")
    stopped = sqlmigrate("fleet", "apply", "--concurrency", "12", "--per-cluster", "0")
    run = sqlmigrate("fleet", "runs", "--json").document["runs"][0]
    assert stopped.status == 1
    assert "stopped: the same error came back" in stopped.stderr
    assert "2_b.sql:2:1: division by zero (3 targets: t00, t01, t02)\n" in stopped.stdout
    assert f"`sqlmigrate fleet resume {run['run_id'][:8]}` goes on" in stopped.stdout
    assert (run["operation"], run["counts"], run["stopped"]) == (
        "apply", {"failed": 3, "left": 9}, "the same error came back",
    )  # fmt: skip
    assert with_table(fleet, "b") == []
    assert standing(sqlmigrate) == [(12, "pending", "1_a", ["2_b"])]

    project.migration("2_b", "CREATE TABLE b ();\n", rollback="DROP TABLE b;\n")
    resumed = sqlmigrate("fleet", "resume", run["run_id"], "--json")
    assert (resumed.status, resumed.document["run_id"]) == (0, run["run_id"])
    assert (resumed.document["counts"], resumed.document["failures"]) == ({"done": 12}, [])
    assert [entry["attempt"] for entry in resumed.document["targets"]] == [2, 2, 2, *[1] * 9]
    assert "it goes on with those of now" in resumed.stderr
    assert with_table(fleet, "b") == TENANTS
    runs = sqlmigrate("fleet", "runs", "--json").document["runs"]
    assert [found["run_id"] for found in runs] == [run["run_id"], first.document["run_id"]]

    refused = sqlmigrate("fleet", "rollback", "last")
    assert refused.status == 2
    assert "Roll back what run" in refused.stderr
    back = sqlmigrate("fleet", "rollback", "last", "--yes", "--json")
    assert (back.status, back.document["counts"]) == (0, {"done": 12})
    assert {tuple(entry["migrations"]) for entry in back.document["targets"]} == {("2_b",)}
    assert (with_table(fleet, "b"), with_table(fleet, "1_a")) == ([], TENANTS)
    assert sqlmigrate("fleet", "rollback", "last", "--yes").status == 2
    report = sqlmigrate("fleet", "report", first.document["run_id"][:8], "--all").stdout
    assert report.count("applied 1_a") == 12
    report = ("fleet", "report", run["run_id"], "--format")
    assert sqlmigrate(*report, "json").document["run_id"] == run["run_id"]
    starts = {"html": "<!doctype html>\n<html", "markdown": "## sqlmigrate fleet: 12 of 12", "junit": "<?xml "}
    for form, start in starts.items():
        assert sqlmigrate(*report, form).stdout.startswith(start)


def test_there_is_one_plan_for_all_targets_in_one_place(project, fleet, sqlmigrate):
    project.migration("2_b", 'DROP TABLE "1_a";\n', rollback='CREATE TABLE "1_a" ();\n')
    assert sqlmigrate("fleet", "apply", "--to", "1_a", "--wave", "9").status == 0
    fleet.execute('INSERT INTO t00."1_a" DEFAULT VALUES')

    plans = sqlmigrate("fleet", "plan", "--json").document["plans"]
    shown = sqlmigrate("fleet", "plan", "--to", "1_a").lines
    assert sqlmigrate("fleet", "apply", "--dry-run", "--to", "1_a").lines == shown

    assert [(plan["count"], plan["migrations"], len(plan["losses"])) for plan in plans] == [
        (9, ["2_b"], 1), (3, ["1_a", "2_b"], 0),
    ]  # fmt: skip
    assert shown == [
        "9 targets at 1_a: t00, t01, t02, t03, t04 and 4 more", "  nothing to do", "3 targets: t09, t10, t11", "  1_a",
    ]  # fmt: skip
    assert with_table(fleet, "1_a") == TENANTS[:9]


def test_targets_with_another_schema_are_shown_with_how_it_differs(project, fleet, sqlmigrate):
    project.migration(
        "2_b",
        "CREATE TABLE b (id int PRIMARY KEY, n int REFERENCES b); CREATE VIEW v AS SELECT b.id FROM b;\n"
        "CREATE FUNCTION f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM b; END;\n",
        rollback="DROP FUNCTION f; DROP VIEW v; DROP TABLE b;\n",
    )
    assert sqlmigrate("fleet", "apply").status == 0
    same = sqlmigrate("fleet", "drift")
    assert same.status == 0
    assert same.stdout == "12 targets with the same schema: t00, t01, t02, t03, t04 and 7 more\n"

    fleet.execute("CREATE INDEX extra ON t03.b (n); DROP VIEW t04.v; CREATE INDEX extra ON t05.b (n)")
    other = sqlmigrate("fleet", "drift", "--json")

    assert other.status == 3
    groups = other.document["groups"]
    assert [(group["count"], group["targets"]) for group in groups[1:]] == [(2, ["t03", "t05"]), (1, ["t04"])]
    assert len({group["fingerprint"] for group in groups}) == 3
    lines = sqlmigrate("fleet", "drift").lines
    assert lines[1:3] == [
        "2 targets with another one: t03, t05",
        "  + index extra: CREATE INDEX extra ON b USING btree (n)",
    ]
    assert lines[3] == "1 target with another one: t04"
    assert all("t0" not in line for line in lines if line.startswith("  "))


def test_what_is_odd_is_explained_in_few_lines(project, fleet, sqlmigrate, database):
    project.tables("2_b")
    assert sqlmigrate("fleet", "apply", "--to", "1_a", "--wave", "10").status == 0
    (project.directory / "1_a.sql").write_text('CREATE TABLE "1_a" (id int);\n')
    text = (project.root / "tenants.csv").read_text()
    (project.root / "tenants.csv").write_text(f"{text}gone,GONE_URL,x,,\nmissing,TENANTS_URL,none,,\n")
    assert "gone: the variable GONE_URL" in sqlmigrate("fleet", "status").stderr
    (project.root / "tenants.csv").write_text(f"{text}missing,TENANTS_URL,none,,\n")

    shown = sqlmigrate("fleet", "status").lines

    assert shown == [
        "      2 with nothing applied, 2 pending (pending)",
        "        t10, t11",
        "     10 at 1_a, 1 pending (odd)",
        "        t00, t01, t02, t03, t04 and 5 more",
        "        1_a was edited since it was applied",
        "      1 (unreachable)",
        "        missing",
        f"        schema none does not exist in database {database.name}",
    ]
    failed = sqlmigrate("fleet", "apply", "--same-error", "100", "--json").document
    assert failed["counts"] == {"failed": 11, "done": 2}
    assert [(group["count"], len(group["targets"])) for group in failed["failures"]] == [(10, 10), (1, 1)]
    assert "geheim" not in json.dumps(failed)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--wave", "0.5"), "'0.5' is no wave"),
        (("--wave", "tag:none"), "no target has the tag none"),
        (("--max-failures", "0"), "--max-failures: '0' is neither"),
        (("--max-failures", "5.5"), "--max-failures: '5.5' is neither"),
        (("--part", "2"), "give --part I and --of N together"),
        (("--part", "3", "--of", "2"), "give --part I and --of N together"),
        (("--deadline", "25:00"), "--deadline: '25:00' is not a duration"),
        (("--pause", "soon"), "--pause: 'soon' is not a duration"),
        (("--to", "9_z"), "there is no migration '9_z'"),
        (("--approve",), "there is no terminal to approve waves on"),
        (("--targets", "none.csv"), "none.csv: cannot be read"),
        (("--yes-i-mean", "production"), "'production' is not project; nothing was changed"),
    ],
)
def test_a_wrong_call_does_nothing(project, fleet, sqlmigrate, options, said):
    outcome = sqlmigrate("fleet", "apply", *options)

    assert outcome.status == 2
    assert said in outcome.stderr
    assert with_table(fleet, "1_a") == []
    assert sqlmigrate("fleet", "runs").stdout == "there is no run yet\n"


def test_a_list_may_be_shared_out_and_who_is_new_is_named(project, fleet, sqlmigrate):
    assert sqlmigrate("fleet", "apply", "--part", "2", "--of", "3", "--json").document["counts"] == {"done": 4}
    assert with_table(fleet, "1_a") == ["t01", "t04", "t07", "t10"]
    targets = project.root / "tenants.csv"
    fleet.execute("CREATE SCHEMA late")
    # the list grows when the first target is begun
    words = json.dumps(
        ["sh", "-c", f'cat {targets.name}.jsonl; echo \'{{"name": "late", "service": "x"}}\' >> {targets.name}.jsonl']
    )
    rows = [{"name": name, "url_env": "TENANTS_URL", "schema": name} for name in TENANTS]
    (project.root / "tenants.csv.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    project.config(f"targets_command = {words}\n")

    outcome = sqlmigrate("fleet", "apply", "--json")

    assert outcome.document["counts"] == {"done": 8, "unchanged": 4}
    assert outcome.document["new_targets"] == ["late"]


def test_what_the_command_that_lists_targets_says_besides_is_marked(project, sqlmigrate):
    program = "import sys; sys.stderr.write('::error::forged\\rapplied 1_a\\x1b[31m\\n##[error]forged\\n'); sys.exit(3)"
    project.config(f"targets_command = {json.dumps([sys.executable, '-c', program])}\n")

    outcome = sqlmigrate("fleet", "status")

    assert outcome.status == 2
    assert outcome.stderr.splitlines()[:3] == ["  | ::error::forged", "  | applied 1_a", "  | # #[error]forged"]


def test_a_ledger_that_was_lost_is_made_anew_from_the_histories(project, fleet, sqlmigrate, ledger):
    project.tables("2_b", "3_c")
    few = (project.root / "tenants.csv").read_text().splitlines(keepends=True)[:7]
    (project.root / "tenants.csv").write_text("".join(few))
    first = sqlmigrate("fleet", "apply", "--to", "2_b", "--wave", "4", "--json").document["run_id"]
    second = sqlmigrate("fleet", "apply", "--wave", "2", "--json").document["run_id"]
    back = sqlmigrate("fleet", "rollback", second, "--yes", "--json").document["run_id"]
    shutil.rmtree(ledger)
    assert sqlmigrate("fleet", "report", second, "--json").document["counts"] == {"done": 2, "waiting": 4}
    assert [run["run_id"] for run in sqlmigrate("fleet", "runs", "--json").document["runs"]] == [second]
    shutil.rmtree(ledger)

    runs = sqlmigrate("fleet", "runs", "--json").document["runs"]

    assert [(run["run_id"], run["operation"], run["wanted"]["to"], run["counts"]) for run in runs] == [
        (back, "rollback", None, {"done": 2, "waiting": 4}),
        (second, "apply", "3_c", {"done": 2, "waiting": 4}),
        (first, "apply", "2_b", {"done": 4, "waiting": 2}),
    ]
    assert "0 runs added" in sqlmigrate("fleet", "runs", "--rebuild").stderr
    shutil.rmtree(ledger)
    assert sqlmigrate("fleet", "report", "last", "--json").document["run_id"] == back
    assert "there is no run 12345678" in sqlmigrate("fleet", "report", "12345678").stderr
    assert sqlmigrate("fleet", "resume", back, "--yes", "--json").document["counts"] == {"done": 2, "unchanged": 4}
    assert with_table(fleet, "2_b") == TENANTS[:4]
    assert sqlmigrate("fleet", "resume", first, "--json").document["counts"] == {"done": 6}
    assert (with_table(fleet, "2_b"), with_table(fleet, "3_c")) == (TENANTS[:6], [])
    assert sqlmigrate("fleet", "rollback", first, "--yes", "--json").document["counts"] == {"done": 6}
    assert with_table(fleet, "1_a") == []


def test_what_happens_is_told_to_programs_too(project, fleet, sqlmigrate, tmp_path):
    file, log = tmp_path / "events.jsonl", tmp_path / "log"
    project.migration("2_b", "SELECT 1 / 0;\n", rollback="SELECT 1;\n")

    run = sqlmigrate("fleet", "apply", "--wave", "1", "--wave", "rest", "--events", file, "--log-file", log, "--json")

    found = [json.loads(line) for line in file.read_text().splitlines()]
    schema = json.loads((ROOT / "docs" / "events.schema.json").read_text())
    assert [error.message for event in found for error in Draft202012Validator(schema).iter_errors(event)] == []
    assert [event["event"] for event in found] == ["wave_begun", "target_ended", "fleet_stopped", "run_ended"]
    assert {event["fleet_run_id"] for event in found[:-1]} == {run.document["run_id"]}
    ended = found[1]
    assert (ended["state"], ended["migration_ids"], ended["fingerprint"]) == (
        "failed", ["1_a"], run.document["failures"][0]["fingerprint"],
    )  # fmt: skip
    assert found[-1]["exit_status"] == run.status == 1
    assert "division by zero" in log.read_text()


def test_runs_may_be_kept_in_a_control_database(project, fleet, sqlmigrate, database_factory, ledger):
    control = database_factory()
    project.config(f'targets = "tenants.csv"\ncontrol_database_url = "{control.url}"\n')

    run = sqlmigrate("fleet", "apply", "--wave", "5", "--json").document
    shutil.rmtree(ledger)

    assert [found["run_id"] for found in sqlmigrate("fleet", "runs", "--json").document["runs"]] == [run["run_id"]]
    assert sqlmigrate("fleet", "report", "last", "--json").document["counts"] == {"done": 5}
    assert sqlmigrate("fleet", "rollback", "last", "--yes").status == 0
    with control.connect() as session:
        rows = session.execute("SELECT operation, count(*) FROM sqlmigrate_fleet.run JOIN sqlmigrate_fleet.target"
                               " USING (run_id) GROUP BY 1 ORDER BY 1").fetchall()  # fmt: skip
    assert rows == [("apply", 5), ("rollback", 5)]


def test_what_became_of_a_run_is_told_though_the_list_is_gone_at_its_end(project, fleet, sqlmigrate):
    words = json.dumps(["sh", "-c", "cat rows.jsonl && mv rows.jsonl gone"])
    rows = [{"name": name, "url_env": "TENANTS_URL", "schema": name} for name in TENANTS]
    (project.root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    project.config(f"targets_command = {words}\ncheck_drift = true\n[hooks]\nbefore_run = 'false'\n")

    outcome = sqlmigrate("fleet", "apply", "--json")

    assert (outcome.status, outcome.document["counts"]) == (0, {"done": 12})
    assert "whether there are new targets is not known: targets_command failed with exit status 1" in outcome.stderr
    assert "[hooks] and check_drift are not for fleets, and ignored" in outcome.stderr


def test_a_protected_environment_wants_its_name(project, fleet, sqlmigrate):
    project.config('targets = "tenants.csv"\n[env.production]\nprotected = true\n')

    assert "--yes-i-mean production" in sqlmigrate("fleet", "apply", "--yes", "--env", "production").stderr
    assert with_table(fleet, "1_a") == []
    assert sqlmigrate("fleet", "apply", "--env", "production", "--yes-i-mean", "production").status == 0
    assert with_table(fleet, "1_a") == TENANTS


@pytest.fixture
def sleepy(project, fleet, database):
    """A second migration that sleeps in t00 and t01; gives a function that waits until it does."""
    project.migration(
        "2_b",
        "CREATE TABLE b ();\nSELECT pg_sleep(600) WHERE current_schema() IN ('t00', 't01');\n",
        rollback="DROP TABLE b;",
    )
    watcher = database.connect()
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"

    def asleep(count=2):
        wait_until(lambda: watcher.execute(query).fetchone() == (count,))

    return asleep


def wake(database):
    with database.connect_superuser() as session:
        session.execute(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
            " WHERE wait_event = 'PgSleep' AND datname = current_database()"
        )


def test_ctrl_c_opens_no_more_targets_and_lets_those_end_that_are_under_way(
    project, fleet, sleepy, sqlmigrate, database
):
    with started("fleet", "apply", "--concurrency", "2", "--json") as process:
        sleepy()
        process.send_signal(signal.SIGINT)
        assert "stopping: no more targets are opened" in next(line for line in process.stderr if "stopping:" in line)
        wake(database)
        outcome = ended(process)

    assert outcome.status == 130
    assert outcome.document["counts"] == {"failed": 2, "left": 10}
    assert with_table(fleet, "1_a") == ["t00", "t01"]


@pytest.mark.parametrize(("number", "times"), [(signal.SIGTERM, 2), (signal.SIGKILL, 1)])
def test_whatever_ends_the_coordinator_the_histories_are_true_and_resume_finishes(
    project, fleet, sleepy, sqlmigrate, database, number, times
):
    with started("fleet", "apply", "--concurrency", "2", "--json") as process:
        sleepy()
        process.send_signal(number)
        if times == 2:
            next(line for line in process.stderr if "stopping:" in line)
            process.send_signal(number)
        outcome = ended(process)
    sleepy(0)

    if number == signal.SIGTERM:
        assert outcome.status == 143
        assert outcome.document["counts"] == {"interrupted": 2, "left": 10}
    run = sqlmigrate("fleet", "runs", "--json").document["runs"][0]
    assert run["counts"] == ({"interrupted": 2, "left": 10} if times == 2 else {"running": 2, "waiting": 10})
    assert with_table(fleet, "1_a") == ["t00", "t01"]
    assert with_table(fleet, "b") == []
    project.migration("2_b", "CREATE TABLE b ();\n", rollback="DROP TABLE b;\n")

    resumed = sqlmigrate("fleet", "resume", "last", "--json")

    assert (resumed.status, resumed.document["run_id"]) == (0, run["run_id"])
    assert resumed.document["counts"] == {"done": 12}
    assert {tuple(entry["migrations"]) for entry in resumed.document["targets"]} == {("1_a", "2_b")}
    assert with_table(fleet, "b") == TENANTS
    assert tables(database) == []


def test_no_password_is_kept_or_printed(project, fleet, sqlmigrate, database, monkeypatch, ledger):
    monkeypatch.setenv("TENANTS_URL", f"{database.url}&password=geheim1")
    project.migration("2_b", "SELECT 1 / 0;\n", rollback="SELECT 1;\n")

    outcome = sqlmigrate("fleet", "apply", "--verbose", "--json")

    [kept] = [path.read_text() for path in ledger.iterdir()]
    assert outcome.status == 1
    assert "division by zero" in kept
    assert "geheim" not in outcome.stdout + outcome.stderr + kept + sqlmigrate("fleet", "report", "last").stdout


@pytest.mark.parametrize("form", ["terminal", "markdown", "html", "json", "junit"])
def test_no_report_commands_a_ci_system(project, fleet, sqlmigrate, form):
    script = "DO $$ BEGIN RAISE EXCEPTION E'first ##vso[task.setvariable variable=x]y'; END $$;\n"
    project.migration("2_b", script, rollback="SELECT 1;\n")
    assert sqlmigrate("fleet", "apply").status == 1

    report = sqlmigrate("fleet", "report", "last", "--format", form).stdout

    assert "task.setvariable" in report
    assert "##vso[" not in report
