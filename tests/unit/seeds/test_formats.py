"""Rows in JSON, JSON Lines and CSV are the rows that YAML would hold, and each value has its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sqlmigrate.errors import SeedError
from sqlmigrate.seeds import SeedSet
from sqlmigrate.seeds.model import Csv
from sqlmigrate.seeds.reading import cells, streams
from support.examples import examples

MAPPING = {"list": "rows", "table": "public.t", "conflict": ["code"]}
ROW = {
    "type": "object",
    "additionalProperties": False,
    "required": ["code"],
    "properties": {
        "code": {"type": "string", "pattern": "^[a-z]+$"},
        "n": {"type": ["number", "null"]},
        "b": {"type": "boolean"},
        "j": {"$ref": "#/$defs/j"},
        "s": {"enum": ["x", "y", None]},
    },
}
RULES: dict[str, Any] = {
    "type": "object",
    "properties": {"rows": {"type": "array", "items": ROW}},
    "additionalProperties": False,
    "$defs": {"j": {"type": ["object", "array", "null"]}},
}


@pytest.fixture(params=["kept", "streamed"])
def memory(request, monkeypatch):
    """Both ways to hold the rows of a file that is read row by row."""
    if request.param == "streamed":
        monkeypatch.setattr(streams, "KEPT_MAX", 0)
        monkeypatch.setattr(streams, "_MARK_EACH", 2)


pytestmark = pytest.mark.usefixtures("memory")


def written(files, name: str, text: str, mapping: dict[str, Any] | None = None, **rules: Any) -> None:
    stem = name.split(".", maxsplit=1)[0]
    files.schema(stem, MAPPING | (mapping or {}), **(RULES | rules))
    (files.directory / name).write_text(text, encoding="utf-8", newline="")


def values(found: SeedSet) -> list[dict[str, Any]]:
    [file] = found.files
    assert [row.index for row in file.rows] == list(range(len(file.rows)))
    assert [file.rows[index].values for index in range(len(file.rows))] == [row.values for row in file.rows]
    return [dict(row.values) for row in file.rows]


ROWS = [
    {"code": "a", "n": 1, "b": True, "j": {"k": [1, 0.5]}, "s": "x"},
    {"code": "b", "n": None, "b": False, "j": None, "s": None},
    {"code": "c", "n": 1.5, "b": True, "j": [], "s": "y"},
]
CSV = 'code,n,b,j,s\r\na,1,true,"{""k"": [1, 0.5]}",x\r\n"b",,f,,\n\nc,1.5,t,[],"y"'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.json", json.dumps({"rows": ROWS}, indent="\t")),
        ("t.jsonl", "\n\n".join(map(json.dumps, ROWS)) + "\r\n"),
        ("t.csv", CSV),
        ("t.csv", "\ufeff" + CSV),
    ],
)
def test_each_format_gives_the_same_rows(seed_files, name, text):
    written(seed_files, name, text)

    assert values(seed_files.load()) == ROWS


def test_what_null_is_and_where_keys_come_from_is_said_in_the_mapping(seed_files):
    csv = {"header": False, "null": "\\N", "delimiter": ";"}
    rules = {"properties": {"rows": {"items": {"properties": {"code": {}, "v": {"type": ["string", "null"]}}}}}}
    written(seed_files, "t.csv", 'a;\\N\nb;"\\N"\nc;\n', {"csv": csv}, **rules)

    assert values(seed_files.load()) == [{"code": "a", "v": None}, {"code": "b", "v": "\\N"}, {"code": "c", "v": ""}]


def test_without_a_word_on_null_an_empty_cell_is_null_unless_it_has_quotes(seed_files):
    rules = {"properties": {"rows": {"items": {"properties": {"code": {}, "v": {"type": ["string", "null"]}}}}}}
    written(seed_files, "t.csv", 'code,v\na,\nb,""\n', **rules)

    assert values(seed_files.load()) == [{"code": "a", "v": None}, {"code": "b", "v": ""}]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("t.csv", "code,n\na,1\nb,x\n", "t.csv:3:3: rows[1].n: must be a number or null, not 'x'"),
        ("t.csv", 'code,n\n"a",1\n"B",2\n', "t.csv:3:1: rows[1].code: 'B' does not match '^[a-z]+$'"),
        ("t.csv", 'code,s\na,"x\ny"\n', "t.csv:2:3: rows[0].s: 'x\ny' is not one of 'x', 'y', null"),
        ("t.csv", "code,n\na,1\nb\n", "t.csv:3: the line has 1 cells, but there are 2 keys"),
        ("t.csv", "code,z\na,1\n", "t.csv:2:3: rows[0]: the key 'z' is not allowed"),
        ("t.csv", "code,code\na,1\n", "t.csv:1:1: the key 'code' appears twice"),
        ("t.csv", "code,\na,1\n", "t.csv:1:1: a cell of the header is empty"),
        ("t.csv", 'code,n\n"a,1\n', "t.csv:2: a quote is opened here and never closed"),
        ("t.csv", 'code,n\n"a"b,1\n', "t.csv:2:4: a cell goes on behind its closing quote"),
        ("t.csv", 'code,n\na"",1\n', "t.csv:2:1: a cell with quotes must begin with one"),
        ("t.csv", "code,n\na\0,1\n", "t.csv:2: PostgreSQL cannot store NUL in a text"),
        ("t.csv", "code,n\n,1\n", "t.csv:2:1: rows[0].code: must be text, not null"),
        ("t.csv", "code,n\na,1\nb,2\nc,3\na,4\n", "t.csv:5:1: code 'a' appears twice, first at t.csv:2:1"),
        ("t.jsonl", '{"code": "a"}\n{"code": "b", "n": "x"}', "t.jsonl:2:20: rows[1].n: must be a number or null"),
        ("t.jsonl", '{"code": "a"}\n{"code": "b", "code": "c"}', "t.jsonl:2:15: the key 'code' appears twice"),
        ("t.jsonl", '{"code": "a"}\n[1]', "t.jsonl:2:1: must be an object: a row for each line"),
        ("t.jsonl", '{"code": "a"}\n{"code": NaN}', "t.jsonl:2:10: not valid JSON: NaN is not a number in JSON"),
        ("t.jsonl", '{"code": "a\\u0000"}', "t.jsonl:1:12: PostgreSQL cannot store NUL"),
        ("t.jsonl", '{"code": "a"', "t.jsonl:1:13: not valid JSON"),
        ("t.json", '{"rows": [{"code": "a", "n": "x"}]}', "t.json:1:30: rows[0].n: must be a number or null"),
        ("t.json", '{"rows": [{"code": "\\ud800"}]}', "t.json:1:21: PostgreSQL cannot store NUL"),
        ("t.json", '{"rows": [{"code": "a"}', "t.json:1:24: not valid JSON"),
        (
            "t.json",
            '{"rows": [{"code": "a"}, {"code": "a"}]}',
            "t.json:1:26: code 'a' appears twice, first at t.json:1:11",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(seed_files, memory, request, name, text, problem):
    written(seed_files, name, text)
    if "appears twice, first" in problem and name == "t.csv" and streams.KEPT_MAX == 0:
        assert len(values(seed_files.load())) == 4  # PostgreSQL compares so many
        return

    [found] = seed_files.problems()

    assert found.replace(f"{seed_files.directory}/", "").startswith(problem)


def test_bytes_that_are_no_text_are_told_with_their_line(seed_files):
    written(seed_files, "t.csv", "")
    (seed_files.directory / "t.csv").write_bytes(b"code\na\n\xfc\n")

    assert seed_files.problems() == ["t.csv:3: byte 0xfc is not UTF-8"]


@pytest.mark.parametrize(
    ("rows", "text", "problem"),
    [
        ({"minItems": 2}, "code\na\n", "t.csv: rows: must have at least 2 rows"),
        ({"maxItems": 1}, "code\na\nb\n", "t.csv: rows: must have at most 1 rows"),
        ({"uniqueItems": True}, "code\na\n", "t.schema.json: 'uniqueItems' needs all rows at once"),
    ],
)
def test_rules_for_the_whole_list_hold_or_are_refused(seed_files, rows, text, problem):
    written(seed_files, "t.csv", text, properties={"rows": {"items": ROW} | rows})

    assert seed_files.problems()[0].startswith(problem)


def test_a_file_that_has_changed_since_it_was_checked_is_refused(seed_files):
    written(seed_files, "t.csv", "code\na\nb\n")
    found = seed_files.load().files[0]
    written(seed_files, "t.csv", "code\na\nbb\n")

    if found.is_streamed:
        with pytest.raises(SeedError, match="has changed since it was checked"):
            list(found.rows)
    else:
        assert [row.values for row in found.rows] == [{"code": "a"}, {"code": "b"}]


def test_other_json_and_csv_files_are_left_alone(seed_files):
    for name in ("a.csv", "b.json", "c.jsonl"):
        (seed_files.directory / name).write_text("[")

    assert seed_files.load().files == ()


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.one_of(st.none(), st.text('a",\r\n\\ é;', max_size=5)), min_size=2, max_size=4), st.sampled_from(",;\t")
)
def test_cells_are_what_was_written(memory, row, delimiter):
    csv = Csv(delimiter=delimiter)
    text = delimiter.join("" if cell is None else '"' + cell.replace('"', '""') + '"' for cell in row)

    assert cells.split(text, csv) == row
    assert len(cells.offsets(text, csv)) == len(row)
    assert cells.is_whole(text)
