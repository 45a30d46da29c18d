"""Files of an environment add rows to those below, or take the place of rows with the same key."""

from __future__ import annotations

import json

import pytest

from sqlmigrate.errors import SeedError
from sqlmigrate.seeds import load
from sqlmigrate.seeds.reading import streams
from sqlmigrate.seeds.writing.staging import is_large
from support.seeds import SeedFiles

T = {"list": "rows", "table": "public.t", "conflict": ["a", "b"]}
TREE = {
    **T,
    "conflict": ["a"],
    "columns": {"p": {"from": "p", "references": {"table": "public.t", "match": "a", "select": "a"}}},
}
BELOW = "rows:\n- {a: 1, b: x, c: old}\n- {a: 1, b: y}\n"
ABOVE = "rows:\n- {b: z, a: 1}\n- {b: x, a: 1}\n"


@pytest.fixture
def above(seed_files):
    (seed_files.directory / "staging").mkdir()
    return SeedFiles(seed_files.directory / "staging")


def told(directory, env="staging"):
    """Give each row with its place, and the place of the row that it overrides."""

    def place(row):
        return str(row.place()).replace(f"{directory}/", "")

    return [
        (dict(row.values), place(row), place(below) if (below := file.overridden.get(row)) else None)
        for file in load(directory, env).files
        for row in file.rows
    ]


@pytest.fixture(params=["", "kept apart"])
def held(request, monkeypatch):
    """Rows of CSV and JSON Lines in memory, or read each time."""
    if request.param:
        monkeypatch.setattr(streams, "KEPT_MAX", 2)
    return not request.param


def test_rows_come_to_those_below_or_take_their_place(seed_files, above):
    seed_files.file("t", T, BELOW)
    above.yaml("t", ABOVE)

    assert told(seed_files.directory) == [
        ({"b": "x", "a": 1}, "staging/t.yaml:3:3", "t.yaml:2:3"),
        ({"a": 1, "b": "y"}, "t.yaml:3:3", None),
        ({"b": "z", "a": 1}, "staging/t.yaml:2:3", None),
    ]
    [file] = load(seed_files.directory, "staging").files
    assert [(one.path.parent.name, one.rows, one.overriding) for one in file.sources[1:]] == [("staging", 2, 1)]
    assert [row.index for row in file.rows] == [0, 1, 2]


@pytest.mark.parametrize("env", [None, "live", "..", "staging/", ".", "", ".hidden", "x" * 300])
def test_other_environments_have_the_rows_below_alone(seed_files, above, env):
    seed_files.file("t", T, BELOW)
    above.yaml("t", ABOVE)
    (seed_files.directory / ".hidden").mkdir()

    assert [values.get("c") for values, *_ in told(seed_files.directory, env)] == ["old", None]


def test_large_files_are_laid_as_small_ones(seed_files, above, held):
    rules = {"properties": {"rows": {"items": {"properties": {"a": {"type": "integer"}}}}}}
    seed_files.schema("t", T, **rules)
    (seed_files.directory / "t.csv").write_text("a,b,c\n1,x,old\n1,y,\n2,x,o\n2,y,p\n")
    above.yaml("t", ABOVE)

    [file] = load(seed_files.directory, "staging").files

    assert file.is_streamed is not held
    assert [(row.index, row.values["a"], row.values["b"], row.values.get("c")) for row in file.rows] == [
        (0, 1, "x", None),
        (1, 1, "y", None),
        (2, 2, "x", "o"),
        (3, 2, "y", "p"),
        (4, 1, "z", None),
    ]
    assert [(row.index, row.values["b"]) for row in file.at([5, 1, 4])] == [(0, "x"), (3, "y"), (4, "z")]
    assert [file.rows[index].values["b"] for index in (0, -1, 2)] == ["x", "z", "x"]
    assert len(file.rows[1:]) == 4
    assert set(file.shapes()) >= {("a", "b", "c"), ("b", "a")}
    assert str(file.rows[0].place()).endswith("staging/t.yaml:3:3")
    assert str(file.rows[2].place()).endswith("t.csv:4:1")


def test_one_that_is_too_large_to_be_laid_over_another_is_refused(seed_files, above, held):
    seed_files.file("t", T, BELOW)
    (above.directory / "t.jsonl").write_text("".join(f'{{"a": {n}, "b": "x"}}\n' for n in range(4)))

    if held:
        assert len(told(seed_files.directory)) == 5
        return
    with pytest.raises(SeedError) as caught:
        load(seed_files.directory, "staging")
    assert "too many rows to be laid over" in str(caught.value)


def test_a_row_may_refer_to_one_of_the_environment(seed_files, above):
    seed_files.file("t", TREE, "rows: [{a: x, p: root}, {a: root}]")
    above.yaml("t", "rows: [{a: root, c: 1}, {a: y, p: x}]")

    [file] = load(seed_files.directory, "staging").files

    assert [row.values["a"] for row in file.rows] == ["x", "root", "y"]
    assert not load(seed_files.directory, "staging").warnings


def test_a_file_of_the_environment_alone_needs_a_schema_of_its_own(seed_files, above):
    seed_files.file("t", T, BELOW)
    above.yaml("u", "rows: []")
    with pytest.raises(SeedError) as caught:
        load(seed_files.directory, "staging")
    assert "there is no u.schema.json beside it" in str(caught.value)

    above.schema("u", {**T, "table": "public.u"})
    assert [file.path.name for file in load(seed_files.directory, "staging").files] == ["u.yaml", "t.yaml"]


def test_a_mapping_of_another_kind_is_refused(seed_files, above):
    seed_files.file("t", T, BELOW)
    above.file("t", {**T, "list": "others"}, "others: [{a: 1, b: x, c: new}]")
    assert told(seed_files.directory)[0][0]["c"] == "new"

    above.file("t", {**T, "conflict": ["a"]}, "rows: [{a: 1, b: x}]")
    with pytest.raises(SeedError) as caught:
        load(seed_files.directory, "staging")
    assert "its mapping to public.t is not that of" in str(caught.value)


def test_the_schema_below_says_what_a_row_is_and_not_how_many_there_are(seed_files, above):
    rows = {"type": "array", "minItems": 2, "items": {"required": ["a", "b"]}}
    seed_files.file("t", T, BELOW, properties={"rows": rows})
    above.yaml("t", "rows: [{a: 1, b: x}]")
    assert len(told(seed_files.directory)) == 2

    above.yaml("t", "rows: [{a: 1}]")
    with pytest.raises(SeedError) as caught:
        load(seed_files.directory, "staging")
    assert "staging/t.yaml:1:8: rows[0]: 'b' is missing" in str(caught.value.problems[0])


def test_the_same_row_twice_in_one_layer_is_an_error(seed_files, above):
    seed_files.file("t", T, BELOW)
    above.yaml("t", "rows: [{a: 1, b: x}, {b: x, a: 1}]")

    with pytest.raises(SeedError) as caught:
        load(seed_files.directory, "staging")

    assert "appears twice" in str(caught.value)


def test_a_large_file_stays_one_for_copy(seed_files, above, monkeypatch):
    monkeypatch.setattr("sqlmigrate.seeds.writing.staging.ROWS_MIN", 1)
    seed_files.file("t", T, json.dumps({"rows": [{"a": n, "b": "x"} for n in range(9)]}))
    above.yaml("t", ABOVE)
    found = load(seed_files.directory, "staging")

    assert is_large(found, found.files[0])
