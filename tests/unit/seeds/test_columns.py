"""Rows of CSV that are checked column by column are the rows, and have the problems, of those checked one by one."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sqlmigrate.errors import SeedError
from sqlmigrate.seeds.model import canonical
from sqlmigrate.seeds.reading import blocks, read, streams
from support.examples import examples
from support.seeds import SeedFiles

MAPPING = {"list": "rows", "table": "public.t", "conflict": ["k"]}
RULES: list[tuple[Any, list[str]]] = [  # each with cells that fit
    ({}, ["a", '"b"', "", "1"]),
    (True, ["a", '""']),
    ({"type": ["string", "null"], "minLength": 1, "maxLength": 3}, ["a", "abc", "\\N", '"é😀\t"', '"\n"']),
    ({"type": "string", "pattern": "^[a-z]+$"}, ["a", "abcd", '"b"', "a" * 250]),
    ({"type": ["string", "null"], "pattern": "^(a|[0-9.]+)*$"}, ["a", "1.5", "", "a1a"]),
    ({"type": "integer", "minimum": 0, "maximum": 9}, ["0", "9", "-0", "7", '"1"']),
    ({"type": ["number", "null"], "exclusiveMinimum": -1}, ["0", "1.5", "1.50", "1e3", "-0.5", "", "9" * 35]),
    ({"type": "number", "multipleOf": 0.5}, ["1", "1.5", "-2.0", "10"]),
    ({"type": "boolean"}, ["true", "f", "t", '"false"']),
    ({"type": ["boolean", "null"], "const": True}, ["true", "t"]),
    ({"enum": ["a", "b", None]}, ["a", "b", ""]),
    ({"enum": [1, 1.5, "a"]}, ["1", "a"]),
    ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, ["1", "", "-3"]),
    ({"not": {"const": "a"}}, ["b", "ab"]),
    (
        {"type": ["object", "array", "null"], "properties": {"a": {"type": "integer"}}, "additionalProperties": False},
        ["{}", "[1]", '"{""a"": 1}"', ""],
    ),
    ({"$ref": "#/$defs/short"}, ["a", '""', "é"]),
]
TEXTS = ["", "\\N", "a", "b", "abc", "abcd", "true", "null", "é😀", "\ufeff", "\r", "\\", 'x"y', '"open', '"a"b']
NUMBERS = ["1", "2", "-1", "10", "01", " 1", "1.5", "1.50", "0.1", "-1.0", "1e3", "9" * 4001, "0." + "1" * 20]
QUOTED = ['""', '"a"', '"{""a"": ""b""}"', '"1\n2"', '"x,;\ty"', '"a\\\tb"']
CELL = st.sampled_from([*TEXTS, *NUMBERS, *QUOTED])
KEY_RULES = [{}, {"type": "string", "pattern": "^[a-z]+$"}, {"type": ["string", "null"], "maxLength": 1}]
KEYS = ["k", "v", "w", "z"]


def outcome(files: SeedFiles, *, count: int) -> Any:
    """Load, and give all that can be seen of it: what is wrong, or the rows and the place of each value."""
    try:
        [file] = files.load().files
    except SeedError as error:
        return [(str(problem), problem.hint) for problem in error.problems]
    assert len(file.rows) <= count
    rows = [(row.index, canonical(row.values), [*map(type, row.values.values())]) for row in file.rows]
    places = [[row.place(), *map(row.place, row.values)] for row in file.rows]
    shapes = {keys: (row.index, canonical(row.values)) for keys, row in file.shapes().items()}
    return rows, places, shapes, file.is_streamed, [canonical(row.values) for row in file.at(range(1, len(file.rows)))]


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_checking_by_columns_gives_what_checking_row_by_row_gives(seed_files, monkeypatch, data):
    draw = data.draw
    keys = draw(st.permutations(KEYS))[draw(st.sampled_from([0, 0, 1, 3])) :]
    drawn = {key: draw(st.sampled_from(RULES)) for key in KEYS} | {"k": (draw(st.sampled_from(KEY_RULES)), [])}
    rules = {key: rule for key, (rule, _) in drawn.items()}
    row = {"type": "object", "properties": rules, "required": draw(st.sampled_from([[], [], ["k"], ["v"]]))}
    if draw(st.integers(0, 3)) == 3:
        row["additionalProperties"] = draw(st.sampled_from([False, {"type": "string"}]))
        del rules[draw(st.sampled_from(KEYS))]
    said = {
        "header": draw(st.booleans()),
        "delimiter": draw(st.sampled_from(",;\t")),
        "null": draw(st.sampled_from(["", "\\N"])),
    }
    width = keys if said["header"] else list(rules)
    count = draw(st.integers(0, 7))
    rows = [[draw(st.sampled_from(drawn[key][1] or "abcdefg"[at])) for key in width] for at in range(count)]
    if rows and draw(st.booleans()):
        draw(st.sampled_from(rows))[draw(st.integers(0, len(width) - 1))] = draw(CELL)
    lines = [said["delimiter"].join(cells) for cells in rows]
    if draw(st.integers(0, 3)) == 3:
        lines.insert(draw(st.integers(0, len(lines))), draw(st.sampled_from(["", "a", "a,b,c,d,e,f", '"'])))
    if said["header"]:
        lines.insert(0, said["delimiter"].join(keys))
    text = draw(st.sampled_from(["", "\ufeff"])) + draw(st.sampled_from(["\n", "\r\n"])).join(lines)
    seed_files.schema(
        "t",
        MAPPING | {"csv": said},
        type="object",
        properties={"rows": {"type": "array", "items": row}},
        **{"$defs": {"short": {"type": "string", "maxLength": 1}}},
    )
    (seed_files.directory / "t.csv").write_text(text, encoding="utf-8", newline="")
    if draw(st.integers(0, 3)) == 3:
        with (seed_files.directory / "t.csv").open("ab") as file:
            file.write(draw(st.sampled_from([b"", b"\n", b"\n\xfc", b"\n\0"])))

    found = []
    with monkeypatch.context() as patch:
        patch.setattr(streams, "_MARK_EACH", draw(st.sampled_from([1, 2, 3, 1000])))
        patch.setattr(streams, "KEPT_MAX", draw(st.sampled_from([0, 100_000])))
        found.append(outcome(seed_files, count=len(lines)))
        patch.setattr(streams.Table, "columns", lambda *_: None)
        found.append(outcome(seed_files, count=len(lines)))

    assert found[0] == found[1]


def test_rows_of_plain_columns_are_never_made(seed_files, monkeypatch):
    seed_files.schema(
        "t",
        MAPPING,
        properties={"rows": {"items": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}}}},
    )
    (seed_files.directory / "t.csv").write_text("k,n\na,1\nb,2\n")
    monkeypatch.setattr(read, "check", None)
    monkeypatch.setattr(read, "_row_problems", None)
    monkeypatch.setattr(streams.Streamed, "_in_memory", None)

    [file] = seed_files.load().files

    assert len(file.rows) == 2
    assert blocks.surely_differ(file.rows.blocks(), ["k"])
    assert not blocks.surely_differ([*file.rows.blocks(), *file.rows.blocks()], ["k"])
