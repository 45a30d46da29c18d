"""`roundtrip --seeds` and `review --seeds`: the seed data as sample rows."""

from __future__ import annotations

import json

import pytest

from support.seeds import SeedFiles

MAPPING = {"list": "colours", "table": "public.colours", "conflict": ["name"]}


@pytest.fixture
def dropping(project, pairs):
    """A table that seeds fill, and a migration that drops one of its columns for good."""
    pairs(
        **{
            "1": ("CREATE TABLE colours (name text PRIMARY KEY, shade integer);", "DROP TABLE colours;"),
            "2": ("ALTER TABLE colours DROP COLUMN shade;", "ALTER TABLE colours ADD COLUMN shade integer;"),
        }
    )
    (project.root / "data").mkdir()
    files = SeedFiles(project.root / "data")
    files.file("colours", MAPPING, "colours:\n  - {name: red, shade: 7}\n  - {name: blue}\n")
    return files


@pytest.mark.usefixtures("shadow_on_other_server")
def test_seeds_show_that_data_does_not_come_back(dropping, sqlmigrate):
    without = sqlmigrate("roundtrip", "--json").document["migrations"]
    text = sqlmigrate("roundtrip", "--seeds")

    assert [(one["verdict"], one["seeds"]) for one in without] == [("exact", None), ("lossy", None)]
    assert text.status == 3
    first, second = text.stdout.split("2: not_restored")
    assert "seed data: 0 rows loaded before it\n  left out, since it does not fit there:" in first
    assert "colours.yaml: table public.colours does not exist" in first
    assert "seed data: 2 rows loaded before it\n  rows:" in second


def test_a_proof_is_not_recorded_with_seeds(dropping, sqlmigrate):
    outcome = sqlmigrate("roundtrip", "--seeds", "--write")

    assert outcome.status == 2
    assert "leave out --seeds" in outcome.stderr


def test_seed_files_that_are_wrong_are_told_before_a_server_is_started(dropping, sqlmigrate):
    dropping.yaml("colours", "colours: 3\n")

    for command in ("roundtrip", "review"):
        outcome = sqlmigrate(command, "--seeds")
        assert (outcome.status, "colours.yaml" in outcome.stderr) == (1, True)


@pytest.mark.usefixtures("shadow_on_other_server")
def test_a_review_says_what_the_seeds_would_do_on_the_target(dropping, target, sqlmigrate, tmp_path):
    assert sqlmigrate("apply", "--to", "1").status == 0
    target.connect().execute("INSERT INTO colours VALUES ('red', 6), ('<i>', 1)")
    dropping.file("later", MAPPING | {"table": "public.later"}, "colours: [{name: x}]\n")
    before = target.connect().execute("SELECT xmin::text, * FROM colours ORDER BY name").fetchall()
    names = ("review.html", "review.md", "review.txt", "review.json")
    page, comment, whole, report = files = [tmp_path / name for name in names]

    outcome = sqlmigrate("review", "--seeds", *(word for path in files for word in ("--output", path)))

    assert outcome.status == 3, outcome
    document = json.loads(report.read_text())
    [table] = document["seeds"]["tables"]
    assert document["seeds"]["headline"] == "1 row to insert, 1 to update, 1 file does not fit its table yet"
    assert document["seeds"]["problems"] == ["later.yaml: table public.later does not exist"]
    assert [table[name] for name in ("inserted", "updated", "unchanged", "unnamed")] == [1, 1, 0, 1]
    assert table["rows"][0]["changes"] == [{"column": "shade", "old": "6", "new": "7", "pending": None}]
    assert (table["file"], table["unnamed_rows"]) == ("colours.yaml", [{"name": "<i>"}])
    assert "public.colours: 1 to insert, 1 to update, 0 unchanged, 1 in no file" in whole.read_text()
    assert "shade: '6' -> '7'" in whole.read_text()
    for path in (page, comment):
        shown = path.read_text()
        assert "hat the seed data would do" in shown
        assert "shade" in shown
        assert "later.yaml" in shown
        assert "<i>" not in shown
    [migration] = document["migrations"]
    assert (migration["proof"]["verdict"], migration["proof"]["data"]) == ("not_restored", False)
    assert any("public.colours" in line for line in migration["proof"]["lines"])
    assert target.connect().execute("SELECT xmin::text, * FROM colours ORDER BY name").fetchall() == before
