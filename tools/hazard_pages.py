"""Write the pages of docs/hazards/ from the rules and their tested examples: python tools/hazard_pages.py."""

from __future__ import annotations

import textwrap
from pathlib import Path

from sqlmigrate.review.hazards import RULES, Rule

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "docs" / "hazards"
EXAMPLES = ROOT / "tests" / "data" / "hazards"

_INDEX = """# Hazards

What `sqlmigrate review` warns of. Each has a page with an example that has it and one that has not; a test runs both on
PostgreSQL. *danger* and *warning* are findings; a *note* is for reading.

To allow one, say so directly before the statement, with the reason; the report lists it:

```sql
-- sqlmigrate-allow: H06 the table is empty until this version is released
CREATE INDEX orders_placed ON orders (placed);
```

| code | what | severity |
|---|---|---|
"""


def pages() -> dict[str, str]:
    """Give every page by its file name."""
    rows = (f"| [{rule.code}]({Path(rule.page).name}) | {rule.title} | {rule.severity} |\n" for rule in RULES)
    return {"README.md": _INDEX + "".join(rows)} | {Path(rule.page).name: _page(rule) for rule in RULES}


def _page(rule: Rule) -> str:
    bad, good = ((EXAMPLES / rule.code / f"{name}.sql").read_text(encoding="utf-8") for name in ("bad", "good"))
    setup = EXAMPLES / rule.code / "setup.sql"
    before = f"Given:\n\n```sql\n{setup.read_text(encoding='utf-8')}```\n\n" if setup.exists() else ""
    return "\n".join(
        [
            f"# {rule.code}: {rule.title}",
            "",
            f"Severity: {rule.severity}",
            "",
            _wrapped(rule.what),
            "",
            _wrapped(f"**What waits or breaks:** {rule.blocks}."),
            "",
            _wrapped(f"**Instead:** {rule.instead}."),
            "",
            f"{before}With the hazard:",
            "",
            f"```sql\n{bad}```",
            "",
            "Without:",
            "",
            f"```sql\n{good}```",
            "",
            "To allow it, write directly before the statement why:",
            "",
            f"```sql\n-- sqlmigrate-allow: {rule.code} the reason\n```",
            "",
        ]
    )


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 118, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    TARGET.mkdir(exist_ok=True)
    for name, text in pages().items():
        (TARGET / name).write_text(text, encoding="utf-8")
