"""YAML becomes plain values as JSON reads them, and every value has a place."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sqlmigrate.errors import SeedError
from sqlmigrate.seeds.reading import document
from sqlmigrate.seeds.reading.document import Document, parse, read_document

PATH = Path("seed.yaml")


@pytest.fixture(params=[True, False], ids=["libyaml", "python"])
def parser(request, monkeypatch) -> None:
    """Both parsers of PyYAML: the fast one is not in every build."""
    monkeypatch.setattr("yaml.__with_libyaml__", request.param)


pytestmark = pytest.mark.usefixtures("parser")


def value(text: str):
    return parse(PATH, text).value


def problems(text: str) -> list[str]:
    with pytest.raises(SeedError) as caught:
        parse(PATH, text)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    "text", ["2024-01-01", "2024-01-01 10:00:00", "yes", "no", "on", "010", "1_000", "0x1F", "12:30"]
)
def test_what_json_does_not_know_stays_text(text):
    assert value(f"a: {text}") == {"a": text}


@pytest.mark.parametrize("text", [".inf", ".nan", "+5", "1.", ".5", "<", "-", "=", "nullx", "True1"])
def test_what_only_looks_like_a_number_or_a_word_of_json_stays_text(text):
    assert value(f"a: {text if text != '-' else chr(34) + '-' + chr(34)}") == {"a": text}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5", 5), ("-0", 0), ("0.1", 0.1), ("1e3", 1000.0), ("1.10", 1.1), ("true", True), ("False", False)],
)
def test_numbers_and_words_of_json_are_read_as_json_reads_them(text, expected):
    found = value(f"a: {text}")["a"]

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("text", ["", "~", "null", "NULL"])
def test_null_has_the_spellings_of_yaml(text):
    assert value(f"a: {text}\nb: 1") == {"a": None, "b": 1}


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "\ufeff"])
def test_an_empty_file_has_no_value(text, tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text(text, encoding="utf-8")

    assert read_document(path).value is None


def test_a_byte_order_mark_is_not_part_of_the_first_key(tmp_path):
    path = tmp_path / "bom.yaml"
    path.write_text("a: 1\n", encoding="utf-8-sig")

    document = read_document(path)

    assert document.value == {"a": 1}
    assert document.place(("a",)).column == 4


def test_a_number_that_would_lose_digits_is_refused():
    [problem] = problems("price: 0.12345678901234567890")

    assert problem == "seed.yaml:1:8: 0.12345678901234567890 cannot be kept exactly as a number"


def test_a_number_beyond_all_bounds_is_refused():
    assert "cannot be kept exactly" in problems("a: 1e999")[0]
    assert "cannot be kept exactly" in problems("a: " + "9" * 5000)[0]


def test_every_repeated_key_is_refused_where_it_is_repeated():
    text = "a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\na: 2\n"

    assert problems(text) == ["seed.yaml:6:1: the key 'a' appears twice", "seed.yaml:5:3: the key 'c' appears twice"]


def test_a_merged_mapping_gives_way_to_the_keys_beside_it():
    text = "base: &base {a: 1, b: 1}\nrow: {<<: *base, b: 2}\n"

    assert value(text)["row"] == {"b": 2, "a": 1}


def test_of_several_merged_mappings_the_first_wins():
    assert value("x: &x {a: 1}\ny: &y {a: 2, b: 2}\nrow: {<<: [*x, *y]}\n")["row"] == {"a": 1, "b": 2}


@pytest.mark.parametrize("text", ["row: {<<: 5}", "row: {<<: [5]}"])
def test_a_merge_of_something_else_is_refused(text):
    assert "'<<' takes a mapping" in problems(text)[0]


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {<<: *a}", "a: &a {b: {c: *a}}"])
def test_an_alias_that_leads_back_is_refused(text):
    assert "leads back" in problems(text)[0]


def test_aliases_that_multiply_are_refused_quickly():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]

    assert "too many values" in problems("\n".join(lines))[-1]


@pytest.mark.parametrize("levels", [3, 40])
def test_mappings_that_merge_others_again_and_again_are_put_together_quickly(levels):
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}], y{n}: 1}}" for n in range(1, levels)]

    found = parse(Path("a.yaml"), "\n".join(lines))

    assert sorted(found.value[f"a{levels - 1}"]) == sorted(["x", *(f"y{n}" for n in range(1, levels))])
    assert found.place((f"a{levels - 1}", "x")).line == 1


def test_a_long_chain_of_merges_is_put_together():
    lines = ["a0: &a0 {x: 1}", *(f"a{n}: &a{n} {{<<: *a{n - 1}}}" for n in range(1, 5000))]

    assert value("\n".join(lines))["a4999"] == {"x": 1}


def test_merges_whose_keys_add_up_are_refused_before_they_fill_the_memory():
    lines = ["a0: &a0 {k0: 1}", *(f"a{n}: &a{n} {{<<: *a{n - 1}, k{n}: 1}}" for n in range(1, 3000))]

    assert "what mappings are merged of (<<) stands for too many values" in problems("\n".join(lines))[0]
    assert len(value("\n".join(lines[:300]))["a299"]) == 300


def test_one_mapping_that_is_merged_very_often_is_looked_at_once():
    lines = ["a: &a", *(f"  k{n}: 1" for n in range(5000)), f"b: {{<<: [{', '.join(['*a'] * 50_000)}]}}"]
    began = time.process_time()

    assert len(value("\n".join(lines))["b"]) == 5000
    assert time.process_time() - began < 30  # looking at it each time takes minutes


def test_very_many_problems_are_cut_short():
    found = problems("\n".join(["a: 1"] * 20_000))

    assert len(found) == 201
    assert found[-1] == "seed.yaml: there are more problems than these"


def test_deep_nesting_is_refused_before_it_can_crash_the_parser():
    assert "nested more than 100 deep" in problems("[" * 100_000)[0]


@pytest.mark.parametrize("tag", ["!!python/object:os.system", "!secret", "!!timestamp", "!!binary", "!!set"])
def test_a_tag_that_json_has_no_type_for_is_refused(tag):
    [problem] = problems(f"a: {tag} x") if "set" not in tag else problems(f"a: {tag} {{x: }}")

    assert f"the tag {tag} is not known here" in problem


def test_text_that_postgresql_cannot_store_is_refused():
    assert [problem.split(": ")[0] for problem in problems('a: "x\\0y"\n"k\\0": 1')] == [
        "seed.yaml:2:1",
        "seed.yaml:1:4",
    ]


def test_half_a_surrogate_pair_is_refused():
    assert problems('a: "\\ud800"')[0].startswith("seed.yaml:1:")


@pytest.mark.parametrize(
    ("text", "place"),
    [("a: [1, 2\nb: 3\n", "seed.yaml:2:"), ("a: 1\n\tb: 2\n", "seed.yaml:2:"), ("a: *nobody\n", "seed.yaml:1:4")],
)
def test_a_syntax_error_has_its_place(text, place):
    [problem] = problems(text)

    assert problem.startswith(place)
    assert "not valid YAML" in problem


def test_two_documents_in_a_file_are_refused():
    assert "not valid YAML" in problems("a: 1\n---\nb: 2\n")[0]


def test_a_control_character_is_refused_with_its_place():
    assert problems("a: 1\nb: \x07\n")[0].startswith("seed.yaml:")


def test_a_file_that_is_not_utf8_is_refused_with_its_line(tmp_path):
    path = tmp_path / "latin1.yaml"
    path.write_bytes("a: 1\nb: Grüße\n".encode("latin-1"))

    with pytest.raises(SeedError, match="byte 0xfc is not UTF-8") as caught:
        read_document(path)

    assert caught.value.place.line == 2


def place(document: Document, *where) -> str:
    found = document.place(where)
    assert found.text is not None
    return found.text[found.column - 1 :]


def test_places_count_characters_not_bytes():
    document = parse(PATH, "é😀: [ä, 中文]\r\nb: {c: 'x'}\r\n")

    assert place(document, "é😀", 1) == "中文]"
    assert place(document, "b", "c") == "'x'}"
    assert document.place(("b", "c")).line == 2


def test_the_place_of_what_is_missing_is_what_should_hold_it():
    document = parse(PATH, "a:\n  - b: 1\n")

    assert str(document.place(("a", 0, "nothing"))) == "seed.yaml:2:5"
    assert str(document.place(("a", 7))) == "seed.yaml:2:3"
    assert str(document.place(("a", 0), key="b")) == "seed.yaml:2:5"


def paths(value, where=()):
    """Give the way to every value in a value, and each key in it."""
    yield where, None
    if isinstance(value, dict):
        for key, child in value.items():
            yield where, key
            yield from paths(child, (*where, key))
        yield (*where, "no such key"), None
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from paths(child, (*where, index))
        yield (*where, len(value)), None


@pytest.mark.parametrize(
    "text",
    [
        "rows:\n  - a: 1\n    b: [x, {c: 2}]\n\n  # between\n  - a: 2\nother: {rows: [1]}\n",
        "rows: [{a: 1, b: 'x, y'}, {a: 2}, [3, 4], -]\n",
        'rows: [{a: "x -"},\n  {a: 2}\n, {a: 3}]\n',
        "rows:\n-\n  a: 1\n- # a comment\n  a: 2\n-   a: |\n      x\n       - y\n    b: 1\n- - 1\n  - 2\n-\n- ''\n",
        "# head\n---\nrows:\n- é😀: ä\r\n  b: 中\r\n- {}\r\n...\n",
        "rows:\n- 'it''s'\n- \"a\\u00e9\"\n- >-\n  folded\n  text\n- null\n- 1e3\n- ~\n- yes\n",
        "rows: &all\n- a: &one 1\n- a: *one\n- {<<: {b: 2}, a: !!str 3}\n",
        "? rows\n: - 1\n  - ? a\n    : b\n",
    ],
)
def test_the_outline_of_a_document_gives_the_values_and_places_that_its_nodes_give(text):
    found, by_nodes = parse(PATH, text), document._by_nodes(PATH, text)

    assert found.value == by_nodes.value
    for where, key in paths(by_nodes.value):
        assert found.place(where, key=key) == by_nodes.place(where, key=key), (where, key)
