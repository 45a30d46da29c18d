"""Seed files are read, checked with their schema and refused with everything that is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from sqlmigrate.files.patterns import Patterns
from sqlmigrate.seeds.model import TableName
from sqlmigrate.seeds.reading import cells, document
from sqlmigrate.seeds.reading.schema import read_schema, row_types
from support.seeds import AGENTS, LLMS

STRICT = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "llms": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["model_code", "status"],
                "properties": {
                    "model_code": {"type": "string", "maxLength": 10},
                    "status": {"enum": ["active", "inactive"]},
                    "config": {"type": "object"},
                    "limit": {"anyOf": [{"type": "integer", "minimum": 1}, {"const": "none"}]},
                },
            },
        }
    },
}


def test_rows_are_read_with_their_table_and_their_places(seed_files):
    path = seed_files.file("llms", LLMS, "llms:\n  - model_code: a\n    status: active\n", **STRICT)

    [seed] = seed_files.load().files

    assert [row.values for row in seed.rows] == [{"model_code": "a", "status": "active"}]
    assert seed.mapping.table == TableName("public", "llms")
    assert str(seed.rows[0].place("status")) == f"{path}:3:13"
    assert seed.rows[0].label == "model_code 'a'"


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "llms:\n", "llms: []\n", "{}\n"])
def test_a_missing_list_and_an_empty_file_are_an_empty_list(seed_files, text):
    seed_files.file("llms", LLMS, text, **STRICT)

    [seed] = seed_files.load().files

    assert seed.rows == ()


def test_yml_counts_and_other_files_do_not(seed_files):
    seed_files.file("llms", LLMS, "llms: []\n")
    (seed_files.directory / "llms.yaml").rename(seed_files.directory / "llms.yml")
    for name in ("notes.txt", ".hidden.yaml", "llms.yaml~"):
        (seed_files.directory / name).write_text("- no seed data", encoding="utf-8")

    assert [seed.path.name for seed in seed_files.load().files] == ["llms.yml"]


def test_a_directory_without_seed_files_is_an_empty_set(seed_files):
    assert seed_files.load().files == ()


def test_a_directory_that_is_not_there_is_named(seed_files):
    seed_files.directory = seed_files.directory / "nowhere"

    assert seed_files.problems() == [
        f"{seed_files.directory}: the seed directory cannot be read: No such file or directory"
    ]


def test_everything_that_is_wrong_in_all_files_is_reported_at_once(seed_files):
    seed_files.file("llms", LLMS, "llms:\n  - model_code: a\n  - status: gone\n    model_code: b\n", **STRICT)
    seed_files.file("agents", AGENTS, "agents: [\n")
    seed_files.yaml("tools", "tools: []\n")

    error = seed_files.refusal()

    assert error.message == "the seed data has 4 problems; nothing was written"
    assert [str(problem.place).rsplit("/", 1)[1] for problem in error.problems] == [
        "agents.yaml:2:1",
        "llms.yaml:2:5",
        "llms.yaml:3:13",
        "tools.yaml",
    ]


def test_a_single_problem_is_the_error_itself(seed_files):
    seed_files.file("llms", LLMS, "llms:\n  - model_code: a\n    status: gone\n", **STRICT)

    error = seed_files.refusal()

    assert error.message == "llms[0].status: 'gone' is not one of 'active', 'inactive'"
    assert (error.place.line, error.place.column, error.place.text) == (3, 13, "    status: gone")


@pytest.mark.parametrize(
    ("row", "problem", "hint"),
    [
        ("{status: active}", "1:8: llms[0]: 'model_code' is missing", None),
        (
            "{model_code: a, status: active, statsu: x}",
            "1:40: llms[0]: the key 'statsu' is not allowed",
            "allowed here: 'model_code', 'status', 'config', 'limit'",
        ),
        (
            "{model_code: 2024, status: active}",
            "1:21: llms[0].model_code: must be text, not the number 2024",
            "put it in quotes",
        ),
        (
            "{model_code: true, status: active}",
            "1:21: llms[0].model_code: must be text, not true",
            "put it in quotes",
        ),
        (
            "{model_code: [a], status: active}",
            "1:21: llms[0].model_code: must be text, not a list",
            None,
        ),
        (
            "{model_code: a, status: active, config: 5}",
            "1:48: llms[0].config: must be a mapping, not the number 5",
            None,
        ),
        ("{model_code: 01234567890, status: active}", "1:21: llms[0].model_code: '01234567890' is too long", None),
        (
            "{model_code: a, status: active, limit: 0}",
            "1:47: llms[0].limit: the number 0 is less than the minimum of 1",
            None,
        ),
    ],
)
def test_a_violation_of_the_schema_says_what_and_where(seed_files, row, problem, hint):
    seed_files.file("llms", LLMS, f"llms: [{row}]\n", **STRICT)

    assert seed_files.problems() == [f"llms.yaml:{problem}"]
    assert seed_files.refusal().hint == hint


def test_a_date_is_text_and_fits_a_schema_that_wants_text(seed_files):
    seed_files.file("llms", LLMS, "llms: [{model_code: 2024-01-01, status: active}]\n", **STRICT)

    assert seed_files.load().files[0].rows[0].values["model_code"] == "2024-01-01"


def test_a_message_never_shows_a_whole_document(seed_files):
    long = {"properties": {"llms": {"items": {"properties": {"config": {"maxProperties": 1}}}}}}
    rows = ", ".join(f"k{n}: {'secret' * 10}" for n in range(50))
    seed_files.file("llms", LLMS, f"llms: [{{model_code: a, config: {{{rows}}}}}]\n", **long)

    [problem] = seed_files.problems()

    assert "llms[0].config: " in problem
    assert "secret" not in problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- model_code: a\n", "llms.yaml:1:1: must be a mapping with the list 'llms'"),
        ("just text\n", "llms.yaml:1:1: must be a mapping with the list 'llms'"),
        ("llms: {a: 1}\n", "llms.yaml:1:7: 'llms' must be a list of rows"),
        ("llms: [{model_code: a}, b]\n", "llms.yaml:1:25: llms[1] must be a mapping"),
    ],
)
def test_what_is_not_a_list_of_rows_is_refused_even_if_the_schema_allows_it(seed_files, text, problem):
    seed_files.file("llms", LLMS, text)

    assert seed_files.problems() == [problem]


def test_two_rows_with_one_conflict_target_are_refused(seed_files):
    seed_files.file("llms", LLMS, "llms:\n  - model_code: a\n  - model_code: b\n  - model_code: a\n")

    [problem] = seed_files.problems()

    assert problem == "llms.yaml:4:5: model_code 'a' appears twice, first at llms.yaml:2:5"


def test_two_files_for_one_table_may_not_hold_the_same_row(seed_files):
    seed_files.file("llms-a", LLMS, "llms: [{model_code: a}]\n")
    seed_files.file("llms-b", LLMS, "llms: [{model_code: a}]\n")

    assert seed_files.problems() == ["llms-b.yaml:1:8: model_code 'a' appears twice, first at llms-a.yaml:1:8"]


@pytest.mark.parametrize("row", ["{status: active}", "{model_code: , status: active}"])
def test_a_row_without_a_value_for_the_conflict_target_is_refused(seed_files, row):
    seed_files.file("llms", LLMS, f"llms: [{row}]\n")

    assert seed_files.problems() == ["llms.yaml:1:8: llms[0] has no 'model_code', which says which row it is"]


def test_a_column_may_not_be_filled_twice(seed_files):
    seed_files.file("agents", AGENTS, "agents: [{agent_type: a, llm_model_code: x, llm_id: 5}]\n")

    assert seed_files.problems() == ["agents.yaml:1:45: 'llm_id' is filled from 'llm_model_code' already"]


def test_a_column_with_a_default_on_update_may_not_be_in_the_file(seed_files):
    seed_files.file("agents", AGENTS, "agents: [{agent_type: a, updated_at: 2024-01-01}]\n")

    assert seed_files.problems() == [
        "agents.yaml:1:26: 'updated_at' gets its default on update, so the file must not set it"
    ]


def test_a_missing_schema_is_named(seed_files):
    seed_files.yaml("llms", "llms: []\n")

    assert seed_files.problems() == ["llms.yaml: there is no llms.schema.json beside it"]


@pytest.mark.parametrize("suffix", ["yaml", "json", "csv", "jsonl"])
def test_a_file_that_cannot_be_read_is_not_passed_over(seed_files, suffix):
    path = seed_files.file("llms", LLMS, "").with_suffix(f".{suffix}")
    (seed_files.directory / "llms.yaml").unlink()
    path.symlink_to("nowhere")
    assert seed_files.problems()[0].startswith(f"llms.{suffix}: cannot be read: No such file")

    path.unlink()
    os.mkfifo(path)
    assert seed_files.problems()[0].startswith(f"llms.{suffix}: cannot be read: it is a pipe")


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_rows_whose_schema_leads_nowhere_are_not_passed_over(seed_files, suffix):
    seed_files.directory.mkdir(exist_ok=True)
    (seed_files.directory / f"llms.{suffix}").write_text("[]")
    (seed_files.directory / "llms.schema.json").symlink_to("nowhere")

    assert seed_files.problems() == [f"llms.{suffix}: there is no llms.schema.json beside it"]


@pytest.mark.parametrize("schema", [None, "{}"])
def test_what_to_do_about_a_schema_is_said_without_our_docs(seed_files, schema):
    seed_files.yaml("llms", "llms: []\n")
    if schema:
        (seed_files.directory / "llms.schema.json").write_text(schema, encoding="utf-8")

    (problem,) = seed_files.refusal().problems

    assert "docs/" not in problem.hint
    assert "x-sqlmigrate" in problem.hint


def test_problems_of_the_schema_and_of_the_file_are_reported_together(seed_files):
    seed_files.schema("llms", None)
    seed_files.yaml("llms", "llms: []\nllms: []\n")

    assert len(seed_files.problems()) == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"type": }', "llms.schema.json:1:10: not valid JSON: expecting value"),
        ('{"type": "object", "type": "array"}', "llms.schema.json:1:20: the key 'type' appears twice"),
        ("[]", "llms.schema.json: a JSON Schema must be an object"),
        ('{"type": "objekt"}', "llms.schema.json:1:10: not valid JSON Schema: type: "),
        (
            '{\n\t"minLength": "one"\n}',
            "llms.schema.json:2:15: not valid JSON Schema: minLength: must be a whole number, not 'one'",
        ),
        ('{"$schema": "http://json-schema.org/draft-07/schema#"}', "llms.schema.json:1:13: $schema must be"),
        ('{"$ref": "other.json"}', "llms.schema.json:1:10: $ref 'other.json' leads out of the file"),
        (
            '{"$ref": "https://example.com/x.json"}',
            "llms.schema.json:1:10: $ref 'https://example.com/x.json' leads out",
        ),
        ("{}", "llms.schema.json: the schema has no 'x-sqlmigrate'"),
        ('{"$schema": 1}', "llms.schema.json:1:13: $schema must be"),
        ('{"minimum": NaN}', "llms.schema.json:1:13: not valid JSON: NaN is not a number in JSON"),
        ('{"minimum": -Infinity}', "llms.schema.json:1:13: not valid JSON: -Infinity is not a number in JSON"),
        ('{"minimum": 1e999}', "llms.schema.json:1:13: 1e999 cannot be kept exactly as a number"),
        ('{"minimum": %s}' % ("9" * 5000), "llms.schema.json:1:13: 9999999"),
        ('{"not": ' * 500 + "{}" + "}" * 500, "llms.schema.json: nested too deeply"),
        ("[" * 100_000, "llms.schema.json: nested too deeply"),
        ('{"pattern": "^[a-z"}', "llms.schema.json:1:13: '^[a-z' is not a regular expression: unterminated"),
        ('{"patternProperties": {"(": true}}', "llms.schema.json:1:24: '(' is not a regular expression: missing )"),
        ('{"pattern": "((a{100}){100}){100}"}', "llms.schema.json:1:13: '((a{100}){100}){100}' repeats too often"),
        ('{"pattern": "%s"}' % ("(" * 900 + ")" * 900), "llms.schema.json:1:13: '((((((((((("),
        ('{"pattern": "\\\\u{110000}"}', "llms.schema.json:1:13: \\u{110000} in "),
        ('{"items": {"$schema": "x"}}', "llms.schema.json:1:12: $schema may stand at the top only"),
        (
            '{"unevaluatedProperties": false, "patternProperties": {}}',
            "llms.schema.json:1:2: unevaluatedProperties cannot go with patternProperties here",
        ),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(seed_files, text, problem):
    (seed_files.directory / "llms.schema.json").write_text(text, encoding="utf-8")
    seed_files.yaml("llms", "llms: []\n")

    [found] = seed_files.problems()

    assert found.startswith(problem)


def test_a_reference_inside_the_schema_that_leads_nowhere_is_refused(seed_files):
    seed_files.file("llms", LLMS, "llms: [{model_code: a}]\n", properties={"llms": {"$ref": "#/$defs/none"}})

    assert seed_files.problems() == ["llms.schema.json:4:15: $ref '#/$defs/none' leads nowhere in the schema"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"table": "llms"}, "x-sqlmigrate.table: 'llms' does not match"),
        ({"table": "a.b.c"}, "x-sqlmigrate.table: 'a.b.c' does not match"),
        ({"conflict": []}, "x-sqlmigrate.conflict: a list should be non-empty"),
        ({"conflict": "model_code"}, "x-sqlmigrate.conflict: must be a list, not 'model_code'"),
        ({"list": None}, "x-sqlmigrate.list: must be text, not null"),
        ({"touch": {"updated_at": "now()"}}, "x-sqlmigrate: the key 'touch' is not allowed"),
        ({"columns": {"llm_id": {}}}, "x-sqlmigrate.columns.llm_id: 'from' is missing"),
        (
            {"columns": {"llm_id": {"from": "a", "references": {"table": "public.x", "match": "y"}}}},
            "x-sqlmigrate.columns.llm_id.references: 'select' is missing",
        ),
        ({"default_on_update": ["model_code"]}, "default_on_update: column 'model_code' gets its value from the file"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_refused_with_its_place(seed_files, change, problem):
    seed_files.file("llms", LLMS | change, "llms: []\n")

    [found] = seed_files.problems()

    assert problem in found
    assert found.startswith("llms.schema.json:")


def test_a_mapping_may_not_name_keys_that_no_row_can_have(seed_files):
    rules = {"properties": {"llms": {"items": {"$ref": "#/$defs/llm"}}}}
    rules["$defs"] = {"llm": {"additionalProperties": False, "properties": {"model_code": {}, "status": {}}}}
    mapping = {**LLMS, "conflict": ["code"], "columns": {"state": {"from": "stat"}}}
    seed_files.file("llms", mapping, "llms: []\n", **rules)

    found = [problem.partition(": ")[2] for problem in seed_files.problems()]

    assert found == ["'stat' is no property of the rows in 'llms'", "'code' is no property of the rows in 'llms'"]


def test_reading_seeds_is_not_what_starts_the_slow_libraries():
    code = "import sqlmigrate.seeds, sys; print(sorted({'yaml', 'jsonschema', 'referencing'} & set(sys.modules)))"

    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)}
    )

    assert json.loads(done.stdout.replace("'", '"')) == []


LIST = {"list": "rows", "table": "public.t", "conflict": ["code"]}


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"$ref": "#"}, "$ref '#' leads back to itself without end"),
        ({"$id": "http://[", "allOf": [{"$id": "x"}]}, "a $ref or an $id in it cannot be followed"),
        ({"$ref": "#/not/a", "not": False}, "a $ref or an $id in it cannot be followed"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, "without end"),
        ({"$dynamicAnchor": "a", "allOf": [{"$dynamicRef": "#a"}]}, "$ref '#a' leads back to itself without end"),
        ({"properties": {"rows": {"items": {"anyOf": [{"$ref": "#/properties/rows/items"}]}}}}, "without end"),
        (
            {
                "allOf": [{"$ref": "#/$defs/d0"}],
                "$defs": {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} if n < 40 else {} for n in range(41)},
            },
            "lead to the same value again and again",
        ),
        ({"properties": {"rows": {"items": {"properties": {"code": {"pattern": "^(a|aa)+$"}}}}}}, "takes too long on"),
        ({"properties": {"rows": {"items": {"patternProperties": {"^(c|co|o|d|e|de)+$": {}, "(x+x+)+y": {}}}}}}, None),
        ({"properties": {"rows": {"items": {"not": {"properties": {"code": {"pattern": "^(a|aa)+$"}}}}}}}, "too long"),
    ],
)
def test_a_schema_that_would_run_for_ever_is_refused_within_a_second(seed_files, rules, message):
    seed_files.file("t", LIST, f"rows:\n- {{code: {'a' * 200}b}}\n- {{code: {'a' * 300}b}}\n", **rules)
    began = time.process_time()

    if message is None:
        seed_files.load()
    else:
        [found] = seed_files.problems()
        assert found.startswith("t.schema.json")
        assert message in found

    assert time.process_time() - began < 5  # a second on a machine that does nothing else


def test_a_pattern_that_is_slow_says_where_it_stands(seed_files):
    rules = {"properties": {"rows": {"items": {"properties": {"code": {"pattern": "^(a|aa)+$"}}}}}}
    seed_files.file("t", LIST, f"rows:\n- {{code: {'a' * 200}b}}\n", **rules)

    [found] = seed_files.problems()

    assert found == (
        "t.schema.json:7:24: the pattern '^(a|aa)+$' takes too long on "
        "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...'"
    )


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        (r"^\p{Lu}\p{L}+$", "Bern", "bern"),
        (r"^\p{Lu}\p{L}+$", "Überlingen", "Bern "),
        (r"^(?<first>[A-Z])\k<first>", "AAb", "ABb"),
        (r"^a$", "a", "a\\n"),
        (r"^\d$", "1", "\u0661"),
        (r"^[\d]$", "1", "\u0661"),
        (r"^\w+$", "a_1", "\xfc"),
        (r"^[\w-]+$", "a-1", "\xfc"),
        (r"^\W$", "\xfc", "a"),
        (r"^\D$", "\u0661", "1"),
        (r"^\u{1F600}$", "\U0001f600", "u"),
        (r"^[\u{1F600}-\u{1F64F}]$", "\U0001f601", "u"),
        (r"^\u00e9$", "\xe9", "e"),
        (r"^[^]$", "a", "ab"),
        (r"^(?!x)a\/b$", "a/b", "xa/b"),
        (r"^[[]\$$", "[$", "$"),
        (r"^a{2,3}$", "aaa", "aaaa"),
        (r"^{}$", "{}", "x"),
    ],
)
def test_patterns_are_those_of_json_schema(pattern, yes, no):
    patterns = Patterns()

    assert patterns.matches(pattern, yes.replace("\\n", "\n"))
    assert not patterns.matches(pattern, no.replace("\\n", "\n"))


def test_many_rows_do_not_use_up_the_time_of_a_pattern():
    patterns = Patterns()

    assert all(patterns.matches(r"^\p{L}+\d+$", f"row{number}") for number in range(100_000))


@pytest.mark.parametrize(
    ("step", "value", "fits"),
    [
        ("0.1", "0.3", True),
        ("0.1", "0.35", False),
        ("3", "9" * 400, True),
        ("0.5", "1" + "0" * 400, True),
        ("2", "3", False),
    ],
)
def test_multiples_are_those_of_the_numbers_as_they_are_written(seed_files, step, value, fits):
    rules = {
        "properties": {
            "rows": {"items": {"properties": {"n": {"multipleOf": float(step) if "." in step else int(step)}}}}
        }
    }
    seed_files.file("t", LIST, f"rows:\n- {{code: a, n: {value}}}\n", **rules)

    if fits:
        seed_files.load()
    else:
        assert "is not a multiple of" in seed_files.problems()[0]


@pytest.mark.parametrize(
    ("items", "unique"),
    [
        ("1, 1.0", False),
        ("1, true", True),
        ("{a: 1, b: 2}, {b: 2.0, a: 1}", False),
        ("[1], [2]", True),
        ("'1', 1", True),
    ],
)
def test_items_are_unique_as_json_schema_compares_them(seed_files, items, unique):
    rules = {"properties": {"rows": {"items": {"properties": {"list": {"uniqueItems": True}}}}}}
    seed_files.file("t", LIST, f"rows:\n- {{code: a, list: [{items}]}}\n", **rules)

    if unique:
        seed_files.load()
    else:
        assert "has non-unique elements" in seed_files.problems()[0]


def test_a_file_with_very_many_problems_shows_the_first(seed_files):
    rules = {"properties": {"rows": {"items": {"properties": {"code": {"type": "integer"}}}}}}
    rows = "".join(f"- {{code: a{number}}}\n" for number in range(20_000))
    seed_files.file("t", LIST, f"rows:\n{rows}", **rules)
    began = time.process_time()

    found = seed_files.problems()

    assert len(found) == 201
    assert found[-1] == "t.yaml: there are more problems than these"
    assert time.process_time() - began < 20


def test_the_places_of_very_many_unknown_keys_are_looked_up_once(seed_files):
    rules = {"properties": {"rows": {"items": {"properties": {"code": {}}, "additionalProperties": False}}}}
    path = seed_files.file("t", LIST, "rows:\n- code: a\n" + "".join(f"  k{n}: 1\n" for n in range(3_000)), **rules)

    assert len(seed_files.problems()) == 201

    file = document.read_document(path)
    assert str(file.place(("rows", 0), key="k7")) == f"{path}:10:3"
    item = file.places._last
    assert str(file.place(("rows", 0), key="k8")) == f"{path}:11:3"
    assert file.places._last is item  # a problem in each of its keys costs no look at all of them
    row = item[-1].root
    assert document._keys(row) is document._keys(row)


def nested(levels: int) -> str:
    return '{"a": ' * levels + "1" + "}" * levels


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("llms.json", f'{{"llms": [{{"model_code": "a", "x": {nested(600)}}}]}}'),
        ("llms.jsonl", f'{{"model_code": "a", "x": {nested(600)}}}\n'),
    ],
)
def test_json_that_is_nested_too_deeply_is_refused(seed_files, name, text):
    seed_files.schema("llms", LLMS)
    (seed_files.directory / name).write_text(text, encoding="utf-8")

    assert "nested too deeply: more than 500 levels" in seed_files.problems()[0]
    (seed_files.directory / name).write_text(text.replace('{"a": ' * 200, "").replace("}" * 200, ""), encoding="utf-8")
    assert len(seed_files.load().files[0].rows) == 1


def test_the_work_for_a_quote_that_is_never_closed_grows_with_the_file_alone(seed_files, monkeypatch):
    looked_at = 0

    def is_whole(text: str) -> bool:
        nonlocal looked_at
        looked_at += len(text)
        return text.count('"') % 2 == 0

    monkeypatch.setattr(cells, "is_whole", is_whole)
    seed_files.schema("llms", LLMS)
    text = 'model_code,x\na,"' + "x\n" * 20_000
    (seed_files.directory / "llms.csv").write_text(text, encoding="utf-8")

    assert seed_files.problems() == ["llms.csv:2: a quote is opened here and never closed"]
    assert 0 < looked_at <= len(text)
    (seed_files.directory / "llms.csv").write_text(f'{text}"\nb,c\n', encoding="utf-8")
    assert [len(row.values["x"]) for row in seed_files.load().files[0].rows] == [40_000, 1]


def test_a_header_of_very_many_cells_is_read_once(seed_files):
    seed_files.schema("llms", LLMS)
    keys = ",".join(f"k{number}" for number in range(200_000))
    (seed_files.directory / "llms.csv").write_text(f"model_code,{keys},k7\n", encoding="utf-8")
    began = time.process_time()

    assert seed_files.problems() == ["llms.csv:1:1: the key 'k7' appears twice"]
    assert time.process_time() - began < 30  # comparing each with each takes minutes


def test_references_that_lead_to_themselves_in_many_ways_are_looked_at_once(seed_files):
    many = {"anyOf": [{"$ref": "#/$defs/a"}] * 60 + [{"type": "integer"}]}
    rows = {"items": {"properties": {"model_code": {"$ref": "#/$defs/a"}}}}
    seed_files.schema("llms", LLMS, properties={"llms": rows}, **{"$defs": {"a": many}})
    (seed_files.directory / "llms.csv").write_text("model_code\n1\n", encoding="utf-8")

    assert "$ref '#/$defs/a'" in seed_files.problems()[0]
    assert row_types(read_schema(seed_files.directory / "llms.schema.json")) == {"model_code": {"integer"}}
