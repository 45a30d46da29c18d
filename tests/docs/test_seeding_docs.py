"""The sessions that docs/seeding.md shows of the shipped data are what the commands print."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from sqlmigrate.cli.app import cli
from sqlmigrate.config import Config
from sqlmigrate.review.model import Report, Versions
from sqlmigrate.review.render import terminal
from sqlmigrate.review.seeding import proposed
from sqlmigrate.seeds import load
from sqlmigrate.target import Target
from support.places import ROOT

PAGE = (ROOT / "docs" / "seeding.md").read_text(encoding="utf-8")


def sessions(heading: str) -> list[tuple[list[str], str]]:
    """Give the commands of a section of the page, each with what stands below it."""
    [section] = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    found = []
    for block in re.findall(r"^```console\n(.*?)^```$", section, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            found.append((shlex.split(command), shown))
    return found


VARIABLE = (
    (r"\d+\.\d+ s", "N s"),
    (r"PostgreSQL [\d.]+", "PostgreSQL N"),
    (r"\S*/data/", "data/"),
    (r"\d{4}-\d\d-\d\d [\d:]+", "T"),
    (r" +$", ""),
)


def plain(text: str) -> str:
    """Leave out what differs from run to run: times, the version of PostgreSQL and the folder."""
    for pattern, name in VARIABLE:
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    return text


@pytest.fixture
def shipped(tmp_path, monkeypatch, supabase):
    """The shipped migrations and seed data in a project of their own, and an empty database for them."""
    for folder in ("sql", "data"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "sqlmigrate.toml").write_text('migrations = "sql"\n')
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", supabase.url)
    return tmp_path


def shown(words: list[str]) -> str:
    if words[0] == "sed":
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout
    assert words[0] == "sqlmigrate"
    return CliRunner().invoke(cli, words[1:], catch_exceptions=False).stdout


@pytest.mark.usefixtures("clean_environment", "shipped")
@pytest.mark.parametrize("heading", ["Migrations and seeds in one run", "What was seeded"])
def test_what_commands_print(heading):
    for words, below in sessions(heading):
        assert plain(shown(words)) == plain(below)


@pytest.mark.usefixtures("clean_environment", "shipped")
def test_the_part_of_a_review(supabase):
    CliRunner().invoke(cli, ["apply", "--seed"], catch_exceptions=False)
    supabase.connect().execute("""
        DELETE FROM llms WHERE model_code = 'mistral-small-2506';
        INSERT INTO llms (model_code, provider) VALUES ('gpt-3.5-turbo', 'openai');
        UPDATE system_agents SET status = 'inactive' WHERE agent_type = 'TASK_EXECUTION'""")
    target = Target(supabase.conninfo, "named by the test", private=False)
    found = proposed(Config(), target, load(Path("data")))
    report = Report("fine", "", "2026-11-30T00:00:00Z", Versions("1", None), (), seeds=found)
    [text] = re.findall(r"^## In a review\n.*?^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

    assert text in terminal.plain(terminal.render(report))


@pytest.mark.usefixtures("clean_environment", "shipped")
def test_seed_data_as_sample_rows(monkeypatch, pg_server):
    monkeypatch.delenv("DATABASE_URL")  # its server is the one for throwaway databases here
    monkeypatch.setenv("SQLMIGRATE_SHADOW_URL", pg_server.url())
    [(words, below)] = sessions("Seed data as sample rows")

    assert plain(shown(words)) == plain(below)
