"""`sqlmigrate redo`: the last migration back and forth, for work in progress."""

from __future__ import annotations

import pytest

from support.command import terminal
from support.contents import applied, tables

LOG = "SELECT log.operation, migration_id FROM sqlmigrate._yoyo_log JOIN sqlmigrate.log USING (id) ORDER BY seq"


@pytest.fixture
def two(project, target, sqlmigrate):
    """A database with a and b applied."""
    project.tables("a", "b")
    assert sqlmigrate("apply").status == 0
    return target


def columns(database) -> list[str]:
    query = "SELECT attname FROM pg_attribute WHERE attrelid = 'b'::regclass AND attnum > 0 ORDER BY attnum"
    return [name for (name,) in database.connect().execute(query)]


def test_the_last_migration_is_taken_back_and_applied_as_it_is_now(project, two, sqlmigrate):
    project.migration("b", "CREATE TABLE b (id int);\n", rollback='DROP TABLE "b";\n')
    project.tables("c")

    outcome = sqlmigrate("redo", "--yes", "--json")

    document = outcome.document
    assert (outcome.status, document["command"]) == (0, "redo")
    assert [item["migration_id"] for item in document["rolled_back"] + document["applied"]] == ["b", "b"]
    assert (applied(two), columns(two)) == (["a", "b"], ["id"])
    done = [("apply", "a"), ("apply", "b"), ("rollback", "b"), ("apply", "b")]
    assert two.connect().execute(LOG).fetchall() == done
    assert sqlmigrate("status", "--json").document["summary"]["edited"] == 0


def test_an_edited_rollback_script_is_run_as_it_was_recorded(project, two, sqlmigrate):
    project.migration("b", "CREATE TABLE b (id int);\n", rollback="SELECT 1 / 0;\n")

    offered = sqlmigrate("apply")
    done = sqlmigrate("redo", "--yes")

    assert (offered.status, done.status) == (1, 0)
    assert "`sqlmigrate redo` undoes it and applies it as it is now" in offered.stderr
    assert "the rollback script of b runs as it was recorded at apply" in done.stderr
    assert columns(two) == ["id"]
    assert sqlmigrate("rollback", "--yes").status == 1


def test_redo_is_offered_for_the_last_migration_only_and_not_where_the_database_is_protected(
    project, two, sqlmigrate, monkeypatch
):
    project.migration("a", "CREATE TABLE a (id int);\n", rollback='DROP TABLE "a";\n')
    first = sqlmigrate("apply")
    project.tables("a")
    project.migration("b", "CREATE TABLE b (id int);\n", rollback='DROP TABLE "b";\n')
    monkeypatch.setenv("SQLMIGRATE_PROTECTED", "true")
    protected = sqlmigrate("apply")

    for outcome in (first, protected):
        assert (outcome.status, "sqlmigrate redo" in outcome.stderr) == (1, False)
        assert "restore the file as it was" in outcome.stderr


def test_it_asks_and_without_a_yes_nothing_is_changed(two, sqlmigrate):
    refused = sqlmigrate("redo")
    with terminal("redo") as screen:
        screen.wait_for(f"Roll back b in {two.name} and apply it again? [y/N]:")
        screen.enter("n")
        assert screen.end() == 2

    assert refused.status == 2
    assert len(two.connect().execute(LOG).fetchall()) == 2


def test_a_script_that_fails_stays_rolled_back_and_is_pending(project, two, sqlmigrate):
    project.migration("b", "CREATE TABLE b ();\nSELECT 1 / 0;\n", rollback='DROP TABLE "b";\n')

    outcome = sqlmigrate("redo", "--yes")

    assert (outcome.status, applied(two), tables(two)) == (1, ["a"], ["a"])
    assert outcome.lines[0].startswith("rolled back b")
    assert "b was rolled back; nothing of this run of it is in the database" in outcome.stderr
    assert [item["state"] for item in sqlmigrate("status", "--json").document["migrations"]] == ["applied", "pending"]


def test_after_an_undo_that_was_not_complete_only_of_this_run_nothing_is_there(project, two, sqlmigrate):
    project.migration("c", "CREATE TABLE c ();\n", rollback="SELECT 1;\n")
    assert sqlmigrate("apply").status == 0

    outcome = sqlmigrate("redo", "--yes")

    assert (outcome.status, tables(two)) == (1, ["a", "b", "c"])
    assert "c was rolled back; nothing of this run of it is in the database" in outcome.stderr


def test_nothing_is_taken_back_that_could_not_be_applied_again(project, two, sqlmigrate):
    project.migration("a", "CREATE TABLE a (id int);\n", rollback='DROP TABLE "a";\n')
    edited = sqlmigrate("redo", "--yes")
    project.tables("a")
    project.migration("b", "COMMIT;\n", rollback='DROP TABLE "b";\n')
    refused = sqlmigrate("redo", "--yes")

    assert (edited.status, refused.status, applied(two)) == (1, 1, ["a", "b"])
    assert "was edited after it was applied" in edited.stderr


def test_what_was_marked_was_not_done_and_is_not_done_again(project, two, sqlmigrate):
    project.tables("c")
    sqlmigrate("mark", "c")

    outcome = sqlmigrate("redo", "--yes")

    assert (outcome.status, applied(two)) == (1, ["a", "b", "c"])
    assert "c was marked as applied, not applied by sqlmigrate, so it is not redone" in outcome.stderr
    assert "`sqlmigrate rollback --include-marked c`, then `apply`" in outcome.stderr


def test_a_transaction_that_never_ends_is_found_before_anything_is_taken_back(project, two, sqlmigrate):
    project.migration("b", "-- transactional: false\nBEGIN;\nSELECT 1;\n", rollback='DROP TABLE "b";\n')

    assert (sqlmigrate("redo", "--yes").status, applied(two)) == (1, ["a", "b"])


def test_where_nothing_is_applied_there_is_nothing_to_do_again(project, target, sqlmigrate):
    project.tables("a")

    outcome = sqlmigrate("redo", "--yes")

    assert (outcome.status, outcome.stdout) == (0, "nothing to redo\n")
    assert tables(target) == []


def test_where_it_cannot_be_applied_again_it_says_how_to_go_on(project, target, sqlmigrate):
    project.migration("a", "CREATE TABLE a ();\nCREATE TABLE IF NOT EXISTS keep ();\n", rollback="SELECT 1;\n")
    sqlmigrate("apply")

    outcome = sqlmigrate("redo", "--yes")

    assert outcome.status == 1
    assert "a is rolled back; fix the cause, then `sqlmigrate apply` applies it again" in outcome.stderr


def test_what_has_no_proof_is_not_applied_again_where_one_is_required(project, two, sqlmigrate):
    project.config("require_proof = true\n")

    outcome = sqlmigrate("redo", "--yes")

    assert (outcome.status, applied(two)) == (1, ["a", "b"])
    assert "nothing was run, since a proof is required" in outcome.stderr
