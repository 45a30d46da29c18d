"""Whatever a configuration, a variable or an option holds, what does not fit is a ConfigError."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlmigrate.config import SETTINGS, load, variable
from sqlmigrate.errors import ConfigError, UsageError
from sqlmigrate.target import choose, named
from support.examples import examples

NAMES = st.sampled_from([*SETTINGS, *(name.replace("_", "-") for name in SETTINGS), "env", "tool", "x", "", "é"])
TEXTS = st.one_of(
    st.sampled_from(["", " ", "~", "~nobody/x", "a,b", "0", "2s", "-1", "9" * 400 + "us", "9" * 5000, "pg_x", "true"]),
    st.sampled_from(
        ["postgresql://u:p@h/d", "host=", "host='", "postgresql://[", "x" * 70, "\ud800", "a\0b", "%zz", "/", "."]
    ),
    st.text(max_size=8),
)
SCALARS = st.one_of(
    TEXTS,
    st.integers(),
    st.just(10**4000),
    st.floats(),
    st.booleans(),
    st.just(dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
    st.just(dt.time(1, 2)),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=8,
)
TABLES = st.dictionaries(NAMES, VALUES, max_size=4)


def toml(value: Any) -> str:
    """Write a value as TOML does, inline."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, int) and abs(value) > 10**100:
        return "9" * 5000  # more digits than Python reads
    return value.isoformat() if isinstance(value, (dt.datetime, dt.time)) else repr(value)


def read(folder: Path, **given_values: Any) -> None:
    """Read the settings, and all that is made of them without a database."""
    with contextlib.suppress(ConfigError):
        found = load(given_values.pop("options", {}), cwd=folder, **given_values)
        for name in SETTINGS:
            str(getattr(found, name))
        for call in (named, lambda config, environ: choose(config, interactive=True, environ=environ)):
            with contextlib.suppress(UsageError):
                call(found, {})


@settings(max_examples=examples(200))
@given(
    TABLES,
    st.sampled_from(["production", "x", ""]),
    st.booleans(),
    st.sampled_from(["sqlmigrate.toml", "pyproject.toml"]),
)
def test_no_file_makes_the_settings_raise_anything_but_an_error(tmp_path_factory, table, env, nested, name):
    folder = tmp_path_factory.mktemp("config")
    head = "tool.sqlmigrate" if nested else "tool"
    text = "\n".join(f"{json.dumps(key)} = {toml(value)}" for key, value in table.items())
    (folder / name).write_text(f"[{head}]\n{text}\n" if nested or name == "pyproject.toml" else text, encoding="utf-8")
    read(folder, environ={}, env=env)


@settings(max_examples=examples(100))
@given(st.text("[]{}=.\"'#,\n\t 0123e+-_:TZabc\\\0\ufeff", max_size=60))
def test_no_text_makes_the_settings_raise_anything_but_an_error(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("config")
    (folder / "sqlmigrate.toml").write_text(text, encoding="utf-8")
    read(folder, environ={})


@settings(max_examples=examples(100))
@given(st.dictionaries(st.sampled_from(SETTINGS), TEXTS, max_size=4))
def test_no_variable_makes_the_settings_raise_anything_but_an_error(tmp_path_factory, found):
    read(tmp_path_factory.getbasetemp(), environ={variable(name): value for name, value in found.items()})


@settings(max_examples=examples(100))
@given(st.dictionaries(st.sampled_from(SETTINGS), VALUES, max_size=4))
def test_no_option_makes_the_settings_raise_anything_but_an_error(tmp_path_factory, found):
    read(tmp_path_factory.getbasetemp(), environ={}, options=found)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * 100_000,
        "a" + ".a" * 100_000 + " = 1",  # of which tomllib takes minutes
        "x = {" + '"a" . ' * 100_000 + "a = 1}",
        "[" + "'a'." * 100_000 + "a]",
    ],
    ids=["brackets", "dots", "inline", "table"],
)
def test_a_file_that_is_nested_too_deeply_is_refused(tmp_path, text):
    (tmp_path / "sqlmigrate.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="nested too deeply"):
        load({}, cwd=tmp_path, environ={})
