"""Whatever a seed file and its schema hold, what is wrong is a SeedError, and it comes soon."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlmigrate.errors import SeedError
from sqlmigrate.files.patterns import PatternError, Patterns
from sqlmigrate.seeds import load
from sqlmigrate.seeds.reading import document, quick
from sqlmigrate.seeds.reading.rules import _Check
from support.examples import examples
from support.places import ROOT

MAPPING = {"list": "rows", "table": "public.t", "conflict": ["code"]}
NAMES = st.sampled_from(["rows", "code", "n", "d", "a"])
REFERENCES = st.sampled_from(
    [
        "#",
        "#/",
        "#/$defs/a",
        "#a",
        "#/properties/rows/items",
        "#/%zz",
        "#/allOf/0",
        "#/items",
        "#x",
        "#/$defs/a/allOf/0",
    ]
)
PIECES = st.sampled_from(
    [
        *(
            "^a$",
            r"\\p{L}",
            "(a+)+$",
            r"(?<x>a)\\k<x>",
            "a{2,}",
            r"\\u{41}",
            "[^]",
            "[]",
            "(?i)a",
            r"\\cA",
            "(?=a)",
            r"[\\d-z]",
        ),
        *(
            "a{,3}",
            "(?P<a>.)",
            "(?R)",
            "(?1)",
            "(a){e<=1}",
            r"\\L<x>",
            "[[:alpha:]]",
            "(?|a|b)",
            r"\\K",
            r"\\X",
            "(?V1)[a--b]",
        ),
        *(
            "a++",
            "(?>a)",
            "(?",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            "*",
            "+",
            "?",
            "|",
            "^",
            "$",
            ".",
            r"\\",
            "{9}",
            "{99}",
            "{999999}",
        ),
    ]
)
PATTERNS = st.lists(st.one_of(PIECES, st.text(max_size=2)), max_size=6).map("".join)
NUMBERS = st.one_of(st.integers(0, 5), st.just(10**400), st.floats(allow_nan=False, allow_infinity=False))
SIZES = st.one_of(st.integers(0, 5), st.just(10**400))
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.just(10**4000), st.floats(), st.text(max_size=5))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=8,
)


def _keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    objects = st.dictionaries(NAMES, inner, max_size=3)
    several = st.lists(inner, min_size=1, max_size=3)
    kinds = {
        REFERENCES: ["$ref", "$dynamicRef"],
        st.sampled_from(["x", "http://e/x", "urn:a", "#", "a#b", "http://[", "/"]): ["$id"],
        st.sampled_from(["a", "x"]): ["$anchor", "$dynamicAnchor"],
        objects: ["$defs", "properties", "dependentSchemas", "definitions"],
        inner: [
            *(
                "items",
                "contains",
                "additionalProperties",
                "propertyNames",
                "unevaluatedProperties",
                "unevaluatedItems",
            ),
            *("not", "if", "then", "else"),
        ],
        several: ["allOf", "anyOf", "oneOf", "prefixItems"],
        st.dictionaries(PATTERNS, inner, max_size=2): ["patternProperties"],
        PATTERNS: ["pattern"],
        st.sampled_from(["object", "array", "string", "integer", "number", "null", "boolean"]): ["type"],
        st.lists(VALUES, min_size=1, max_size=3): ["enum"],
        VALUES: ["const", "default", "examples", "minimum", "type", "required", "$ref"],
        NUMBERS: ["multipleOf", "maximum", "exclusiveMaximum"],
        SIZES: ["maxLength", "minLength", "maxItems", "minItems", "minContains", "maxContains", "maxProperties"],
        st.booleans(): ["uniqueItems"],
        st.lists(NAMES, unique=True, max_size=2): ["required"],
    }
    keywords = {name: strategy for strategy, names in kinds.items() for name in names}
    chosen = st.lists(st.sampled_from(sorted(keywords)), max_size=4, unique=True)
    return chosen.flatmap(lambda names: st.fixed_dictionaries({name: keywords[name] for name in names}))


META = jsonschema.Draft202012Validator(jsonschema.Draft202012Validator.META_SCHEMA)  # as for the schemas of seeds
SCHEMAS = _keywords(st.recursive(st.booleans(), _keywords, max_leaves=8))
ROWS = st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=4)
TEXTS = st.text("rows:-[]{}&*<'\"!?|>#%@`,~ \n\t1a.e\0\x85\ufeff\U0001f600", max_size=60)


def _read(folder: Any, schema: str, text: str) -> None:
    (folder / "t.schema.json").write_text(schema, encoding="utf-8", errors="surrogatepass")
    (folder / "t.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
    began = time.process_time()
    with contextlib.suppress(SeedError):
        load(folder)
    assert time.process_time() - began < 5


@settings(max_examples=examples(250))
@given(SCHEMAS, ROWS)
def test_no_schema_makes_reading_raise_anything_but_an_error(tmp_path_factory, schema, rows):
    numbered = [
        {"code": str(number)} | {key: row[key] for key in row.keys() - {"code"}} for number, row in enumerate(rows)
    ]
    text = json.dumps({"rows": numbered})
    _read(tmp_path_factory.mktemp("seeds"), json.dumps(schema | {"x-sqlmigrate": MAPPING}), text)


@settings(max_examples=examples(250))
@given(SCHEMAS, VALUES)
def test_what_is_accepted_quickly_has_no_violation(schema, value):
    with contextlib.suppress(PatternError, RecursionError):
        if not META.is_valid(schema):
            return
        fits = quick.compiled(schema, Patterns())
        if fits and fits(value):
            assert not list(_Check(value).validator(schema).iter_errors(value))


def test_common_schemas_are_known_to_the_quick_check():
    for path in ROOT.glob("data/*.schema.json"):
        found = quick.compiled(json.loads(path.read_text(encoding="utf-8")), Patterns())
        assert found is not None
        assert found(document.read_document(path.with_name(path.name.replace(".schema.json", ".yaml"))).value)


@settings(max_examples=examples(150))
@given(
    st.one_of(TEXTS, VALUES.map(json.dumps)),
    st.one_of(st.just(json.dumps({"x-sqlmigrate": MAPPING})), TEXTS, VALUES.map(json.dumps)),
)
def test_no_text_makes_reading_raise_anything_but_an_error(tmp_path_factory, text, schema):
    _read(tmp_path_factory.mktemp("seeds"), schema, text)


@settings(max_examples=examples(150))
@given(VALUES)
def test_no_mapping_makes_reading_raise_anything_but_an_error(tmp_path_factory, value):
    _read(tmp_path_factory.mktemp("seeds"), json.dumps({"x-sqlmigrate": value}), "rows: [{code: a}]")


@settings(max_examples=examples(200))
@given(PATTERNS, st.text("ab1\u00e9", max_size=40))
def test_no_pattern_runs_for_ever_or_raises_anything_but_an_error(pattern, text):
    began = time.process_time()
    with contextlib.suppress(PatternError):
        Patterns().matches(pattern, text * 5)
    assert time.process_time() - began < 2


@settings(max_examples=examples(100))
@given(PATTERNS, st.lists(st.text("ab1\u00e9", max_size=40), max_size=4), st.sampled_from([1, 9]))
def test_a_pattern_that_matches_in_all_texts_matches_in_each(pattern, texts, longer):
    texts = [text * longer for text in texts]
    began = time.process_time()
    with contextlib.suppress(PatternError):
        found = Patterns().match_all(pattern, texts)
        assert time.process_time() - began < 2
        each = [Patterns().matches(pattern, text) for text in texts]
        assert all(each) or not found


def test_a_pattern_that_takes_long_is_not_known_to_match():
    assert Patterns().match_all("^(a|aa)+$", ["a" * 10, "aa"])
    assert not Patterns().match_all("^(a|aa)+$", ["a" * 10, "a" * 60 + "b"])
    assert not Patterns().match_all("^[a-z]+$", ["a", "B"])
