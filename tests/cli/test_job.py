"""The main job with the files that this repository ships, by the command line and without a terminal."""

from __future__ import annotations

import pytest

from support.places import ROOT

BASELINE, CHANGE = "20260301_agent_baseline", "20260304_simplify_agent_architecture"


@pytest.fixture(params=["private", "named"])
def place(request, monkeypatch):
    """A database for the job: on a private server, or Supabase-like and named by DATABASE_URL."""
    monkeypatch.chdir(ROOT)
    if request.param == "private":
        request.getfixturevalue("private")
        return "(private server, "
    monkeypatch.setenv("DATABASE_URL", request.getfixturevalue("supabase").url)
    return "(named by variable DATABASE_URL)"


@pytest.mark.smoke
def test_apply_seed_seed_rollback_apply(place, sqlmigrate):
    applied = sqlmigrate("apply")
    first, second = sqlmigrate("seed"), sqlmigrate("seed")
    refused, back = sqlmigrate("rollback", "--yes"), sqlmigrate("rollback", "--accept-loss")
    after = sqlmigrate("status", "--check", "--json")
    again = sqlmigrate("apply")

    assert [outcome.status for outcome in (applied, first, second, refused, back, after, again)] == [
        *(0, 0, 0, 2, 0, 3, 0),
    ]
    assert place in applied.stderr.splitlines()[0]
    assert [line.split()[1] for line in applied.lines[:2]] == [BASELINE, CHANGE]
    assert [line.split(":")[0] for line in first.lines] == ["public.llms", "public.system_agents"]
    assert all(" 0 updated, 0 unchanged" in line for line in first.lines)
    assert all(": 0 inserted, 0 updated, " in line for line in second.lines)
    states = {item["migration_id"]: item["state"] for item in after.document["migrations"]}
    assert states == {BASELINE: "applied", CHANGE: "pending"}
    assert again.lines[-1] == "1 applied"


def test_the_shipped_files_are_valid(monkeypatch, sqlmigrate):
    monkeypatch.chdir(ROOT)

    assert sqlmigrate("validate").lines == ["2 migrations, 0 errors, 0 warnings"]
    assert sqlmigrate("seed", "check").status == 0


def test_an_ordinary_database_is_told_what_it_lacks(database, monkeypatch, sqlmigrate):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("DATABASE_URL", database.url)

    outcome = sqlmigrate("apply")

    assert outcome.status == 1
    assert "bootstrap" in outcome.stderr
