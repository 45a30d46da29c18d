"""What a review says of the repository's own change."""

from __future__ import annotations

import pytest

from project.application import CHANGE, SQL
from sqlmigrate.config import Config
from sqlmigrate.engine import Options
from sqlmigrate.review.model import Report
from sqlmigrate.review.project import review_project

BEFORE_COMMIT = {"public.user_agents", "public.memories", "public.user_agent_catalog", "auth.users", "public.llms"}


@pytest.fixture(scope="module")
def report(clean_environment: None) -> Report:
    sent = [SQL.parent / "data" / "application.sql"]
    return review_project(Config(migrations=SQL), Options(), [CHANGE], workload_files=sent)


def test_no_script_fails_and_the_undo_is_proven_with_data(report):
    [found] = report.migrations

    assert (found.apply.error, found.rollback.error) == (None, None)
    assert (found.proof.verdict, found.proof.data) == ("exact", True)
    assert (report.verdict, report.notes) == ("danger", ())


def test_its_comments_say_the_truth_about_its_locks(report):
    apply = report.migrations[0].apply

    strongest = {hold.lock.name: hold for hold in apply.holds if hold.lock.mode == "ACCESS EXCLUSIVE"}
    assert strongest.keys() == BEFORE_COMMIT
    assert strongest["auth.users"].first >= len(apply.statements) - 1
    assert strongest["public.llms"].first >= len(apply.statements) - 1
    assert [part.rewrites for part in apply.statements if part.rewrites] == []


def test_every_statement_could_run_alone_too(report):
    for direction in (report.migrations[0].apply, report.migrations[0].rollback):
        assert [part.number for part in direction.statements if part.own is None] == []


def test_its_hazards_are_those_that_we_know(report):
    apply = report.migrations[0].apply

    found = {hazard.code for part in apply.statements for hazard in part.hazards}
    dangers = {hazard.code for part in apply.statements for hazard in part.hazards if hazard.severity == "danger"}
    assert dangers == {"H50"}
    assert found == {"H50", "H04", "H05", "H11", "H13", "H21", "H23", "H66"}


def test_of_the_application_it_breaks_what_names_the_old_agents_until_it_is_rolled_back(report):
    breaks = {item.name: item.operation for item in report.workload.breaks}

    assert breaks == dict.fromkeys(
        [
            "own_agents",
            "agent_by_type",
            "configure_agent",
            "agents_with_models",
            "agent_catalog",
            "work_memories",
            "remember_work",
        ],
        "apply",
    )
    assert (report.workload.may_break, report.workload.slower, report.workload.not_checked) == ((), (), ())
