"""The options of commands that try scripts in throwaway databases."""

from __future__ import annotations

from dataclasses import replace

import click
import pytest
from click.testing import CliRunner

from sqlmigrate import shadow
from sqlmigrate.cli.call import App
from sqlmigrate.cli.options import common, shadowing
from sqlmigrate.shadow import Wanted

URL = "postgresql://me:geheim123@localhost/x"


@pytest.fixture
def asked(project):
    """Call a command with these options, and give what it asks of a shadow."""

    @click.command()
    @shadowing
    @common
    def command(app: App, base: str, *, shadow_superuser: bool) -> None:
        found.append(shadow.wanted(app.config, (), base=base, superuser=shadow_superuser))

    def call(*arguments: str) -> Wanted:
        outcome = CliRunner().invoke(command, arguments, catch_exceptions=False)
        assert outcome.exit_code == 0, outcome.output
        return found.pop()

    found: list[Wanted] = []
    return call


def test_without_options_a_private_server_with_the_bootstrap_is_asked_for(asked, project):
    found = asked()

    assert replace(found, before=None) == Wanted(
        bootstrap=project.root / "sql" / "bootstrap", readable=project.root / "sql", cache=2 << 30
    )
    assert asked("--fresh").cache == 0


def test_every_option_counts(asked, project):
    found = asked("--base", "dump", "--shadow-superuser", "--shadow-url", URL, "--fresh")

    assert replace(found, before=None) == Wanted(
        shadow_url=URL, superuser=True, dumped=True, readable=project.root / "sql"
    )


def test_the_variable_counts_and_the_option_beats_it(asked, monkeypatch):
    monkeypatch.setenv("SQLMIGRATE_SHADOW_URL", URL)

    assert asked().shadow_url == URL
    assert asked("--shadow-url", "dbname=other").shadow_url == "dbname=other"


def test_the_role_of_the_settings_is_the_owner(asked, project):
    project.config('role = "app_owner"')

    found = asked()
    assert (found.owner, found.roles) == ("app_owner", {"app_owner"})


def test_the_password_of_the_url_is_never_shown(asked, project, sqlmigrate, monkeypatch):
    monkeypatch.setenv("SQLMIGRATE_SHADOW_URL", URL)

    assert "geheim123" not in repr(asked())
    for options in ([], ["--json"]):
        outcome = sqlmigrate("config", *options)
        assert "geheim123" not in outcome.stdout
        assert "postgresql://me:***@localhost/x" in outcome.stdout
