"""`sqlmigrate seed`."""

from __future__ import annotations

import pytest

from support.command import ended, started, terminal
from support.contents import has_history
from support.seeds import AGENTS, LLMS, SeedFiles

TABLES = """
CREATE TABLE llms (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), model_code text UNIQUE, provider text);
CREATE TABLE agents (
    agent_type text PRIMARY KEY,
    llm_id uuid REFERENCES llms,
    updated_at timestamptz DEFAULT now()
);
"""
TWO = "llms:\n  - {model_code: a, provider: p}\n  - {model_code: b, provider: p}\n"
ONE = "agents:\n  - {agent_type: T, llm_model_code: a}\n"


@pytest.fixture
def files(project):
    """Two seed files in the project's data folder; the second one looks up rows of the first."""
    (project.root / "data").mkdir()
    found = SeedFiles(project.root / "data")
    found.file("llms", LLMS, TWO)
    found.file("agents", AGENTS, ONE)
    return found


@pytest.fixture
def seeded(files, target):
    """The tables that the files fill."""
    target.connect().execute(TABLES)
    return target


def rows(database):
    return database.connect().execute("SELECT xmin::text, ctid::text, * FROM llms ORDER BY model_code").fetchall()


def count(database):
    return len(rows(database))


def test_seed_inserts_the_rows_and_names_the_database(seeded, sqlmigrate):
    outcome = sqlmigrate("seed")

    assert outcome.status == 0
    assert outcome.lines == [
        "public.llms: 2 inserted, 0 updated, 0 unchanged",
        "public.agents: 1 inserted, 0 updated, 0 unchanged",
    ]
    assert outcome.stderr.startswith(f"database {seeded.name} on")
    assert count(seeded) == 2


def test_seed_names_the_database_even_when_quiet(seeded, sqlmigrate):
    assert sqlmigrate("seed", "--quiet").stderr.startswith(f"database {seeded.name} on")


def test_the_second_run_writes_nothing(seeded, sqlmigrate):
    sqlmigrate("seed")
    before = rows(seeded)

    outcome = sqlmigrate("seed")

    assert outcome.lines[0] == "public.llms: 0 inserted, 0 updated, 2 unchanged"
    assert rows(seeded) == before


def test_a_changed_value_is_updated(files, seeded, sqlmigrate):
    sqlmigrate("seed")
    files.yaml("llms", TWO.replace("b, provider: p", "b, provider: q"))

    assert sqlmigrate("seed").lines[0] == "public.llms: 0 inserted, 1 updated, 1 unchanged"


def test_seed_as_json(seeded, sqlmigrate):
    document = sqlmigrate("seed", "--json").document

    assert (document["version"], document["command"], document["written"]) == (1, "seed", 3)
    counts = {"inserted": 2, "updated": 0, "unchanged": 0, "kept": 0, "pruned": 0, "prune_kept": 0}
    assert document["tables"][0] == {"table": "public.llms", **counts}


def test_seed_makes_no_history(seeded, sqlmigrate):
    sqlmigrate("seed")

    assert not has_history(seeded)


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_an_unknown_reference_is_reported_and_nothing_is_written(files, seeded, sqlmigrate, form):
    files.yaml("agents", ONE.replace(": a}", ": gpt-0}"))

    outcome = sqlmigrate("seed", *form)

    assert outcome.status == 1
    assert "gpt-0" in outcome.stderr
    assert "T" in outcome.stderr
    assert "agents.yaml" in outcome.stderr
    assert count(seeded) == 0
    if form:
        assert outcome.document["error"]["type"] == "SeedError"


def test_a_violation_of_the_schema_is_reported_with_its_place_and_nothing_is_written(files, seeded, sqlmigrate):
    files.schema("agents", AGENTS, type="object", properties={"agents": {"items": {"required": ["config"]}}})

    outcome = sqlmigrate("seed")

    assert outcome.status == 1
    assert "agents.yaml:2" in outcome.stderr
    assert "config" in outcome.stderr
    assert count(seeded) == 0


def test_a_missing_table_is_reported_and_nothing_is_written(seeded, sqlmigrate):
    seeded.connect().execute("DROP TABLE agents")

    outcome = sqlmigrate("seed")

    assert outcome.status == 1
    assert "public.agents" in outcome.stderr
    assert count(seeded) == 0


def test_every_file_is_validated_before_a_database_is_looked_for(files, project, sqlmigrate):
    files.yaml("llms", "llms: {")

    outcome = sqlmigrate("seed", "--database-url", "postgresql://127.0.0.1:1/x")

    assert outcome.status == 1
    assert "llms.yaml:" in outcome.stderr
    assert "cannot connect" not in outcome.stderr


