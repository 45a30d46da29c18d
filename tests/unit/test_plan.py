"""A plan says what would run, in which order, and why not; it never contradicts files or history."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.project import Project
from sqlmigrate.errors import HistoryError, MigrationsError, UsageError
from sqlmigrate.history import Applied, Entry, HalfWay, History, Texts
from sqlmigrate.migrations import Migration, Migrations, migration_hash
from sqlmigrate.plan import (
    ApplyRequest,
    Plan,
    RollbackRequest,
    State,
    make,
    needs_attention,
    status,
    texts_needed,
)
from support.examples import examples

IDS = ["1", "2", "3", "4"]
AT = datetime(2026, 3, 1, tzinfo=UTC).replace(tzinfo=None)


def row(migration: Migration, seq: int | None = 1, *, marked: bool = False) -> Applied:
    """Give what is recorded of a migration; a row without a number is one that yoyo made."""
    hashed, key = migration.migration_hash, migration.migration_id
    if seq is None:
        return Applied(key, hashed, AT)
    rollback = migration.rollback.checksum if migration.rollback else None
    return Applied(key, hashed, AT, seq, marked, migration.script.checksum, migration.script.sha256, rollback)


def history(found: Migrations, *ids: str, marked: tuple[str, ...] = (), yoyo: tuple[str, ...] = ()) -> History:
    """Give the history in which the named migrations were applied in this order."""
    return History(
        tuple(
            row(found.named(key), None if key in yoyo else seq, marked=key in marked) for seq, key in enumerate(ids, 1)
        ),
        version=1,
    )


def plan_apply(found: Migrations, known: History, **asked: Any) -> Plan:
    return make(ApplyRequest(migrations=found, **asked), known)


def plan_rollback(found: Migrations, known: History, **asked: Any) -> Plan:
    return make(RollbackRequest(migrations=found, **asked), known)


def ids(plan: Plan) -> list[str]:
    return [step.migration_id for step in plan.steps]


@pytest.fixture
def four(project: Project) -> Migrations:
    for key in IDS:
        project.migration(key, f"SELECT {key};", rollback=f"SELECT -{key};")
    return project.load()


@pytest.fixture
def changed(project: Project, four: Migrations) -> Callable[..., tuple[Migrations, History]]:
    """Apply all four, then change files, and read them again."""

    def change(**texts: str | None) -> tuple[Migrations, History]:
        before = history(four, *IDS)
        for name, text in texts.items():
            path = project.directory / f"{name.strip('_').replace('_', '.')}.sql"
            path.unlink() if text is None else path.write_text(text, encoding="utf-8")
        return project.load(), before

    return change


def test_everything_pending_is_applied_in_order(four):
    assert ids(plan_apply(four, History())) == IDS
    assert ids(plan_apply(four, history(four, "1", "2"))) == ["3", "4"]
    assert ids(plan_apply(four, history(four, *IDS))) == []


def test_a_gap_in_the_history_is_filled_when_that_is_meant(four):
    assert ids(plan_apply(four, history(four, "1", "3"), allow_out_of_order=True)) == ["2", "4"]


def test_a_pending_migration_that_is_older_than_an_applied_one_is_refused_and_the_newer_ones_are_named(four):
    with pytest.raises(MigrationsError) as caught:
        plan_apply(four, history(four, "1", "3", "4"))

    assert [str(problem) for problem in caught.value.problems] == [
        f"{four.named('2').script.path}: is pending, but newer ones are applied: 3, 4"
    ]


def test_an_order_that_is_not_reached_yet_stops_nothing(four):
    assert ids(plan_apply(four, history(four, "1"), steps=1)) == ["2"]


@pytest.mark.parametrize(
    ("done", "options", "expected"),
    [
        ([], {"to": "2"}, ["1", "2"]),
        ([], {"to": "4"}, IDS),
        (["1"], {"to": "3"}, ["2", "3"]),
        (["1"], {"to": "1"}, []),
        (["2"], {"to": "2", "allow_out_of_order": True}, ["1"]),
        ([], {"steps": 1}, ["1"]),
        (["1"], {"steps": 2}, ["2", "3"]),
        ([], {"steps": 9}, IDS),
        ([], {"to": "3", "steps": 1}, ["1"]),
        ([], {"to": "1", "steps": 3}, ["1"]),
    ],
)
def test_a_part_of_it_is_applied(four, done, options, expected):
    assert ids(plan_apply(four, history(four, *done), **options)) == expected


def test_an_unknown_id_to_stop_at_is_refused(four):
    with pytest.raises(UsageError, match="there is no migration '5'"):
        plan_apply(four, History(), to="5")


def test_nothing_is_applied_while_an_applied_file_was_edited(changed):
    found, before = changed(_2="SELECT 2, 'more';")

    with pytest.raises(MigrationsError, match="nothing was applied") as caught:
        plan_apply(found, before)
    (problem,) = caught.value.problems
    assert problem.message == "was edited after it was applied"
    assert problem.place.path.name == "2.sql"


def test_nothing_is_applied_while_an_applied_file_is_missing(changed):
    found, before = changed(_3=None, _3_rollback=None)

    with pytest.raises(MigrationsError, match="nothing was applied") as caught:
        plan_apply(found, before)
    assert [problem.message for problem in caught.value.problems] == ["3 is applied, but its script is missing"]


def test_a_newer_release_has_applied_more_and_that_is_only_noted_unless_the_files_are_to_be_exact(changed):
    found, before = changed(_3=None, _3_rollback=None, _4=None, _4_rollback=None)

    plan = plan_apply(found, before)
    with pytest.raises(MigrationsError, match="nothing was applied") as caught:
        plan_apply(found, before, exact=True)

    assert (ids(plan), plan.notes) == (
        [],
        ("the database is ahead by 2: 3, 4; a newer release applied what has no file here",),
    )
    (problem,) = caught.value.problems
    assert problem.message.startswith("the database is ahead by 2: 3, 4")
    assert "unmark" not in problem.hint
    assert [item.ahead for item in status(found, before)] == [False, False, True, True]


def test_a_gap_is_an_error_whatever_a_newer_release_has_applied(changed):
    found, before = changed(_2=None, _2_rollback=None, _4=None, _4_rollback=None)

    with pytest.raises(MigrationsError) as caught:
        plan_apply(found, before)

    (problem,) = caught.value.problems
    assert (problem.message, "unmark 2" in problem.hint) == ("2 is applied, but its script is missing", True)


def test_without_any_file_the_folder_is_the_wrong_one_and_nothing_is_ahead(changed):
    found, before = changed(**{f"_{name}{part}": None for name in IDS for part in ("", "_rollback")})

    with pytest.raises(MigrationsError, match="nothing was applied"):
        plan_apply(found, before)


def test_a_pending_migration_is_older_than_those_of_a_newer_release(changed):
    found, before = changed(_4=None, _4_rollback=None)
    without_3 = replace(before, applied=(*before.applied[:2], before.applied[3]))

    with pytest.raises(MigrationsError) as caught:
        plan_apply(found, without_3)

    assert [problem.message for problem in caught.value.problems] == ["is pending, but newer ones are applied: 4"]
    assert ids(plan_apply(found, without_3, allow_out_of_order=True)) == ["3"]


@pytest.mark.parametrize("text", ["SELECT -2, 'more';", None])
def test_a_changed_rollback_script_is_only_noted(changed, text):
    found, before = changed(_2_rollback=text)
    (note,) = plan_apply(found, before).notes

    assert note.endswith("2.rollback.sql: is not the rollback script that was recorded at apply")


def test_new_line_ends_are_not_an_edit(project, four):
    before = history(four, *IDS)
    (project.directory / "1.sql").write_bytes(b"\xef\xbb\xbfSELECT 1;")

    assert not any(item.edited for item in status(project.load(), before))


def test_what_yoyo_applied_is_applied_and_cannot_be_edited(changed):
    found, before = changed(_2="SELECT 'other';", _2_rollback=None)
    theirs = History(tuple(Applied(item.migration_id, item.migration_hash, AT) for item in before.applied))

    assert plan_apply(found, theirs) == Plan("apply", ())


def test_only_of_edited_scripts_the_recorded_text_is_needed(changed):
    found, before = changed(_1="SELECT 0;", _2_rollback="SELECT 0;", _4=None, _4_rollback=None)

    assert texts_needed(ApplyRequest(migrations=found), before) == {"1"}
    assert texts_needed(RollbackRequest(migrations=found, everything=True), before) == set()


def test_to_roll_back_as_recorded_the_texts_of_missing_and_edited_rollback_scripts_are_needed(changed):
    found, before = changed(_1="SELECT 0;", _2_rollback="SELECT 0;", _3_rollback=None, _4=None, _4_rollback=None)

    assert texts_needed(RollbackRequest(migrations=found, recorded=True, steps=2), before) == {"3", "4"}
    assert texts_needed(RollbackRequest(migrations=found, recorded=True, everything=True), before) == {"2", "3", "4"}
    assert texts_needed(RollbackRequest(migrations=found, again=True), before) == {"1"}


def test_an_edit_of_comments_alone_is_seen_by_the_recorded_text_and_only_noted(changed):
    found, before = changed(_1="SELECT 1; -- one")
    (note,) = plan_apply(found, replace(before, texts={"1": Texts("SELECT 1;")})).notes

    assert "in comments and white space only" in note


def test_what_is_done_again_must_not_be_refused_afterwards(changed):
    found, before = changed(_1="SELECT 0;")
    last = replace(before, applied=before.applied[:1])

    assert ids(plan_rollback(found, last, again=True)) == ["1"]
    with pytest.raises(MigrationsError, match="nothing was rolled back, since the files contradict the history"):
        plan_rollback(found, before, again=True)


def test_only_what_was_rolled_back_is_applied_again(four):
    assert ids(plan_apply(four, history(four, "1"), only=frozenset({"3"}))) == ["3"]


def test_status_lists_the_applied_as_they_were_applied_then_the_pending(four):
    states = status(four, history(four, "3", "1", marked=("3",)))

    assert [(item.migration_id, item.state) for item in states] == [
        ("3", State.MARKED),
        ("1", State.APPLIED),
        ("2", State.PENDING),
        ("4", State.PENDING),
    ]


def test_status_tells_what_was_edited_and_what_is_missing(changed):
    found, before = changed(_1="SELECT 0;", _2_rollback="SELECT 0;", _4=None, _4_rollback=None)

    assert [(item.migration_id, item.edited, item.rollback_edited, item.missing) for item in status(found, before)] == [
        ("1", True, False, False),
        ("2", False, True, False),
        ("3", False, False, False),
        ("4", False, False, True),
    ]


def test_a_check_fails_on_what_is_pending_edited_or_missing_but_not_on_an_edited_rollback_script(changed):
    found, before = changed(_1="SELECT 0;", _2_rollback="SELECT 0;", _4=None, _4_rollback=None)
    states = status(found, History(before.applied[:2] + before.applied[3:]))

    assert {item.migration_id for item in states if needs_attention(item)} == {"1", "3"}


def test_one_step_is_rolled_back_unless_told_otherwise(four):
    assert ids(plan_rollback(four, history(four, *IDS))) == ["4"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"steps": 2}, ["2", "4"]),
        ({"steps": 9}, ["2", "4", "3", "1"]),
        ({"to": "3"}, ["2", "4"]),
        ({"to": "2"}, []),
        ({"to": "1"}, ["2", "4", "3"]),
        ({"everything": True}, ["2", "4", "3", "1"]),
    ],
)
def test_rollback_goes_back_in_the_order_of_application(four, options, expected):
    assert ids(plan_rollback(four, history(four, "1", "3", "4", "2"), **options)) == expected


def test_nothing_applied_is_nothing_to_roll_back(four):
    assert ids(plan_rollback(four, History())) == []
    assert ids(plan_rollback(four, History(), everything=True)) == []


@pytest.mark.parametrize("options", [{"to": "4"}, {"to": "9"}, {"include_marked": ["4"]}])
def test_an_id_that_is_not_applied_is_not_a_point_to_go_back_to(four, options):
    what = "it cannot be rolled back" if "include_marked" in options else "you cannot roll back to it"
    with pytest.raises(UsageError, match=f"is not applied, so {what}"):
        plan_rollback(four, history(four, "1", "2"), **options)


@pytest.mark.parametrize("options", [{"everything": True}, {"steps": 4}, {"to": "1"}])
def test_a_marked_migration_is_a_floor(four, options):
    plan = plan_rollback(four, history(four, *IDS, marked=("1", "2")), **options)

    assert ids(plan) == ["4", "3"]
    assert re.match("stops above 2, which was marked", plan.notes[0])


def test_a_marked_migration_on_top_is_refused(four):
    with pytest.raises(HistoryError, match="2 was marked as applied") as caught:
        plan_rollback(four, history(four, "1", "2", marked=("2",)))

    assert "--include-marked 2" in caught.value.hint


def test_everything_above_a_floor_may_be_nothing(four):
    plan = plan_rollback(four, history(four, "1", marked=("1",)), everything=True)

    assert (ids(plan), len(plan.notes)) == ([], 1)


def test_a_marked_migration_is_rolled_back_where_its_id_is_typed(four):
    before = history(four, *IDS, marked=("1", "2"))

    assert ids(plan_rollback(four, before, everything=True, include_marked=["2"])) == ["4", "3", "2"]
    assert ids(plan_rollback(four, before, everything=True, include_marked=["1", "2"])) == ["4", "3", "2", "1"]
    assert ids(plan_rollback(four, before, everything=True, include_marked=["1"])) == ["4", "3"]


def test_what_yoyo_applied_can_be_rolled_back(four):
    assert ids(plan_rollback(four, history(four, "1", "2", yoyo=("2",)))) == ["2"]


def test_nothing_is_rolled_back_where_one_rollback_script_is_missing(changed):
    found, before = changed(_2_rollback=None)

    assert ids(plan_rollback(found, before, to="2")) == ["4", "3"]
    with pytest.raises(MigrationsError, match="nothing was rolled back") as caught:
        plan_rollback(found, before, everything=True)
    (problem,) = caught.value.problems
    assert (problem.message, problem.place.path.name) == ("this rollback script does not exist", "2.rollback.sql")


def test_nothing_is_rolled_back_where_both_files_are_missing(changed):
    found, before = changed(_4=None, _4_rollback=None)

    with pytest.raises(MigrationsError, match="nothing was rolled back") as caught:
        plan_rollback(found, before)
    assert [problem.message for problem in caught.value.problems] == ["4: its files are missing"]


def test_nothing_is_rolled_back_that_an_applied_migration_depends_on(project):
    project.migration("1", rollback="SELECT 1;")
    project.migration("2", "-- depends: 1\n", rollback="SELECT 1;")
    found = project.load()
    late = History((row(found.named("2"), 1), row(found.named("1"), 2)))

    with pytest.raises(MigrationsError, match="nothing was rolled back") as caught:
        plan_rollback(found, late)
    assert [problem.message for problem in caught.value.problems] == ["2 is applied and depends on 1"]
    assert ids(plan_rollback(found, late, everything=True)) == ["1", "2"]
    assert ids(plan_rollback(found, history(found, "1"))) == ["1"]


def test_a_pending_migration_keeps_nothing_from_being_rolled_back(project):
    project.migration("1", rollback="SELECT 1;")
    project.migration("2", "-- depends: 1\n", rollback="SELECT 1;")
    found = project.load()

    assert ids(plan_rollback(found, history(found, "1"))) == ["1"]


@st.composite
def stories(draw):
    """Draw dependencies among seven migrations, and which of them were applied."""
    names = draw(st.permutations("abcdefg"))
    needs = {
        name: draw(st.sets(st.sampled_from(names[:at]), max_size=2)) if at else set() for at, name in enumerate(names)
    }
    return needs, draw(st.lists(st.sampled_from(names), unique=True))


@settings(max_examples=examples(40))
@given(stories())
def test_every_plan_is_in_an_order_that_satisfies_the_dependencies(tmp_path_factory, story):
    needs, done = story
    project = Project(tmp_path_factory.mktemp("story") / "p")
    for name, wanted in needs.items():
        project.migration(name, f"-- depends: {' '.join(sorted(wanted))}\n", rollback="SELECT 1;")
    found = project.load()
    planned = ids(plan_apply(found, history(found, *done), allow_out_of_order=True))
    full = ids(plan_apply(found, History()))

    assert sorted(planned + done) == sorted(needs)
    assert all(planned.index(need) < planned.index(name) for name in planned for need in needs[name] if need in planned)
    assert ids(plan_rollback(found, history(found, *full), everything=True)) == full[::-1]
    for steps in range(len(full)):
        assert ids(plan_rollback(found, history(found, *full), steps=steps)) == full[::-1][:steps]


def stopped(key: str, operation: str = "apply") -> HalfWay:
    return HalfWay(key, operation, (Entry(1, 1, "done", "x", "SELECT 1"), Entry(2, 2, "running", "y", "VACUUM")))


def test_a_script_that_stopped_half_way_goes_on_first(project):
    project.migration("1")
    project.migration("2", "-- transactional: false\nSELECT 1; VACUUM;", rollback="VACUUM;")
    found = project.load()
    before = History((), 1, (stopped("2"),))

    assert [(item.migration_id, item.state) for item in status(found, before)] == [
        ("2", State.HALF_WAY),
        ("1", State.PENDING),
    ]
    assert all(needs_attention(item) for item in status(found, before))
    assert ids(plan_apply(found, before)) == ids(plan_apply(found, before, resume_at=1)) == ["2", "1"]
    assert ids(plan_rollback(found, before)) == ["2"]


def test_only_what_stopped_half_way_can_be_resumed(four):
    with pytest.raises(UsageError, match="no script stopped half way"):
        plan_apply(four, History(), resume_at=1)


@pytest.mark.parametrize(
    ("half_way", "message"),
    [
        (stopped("1"), "1 stopped half way outside a transaction and cannot go on inside one"),
        (stopped("1", "rollback"), "1 is rolled back half way, so nothing can be applied"),
        (stopped("9"), "9 stopped half way, and its script is missing"),
    ],
)
def test_nothing_is_applied_beside_a_script_that_stopped_and_cannot_go_on(four, half_way, message):
    applied = () if half_way.operation == "apply" else (row(four.named("1")),)

    with pytest.raises(HistoryError, match=message) as caught:
        plan_apply(four, History(applied, 1, (half_way,)))

    assert caught.value.hint


def test_a_hash_in_the_history_is_the_one_of_the_id(four):
    assert history(four, "1").applied[0].migration_hash == migration_hash("1")


def test_a_phase_ends_before_the_first_one_of_another(project):
    for key, phase in zip(IDS, ("", "phase=after-deploy", "phase=before-deploy", "phase=after-deploy"), strict=True):
        project.migration(key, f"-- sqlmigrate: {phase}\nSELECT {key};" if phase else f"SELECT {key};")
    found = project.load()

    def planned(done: tuple[str, ...], phase: str | None) -> tuple[list[str], str | None]:
        plan = plan_apply(found, history(found, *done), phase=phase)
        return ids(plan), plan.waits.migration_id if plan.waits else None

    assert planned((), None) == (["1", "2", "3", "4"], None)
    assert planned((), "before-deploy") == (["1"], "2")
    assert planned((), "after-deploy") == ([], "1")
    assert planned(("1",), "before-deploy") == ([], "2")
    assert planned(("1",), "after-deploy") == (["2"], "3")
    assert planned(("1", "2", "3"), "after-deploy") == (["4"], None)
    assert plan_apply(found, history(found), phase="before-deploy", to="1").waits is None
