"""pytest loads the plug-in in every run, so it costs next to nothing until a fixture runs."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest
from psycopg.conninfo import conninfo_to_dict

from sqlmigrate.testing.template import as_url
from support.command import environment
from support.places import ROOT

PLUGIN = "sqlmigrate.testing.plugin"


def test_the_plugin_imports_nothing_but_pytest():
    code = f"import pytest, sys; before = set(sys.modules); import {PLUGIN}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], env=environment({}), capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["sqlmigrate", "sqlmigrate.testing", PLUGIN]


def test_pytest_finds_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["entry-points"]["pytest11"] == {"sqlmigrate": PLUGIN}
    assert [one.split(">")[0] for one in project["optional-dependencies"]["pytest"]] == ["pytest"]


@pytest.mark.parametrize(
    ("conninfo", "url"),
    [
        ("host=h port=5 dbname=d user=u password=p", "postgresql://u:p@h:5/d"),
        ("host=h dbname=d", "postgresql://h/d"),
        ("dbname=d", "postgresql:///d"),
        ("host='/run/a b' port=5 dbname='d/e' user='u@x'", "postgresql://u%40x@/d%2Fe?host=%2Frun%2Fa%20b&port=5"),
        ("host=a,b port=1,2 dbname=d", "postgresql:///d?host=a%2Cb&port=1%2C2"),
        ("host=::1 port=5 dbname=d", "postgresql:///d?host=%3A%3A1&port=5"),
        ("host=h dbname=d sslmode=require", "postgresql://h/d?sslmode=require"),
    ],
)
def test_a_connection_string_as_a_url(conninfo, url):
    assert as_url(conninfo) == url
    assert conninfo_to_dict(url) == conninfo_to_dict(conninfo)
