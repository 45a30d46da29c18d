"""Two schemas are compared, and the difference is said as text and as data."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from sqlmigrate.schema import Name, Schema, Value
from sqlmigrate.schema.diff import as_json, as_text, compare, is_order

EMPTY = Schema({})


def column(table: str, name: str, position: int, **properties: Value) -> tuple[Name, Mapping[str, Value]]:
    return Name("column", f"{table}.{name}"), {"table": table, "position": position, "type": "text", **properties}


def table(name: str, *columns: str) -> Schema:
    parts = [column(name, label, rank) for rank, label in enumerate(columns, 1)]
    return Schema({Name("table", name): {"owner": "app"}, **dict(parts)})


def one(kind: str, name: str, **properties: Value) -> Schema:
    return Schema({Name(kind, name): properties})


schemas = st.dictionaries(
    st.builds(Name, st.sampled_from(["table", "view"]), st.sampled_from("abc")),
    st.dictionaries(st.sampled_from(["owner", "acl"]), st.one_of(st.text(max_size=2), st.tuples(st.text(max_size=2)))),
).map(Schema)


@given(schemas)
def test_a_schema_does_not_differ_from_itself(schema):
    assert compare(schema, Schema({name: dict(value) for name, value in schema.objects.items()})) == ()


@given(schemas, schemas)
def test_nothing_differs_just_where_fingerprints_are_equal(one, other):
    assert (compare(one, other) == ()) == (one.fingerprint() == other.fingerprint())


def test_a_fingerprint_is_the_same_everywhere_and_in_any_order():
    objects = list(table("public.t", "a", "b", "c").objects.items())
    random.shuffle(objects)

    assert Schema(dict(objects)).fingerprint() == table("public.t", "a", "b", "c").fingerprint()
    assert EMPTY.fingerprint() == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_a_new_table_is_one_line_with_its_parts():
    assert as_text(compare(EMPTY, table("public.t", "a", "b"))) == ["+ table public.t: 2 columns"]
    assert as_text(compare(table("public.t", "a"), EMPTY)) == ["- table public.t: 1 column"]


def test_a_column_that_went_says_its_type_and_what_is_special():
    before = table("public.t", "a")
    name, properties = column("public.t", "b", 2, default="0", **{"not null": True})

    changes = compare(Schema({**before.objects, name: properties}), before)
    assert as_text(changes) == ["- column public.t.b: text, default 0, not null"]
    assert not all(map(is_order, changes))


def test_a_column_that_moved_is_the_only_one_that_differs():
    changes = compare(table("public.t", "a", "b", "c", "d"), table("public.t", "a", "c", "d", "b"))

    assert as_text(changes) == ["~ column public.t.b: position 2 -> 4"]
    assert all(map(is_order, changes))


def test_a_column_that_went_moves_no_other():
    changes = compare(table("public.t", "a", "b", "c", "d"), table("public.t", "a", "c", "d"))

    assert as_text(changes) == ["- column public.t.b: text"]


def test_attributes_that_moved_are_more_than_an_order():
    def pair(*names: str) -> Schema:
        parts = {
            Name("attribute", f"public.p.{name}"): {"table": "public.p", "position": at}
            for at, name in enumerate(names)
        }
        return Schema(parts)

    (change,) = compare(pair("a", "b"), pair("b", "a"))

    assert change.property == "position"
    assert not is_order(change)


def test_a_property_says_before_and_after():
    before = one("index", "public.i", invalid=True, comment="old")
    after = one("index", "public.i")

    assert as_text(compare(before, after)) == [
        "~ index public.i: comment old -> none",
        "~ index public.i: invalid yes -> no",
    ]


def test_of_a_list_only_what_went_and_came_is_said():
    before = one("table", "public.t", acl=("a=r/o", "b=r/o"))
    after = one("table", "public.t", acl=("a=rw/o", "b=r/o"))

    assert as_text(compare(before, after)) == ["~ table public.t: acl - a=r/o + a=rw/o"]


def test_of_a_list_in_another_order_all_is_said():
    assert as_text(compare(one("type", "t", labels=("a", "b")), one("type", "t", labels=("b", "a")))) == [
        "~ type t: labels a, b -> b, a"
    ]


def test_long_definitions_are_a_small_unified_diff():
    before = one("function", "f()", definition="CREATE FUNCTION f()\n AS\n SELECT 1\n END")
    after = one("function", "f()", definition="CREATE FUNCTION f()\n AS\n SELECT 2\n END")

    assert as_text(compare(before, after)) == [
        "~ function f(): definition",
        "    @@ -2,3 +2,3 @@",
        "      AS",
        "    - SELECT 1",
        "    + SELECT 2",
        "      END",
    ]


def test_a_definition_of_a_hundred_lines_is_cut():
    lines = as_text(compare(EMPTY, one("view", "v", definition="\n".join(str(number) for number in range(100)))))

    assert lines[:2] == ["+ view v", "    +0"]
    assert lines[-2:] == ["    +39", "    ..."]


def test_changes_of_a_table_stand_together():
    before = {**table("public.a", "x").objects, **table("public.b", "x").objects}
    index = {Name("index", "public.z"): {"table": "public.a", "definition": "CREATE INDEX"}}
    after = {**table("public.a", "x", "y").objects, **table("public.b", "x", "y").objects, **index}

    assert [line.split(":")[0] for line in as_text(compare(Schema(before), Schema(after)))] == [
        "+ column public.a.y",
        "+ index public.z",
        "+ column public.b.y",
    ]


def test_json_holds_all_of_it():
    (added,) = as_json(compare(EMPTY, table("public.t", "a")))
    (changed,) = as_json(compare(one("view", "v", acl=("a",)), one("view", "v")))

    assert json.loads(json.dumps(changed)) == {
        "kind": "changed",
        "object": {"kind": "view", "name": "v"},
        "property": "acl",
        "before": ["a"],
        "after": None,
    }
    assert added["object"] == {"kind": "table", "name": "public.t"}
    assert added["properties"] == {"owner": "app"}
    assert [part["object"]["name"] for part in added["parts"]] == ["public.t.a"]
