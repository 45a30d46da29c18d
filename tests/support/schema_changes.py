"""The table of single changes that a schema must show or must not show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("schema_changes.txt")


@dataclass(frozen=True)
class Case:
    """One statement that changes a schema; `undo` takes it back, or else a rollback does."""

    do: str
    undo: str = "ROLLBACK TO before"
    seen: str = ""
    setup: str = ""
    since: str = "14"
    until: str = "99"
    extension: str = ""

    def __str__(self) -> str:
        return self.do[:80]


def read_cases() -> list[Case]:
    """Read the table: paragraphs of lines `key: text`, in which `\\n` is a line break."""
    cases = []
    for paragraph in TABLE.read_text(encoding="utf-8").split("\n\n"):
        lines = [line.split(": ", 1) for line in paragraph.splitlines() if not line.startswith("#")]
        if lines:
            cases.append(Case(**{key: text.replace("\\n", "\n") for key, text in lines}))
    return cases
