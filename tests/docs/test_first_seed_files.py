"""What docs/seeding.md shows of commands is what they print."""

from __future__ import annotations

import re
import shlex

import pytest

from support.command import call
from support.places import ROOT

PAGE = (ROOT / "docs" / "seeding.md").read_text(encoding="utf-8")
SECTION = PAGE[PAGE.index("## From a table that is there") : PAGE.index("## The mapping")]
ROWS = """
INSERT INTO currencies (code) VALUES ('CHF'), ('NOK');
INSERT INTO countries (code, name, currency_id) VALUES ('NO', 'Norway', 2), ('CH', 'Switzerland', 1);
"""


def block(language: str, number: int = 0) -> str:
    return re.findall(rf"^```{language}\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)[number]


def commands(text: str) -> list[tuple[list[str], str]]:
    """Give each command that a block shows, as words behind `sqlmigrate`, with what it prints."""
    found = [part.partition("\n") for part in text.split("$ sqlmigrate ")[1:]]
    return [(shlex.split(line), printed) for line, _, printed in found]


@pytest.fixture
def project_of_page(tmp_path, database, monkeypatch, capfd):
    """A new project, and a database that has the tables of the page."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database.url)
    (tmp_path / ".git").mkdir()
    assert call(("init",), capfd.readouterr).status == 0
    database.connect().execute(block("sql") + ROWS)
    return tmp_path


def test_five_commands_make_files_of_a_table_that_is_there(project_of_page, database, capfd):
    shown = commands(block("console"))

    assert len(shown) == 5
    for words, printed in shown:
        outcome = call(tuple(words), capfd.readouterr)
        assert (outcome.status, outcome.stdout) == (0, printed), outcome
    assert (project_of_page / "data/countries.yaml").read_text() == block("yaml")
    for words, printed in commands(block("console", 1)):
        assert call(tuple(words), capfd.readouterr).stdout == printed

    database.connect().execute("TRUNCATE countries, currencies RESTART IDENTITY")
    assert call(("seed",), capfd.readouterr).stdout == shown[-1][1].replace(
        "0 inserted, 0 updated, 2", "2 inserted, 0 updated, 0"
    )