def test_a_read_only_database_is_refused(seeded, sqlmigrate):
    seeded.connect_superuser().execute(f"ALTER DATABASE {seeded.name} SET default_transaction_read_only = on")

    outcome = sqlmigrate("seed")

    assert outcome.status == 1
    assert "is read only" in outcome.stderr


def test_a_protected_environment_wants_the_name_of_the_database(project, seeded, sqlmigrate):
    project.config("[env.live]\nprotected = true\n")

    assert sqlmigrate("seed", "--env", "live").status == 2
    assert count(seeded) == 0
    assert sqlmigrate("seed", "--env", "live", "--yes-i-mean", seeded.name).status == 0
    assert count(seeded) == 2


def test_the_question_of_a_protected_environment_says_what_would_be_written(project, seeded):
    project.config("[env.live]\nprotected = true\n")

    with terminal("seed", "--env", "live") as screen:
        screen.wait_for("type the database's name")
        screen.enter("no")

        assert screen.end() == 2
    words = " ".join(screen.shown.split())
    assert "(public.llms: 2 to insert, 0 to update; public.agents: 1 to insert, 0 to update)?" in words
    assert count(seeded) == 0


def test_rows_are_written_as_the_role_of_the_settings(seeded, sqlmigrate, monkeypatch):
    seeded.connect_superuser().execute("GRANT pg_monitor TO migrator")
    monkeypatch.setenv("SQLMIGRATE_ROLE", "pg_monitor")

    outcome = sqlmigrate("seed")

    assert outcome.status == 1
    assert "permission denied" in outcome.stderr


@pytest.mark.parametrize("way", ["option", "variable"])
def test_another_folder_can_be_named(files, project, seeded, sqlmigrate, monkeypatch, way):
    files.directory.rename(project.root / "rows")
    options = ("--data", "rows") if way == "option" else ()
    if way == "variable":
        monkeypatch.setenv("SQLMIGRATE_DATA", "rows")

    assert sqlmigrate("seed", *options).status == 0
    assert count(seeded) == 2


def test_a_folder_without_files_has_nothing_to_seed(project, target, sqlmigrate):
    (project.root / "data").mkdir()

    outcome = sqlmigrate("seed")

    assert outcome.status == 0
    first, how = outcome.stdout.splitlines()
    assert first == f"no seed files in {project.root / 'data'}"
    assert how.startswith("start with two files: NAME.yaml with the rows, and NAME.schema.json")


def test_a_folder_that_is_not_there_is_an_error(project, target, sqlmigrate):
    outcome = sqlmigrate("seed", "--data", "nowhere")

    assert outcome.status == 1
    assert "nowhere" in outcome.stderr


