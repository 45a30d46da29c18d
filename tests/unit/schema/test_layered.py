"""A mapping under changes is read like the dict that it stands for."""

from __future__ import annotations

from random import Random

from sqlmigrate.schema.layered import Layered
from sqlmigrate.schema.model import Name, Schema
from sqlmigrate.schema.read import Origin, Snapshot

KINDS = ("table", "index", "view")


def _name(number: int) -> tuple[str, int]:
    return KINDS[number % len(KINDS)], number


def test_what_is_changed_is_read_in_one_order_as_a_whole_and_in_parts():
    random = Random(1)
    below = {_name(number): 0 for number in range(40)}
    found, wanted = Layered(below), dict(below)
    for change in range(1, 30):
        gone, new = ([_name(random.randrange(50)) for _ in range(2)] for _ in range(2))
        found = found.changed(gone, dict.fromkeys(new, change))
        wanted = {key: value for key, value in wanted.items() if key not in gone} | dict.fromkeys(new, change)

        assert dict(found.items()) == wanted
        assert list(found.items()) == [(key, wanted[key]) for key in found]
        assert list(found.values()) == [wanted[key] for key in found]
        for kind in KINDS:
            part = found.part(
                {key[1]: value for key, value in found.below(dict).items() if key[0] == kind},
                lambda key, kind=kind: key[1] if key[0] == kind else None,
            )
            assert list(part.items()) == [(key[1], value) for key, value in found.items() if key[0] == kind]


def test_what_is_made_of_the_mapping_below_is_made_once():
    calls = []

    def count(below):
        calls.append(len(below))
        return len(below)

    first = Layered({number: number for number in range(20)})
    assert [each.below(count) for each in (first, first.changed([1], {2: 3}))] == [20, 20]
    assert calls == [20]


def test_a_schema_with_user_mappings_is_read_by_each_for_himself():
    plain, mapped = (
        Snapshot(Schema({Name(kind, "a"): {}}), Origin("server", frozenset(), cluster=False), {}, {})
        for kind in ("table", "user mapping")
    )
    assert (plain.is_for_all, mapped.is_for_all) == (True, False)
