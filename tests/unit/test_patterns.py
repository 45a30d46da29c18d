"""Patterns of a configuration hide statements, in time that is bounded whatever they say."""

from __future__ import annotations

import time

import pytest

from sqlmigrate.config.values import parse_setting
from sqlmigrate.errors import ConfigError, Error
from sqlmigrate.files.patterns import Hidden


def test_a_pattern_hides_as_python_reads_it():
    hidden = Hidden([r"card_number", r"(?i)^select\s+(?P<what>secret)$"])

    texts = ["SELECT card_number", "select  SECRET", "SELECT secret FROM a", "SELECT 1"]
    assert [hidden.hides(text) for text in texts] == [True, True, False, False]
    assert not Hidden().hides("SELECT 1")


@pytest.mark.parametrize("pattern", [r"^(a|aa)+$", r"(x+x+)+y"])
def test_a_pattern_that_would_run_for_ever_is_an_error_that_shows_no_statement(pattern):
    began = time.process_time()

    with pytest.raises(Error, match="of workload_hide takes too long") as caught:
        [Hidden([pattern]).hides(text) for text in ("a" * 50_000 + "b", "x" * 50_000)]

    assert "aaaa" not in str(caught.value)
    assert "xxxx" not in str(caught.value)
    assert time.process_time() - began < 30


@pytest.mark.parametrize(
    "pattern", ["(", "a" * 2_001, "((a{100}){100}){100}", f"{'(' * 990}{')' * 990}", "a{99999999999}"]
)
def test_what_is_none_or_too_large_is_refused_with_the_configuration(tmp_path, pattern):
    with pytest.raises(ConfigError):
        parse_setting("workload_hide", [pattern], "sqlmigrate.toml", tmp_path)
