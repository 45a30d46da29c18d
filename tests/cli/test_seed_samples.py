"""`roundtrip --seeds` and `review --seeds`: the seed data as sample rows."""

from __future__ import annotations

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
    found = sqlmigrate("roundtrip", "--seeds", "--json").document["migrations"]
    text = sqlmigrate("roundtrip", "2", "--seeds")

    assert [one["verdict"] for one in without] == ["exact", "lossy"]
    assert [one["seeds"] for one in without] == [None, None]
    assert [one["verdict"] for one in found] == ["exact", "not_restored"]
    assert found[0]["seeds"]["rows"] == 0
    assert "table public.colours does not exist" in found[0]["seeds"]["left_out"][0]["message"]
    assert found[1]["seeds"] == {"rows": 2, "left_out": []}
    assert found[1]["data"][0]["table"] == "public.colours"
    assert text.status == 3
    assert "  seed data: 2 rows loaded before it" in text.lines

    [reviewed] = sqlmigrate("review", "2", "--seeds", "--json").document["migrations"]

    assert (reviewed["proof"]["verdict"], reviewed["proof"]["data"]) == ("not_restored", False)
    assert any("public.colours" in line for line in reviewed["proof"]["lines"])


def test_a_proof_is_not_recorded_with_seeds(dropping, sqlmigrate):
    outcome = sqlmigrate("roundtrip", "--seeds", "--write")

    assert outcome.status == 2
    assert "leave out --seeds" in outcome.stderr


def test_seed_files_that_are_wrong_are_told_before_a_server_is_started(dropping, sqlmigrate):
    dropping.yaml("colours", "colours: 3\n")

    for command in ("roundtrip", "review"):
        outcome = sqlmigrate(command, "--seeds")
        assert (outcome.status, "colours.yaml" in outcome.stderr) == (1, True)
