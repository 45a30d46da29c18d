"""The ledger in a folder of the project: what is written is read again, whatever has cut it."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from sqlmigrate.errors import Error, UsageError
from sqlmigrate.fleet.ledger import Entry, Head, LocalLedger, RunRecord
from sqlmigrate.fleet.model import Failure, State, Wanted, Wave
from support.repository import Repository

FAILURE = Failure("ExecutionError", "no", "abc", hint="do", place="sql/a.sql:1", migration_id="a", sqlstate="42P01")
DONE = Entry("one", State.DONE, "2026-01-01T00:00:01Z", "canary", 1, 0.25, ("a", "b"), worker="here:7")
FAILED = Entry("two", State.FAILED, "2026-01-01T00:00:02Z", "rest", 2, 1.5, ("a",), FAILURE, "pid 7")


def head(run_id="11111111-aaaa", began="2026-01-01T00:00:00Z"):
    waves = (Wave("canary", ("one",)), Wave("rest", ("two", "three", "four")))
    return Head(run_id, began, "me", "here", Wanted(to="b", files="x"), waves, ("five",), "production")


@pytest.fixture
def ledger(tmp_path):
    return LocalLedger(tmp_path / "state" / "fleet")


def test_a_run_is_read_as_it_was_written(ledger):
    with ledger.begun(head()) as writer:
        writer.add(Entry("one", State.RUNNING, "2026-01-01T00:00:00Z", "canary", 1))
        writer.add(DONE)
        writer.add(FAILED)
        writer.add(Entry("three", State.RUNNING, "2026-01-01T00:00:02Z", "rest", 1))
        assert ledger.find("1111").counts() == {State.DONE: 1, State.FAILED: 1, State.RUNNING: 1, State.WAITING: 1}
        writer.end("2026-01-01T00:00:03Z", "interrupted")

    [found] = ledger.runs()
    assert found.head == head()
    assert (found.entry("one"), found.entry("two")) == (DONE, FAILED)
    assert found.entry("three").state is State.INTERRUPTED
    assert [(entry.target, entry.state.value) for entry in found.all_entries()] == [
        ("one", "done"), ("two", "failed"), ("three", "interrupted"), ("four", "left"),
    ]  # fmt: skip
    assert (found.ended, found.why) == ("2026-01-01T00:00:03Z", "interrupted")
    assert found.left() == (Wave("rest", ("two", "three", "four")),)


def test_nobody_else_may_read_it(ledger):
    with ledger.begun(head()) as writer:
        mode = writer.path.stat().st_mode

    assert stat.S_IMODE(mode) == 0o600
    assert stat.S_IMODE(ledger.folder.stat().st_mode) == 0o700


def test_lines_that_were_cut_are_passed_over_and_those_behind_them_count(ledger):
    with ledger.begun(head()) as writer:
        writer.add(DONE)
        path = writer.path
    with path.open("ab") as file:
        file.write(b'{"kind": "target", "target": "two", "sta')

    assert ledger.find("last").counts()[State.WAITING] == 3
    record = ledger.find("last")
    newer = replace(record.head, wanted=replace(record.head.wanted, files="y"))
    with ledger.resumed(replace(record, head=newer), "2026-01-02T00:00:00Z") as writer:
        writer.add(FAILED)

    assert ledger.find("last").entry("two") == FAILED
    assert ledger.find("last").head.wanted.files == "y"
    with path.open("ab") as file:
        file.write(b'[]\n{"kind": "target", "target": 7, "state": "no"}\n\xff\n{"kind": "of later releases"}\n')
    assert ledger.find("last").entry("two") == FAILED


def test_what_a_later_release_adds_does_no_harm(ledger):
    with ledger.begun(head()) as writer:
        writer.write(DONE.as_json() | {"mood": "good"})
        path = writer.path
    lines = path.read_text().splitlines()
    first = json.loads(lines[0])
    first["wanted"]["speed"] = first["more"] = 1
    path.write_text("\n".join([json.dumps(first), *lines[1:]]))

    assert ledger.find("last").head == head()
    assert ledger.find("last").entry("one") == DONE


def test_one_process_at_a_time_writes_a_run(ledger):
    with (
        ledger.begun(head()),
        pytest.raises(Error, match="run 11111111-aaaa is under way in another process"),
        ledger.resumed(RunRecord(head()), "2026-01-02T00:00:00Z"),
    ):
        pass


def test_runs_are_found_newest_first_and_by_the_beginning_of_their_id(ledger):
    for number in (1, 3, 2):
        with ledger.begun(head(f"1111000{number}-x", f"2026-01-0{number}T00:00:00Z")):
            pass
    (ledger.folder / "other.jsonl").write_text("nothing of ours\n")

    assert [run.head.run_id for run in ledger.runs()] == ["11110003-x", "11110002-x", "11110001-x"]
    assert ledger.find("11110002").head.run_id == "11110002-x"
    for name, message in (
        ("1111", "several runs begin with 1111"),
        ("111", "there is no run 111"),
        ("2222", "there is no run 2222"),
        ("other", "there is no run other"),
        ("", "there is no run "),
    ):
        with pytest.raises(UsageError, match=message):
            ledger.find(name)


def test_without_a_run_there_is_no_last_one(ledger):
    assert ledger.runs() == []
    with pytest.raises(UsageError, match="there is no run yet"):
        ledger.find("last")


def test_a_folder_that_cannot_be_written_is_told_before_anything_runs(tmp_path):
    (tmp_path / "state").write_text("a file")

    with (
        pytest.raises(Error, match=r"cannot be written: .*; nothing was done"),
        LocalLedger(tmp_path / "state" / "fleet").begun(head()),
    ):
        pass


def test_a_disk_that_takes_no_more_stops_no_run(ledger):
    with Path("/dev/full").open("wb") as full, ledger.begun(head()) as writer:
        mine, writer.descriptor = writer.descriptor, full.fileno()
        writer.add(DONE)
        assert writer.broken == "No space left on device"
        writer.add(FAILED)
        writer.descriptor = mine


def test_a_run_that_was_begun_elsewhere_goes_on_in_a_file_of_its_own(ledger):
    record = RunRecord(head(), {"one": DONE})

    with ledger.resumed(record, "2026-01-02T00:00:00Z") as writer:
        writer.add(FAILED)

    assert ledger.find("last").counts() == {State.DONE: 1, State.FAILED: 1, State.WAITING: 2}


@pytest.mark.parametrize(
    "values",
    [
        {"run_id": "../../elsewhere"},
        {"run_id": "x\n"},
        {"run_id": 7},
        {"began": "2026-01-01\n## forged"},
        {"began": "yesterday"},
        {"username": None},
        {"hostname": ["a"]},
        {"others": "abc"},
        {"waves": [{"name": 7, "targets": []}]},
        {"waves": [{"name": "all", "targets": "abc"}]},
        {"waves": [{"name": "all", "targets": [1]}]},
        {"wanted": {"operation": "DROP"}},
        {"wanted": {"operation": "apply", "accept_loss": "no"}},
    ],
)
def test_a_head_that_somebody_has_made_up_is_none(values):
    with pytest.raises((TypeError, ValueError)):
        Head.read(head().as_json() | values)


@pytest.mark.parametrize(
    "values",
    [
        {"seconds": "1"},
        {"seconds": float("inf")},
        {"attempt": "2"},
        {"at": "2026\n"},
        {"at": None},
        {"migrations": "abc"},
        {"migrations": [None]},
        {"target": 7},
        {"blocker": {}},
        {"failure": {"kind": 1, "message": "a", "fingerprint": "b"}},
    ],
)
def test_an_entry_that_somebody_has_made_up_is_none(values):
    with pytest.raises((TypeError, ValueError)):
        Entry.read(DONE.as_json() | values)


def test_lines_that_somebody_has_made_up_are_passed_over(ledger):
    with ledger.begun(head()) as writer:
        writer.write({"kind": "end", "at": "soon\n", "why": None})
        writer.write({"kind": "end", "at": "2026-01-01T00:00:00Z", "why": 7})
        writer.write({"kind": "resumed", "at": "x", "files": 7})

    assert ledger.find("last") == RunRecord(head())


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_a_folder_that_others_may_write_to_holds_no_ledger(ledger, mode):
    with ledger.begun(head()):
        pass
    ledger.folder.chmod(mode)

    for call in (ledger.runs, lambda: ledger.find("last"), lambda: ledger.one(head().run_id)):
        with pytest.raises(Error, match="is not read: anybody may write to it"):
            call()
    with pytest.raises(Error, match="is not read: anybody may write to it"), ledger.begun(head()):
        pass


def test_a_folder_that_came_with_the_repository_holds_no_ledger(tmp_path):
    repository = Repository(tmp_path / "project")
    ledger = LocalLedger(repository.root / ".sqlmigrate" / "fleet")
    with ledger.begun(head()):
        pass
    assert [record.head.run_id for record in ledger.runs()] == [head().run_id]
    repository.commit("a run that nobody has begun")

    for call in (ledger.runs, ledger.heads, lambda: ledger.one(head().run_id)):
        with pytest.raises(Error, match="is not read: it may hold files of the repository"):
            call()
    with pytest.raises(Error, match="is not read: it may hold files of the repository"), ledger.begun(head()):
        pass


def test_no_link_leads_a_ledger_out_of_the_repository(tmp_path):
    state = Repository(tmp_path / "project").root / ".sqlmigrate"
    (tmp_path / "other").mkdir()
    state.symlink_to(tmp_path / "other")
    ledger = LocalLedger(state / "fleet")

    for call in (ledger.runs, ledger.begun(head()).__enter__):
        with pytest.raises(Error, match="leads out of the repository by a symbolic link"):
            call()
    assert list((tmp_path / "other").iterdir()) == []


def test_a_folder_of_somebody_else_holds_no_ledger(ledger):
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    ledger.folder.mkdir(mode=0o700, parents=True)
    os.chown(ledger.folder, 65534, 65534)

    with pytest.raises(Error, match="is not read: it belongs to"):
        ledger.runs()
