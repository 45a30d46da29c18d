"""What is written as YAML is read as the same values: by our reader, and by one of YAML 1.1."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlmigrate.seeds.exporting.texts import as_yaml, schema_text
from sqlmigrate.seeds.exporting.yaml_text import Written, row
from sqlmigrate.seeds.reading.document import parse
from support.examples import examples

WORDS = st.one_of(
    st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=8),
    st.text("ab \n-:#'\"[]{}é\u2028\x85\ufeff\t|>", max_size=8),
    st.sampled_from(["yes", "NO", "1e3", "0x1f", "010", "2024-02-29", "~", "null", "a: b", "<<", "*a", "&a", "!x",
                     "12:30", "1_000", ".inf", "a\nb", "a\n b\n", "a\n\n\nb\n\n", " a\nb", "\n", "---", "a\n---\nb",
                     "a \nb ", "a\r\nb", "...\n...", "=", "y", "on"]),
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=8,
)
ROWS = st.lists(st.dictionaries(WORDS, VALUES, min_size=1, max_size=4), min_size=1, max_size=3)


@settings(max_examples=examples(60), deadline=None)
@given(ROWS)
def test_every_reader_takes_it_for_the_same(rows):
    text = "list:\n" + "".join(map(row, rows))

    assert parse(Path("x"), text).value == {"list": rows}
    assert yaml.safe_load(text) == {"list": rows}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Hello World", "Hello World"),
        ("a0eebc99-9c0b", "a0eebc99-9c0b"),
        ("no", '"no"'),
        ("1e3", '"1e3"'),
        ("2024-02-29", '"2024-02-29"'),
        (Written("9.90"), "9.90"),
        (["a", None, 1], "[a, null, 1]"),
        ("one\n  two\n", "|\n      one\n        two"),
        ({"b": {"c": []}}, "\n      b:\n        c: []"),
    ],
)
def test_it_is_pleasant_to_read(value, text):
    assert row({"a": value}) == f"  - a:{'' if text[0] == chr(10) else ' '}{text}\n"


PARTS = ["::error::x", "##vso[a]", "##[b]", "###", "[", "\n", " ", "a", "\x9b", "\u202e", "\u2028"]
LOGGED = st.lists(st.sampled_from(PARTS)).map("".join)


@given(LOGGED, LOGGED)
def test_a_log_carries_nothing_out_of_it(key, value):
    rows = [{key: value, "list": [value], "in": {"it": value}}]
    text, schema = "".join(as_yaml(rows, "list")), schema_text({key: value})

    assert parse(Path("x"), text).value == yaml.safe_load(text) == {"list": rows}
    assert json.loads(schema) == {key: value}
    for line in (text + schema).splitlines():
        assert not line.lstrip().startswith("::")
        assert not re.search(r"##\w*\[", line)
    assert not set(text + schema) & set("\x9b\u202e\u2028")
