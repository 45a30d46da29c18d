"""What only one of two versions of PostgreSQL says of an object is left out between them."""

from __future__ import annotations

import re

import pytest

from sqlmigrate import queries
from sqlmigrate.drift.versions import PUBLIC, SINCE, called, common, is_common
from sqlmigrate.schema import Name

FILES = ("relations", "types", "routines", "others")
MARKED = re.compile(r'AS ("[^"]+"|\w+), -- (?:since (\d+)|from (\d+) to (\d+))$', re.MULTILINE)
KIND = re.compile(r"SELECT '([^']+)' AS kind")
IDENTIFIED = {"collations": "collation"}
"""Queries whose kind pg_identify_object() tells."""


def marked() -> list[tuple[str, str, int]]:
    """Give kind, property and version of all that the queries ask newer versions only."""
    found = []
    for file in FILES:
        for block, text in queries.load(f"catalog/{file}").items():
            kind = IDENTIFIED.get(block) or ((match := KIND.search(text)) and match[1])
            found += [
                (str(kind), name.strip('"'), int(since or first)) for name, since, first, _ in MARKED.findall(text)
            ]
    return found


def test_every_property_that_a_query_asks_newer_versions_only_is_known():
    first: dict[tuple[str, str], int] = {}
    for kind, name, since in marked():
        first[kind, name] = min(since, first.get((kind, name), since))

    assert len(first) >= 10
    assert [key for key, since in first.items() if since not in SINCE.get(key[0], {}).get(key[1], ())] == []


@pytest.mark.parametrize(("majors", "left"), [({15, 18}, {}), ({17, 18}, {}), ({18}, {"generated columns": "n"})])
def test_a_property_of_one_version_is_left_out(majors, left):
    assert common(Name("publication", "p"), {"generated columns": "n"}, majors) == left


@pytest.mark.parametrize(
    ("majors", "rights"), [({14}, "UC"), ({14, 15}, "U"), ({14, 18}, "U"), ({15, 18}, "UC"), ({18}, "UC")]
)
def test_that_anybody_may_create_in_schema_public_is_no_drift_from_before_15(majors, rights):
    found = {"acl": ("=UC/pg_database_owner", "r=UC/pg_database_owner")}

    assert common(PUBLIC, found, majors) == {"acl": (f"={rights}/pg_database_owner", "r=UC/pg_database_owner")}
    assert common(Name("schema", "other"), found, majors) == found


@pytest.mark.parametrize(
    ("kind", "majors", "is_there"),
    [
        ("constraint", {15, 17}, True),
        ("constraint", {17, 18}, False),
        ("constraint", {18}, True),
        ("domain constraint", {16, 17}, False),
        ("domain constraint", {17, 18}, True),
    ],
)
def test_a_not_null_is_a_constraint_since_a_version(kind, majors, is_there):
    assert is_common(Name(kind, "c"), {"definition": "NOT NULL a", "table": "t"}, majors) is is_there


def test_a_not_null_goes_by_its_column():
    found = {"definition": "NOT NULL a", "table": "public.t"}

    assert called(Name("constraint", "x on public.t"), found) == Name("constraint", "NOT NULL a on public.t")
    assert called(Name("constraint", "x on public.t"), {"definition": "CHECK (a)"}) == ("constraint", "x on public.t")


def test_what_a_foreign_key_adds_for_partitions_is_not_compared():
    found = {"definition": "FOREIGN KEY (a) REFERENCES p_1(a)", "table": "public.t", "parent": "k on public.t"}

    assert not is_common(Name("constraint", "k_1 on public.t"), found, {18})
    assert is_common(Name("constraint", "k on public.t_1"), {**found, "table": "public.t_1"}, {18})
