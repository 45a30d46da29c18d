"""The sessions of docs/seeding.md about pruning and environments are run, with the shipped data where they use it."""

from __future__ import annotations

import re
import shlex
import shutil

import pytest

from support.places import ROOT
from support.seeds import SeedFiles

PAGE = (ROOT / "docs" / "seeding.md").read_text(encoding="utf-8")


def sessions(title: str) -> list[list[tuple[list[str], list[str]]]]:
    """Give the sessions of a section: commands, each with the lines that it prints."""
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    return [[_step(step) for step in block.split("$ sqlmigrate ")[1:]] for block in blocks]


def _step(text: str) -> tuple[list[str], list[str]]:
    command, *lines = text.splitlines()
    return shlex.split(command), lines


@pytest.fixture
def page(project, sqlmigrate):
    """Call a command as the page does, and give what it prints: what is on stderr first."""

    def run(arguments: list[str]) -> list[str]:
        outcome = sqlmigrate(*arguments)
        lines = [*outcome.stderr.splitlines(), *outcome.lines]
        return [line.replace(f"{project.root}/", "") for line in lines if not line.startswith("database ")]

    return run


@pytest.fixture
def shipped(project, supabase, monkeypatch):
    """The tables and the data of this repository."""
    monkeypatch.setenv("DATABASE_URL", supabase.url)
    session = supabase.connect()
    for name in ("20260301_agent_baseline", "20260304_simplify_agent_architecture"):
        with session.transaction():
            session.execute((ROOT / "sql" / f"{name}.sql").read_bytes())
    shutil.copytree(ROOT / "data", project.root / "data")
    return project.root / "data"


def test_columns_of_the_shipped_data_are_set(shipped, page):
    page(["seed"])
    path = shipped / "llms.yaml"
    text, left = re.subn(r"  - model_code: gpt-4o-2024-11-20\n(    .*\n)+", "", path.read_text(encoding="utf-8"))
    assert left == 1
    path.write_text(text, encoding="utf-8")

    for arguments, lines in sessions("Rows that no file names: `--prune`")[0]:
        assert page(arguments) == lines


def test_rows_are_deleted_with_what_refers_to_them(project, target, page):
    target.connect().execute(
        "CREATE TABLE countries (code text PRIMARY KEY, name text);"
        "CREATE TABLE cities (name text, country text REFERENCES countries ON DELETE CASCADE);"
        "INSERT INTO countries VALUES ('CH', 'Switzerland'), ('NO', 'Norway'), ('XX', 'Nowhere');"
        "INSERT INTO cities VALUES ('Bern', 'CH'), ('Atlantis', 'XX'), ('Utopia', 'XX')"
    )
    (project.root / "data").mkdir()
    mapping = {"list": "countries", "table": "public.countries", "conflict": ["code"], "prune": "delete"}
    files = SeedFiles(project.root / "data")
    files.file("countries", mapping, "countries: [{code: CH, name: Switzerland}, {code: 'NO', name: Norway}]")

    for arguments, lines in sessions("Rows that no file names: `--prune`")[1]:
        assert page(arguments) == lines


def test_the_shipped_data_has_a_layer_for_staging(project, page):
    shutil.copytree(ROOT / "data", project.root / "data")
    project.config("[env.staging]\n")
    [[(arguments, lines)]] = sessions("Environments")

    shown = page(arguments)

    assert lines[-1] == "..."
    assert shown[: len(lines) - 1] == lines[:-1]
    assert any(line.endswith("(data/staging/llms.yaml:10:5)") for line in shown)
