"""Waves: which targets are opened together."""

from __future__ import annotations

import pytest

from sqlmigrate.errors import UsageError
from sqlmigrate.fleet.waves import read_wish, share_out

TAGS = {f"t{number}": () for number in range(1, 11)} | {"beta1": ("beta",), "beta2": ("beta", "eu"), "c1": ("canary",)}


def waves(*texts, tags=TAGS):
    return {wave.name: wave.targets for wave in share_out(tags, [read_wish(text) for text in texts])}


def test_without_a_wave_all_targets_are_in_one():
    assert waves() == {"all": tuple(TAGS)}


def test_each_target_is_in_the_first_wave_that_asks_for_it():
    found = waves("tag:beta", "canary=2", "50%", "rest")

    assert found == {
        "tag:beta": ("beta1", "beta2"),
        "canary": ("c1", "t1"),
        "50%": ("t2", "t3", "t4", "t5", "t6", "t7", "t8"),
        "rest": ("t9", "t10"),
    }


def test_a_word_stands_for_the_tag_of_that_name():
    assert waves("beta", "first=eu", "rest") == {
        "beta": ("beta1", "beta2"),
        "rest": (*(f"t{number}" for number in range(1, 11)), "c1"),
    }
    assert waves("first=canary") == {"first": ("c1",)}


def test_a_share_is_of_all_targets_and_at_least_one():
    assert waves("1%") == {"1%": ("t1",)}
    assert waves("later=tag:eu", "100%")["100%"] == tuple(name for name in TAGS if name != "beta2")


def test_what_no_wave_asks_for_is_in_none():
    assert waves("3") == {"3": ("t1", "t2", "t3")}


def test_a_wave_for_which_nothing_is_left_is_left_out():
    assert waves("rest", "again=rest") == {"rest": tuple(TAGS)}
    assert waves("rest", tags={}) == {}


@pytest.mark.parametrize("text", ["", "0", "0%", "101%", "canary=", "=5", "tag:", "-1", "1.5", "5 %", "a b"])
def test_what_is_no_wave_is_refused(text):
    with pytest.raises(UsageError) as caught:
        read_wish(text)

    assert repr(text) in str(caught.value) or text in str(caught.value)
    assert "canary=5" in caught.value.hint


def test_two_waves_of_one_name_are_refused():
    with pytest.raises(UsageError, match="two waves have the name 5"):
        waves("5", "5")


def test_a_tag_that_no_target_has_is_refused():
    with pytest.raises(UsageError, match="no target has the tag bata") as caught:
        waves("tag:bata")

    assert caught.value.hint == "the tags are beta, canary, eu"
