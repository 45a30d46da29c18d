"""The page about test suites: all that it shows is run, as one suite."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module

import pytest

from sqlmigrate import testing
from sqlmigrate.testing import plugin
from support.command import environment
from support.places import ROOT
from support.suites import named_server, own_state

PAGE = (ROOT / "docs/testing.md").read_text()
FILE = re.compile(r"^`([^`\n]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_example_of_the_page_passes(database, tmp_path):
    for tool in ("sqlalchemy", "django", "fastapi", "httpx"):
        import_module(tool)
    for path, text in FILE.findall(PAGE):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not round_trips"]

    with own_state() as state, named_server(database) as url:
        done = subprocess.run(
            [*command, "--sqlmigrate-url", url],
            cwd=tmp_path,
            env=environment({"SQLMIGRATE_STATE_DIR": str(state)}),
            capture_output=True,
            text=True,
            check=False,
        )

    assert "7 passed, 2 skipped" in done.stdout, done.stdout + done.stderr


def test_every_fixture_option_and_ready_test_is_on_the_page():
    source = (ROOT / "src/sqlmigrate/testing/plugin.py").read_text()
    fixtures = [name for name in vars(plugin) if name.startswith("sqlmigrate_")]
    options = re.findall(r'"(--sqlmigrate-[a-z]+)"|addini\(\s*"(\w+)"', source)

    assert len(fixtures) == 4
    for name in [*fixtures, *testing.__all__, *(one or other for one, other in options)]:
        assert re.search(rf"`{name}[` ]", PAGE), name


@pytest.mark.parametrize("name", testing.__all__)
def test_a_ready_test_says_what_it_is_for(name):
    assert getattr(testing, name).__doc__