@pytest.fixture
def offline(monkeypatch):
    """Name a database that nobody can reach."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/nowhere")


def test_check_validates_without_a_database(files, offline, sqlmigrate):
    outcome = sqlmigrate("seed", "check")

    assert outcome.status == 0
    assert outcome.lines[-1] == "2 files are valid"
    assert [line.partition(": ")[2] for line in outcome.lines[:-1]] == [
        "2 rows for public.llms",
        "1 row for public.agents",
    ]


def test_check_counts_one_file_as_one(files, offline, project, sqlmigrate):
    for path in (project.root / "data").glob("agents*"):
        path.unlink()

    assert sqlmigrate("seed", "check").lines[-1] == "1 file is valid"


def test_check_as_json(files, offline, sqlmigrate):
    document = sqlmigrate("seed", "check", "--json").document

    assert document["command"] == "seed check"
    assert sorted(item["rows"] for item in document["files"]) == [1, 2]


def test_check_finds_what_is_wrong(files, offline, sqlmigrate):
    files.yaml("llms", "llms: 3")

    assert sqlmigrate("seed", "check").status == 1


def test_check_takes_another_folder(files, offline, project, sqlmigrate):
    files.directory.rename(project.root / "rows")

    assert sqlmigrate("seed", "check", "--data", "rows").status == 0
    assert sqlmigrate("seed", "check").status == 1


def test_options_in_front_of_check_are_not_dropped_in_silence(files, offline, sqlmigrate):
    outcome = sqlmigrate("seed", "--data", "nowhere", "check")

    assert outcome.status == 2
    assert "--data" in outcome.stderr
    assert "come after `check`" in outcome.stderr


def test_two_runs_at_once_both_end_well(seeded):
    with started("seed") as first, started("seed") as second:
        outcomes = [ended(first), ended(second)]

    assert [outcome.status for outcome in outcomes] == [0, 0]
    assert sorted(outcome.lines[0] for outcome in outcomes) == [
        "public.llms: 0 inserted, 0 updated, 2 unchanged",
        "public.llms: 2 inserted, 0 updated, 0 unchanged",
    ]


def test_what_was_seeded_is_in_the_history_once_there_is_one(seeded, project, sqlmigrate):
    project.migration("1", rollback="SELECT 1;")
    sqlmigrate("apply")
    sqlmigrate("seed")
    sqlmigrate("seed")

    (entry,) = sqlmigrate("history", "--operation", "seed", "--json").document["history"]

    assert (entry["migration_id"], entry["login_role"]) == (None, "migrator")
    assert entry["reason"] == "public.llms: 2 inserted, 0 updated, public.agents: 1 inserted, 0 updated"


def test_seeding_needs_no_right_to_write_the_history(seeded, project, sqlmigrate):
    project.migration("1", rollback="SELECT 1;")
    sqlmigrate("apply")
    seeded.connect_superuser().execute("REVOKE ALL ON ALL TABLES IN SCHEMA sqlmigrate FROM migrator")

    outcome = sqlmigrate("seed")

    assert (outcome.status, count(seeded)) == (0, 2)


@pytest.mark.parametrize("words", [["seed", "diff"], ["seed", "--dry-run"]])
def test_what_would_be_written_is_shown_and_nothing_is_written(files, seeded, sqlmigrate, words):
    seeded.connect().execute("INSERT INTO llms (model_code, provider) VALUES ('a', 'old'), ('z', 'p')")
    before = rows(seeded)

    text = sqlmigrate(*words)
    checked = sqlmigrate(*words, "--check")
    [llms, agents] = sqlmigrate(*words, "--json").document["tables"]

    assert text.status == 0
    assert checked.status == 3
    assert text.stdout.startswith(
        "public.llms: 1 to insert, 1 to update, 0 unchanged, 1 in no file\n  ~ model_code 'a'"
    )
    assert "provider: 'old' -> 'p'" in text.stdout
    assert "? model_code 'z'" in text.stdout
    assert [llms["inserted"], llms["updated"], llms["unchanged"], llms["unnamed"]] == [1, 1, 0, 1]
    assert llms["rows"][0]["changes"] == [{"column": "provider", "old": "old", "new": "p", "pending": None}]
    assert agents["inserted"] == 1
    assert rows(seeded) == before


def test_when_nothing_differs_the_check_of_seeds_passes(seeded, sqlmigrate):
    sqlmigrate("seed")

    assert sqlmigrate("seed", "diff", "--check").status == 0


def test_the_difference_of_seeds_as_markdown(seeded, sqlmigrate):
    seeded.connect().execute("INSERT INTO llms (model_code, provider) VALUES ('a', '`|<b>')")

    text = sqlmigrate("seed", "diff", "--format", "markdown").stdout

    assert text.startswith("## sqlmigrate seed diff\n")
    assert "- insert <code>model&#95;code &#39;b&#39;</code>" in text
    assert "<b>" not in text
    assert "→ <code>&#39;p&#39;</code>" in text


def test_the_check_of_a_seed_needs_its_dry_run(seeded, sqlmigrate):
    result = sqlmigrate("seed", "--check")

    assert result.status == 2
    assert "--check goes with --dry-run" in result.stderr
    assert count(seeded) == 0


def test_the_rows_that_were_written_are_named_where_that_is_wanted(seeded, sqlmigrate):
    seeded.connect().execute("INSERT INTO llms (model_code, provider) VALUES ('a', 'old')")

    lines = sqlmigrate("seed", "--verbose").lines

    assert lines[:2] == [
        "public.llms: 1 inserted, 1 updated, 0 unchanged",
        "public.agents: 1 inserted, 0 updated, 0 unchanged",
    ]
    assert [line.split("  (")[0] for line in lines[2:]] == [
        "  ~ model_code 'a'",
        "      provider: 'old' -> 'p'",
        "  + model_code 'b'",
        "  + agent_type 'T'",
    ]


def test_a_role_that_may_only_read_compares_and_no_other(seeded, sqlmigrate, monkeypatch):
    seeded.connect_superuser().execute("GRANT pg_monitor TO migrator")
    monkeypatch.setenv("SQLMIGRATE_ROLE", "pg_monitor")

    refused = sqlmigrate("seed", "diff")
    seeded.connect_superuser().execute("GRANT SELECT ON llms, agents TO pg_monitor")

    assert (refused.status, "permission denied" in refused.stderr) == (1, True)
    assert sqlmigrate("seed", "diff", "--check").status == 3
