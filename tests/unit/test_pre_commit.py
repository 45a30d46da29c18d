"""The hooks of pre-commit are calls that the command line takes, with the server that the project itself asks for."""

from __future__ import annotations

import re
import shlex
import tomllib

import click
import pytest
import yaml

from sqlmigrate.cli.app import cli
from support.places import ROOT

HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
KEYS = {"id", "name", "description", "entry", "language", "additional_dependencies", "files", "pass_filenames"}


@pytest.mark.parametrize("hook", HOOKS, ids=[hook["id"] for hook in HOOKS])
def test_a_hook_is_a_call_that_the_command_line_takes(hook):
    program, command, *words = shlex.split(hook["entry"])

    assert program == "sqlmigrate"
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    found.make_context(command, words)
    assert set(hook) <= KEYS
    assert re.search(hook["files"], "sql/0001.a.rollback.sql")


def test_the_server_of_a_hook_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [name for hook in HOOKS for name in hook.get("additional_dependencies", ())]

    assert asked == project["optional-dependencies"]["embedded"]


def test_the_page_names_every_hook():
    page = (ROOT / "docs" / "pull-requests.md").read_text(encoding="utf-8")

    assert [hook["id"] for hook in HOOKS] == re.findall(r"- id: (sqlmigrate-\w+)", page)
