"""`sqlmigrate accept`, and `rollback` where the rollback script is not what was recorded."""

from __future__ import annotations

import pytest

from sqlmigrate.migrations import migration_hash as hashed
from support.contents import applied, tables

LOG = "SELECT operation, reason, login_role, sha256 FROM sqlmigrate.log ORDER BY seq DESC LIMIT 1"
TEXTS = """
SELECT script, rollback_script, size, rollback_size FROM sqlmigrate.applied
JOIN sqlmigrate._yoyo_migration USING (migration_hash) WHERE migration_id = 'a'
"""


@pytest.fixture
def edited(project, target, sqlmigrate):
    """A database in which a is applied; since then both its files were edited. b is pending."""
    project.tables("a")
    assert sqlmigrate("apply").status == 0
    project.migration("a", "CREATE TABLE a (id int);\n", rollback="DROP TABLE IF EXISTS a;\n")
    project.tables("b")
    return target


def test_accept_records_the_files_as_they_are_with_the_reason_and_nobody_complains_any_more(
    project, edited, sqlmigrate
):
    reason = "a column was added by hand; reviewed by 'Ann' 🙂 " + "x" * 300
    assert sqlmigrate("status", "--check").status == 3

    outcome = sqlmigrate("accept", "a", "--reason", reason, "--json")

    assert outcome.status == 0
    assert (outcome.document["accepted"], outcome.document["reason"]) == ("a", reason)
    session = edited.connect()
    sha256 = project.load().named("a").script.sha256
    assert session.execute(LOG).fetchone() == ("accept", reason, "migrator", sha256)
    texts = ("CREATE TABLE a (id int);\n", "DROP TABLE IF EXISTS a;\n")
    assert session.execute(TEXTS).fetchone() == (*texts, *map(len, texts))
    assert sqlmigrate("history", "--operation", "accept", "--json").document["history"][0]["reason"] == reason
    assert (sqlmigrate("apply").status, sqlmigrate("status", "--check").status) == (0, 0)
    assert sqlmigrate("rollback", "--all", "--yes").status == 0
    assert tables(edited) == []


def test_what_is_recorded_already_is_not_recorded_again(project, edited, sqlmigrate):
    assert sqlmigrate("accept", "a", "--reason", "x").status == 0

    again = sqlmigrate("accept", "a", "--reason", "x")

    assert (again.status, again.stdout) == (0, "nothing to accept: a is recorded as its files are already\n")
    assert sqlmigrate("accept", "a", "--reason", "x", "--json").document["accepted"] is None
    assert len(sqlmigrate("history", "--operation", "accept", "--json").document["history"]) == 1


def test_what_cannot_be_accepted_is_refused_and_nothing_is_recorded(project, edited, sqlmigrate):
    session = edited.connect()
    project.tables("y")
    session.execute("INSERT INTO sqlmigrate._yoyo_migration VALUES (%s, 'y', now())", [hashed("y")])
    before = session.execute(TEXTS).fetchall()

    for arguments, message in (
        (["b", "--reason", "x"], "b is not applied, so there is nothing to accept"),
        (["c", "--reason", "x"], "there is no migration 'c'"),
        (["a"], "--reason"),
        (["a", "--reason", " "], "--reason is empty"),
        (["y", "--reason", "x"], "y was applied by yoyo"),
    ):
        outcome = sqlmigrate("accept", *arguments)
        assert (outcome.status, message in outcome.stderr) == (2, True), outcome

    assert session.execute(TEXTS).fetchall() == before
    assert session.execute("SELECT count(*) FROM sqlmigrate.log WHERE operation = 'accept'").fetchone() == (0,)


def test_a_protected_environment_is_asked_before_something_is_accepted(project, edited, sqlmigrate):
    project.config("[env.live]\nprotected = true\n")

    assert sqlmigrate("accept", "a", "--reason", "x", "--env", "live").status == 2
    assert sqlmigrate("accept", "a", "--reason", "x", "--env", "live", "--yes-i-mean", edited.name).status == 0


@pytest.mark.parametrize("gone", ["edited", "rollback", "both"])
def test_a_rollback_script_that_is_not_the_recorded_one_runs_only_as_it_was_recorded(project, edited, sqlmigrate, gone):
    project.migration("a", 'CREATE TABLE "a" ();\n', rollback="SELECT 1 / 0;\n")
    if gone != "edited":
        (project.directory / "a.rollback.sql").unlink()
    if gone == "both":
        (project.directory / "a.sql").unlink()

    refused = sqlmigrate("rollback", "--yes")

    assert (refused.status, applied(edited)) == (1, ["a"])
    assert "--recorded" in refused.stderr
    assert ("sqlmigrate accept a --reason" in refused.stderr) == (gone == "edited")
    assert sqlmigrate("plan", "--rollback").status == 1
    assert sqlmigrate("rollback", "--yes", "--recorded").status == 0
    assert applied(edited) == tables(edited) == []


def test_an_accepted_rollback_script_is_what_runs(project, edited, sqlmigrate):
    project.migration("a", 'CREATE TABLE "a" ();\n', rollback="DROP TABLE a; CREATE TABLE instead ();\n")
    assert sqlmigrate("rollback", "--yes").status == 1

    assert sqlmigrate("accept", "a", "--reason", "keeps a trace").status == 0
    assert sqlmigrate("rollback", "--yes").status == 0
    assert tables(edited) == ["instead"]
