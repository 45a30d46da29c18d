"""The pure parts of drift: access control lists, patterns, names, what belongs to the platform."""

from __future__ import annotations

import pytest

from sqlmigrate.drift.acl import collapse, explode, renamed, requoted, without
from sqlmigrate.drift.ignoring import without as ignoring
from sqlmigrate.drift.naming import rename, schema_of
from sqlmigrate.drift.privileges import DefaultPrivileges, Key, Right, before
from sqlmigrate.schema import Name, Schema

TABLES = Schema(
    {
        Name("table", "public.tmp_a"): {"owner": "me"},
        Name("column", "public.tmp_a.id"): {"table": "public.tmp_a"},
        Name("index", "public.a_pkey"): {"table": "public.tmp_a"},
        Name("sequence", "public.a_seq"): {"owned by": "public.tmp_a.id"},
        Name("table", "public.kept"): {},
        Name("function", "public.f(text[], integer)"): {},
    }
)


@pytest.mark.parametrize(
    "acl",
    [
        ("=r/me", "me=arwdDxtm/me"),
        ('"odd ""one"""=r*w/"x=y/z"', "me=X/me"),
        ('"ärzte"=r/me', "Me_1=r/me"),
        (),
    ],
)
def test_a_list_comes_back_as_it_was(acl):
    assert collapse(explode(acl)) == tuple(sorted(acl))


def test_names_are_quoted_alike_whatever_a_server_quotes():
    written = ('"ärzte"=r/"ärzte"', "=r/me")

    assert requoted(("=r/me", "ärzte=r/ärzte")) == requoted(written) == written


def test_an_item_without_rights_stays():
    assert requoted(("=/ärzte",)) == ('=/"ärzte"',)


def test_two_roles_that_become_one_have_the_rights_of_both():
    assert renamed(("a=rw/a", "b=ar*/a"), lambda name: "b" if name == "a" else name) == ("b=ar*w/b",)


def test_a_right_is_taken_out_of_some_or_all():
    acl = ("a=UC/o", "b=UC/o", "c=C*/o")

    assert without(acl, "C", {"a"}) == ("a=U/o", "b=UC/o", "c=C*/o")
    assert without(acl, "C") == ("a=U/o", "b=U/o")


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("table public.tmp_*", {"public.kept", "public.f(text[], integer)"}),
        ("public.tmp_a", {"public.kept", "public.f(text[], integer)"}),
        ("index *", {name.name for name in TABLES.objects} - {"public.a_pkey"}),
        ("function public.f(text[], integer)", {name.name for name in TABLES.objects} - {"public.f(text[], integer)"}),
        ("public.*", set()),
    ],
)
def test_an_ignored_object_goes_with_its_parts(pattern, left):
    (kept,), useless = ignoring([TABLES], [pattern])

    assert {name.name for name in kept.objects} == left
    assert useless == []


def test_a_pattern_that_matches_nothing_is_reported():
    assert ignoring([TABLES], ["role *", "table PUBLIC.*", "public.kept"])[1] == ["role *", "table PUBLIC.*"]


@pytest.mark.parametrize(
    ("kind", "name", "found", "schema"),
    [
        ("table", 'auth."odd.one"', {}, "auth"),
        ("table", '"a.b".c', {}, '"a.b"'),
        ("trigger", "t on auth.users", {"table": "auth.users"}, "auth"),
        ("function", "auth.uid()", {}, "auth"),
        ("schema", "auth", {}, "auth"),
        ("default privileges", 'for role "a b" in schema auth on tables', {}, "auth"),
        ("default privileges", "for role a on tables", {}, None),
        ("extension", "citext", {}, None),
        ("publication", "p", {}, None),
    ],
)
def test_the_schema_of_an_object_is_known_from_its_name(kind, name, found, schema):
    assert schema_of(Name(kind, name), found) == schema


def test_roles_get_other_names_wherever_they_stand():
    schema = Schema(
        {
            Name("table", "t"): {"owner": "a", "acl": ("a=r/a",), "comment": "a"},
            Name("policy", "p on t"): {"table": "t", "to": ("a", "public")},
            Name("default privileges", "for role a on tables"): {"acl": ("a=r/a",)},
        }
    )

    assert rename(schema, {"a": "The b"}).objects == {
        Name("table", "t"): {"owner": "The b", "acl": ('"The b"=r/"The b"',), "comment": "a"},
        Name("policy", "p on t"): {"table": "t", "to": ("The b", "public")},
        Name("default privileges", 'for role "The b" on tables'): {"acl": ('"The b"=r/"The b"',)},
    }


def test_default_privileges_of_before_are_those_of_now_without_what_migrations_did():
    key, read, write, call = (
        Key("me", None, "f"),
        Right("r", "X", False),
        Right("w", "X", False),
        Right(None, "X", False),
    )
    ground = DefaultPrivileges({}, {key: frozenset({call})})
    made = DefaultPrivileges({key: frozenset({read})}, {key: frozenset({call})})
    live = DefaultPrivileges({key: frozenset({read, write})}, {key: frozenset({call})})

    assert before(live, ground, made, ["me"]).entries == {key: frozenset({call, write})}
    assert before(live, ground, made, ["you"]).entries == {}
