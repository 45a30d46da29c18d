"""`sqlmigrate cache`, --fresh, and what --verbose says of both."""

from __future__ import annotations

import re

import pytest


@pytest.fixture
def home(tmp_path_factory, monkeypatch):
    """A cache of this test's own, outside its project, in which everything is worth keeping."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    monkeypatch.setattr("sqlmigrate.shadow.server._SCRIPTS_WORTH", 0)
    return folder / "sqlmigrate"


def test_what_is_kept_is_told_shown_and_cleared(project, sqlmigrate, home):
    project.tables("a", "b", "c")
    first, second = (sqlmigrate("roundtrip", "--verbose", "c") for _ in range(2))
    fresh = sqlmigrate("roundtrip", "--verbose", "--fresh", "c")

    assert [run.status for run in (first, second, fresh)] == [0, 0, 0]
    assert "kept in the cache: an empty server (" in first.stderr
    assert "kept in the cache: what 2 migrations make (" in first.stderr
    assert "taken from the cache: what 2 of 2 migrations make" in second.stderr
    assert "cache" not in fresh.stderr
    assert "cache" not in sqlmigrate("roundtrip", "c").stderr

    shown = sqlmigrate("cache")
    assert "after 2 migrations, up to b" in shown.lines[0]
    assert shown.lines[-1].startswith("kept: 2 in ")
    assert str(home) in shown.lines[-1]
    found = sqlmigrate("cache", "--json").document
    assert [(entry["migrations"], entry["last"], entry["problem"]) for entry in found["entries"]] == [
        (2, "b", None),
        (None, None, None),
    ]
    assert found["size"] == sum(path.stat().st_size for path in home.iterdir())

    assert sqlmigrate("cache", "--clear").lines == [f"cleared: 2 in {found['size'] / 2**20:.0f} MB of 2048 MB, {home}"]
    assert list(home.iterdir()) == []


def test_where_nothing_is_kept_that_is_shown(sqlmigrate, home):
    assert sqlmigrate("cache").lines == [f"kept: 0 in 0 MB of 2048 MB, {home}"]
    assert not home.exists()


def test_a_cache_that_is_open_to_others_is_neither_shown_nor_cleared(sqlmigrate, home):
    home.mkdir(parents=True, mode=0o755)
    (home / ("0" * 64 + ".base")).write_text("planted")
    outcome = sqlmigrate("cache", "--clear")

    assert "is open to others" in outcome.stderr
    assert len(list(home.iterdir())) == 1


def test_a_file_that_cannot_be_used_is_shown_with_the_reason(sqlmigrate, home):
    home.mkdir(parents=True, mode=0o700)
    (home / ("0" * 64 + ".base")).write_text("planted")
    (home / ("0" * 64 + ".base")).chmod(0o600)

    assert "cannot be used: it was cut short" in sqlmigrate("cache").lines[0]


def test_drift_begins_with_what_is_kept(project, sqlmigrate, target, home):
    project.tables("a", "b")
    assert sqlmigrate("apply").status == 0
    first, second = (sqlmigrate("drift", "--verbose") for _ in range(2))
    target.connect().execute("CREATE TABLE by_hand ()")
    third, fresh = sqlmigrate("drift", "--verbose"), sqlmigrate("drift", "--fresh", "--verbose")

    assert (first.status, second.status) == (0, 0)
    assert "kept in the cache: what 2 migrations make" in first.stderr
    assert "taken from the cache: what 2 of 2 migrations make" in second.stderr
    assert (third.status, fresh.status) == (3, 3)
    assert third.stdout == fresh.stdout
    assert "cache" not in fresh.stderr
    project.tables("c")
    assert sqlmigrate("apply").status == 0
    assert "taken from the cache: what 2 of 3 migrations make" in sqlmigrate("drift", "--verbose").stderr


def test_review_begins_with_what_is_kept(project, sqlmigrate, home):
    project.tables("a", "b", "c")
    first = sqlmigrate("review", "--verbose", "c")
    second = sqlmigrate("review", "--verbose", "c")
    fresh = sqlmigrate("review", "--fresh", "c")

    assert "kept in the cache: what 2 migrations make" in first.stderr
    assert "taken from the cache: what 2 of 2 migrations make" in second.stderr
    reports = [re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "TIME", done.stdout) for done in (first, second, fresh)]
    assert reports[0] == reports[1] == reports[2]
    assert "TIME" in reports[0]
