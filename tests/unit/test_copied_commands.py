"""A command that a message tells somebody to run holds names of others only as a shell takes them for one word."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import sqlmigrate
from sqlmigrate.cli.app import COMMANDS
from support.places import ROOT

NAMES = "|".join(COMMANDS)
COMMAND = re.compile(rf"(?:sqlmigrate (?:{NAMES}) |--schema |--migration-table |manage\.py [\w -]+)[^`;:]*$")
OURS = {"VERSION", "adopted", "hazard.code", "error.option_name", "when", "remark(info.database)", "info.host"}


def unquoted(path: Path) -> list[str]:
    """Give what stands in a command of an f-string as it is."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        text = ""
        for part in node.values if isinstance(node, ast.JoinedStr) else ():
            if isinstance(part, ast.Constant):
                text += str(part.value)
            elif isinstance(part, ast.FormattedValue):
                word = ast.unparse(part.value)
                if COMMAND.search(text) and "quote" not in word and word not in OURS:
                    found.append(f"{path.name}:{part.lineno}: {word}")
                text += "apply"  # which command it is may be a value, too
    return found


def test_names_in_commands_are_quoted():
    root = Path(sqlmigrate.__file__).parent
    assert root.is_relative_to(ROOT)

    assert [said for path in sorted(root.rglob("*.py")) for said in unquoted(path)] == []
