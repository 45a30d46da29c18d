"""The examples of docs/proven-rollbacks.md have the verdicts under which they stand, and say what is said."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from sqlmigrate.cli.app import cli
from support.places import ROOT

PAGE = ROOT / "docs" / "proven-rollbacks.md"
FILES = {"before": "0.sql", "samples": "samples/1.sql", "apply": "1.sql", "rollback": "1.rollback.sql"}


def examples() -> dict[str, tuple[str, str]]:
    """Give the SQL and the words of each example by its verdict."""
    sections = re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    found = {}
    for verdict, text in sections:
        blocks = dict(re.findall(r"```(sql|text)\n(.*?)```", text, re.DOTALL))
        if "sql" in blocks:
            found[verdict] = (blocks["sql"], blocks.get("text", ""))
    return found


def test_the_page_has_an_example_of_each_verdict_that_has_one():
    assert list(examples()) == ["exact", "text_only", "order_only", "lossy", "not_restored", "fails"]


@pytest.mark.usefixtures("clean_environment")
def test_the_examples_have_their_verdicts(project):
    """All of them at once: a server for each would take long."""
    for number, (sql, _) in enumerate(examples().values()):
        parts = dict(re.findall(r"^-- (\w+)\n(.*?)(?=^-- \w+\n|\Z)", sql, re.MULTILINE | re.DOTALL))
        for part, name in FILES.items():
            if part in parts:
                folder, _, file = name.rpartition("/")
                text = parts[part].replace("orders", f"orders_{number}")
                project.file(f"{folder}/{number}_{file}" if folder else f"{number}_{file}", text)
    result = CliRunner().invoke(cli, ["roundtrip", "-q", "-m", str(project.directory)])

    for number, (verdict, (_, words)) in enumerate(examples().items()):
        assert f"\n{number}_1: {verdict} (" in result.output
        for line in words.splitlines():
            assert line.replace("orders", f"orders_{number}") in result.output
    assert result.exit_code == 3
