"""What commands find becomes issues, and one that stays keeps its fingerprint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from sqlmigrate.drift.model import Drift
from sqlmigrate.errors import ExecutionError, Place
from sqlmigrate.migrations.validate import validate
from sqlmigrate.plan.model import State, Status
from sqlmigrate.reports.model import SEVERITIES, Root
from sqlmigrate.reports.sources.drift import drifted
from sqlmigrate.reports.sources.problems import found_in_files
from sqlmigrate.reports.sources.review import reviewed
from sqlmigrate.reports.sources.roundtrip import unproven
from sqlmigrate.reports.sources.status import left_to_do
from sqlmigrate.roundtrip.model import Failure, RoundTrip, Verdict
from sqlmigrate.schema.diff import Change
from sqlmigrate.schema.model import Name
from support import reports

ROOT, SQL = Root(Path("/repository")), Path("/repository/sql")


def prints(issues) -> dict[str, str]:
    return {issue.fingerprint: issue.rule for issue in issues.issues}


def rules(issues) -> list[tuple[str, str]]:
    return sorted((issue.rule, issue.severity) for issue in issues.issues)


def in_review(report):
    return reviewed(report, SQL, ROOT)


def moved(direction, by: int):
    """Give a script as it is with lines above all of it."""
    statements = tuple(
        replace(
            statement,
            line=statement.line + by,
            last_line=statement.last_line + by,
            hazards=tuple(replace(hazard, line=hazard.line + by) for hazard in statement.hazards),
            findings=tuple(replace(finding, line=finding.line + by) for finding in statement.findings),
        )
        for statement in direction.statements
    )
    return replace(direction, statements=statements)


def test_a_review_tells_its_hazards_the_undo_and_live_statements():
    found = in_review(reports.report())
    assert {"H01", "application/breaks", "review/apply-fails"} <= {issue.rule for issue in found.issues}
    assert found.checked == tuple(item.migration_id for item in reports.report().migrations)
    assert all(issue.path and not issue.path.startswith("/repository") for issue in found.issues)
    severities = [SEVERITIES.index(issue.severity) for issue in found.issues]
    assert severities == sorted(severities)


def test_what_a_script_allows_is_no_issue():
    allowed = {
        item.hazard.code for one in reports.report().migrations for s in one.apply.statements for item in s.suppressed
    }
    shown = {hazard.code for one in reports.report().migrations for s in one.apply.statements for hazard in s.hazards}
    assert allowed
    assert not (allowed - shown) & {issue.rule for issue in in_review(reports.report()).issues}


def test_a_finding_that_stays_is_not_new_when_lines_are_added_above_it_or_another_migration_comes():
    report = reports.report()
    first = report.migrations[0]
    lower = replace(first, apply=moved(first.apply, 12), rollback=first.rollback and moved(first.rollback, 7))
    other = replace(
        reports.report().migrations[-1],
        migration_id="0000.first",
        apply=replace(first.apply, path="sql/0000.first.sql", in_repository="sql/0000.first.sql"),
    )
    later = replace(report, migrations=(other, lower, *report.migrations[1:]), headline="another one", target=None)

    assert prints(in_review(report)).items() <= prints(in_review(later)).items()


def test_figures_and_words_of_a_hazard_change_no_fingerprint():
    def weighed(direction):
        def heavier(hazard):
            return replace(
                hazard, seen=f"{hazard.seen} of 9 rows", severity="danger", raised="it is large", harm="an hour"
            )

        return replace(
            direction,
            statements=tuple(replace(s, hazards=tuple(map(heavier, s.hazards))) for s in direction.statements),
        )

    report = reports.report()
    heavier = replace(report, migrations=tuple(replace(one, apply=weighed(one.apply)) for one in report.migrations))
    assert prints(in_review(report)) == prints(in_review(heavier))


def test_the_same_twice_is_two_issues_and_one_more_leaves_those_as_they_are():
    report = reports.report()
    first = report.migrations[0]
    twice = replace(first.apply, statements=(*first.apply.statements, *first.apply.statements))
    found = in_review(replace(report, migrations=(replace(first, apply=twice), *report.migrations[1:])))
    assert prints(in_review(report)).keys() <= prints(found).keys()
    assert len(prints(found)) == len(found.issues)


def test_problems_of_files_keep_their_fingerprints(project):
    project.migration("1", "\\set a 1\nSELECT 1;")
    project.migration("2", "SELECT 1;")
    root = Root(project.directory.parent)

    def now():
        return found_in_files(validate(project.directory), root, project.directory, "1")

    before = now()
    assert rules(before)[0] == ("files/file-refused", "danger")
    assert {issue.path.split("/")[-1] for issue in before.issues} == {"1.sql", "2.sql"}
    project.migration("1", "-- a line\n-- and another\n\\set a 1\nSELECT 1;")
    project.migration("0", "SELECT 1;")
    after = now()
    assert prints(before).items() < prints(after).items()
    assert after.fails("danger")
    assert after.fails("warning")
    assert not after.fails("none")


def test_a_drift_tells_each_object_and_none_is_one_test_that_passes():
    table = Name("table", "public.a")
    changes = (
        Change("added", table),
        Change("removed", Name("index", "public.b")),
        Change("changed", Name("column", "public.c.d"), "type", "integer", "bigint"),
    )
    found = drifted(Drift(changes), ROOT, SQL, "1")
    assert rules(found) == [("drift/different", "danger"), ("drift/extra", "danger"), ("drift/missing", "danger")]
    assert {issue.about for issue in found.issues} == {"table public.a", "index public.b", "column public.c.d"}
    assert prints(drifted(Drift(changes[1:]), ROOT, SQL, "1")).items() < prints(found).items()
    assert drifted(Drift(), ROOT, SQL, "1").checked == ("the database is what its migrations make of it",)
    assert drifted(Drift(), ROOT, SQL, "1").folder == "sql"


def migration(name: str, rollback: bool = True):  # noqa: FBT001, FBT002  a helper of this file
    def script(path):
        return SimpleNamespace(path=SQL / path)

    return SimpleNamespace(script=script(f"{name}.sql"), rollback=script(f"{name}.rollback.sql") if rollback else None)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_round_trip_is_an_issue_where_it_is_not_proven(verdict):
    trip = RoundTrip("1", verdict, differences=(Change("removed", Name("index", "public.b")),))
    found = unproven([trip], {"1": migration("1")}, ROOT, SQL, "1")
    proven = verdict in (Verdict.EXACT, Verdict.TEXT_ONLY, Verdict.ORDER_ONLY)
    assert len(found.issues) == (0 if proven else 1)
    assert found.checked == ("1",)
    if not proven:
        (issue,) = found.issues
        assert issue.severity == ("warning" if verdict is Verdict.LOSSY else "danger")
        assert "public.b" in issue.message


def test_a_script_that_fails_in_a_round_trip_is_told_at_its_place():
    error = ExecutionError("relation a does not exist", place=Place(SQL / "1.rollback.sql", 4, 2, "DROP TABLE a;"))
    trip = RoundTrip("1", Verdict.FAILS, failure=Failure("rollback", error))
    (issue,) = unproven([trip], {"1": migration("1")}, ROOT, SQL, "1").issues
    assert (issue.path, issue.line, issue.column) == ("sql/1.rollback.sql", 4, 2)
    assert "rollback failed: relation a does not exist" in issue.message


def status(state, **values):
    item = migration("1")
    return Status("1", state, values.pop("migration", item), values.pop("recorded", object()), **values)


@pytest.mark.parametrize(
    ("item", "rule"),
    [
        (status(State.APPLIED), []),
        (status(State.PENDING), [("status/pending", "warning")]),
        (status(State.PENDING, late="2"), [("status/late", "danger")]),
        (status(State.APPLIED, edited=True), [("status/edited", "danger")]),
        (status(State.APPLIED, edited=True, comments_only=True), [("status/comments-edited", "note")]),
        (status(State.APPLIED, migration=None), [("status/missing", "danger")]),
        (status(State.APPLIED, migration=None, ahead=True), [("status/ahead", "note")]),
        (status(State.APPLIED, rollback_edited=True), [("status/rollback-edited", "note")]),
        (status(State.HALF_WAY, stopped=object()), [("status/half-way", "danger")]),
        (status(State.RUNNING, stopped=object(), running=object()), [("status/running", "warning")]),
    ],
)
def test_a_status_tells_what_is_left_to_do(item, rule):
    assert rules(left_to_do([item], ROOT, SQL, "1", exact=False)) == rule


def test_what_is_ahead_is_worse_where_the_files_are_to_be_exact():
    item = status(State.APPLIED, migration=None, ahead=True)
    assert rules(left_to_do([item], ROOT, SQL, "1", exact=True)) == [("status/ahead", "warning")]
