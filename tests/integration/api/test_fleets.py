"""Many databases by the Python API: what the commands of a fleet do, as values."""

from __future__ import annotations

import pytest
from psycopg import sql

from sqlmigrate import api
from sqlmigrate.errors import InventoryError, UsageError

NAMES = ("acme", "bolt", "core")


@pytest.fixture
def targets(database, monkeypatch, tmp_path):
    """Three schemas of one database, as a program lists them."""
    monkeypatch.chdir(tmp_path)
    with database.connect() as session:
        for name in NAMES:
            session.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
    return [{"name": name, "url": database.url, "schema": name, "tags": ["eu"]} for name in NAMES]


def standing(targets, shop):
    return [(group.first.kind.value, group.first.at, group.targets) for group in api.fleet_status(targets, shop)]


def test_a_fleet_is_brought_forward_stopped_resumed_and_taken_back(targets, shop, tmp_path):
    files = shop.directory
    assert [(item.group.targets, len(item.plan.steps)) for item in api.fleet_plan(targets, files, to="2_b")] == [
        (NAMES, 2),
    ]  # fmt: skip
    asked, told = [], []

    def approve(wave):
        asked.append(wave.name)
        return wave.name == "canary"

    first = api.fleet_apply(
        targets, files, to="1_a", waves=["1", "canary=1", "tag:eu"], approve=approve, pause="1ms",
        max_failures="50%", deadline="10min", observer=told.append,
    )  # fmt: skip

    assert (asked, first.complete, first.why) == (["canary", "tag:eu"], False, "the next wave was not approved")
    assert [type(event).__name__ for event in told] == [
        "WaveBegun", "TargetEnded", "WaveBegun", "TargetEnded", "FleetStopped",
    ]  # fmt: skip
    assert {event.fleet_run_id for event in told} == {first.head.run_id}
    assert standing(targets, files) == [("pending", "1_a", NAMES[:2]), ("pending", None, NAMES[2:])]
    resumed = api.fleet_resume(targets, files, first.head.run_id[:8])
    assert (resumed.complete, resumed.head.run_id) == (True, first.head.run_id)
    assert api.fleet_apply(targets, files, part=3, of=3).entries["core"].migrations == ("2_b", "3_c")
    assert [len(group.targets) for group in api.fleet_drift(targets)] == [2, 1]

    back = api.fleet_rollback(targets, files, first.head.run_id)

    failed = {name: entry.failure.kind for name, entry in back.entries.items() if entry.failure}
    assert failed == {"core": "HistoryError"}
    assert [run.head.wanted.operation for run in api.fleet_runs()] == ["rollback", "apply", "apply"]
    assert (tmp_path / ".sqlmigrate" / "fleet").is_dir()


def test_what_does_not_fit_is_refused_before_anything_is_opened(targets, shop, database):
    files = shop.directory
    with pytest.raises(InventoryError) as caught:
        api.fleet_status([*targets, {"name": "acme"}], files)
    assert "where is it? nothing says it" in str(caught.value.problems[0])
    with pytest.raises(UsageError, match="targets: a mapping with the keys that a file has is needed, not str"):
        api.fleet_status(["acme"], files)
    with pytest.raises(UsageError, match="max_failures: 'few' is neither a number"):
        api.fleet_apply(targets, files, max_failures="few")
    with pytest.raises(UsageError, match="concurrency counts from 1"):
        api.fleet_apply(targets, files, concurrency=0)
    with pytest.raises(UsageError, match="give part and of together"):
        api.fleet_apply(targets, files, part=1)
    with pytest.raises(UsageError, match="there is no migration '9_z'"):
        api.fleet_apply(targets, files, to="9_z")
    with pytest.raises(UsageError, match="there is no run yet"):
        api.fleet_rollback(targets, files, "last")
    assert api.fleet_runs(control_database=database.url) == []
    assert standing(targets, files) == [("pending", None, NAMES)]
