"""What happens is written down as it happens: a line of JSON for each event, a log of all, and no secret."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime

import pytest
from jsonschema import Draft202012Validator

from support.places import ROOT
from support.seeds import LLMS, SeedFiles
from support.tools import tool

SCHEMA = json.loads((ROOT / "docs" / "events.schema.json").read_text())
LIMITS = ("--lock-timeout", "2500ms", "--lock-budget", "4s")


def events_in(path):
    """Give the events of a file, each of which its schema describes."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    checker = Draft202012Validator(SCHEMA)
    assert [error.message for event in found for error in checker.iter_errors(event)] == []
    assert all(datetime.fromisoformat(event["at"]).tzinfo == UTC for event in found)
    return found


def names(found):
    return [event["event"] for event in found]


def test_the_schema_in_the_docs_is_that_of_the_types():
    assert (ROOT / "docs" / "events.schema.json").read_text() == tool("event_schema").text()


def test_each_event_of_apply_and_rollback_is_a_line_and_says_what_is_durable(project, target, sqlmigrate, tmp_path):
    project.tables("a", "b")
    project.migration("c", "DO $$ BEGIN RAISE WARNING 'look'; END $$; SELECT 7 AS n;", rollback="SELECT 1;")
    file = tmp_path / "events.jsonl"

    assert sqlmigrate("apply", "--events", file).status == 0
    done = events_in(file)
    assert sqlmigrate("rollback", "--yes", "--events", file).status == 0
    both = events_in(file)

    assert names(done)[0] == "run_started"
    assert (done[0]["database"], done[0]["migration_ids"]) == (target.name, ["a", "b", "c"])
    assert {"script_started", "script_finished", "notice", "rows_returned"} < set(names(done))
    finished = {event["migration_id"]: event["durable"] for event in done if event["event"] == "script_finished"}
    later = {name for event in done if event["event"] == "made_durable" for name in event["migration_ids"]}
    assert set(finished) == {"a", "b", "c"}
    assert {name for name, durable in finished.items() if not durable} == later
    notice = next(event for event in done if event["event"] == "notice")
    assert (notice["message"]["message"], notice["place"]["line"]) == ("look", 1)
    assert (names(done)[-1], done[-1]["exit_status"]) == ("run_ended", 0)
    assert both[: len(done)] == done
    assert len({event["run_id"] for event in both}) == 2
    assert both[-1]["command"] == "rollback"
    assert file.stat().st_mode & 0o777 == 0o600


def test_who_blocks_is_structure_in_events_and_in_json_and_no_password_is_written(
    project, target, sqlmigrate, tmp_path
):
    project.tables("a")
    project.migration("b", "ALTER TABLE a ADD n int;", rollback="ALTER TABLE a DROP n;")
    sqlmigrate("apply", "--to", "a")
    file, log = tmp_path / "events.jsonl", tmp_path / "run.log"

    with target.connect(autocommit=False) as other:
        other.execute("SET application_name TO 'the shop'")
        other.execute("LOCK TABLE a; SELECT 'x' AS \"password 'hunter22' postgresql://me:hunter22@h/d\"")
        outcome = sqlmigrate("apply", "--json", "--quiet", *LIMITS, "--events", file, "--log-file", log)
        pid = other.info.backend_pid

    document, found = outcome.document, events_in(file)
    assert (outcome.status, document["error"]["type"]) == (5, "LockBudgetSpent")
    assert document["run_id"] == found[0]["run_id"]
    assert [one["attempt"] for one in document["attempts"]] == list(range(1, len(document["attempts"]) + 1))
    (blocker,) = document["attempts"][0]["blockers"]
    assert document["waits"][0]["blockers"][0]["pid"] == pid
    assert (blocker["pid"], blocker["application"], blocker["state"]) == (pid, "the shop", "idle in transaction")
    assert document["attempts"][0]["message"]["sqlstate"] == "55P03"
    assert set(names(found)) >= {"run_started", "script_started", "lock_retry", "run_ended"}
    last = found[-1]
    assert (last["exit_status"], last["migration_id"], last["server"]["sqlstate"]) == (5, "b", "55P03")
    lines = log.read_text().splitlines()
    assert all(re.match(rf"\d{{4}}-\d\d-\d\dT[\d:.]+Z {document['run_id'][:8]} ", line) for line in lines)
    assert any("b: canceling statement due to lock timeout" in line for line in lines)
    assert any(f"database {target.name} on" in line for line in lines)
    assert lines[-1].endswith("ended with exit status 5")
    assert outcome.stderr.count("next attempt") == 0
    assert "hunter22" not in file.read_text() + log.read_text() + outcome.stdout


def test_seed_review_and_roundtrip_write_events_too(project, target, sqlmigrate, tmp_path, shadow_on_other_server):
    project.tables("a")
    (project.root / "data").mkdir()
    SeedFiles(project.root / "data").file("llms", LLMS, "llms:\n  - {model_code: a, provider: p}\n")
    target.connect().execute(
        "CREATE TABLE llms (id uuid DEFAULT gen_random_uuid(), model_code text UNIQUE, provider text)"
    )
    file = tmp_path / "events.jsonl"

    for words in (("seed",), ("review", "a"), ("roundtrip", "a")):
        assert sqlmigrate(*words, "--events", file).status == 0

    found = events_in(file)
    by_command = {
        name: [event for event in found if event["command"] == name] for name in ("seed", "review", "roundtrip")
    }
    rows = next(event for event in by_command["seed"] if event["event"] == "rows_written")
    assert (rows["table"], rows["inserted"]) == ("public.llms", 1)
    for name in ("review", "roundtrip"):
        judged = [event for event in by_command[name] if event["event"] == "judged"]
        assert [(event["migration_id"], event["operation"]) for event in judged] == [("a", name)]
    for events in by_command.values():
        assert (names(events)[0], names(events)[-1]) == ("run_started", "run_ended")


@pytest.mark.parametrize("option", ["--events", "--log-file"])
def test_a_file_that_cannot_be_opened_is_an_error_before_anything_happens(project, target, sqlmigrate, option):
    project.tables("a")

    outcome = sqlmigrate("apply", option, "nowhere/file")

    assert outcome.status == 1
    assert "nowhere/file: cannot be written: No such file or directory" in outcome.stderr
    assert sqlmigrate("status", "--check").status == 3


def test_a_file_that_takes_no_more_stops_nothing(project, target, sqlmigrate):
    project.tables("a", "b")

    outcome = sqlmigrate("apply", "--events", "/dev/full")

    assert outcome.status == 0
    assert outcome.stderr.count("/dev/full gets nothing more: No space left on device") == 1


def test_events_go_through_a_pipe_and_a_reader_that_stops_reading_holds_up_nothing(
    project, target, sqlmigrate, tmp_path
):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    project.migration("a", "DO $$ BEGIN FOR i IN 1..40 LOOP RAISE NOTICE '%', repeat('x', 4000); END LOOP; END $$;")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    outcome = sqlmigrate("apply", "--quiet", "--events", pipe)
    first = os.read(reader, 100)
    os.close(reader)

    assert outcome.status == 0
    assert first.startswith(b'{"version": 1, "at": "')
    assert f"{pipe} gets nothing more: nobody reads it" in outcome.stderr
